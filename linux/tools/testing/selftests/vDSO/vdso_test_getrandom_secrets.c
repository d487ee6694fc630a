// SPDX-License-Identifier: GPL-2.0
/*
 * vdso_test_getrandom_secrets.c: getrandom() leaves no secret behind
 *
 * ptrace() stops calls of the vDSO's getrandom() where they return: undisturbed calls,
 * calls that are interrupted at any instruction, and calls that fall back to the system
 * call. Then the test searches the registers (general, vector and mask) and the 64 KiB
 * below the stack pointer for
 *
 * - keys, and keystream that has not been handed out: eight consecutive bytes, or four
 *   in a general register;
 * - intermediate states of ChaCha, which lead back to the key: two words in the same 16
 *   bytes, as in a row or a column of the cipher's state.
 *
 * The stack must not contain any of this at any instruction of a call, either. Such
 * calls are stepped through.
 *
 * The test also searches the state for output that has been handed out, for the key
 * that made this output unless it is still the current one, and for any key that leads
 * to it.
 *
 * The test knows the secrets because it copies the state before the call, where the
 * call is interrupted, after each of its system calls, and at its end, and computes the
 * rest from the keys therein. By trying, it finds out where the state has its key, and
 * which keystream contains the key of a long output.
 *
 * Finally, no branch and no address may depend on a secret, since timing and caches would
 * show it, see struct path.
 *
 * Handlers run on another stack, because the registers that the kernel saves there are
 * not the call's fault.
 *
 * Fewer than one in 2^16 runs find something by chance. A finding counts if it is
 * repeated TRIES times in a row, each time with another key.
 */
#define _GNU_SOURCE
#include <elf.h>

#include "vgetrandom_test.h"
#include "vgetrandom_chacha.h"
#include "vgetrandom_step.h"
#include "../kselftest_harness.h"

#define TRIES		4

/* How often to start over when the kernel reseeds while a call is recorded */
#define RECORD_TRIES	16

/* How far below the stack pointer to search */
#define BELOW		(64 * 1024)

/* Clear more than that, to allow for the frames in between. */
#define SCRUBBED	(BELOW + 16 * 1024)

/* Ways to call the function. All but SERVED fall back to the system call. */
enum way { SERVED, FLAGS, STATE_LEN, MISALIGNED, NOTHING };

/**
 * struct scene - one run, in memory that actor and tracer share
 * @quit:	no more runs; the tracer sets this and all members down to @len
 * @kind:	the condition to bring the state into
 * @way:	how to call the function
 * @len:	length of the call
 * @state:	the state
 * @n_before:	the number of bytes in @before
 * @before:	output drawn before the call
 * @ret:	result of the call
 * @output:	output drawn by the call
 */
struct scene {
	bool quit;
	enum kind kind;
	enum way way;
	size_t len;
	unsigned char *state;
	size_t n_before;
	unsigned char before[LONGEST];
	ssize_t ret;
	unsigned char output[LONGEST];
};

static struct scene *scene;

/*
 * The actor
 */

static void on_signal(int sig)
{
}

static bool prepare_signal(void)
{
	struct sigaction action = {
		.sa_handler = on_signal,
		.sa_flags = SA_ONSTACK,
	};
	stack_t stack = {
		.ss_size = 1 << 16,
		.ss_sp = malloc(1 << 16),
	};

	sigemptyset(&action.sa_mask);
	return stack.ss_sp && !sigaltstack(&stack, NULL) &&
	       !sigaction(SIGUSR1, &action, NULL);
}

/* Leave nothing but zeros below the stack pointer. */
static __attribute__((noinline)) void scrub_stack(void)
{
	unsigned char room[SCRUBBED];

	memset(room, 0, sizeof(room));
	asm volatile ("" : : "r" (room) : "memory");
}

static void draw_before(size_t len)
{
	vgr_draw(scene->before + scene->n_before, len, scene->state);
	scene->n_before += len;
}

static void make_kind(void)
{
	vgr_wipe(scene->state);
	scene->n_before = 0;
	draw_before(BEFORE);
	if (scene->kind == EMPTY)
		draw_before(batch - BEFORE - bytes_left(scene->len));
	if (scene->kind == COLD)
		vgr_wipe(scene->state);
}

static int run_calls(void *unused)
{
	const unsigned int unknown = 1U << 31;
	struct vgr_pool pool;
	unsigned int flags;
	size_t size, len;
	void *state;

	if (!vgr_pool_open(&pool, 1) || !prepare_signal())
		return EXIT_FAILURE;
	scene->state = vgr_pool_get(&pool);
	for (;;) {
		step_trap();
		if (scene->quit)
			return EXIT_SUCCESS;
		make_kind();
		memset(scene->output, 0, sizeof(scene->output));
		len = scene->way == NOTHING ? 0 : scene->len;
		flags = scene->way == FLAGS ? unknown : 0;
		size = vgr.params.size_of_opaque_state;
		if (scene->way == STATE_LEN)
			size--;
		state = scene->state + (scene->way == MISALIGNED);
		scrub_stack();
		step_trap();
		scene->ret = vgr.call(scene->output, len, flags, state, size);
	}
}

/*
 * The tracer: secrets
 */

#define BLOCK		(VGR_CHACHA_WORDS * sizeof(uint32_t))
#define KEY		(VGR_CHACHA_KEY_WORDS * sizeof(uint32_t))

/* No key is used for more keystream. */
#define KEY_BLOCKS	(LONGEST / BLOCK)

/* More than the keys that a call uses, and the copies made of its state */
#define MAX_KEYS	8
#define MAX_COPIES	8

/* No state is larger. */
#define PAGE		4096

/* A key, and its keystream. If @used, no state may contain it any more. */
struct key {
	uint32_t word[VGR_CHACHA_KEY_WORDS];
	bool used;
	unsigned int blocks;
	unsigned char stream[KEY_BLOCKS * BLOCK];
};

/**
 * struct secret - what a run must not leave behind
 * @copies:	the number of copies of the state
 * @copy:	the state in the course of the call; the last copy is from its end
 * @keys:	the number of keys
 * @key:	all keys of the state, and the key of a long output
 * @kept:	8-byte words of all this, at all offsets
 * @kept4:	4-byte words of it
 * @handed:	8-byte words of the outputs, at all offsets
 * @handed4:	4-byte words of them
 */
