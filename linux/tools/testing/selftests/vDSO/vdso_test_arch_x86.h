/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vdso_test_arch_x86.h: x86-64, for the tests of getrandom() in the vDSO
 *
 * @regs points to the registers of a stopped process, as ptrace() returns them. @uc
 * points to the context that a signal handler gets. The macros for registers are lvalues.
 */
#ifndef VDSO_TEST_ARCH_X86_H
#define VDSO_TEST_ARCH_X86_H

/*
 * A register file. General registers have the numbers that instructions encode.
 */
#define GP_RAX		0
#define GP_RCX		1
#define GP_RDX		2
#define GP_RBX		3
#define GP_RSP		4
#define GP_RBP		5
#define GP_RSI		6
#define GP_RDI		7
#define GP_R8		8
#define GP_R12		12
#define GP_R15		15
#define GP_COUNT	16

#define MASK_COUNT	8
#define VECTOR_COUNT	32
#define VECTOR_SIZE	64

/* Offsets into struct registers */
#define REGISTERS_GP		0
#define REGISTERS_FLAGS		128
#define REGISTERS_MXCSR		136
#define REGISTERS_MASK		144
#define REGISTERS_VECTOR	256

/* The width of vector registers, for call_with_registers() */
#define WIDTH_SSE	0	/* 16 registers of 128 bits */
#define WIDTH_AVX	1	/* 16 registers of 256 bits */
#define WIDTH_AVX512	2	/* 32 registers of 512 bits, and the mask registers */

#ifndef __ASSEMBLER__

#include <asm/prctl.h>
#include <assert.h>
#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <ucontext.h>

/*
 * The function
 */

#define VGR_VERSION	"LINUX_2.6"
#define VGR_NAME	"__vdso_getrandom"
#define VGR_ALIAS	"getrandom"

/*
 * Registers
 */

#define REGS_IP(regs)		((regs)->rip)
#define REGS_SP(regs)		((regs)->rsp)
#define REGS_SYSCALL(regs)	((regs)->orig_rax)	/* -1: nothing to restart */
#define REGS_RET(regs)		((regs)->rax)
#define REGS_ARG1(regs)		((regs)->rdi)	/* of functions and system calls alike */
#define REGS_ARG2(regs)		((regs)->rsi)
#define REGS_ARG3(regs)		((regs)->rdx)

#define UC_IP(uc)		((uc)->uc_mcontext.gregs[REG_RIP])
#define UC_RET(uc)		((uc)->uc_mcontext.gregs[REG_RAX])
#define UC_ARG1(uc)		((uc)->uc_mcontext.gregs[REG_RDI])
#define UC_ARG2(uc)		((uc)->uc_mcontext.gregs[REG_RSI])

/* The general registers of a mcontext_t, an array */
#define MC_REGS(mc)		((mc)->gregs)

/*
 * All registers that call-frame information can name, in the order of their DWARF
 * numbers. The instruction pointer has the number of the return address.
 */
#define DWARF_RA		16
#define DWARF_SP		7
#define DWARF_IP		16
#define DWARF_REGS		17

static inline void arch_dwarf_regs(uint64_t reg[DWARF_REGS],
				   const struct user_regs_struct *regs)
{
	const uint64_t all[DWARF_REGS] = {
		regs->rax, regs->rdx, regs->rcx, regs->rbx, regs->rsi, regs->rdi,
		regs->rbp, regs->rsp, regs->r8, regs->r9, regs->r10, regs->r11,
		regs->r12, regs->r13, regs->r14, regs->r15, regs->rip,
	};

	memcpy(reg, all, sizeof(all));
}

/* Pointers to all general registers */
static inline void arch_general_regs(unsigned long long *reg[GP_COUNT],
				     struct user_regs_struct *regs)
{
	unsigned long long *all[GP_COUNT] = {
		&regs->rax, &regs->rbx, &regs->rcx, &regs->rdx, &regs->rsi, &regs->rdi,
		&regs->rbp, &regs->rsp, &regs->r8, &regs->r9, &regs->r10, &regs->r11,
		&regs->r12, &regs->r13, &regs->r14, &regs->r15,
	};

	memcpy(reg, all, sizeof(all));
}

/* Return addresses are not signed. */
static inline uint64_t arch_code_address(uint64_t address, bool is_signed)
{
	return address;
}

/* DWARF numbers of the registers that a function preserves */
#define DWARF_PRESERVED		{ 3, 6, 12, 13, 14, 15 }

