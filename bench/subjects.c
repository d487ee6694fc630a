// SPDX-License-Identifier: GPL-2.0
/*
 * The subjects, each a loop of calls, so that what surrounds a call is the same
 * for all of them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "subjects.h"

#define PAGE		4096
#define LINE		64
#define POOL_SIZE	256	/* the most that a system call always gives whole */
#define PLACES		0x100000000000UL	/* and up to 8 TiB more: nothing is there */
#define PAGE_TABLE	(512UL * PAGE)		/* what one page of page tables maps */
#define ROOM		(16UL * PAGE)		/* more than an image needs */
#define MIXED		4096	/* lengths to choose from, a power of two */

struct generator generators[2];

static uint16_t mixed[MIXED], mixed_long[MIXED];
static uint8_t *source;		/* for memcpy() and the cipher: zeros */

/* What OpenSSL's libcrypto offers, if it is there. */
static struct {
	int	(*rand_bytes)(unsigned char *buffer, int len);
	void	*(*cipher_new)(void);
	void	*(*chacha20)(void);
	int	(*encrypt_init)(void *cipher, const void *type, void *engine,
				const unsigned char *key, const unsigned char *iv);
	int	(*encrypt)(void *cipher, unsigned char *out, int *outlen,
			   const unsigned char *in, int inlen);
} openssl;

static void (*libc_arc4random_buf)(void *buffer, size_t len);

struct pool {
	size_t	avail;
	uint8_t	bytes[POOL_SIZE];
};

static void pooled_read(struct pool *pool, uint8_t *buffer, size_t len)
{
	if (len > POOL_SIZE) {
		syscall(SYS_getrandom, buffer, len, 0);
		return;
	}
	if (len > pool->avail) {
		syscall(SYS_getrandom, pool->bytes, sizeof(pool->bytes), 0);
		pool->avail = sizeof(pool->bytes);
	}
	pool->avail -= len;
	memcpy(buffer, pool->bytes + pool->avail, len);
	explicit_bzero(pool->bytes + pool->avail, len);
}

/* The statement @what for a fixed or a mixed length n. */
#define REPEAT(what)							\
	do {								\
		unsigned int i;						\
		size_t n = len;						\
		const uint16_t *lens = len == MIXED_LEN ? mixed :		\
				       len == MIXED_LONG_LEN ? mixed_long : NULL; \
									\
		if (!lens) {						\
			for (i = 0; i < times; i++)			\
				what;					\
		} else {						\
			for (i = 0; i < times; i++) {			\
				n = lens[i % MIXED];			\
				what;					\
			}						\
		}							\
	} while (0)

static void call_generator(struct worker *w, int which, size_t len, unsigned int times)
{
	const size_t state_size = generators[which].params.size_of_opaque_state;
	const vgetrandom_fn fn = generators[which].fn;

	REPEAT(fn(w->buffer, n, 0, w->states[which], state_size));
}

static void call_vdso(struct worker *w, size_t len, unsigned int times)
{
	call_generator(w, VDSO, len, times);
}

static void call_mainline(struct worker *w, size_t len, unsigned int times)
{
	call_generator(w, MAINLINE, len, times);
}

static void call_syscall(struct worker *w, size_t len, unsigned int times)
{
	REPEAT(syscall(SYS_getrandom, w->buffer, n, 0));
}

static void call_pooled(struct worker *w, size_t len, unsigned int times)
{
	REPEAT(pooled_read(w->pool, w->buffer, n));
}

static void call_arc4random(struct worker *w, size_t len, unsigned int times)
{
	REPEAT(libc_arc4random_buf(w->buffer, n));
}

static void call_rand_bytes(struct worker *w, size_t len, unsigned int times)
{
	REPEAT(openssl.rand_bytes(w->buffer, n));
}

static void call_chacha20(struct worker *w, size_t len, unsigned int times)
{
	int out;

	REPEAT(openssl.encrypt(w->cipher, w->buffer, &out, source, n));
}

/* Not to be left out, nor turned into something else. */
static void *(*volatile copy)(void *to, const void *from, size_t len) = memcpy;

static void call_memcpy(struct worker *w, size_t len, unsigned int times)
{
	REPEAT(copy(w->buffer, source, n));
}

struct subject subjects[NUM_SUBJECTS] = {
	[VDSO]		= { "vdso", false, call_vdso },
	[MAINLINE]	= { "mainline", false, call_mainline },
	[SYSCALL]	= { "syscall", true, call_syscall },
	[POOLED]	= { "pooled", true, call_pooled },
	[ARC4RANDOM]	= { "arc4random", false, call_arc4random },
	[RAND_BYTES]	= { "RAND_bytes", false, call_rand_bytes },
	[CHACHA20]	= { "chacha20", false, call_chacha20 },
	[MEMCPY]	= { "memcpy", true, call_memcpy },
};

