// SPDX-License-Identifier: GPL-2.0
/*
 * Does the image do what the model does? Both start from the same state and
 * meet the same kernel, whose every answer is made up here, and must then agree
 * on the value returned, on the buffer and what is around it, and on each byte of
 * the state.
 *
 * The system calls of the image reach us as signals (syscall user dispatch). They
 * come at a system call only, where our handler takes the kernel's place; nothing
 * interrupts the drawing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "check.h"
#include "model.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH	59
#define PR_SYS_DISPATCH_ON		1
#endif

#define PAGE		4096
#define MAX_LEN		(70 * 1000)
#define MARGIN		64		/* around the buffer; nobody may write there */
#define LOW		((void *)(1UL << 40))	/* below all other code */
#define SHORT_CALLS	20000
#define LONG_CALLS	1500

/* A reproducible sequence (splitmix64); the tests choose from one, each kernel has one. */
static uint64_t next(uint64_t *seed)
{
	uint64_t x = *seed += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint64_t choices = 1;

static uint64_t below(uint64_t n)
{
	return next(&choices) % n;
}

/* Anything, or something near the size of the batch. */
static uint64_t wild_avail(void)
{
	return below(2) ? below(UINT64_MAX) : model_batch() - 4 + below(8);
}

/* A kernel that gives the same answers to the same calls. */
struct kernel {
	struct model_kernel	model;		/* first, to get from it to the whole */
	uint64_t		seed;
	unsigned int		reseeds;	/* bit n: the n-th call brings a generation */
	unsigned int		refusals;	/* bit n: the n-th call is refused */
	unsigned int		calls;
};

static ssize_t kernel_getrandom(struct model_kernel *model, uint8_t *buffer, size_t len)
{
	struct kernel *kernel = (struct kernel *)model;
	unsigned int call = 1U << kernel->calls++;
	size_t i;

	if (kernel->reseeds & call)
		kernel->model.generation++;
	if (kernel->refusals & call)
		return -EPERM;
	for (i = 0; i < len; i++)
		buffer[i] = next(&kernel->seed);
	return len;
}

/* What the image's system calls reach. */
static const struct image *dispatch_image;
static struct kernel *dispatch_kernel;

static void on_system_call(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	if (info->si_syscall != SYS_getrandom) {
		regs[REG_RAX] = -ENOSYS;
		return;
	}
	regs[REG_RAX] = kernel_getrandom(&dispatch_kernel->model, (uint8_t *)regs[REG_RDI],
					 regs[REG_RSI]);
	image_publish(dispatch_image, dispatch_kernel->model.generation);
}

/* Only code that lies above the image, such as the C library's, reaches the kernel. */
static bool dispatch(const struct image *image)
{
	unsigned long above = (unsigned long)image->text + image->size;
	struct sigaction action = { .sa_sigaction = on_system_call, .sa_flags = SA_SIGINFO };
	static char block = 1;

	if (sigaction(SIGSYS, &action, NULL))
		return false;
	return !prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, above,
		      (1UL << 47) - above, &block);
}

/* Everything about one call that must come out the same. */
struct side {
	struct kernel		kernel;
	void			*state;
	uint8_t			*buffer;	/* MARGIN, MAX_LEN, MARGIN */
	ssize_t			ret;
};

static struct side *new_side(void)
{
	struct side *side = calloc(1, sizeof(*side));
	uint8_t *pages = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);

	if (!side || pages == MAP_FAILED)
		return NULL;
	side->state = pages;
	side->buffer = calloc(1, MARGIN + MAX_LEN + MARGIN);
	side->kernel.model.generation = 1;
	side->kernel.model.getrandom = kernel_getrandom;
	return side->buffer ? side : NULL;
}

static bool same(const struct side *a, const struct side *b, size_t len, size_t state_size,
		 const char **what)
{
	*what = "value returned";
	if (a->ret != b->ret)
		return false;
	*what = "system calls made";
	if (a->kernel.calls != b->kernel.calls)
		return false;
	*what = "buffer";
	if (memcmp(a->buffer, b->buffer, MARGIN + len + MARGIN))
		return false;
	*what = "state";
	return !memcmp(a->state, b->state, state_size);
}