/* The registers of the interrupted code, as ptrace() would return them */
static inline struct user_regs_struct arch_interrupted_regs(const ucontext_t *uc)
{
	const greg_t *reg = uc->uc_mcontext.gregs;

	return (struct user_regs_struct) {
		.rax = reg[REG_RAX], .rbx = reg[REG_RBX], .rcx = reg[REG_RCX],
		.rdx = reg[REG_RDX], .rsi = reg[REG_RSI], .rdi = reg[REG_RDI],
		.rbp = reg[REG_RBP], .rsp = reg[REG_RSP], .r8 = reg[REG_R8],
		.r9 = reg[REG_R9], .r10 = reg[REG_R10], .r11 = reg[REG_R11],
		.r12 = reg[REG_R12], .r13 = reg[REG_R13], .r14 = reg[REG_R14],
		.r15 = reg[REG_R15], .rip = reg[REG_RIP],
	};
}

/* Fill all registers but the instruction pointer with what @next returns. */
static inline void arch_fill_registers(ucontext_t *uc, uint64_t (*next)(void))
{
	static const int general[] = {
		REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14,
		REG_R15, REG_RDI, REG_RSI, REG_RBP, REG_RBX, REG_RDX, REG_RAX,
		REG_RCX, REG_RSP,
	};
	struct _libc_fpstate *vectors = uc->uc_mcontext.fpregs;
	size_t i;

	for (i = 0; i < sizeof(general) / sizeof(*general); i++)
		uc->uc_mcontext.gregs[general[i]] = next();
	memset(vectors->_xmm, 0x5a, sizeof(vectors->_xmm));
}

/*
 * Register sets of ptrace() that have all vector registers, in order of preference:
 * without XSAVE, there is the legacy part only.
 */
#define ARCH_VECTOR_SETS	{ NT_X86_XSTATE, NT_PRFPREG }

/* The largest XSAVE area known has tiles of 8 KiB in it. */
#define ARCH_MAX_VECTORS	(16 * 1024)

/* Where such a set has the first vector register: XMM0 */
#define ARCH_FIRST_VECTOR	160

/*
 * Instructions
 */

#define ARCH_TRAP_INSN		"int3"
#define ARCH_SYSCALL_INSN	"syscall"
#define ARCH_SYSCALL_SIZE	2

/* Is that address in the vDSO the return from a signal handler? It is not in the vDSO. */
static inline bool arch_is_sigreturn(uintptr_t at)
{
	return false;
}

/* The smallest instruction that an unprivileged process cannot execute: HLT */
typedef uint8_t arch_insn_t;

#define ARCH_FAULT_INSN		0xf4
#define ARCH_FAULT_SIGNAL	SIGSEGV

/* How many bytes a system call may have copied before a fault, and not count: none */
#define ARCH_COPY_STEP		1

/* Does it take addresses from a vector register? Such opcodes have a VEX or EVEX prefix. */
static inline bool arch_is_gather(const unsigned char *insn)
{
	if (*insn == 0xc4)
		return (insn[1] & 0x1f) == 2 && (insn[3] & ~3) == 0x90;
	return *insn == 0x62 && (insn[1] & 7) == 2 &&
	       ((insn[4] & ~3) == 0x90 || (insn[4] & ~3) == 0xa0);
}

/* Have a stopped process go on with the system call @nr(@arg, 0, 0, 0, 0) at @insn. */
static inline void arch_prepare_syscall(struct user_regs_struct *regs, uintptr_t insn,
					unsigned long nr, unsigned long arg)
{
	regs->rip = insn;
	regs->orig_rax = -1;
	regs->rax = nr;
	regs->rdi = arg;
	regs->rsi = 0;
	regs->rdx = 0;
	regs->r10 = 0;
	regs->r8 = 0;
}

/*
 * Steps and breakpoints
 */

/* Why a call cannot be stepped through on this processor, or NULL if it can */
static inline const char *arch_no_steps(void)
{
	return NULL;
}

/* Set the only breakpoint there is, in a debug register. */
static inline bool arch_set_breakpoint(pid_t pid, uintptr_t at)
{
	const size_t dr0 = offsetof(struct user, u_debugreg[0]);
	const size_t dr7 = offsetof(struct user, u_debugreg[7]);

	return !ptrace(PTRACE_POKEUSER, pid, dr0, at) &&
	       !ptrace(PTRACE_POKEUSER, pid, dr7, 1L);
}

/*
 * Remove the breakpoint, and clear the resume flag as well: a signal frame would save
 * it, and the return from the handler would then run past the next breakpoint.
 */
static inline bool arch_clear_breakpoint(pid_t pid)
{
	const size_t dr7 = offsetof(struct user, u_debugreg[7]);
	const size_t flags = offsetof(struct user_regs_struct, eflags);
	const long resume = 1L << 16;

	return !ptrace(PTRACE_POKEUSER, pid, flags,
		       ptrace(PTRACE_PEEKUSER, pid, flags, NULL) & ~resume) &&
	       !ptrace(PTRACE_POKEUSER, pid, dr7, 0L);
}

