#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a time namespace, the vDSO's data pages change places.

skip=4
result=$skip
cd "$(dirname "$0")" || exit 1
for test in vdso_test_getrandom vdso_test_getrandom_frame; do
	[ -x "./$test" ] || continue
	./vdso_test_run_as timens "./$test"
	case $? in
	0)	[ "$result" -ne $skip ] || result=0 ;;
	$skip)	;;
	*)	result=1 ;;
	esac
done
exit "$result"