static struct secret {
	unsigned int copies;
	unsigned char copy[MAX_COPIES][PAGE];
	unsigned int keys;
	struct key key[MAX_KEYS];
	struct words kept, kept4, handed, handed4;
} secret;

/* Offset of the key in the state; PAGE as long as it is unknown */
static size_t key_offset = PAGE;

/* The least number of blocks that a refill makes */
static unsigned int refill_blocks(void)
{
	return (batch + KEY + BLOCK - 1) / BLOCK;
}

static void make_stream(struct key *key, unsigned int blocks)
{
	uint32_t block[VGR_CHACHA_WORDS];
	unsigned int i;

	key->blocks = blocks < KEY_BLOCKS ? blocks : KEY_BLOCKS;
	for (i = 0; i < key->blocks; i++) {
		vgr_chacha20_block(block, key->word, i, NULL, NULL);
		memcpy(key->stream + i * BLOCK, block, BLOCK);
	}
}

static void add_key(const void *bytes, unsigned int blocks, bool used)
{
	static const uint32_t zero[VGR_CHACHA_KEY_WORDS];
	struct key *key = &secret.key[secret.keys];
	unsigned int i;

	if (secret.keys == MAX_KEYS || !memcmp(bytes, zero, KEY))
		return;
	for (i = 0; i < secret.keys; i++)
		if (!memcmp(bytes, secret.key[i].word, KEY))
			return;
	memcpy(key->word, bytes, KEY);
	key->used = used;
	make_stream(key, blocks);
	secret.keys++;
}

/* Copy the state in its current form. */
static bool add_copy(const struct step_actor *actor)
{
	unsigned char *copy = secret.copy[secret.copies];

	if (secret.copies == MAX_COPIES - 1)
		copy = secret.copy[secret.copies - 1];
	else
		secret.copies++;
	if (!peek_state(actor->tid, scene->state, copy))
		return false;
	if (key_offset < vgr.params.size_of_opaque_state)
		add_key(copy + key_offset, refill_blocks(), true);
	return true;
}

static const unsigned char *state_at_end(void)
{
	return secret.copy[secret.copies - 1];
}

/**
 * struct source - where the key of a long output comes from
 * @known:	it has been found
 * @copied:	a copy of the state contains it; otherwise, keystream does
 * @nr:		the number of the copy, or of the key whose keystream it is
 * @at:		offset in that
 */
struct source {
	bool known;
	bool copied;
	unsigned int nr;
	size_t at;
};

static const unsigned char *source_bytes(const struct source *source)
{
	return source->copied ? secret.copy[source->nr] :
				secret.key[source->nr].stream;
}

/* Does the key there lead to the output? */
static bool is_source(const struct source *source)
{
	uint32_t word[VGR_CHACHA_KEY_WORDS], block[VGR_CHACHA_WORDS];

	memcpy(word, source_bytes(source) + source->at, KEY);
	vgr_chacha20_block(block, word, 0, NULL, NULL);
	return memmem(scene->output, scene->len, block, BLOCK / 4);
}

/* Find the source of an undisturbed call by trying all. */
static void find_source(struct source *source)
{
	const size_t size = vgr.params.size_of_opaque_state;
	unsigned int i;

	for (i = 0; i < secret.copies + secret.keys; i++) {
		size_t end;

		source->copied = i < secret.copies;
		source->nr = source->copied ? i : i - secret.copies;
		end = source->copied ? size :
				       secret.key[source->nr].blocks * BLOCK;
		for (source->at = 0; source->at + KEY <= end; source->at += 4)
			if (is_source(source)) {
				source->known = true;
				return;
			}
	}
}

/* Add the key. An interrupted call may not have used it. */
static void add_source(const struct source *source)
{
	if (source->known && source->nr < (source->copied ? secret.copies :
							    secret.keys))
		add_key(source_bytes(source) + source->at,
			scene->len / BLOCK + 1, is_source(source));
}

/*
 * Does that key make some of these bytes? A refill leaves a part of the first two
 * blocks in the state, or hands it out.
 */
static bool leads_to(const void *key, const void *bytes, size_t len)
{
	uint32_t word[VGR_CHACHA_KEY_WORDS], block[VGR_CHACHA_WORDS];
	unsigned int i;

	memcpy(word, key, KEY);
	for (i = 0; i < 2 * BLOCK / KEY; i++) {
		if (i % 2 == 0)
			vgr_chacha20_block(block, word, i / 2, NULL, NULL);
		if (memmem(bytes, len, (char *)block + i % 2 * KEY, KEY))
			return true;
	}
	return false;
}

/* Find the key, after a call that has refilled the batch. */
static void find_key_offset(void)
{
	const size_t size = vgr.params.size_of_opaque_state;
	size_t at;

	for (at = 0; at + KEY <= size; at += sizeof(uint32_t))
		if (leads_to(secret.copy[0] + at, state_at_end(), size))
			key_offset = at;
}

static uint64_t get_word4(const unsigned char *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Numbers and pointers contain more bytes of all zeros or all ones. */
static bool looks_random(uint64_t word, unsigned int bytes)
{
	unsigned int some = 0, i;

	for (i = 0; i < bytes; i++) {
		unsigned char byte = word >> 8 * i;

		some += byte && byte != 0xff;
	}
	return some >= bytes - bytes / 4;
}

static void keep(const unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i + WORD <= len; i++)
		if (looks_random(get_word(p + i), WORD))
			words_add(&secret.kept, p + i, WORD);
	for (i = 0; i + 4 <= len; i += 4)
		if (looks_random(get_word4(p + i), 4))
			words_put(&secret.kept4, get_word4(p + i));
}

/* Words of a state that are not secret, such as the kernel's generation */
static bool public_at[PAGE];

/* Find them: two states have them in common, though each has a key of its own. */
static bool find_public(void)
{
	const size_t size = vgr.params.size_of_opaque_state;
	struct vgr_pool pool;
	unsigned char byte;
	void *state[2];
	size_t i;

	if (!vgr_pool_open(&pool, 2))
		return false;
	for (i = 0; i < 2; i++) {
		state[i] = vgr_pool_get(&pool);
		if (vgr_draw(&byte, 1, state[i]) != 1)
			return false;
	}
	for (i = 0; i + WORD <= size; i += WORD)
		public_at[i] = !memcmp(state[0] + i, state[1] + i, WORD) &&
			       looks_random(get_word(state[0] + i), WORD);
	return true;
}

