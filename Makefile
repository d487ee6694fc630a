# SPDX-License-Identifier: GPL-2.0
# The work is in scripts/; variables given here reach it by the environment,
# their defaults are in scripts/lib.sh, and make help explains them.

run shell test tree export check bench help:
	@scripts/$@

clean:
	rm -rf build/out* build/tmp

.PHONY: run test tree export check shell bench help clean
