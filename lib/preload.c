// SPDX-License-Identifier: MIT
/*
 * libvgetrandom-preload.so: the random functions of the C library, served by
 * libvgetrandom. For LD_PRELOAD in the environment of a service.
 *
 * It does not serve /dev/urandom: a program that opens a file must get that file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "internal.h"
#include "vgetrandom.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT ssize_t getrandom(void *buf, size_t len, unsigned int flags);
EXPORT int getentropy(void *buf, size_t len);
EXPORT uint32_t arc4random(void);
EXPORT void arc4random_buf(void *buf, size_t len);
EXPORT uint32_t arc4random_uniform(uint32_t bound);

/* Unlike the others, a cancellation point in glibc and in musl. */
ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	pthread_testcancel();
	return vgr_getrandom(buf, len, flags);
}

int getentropy(void *buf, size_t len)
{
	return vgr_getentropy(buf, len);
}

uint32_t arc4random(void)
{
	return vgr_random();
}

void arc4random_buf(void *buf, size_t len)
{
	vgr_random_buf(buf, len);
}

uint32_t arc4random_uniform(uint32_t bound)
{
	return vgr_random_uniform(bound);
}

#ifdef VGR_SYSCALL
__attribute__((used))
static long fail(long error)
{
	errno = -error;
	return -1;
}

/*
 * Programs pass every system call through here, also clone(), so this must not have a
 * stack frame. Six arguments go to the kernel whatever their number, as in the C library.
 */
#define STRING2(x)	#x
#define STRING(x)	STRING2(x)

#if defined(__x86_64__)
__asm__("	.text\n"
	"	.globl	syscall\n"
	"	.type	syscall, @function\n"
	"	.p2align 4\n"
	"syscall:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	cmpq	$" STRING(SYS_getrandom) ", %rdi\n"
	"	je	1f\n"
	"	movq	%rdi, %rax\n"
	"	movq	%rsi, %rdi\n"
	"	movq	%rdx, %rsi\n"
	"	movq	%rcx, %rdx\n"
	"	movq	%r8, %r10\n"
	"	movq	%r9, %r8\n"
	"	movq	8(%rsp), %r9\n"
	"	syscall\n"
	"	cmpq	$-4095, %rax\n"
	"	jae	2f\n"
	"	ret\n"
	"1:	movq	%rsi, %rdi\n"
	"	movq	%rdx, %rsi\n"
	"	movl	%ecx, %edx\n"
	"	jmp	vgr_getrandom\n"
	"2:	movq	%rax, %rdi\n"
	"	jmp	fail\n"
	"	.cfi_endproc\n"
	"	.size	syscall, . - syscall\n");
#elif defined(__aarch64__)
__asm__("	.text\n"
	"	.globl	syscall\n"
	"	.type	syscall, %function\n"
	"	.p2align 4\n"
	"syscall:\n"
	"	.cfi_startproc\n"
	"	cmp	x0, #" STRING(SYS_getrandom) "\n"
	"	b.eq	1f\n"
	"	mov	x8, x0\n"
	"	mov	x0, x1\n"
	"	mov	x1, x2\n"
	"	mov	x2, x3\n"
	"	mov	x3, x4\n"
	"	mov	x4, x5\n"
	"	mov	x5, x6\n"
	"	svc	0\n"
	"	cmn	x0, #4095\n"
	"	b.cs	2f\n"
	"	ret\n"
	"1:	mov	x0, x1\n"
	"	mov	x1, x2\n"
	"	mov	w2, w3\n"
	"	b	vgr_getrandom\n"
	"2:	b	fail\n"
	"	.cfi_endproc\n"
	"	.size	syscall, . - syscall\n");
#else
# error "SYSCALL=1 is not known for this architecture"
#endif
#endif /* VGR_SYSCALL */
