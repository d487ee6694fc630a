# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Build the kernel in $TREE with $CC into $OUT, and selftests for it. A script may set these
# three after it includes lib.sh and before it calls a function of this file.

# Lines of make's output that stand for an object.
# shellcheck disable=SC2034
OBJECT='^  (CC|AS|HOSTCC|VDSO|AR|LD)( \[M\])? '

# Sets "variables" to what each call of the kernel's makefiles needs.
make_variables() {
	local hostcc=gcc compiler=$CC
	[[ -z $LLVM ]] || hostcc=clang
	[[ $CC != gcc ]] || compiler=$TARGET_GCC
	variables=(ARCH="$KERNEL_ARCH" LOCALVERSION= CC="ccache $compiler" HOSTCC="ccache $hostcc")
	[[ -z $LLVM ]] || variables+=(LLVM="$LLVM")
	[[ -z $CROSS_PREFIX ]] || variables+=(CROSS_COMPILE="$CROSS_PREFIX")
}

kmake() {
	local variables
	make_variables
	make -C "$TREE" O="$OUT" "${variables[@]}" "$@"
}

# The files of configs/ for this kernel, in the order in which they count. A variant whose
# name begins with the version is used instead of the one without.
config_files() {
	local name
	for name in $CONFIGS ${VARIANT:+"$VARIANT.config" "$VARIANT-$VGETRANDOM_ARCH.config"}; do
		if [[ -n $VARIANT && $name == "$VARIANT"* && -e $TOP/configs/$KERNEL_VERSION-$name ]]; then
			say "$TOP/configs/$KERNEL_VERSION-$name"
		elif [[ $name != "$VARIANT-$VGETRANDOM_ARCH.config" || -e $TOP/configs/$name ]]; then
			say "$TOP/configs/$name"
		fi
		name=$TOP/configs/${name%.config}-vmclock.config
		[[ ! -e $name || ! -e $TREE/drivers/virt/vmclock.c ]] || say "$name"
	done
}

