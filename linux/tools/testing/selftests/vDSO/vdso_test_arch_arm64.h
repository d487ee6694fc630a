/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vdso_test_arch_arm64.h: arm64, for the tests of getrandom() in the vDSO
 *
 * See vdso_test_arch_x86.h for what an architecture's header has.
 */
#ifndef VDSO_TEST_ARCH_ARM64_H
#define VDSO_TEST_ARCH_ARM64_H

/* Offsets into struct registers */
#define REGISTERS_GP		0
#define REGISTERS_SP		248
#define REGISTERS_NZCV		256
#define REGISTERS_FPCR		264
#define REGISTERS_FPSR		272
#define REGISTERS_VECTOR	288

#ifndef __ASSEMBLER__

#include <assert.h>
#include <elf.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <ucontext.h>

/*
 * The function
 */

#define VGR_VERSION	"LINUX_2.6.39"
#define VGR_NAME	"__kernel_getrandom"

/*
 * Registers
 */

#define REGS_IP(r)		((r)->pc)
#define REGS_SP(r)		((r)->sp)
#define REGS_SYSCALL(r)		((r)->regs[8])
#define REGS_ARG1(r)		((r)->regs[0])
#define REGS_ARG2(r)		((r)->regs[1])
#define REGS_ARG3(r)		((r)->regs[2])

#define REGS_RET(r)		((r)->regs[0])

#define UC_IP(uc)		((uc)->uc_mcontext.pc)
#define UC_RET(uc)		((uc)->uc_mcontext.regs[0])
#define UC_ARG1(uc)		((uc)->uc_mcontext.regs[0])
#define UC_ARG2(uc)		((uc)->uc_mcontext.regs[1])

/* The general registers of a mcontext_t, an array */
#define MC_REGS(mc)		((mc)->regs)

/*
 * All registers that call-frame information can name. The return address is x30, and the
 * instruction pointer has the number of ELR_mode.
 */
#define DWARF_RA		30
#define DWARF_SP		31
#define DWARF_IP		33
#define DWARF_REGS		34

static inline void arch_dwarf_regs(uint64_t reg[DWARF_REGS],
				   const struct user_regs_struct *regs)
{
	memset(reg, 0, DWARF_REGS * sizeof(*reg));
	memcpy(reg, regs->regs, sizeof(regs->regs));
	reg[DWARF_SP] = regs->sp;
	reg[DWARF_IP] = regs->pc;
}

/* Pointers to all general registers */
#define GP_COUNT		31

static inline void arch_general_regs(unsigned long long *reg[GP_COUNT],
				     struct user_regs_struct *regs)
{
	size_t i;

	for (i = 0; i < GP_COUNT; i++)
		reg[i] = &regs->regs[i];
}

/* The registers of the interrupted code, as ptrace() would return them */
static inline struct user_regs_struct arch_interrupted_regs(const ucontext_t *uc)
{
	struct user_regs_struct regs = {
		.sp = uc->uc_mcontext.sp,
		.pc = uc->uc_mcontext.pc,
		.pstate = uc->uc_mcontext.pstate,
	};

	memcpy(regs.regs, uc->uc_mcontext.regs, sizeof(regs.regs));
	return regs;
}

/* Fill all registers but the program counter with what @next returns. */
static inline void arch_fill_registers(ucontext_t *uc, uint64_t (*next)(void))
{
	struct fpsimd_context *vectors = (void *)uc->uc_mcontext.__reserved;
	size_t i;

	for (i = 0; i < GP_COUNT; i++)
		uc->uc_mcontext.regs[i] = next();
	uc->uc_mcontext.sp = next();
	memset(vectors->vregs, 0x5a, sizeof(vectors->vregs));
}

/* The register set of ptrace() that has all vector registers, the first one in front */
#define ARCH_VECTOR_SETS	{ NT_PRFPREG }
#define ARCH_MAX_VECTORS	sizeof(struct user_fpsimd_struct)
#define ARCH_FIRST_VECTOR	0

/* The address in a return address that pointer authentication may have signed */
static inline uint64_t arch_code_address(uint64_t address, bool is_signed)
{
	register uint64_t lr asm("x30") = address;

	/* XPACLRI, which knows how many bits an address has */
	if (is_signed)
		asm volatile("hint	#7" : "+r" (lr));
	return lr;
}

