#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Check what signal delivery assumes about getrandom() in a vDSO image:
#
# - All drawing code lies in its range, and nothing leads out of it.
# - The entry point and the landing pads lie outside.
# - The drawing code's stack fits into the block that the entry point sets aside.
# - The fast path has a range of its own. No instruction in it touches the stack,
#   the caller's registers or the arguments that the landing pad needs.
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

start=$(address vgetrandom_start) || exit 1
end=$(address vgetrandom_end) || exit 1

for symbol in __vdso_getrandom __vgetrandom_framed __vgetrandom_query \
	      __vgetrandom_cookie vgetrandom_landing_pad vgetrandom_fast_landing_pad; do
	! inside "$symbol" || fail "$symbol is in the drawing range"
done

fast_start=$(address vgetrandom_fast_start) || exit 1
fast_end=$(address vgetrandom_fast_end) || exit 1
[ "$fast_end" -le "$start" ] || fail "the fast path does not precede the drawing range"

# Some tools overwrite the start of an exported function with code of their own.
near=$("$NM" -D --defined-only "$image" | awk '$2 ~ /[TtWw]/ { print $1, $3 }' |
	while read -r hex symbol; do
		at=$((0x$hex))
		[ $((at + 64)) -le "$fast_start" ] || [ "$at" -ge $((end)) ] || echo "$symbol"
	done)
[ -z "$near" ] || fail "the drawing range is too close to the start of $near"

for object; do
	defined=$("$NM" --defined-only "$object" | awk '$2 ~ /[Tt]/ { print $3 }')
	[ "$defined" ] || fail "$object has no code"
	for symbol in $defined; do
		inside "$symbol" || fail "$symbol is outside of the drawing range"
	done

	# The linker script would not put code in these sections into the range.
	sections=$("$OBJDUMP" -h "$object" | awk '
		$1 ~ /^[0-9]+$/ { name = $2 }
		/CODE|TEXT/ && name !~ /^\.text/ && name != ".altinstr_replacement" { print name }')
	[ -z "$sections" ] || fail "$object has code in $sections"

	# Undefined symbols must be in another object, or be a data page.
	for symbol in $("$NM" -u "$object" | awk '{ print $NF }'); do
		[ "$symbol" = vdso_rng_data ] || [ "$symbol" = vdso_vmclock ] && continue
		"$NM" --defined-only "$@" | grep -q " [Tt] $symbol\$" ||
			fail "$object refers to $symbol, which is outside of the drawing range"
	done
done

# The fast path, instruction by instruction: it must not write to a register that the
# pad or the caller needs, nor use the stack. It may only return, or jump to the start
# of the slow path.
wrong=$("$OBJDUMP" -d --no-show-raw-insn --start-address="$fast_start" \
		--stop-address="$fast_end" "$image" | awk '
	BEGIN {
		split("%rax %eax %al %r8 %r8d %r8b %r9 %r9d %r9b %r10 %r10d %r10b " \
		      "%r11 %r11d %r11b %xmm0 %xmm1 %xmm2 %xmm3 %xmm4", names)
		for (i in names)
			scratch[names[i]]
	}
	!/^ *[0-9a-f]+:[ \t]/ { next }
	{
		count++
		line = $0
		sub(/^ *[0-9a-f]+:[ \t]*/, "")
	}
	/^(ret|int3|nop|vzeroall)/ { next }
	/^j/ {
		if (!/<(vgetrandom_fast(_start)?\+0x[0-9a-f]+|__vgetrandom_framed)>/)
			print line
		next
	}
	/%[re]?sp|%st|[^x]mm[0-9]/ || (/xmm/ && !/^v/) ||
	!/^((mov|movz|lea|add|xor|and|sub|ror|shr|cmp|test)[bwlq]*|cmova[lq]?|vmovdqu|vpxor)[ \t]/ {
		print line
		next
	}
	/^(cmp|test)/ { next }
	{
		# The last operand is the one written.
		sub(/ *[#<].*/, "")
		if (/\)$/)
			next
		sub(/.*[ \t,]/, "")
		if (!($0 in scratch))
			print line
	}
	END { if (!count) print "nothing" }')
[ -z "$wrong" ] || fail "the landing pad of the fast path does not allow for: $wrong"

[ "$su" = y ] || exit 0

# In the worst case, the entry point calls the first function of a file, each function
# calls the next one, and the last one calls a block function, which uses no stack.
# Not all compilers count return addresses, so add them.
value()
{
	awk -v name="$1" '$2 == name { print $3 }' "$header"
}
available=$(value VGETRANDOM_STACK_SIZE)
checked=
for object; do
	usage=${object%.o}.su
	[ -e "$usage" ] || continue
	checked=$object
	! grep -q -v 'static$' "$usage" || fail "$object uses an unknown amount of stack"
	used=$(awk '{ sum += $(NF - 1) + 8 } END { print sum + 8 }' "$usage")
	[ "$used" -le "$available" ] ||
		fail "$object uses up to $used bytes of stack, and has $available"
done
[ "$checked" ] || fail "no use of the stack is known"