/* Add all of a state except its public words. */
static void keep_state(const unsigned char *state)
{
	const size_t size = vgr.params.size_of_opaque_state;
	size_t from = 0, i;

	for (i = 0; i < size; i += WORD)
		if (public_at[i]) {
			keep(state + from, i - from);
			from = i + WORD;
		}
	keep(state + from, size - from);
}

static void hand(const unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i + WORD <= len; i++)
		words_put(&secret.handed, get_word(p + i));
	for (i = 0; i + 4 <= len; i++)
		words_put(&secret.handed4, get_word4(p + i));
}

/* Put everything known about the run into the sets. */
static void collect(void)
{
	unsigned int i;

	words_begin(&secret.kept);
	words_begin(&secret.kept4);
	words_begin(&secret.handed);
	words_begin(&secret.handed4);
	for (i = 0; i < secret.copies; i++)
		keep_state(secret.copy[i]);
	for (i = 0; i < secret.keys; i++) {
		keep((void *)secret.key[i].word, KEY);
		keep(secret.key[i].stream, secret.key[i].blocks * BLOCK);
	}
	hand(scene->output, scene->len);
	hand(scene->before, scene->n_before);
}

/*
 * The tracer: places to search
 */

enum leak {
	NONE, RESULT, GENERAL, VECTOR, STACK, INTERMEDIATE, NOT_ERASED,
	OLD_KEY, LEADS_BACK, SPILLED, LEAKS
};

static const char * const leaks[LEAKS] = {
	[RESULT]	= "with a wrong result",
	[GENERAL]	= "with a secret in a general register",
	[VECTOR]	= "with a secret in a vector or mask register",
	[STACK]		= "with a secret below the stack pointer",
	[INTERMEDIATE]	= "with an intermediate state of ChaCha",
	[NOT_ERASED]	= "with bytes in the state that were handed out",
	[OLD_KEY]	= "with an old key in the state",
	[LEADS_BACK]	= "with a state that leads back to an output",
	[SPILLED]	= "after a secret was on the stack",
};

/* What a call leaves behind when it returns; the size of each is a multiple of 16. */
static struct {
	uint64_t general[DWARF_REGS + DWARF_REGS % 2];
	unsigned char vectors[ARCH_MAX_VECTORS];
	unsigned char stack[BELOW];
	uintptr_t sp;
} left;

/* The drawing code uses less stack than this. */
#define STACK_WINDOW	4096
#define STACK_LINE	64

/* More lines than a call changes, unless its loops spill registers */
#define STACK_LINES	4096

/**
 * struct stack_log - everything that the stack of a call has contained
 * @top:	end of the call's stack
 * @last:	its contents after the last instruction
 * @n:		the number of changed lines
 * @line:	their new contents
 * @at:		the instruction after the one that changed them
 */
static struct stack_log {
	uintptr_t top;
	unsigned char last[STACK_WINDOW];
	unsigned int n;
	unsigned char line[STACK_LINES][STACK_LINE];
	uintptr_t at[STACK_LINES];
} stack_log;

/* Words to compare with the intermediate states of ChaCha */
struct word {
	uint32_t word;
	unsigned int chunk;		/* of 16 bytes; no two areas share one */
	bool hit;
};

static struct {
	unsigned int words, chunks;
	struct word word[(sizeof(stack_log.line) + sizeof(left)) / 4];
	bool low[1 << 16];		/* lower halves of all words */
} leftover;

static bool look_at_vectors(const struct step_actor *actor)
{
	static const long sets[] = ARCH_VECTOR_SETS;
	size_t i;

	memset(left.vectors, 0, sizeof(left.vectors));
	for (i = 0; i < ARRAY_SIZE(sets); i++) {
		struct iovec area = { left.vectors, sizeof(left.vectors) };

		if (!ptrace(PTRACE_GETREGSET, actor->tid, (void *)sets[i], &area))
			return true;
	}
	return false;
}

/* All general registers except the instruction and stack pointers */
static void look_at_general(const struct user_regs_struct *regs)
{
	arch_dwarf_regs(left.general, regs);
	left.general[DWARF_IP] = 0;
	left.general[DWARF_SP] = 0;
}

static bool look_at_process(const struct step_actor *actor)
{
	const struct user_regs_struct regs = step_regs(actor);
	struct iovec here = { left.stack, BELOW };
	struct iovec there = { (void *)(REGS_SP(&regs) - BELOW), BELOW };

	look_at_general(&regs);
	return look_at_vectors(actor) &&
	       process_vm_readv(actor->tid, &here, 1, &there, 1, 0) == BELOW;
}

static bool is_kept(const unsigned char *p)
{
	uint64_t word = get_word(p);

	return word && words_have(&secret.kept, word) &&
	       !words_have(&secret.handed, word);
}

static bool has_secret(const void *area, size_t len)
{
	size_t i;

	for (i = 0; i + WORD <= len; i += 4)
		if (is_kept(area + i))
			return true;
	return false;
}

/* Each half of a register may be one word of a key. */
static bool general_has_secret(void)
{
	size_t i;

	for (i = 0; i < sizeof(left.general); i += 4) {
		uint64_t word = get_word4((unsigned char *)left.general + i);

		if (words_have(&secret.kept4, word) &&
		    !words_have(&secret.handed4, word))
			return true;
	}
	return false;
}

/* If a key was wiped half-way, the sum of one of its words and a constant is a constant. */
static bool is_constant(uint32_t word)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vgr_chacha_constants); i++)
		if (word == vgr_chacha_constants[i])
			return true;
	return false;
}

static void add_leftover(const void *area, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += 4) {
		uint32_t word = get_word4(area + i);

		if (!looks_random(word, 4) || is_constant(word))
			continue;
		leftover.word[leftover.words++] = (struct word) {
			.word = word,
			.chunk = leftover.chunks + i / 16,
		};
		leftover.low[word & 0xffff] = true;
	}
	leftover.chunks += len / 16;
}

static void see_intermediate(uint32_t word, void *unused)
{
	unsigned int i;

	if (!leftover.low[word & 0xffff])
		return;
	for (i = 0; i < leftover.words; i++)
		leftover.word[i].hit |= leftover.word[i].word == word;
}

static void forget_leftover(void)
{
	unsigned int i;

	for (i = 0; i < leftover.words; i++)
		leftover.low[leftover.word[i].word & 0xffff] = false;
	leftover.words = 0;
	leftover.chunks = 0;
}