/* DWARF numbers of the registers that a function preserves */
#define DWARF_PRESERVED		{ 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29 }

/*
 * Instructions
 */

#define ARCH_TRAP_INSN		"brk #0"
#define ARCH_SYSCALL_INSN	"svc #0"
#define ARCH_SYSCALL_SIZE	4

/* A system call that faults may have copied this many bytes, and not count them. */
#define ARCH_COPY_STEP		64

/* C libraries leave the return from a signal handler to the vDSO. */
#define ARCH_SIGRETURN_IN_VDSO

/*
 * Is that address in the vDSO the return from a signal handler? Unwinders recognize its
 * two instructions, MOV X8, #__NR_rt_sigreturn and SVC #0.
 */
static inline bool arch_is_sigreturn(uintptr_t at)
{
	const uint32_t move = 0xd2801168, *insn = (const uint32_t *)at;

	return *insn == move || (*insn == 0xd4000001 && insn[-1] == move);
}

/* UDF, which is undefined for good */
typedef uint32_t arch_insn_t;

#define ARCH_FAULT_INSN		0
#define ARCH_FAULT_SIGNAL	SIGILL

/* Have a stopped process go on with the system call @nr(@arg, 0, 0, 0, 0) at @insn. */
static inline void arch_prepare_syscall(struct user_regs_struct *regs, uintptr_t insn,
					unsigned long nr, unsigned long arg)
{
	regs->pc = insn;
	regs->regs[8] = nr;
	regs->regs[0] = arg;
	memset(&regs->regs[1], 0, 4 * sizeof(regs->regs[0]));
}

/* The vDSO uses no instruction that takes addresses from a vector register. */
static inline bool arch_is_gather(const unsigned char *insn)
{
	return false;
}

/*
 * Steps and breakpoints
 */

static inline const char *arch_no_steps(void)
{
	return getauxval(AT_HWCAP) & HWCAP_ATOMICS ? NULL :
	       "a store-exclusive fails after a step, and there are no other atomics";
}

#ifndef NT_ARM_HW_BREAK
#define NT_ARM_HW_BREAK	0x402
#endif

/* The first of the debug registers, as the kernel has them in a register set */
struct arch_debug_regs {
	uint32_t info, pad;
	struct {
		uint64_t address;
		uint32_t control, pad;
	} first;
};

/* The only breakpoint there is, and whether that thread is stopped at it */
static struct {
	pid_t pid;
	uintptr_t at;
	bool hit;
} arch_breakpoint;

static inline bool arch_write_breakpoint(pid_t pid, uintptr_t at, uint32_t control)
{
	struct arch_debug_regs regs = { .first = { .address = at, .control = control } };
	struct iovec area = { &regs, sizeof(regs) };

	return !ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_HW_BREAK, &area);
}

/* For an instruction of four bytes, in user space, enabled */
#define ARCH_BREAKPOINT_ON	(0xf << 5 | 2 << 1 | 1)

static inline bool arch_set_breakpoint(pid_t pid, uintptr_t at)
{
	arch_breakpoint.pid = pid;
	arch_breakpoint.at = at;
	arch_breakpoint.hit = false;
	return arch_write_breakpoint(pid, at, ARCH_BREAKPOINT_ON);
}

static inline bool arch_clear_breakpoint(pid_t pid)
{
	arch_breakpoint.hit = false;
	return arch_write_breakpoint(pid, arch_breakpoint.at, 0);
}

/*
 * A thread that is stopped at a breakpoint would stop there again, and never get past
 * it. If it is, disable the breakpoint for a step, and return true.
 */
static inline bool arch_begin_step_over(pid_t pid)
{
	return arch_breakpoint.hit && arch_breakpoint.pid == pid &&
	       arch_write_breakpoint(pid, arch_breakpoint.at, 0);
}

static inline void arch_end_step_over(pid_t pid)
{
	arch_breakpoint.hit = false;
	arch_write_breakpoint(pid, arch_breakpoint.at, ARCH_BREAKPOINT_ON);
}

