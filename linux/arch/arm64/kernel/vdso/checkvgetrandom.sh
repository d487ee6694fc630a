#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Check what signal delivery assumes about getrandom() in the vDSO image:
#
# - All drawing code lies in its range, and nothing leads out of it.
# - The entry point and the landing pad lie outside.
# - The drawing code's stack fits into the block that the entry point sets aside.
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

for symbol in __kernel_getrandom __vgetrandom_query __vgetrandom_cookie \
	      vgetrandom_landing_pad; do
	! inside "$symbol" || fail "$symbol is in the drawing range"
done

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
		"$NM" --defined-only "$@" | grep -q " [Tt] $symbol\$" ||
			fail "$object refers to $symbol, which is outside of the drawing range"
	done

	# An indirect branch could go anywhere. Returns are fine.
	indirect=$("$OBJDUMP" -d --no-show-raw-insn "$object" |
		awk '$2 ~ /^(br|blr)(aa|ab|aaz|abz)?$/ { print $2, $3 }')
	[ -z "$indirect" ] || fail "$object has indirect branches: $indirect"
done

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