/* Do 16 bytes of the leftovers contain two words of an intermediate state? */
static bool leftover_has_intermediate(void)
{
	uint32_t block[VGR_CHACHA_WORDS];
	unsigned int last = -1, i, j;

	for (i = 0; i < secret.keys; i++)
		for (j = 0; j < secret.key[i].blocks; j++)
			vgr_chacha20_block(block, secret.key[i].word, j,
					   see_intermediate, NULL);
	for (i = 0; i < leftover.words; i++) {
		if (!leftover.word[i].hit)
			continue;
		if (leftover.word[i].chunk == last)
			return true;
		last = leftover.word[i].chunk;
	}
	return false;
}

static bool has_intermediate(void)
{
	forget_leftover();
	add_leftover(left.general, sizeof(left.general));
	add_leftover(left.vectors, sizeof(left.vectors));
	add_leftover(left.stack, sizeof(left.stack));
	return leftover_has_intermediate();
}

/* Did the stack contain a secret at any time? Call find_leak() first. */
static bool stack_had_secret(void)
{
	unsigned int i;

	for (i = 0; i < stack_log.n; i++)
		if (has_secret(stack_log.line[i], STACK_LINE)) {
			ksft_print_msg("a secret was spilled right before vDSO+%#lx\n",
				       stack_log.at[i] - vgr.vdso.start);
			return true;
		}
	forget_leftover();
	add_leftover(stack_log.line, stack_log.n * STACK_LINE);
	return leftover_has_intermediate();
}

/* Does the state still contain output that was handed out? */
static bool is_left_in_state(void)
{
	const size_t size = vgr.params.size_of_opaque_state;
	const unsigned char *state = state_at_end();
	size_t i;

	if (scene->len < WORD)
		return memmem(state, size, scene->output, scene->len);
	for (i = 0; i + WORD <= size; i++)
		if (looks_random(get_word(state + i), WORD) &&
		    words_have(&secret.handed, get_word(state + i)))
			return true;
	return false;
}

/* Does the state contain this half of a key? Half of zeros is no key: it was wiped. */
static bool has_half(const unsigned char *state, const uint32_t *half)
{
	const uint32_t zero[VGR_CHACHA_KEY_WORDS / 2] = { 0 };

	return memcmp(half, zero, KEY / 2) &&
	       memmem(state, vgr.params.size_of_opaque_state, half, KEY / 2);
}

/* Does the state contain a key that it has replaced? */
static bool has_old_key(void)
{
	const unsigned char *state = state_at_end();
	unsigned int i;

	if (key_offset == PAGE)
		return false;
	for (i = 0; i < secret.keys; i++)
		if (secret.key[i].used &&
		    memcmp(state + key_offset, secret.key[i].word, KEY) &&
		    (has_half(state, secret.key[i].word) ||
		     has_half(state, secret.key[i].word +
				     VGR_CHACHA_KEY_WORDS / 2)))
			return true;
	return false;
}

static bool is_handed(const unsigned char *stream, size_t len)
{
	size_t i;

	for (i = 0; i + WORD <= len; i += WORD)
		if (words_have(&secret.handed, get_word(stream + i)))
			return true;
	return false;
}

/*
 * Do any bytes of the state, used as a key, make an output? Try one block for each, and
 * all blocks of a refill for the key itself.
 */
static bool leads_back(void)
{
	const unsigned char *state = state_at_end();
	uint32_t block[VGR_CHACHA_WORDS];
	struct key key;
	size_t at;

	for (at = 0; at + KEY <= vgr.params.size_of_opaque_state; at += 4) {
		memcpy(key.word, state + at, KEY);
		if (at == key_offset) {
			make_stream(&key, refill_blocks());
			if (is_handed(key.stream, key.blocks * BLOCK))
				return true;
		}
		vgr_chacha20_block(block, key.word, 0, NULL, NULL);
		if (is_handed((void *)block, sizeof(block)))
			return true;
	}
	return false;
}

/* A call that a signal ended may leave its key: it has not handed out its output. */
static enum leak find_leak(bool ended_by_signal)
{
	if (scene->ret < 0 ? scene->way == SERVED :
			     scene->way != NOTHING && scene->ret != (ssize_t)scene->len)
		return RESULT;
	collect();
	if (has_secret(left.general, sizeof(left.general)) ||
	    general_has_secret())
		return GENERAL;
	if (has_secret(left.vectors, sizeof(left.vectors)))
		return VECTOR;
	if (has_secret(left.stack, sizeof(left.stack)))
		return STACK;
	if (has_intermediate())
		return INTERMEDIATE;
	if (scene->ret > 0 && is_left_in_state())
		return NOT_ERASED;
	if (!ended_by_signal && has_old_key())
		return OLD_KEY;
	if (leads_back())
		return LEADS_BACK;
	return NONE;
}

/*
 * The tracer: runs
 */

enum event { NOTHING_HAPPENS, SIGNAL, ZEROED, RESEEDED };

static struct source sources[KINDS][LENGTHS];
static uintptr_t return_to;

/* Go from the actor's first trap to the one before the call. */
static bool start_size(struct step_actor *actor, enum kind kind, enum way way, size_t len)
{
	scene->kind = kind;
	scene->way = way;
	scene->len = len;
	secret.copies = 0;
	secret.keys = 0;
	return step_continue(actor, 0) && (kind != STALE || reseed()) &&
	       add_copy(actor);
}

static bool start(struct step_actor *actor, enum kind kind, enum way way,
		  unsigned int len)
{
	return start_size(actor, kind, way, lengths[len]);
}

/* The return value of a call that has just returned */
static ssize_t returned(const struct step_actor *actor)
{
	const struct user_regs_struct regs = step_regs(actor);

	return REGS_RET(&regs);
}

/* Go to the call's return, and copy the state after each system call. */
static bool go_to_return(struct step_actor *actor, int sig)
{
	bool ok = arch_set_breakpoint(actor->tid, return_to);

	while (ok) {
		ok = step_go(actor, PTRACE_SYSCALL, sig);
		if (!ok || step_is_trapped(actor))
			break;
		sig = WSTOPSIG(actor->status);
		if (sig == STEP_SYSCALL_STOP) {
			sig = 0;
			ok = add_copy(actor);
		}
	}
	ok = arch_clear_breakpoint(actor->tid) && ok && step_ip(actor) == return_to;
	scene->ret = ok ? returned(actor) : 0;
	return ok && add_copy(actor) && look_at_process(actor);
}

