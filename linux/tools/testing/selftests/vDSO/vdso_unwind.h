/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vdso_unwind.h: unwind a stopped process through the vDSO by its call-frame
 * information, as debuggers and exception handling do
 *
 * This interprets .eh_frame, as described by DWARF and the Linux Standard Base, as far
 * as compilers and assemblers use it. It knows nothing about the code, and treats any
 * construct that it does not know as an error.
 */
#ifndef VDSO_UNWIND_H
#define VDSO_UNWIND_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "vdso_test_arch.h"

/**
 * struct uw_frame - registers of one frame of a stopped process
 * @pid:	the process
 * @reg:	their contents, by DWARF numbers
 * @known:	a bit for each register whose contents are known
 */
struct uw_frame {
	pid_t pid;
	uint64_t reg[DWARF_REGS];
	uint64_t known;
};

/* How to find a register of the caller, or the canonical frame address */
enum uw_how { UW_SAME, UW_UNDEFINED, UW_OFFSET, UW_VAL_OFFSET, UW_REGISTER, UW_EXPR, UW_VAL_EXPR };

struct uw_rule {
	enum uw_how how;
	int64_t value;			/* an offset or a register */
	const unsigned char *expr;	/* its length comes first */
};

struct uw_row {
	struct uw_rule reg[DWARF_REGS];
	struct uw_rule cfa;		/* UW_EXPR, or UW_OFFSET from @cfa_reg */
	unsigned int cfa_reg;
	bool ra_signed;			/* by pointer authentication */
};

/**
 * struct uw_fde - the description of a function
 * @start:		the function's first address
 * @size:		its length
 * @program:		instructions for this function
 * @end:		their end
 * @initial:		instructions common to all functions
 * @initial_end:	their end
 * @code_align:		unit of advances
 * @data_align:		unit of offsets
 */
struct uw_fde {
	uint64_t start, size;
	const unsigned char *program, *end;
	const unsigned char *initial, *initial_end;
	uint64_t code_align;
	int64_t data_align;
};

static inline uint64_t uw_uleb(const unsigned char **p)
{
	unsigned int shift = 0;
	uint64_t value = 0;

	do {
		value |= (uint64_t)(**p & 0x7f) << shift;
		shift += 7;
	} while (*(*p)++ & 0x80);
	return value;
}

static inline int64_t uw_sleb(const unsigned char **p)
{
	const unsigned char *start = *p;
	uint64_t value = uw_uleb(p);
	unsigned int bits = 7 * (*p - start);

	if (bits < 64 && (*p)[-1] & 0x40)
		value |= -1ULL << bits;
	return value;
}

static inline uint64_t uw_fixed(const unsigned char **p, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, *p, size);
	*p += size;
	return value;
}

static inline bool uw_peek(pid_t pid, uint64_t at, uint64_t *value)
{
	struct iovec here = { value, sizeof(*value) };
	struct iovec there = { (void *)at, sizeof(*value) };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == sizeof(*value);
}

/*
 * Find the description of an address. It has the augmentation "zR" and encodes addresses
 * as 0x1b: signed, in four bytes, and relative to their own place.
 */
#define UW_PCREL_SDATA4		0x1b
#define UW_HDR_TABLE		0x3b	/* relative to the header */

static inline bool uw_parse_cie(const unsigned char *p, struct uw_fde *fde)
{
	const unsigned char *end;
	const char *augmentation;
	uint64_t length;

	length = uw_fixed(&p, 4);
	end = p + length;
	p += 4;
	if (*p++ != 1)
		return false;
	augmentation = (const char *)p;
	p += strlen(augmentation) + 1;
	fde->code_align = uw_uleb(&p);
	fde->data_align = uw_sleb(&p);
	if (uw_uleb(&p) != DWARF_RA || strncmp(augmentation, "zR", 2))
		return false;
	length = uw_uleb(&p);
	if (*p != UW_PCREL_SDATA4)
		return false;
	fde->initial = p + length;
	fde->initial_end = end;
	return true;
}

static inline bool uw_parse_fde(const unsigned char *p, struct uw_fde *fde)
{
	const unsigned char *at;
	uint64_t length;

	length = uw_fixed(&p, 4);
	fde->end = p + length;
	at = p;
	if (!uw_parse_cie(at - (uint32_t)uw_fixed(&p, 4), fde))
		return false;
	at = p;
	fde->start = (uint64_t)at + (int32_t)uw_fixed(&p, 4);
	fde->size = uw_fixed(&p, 4);
	length = uw_uleb(&p);
	fde->program = p + length;
	return true;
}

