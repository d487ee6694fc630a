# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Kernel builds of $TREE in $OUT with $CC; a script may set these three after
# lib.sh, before it calls anything here.

# Lines of make's output that stand for an object.
OBJECT='^  (CC|AS|HOSTCC|VDSO|AR|LD)( \[M\])? '

kmake() {
	local hostcc=gcc
	[[ -z $LLVM ]] || hostcc=clang
	make -C "$TREE" O="$OUT" LOCALVERSION= ${LLVM:+LLVM="$LLVM"} \
		CC="ccache $CC" HOSTCC="ccache $hostcc" "$@"
}

# Only the lines whose symbols this tree has.
known_in_tree() {
	local line symbol
	while read -r line; do
		[[ $line == CONFIG_* ]] || continue
		symbol=${line%%=*}
		! grep -rqE --include='Kconfig*' "^\s*(menu)?config ${symbol#CONFIG_}$" "$TREE" ||
			say "$line"
	done
}

# What configs/ says for this tree and VARIANT=.
fragments() {
	cat "$TOP/configs/base.config"
	known_in_tree <"$TOP/configs/series.config"
	[[ -z $VARIANT ]] || cat "$TOP/configs/$VARIANT.config"
}

# Everything off that the fragments do not name.
configure() {
	mkdir -p "$OUT"
	into "$OUT/fragments" fragments
	KCONFIG_ALLCONFIG=$OUT/fragments kmake -s allnoconfig
}

# Of two fragments that set one symbol, the later one counts.
missing_symbols() {
	awk 'FNR == NR { if (/^CONFIG_/) want[substr($0, 1, index($0, "=") - 1)] = $0; next }
	     { have[$0] = 1 }
	     END { for (name in want) if (!(want[name] in have)) print "  " want[name] }' \
		"$OUT/fragments" "$OUT/.config" | sort
}

verify_config() {
	local missing
	missing=$(missing_symbols)
	[[ -z $missing ]] || die "these settings did not make it into the kernel's .config:
$missing"
}

in_tree_of_series() {
	plain_git -C "$BUILD/linux" "$@"
}

# Makes TREE a second checkout, for commits other than the last one.
use_worktree() {
	TREE=$BUILD/each
	[[ ! -e $TREE/.git ]] || return 0
	rm -rf "$TREE"
	in_tree_of_series worktree prune
	in_tree_of_series worktree add -q --detach "$TREE" base
}

# From here on, and in every script that is called, TREE is a second checkout, of that
# commit, and OUT is build/out-NAME (and the compiler's name, if it is not gcc).
# work_on COMMIT NAME
work_on() {
	use_worktree
	in_tree checkout -q -f --detach "$1"
	export VGETRANDOM_TREE=$TREE VGETRANDOM_OUT=$BUILD/out-$2
	OUT=$VGETRANDOM_OUT
	[[ $CC == gcc ]] || OUT+=-$CC
}