static bool happen(struct step_actor *actor, enum event event, int *sig)
{
	static const unsigned char zeros[PAGE];

	*sig = event == SIGNAL ? SIGUSR1 : 0;
	if (event == RESEEDED)
		return reseed();
	return event != ZEROED || poke_state(actor->tid, scene->state, zeros);
}

/* Go past the system call that fetches a key, and copy the state with that key. */
static bool pass_syscall(struct step_actor *actor,
			 const struct step_trace *trace, unsigned int n)
{
	unsigned int i;

	for (i = 0; i + 1 < n; i++)
		if (step_is_syscall(trace->insn[i].at))
			return step_run_to(actor, trace->insn[i + 1].at, 1) &&
			       add_copy(actor);
	return true;
}

/* Interrupt a call, and go to its return. Returns false if it took another path. */
static bool interrupt(struct step_actor *actor, const struct step_trace *trace,
		      enum event event, unsigned int n)
{
	int sig;

	return pass_syscall(actor, trace, n) &&
	       (step_ip(actor) == trace->insn[n].at || step_to(actor, trace, n)) &&
	       add_copy(actor) && happen(actor, event, &sig) &&
	       go_to_return(actor, sig);
}

/* Go back to the first trap. */
static bool finish(struct step_actor *actor)
{
	return step_continue(actor, 0);
}

/*
 * The tracer: the stack at every instruction
 */

/* Log what an instruction has changed. The next one is at @at. */
static bool look_at_stack(const struct step_actor *actor, uintptr_t at)
{
	static unsigned char now[STACK_WINDOW];
	struct iovec here = { now, sizeof(now) };
	struct iovec there = { (void *)(stack_log.top - sizeof(now)), sizeof(now) };
	unsigned int i;

	if (process_vm_readv(actor->tid, &here, 1, &there, 1, 0) != sizeof(now))
		return false;
	for (i = 0; i < sizeof(now); i += STACK_LINE) {
		if (!memcmp(now + i, stack_log.last + i, STACK_LINE))
			continue;
		if (stack_log.n == STACK_LINES)
			return false;
		memcpy(stack_log.line[stack_log.n], now + i, STACK_LINE);
		stack_log.at[stack_log.n++] = at;
	}
	memcpy(stack_log.last, now, sizeof(now));
	return true;
}

/* Go from the trap before the call to its first instruction. */
static bool step_into_call(struct step_actor *actor)
{
	struct user_regs_struct regs;

	if (!step_enter(actor, vgr_in_vdso))
		return false;
	regs = step_regs(actor);
	stack_log.top = REGS_CALLER_SP(&regs);
	if (!look_at_stack(actor, 0))
		return false;
	stack_log.n = 0;
	return true;
}

/* Put a word of the key on the stack, or remove it. */
static bool plant(const struct step_actor *actor, bool there)
{
	const size_t below = STACK_WINDOW / 2;	/* out of the call's way */
	long word = 0;

	if (there)
		memcpy(&word, secret.key[0].word, sizeof(word));
	return !ptrace(PTRACE_POKEDATA, actor->tid, stack_log.top - below, word);
}

#define NOWHERE		-1U
#define MOST_STEPS	1000000

/*
 * Step through a call to its return, with a signal at one instruction, and a secret
 * on the stack at another one.
 */
static bool walk_to_return(struct step_actor *actor, unsigned int signal_at,
			   unsigned int plant_at)
{
	unsigned int n;
	uintptr_t at;

	if (!step_into_call(actor))
		return false;
	for (n = 0; (at = step_ip(actor)) != return_to; n++) {
		bool is_syscall = vgr_in_vdso(at) && step_is_syscall(at);

		if (n > MOST_STEPS ||
		    (n == signal_at && !add_copy(actor)) ||
		    (n == plant_at && !plant(actor, true)) ||
		    !step_go(actor, PTRACE_SINGLESTEP, n == signal_at ? SIGUSR1 : 0) ||
		    !step_is_trapped(actor) ||
		    !look_at_stack(actor, step_ip(actor)) ||
		    (n == plant_at && !plant(actor, false)) ||
		    (is_syscall && !add_copy(actor)))
			return false;
	}
	scene->ret = returned(actor);
	return add_copy(actor) && look_at_process(actor);
}

/*
 * The tracer: cases
 */

/**
 * struct result - the result of a case
 * @runs:	the number of calls
 * @leaks:	the number of leaks of each kind
 * @lost:	the number of calls that could not be stopped
 * @kind:	the first call that leaked: the condition of its state
 * @len:	... its length
 * @n:		... and the instruction
 */
struct result {
	unsigned int runs;
	unsigned int leaks[LEAKS];
	unsigned int lost;
	enum kind kind;
	size_t len;
	unsigned int n;
};

/**
 * struct kept - shared by all cases, each of which is a process of its own
 * @calls:	the number of calls tested
 * @last:	the event of the previous case
 * @seen:	where that event has happened, in whatever state: once is enough
 */
static struct kept {
	unsigned long calls;
	enum event last;
	bool seen[STEP_VDSO_SIZE];
} *kept;

static unsigned int count_leaks(const struct result *result)
{
	unsigned int sum = result->lost, i;

	for (i = NONE + 1; i < LEAKS; i++)
		sum += result->leaks[i];
	return sum;
}

/**
 * struct plan - one call
 * @kind:	the condition of the state
 * @way:	how to call the function
 * @len:	an index into @lengths
 * @event:	what happens
 * @n:		the instruction before which it happens
 * @walk:	look at the stack at every instruction
 */
struct plan {
	enum kind kind;
	enum way way;
	unsigned int len;
	enum event event;
	unsigned int n;
	bool walk;
};

static bool run(struct step_actor *actor, const struct plan *plan)
{
	const struct route *route = &routes[plan->kind][plan->len];

	if (!start(actor, plan->kind, plan->way, plan->len))
		return false;
	if (plan->walk ?
	    !walk_to_return(actor, plan->event == SIGNAL ? plan->n : NOWHERE, NOWHERE) :
	    plan->event == NOTHING_HAPPENS ?
	    !go_to_return(actor, 0) :
	    !interrupt(actor, &route->trace, plan->event, plan->n))
		return false;
	if (plan->way == SERVED)
		add_source(&sources[plan->kind][plan->len]);
	return true;
}

/* Replace an actor that is in an unknown place. */
static void must_restart(struct step_actor *actor)
{
	step_kill(actor);
	if (!step_fork(actor, run_calls, NULL) || !step_continue(actor, 0))
		ksft_exit_fail_msg("cannot start\n");
}