static inline const unsigned char *uw_header(const void *image)
{
	const Elf64_Ehdr *ehdr = image;
	const Elf64_Phdr *phdr = image + ehdr->e_phoff;
	unsigned int i;

	for (i = 0; i < ehdr->e_phnum; i++)
		if (phdr[i].p_type == PT_GNU_EH_FRAME)
			return image + phdr[i].p_vaddr;
	return NULL;
}

static inline bool uw_find(const void *image, uint64_t at, struct uw_fde *fde)
{
	const unsigned char *header = uw_header(image), *p = header;
	uint64_t n;

	if (!p || p[0] != 1 || p[1] != UW_PCREL_SDATA4 || p[2] != 3 || p[3] != UW_HDR_TABLE)
		return false;
	p += 8;
	for (n = uw_fixed(&p, 4); n; n--) {
		p += 4;
		if (uw_parse_fde(header + (int32_t)uw_fixed(&p, 4), fde) &&
		    at - fde->start < fde->size)
			return true;
	}
	return false;
}

/* Evaluate an expression. If @first is not NULL, its stack begins with *@first. */
#define UW_STACK	16

static inline bool uw_eval(const struct uw_frame *frame, const unsigned char *p,
			   const uint64_t *first, uint64_t *result)
{
	enum { DEREF = 0x06, CONST1U = 0x08, CONST1S, CONST2U, CONST2S, CONST4U, CONST4S,
	       AND = 0x1a, MINUS = 0x1c, PLUS = 0x22, PLUS_UCONST, LIT0 = 0x30, LIT31 = 0x4f,
	       BREG0 = 0x70,
	       BREG_END = BREG0 + (DWARF_REGS < 32 ? DWARF_REGS : 32) };
	uint64_t stack[UW_STACK], length = uw_uleb(&p);
	const unsigned char *end = p + length;
	unsigned int n = 0;

	if (first)
		stack[n++] = *first;
	while (p < end) {
		unsigned char op = *p++;

		if (n == UW_STACK || (n < 1 && op < LIT0 && !(op >= CONST1U && op <= CONST4S)))
			return false;
		if (op >= BREG0 && op < BREG_END) {
			stack[n++] = frame->reg[op - BREG0] + uw_sleb(&p);
			continue;
		} else if (op >= LIT0 && op <= LIT31) {
			stack[n++] = op - LIT0;
			continue;
		}
		switch (op) {
		case DEREF:
			if (!uw_peek(frame->pid, stack[n - 1], &stack[n - 1]))
				return false;
			break;
		case CONST1U:
			stack[n++] = uw_fixed(&p, 1);
			break;
		case CONST1S:
			stack[n++] = (int8_t)uw_fixed(&p, 1);
			break;
		case CONST2U:
			stack[n++] = uw_fixed(&p, 2);
			break;
		case CONST2S:
			stack[n++] = (int16_t)uw_fixed(&p, 2);
			break;
		case CONST4U:
			stack[n++] = uw_fixed(&p, 4);
			break;
		case CONST4S:
			stack[n++] = (int32_t)uw_fixed(&p, 4);
			break;
		case PLUS_UCONST:
			stack[n - 1] += uw_uleb(&p);
			break;
		case AND:
		case MINUS:
		case PLUS:
			if (n < 2)
				return false;
			n--;
			if (op == AND)
				stack[n - 1] &= stack[n];
			else if (op == MINUS)
				stack[n - 1] -= stack[n];
			else
				stack[n - 1] += stack[n];
			break;
		default:
			return false;
		}
	}
	*result = n ? stack[n - 1] : 0;
	return n;
}

static inline void uw_set(struct uw_row *row, uint64_t reg, enum uw_how how, int64_t value)
{
	if (reg < DWARF_REGS) {
		row->reg[reg].how = how;
		row->reg[reg].value = value;
	}
}

static inline void uw_skip_block(const unsigned char **p)
{
	uint64_t length = uw_uleb(p);

	*p += length;
}

/* Run instructions up to those for addresses above @at, which update @row. */
#define UW_REMEMBERED	4

