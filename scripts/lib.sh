# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Settings, messages, steps with progress, and git: what the scripts here share.

set -euo pipefail

# make passes its command-line variables on in MAKEFLAGS, where the kernel's makefiles
# would pick up CC= and the like.
unset MAKEFLAGS MAKEOVERRIDES MFLAGS MAKELEVEL
# Nothing in the environment may influence git.
unset "${!GIT_@}"
export LC_ALL=C
umask 022

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$TOP/build

say() {
	printf '%s\n' "$*"
}

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# choices DIRECTORY - the kernel versions, or architectures, that have a file.
choices() {
	find "$TOP/$1" -maxdepth 1 -type f -printf '%f\n' | sort -V | xargs
}

# The kernel version and the architecture each have one file of facts. kbuild reads ARCH
# from the environment too, under other names, so only these scripts may see it.
: "${KERNEL_VERSION:=$(readlink "$TOP/kernels/default")}"
VGETRANDOM_ARCH=${ARCH:-${VGETRANDOM_ARCH:-$(readlink "$TOP/arch/default")}}
unset ARCH
export KERNEL_VERSION VGETRANDOM_ARCH
[[ " $(choices arch) " == *" $VGETRANDOM_ARCH "* ]] ||
	die "ARCH=$VGETRANDOM_ARCH is not known; there is: $(choices arch)"
[[ " $(choices kernels) " == *" $KERNEL_VERSION "* ]] ||
	die "KERNEL_VERSION=$KERNEL_VERSION is not known; there is: $(choices kernels)"
# A kernel's file may leave these out.
SERIES_FILE='' SERIES_WORD='' OPEN_SOURCES='' MM_SELFTESTS=mm BASE_SELFTESTS=''
CLIENTS_RELEASE=
# shellcheck disable=SC2034 # for other scripts
CLANG=clang MODEL='' BENCH_BEFORE='' OTHER_ARCHES='' KUNIT_ABSENT='' KUNIT_UNSET=''
# shellcheck disable=SC2034
declare -A PEERS=() ABSENT_CHECKS=()
# shellcheck source=arch/default
. "$TOP/arch/$VGETRANDOM_ARCH"
# shellcheck source=kernels/default
. "$TOP/kernels/$KERNEL_VERSION"

# Everything but the defaults builds in places of its own.
VERSION_SUFFIX=
[[ $KERNEL_VERSION == "$(readlink "$TOP/kernels/default")" ]] || VERSION_SUFFIX=-$KERNEL_VERSION
SUFFIX=$VERSION_SUFFIX
[[ $VGETRANDOM_ARCH == "$(readlink "$TOP/arch/default")" ]] || SUFFIX+=-$VGETRANDOM_ARCH

LOG=$BUILD/log$SUFFIX
TREE=${VGETRANDOM_TREE:-$BUILD/linux$VERSION_SUFFIX}
PATCHES=$TOP/patches/$KERNEL_VERSION
# The results that documents and cover letters repeat
# shellcheck disable=SC2034
FIGURES=$TOP/results${VERSION_SUFFIX:+/$KERNEL_VERSION}
# A kernel without patches has no series.
ORDER=$PATCHES/ORDER
[[ -e $ORDER ]] || ORDER=/dev/null

: "${SERIES:=$(awk '!/^#/ { print $1 }' "$ORDER" | xargs)}"	# all of them
: "${KERNEL:=}"			# a kernel tree of your own instead of Debian's
: "${SOURCE_VERSION:=}"		# a version of Debian's source package
: "${CC:=gcc}"
: "${LLVM:=}"
: "${VARIANT:=}"		# debug, kcsan, ...: an overlay from configs/
: "${JOBS:=$(nproc)}"
: "${QEMU:=$QEMU_BINARY}"
: "${ACCEL:=tcg}"
: "${CPU:=$CPU_BEST}"
: "${SMP:=2}"
: "${MEM:=1G}"
: "${TIMEOUT:=120}"		# seconds that the guest may be silent
: "${FORCE:=}"

# When it emulates several processors, QEMU sometimes runs a breakpoint that the kernel had
# placed for a moment, while it patched its own code, and has already removed. Older kernels
# do not say "Oops:" before this.
# shellcheck disable=SC2034
REMOVED_BREAKPOINT='\] (Oops: )?int3: 0000 '