/* A thread has stopped with SIGTRAP. Take it past an ARCH_TRAP_INSN. */
static inline void arch_trapped(pid_t pid)
{
	struct user_regs_struct regs;
	struct iovec area = { &regs, sizeof(regs) };
	siginfo_t info;

	arch_breakpoint.hit = false;
	if (ptrace(PTRACE_GETSIGINFO, pid, NULL, &info))
		return;
	if (info.si_code == TRAP_HWBKPT) {
		arch_breakpoint.hit = true;
	} else if (info.si_code == TRAP_BRKPT &&
		   !ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &area)) {
		regs.pc += 4;
		ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &area);
	}
}

/*
 * Calls
 */

/* The caller's stack pointer, at the first instruction of a function */
#define REGS_CALLER_SP(r)	((r)->sp)

/* Where a function returns to, at its first instruction */
static inline uintptr_t arch_return_address(pid_t pid, const struct user_regs_struct *regs)
{
	return regs->regs[30];
}

/* Call @address. The vDSO has no unlock of a robust futex. The call does not return. */
static inline void arch_call_with_pop(uintptr_t address, unsigned long *pop)
{
	asm volatile ("blr	%0" : : "r" (address) : "x30", "memory", "cc");
}

/*
 * Instruction sets: all processors that the vDSO's function supports have NEON.
 */

enum arch_isa { ISA_NEON };

static inline const char *arch_isa_name(enum arch_isa isa)
{
	return "NEON";
}

static inline enum arch_isa arch_isa_of(const unsigned char *insn)
{
	return ISA_NEON;
}

static inline enum arch_isa arch_isa_offered(void)
{
	return ISA_NEON;
}

/*
 * marked_draw(): the sixth argument is the function to call, with the others. Each
 * preserved register has the mark 0x5eed0000 + its DWARF number during the call.
 */
#define ARCH_MARKED_DRAW						\
	".pushsection .text\n"						\
	".globl marked_draw, marked_return\n"				\
	".type marked_draw, %function\n"				\
	"marked_draw:\n"						\
	"	.cfi_startproc\n"					\
	"	stp	x29, x30, [sp, #-96]!\n"			\
	"	.cfi_def_cfa_offset 96\n"				\
	"	.cfi_rel_offset x29, 0\n"				\
	"	.cfi_rel_offset x30, 8\n"				\
	"	stp	x19, x20, [sp, #16]\n"				\
	"	stp	x21, x22, [sp, #32]\n"				\
	"	stp	x23, x24, [sp, #48]\n"				\
	"	stp	x25, x26, [sp, #64]\n"				\
	"	stp	x27, x28, [sp, #80]\n"				\
	".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n"		\
	"	.cfi_rel_offset x\\n, 16 + (\\n - 19) * 8\n"		\
	".endr\n"							\
	".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29\n"		\
	"	movz	x\\n, #\\n\n"					\
	"	movk	x\\n, #0x5eed, lsl #16\n"			\
	".endr\n"							\
	"	adrp	x9, marked_sp\n"				\
	"	mov	x10, sp\n"					\
	"	str	x10, [x9, #:lo12:marked_sp]\n"			\
	"	blr	x5\n"						\
	"marked_return:\n"						\
	".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29\n"		\
	"	movz	x9, #\\n\n"					\
	"	movk	x9, #0x5eed, lsl #16\n"				\
	"	cmp	x\\n, x9\n"					\
	"	b.ne	1f\n"						\
	".endr\n"							\
	"	adrp	x9, marked_sp\n"				\
	"	ldr	x10, [x9, #:lo12:marked_sp]\n"			\
	"	cmp	sp, x10\n"					\
	"	b.eq	2f\n"						\
	"1:	udf	#0\n"						\
	"2:	ldp	x19, x20, [sp, #16]\n"				\
	"	ldp	x21, x22, [sp, #32]\n"				\
	"	ldp	x23, x24, [sp, #48]\n"				\
	"	ldp	x25, x26, [sp, #64]\n"				\
	"	ldp	x27, x28, [sp, #80]\n"				\
	"	ldp	x29, x30, [sp], #96\n"				\
	".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30\n"	\
	"	.cfi_restore x\\n\n"					\
	".endr\n"							\
	"	.cfi_def_cfa_offset 0\n"				\
	"	ret\n"							\
	"	.cfi_endproc\n"						\
	".size marked_draw, . - marked_draw\n"				\
	".popsection\n"