static void init_openssl(const struct level *level)
{
	void *library;

	if (level->openssl_ia32cap)
		setenv("OPENSSL_ia32cap", level->openssl_ia32cap, 1);
	library = dlopen("libcrypto.so.3", RTLD_NOW);
	if (!library)
		return;
	openssl.rand_bytes = dlsym(library, "RAND_bytes");
	openssl.cipher_new = dlsym(library, "EVP_CIPHER_CTX_new");
	openssl.chacha20 = dlsym(library, "EVP_chacha20");
	openssl.encrypt_init = dlsym(library, "EVP_EncryptInit_ex");
	openssl.encrypt = dlsym(library, "EVP_EncryptUpdate");
	subjects[RAND_BYTES].available = openssl.rand_bytes;
	subjects[CHACHA20].available = openssl.cipher_new && openssl.chacha20 &&
				       openssl.encrypt_init && openssl.encrypt;
}

static void init_mainline(void)
{
	struct generator *mainline = &generators[MAINLINE];

	mainline->fn = running_vdso_symbol("__vdso_getrandom");
	subjects[MAINLINE].available = mainline->fn &&
				       !mainline->fn(NULL, 0, 0, &mainline->params, ~0UL);
}

static void *far_from_all(void)
{
	return (void *)(PLACES + random() * PAGE);
}

/* The kernel's vDSO often shares a page of page tables with the stack. */
static void *beside_vdso(void)
{
	uintptr_t at = getauxval(AT_SYSINFO_EHDR) & -PAGE_TABLE, end = at + PAGE_TABLE;
	void *free;

	for (; at && at < end - ROOM; at += PAGE) {
		free = mmap((void *)at, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
			    MAP_FIXED_NOREPLACE, -1, 0);
		if (free == MAP_FAILED)
			continue;
		munmap(free, ROOM);
		return free;
	}
	return far_from_all();
}

static void init_image(int which, const char *path, const struct level *level)
{
	struct generator *generator = &generators[which];
	struct image image;
	size_t i;

	for (i = 0; i < NUM_PLACES; i++) {
		image_load(&image, path, level, i ? far_from_all() : beside_vdso());
		generator->places[i] = image.getrandom;
	}
	generator->fn = image.getrandom;
	generator->params = image.params;
	subjects[which].available = true;
}

/* A state has a line for all else; half of the first block or of the last one is a key. */
size_t subjects_batch(int which)
{
	return generators[which].params.size_of_opaque_state - LINE - 32;
}

void subjects_move(size_t round)
{
	int i;

	for (i = VDSO; i <= MAINLINE; i++)
		if (generators[i].places[0])
			generators[i].fn = generators[i].places[round % NUM_PLACES];
}

static void leave_out_others(void)
{
	int i;

	for (i = MAINLINE + 1; i < NUM_SUBJECTS; i++)
		subjects[i].available = false;
	subjects[MAINLINE].name = "before";
}

void subjects_init(const char *image, const struct level *level, const char *other,
		   bool images_only)
{
	size_t i;

	source = calloc(1, MAX_REQUEST);
	if (!source)
		err(1, "memory");
	memset(source, 0, MAX_REQUEST);
	for (i = 0; i < MIXED; i++) {
		mixed[i] = 1 + random() % MIXED_MAX;
		mixed_long[i] = 1 + random() % MIXED_LONG_MAX;
	}

	init_image(VDSO, image, level);
	if (other)
		init_image(MAINLINE, other, level);
	else
		init_mainline();
	if (images_only) {
		leave_out_others();
		return;
	}
	libc_arc4random_buf = dlsym(RTLD_DEFAULT, "arc4random_buf");
	subjects[ARC4RANDOM].available = libc_arc4random_buf;
	init_openssl(level);
}

/* As C libraries do it: as many as fit into a page, each beginning on a cache line. */
static size_t stride(const struct generator *generator)
{
	return (generator->params.size_of_opaque_state + LINE - 1) & -LINE;
}

void *new_states(const struct generator *generator, size_t count)
{
	size_t per_page = PAGE / stride(generator);
	size_t size = (count + per_page - 1) / per_page * PAGE;
	void *states;

	states = mmap(NULL, size, generator->params.mmap_prot, generator->params.mmap_flags,
		      -1, 0);
	/* A kernel without droppable memory; for the time that a call takes it is all the same. */
	if (states == MAP_FAILED)
		states = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
	if (states == MAP_FAILED)
		err(1, "memory for states");
	return states;
}

void *nth_state(const struct generator *generator, void *states, size_t i)
{
	size_t per_page = PAGE / stride(generator);

	return states + i / per_page * PAGE + i % per_page * stride(generator);
}

void worker_init(struct worker *worker)
{
	static const unsigned char key[32], iv[16];
	int i;

	worker->buffer = aligned_alloc(PAGE, MAX_REQUEST);
	worker->pool = calloc(1, sizeof(*worker->pool));
	if (!worker->buffer || !worker->pool)
		err(1, "memory");
	memset(worker->buffer, 0, MAX_REQUEST);
	for (i = VDSO; i <= MAINLINE; i++)
		if (subjects[i].available)
			worker->states[i] = new_states(&generators[i], 1);
	if (subjects[CHACHA20].available) {
		worker->cipher = openssl.cipher_new();
		if (!worker->cipher ||
		    !openssl.encrypt_init(worker->cipher, openssl.chacha20(), NULL, key, iv))
			subjects[CHACHA20].available = false;
	}
}