[[ -z $LLVM ]] || CC=clang
OUT=${VGETRANDOM_OUT:-$BUILD/out$SUFFIX}${VARIANT:+-$VARIANT}
[[ $CC == gcc ]] || OUT+=-${CC##*/}
OUT=${OUT// /_}

# The compiler of the guest's programs. scripts/cross unpacks it where the architecture says so.
# shellcheck disable=SC2034
TARGET_GCC=${CROSS_PREFIX}gcc
CROSS_DIR=$BUILD/cross-$VGETRANDOM_ARCH
[[ -z ${CROSS_UNPACK:-} ]] || PATH=$CROSS_DIR/bin:$PATH

# The same commands and stamps everywhere, so that ccache recognizes them.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$TOP}
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
export KBUILD_BUILD_USER=vgetrandom KBUILD_BUILD_HOST=localhost KBUILD_BUILD_VERSION=1

mkdir -p "$LOG"

# Does SERIES name series of ORDER, in that order, each with the one that it depends on?
is_complete() {
	awk -v series="$1" '
		!/^#/ && index(" " series " ", " " $1 " ") {
			if ($2 != "" && !($2 in have))
				missing = 1
			have[$1]
			found = found (found == "" ? "" : " ") $1
		}
		END { exit missing || found != series }' "$ORDER"
}

check_settings() {
	is_complete "$SERIES" ||
		die "SERIES=$SERIES: these are not series of ${ORDER#"$TOP/"}, in that order, with those that they stand on; there are: $(awk '!/^#/ { print $1 }' "$ORDER" | xargs)"
	[[ $ACCEL == tcg || $ACCEL == kvm ]] || die "ACCEL=$ACCEL is neither tcg nor kvm"
	[[ $TIMEOUT =~ ^[1-9][0-9]*$ ]] || die "TIMEOUT=$TIMEOUT is not a number of seconds"
	[[ $SMP =~ ^[1-9][0-9]*$ ]] || die "SMP=$SMP is not a number of processors"
	[[ $JOBS =~ ^[1-9][0-9]*$ ]] || die "JOBS=$JOBS is not a number"
	[[ -z $VARIANT || -e $TOP/configs/$VARIANT.config ]] ||
		die "there is no configs/$VARIANT.config for VARIANT=$VARIANT"
	# The kernel's makefiles and QEMU's options cannot take these.
	[[ $TOP != *[[:space:]:,]* ]] || die "the path $TOP has a blank, colon or comma in it; move the clone"
}
check_settings

# Set variables of these names, which have their defaults, to the arguments of the script.
# take_arguments NAME... -- NAME=VALUE...
take_arguments() {
	local argument names=
	while [[ $1 != -- ]]; do
		names+=" $1"
		shift
	done
	shift
	for argument; do
		[[ $argument == *=* && "$names " == *" ${argument%%=*} "* ]] ||
			die "${0##*/} does not take $argument; its arguments are named:$names"
		declare -g "$argument"
	done
}

need_qemu() {
	command -v "$QEMU" >/dev/null || die "there is no $QEMU; run scripts/deps or set QEMU="
	[[ $ACCEL != kvm || -w /dev/kvm ]] ||
		die "ACCEL=kvm, but /dev/kvm does not exist or is not writable for you"
}

has_vmclock() {
	local help
	help=$("$1" -device vmclock,help 2>&1) && [[ $help == *vmclock* && $help != *"not found"* ]]
}

# Unpack the packages into a new directory, with a command RUN in it. It must not load the
# modules of another QEMU.
# unpack_qemu DIRECTORY PACKAGE...
unpack_qemu() {
	local dir=$1 deb modules
	shift
	rm -rf "$dir" "$dir.tmp"
	for deb; do
		dpkg-deb -x "$deb" "$dir.tmp"
	done
	modules=$(cd "$dir.tmp" && echo usr/lib/*/qemu)
	{
		say "#!/bin/sh"
		say "export QEMU_MODULE_DIR=$dir/$modules"
		say "exec $dir/usr/bin/$QEMU_BINARY -L $dir/usr/share/qemu -L $VMCLOCK_FIRMWARE \"\$@\""
	} >"$dir.tmp/run"
	chmod +x "$dir.tmp/run"
	mv "$dir.tmp" "$dir"
}

# Call scripts/fetch for a package for all architectures, such as the kernel's source. The lists of
# this machine's architecture are those that the user chose, security updates included.
# fetch_source ARGUMENT...
fetch_source() {
	ARCH='' VGETRANDOM_ARCH='' "$TOP/scripts/fetch" "$@"
}

# The two pages that $VMCLOCK_TREE describes: a vmclock with the flag for notifications, and an
# ID
vmclock_pages() {
	printf 'VCLK\0\x10\0\0\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\2'
	head -c $((65536 - 26)) /dev/zero
	printf '0123456789abcdef'
}

# Set QEMU_VMCLOCK to a QEMU that has the device, and VMCLOCK_OPTIONS to its options. It is
# the user's, or one that is unpacked in build/ and not installed, or two pages of memory
# take the place of the device. Otherwise say in WHY_NO_VMCLOCK why there is none, and fail.
find_vmclock() {
	local debs=() dir=$BUILD/qemu-vmclock
	QEMU_VMCLOCK=$QEMU VMCLOCK_OPTIONS="-device vmclock"
	if [[ -n ${VMCLOCK_TREE:-} ]]; then
		into "$BUILD/vmclock.bin" vmclock_pages
		VMCLOCK_OPTIONS="-device loader,file=$BUILD/vmclock.bin,addr=$VMCLOCK_ADDRESS,force-raw=on"
		export DEVICE_TREE=$TOP/$VMCLOCK_TREE VMCLOCK_OPTIONS VMCLOCK_ADDRESS
		return
	fi
	! has_vmclock "$QEMU" || return 0
	QEMU_VMCLOCK=$dir/run
	WHY_NO_VMCLOCK="$QEMU_BINARY has none"
	[[ -n ${VMCLOCK_RELEASE:-} ]] || return 1
	mapfile -t debs < <("$TOP/scripts/fetch" "$VMCLOCK_RELEASE" "${VMCLOCK_PACKAGES[@]}" \
		2> >(tee "$LOG/vmclock.err" >&2))
	wait "$!" || {
		WHY_NO_VMCLOCK=$(tail -n 1 "$LOG/vmclock.err")
		return 1
	}
	[[ -e $dir/run && ! ${debs[0]} -nt $dir ]] || unpack_qemu "$dir" "${debs[@]}"
	# shellcheck disable=SC2034 # for the caller
	WHY_NO_VMCLOCK="the QEMU of $VMCLOCK_RELEASE does not run, or has no vmclock"
	has_vmclock "$QEMU_VMCLOCK"
}

# QEMU's own device tree for the machine that COMMAND starts, and what $DEVICE_TREE adds. The
# kernel has built the compiler.
# make_device_tree FILE COMMAND...
make_device_tree() {
	local tree=$1 dtc=$OUT/scripts/dtc/dtc
	shift
	[[ -x $dtc ]] || die "there is no $dtc; the kernel's configuration has no device trees"
	"$@" -machine dumpdtb="$tree" >"$tree.qemu" 2>&1 ||
		die "QEMU does not tell its device tree: $(tail -n 1 "$tree.qemu")"
	{ "$dtc" -q -I dtb -O dts "$tree" && cat "$DEVICE_TREE"; } >"$tree.source"
	"$dtc" -q -I dts -O dtb -o "$tree" "$tree.source" ||
		die "the device tree with ${DEVICE_TREE#"$TOP"/} does not compile"
}

# One run at a time in a clone. Scripts called by the script that holds the lock pass.
lock() {
	[[ -z ${VGETRANDOM_LOCKED:-} ]] || return 0
	exec 9>"$BUILD/.lock"
	flock -n 9 || die "another run is at work in this clone; wait for it to end"
	export VGETRANDOM_LOCKED=1
}

# need_space GiB PURPOSE
need_space() {
	local free
	free=$(df --output=avail -k "$BUILD" | tail -n 1)
	(( free >= $1 * 1024 * 1024 )) ||
		die "no space: $2 needs $1 GiB in $BUILD, $((free / 1024)) MiB are free"
}

# Write a file from a command's output; it gets its name only when it is complete.
# into FILE COMMAND...
into() {
	local file=$1
	shift
	"$@" >"$file.tmp"
	mv "$file.tmp" "$file"
}

# 40 digits that identify the text on standard input.
hash_of() {
	sha256sum | cut -c 1-40
}

# Print the words of a command so that a shell reads them back.
quoted() {
	local word line=
	for word; do
		[[ $word =~ ^[A-Za-z0-9_./,:=+@%-]+$ ]] || word=${word@Q}
		line+="${line:+ }$word"
	done
	say "$line"
}

# Call a function with each line of standard input, JOBS calls at a time.
in_parallel() {
	local item
	while read -r item; do
		while (( $(jobs -rp | wc -l) >= JOBS )); do
			wait -n || true
		done
		"$1" "$item" &
	done
	wait
}

# The job of the step at work is a process group of its own, so that one kill ends all of
# it, however this script ends.
job=
end_job() {
	[[ -n $job ]] || return 0
	kill -TERM -- "-$job" 2>/dev/null || true
	wait "$job" 2>/dev/null || true
	job=
}
trap end_job EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap 'exit 141' PIPE

start_job() {
	set -m
	"$@" </dev/null &
	set +m
	job=$!
}

# A step that can count its progress sets COUNT to a pattern for lines of its log.
COUNT=
COUNT_OF=
count() {
	[[ -n $COUNT ]] || return 0
	printf '%s %s, ' "$(grep -cE "$COUNT" "$1" || true)" "$COUNT_OF"
}

show_progress() {
	local what=$1 log=$2 seconds=$3
	if [[ -t 1 ]]; then
		printf '\r\033[K%s: %s%d s' "$what" "$(count "$log")" "$seconds"
	elif (( seconds % 20 == 0 && seconds > 0 )); then
		say "$what: $(count "$log")$seconds s so far"
	fi
}

watch_job() {
	local what=$1 log=$2 begin=$SECONDS shown=-1
	while kill -0 "$job" 2>/dev/null; do
		if (( SECONDS - begin != shown )); then
			shown=$((SECONDS - begin))
			show_progress "$what" "$log" "$shown"
		fi
		sleep 0.1
	done
	[[ ! -t 1 ]] || printf '\r\033[K'
}

# On a full disk, the log may not say so: it is on that disk, too.
is_disk_full() {
	local log=$1 free
	free=$(df --output=avail -k "$BUILD" | tail -n 1)
	(( free < 1024 )) || grep -q 'No space left on device' "$log"
}

explain() {
	local what=$1 log=$2
	printf '\n' >&2
	tail -n 20 "$log" >&2
	if is_disk_full "$log"; then
		die "$what failed: no space left on the disk of $BUILD"
	fi
	die "$what failed: the last lines of ${log#"$TOP"/} are above"
}

# step LOG-NAME DESCRIPTION COMMAND...
step() {
	local log=$LOG/$1.log what=$2 begin=$SECONDS status=0
	shift 2
	: >"$log"
	start_job "$@" >"$log" 2>&1
	watch_job "$what" "$log"
	wait "$job" || status=$?
	job=
	(( status == 0 )) || explain "$what" "$log"
	say "$what: $(count "$log")$((SECONDS - begin)) s"
}

# Git that nothing in the user's configuration can influence.
plain_git() {
	GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$TOP/configs/gitconfig \
	GIT_ATTR_NOSYSTEM=1 git "$@"
}

in_tree() {
	plain_git -C "$TREE" "$@"
}

# The patches of these series, in their order.
# patch_files "SERIES..."
patch_files() {
	local series
	for series in $1; do
		[[ ! -d $PATCHES/$series ]] ||
			find "$PATCHES/$series" -maxdepth 1 -name '[0-9]*.patch' | sort
	done
}

# A series, after those that it depends on.
chain_of() {
	local below
	below=$(awk -v name="$1" '$1 == name { print $2 }' "$ORDER")
	say "${below:+$(chain_of "$below") }$1"
}

# The last commit of one of the series in the tree; base is the kernel without any.
end_of() {
	local all
	if [[ $1 == base ]]; then
		say refs/tags/base
		return
	fi
	all=$(in_tree config vgetrandom.series)
	[[ " $all " == *" $1 "* ]] || die "$1 is none of the series in the tree: $all"
	if [[ $1 == "${all##* }" ]]; then
		say HEAD
	else
		say "refs/heads/$1"
	fi
}

# Identifies the series as they are in patches/.
series_id() {
	{ say "$SERIES"; patch_files "$SERIES" | xargs -r cat; } | hash_of
}

# Make everything that a boot needs; what exists already takes seconds.
prepare_guest() {
	"$TOP/scripts/deps"
	need_qemu
	"$TOP/scripts/tree" keep
	"$TOP/scripts/build"
	"$TOP/scripts/initramfs"
}

# Functions that the series add or change, for data races: only those there count.
series_functions() {
	in_tree diff -U0 base HEAD -- '*.c' '*.h' ':!tools' |
		sed -nE 's/^@@[^@]*@@ .*\<(\w+)\(.*/\1/p; s/^\+[a-z].*\<(\w+)\([^;]*$/\1/p' | sort -u
}

# A line for each case of a boot, one for the kernel's log, and one for data races.
# results_of_boot NAME DESCRIPTION
results_of_boot() {
	into "$LOG/boot-$1.functions" series_functions
	"$TOP/scripts/results" boot "$LOG/boot-$1" "$2" "$LOG/boot-$1.functions"
}

# Print "pass DESCRIPTION" or "fail DESCRIPTION" for the command.
# verdict DESCRIPTION COMMAND...
verdict() {
	local what=$1
	shift
	if "$@" >&2; then
		say "pass $what"
	else
		say "fail $what"
		return 1
	fi
}