/*
 * Vector registers: arch_clear_neon() makes those zero that a function need not preserve,
 * and bit i of arch_used_neon() says that number i of them is not zero.
 */

#define NEON_SCRATCH	"0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, " \
			"24, 25, 26, 27, 28, 29, 30, 31"

static inline void arch_clear_neon(void)
{
	asm volatile(".irp i, " NEON_SCRATCH "\n"
		     "movi	v\\i\\().16b, #0\n"
		     ".endr" : : : "memory");
}

static inline uint32_t arch_used_neon(void)
{
	uint8_t saved[32 * 16];
	uint32_t used = 0;
	size_t i;

	memset(saved, 0, sizeof(saved));
	asm volatile(".irp i, " NEON_SCRATCH "\n"
		     "str	q\\i, [%0, #16 * \\i]\n"
		     ".endr" : : "r" (saved) : "memory");
	for (i = 0; i < sizeof(saved); i++)
		used |= (uint32_t)!!saved[i] << i / 16;
	return used;
}

/*
 * The block function, and a register file for call_with_registers()
 */

void __arch_chacha20_blocks_nostack(uint8_t *dst, const uint32_t *key,
				    uint32_t *counter, size_t nblocks);

struct registers {
	uint64_t gp[31];
	uint64_t sp;
	uint64_t nzcv;
	uint64_t fpcr;
	uint64_t fpsr;
	uint64_t pad;
	uint8_t vector[32][16];
};

static_assert(offsetof(struct registers, sp) == REGISTERS_SP, "sp");
static_assert(offsetof(struct registers, nzcv) == REGISTERS_NZCV, "nzcv");
static_assert(offsetof(struct registers, fpcr) == REGISTERS_FPCR, "fpcr");
static_assert(offsetof(struct registers, fpsr) == REGISTERS_FPSR, "fpsr");
static_assert(offsetof(struct registers, vector) == REGISTERS_VECTOR, "vector");

/* There is one width: NEON's. */
static inline int arch_vector_width(void)
{
	return 0;
}

static inline size_t arch_vector_bytes(int width)
{
	return 16;
}

static inline size_t arch_vector_count(int width)
{
	return 32;
}

/* Set the stack pointer, and the arguments of a block function. */
static inline void arch_set_arguments(struct registers *regs, void *stack, void *dst,
				      const void *key, void *counter, size_t nblocks)
{
	regs->sp = (uintptr_t)stack;
	regs->gp[0] = (uintptr_t)dst;
	regs->gp[1] = (uintptr_t)key;
	regs->gp[2] = (uintptr_t)counter;
	regs->gp[3] = nblocks;
}

/* The call itself writes nothing to the stack. */
#define ARCH_CALL_PUSHES	0

/*
 * The first register that a function failed to preserve, or -1: 19 to 31 for X19 to X29
 * and SP, and 108 to 115 for D8 to D15
 */
static inline int arch_clobbered(const struct registers *in, const struct registers *out)
{
	int i;

	for (i = 19; i <= 29; i++)
		if (in->gp[i] != out->gp[i])
			return i;
	if (in->sp != out->sp)
		return 31;
	for (i = 8; i <= 15; i++)
		if (memcmp(in->vector[i], out->vector[i], 8))
			return 100 + i;
	return -1;
}

/* The current control word of vector arithmetic, for arch_modes_are_kept() */
static inline uint64_t arch_modes(void)
{
	uint64_t fpcr;

	asm volatile("mrs	%0, fpcr" : "=r" (fpcr));
	return fpcr;
}

static inline bool arch_modes_are_kept(const struct registers *out, uint64_t modes)
{
	return out->fpcr == modes;
}

/*
 * Addresses
 */

/* The lowest address of the kernel */
#define ARCH_KERNEL_ADDRESS	0xffff000000000000UL

/* The part of a pointer that is not address */
#define ARCH_TAG		0xff00000000000000UL

/* No process can use addresses from here on, unless it asks for more than 48 bits. */
#define ARCH_USER_END		0x1000000000000UL

#endif /* !__ASSEMBLER__ */

#endif /* VDSO_TEST_ARCH_ARM64_H */
