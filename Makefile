# SPDX-License-Identifier: GPL-2.0
# The work is in scripts/; variables given here reach it by the environment,
# their defaults are in scripts/lib.sh, and make help explains them.

run shell test test-base test-debug test-peer tree export check bench cost demo-vmfork help:
	@scripts/$@

test-full:
	@scripts/test full

clean:
	rm -rf build/out* build/guest-* build/tmp build/each build/passed

.PHONY: run test test-base test-debug test-full test-peer tree export check shell bench cost \
	demo-vmfork help clean