static void try(struct step_actor *actor, const struct plan *plan,
		struct result *result)
{
	enum leak leak = RESULT;
	unsigned int i;
	bool ran = false;

	for (i = 0; i < TRIES && leak != NONE; i++) {
		if (!run(actor, plan)) {
			must_restart(actor);
			continue;
		}
		ran = true;
		leak = find_leak(plan->event == SIGNAL);
		if (leak == NONE && plan->walk && stack_had_secret())
			leak = SPILLED;
		kept->calls++;
		if (!finish(actor))
			must_restart(actor);
	}
	result->runs++;
	if (leak == NONE)
		return;
	if (!count_leaks(result)) {
		result->kind = plan->kind;
		result->len = scene->len;
		result->n = plan->n;
	}
	result->lost += !ran;
	result->leaks[leak] += ran;
}

static void report(const struct result *result)
{
	unsigned int i;

	ksft_print_msg("%u calls, %u wrong\n", result->runs, count_leaks(result));
	for (i = NONE + 1; i < LEAKS; i++)
		if (result->leaks[i])
			ksft_print_msg("%u returned %s\n", result->leaks[i],
				       leaks[i]);
	if (result->lost)
		ksft_print_msg("%u could not be stopped at the instruction\n",
			       result->lost);
	if (count_leaks(result))
		ksft_print_msg("the first one: %zu bytes, %s state, instruction %u\n",
			       result->len, kinds[result->kind], result->n);
}

static bool is_possible(enum kind kind)
{
	return kind != STALE || random_fd >= 0;
}

/* Step through a call, and find out where its keys come from. */
static bool record(struct step_actor *actor, enum kind kind, unsigned int len)
{
	struct route *route = &routes[kind][len];

	if (!start(actor, kind, SERVED, len) ||
	    !step_record(actor, vgr_in_vdso, &route->trace))
		return false;
	return_to = step_ip(actor);
	if (!finish(actor) || route->trace.syscalls != reseeds(kind) ||
	    !choose_boundaries(route))
		return false;

	/* Make another call without single steps, to stop at its system calls. */
	if (!start(actor, kind, SERVED, len) || !go_to_return(actor, 0))
		return false;
	if (key_offset == PAGE && kind == EMPTY)
		find_key_offset();
	if (scene->len >= batch)
		find_source(&sources[kind][len]);
	return finish(actor);
}

/*
 * Record all calls before the cases, which all need them. Returns false if tracing is
 * not permitted.
 */
static bool record_all(void)
{
	/* Calls from an empty state tell where the key is. */
	static const enum kind order[KINDS] = { EMPTY, WARM, COLD, STALE };
	struct step_actor actor;
	unsigned int i, len, try;

	if (!step_fork(&actor, run_calls, NULL) || !step_continue(&actor, 0))
		return false;
	for (i = 0; i < KINDS; i++) {
		if (!is_possible(order[i]))
			continue;
		for (len = 0; len < LENGTHS; len++)
			for (try = 0; !record(&actor, order[i], len); try++)
				if (try == RECORD_TRIES)
					ksft_exit_fail_msg("cannot step through a call\n");
	}
	step_kill(&actor);
	return true;
}

TEST(key_of_the_state_is_found)
{
	ksft_print_msg("at offset %zu\n", key_offset);
	EXPECT_NE(PAGE, key_offset);
}

/* Plant something where nothing was left. Is it found? */
static bool is_found(enum leak leak, void *where, const void *what, size_t len)
{
	unsigned char saved[KEY];
	enum leak found;

	memcpy(saved, where, len);
	memcpy(where, what, len);
	found = find_leak(false);
	memcpy(where, saved, len);
	return found == leak;
}

/* Remember the last two words of the cipher's state that change. */
static void see_last(uint32_t word, void *arg)
{
	uint32_t *last = arg;

	last[0] = last[1];
	last[1] = word;
}

FIXTURE(traced)
{
	struct step_actor actor;
};

FIXTURE_SETUP(traced)
{
	ASSERT_TRUE(step_fork(&self->actor, run_calls, NULL));
	ASSERT_TRUE(step_continue(&self->actor, 0));
}

FIXTURE_TEARDOWN(traced)
{
	step_kill(&self->actor);
}

/* Check that the search finds secrets at all. */
TEST_F(traced, secrets_are_found_where_they_are_planted)
{
	const struct plan plan = {
		.kind = EMPTY, .len = 1, .event = NOTHING_HAPPENS,
	};
	const struct key *key = &secret.key[0];
	unsigned char *vector = left.vectors + ARCH_FIRST_VECTOR, *state;
	uint32_t block[VGR_CHACHA_WORDS], last[2];

	ASSERT_TRUE(run(&self->actor, &plan));
	state = secret.copy[secret.copies - 1];
	vgr_chacha20_block(block, key->word, 1, see_last, last);
	EXPECT_EQ(NONE, find_leak(false));
	EXPECT_TRUE(is_found(GENERAL, left.general + 3, key->word + 2, 4));
	EXPECT_TRUE(is_found(GENERAL, left.general + 3, key->stream + 77, WORD));
	EXPECT_TRUE(is_found(VECTOR, vector, key->stream + 80, 16));
	EXPECT_TRUE(is_found(STACK, left.stack + BELOW - 400, key->word + 2, WORD));
	EXPECT_TRUE(is_found(STACK, left.stack, key->stream + 81, WORD));
	EXPECT_TRUE(is_found(INTERMEDIATE, left.stack + 4096, last, sizeof(last)));
	EXPECT_TRUE(is_found(INTERMEDIATE, vector + 16, last, sizeof(last)));
	EXPECT_TRUE(is_found(NOT_ERASED, state + key_offset + KEY, scene->output + 1, WORD));
	EXPECT_TRUE(is_found(OLD_KEY, state + (key_offset + KEY) % batch, key->word, KEY));
}

TEST_F(traced, secret_on_the_stack_at_one_instruction_is_found)
{
	unsigned int n = routes[EMPTY][1].trace.n / 2;

	ASSERT_TRUE(start(&self->actor, EMPTY, SERVED, 1));
	ASSERT_TRUE(walk_to_return(&self->actor, NOWHERE, n));
	EXPECT_EQ(NONE, find_leak(false));
	EXPECT_TRUE(stack_had_secret());
}

/*
 * The stack at every instruction
 */