/* What may have happened to state and kernel since the last call. */
enum event { NOTHING, RESEED, WIPE, NOT_READY, NEVER_READY, DISTURBED, IN_PROGRESS, EVENTS };

static void happen(enum event event, const struct model *model, struct side *side, uint64_t value)
{
	side->kernel.calls = 0;
	if (!side->kernel.model.generation)
		side->kernel.model.generation = 1;

	switch (event) {
	case RESEED:
		side->kernel.model.generation++;
		break;
	case WIPE:
		memset(side->state, 0, PAGE);
		break;
	case NOT_READY:
		side->kernel.model.generation = 0;
		break;
	case NEVER_READY:	/* both generations are 0, and yet there is a batch */
		side->kernel.model.generation = 0;
		model->set_generation(side->state, 0);
		break;
	case DISTURBED:
		model->disturb(side->state, value);
		break;
	case IN_PROGRESS:
		model->set_generation(side->state, UINT64_MAX);
		break;
	default:
		break;
	}
}

/* What the kernel is up to while it is called. */
static void script(struct side *side, uint64_t value)
{
	side->kernel.seed = value;
	side->kernel.reseeds = value % 4 ? 0 : value >> 8;
	side->kernel.refusals = value % 32 ? 0 : value >> 16;
}

static bool compare_call(const struct image *image, struct side *image_side, struct side *model_side,
			 size_t len, enum event event)
{
	struct side *sides[] = { image_side, model_side };
	const struct model *model = image->model;
	size_t align = below(MARGIN);
	uint64_t kernel = below(UINT64_MAX), wild = wild_avail();
	const char *what;
	size_t i;

	for (i = 0; i < 2; i++) {
		happen(event, model, sides[i], wild);
		script(sides[i], kernel);
		memset(sides[i]->buffer, 0xa5, MARGIN + len + MARGIN);
	}

	dispatch_kernel = &image_side->kernel;
	image_publish(image, image_side->kernel.model.generation);
	image_side->ret = image->getrandom(image_side->buffer + align, len, 0, image_side->state,
					   image->params.size_of_opaque_state);
	model_side->ret = model->getrandom(&model_side->kernel.model, model_side->state,
					   model_side->buffer + align, len);

	if (same(image_side, model_side, len, image->params.size_of_opaque_state, &what))
		return true;
	printf("a call for %zu bytes (event %d): another %s than the model's; %zd and %zd returned\n",
	       len, event, what, image_side->ret, model_side->ret);
	return false;
}

enum check_result check_image(const char *path, const struct level *level)
{
	const char *name = level->name;
	struct side *image_side = new_side(), *model_side = new_side();
	struct image image;
	enum event event;
	size_t len, i;

	image_load(&image, path, level, LOW);
	if (!image_side || !model_side) {
		printf("%s: no memory for the check\n", name);
		return CHECK_FAILED;
	}
	if (!image.model) {
		printf("%s: not checked: there is no model of the image's algorithm\n", name);
		return CHECK_SKIPPED;
	}
	if (!model_set_state_size(image.model, image.params.size_of_opaque_state)) {
		printf("%s: a state has %u bytes, which the model has not\n", name,
		       image.params.size_of_opaque_state);
		return CHECK_FAILED;
	}
	model_set_avx(level_has_avx(level));
	dispatch_image = &image;
	if (!dispatch(&image)) {
		printf("%s: not checked: this kernel has no syscall user dispatch\n", name);
		return CHECK_SKIPPED;
	}

	for (i = 0; i < SHORT_CALLS + LONG_CALLS; i++) {
		event = below(8) ? NOTHING : below(EVENTS);
		len = i >= SHORT_CALLS ? below(MAX_LEN) : below(2) ? below(70) : below(1500);
		if (!compare_call(&image, image_side, model_side, len, event)) {
			printf("%s: call %zu of the check failed\n", name, i);
			return CHECK_FAILED;
		}
	}
	printf("%s: %zu calls did what the model does\n", name, i);
	return CHECK_PASSED;
}
