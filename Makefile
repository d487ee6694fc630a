# SPDX-License-Identifier: GPL-2.0
# The work is in scripts/. Variables given here reach it by the environment; their defaults
# are in scripts/lib.sh. "make help" prints the lines that begin with "#:".
#:
#: make run      build the kernel with the series, boot it in QEMU, test and time getrandom() there
#: make run TEST=vDSO/vdso_test_getrandom [ARGS=...] [AS=user]  run one test there instead
#: make quick    the vDSO image alone: checks, known-answer tests; KUnit
#: make test     check the series, build it, boot it on several processors, run all tests
#: make test FAST=1  the same without the slow checks; make test-full adds the slowest ones
#: make test-peer  run the same tests on kernels that Debian 13 packages, compare case by case
#: make test-base  run the base's own selftests on its kernel and on the series'
#: make test-debug  run the tests on kernels with KASAN, lockdep and the like, and with KCSAN
#: make breaks   break the code on purpose, check that the tests fail
#: make tree     make build/linux: the kernel source as one commit, the series on top (git am)
#: make export   write the commits of build/linux back to patches/ and to linux/
#: make check    patches match the tree? apply? checkpatch? build?
#: make shell    boot into a shell in the guest, the test programs in /tests
#: make lib      build libvgetrandom in lib/build; make -C lib check tests it
#: make lib-install  install it: PREFIX=/usr/local, DESTDIR=
#: make demo-vmfork  two clones of a machine side by side, and what tells them apart
#: make bench    measure getrandom() of the built image on this machine, beside other generators
#: make bench-programs  measure what programs of this machine gain by lib/
#: make cost     count the instructions of kernel operations, on the base and on the series
#: make deb      make Debian packages of the kernel and of libvgetrandom, in build/deb
#: make clean    remove all build output; keep build/linux, downloads and logs
#: make help     this text
#:
#: Variables     meaning                                         default
#: KERNEL_VERSION  a file of kernels/                            6.1
#: ARCH          a file of arch/                                 x86_64
#: SERIES        some of patches/VERSION/ORDER, with those they stand on  all of them
#: KERNEL        a kernel tree of your own; it is not changed    Debian's source
#: SOURCE_VERSION  version of Debian's source package            newest offered
#: CC, LLVM      compiler (gcc, clang); LLVM=1: all tools        gcc
#: VARIANT       debug, kcsan, kunit, wireguard: one from configs/  none
#: JOBS          parallel jobs                                   all processors
#: ACCEL         QEMU's accelerator: tcg or kvm                  tcg
#: CPU           QEMU's processor model                          max
#: SMP, MEM      processors and memory of the guest              2, 1G
#: APPEND        more of the guest's kernel command line         none
#: TIMEOUT       seconds that the guest may be silent; a boot    120
#:               may take ten times that
#: MINUTES       make test: starts no check after this time      65
#: CONFIG        make deb: the configuration of the kernel       Debian's, for the cloud
#: BEFORE        make bench, make cost: a series; compare with the  none
#:               image, or kernel, that ends with that one
#: FORCE=1       make tree: set edits in build/linux aside       off

run tree export bench bench-programs breaks cost deb:
	@scripts/$@
shell:
	@scripts/run shell
test:
	@scripts/test
quick check:
	@scripts/test $@
test-full test-base test-debug:
	@scripts/test $(@:test-%=%)
test-peer:
	@scripts/check-against kernel=peer
demo-vmfork:
	@scripts/check-clones kind=demo
lib:
	@$(MAKE) -C lib
lib-install:
	@$(MAKE) -C lib install
clean:
	rm -rf lib/build
	rm -rf build/out* build/breaks* build/guest-* build/clients build/peer build/tmp build/each* build/passed build/deb*
help:
	@sed -n 's/^#: \{0,1\}//p' Makefile | sed 1d

.PHONY: run tree export bench bench-programs cost deb shell test quick check test-full test-base test-debug \
	test-peer demo-vmfork breaks lib lib-install clean help