/* The number of instructions of each call to interrupt by a signal */
#define WALK_SIGNALS	4

FIXTURE(stack)
{
	struct step_actor actor;
};

FIXTURE_VARIANT(stack)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(stack, in_draws_from_a_warm_state) { WARM };
FIXTURE_VARIANT_ADD(stack, in_draws_from_a_nearly_empty_state) { EMPTY };
FIXTURE_VARIANT_ADD(stack, in_draws_from_a_wiped_state) { COLD };
FIXTURE_VARIANT_ADD(stack, in_draws_from_an_outdated_state) { STALE };

FIXTURE_SETUP(stack)
{
	ASSERT_TRUE(step_fork(&self->actor, run_calls, NULL));
	ASSERT_TRUE(step_continue(&self->actor, 0));
}

FIXTURE_TEARDOWN(stack)
{
	step_kill(&self->actor);
}

TEST_F_TIMEOUT(stack, has_no_secret_at_any_instruction, STEP_SECONDS)
{
	struct plan plan = { .kind = variant->kind, .walk = true };
	struct result result = { };

	if (!is_possible(plan.kind))
		SKIP(return, "reseeding is not permitted");
	for (plan.len = 0; plan.len < LENGTHS; plan.len++)
		try(&self->actor, &plan, &result);
	report(&result);
	EXPECT_EQ(0, count_leaks(&result));
}

TEST_F_TIMEOUT(stack, has_no_secret_at_any_instruction_after_a_signal, STEP_SECONDS)
{
	struct plan plan = { .kind = variant->kind, .event = SIGNAL, .walk = true };
	struct result result = { };
	unsigned int n, stride;

	if (!is_possible(plan.kind))
		SKIP(return, "reseeding is not permitted");
	for (plan.len = 0; plan.len < LENGTHS; plan.len++) {
		n = routes[plan.kind][plan.len].trace.n;
		stride = full ? 1 : n / WALK_SIGNALS + 1;
		for (plan.n = plan.len; plan.n < n; plan.n += stride)
			try(&self->actor, &plan, &result);
	}
	report(&result);
	EXPECT_EQ(0, count_leaks(&result));
}

/*
 * Ways of calling
 */

FIXTURE(call)
{
	struct step_actor actor;
};

FIXTURE_VARIANT(call)
{
	enum way way;
};

FIXTURE_VARIANT_ADD(call, served) { SERVED };
FIXTURE_VARIANT_ADD(call, with_unknown_flags) { FLAGS };
FIXTURE_VARIANT_ADD(call, with_wrong_length_of_the_state) { STATE_LEN };
FIXTURE_VARIANT_ADD(call, with_misaligned_state) { MISALIGNED };
FIXTURE_VARIANT_ADD(call, for_no_bytes) { NOTHING };

FIXTURE_SETUP(call)
{
	ASSERT_TRUE(step_fork(&self->actor, run_calls, NULL));
	ASSERT_TRUE(step_continue(&self->actor, 0));
}

FIXTURE_TEARDOWN(call)
{
	step_kill(&self->actor);
}

TEST_F_TIMEOUT(call, undisturbed_leaves_no_secret, STEP_SECONDS)
{
	struct plan plan = { .event = NOTHING_HAPPENS, .way = variant->way };
	struct result result = { };

	for (plan.kind = 0; plan.kind < KINDS; plan.kind++)
		for (plan.len = 0; plan.len < LENGTHS; plan.len++)
			if (is_possible(plan.kind))
				try(&self->actor, &plan, &result);
	report(&result);
	EXPECT_EQ(0, count_leaks(&result));
}

/*
 * Events during a call
 */

FIXTURE(event)
{
	struct step_actor actor;
};

FIXTURE_VARIANT(event)
{
	enum event event;
};

FIXTURE_VARIANT_ADD(event, signal) { SIGNAL };
FIXTURE_VARIANT_ADD(event, state_zeroed) { ZEROED };
FIXTURE_VARIANT_ADD(event, kernel_reseeded) { RESEEDED };

FIXTURE_SETUP(event)
{
	ASSERT_TRUE(step_fork(&self->actor, run_calls, NULL));
	ASSERT_TRUE(step_continue(&self->actor, 0));
}

FIXTURE_TEARDOWN(event)
{
	step_kill(&self->actor);
}

static void test_event(struct __test_metadata *_metadata, struct step_actor *actor,
		       enum event event, enum kind kind)
{
	struct plan plan = { .event = event, .kind = kind };
	struct result result = { };
	unsigned int i, k;

	if (!is_possible(kind) || (event == RESEEDED && random_fd < 0))
		SKIP(return, "reseeding is not permitted");
	if (event != kept->last)
		memset(kept->seen, 0, sizeof(kept->seen));
	kept->last = event;
	for (k = 0; k < LENGTHS; k++) {
		const struct route *route;

		plan.len = (event + kind + k) % LENGTHS;
		route = &routes[kind][plan.len];
		for (i = 0; i < route->n; i++) {
			plan.n = route->at[i];
			if (!is_seen(&route->trace.insn[plan.n], kept->seen))
				try(actor, &plan, &result);
		}
	}
	report(&result);
	EXPECT_EQ(0, count_leaks(&result));
}

TEST_F_TIMEOUT(event, in_a_warm_state_leaves_no_secret, STEP_SECONDS)
{
	test_event(_metadata, &self->actor, variant->event, WARM);
}

TEST_F_TIMEOUT(event, in_a_nearly_empty_state_leaves_no_secret, STEP_SECONDS)
{
	test_event(_metadata, &self->actor, variant->event, EMPTY);
}

TEST_F_TIMEOUT(event, in_a_wiped_state_leaves_no_secret, STEP_SECONDS)
{
	test_event(_metadata, &self->actor, variant->event, COLD);
}

TEST_F_TIMEOUT(event, in_an_outdated_state_leaves_no_secret, STEP_SECONDS)
{
	test_event(_metadata, &self->actor, variant->event, STALE);
}

/*
 * Branches and addresses
 */

/**
 * struct path - what two calls that differ only in their secrets have in common
 * @n:		the number of instructions
 * @regs:	the registers before each of them, in the first call
 *
 * The second call must execute the same instructions. A general register that differs
 * from the first call's holds a secret, and the test changes it. An instruction that
 * takes an address from it then faults. No address may come from a vector register.
 */
static struct path {
	unsigned int n;
	struct user_regs_struct regs[1 << 14];
} path;