/* A thread that continues from the breakpoint does not stop there again. */
static inline bool arch_begin_step_over(pid_t pid)
{
	return false;
}

static inline void arch_end_step_over(pid_t pid)
{
}

/* A thread has stopped with SIGTRAP. It is past the ARCH_TRAP_INSN that caused it. */
static inline void arch_trapped(pid_t pid)
{
}

/*
 * Calls
 */

/* The caller's stack pointer, at the first instruction of a function */
#define REGS_CALLER_SP(regs)	((regs)->rsp + 8)

/* Where a function returns to, at its first instruction */
static inline uintptr_t arch_return_address(pid_t pid, const struct user_regs_struct *regs)
{
	return ptrace(PTRACE_PEEKDATA, pid, regs->rsp, NULL);
}

/*
 * marked_draw(): the sixth argument is the function to call, with the others. Each
 * preserved register has the mark 0x5eed0000 + its DWARF number during the call.
 */
#define ARCH_MARKED_DRAW						\
	".pushsection .text\n"						\
	".globl marked_draw, marked_return\n"				\
	".type marked_draw, @function\n"				\
	"marked_draw:\n"						\
	"	.cfi_startproc\n"					\
	".irp reg, rbx, rbp, r12, r13, r14, r15\n"			\
	"	push	%\\reg\n"					\
	"	.cfi_adjust_cfa_offset 8\n"				\
	"	.cfi_rel_offset %\\reg, 0\n"				\
	".endr\n"							\
	"	sub	$8, %rsp\n"					\
	"	.cfi_adjust_cfa_offset 8\n"				\
	"	mov	$0x5eed0003, %ebx\n"				\
	"	mov	$0x5eed0006, %ebp\n"				\
	".irp n, 12, 13, 14, 15\n"					\
	"	mov	$0x5eed0000 + \\n, %r\\n\n"			\
	".endr\n"							\
	"	mov	%rsp, marked_sp(%rip)\n"			\
	"	call	*%r9\n"						\
	"marked_return:\n"						\
	"	cmp	$0x5eed0003, %rbx\n"				\
	"	jne	1f\n"						\
	"	cmp	$0x5eed0006, %rbp\n"				\
	"	jne	1f\n"						\
	".irp n, 12, 13, 14, 15\n"					\
	"	cmp	$0x5eed0000 + \\n, %r\\n\n"			\
	"	jne	1f\n"						\
	".endr\n"							\
	"	cmp	%rsp, marked_sp(%rip)\n"			\
	"	je	2f\n"						\
	"1:	ud2\n"							\
	"2:	add	$8, %rsp\n"					\
	"	.cfi_adjust_cfa_offset -8\n"				\
	".irp reg, r15, r14, r13, r12, rbp, rbx\n"			\
	"	pop	%\\reg\n"					\
	"	.cfi_adjust_cfa_offset -8\n"				\
	"	.cfi_restore %\\reg\n"					\
	".endr\n"							\
	"	ret\n"							\
	"	.cfi_endproc\n"						\
	".size marked_draw, . - marked_draw\n"				\
	".popsection\n"

/*
 * Addresses
 */

/* The lowest address of the kernel */
#define ARCH_KERNEL_ADDRESS	0xffff800000000000UL

/* The part of a pointer that is not address */
#define ARCH_TAG		0UL

/* The end of the addresses that a process can use */
#define ARCH_USER_END		0x7ffffffff000UL

/*
 * The getrandom() system call of 32-bit programs. mmap() with ARCH_COMPAT_MAP returns
 * addresses that fit.
 */
#define ARCH_COMPAT_MAP		MAP_32BIT
#define ARCH_COMPAT_GETRANDOM	355