static inline bool uw_run(const struct uw_fde *fde, const unsigned char *p,
			  const unsigned char *end, uint64_t at,
			  const struct uw_row *initial, struct uw_row *row)
{
	enum { NOP, SET_LOC, ADVANCE1, ADVANCE2, ADVANCE4, OFFSET_EXTENDED, RESTORE_EXTENDED,
	       UNDEFINED, SAME_VALUE, REGISTER, REMEMBER, RESTORE_STATE, DEF_CFA,
	       DEF_CFA_REGISTER, DEF_CFA_OFFSET, DEF_CFA_EXPR, EXPR, OFFSET_EXTENDED_SF,
	       DEF_CFA_SF, DEF_CFA_OFFSET_SF, VAL_OFFSET, VAL_OFFSET_SF, VAL_EXPR,
	       NEGATE_RA_STATE = 0x2d, GNU_ARGS_SIZE,
	       ADVANCE = 1 << 6, OFFSET = 2 << 6, RESTORE = 3 << 6, OPERAND = ADVANCE - 1 };
	struct uw_row remembered[UW_REMEMBERED];
	uint64_t loc = fde->start, reg;
	unsigned int n = 0;

	while (p < end && loc <= at) {
		unsigned char op = *p++;

		switch (op & ~OPERAND) {
		case ADVANCE:
			loc += (op & OPERAND) * fde->code_align;
			if (loc > at)
				return true;
			continue;
		case OFFSET:
			uw_set(row, op & OPERAND, UW_OFFSET, uw_uleb(&p) * fde->data_align);
			continue;
		case RESTORE:
			if ((op & OPERAND) < DWARF_REGS)
				row->reg[op & OPERAND] = initial->reg[op & OPERAND];
			continue;
		}
		switch (op) {
		case NOP:
			break;
		case ADVANCE1:
			loc += uw_fixed(&p, 1) * fde->code_align;
			break;
		case ADVANCE2:
			loc += uw_fixed(&p, 2) * fde->code_align;
			break;
		case ADVANCE4:
			loc += uw_fixed(&p, 4) * fde->code_align;
			break;
		case OFFSET_EXTENDED:
			reg = uw_uleb(&p);
			uw_set(row, reg, UW_OFFSET, uw_uleb(&p) * fde->data_align);
			break;
		case OFFSET_EXTENDED_SF:
			reg = uw_uleb(&p);
			uw_set(row, reg, UW_OFFSET, uw_sleb(&p) * fde->data_align);
			break;
		case RESTORE_EXTENDED:
			reg = uw_uleb(&p);
			if (reg < DWARF_REGS)
				row->reg[reg] = initial->reg[reg];
			break;
		case UNDEFINED:
			uw_set(row, uw_uleb(&p), UW_UNDEFINED, 0);
			break;
		case SAME_VALUE:
			uw_set(row, uw_uleb(&p), UW_SAME, 0);
			break;
		case REGISTER:
			reg = uw_uleb(&p);
			uw_set(row, reg, UW_REGISTER, uw_uleb(&p));
			break;
		case REMEMBER:
			if (n == UW_REMEMBERED)
				return false;
			remembered[n++] = *row;
			break;
		case RESTORE_STATE:
			if (!n)
				return false;
			*row = remembered[--n];
			break;
		case DEF_CFA:
			row->cfa.how = UW_OFFSET;
			row->cfa_reg = uw_uleb(&p);
			row->cfa.value = uw_uleb(&p);
			break;
		case DEF_CFA_REGISTER:
			row->cfa_reg = uw_uleb(&p);
			break;
		case DEF_CFA_OFFSET:
			row->cfa.value = uw_uleb(&p);
			break;
		case DEF_CFA_EXPR:
			row->cfa.how = UW_EXPR;
			row->cfa.expr = p;
			uw_skip_block(&p);
			break;
		case EXPR:
		case VAL_EXPR:
			reg = uw_uleb(&p);
			uw_set(row, reg, op == EXPR ? UW_EXPR : UW_VAL_EXPR, 0);
			if (reg < DWARF_REGS)
				row->reg[reg].expr = p;
			uw_skip_block(&p);
			break;
		case NEGATE_RA_STATE:
			row->ra_signed = !row->ra_signed;
			break;
		case GNU_ARGS_SIZE:
			uw_uleb(&p);
			break;
		default:
			return false;
		}
	}
	return true;
}

static inline bool uw_cfa(const struct uw_frame *frame, const struct uw_row *row, uint64_t *cfa)
{
	if (row->cfa.how == UW_EXPR)
		return uw_eval(frame, row->cfa.expr, NULL, cfa);
	if (row->cfa.how != UW_OFFSET || row->cfa_reg >= DWARF_IP)
		return false;
	*cfa = frame->reg[row->cfa_reg] + row->cfa.value;
	return frame->known >> row->cfa_reg & 1;
}