# Enable what these files name, with everything else off.
# configure [FILE...], by default the files of configs/
configure() {
	local variables files=("$@")
	(( $# > 0 )) || mapfile -t files < <(config_files)
	make_variables
	mkdir -p "$OUT"
	cd "$TREE" || return
	MAKEFLAGS="s --$(printf ' %s' "${variables[@]// /\\ }")" \
		scripts/kconfig/merge_config.sh -n -O "$OUT" "${files[@]}"
}

# True unless configs/, the compiler or a Kconfig file changed since the last time.
is_configured() {
	[[ -e $OUT/.config && $(cat "$OUT/configured" 2>/dev/null) == "$(configuration_id)" ]] &&
		[[ -z $(cd "$TREE" && in_tree ls-files -z '*Kconfig*' |
			xargs -0 -r ls -td "$OUT/configured" | sed '/\/configured$/,$d') ]]
}

configuration_id() {
	{ say "$CC $LLVM"; "${CC%% *}" --version; config_files | xargs cat; } | hash_of
}

# Configure, and make sure that each setting made it into .config.
configure_kernel() {
	local missing
	! is_configured || return 0
	step "config-$(basename "$OUT")" "configuring the kernel${VARIANT:+ ($VARIANT)}" configure
	# What a configuration does not offer is off as well.
	missing=$(sed -nE '/^Requested value:/ { N
		/ is not set\nActual value: *$/! s/^Requested value: *([^\n]*)\n.*/  \1/p
		}' "$LOG/config-$(basename "$OUT").log")
	[[ -z $missing ]] || die "these settings did not make it into the kernel's .config:
$missing"
	into "$OUT/configured" configuration_id
}

is_on() {
	grep -q "^CONFIG_$1=y" "$OUT/.config"
}

# Make goals for all that the series change up to a commit, where the configuration has
# them at all. The vDSO's parts have no objects of their own: it is built as a whole.
# goals_for COMMIT
goals_for() {
	local file
	in_tree diff --name-only --diff-filter=d base "$1" |
	while read -r file; do
		[[ -e $TREE/$file ]] || continue
		case $file in
		lib/vdso/getrandom_abort.c) is_on HAVE_VDSO_GETRANDOM_ABORT ;;
		"$VDSO_DIR"/* | lib/vdso/* | include/vdso/*) say "$VDSO_DIR/"; continue ;;
		tools/* | arch/*/tools/* | *_test.c | *_kunit.c) continue ;;
		arch/*) [[ $file == arch/"$KERNEL_ARCH"/*.[cS] ]] ;;
		mm/ksm.c) is_on KSM ;;
		mm/huge_memory.c) is_on TRANSPARENT_HUGEPAGE ;;
		mm/mempolicy.c) is_on NUMA ;;
		fs/proc/task_mmu.c) is_on PROC_FS ;;
		fs/proc/proc_sysctl.c) is_on PROC_SYSCTL ;;
		mm/memcontrol.c) is_on MEMCG ;;
		mm/memremap.c) is_on ZONE_DEVICE ;;
		mm/userfaultfd.c) is_on USERFAULTFD ;;
		mm/migrate_device.c) is_on DEVICE_MIGRATION ;;
		kernel/futex/core.c) is_on FUTEX ;;
		kernel/events/uprobes.c) is_on UPROBES ;;
		drivers/net/wireguard/*) is_on WIREGUARD ;;
		drivers/virt/vmgenid.c) is_on VMGENID ;;
		drivers/virt/vmclock.c) is_on VMCLOCK ;;
		drivers/ptp/ptp_vmclock.c) is_on PTP_1588_CLOCK_VMCLOCK ;;
		*.c | *.S) ;;
		*) continue ;;
		esac && say "${file%.*}.o"
	done | sort -u
}

# Make TREE a second checkout, for commits other than the last one.
use_worktree() {
	local main=$BUILD/linux$VERSION_SUFFIX
	TREE=$BUILD/each$VERSION_SUFFIX
	[[ ! -e $TREE/.git ]] || return 0
	rm -rf "$TREE"
	plain_git -C "$main" worktree prune
	plain_git -C "$main" worktree add -q --detach "$TREE" base
}

# From here on, and in every script that is called, TREE is a second checkout of a commit
# and OUT is build/out-NAME, with the compiler's name added unless it is gcc.
# work_on COMMIT NAME
work_on() {
	use_worktree
	in_tree checkout -q -f --detach "$1"
	export VGETRANDOM_TREE=$TREE VGETRANDOM_OUT=$BUILD/out$SUFFIX-$2
	OUT=$VGETRANDOM_OUT
	[[ $CC == gcc ]] || OUT+=-$CC
}

text_size() {
	size -B "$1" | awk 'END { print $1 }'
}

# A line "WHAT,BASE,SERIES" each, in bytes of code and tables.
# text_sizes BASE-DIRECTORY SERIES-DIRECTORY
text_sizes() {
	local what file
	while IFS=, read -r what file; do
		say "$what,$(text_size "$1/$file"),$(text_size "$2/$file")"
	done <<-END
	kernel,vmlinux.o
	vDSO,$VDSO_STRIPPED
	random.c,drivers/char/random.o
	END
}

# Call a selftest's own makefile. The compiler's name carries the options that all of them need.
# make_selftest DIRECTORY/PROGRAM OUTPUT OPTION...
make_selftest() {
	local dir=${1%/*} out=$2/${1%/*}
	mkdir -p "$out"
	make -C "$TREE/tools/testing/selftests/$dir" OUTPUT="$out" \
		${CROSS_PREFIX:+ARCH="$KERNEL_ARCH" CROSS_COMPILE="$CROSS_PREFIX"} \
		KHDR_INCLUDES="-isystem $OUT/usr/include" \
		CC="$TARGET_GCC $TARGET_OPTIONS ${*:3} -isystem $OUT/usr/include" "$out/${1##*/}"
}

# Build the program that checks and measures the vDSO image natively.
build_bench() {
	mkdir -p "$BUILD/bench"
	# Without comments: some contain another beginning of one.
	sed -n 's,^\(#define [A-Z0-9]*_FEATURE_[^/]*\).*,\1,p' "$TREE/$CPU_FEATURES_HEADER" \
		>"$BUILD/bench/cpufeatures.h"
	gcc -O2 -Wall -Wextra -Werror -pthread -iquote "$BUILD/bench" -o "$BUILD/bench/bench" \
		"$TOP"/bench/*.c -ldl
}