static inline int arch_compat_getrandom(void *buffer, unsigned int len, unsigned int flags)
{
	int ret;

	asm volatile ("int $0x80"
		      : "=a" (ret)
		      : "0" (ARCH_COMPAT_GETRANDOM), "b" (buffer), "c" (len), "d" (flags)
		      : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

/*
 * Instruction sets, from the narrowest block function to the widest
 */

enum arch_isa { ISA_SSE2, ISA_AVX2, ISA_AVX512VL };

static inline const char *arch_isa_name(enum arch_isa isa)
{
	static const char * const names[] = {
		[ISA_SSE2]	= "SSE2",
		[ISA_AVX2]	= "AVX2",
		[ISA_AVX512VL]	= "AVX-512VL",
	};

	return names[isa];
}

/* The set of an instruction. In 64-bit code, the first byte tells, unless it is a prefix. */
static inline enum arch_isa arch_isa_of(const unsigned char *insn)
{
	switch (*insn) {
	case 0x62:		/* EVEX */
		return ISA_AVX512VL;
	case 0xc4 ... 0xc5:	/* VEX */
		return ISA_AVX2;
	default:
		return ISA_SSE2;
	}
}

/* Does the kernel have it? It may have been told to ignore it. */
static inline bool arch_kernel_has(const char *feature)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[8192], word[64];
	bool has = false;

	snprintf(word, sizeof(word), " %s ", feature);
	while (file && !has && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = ' ';
		has = !strncmp(line, "flags", 5) && strstr(line, word);
	}
	if (file)
		fclose(file);
	return has;
}

/* Does it, and may user space use the registers that this needs? */
#define ARCH_OFFERS(feature)	(arch_kernel_has(feature) && __builtin_cpu_supports(feature))

static inline enum arch_isa arch_isa_offered(void)
{
	__builtin_cpu_init();
	if (!ARCH_OFFERS("avx2"))
		return ISA_SSE2;
	return ARCH_OFFERS("avx512f") && ARCH_OFFERS("avx512vl") ? ISA_AVX512VL : ISA_AVX2;
}

/*
 * The block functions, and a register file for call_with_registers()
 */

void __arch_chacha20_blocks_nostack(uint8_t *dst, const uint32_t *key,
				    uint32_t *counter, size_t nblocks);
void __arch_chacha20_blocks_avx2(uint8_t *dst, const uint32_t *key,
				 uint32_t *counter, size_t nblocks);
void __arch_chacha20_blocks_avx512vl(uint8_t *dst, const uint32_t *key,
				     uint32_t *counter, size_t nblocks);
void __arch_chacha20_blocks_avx512(uint8_t *dst, const uint32_t *key,
				   uint32_t *counter, size_t nblocks);

struct registers {
	uint64_t gp[GP_COUNT];
	uint64_t flags;
	uint64_t mxcsr;
	uint64_t mask[MASK_COUNT];
	uint64_t pad[6];
	uint8_t vector[VECTOR_COUNT][VECTOR_SIZE];
};

static_assert(offsetof(struct registers, gp) == REGISTERS_GP, "gp");
static_assert(offsetof(struct registers, flags) == REGISTERS_FLAGS, "flags");
static_assert(offsetof(struct registers, mxcsr) == REGISTERS_MXCSR, "mxcsr");
static_assert(offsetof(struct registers, mask) == REGISTERS_MASK, "mask");
static_assert(offsetof(struct registers, vector) == REGISTERS_VECTOR, "vector");

/* The WIDTH_ of the vector registers that the CPU has and the kernel lets us use */
static inline int arch_vector_width(void)
{
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") &&
	    __builtin_cpu_supports("avx512bw"))
		return WIDTH_AVX512;
	return __builtin_cpu_supports("avx") ? WIDTH_AVX : WIDTH_SSE;
}

/* How many bytes of how many vector registers does call_with_registers() load? */
static inline size_t arch_vector_bytes(int width)
{
	return width == WIDTH_AVX512 ? 64 : width == WIDTH_AVX ? 32 : 16;
}

static inline size_t arch_vector_count(int width)
{
	return width == WIDTH_AVX512 ? 32 : 16;
}

/* Set the stack pointer, and the arguments of a block function. */
static inline void arch_set_arguments(struct registers *regs, void *stack, void *dst,
				      const void *key, void *counter, size_t nblocks)
{
	regs->gp[GP_RSP] = (uintptr_t)stack;
	regs->gp[GP_RDI] = (uintptr_t)dst;
	regs->gp[GP_RSI] = (uintptr_t)key;
	regs->gp[GP_RDX] = (uintptr_t)counter;
	regs->gp[GP_RCX] = nblocks;
}

/* The call itself writes this much below the stack pointer: the return address. */
#define ARCH_CALL_PUSHES	8

/* The first general register that a function failed to preserve, or -1 */
static inline int arch_clobbered(const struct registers *in, const struct registers *out)
{
	static const int preserved[] = {
		GP_RBX, GP_RSP, GP_RBP, GP_R12, GP_R12 + 1, GP_R12 + 2, GP_R15,
	};
	size_t i;

	for (i = 0; i < sizeof(preserved) / sizeof(*preserved); i++)
		if (out->gp[preserved[i]] != in->gp[preserved[i]])
			return preserved[i];
	return -1;
}

/* The current control word of vector arithmetic, for arch_modes_are_kept() */
static inline uint64_t arch_modes(void)
{
	return __builtin_ia32_stmxcsr();
}

/* Has a function left that unchanged, and the direction flag clear? */
static inline bool arch_modes_are_kept(const struct registers *out, uint64_t modes)
{
	const uint64_t direction_flag = 1 << 10;

	return !(out->flags & direction_flag) && out->mxcsr == modes;
}

#endif /* __ASSEMBLER__ */

#endif /* VDSO_TEST_ARCH_X86_H */