/*
 * What to put into a register with a secret. The first value leads to no memory, scaled
 * or not. The others take branches that hardly any secret takes.
 */
static const unsigned long long poisons[] = { 0x1111111111111111, 0, -1 };

/* Each way of moving bytes, with and without a refill */
static const size_t sizes[] = { 1, 4, 8, 24, 96, 1024 };

enum verdict { SAME, BRANCHED, ADDRESSED, DISTURBED, FAILED, VERDICTS };

static const char * const verdicts[VERDICTS] = {
	[BRANCHED]	= "a branch depends on a secret",
	[ADDRESSED]	= "an address depends on a secret",
	[DISTURBED]	= "the kernel reseeds all the time",
	[FAILED]	= "the call cannot be stepped through",
};

/* Step from the trap before a call to its return. */
static bool record_path(struct step_actor *actor)
{
	if (!step_enter(actor, vgr_in_vdso))
		return false;
	for (path.n = 0; vgr_in_vdso(step_ip(actor)); path.n++)
		if (path.n == ARRAY_SIZE(path.regs) ||
		    !step_get_regs(actor->tid, &path.regs[path.n]) ||
		    !step_go(actor, PTRACE_SINGLESTEP, 0))
			return false;
	return true;
}

/* Change the registers with secrets. Returns how many there are. */
static unsigned int poison(const struct step_actor *actor, struct user_regs_struct *regs,
			   struct user_regs_struct *first, unsigned long long value)
{
	unsigned long long *now[GP_COUNT], *then[GP_COUNT];
	unsigned int secrets = 0, i;

	arch_general_regs(now, regs);
	arch_general_regs(then, first);
	for (i = 0; i < GP_COUNT; i++) {
		if (*now[i] == *then[i])
			continue;
		*now[i] = value;
		secrets++;
	}
	return secrets && step_set_regs(actor->tid, regs) ? secrets : 0;
}

/*
 * Step through the second call, even after it has left the path: if it makes another
 * system call, the kernel has reseeded. On return, @at is the last instruction of the
 * path, or the one that faults.
 */
static enum verdict follow_path(struct step_actor *actor, unsigned long long value,
				uintptr_t *at, unsigned int *secrets)
{
	unsigned int syscalls = 0, n;
	struct user_regs_struct regs;
	bool same = true;

	if (!step_enter(actor, vgr_in_vdso))
		return FAILED;
	for (n = 0; n < ARRAY_SIZE(path.regs); n++) {
		regs = step_regs(actor);
		if (!vgr_in_vdso(REGS_IP(&regs)))
			break;
		same = same && n < path.n && REGS_IP(&regs) == REGS_IP(&path.regs[n]);
		if (same) {
			*at = REGS_IP(&regs);
			if (arch_is_gather((void *)*at))
				return ADDRESSED;
			*secrets += poison(actor, &regs, &path.regs[n], value);
		}
		syscalls += step_is_syscall(REGS_IP(&regs));
		if (!step_go(actor, PTRACE_SINGLESTEP, 0))
			return FAILED;
		if (!step_is_trapped(actor))
			return same ? ADDRESSED : BRANCHED;
	}
	if (syscalls != reseeds(scene->kind))
		return DISTURBED;
	return same && n == path.n ? SAME : BRANCHED;
}

/* Make the first call, and a second one for each poison. */
static enum verdict try_path(struct step_actor *actor, enum kind kind, size_t len,
			     uintptr_t *at, unsigned int *secrets)
{
	enum verdict verdict = SAME;
	unsigned int i;

	if (!start_size(actor, kind, SERVED, len) || !record_path(actor))
		return FAILED;
	for (i = 0; i < ARRAY_SIZE(poisons) && verdict == SAME; i++) {
		kept->calls++;
		if (!finish(actor) || !start_size(actor, kind, SERVED, len))
			return FAILED;
		verdict = follow_path(actor, poisons[i], at, secrets);
	}
	return finish(actor) || verdict != SAME ? verdict : FAILED;
}

static bool path_is_same(struct step_actor *actor, enum kind kind, size_t len,
			 unsigned int *secrets)
{
	enum verdict verdict = DISTURBED;
	uintptr_t at = vgr.vdso.start;
	unsigned int i;

	for (i = 0; i < RECORD_TRIES && verdict >= DISTURBED; i++) {
		verdict = try_path(actor, kind, len, &at, secrets);
		if (verdict != SAME)
			must_restart(actor);
	}
	if (verdict != SAME)
		ksft_print_msg("%zu bytes: %s at vDSO+%#lx\n", len, verdicts[verdict],
			       at - vgr.vdso.start);
	return verdict == SAME;
}

FIXTURE(path)
{
	struct step_actor actor;
};

FIXTURE_VARIANT(path)
{
	enum kind kind;
};

/* An outdated state gets another generation in each call, which looks like a secret. */
FIXTURE_VARIANT_ADD(path, of_draws_from_a_warm_state) { WARM };
FIXTURE_VARIANT_ADD(path, of_draws_from_a_nearly_empty_state) { EMPTY };
FIXTURE_VARIANT_ADD(path, of_draws_from_a_wiped_state) { COLD };

FIXTURE_SETUP(path)
{
	ASSERT_TRUE(step_fork(&self->actor, run_calls, NULL));
	ASSERT_TRUE(step_continue(&self->actor, 0));
}

FIXTURE_TEARDOWN(path)
{
	step_kill(&self->actor);
}

TEST_F_TIMEOUT(path, depends_on_no_secret, STEP_SECONDS)
{
	unsigned int secrets = 0, wrong = 0, i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		wrong += !path_is_same(&self->actor, variant->kind, sizes[i], &secrets);
	ksft_print_msg("%u secrets in registers\n", secrets);
	EXPECT_GT(secrets, 0);
	EXPECT_EQ(0, wrong);
}

int main(int argc, char **argv)
{
	int ret;

	find_vgetrandom();
	need_vgetrandom();
	choose_extent();
	scene = shared_alloc(sizeof(*scene));
	kept = shared_alloc(sizeof(*kept));
	if (!scene || !kept || !choose_lengths() || !find_public())
		ksft_exit_fail_msg("cannot prepare\n");
	if (!may_reseed())
		random_fd = -1;
	if (!record_all())
		ksft_exit_skip("tracing is not permitted\n");
	ret = test_harness_run(argc, argv);
	ksft_print_msg("%lu calls searched\n", kept->calls);
	return ret;
}
