#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Check what signal delivery assumes about getrandom() in the vDSO image:
#
# - All drawing code lies in its range, and nothing leads out of it.
# - The entry point and the landing pads lie outside.
# - The drawing code's stack fits into the block that the entry point sets aside.
# - The fast path is at the start of the range. No instruction in it touches the
#   stack, the caller's registers or the arguments that the landing pad needs.
#
# usage: NM= OBJDUMP= checkvgetrandom.sh IMAGE HEADER SU OBJECT...
#
# HEADER defines the sizes of block and record. SU is y if the compiler wrote its
# stack usage to files beside the objects. NM and OBJDUMP are the tools to use.

image=$1
header=$2
su=$3
shift 3

fail()
{
	echo "$image: $*" >&2
	exit 1
}

# Print the address of a symbol of the image.
address()
{
	hex=$("$NM" "$image" | awk -v name="$1" '$NF == name { print $1; exit }')
	[ "$hex" ] || fail "there is no $1"
	echo $((0x$hex))
}

inside()
{
	at=$(address "$1") || exit 1
	[ "$at" -ge "$start" ] && [ "$at" -lt "$end" ]
}

start=$(address VDSO_vgetrandom_start) || exit 1
end=$(address VDSO_vgetrandom_end) || exit 1

for symbol in __kernel_getrandom __vgetrandom_framed __vgetrandom_return __vgetrandom_query \
	      __vgetrandom_cookie vgetrandom_landing_pad vgetrandom_fast_landing_pad; do
	! inside "$symbol" || fail "$symbol is in the drawing range"
done

fast_start=$(address vgetrandom_fast) || exit 1
fast_end=$(address VDSO_vgetrandom_fast_end) || exit 1
[ "$fast_start" -eq "$start" ] || fail "the fast path is not at the start of the drawing range"
draw=$(address __vgetrandom_draw) || exit 1
[ "$fast_end" -le "$draw" ] || fail "the fast path does not precede the other drawing code"

# Some tools overwrite the start of an exported function with code of their own.
near=$("$NM" -D --defined-only "$image" | awk '$2 ~ /[TtWw]/ { print $1, $3 }' |
	while read -r hex symbol; do
		at=$((0x$hex))
		[ $((at + 64)) -le "$start" ] || [ "$at" -ge "$end" ] || echo "$symbol"
	done)
[ -z "$near" ] || fail "the drawing range is too close to the start of $near"

for object; do
	defined=$("$NM" --defined-only "$object" | awk '$2 ~ /[Tt]/ && $3 !~ /^\$/ { print $3 }')
	[ "$defined" ] || fail "$object has no code"
	for symbol in $defined; do
		inside "$symbol" || fail "$symbol is outside of the drawing range"
	done

	# The linker script would not put code in these sections into the range.
	sections=$("$OBJDUMP" -h "$object" | awk '
		$1 ~ /^[0-9]+$/ { name = $2 }
		/CODE/ && name !~ /^\.text/ { print name }')
	[ -z "$sections" ] || fail "$object has code in $sections"

	# Undefined symbols must be in another object, or be a data page.
	for symbol in $("$NM" -u "$object" | awk '{ print $NF }'); do
		[ "$symbol" = vdso_rng_data ] || [ "$symbol" = vdso_vmclock ] && continue
		# How the fast path gets there is checked below.
		case $symbol in __vgetrandom_framed | __vgetrandom_return) continue ;; esac
		"$NM" --defined-only "$@" | grep -q " [Tt] $symbol\$" ||
			fail "$object refers to $symbol, which is outside of the drawing range"
	done

	# An indirect branch could go anywhere. Returns are fine.
	indirect=$("$OBJDUMP" -d --no-show-raw-insn "$object" |
		awk '$2 ~ /^(br|blr)(aa|ab|aaz|abz)?$/ { print $2, $3 }')
	[ -z "$indirect" ] || fail "$object has indirect branches: $indirect"
done

# The fast path, instruction by instruction: it must not write to a register that the
# pad or the caller needs, nor use the stack. It may only branch to the start of the
# slow path, or to where the length is returned.
wrong=$("$OBJDUMP" -d --no-show-raw-insn --start-address="$fast_start" \
		--stop-address="$fast_end" "$image" | awk '
	# Whether the pad clears it: x9 to x15 or v0 to v7, by any name
	function scratch(name) {
		return name ~ /^[wx](9|1[0-5])$/ || name ~ /^[qv][0-7](\.4s)?$/
	}
	# Whether it is that, or zero
	function known(name) {
		return scratch(name) || name ~ /^([wx]zr|q16)$/
	}
	!/^ *[0-9a-f]+:[ \t]/ { next }
	{
		count++
		sub(/^ *[0-9a-f]+:[ \t]*/, "")
		sub(/ *\/\/.*/, "")
		line = $0
		last = $1
		gsub(/,/, " ")
	}
	/^(nop|dmb[ \t]+ishld)$/ { next }
	/^movi[ \t]+v16\.4s[ ]+#0(x0)?$/ { next }
	/^(b|b\.[a-z]+|cbn?z|tbn?z)[ \t]/ {
		if (!/<(vgetrandom_fast(\+0x[0-9a-f]+)?|__vgetrandom_(framed|return))>$/)
			print line
		next
	}
	/^(cmp|tst)[ \t]/ { next }
	# Addresses in the buffer, in the state, or of data that the linker knows. None changes.
	/\[/ && (!/\[x(0|3|9|1[0-5])([ ]+#-?[0-9a-fx]+)?\]$/) { print line; next }
	/^(str[bh]?|stur[bh]?)[ \t]/ { if (!known($2)) print line; next }
	/^stp[ \t]/ { if (!known($2) || !known($3)) print line; next }
	/^ldp[ \t]/ { if (!scratch($2) || !scratch($3)) print line; next }
	/^(ldr[bh]?|ldur[bh]?|ldar|adr|mov|movi|add|subs?|and|ror)[ \t]/ {
		if (!scratch($2))
			print line
		next
	}
	{ print line }
	END {
		if (last != "b")
			print (count ? "its end" : "nothing")
	}')
[ -z "$wrong" ] || fail "the landing pad of the fast path does not allow for: $wrong"

[ "$su" = y ] || exit 0

# In the worst case, the entry point calls the first function of a file, each function
# calls the next one, and the last one calls a block function, which uses no stack.
value()
{
	awk -v name="$1" '$1 == "#define" && $2 == name { print $3 }' "$header"
}
available=$(value VGETRANDOM_STACK_SIZE)
checked=
for object; do
	usage=${object%.o}.su
	[ -e "$usage" ] || continue
	checked=$object
	! grep -q -v 'static$' "$usage" || fail "$object uses an unknown amount of stack"
	used=$(awk '{ sum += $(NF - 1) } END { print sum + 0 }' "$usage")
	[ "$used" -le "$available" ] ||
		fail "$object uses up to $used bytes of stack, and has $available"
done
[ "$checked" ] || fail "no use of the stack is known"
