# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What every script here shares: settings, messages, steps with progress.

set -euo pipefail

# make puts its command-line variables into MAKEFLAGS, where the kernel's own
# makefiles would take CC= and the like from.
unset MAKEFLAGS MAKEOVERRIDES MFLAGS MAKELEVEL
# Nor is git to hear of anything in the environment.
unset "${!GIT_@}"
export LC_ALL=C
umask 022

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$TOP/build
LOG=$BUILD/log
TREE=${VGETRANDOM_TREE:-$BUILD/linux}
PATCHES=$TOP/patches

# All of them, in the order of patches/ORDER.
: "${SERIES:=$(awk '!/^#/ { print $1 }' "$PATCHES/ORDER" | xargs)}"
: "${KERNEL:=}"			# a 6.1 tree of your own instead of Debian's
: "${SOURCE_VERSION:=}"		# a version of linux-source-6.1
: "${CC:=gcc}"
: "${LLVM:=}"
: "${VARIANT:=}"		# debug, kcsan, ...: an overlay from configs/
: "${JOBS:=$(nproc)}"
: "${QEMU:=qemu-system-x86_64}"
: "${ACCEL:=tcg}"
: "${CPU:=max}"
: "${SMP:=2}"
: "${MEM:=1G}"
: "${TIMEOUT:=120}"		# seconds that the guest may be silent
: "${FORCE:=}"

[[ -z $LLVM ]] || CC=clang
OUT=${VGETRANDOM_OUT:-$BUILD/out}${VARIANT:+-$VARIANT}
[[ $CC == gcc ]] || OUT+=-${CC##*/}
OUT=${OUT// /_}

# The same commands and stamps everywhere, so that ccache knows them again.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$TOP}
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
export KBUILD_BUILD_USER=vgetrandom KBUILD_BUILD_HOST=localhost KBUILD_BUILD_VERSION=1

mkdir -p "$LOG"

say() {
	printf '%s\n' "$*"
}

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# Are these series of patches/ORDER, in that order, and what each stands on among them?
is_complete() {
	awk -v series="$1" '
		!/^#/ && index(" " series " ", " " $1 " ") {
			if ($2 != "" && !($2 in have))
				missing = 1
			have[$1]
			found = found (found == "" ? "" : " ") $1
		}
		END { exit missing || found != series }' "$PATCHES/ORDER"
}

check_settings() {
	is_complete "$SERIES" ||
		die "SERIES=$SERIES: these are not series of patches/ORDER, in that order, with those that they stand on"
	[[ $ACCEL == tcg || $ACCEL == kvm ]] || die "ACCEL=$ACCEL is neither tcg nor kvm"
	[[ $TIMEOUT =~ ^[1-9][0-9]*$ ]] || die "TIMEOUT=$TIMEOUT is not a number of seconds"
	[[ $SMP =~ ^[1-9][0-9]*$ ]] || die "SMP=$SMP is not a number of processors"
	[[ $JOBS =~ ^[1-9][0-9]*$ ]] || die "JOBS=$JOBS is not a number"
	[[ -z $VARIANT || -e $TOP/configs/$VARIANT.config ]] ||
		die "there is no configs/$VARIANT.config for VARIANT=$VARIANT"
}
check_settings

need_qemu() {
	command -v "$QEMU" >/dev/null || die "there is no $QEMU; run scripts/deps or set QEMU="
	[[ $ACCEL != kvm || -w /dev/kvm ]] ||
		die "ACCEL=kvm, but /dev/kvm is not there or not yours to use"
}

# The kernel's makefiles allow neither.
[[ $TOP != *[[:space:]:]* ]] || die "the path $TOP has a blank or a colon in it; move the clone"

# One run at a time in a clone; scripts that a locked script calls are in.
lock() {
	[[ -z ${VGETRANDOM_LOCKED:-} ]] || return 0
	exec 9>"$BUILD/.lock"
	flock -n 9 || die "another run is at work in this clone; wait for it to end"
	export VGETRANDOM_LOCKED=1
}

# need_space GiB WHAT-FOR
need_space() {
	local free
	free=$(df --output=avail -k "$BUILD" | tail -n 1)
	(( free >= $1 * 1024 * 1024 )) ||
		die "no space: $2 needs $1 GiB in $BUILD, $((free / 1024)) MiB are free"
}

# Files appear under their name only when they are complete.
# into FILE COMMAND...
into() {
	local file=$1
	shift
	"$@" >"$file.tmp"
	mv "$file.tmp" "$file"
}

# The job of the step at work is a process group of its own, so that one kill
# ends all of it when this script ends for whatever reason.
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

# A step that has something to count sets this to a pattern of its log's lines.
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

explain() {
	local what=$1 log=$2
	printf '\n' >&2
	tail -n 20 "$log" >&2
	if grep -q 'No space left on device' "$log"; then
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
	GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$TOP/scripts/gitconfig \
	GIT_ATTR_NOSYSTEM=1 git "$@"
}

in_tree() {
	plain_git -C "$TREE" "$@"
}

# patch_files [SERIES] - of that one, or of all of them in their order.
patch_files() {
	local series
	for series in ${1:-$SERIES}; do
		[[ ! -d $PATCHES/$series ]] ||
			find "$PATCHES/$series" -maxdepth 1 -name '[0-9]*.patch' | sort
	done
}

# A series, after those that it stands on.
chain_of() {
	local below
	below=$(awk -v name="$1" '$1 == name { print $2 }' "$PATCHES/ORDER")
	say "${below:+$(chain_of "$below") }$1"
}

# The last commit of one of the series that build/linux has.
end_of() {
	local all
	all=$(in_tree config vgetrandom.series)
	if [[ $1 == "${all##* }" ]]; then
		say HEAD
	else
		say "refs/heads/$1"
	fi
}

# What identifies the series as it lies in patches/.
series_id() {
	{ say "$SERIES"; patch_files | xargs -r cat; } | sha256sum | cut -c 1-40
}

# Everything that a boot needs; what is there already takes seconds.
# prepare_guest PACKAGE-OR-NOTHING
prepare_guest() {
	"$TOP/scripts/deps" ${1:+"$1"}
	need_qemu
	"$TOP/scripts/tree" keep
	"$TOP/scripts/build"
	"$TOP/scripts/initramfs"
}