static inline bool uw_restore(const struct uw_frame *frame, const struct uw_rule *rule,
			      unsigned int reg, uint64_t cfa, uint64_t *value)
{
	switch (rule->how) {
	case UW_SAME:
		*value = frame->reg[reg];
		return frame->known >> reg & 1;
	case UW_OFFSET:
		return uw_peek(frame->pid, cfa + rule->value, value);
	case UW_VAL_OFFSET:
		*value = cfa + rule->value;
		return true;
	case UW_REGISTER:
		*value = frame->reg[rule->value % DWARF_REGS];
		return true;
	case UW_EXPR:
		return uw_eval(frame, rule->expr, &cfa, value) &&
		       uw_peek(frame->pid, *value, value);
	case UW_VAL_EXPR:
		return uw_eval(frame, rule->expr, &cfa, value);
	default:
		return false;
	}
}

/* Find the rules for the instruction at @at. */
static inline bool uw_find_row(const void *image, uint64_t at, struct uw_row *row)
{
	struct uw_row initial = { .cfa = { .how = UW_UNDEFINED } };
	struct uw_fde fde;

	initial.reg[DWARF_IP].how = UW_UNDEFINED;
	if (!uw_find(image, at, &fde) ||
	    !uw_run(&fde, fde.initial, fde.initial_end, UINT64_MAX, &initial, &initial))
		return false;
	*row = initial;
	return uw_run(&fde, fde.program, fde.end, at, &initial, row);
}

/* Replace a frame by its caller's frame. */
static inline bool uw_apply(const struct uw_row *row, struct uw_frame *frame)
{
	struct uw_frame caller = { .pid = frame->pid };
	unsigned int i;
	uint64_t cfa;

	if (!uw_cfa(frame, row, &cfa))
		return false;
	for (i = 0; i < DWARF_REGS; i++)
		if (i != DWARF_SP &&
		    uw_restore(frame, &row->reg[i], i, cfa, &caller.reg[i]))
			caller.known |= 1ULL << i;
	caller.reg[DWARF_SP] = cfa;
	caller.known |= 1ULL << DWARF_SP;
	if (DWARF_RA != DWARF_IP) {
		caller.reg[DWARF_IP] = arch_code_address(caller.reg[DWARF_RA], row->ra_signed);
		caller.known |= (caller.known >> DWARF_RA & 1) << DWARF_IP;
	}
	*frame = caller;
	return true;
}

/**
 * uw_step() - go from a frame to that of its caller
 * @image:	the image that contains the code, at the same address in both processes
 * @frame:	to be replaced
 * @at:		an address in the frame's code: the next instruction, or, for a return
 *		address, one within the call. If a function ends with a call, the
 *		return address belongs to the next function.
 *
 * Return: false if there is no description, or one that makes no sense.
 */
static inline bool uw_step(const void *image, struct uw_frame *frame, uint64_t at)
{
	struct uw_row row;

	return uw_find_row(image, at, &row) && uw_apply(&row, frame);
}

/* Do even the simplest unwinders know these rules: a register, an offset, a slot? */
static inline bool uw_is_simple(const struct uw_row *row)
{
	unsigned int i;

	if (row->cfa.how != UW_OFFSET)
		return false;
	for (i = 0; i < DWARF_REGS; i++)
		if (row->reg[i].how != UW_SAME && row->reg[i].how != UW_UNDEFINED &&
		    row->reg[i].how != UW_OFFSET)
			return false;
	return true;
}

/**
 * uw_step_simple() - like uw_step(), as an unwinder without DWARF expressions
 * @image:	the image that contains the code, at the same address in both processes
 * @frame:	to be replaced
 * @at:		an address in the frame's code
 *
 * Return: false if there is no description, or one that needs more than offsets.
 */
static inline bool uw_step_simple(const void *image, struct uw_frame *frame, uint64_t at)
{
	struct uw_row row;

	return uw_find_row(image, at, &row) && uw_is_simple(&row) && uw_apply(&row, frame);
}

static inline void uw_first(struct uw_frame *frame, pid_t pid, const struct user_regs_struct *regs)
{
	frame->pid = pid;
	arch_dwarf_regs(frame->reg, regs);
	frame->known = (1ULL << DWARF_REGS) - 1;
}

#endif /* VDSO_UNWIND_H */
