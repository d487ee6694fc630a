// SPDX-License-Identifier: MIT
/*
 * provider.c: libvgetrandom as a random number generator of OpenSSL 3
 *
 * The generator VGETRANDOM has no state that could be copied: the kernel, and the state that
 * it lends each thread, have all of it. So one context is as good as another, and any thread
 * may use any context at any time. Locks do nothing, a parent is not needed, and reseeding
 * is up to the kernel. The module uses nothing of libcrypto but the functions that OpenSSL
 * passes to OSSL_provider_init(). That way it also serves programs that have an OpenSSL of
 * their own inside.
 *
 * Requests of up to direct_max bytes are filled by vgr_getrandom() itself. For longer ones,
 * where the kernel's ChaCha20 is slower than OpenSSL's AES, it draws a key of 32 bytes for
 * each CHUNK bytes, and stream.c makes these from the key, which is then erased. This is as
 * good as a direct draw with regard to
 *
 * - strength: the key has 256 random bits. At most 256 blocks of AES come from one key. They
 *   never repeat, which tells them from random ones with an advantage of at most 2^-112.
 * - the bytes returned before: no key outlives its chunk, and no key leads to another.
 * - fork(): keys are drawn after it. A fork() by a signal handler within a call makes the
 *   child, whose call goes on as well, start again.
 * - reseeds: the first key after a reseed comes from the new seed.
 * - clones of the virtual machine: the next key that is drawn after the kernel learned of the
 *   clone differs. A clone that happens within a call starts the call again where the kernel
 *   can tell of it (GRND_TIMESTAMP, from the series rng-events). Elsewhere it does not: then
 *   two clones of a machine return the same for the part of that one request that was made
 *   before the snapshot, and for the rest of the chunk, which is 4 KiB and took about half
 *   a microsecond. A request of up to 4 KiB can hence come out the same in both if the
 *   snapshot falls into that half of a microsecond. Direct draws do not have this gap.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>

/* Only the numbers of the states and of the parameters' types are needed of these. */
#include <openssl/evp.h>
#include <openssl/params.h>

#include "stream.h"
#include "vgetrandom.h"

#define NAME		"vgetrandom"
#define VERSION		"1.0"
#define STRENGTH	256
#define MAX_REQUEST	(1UL << 30)
#define CHUNK		4096
#define NONCE_SIZE	16

#ifndef GRND_TIMESTAMP
#define GRND_TIMESTAMP	0x0008
#endif

/*
 * Up to where draws are direct. Mainline's function and the system call are slower than AES
 * from there on. Kernels with GRND_TIMESTAMP have a faster function.
 */
#define DIRECT_MAX		64
#define DIRECT_MAX_FAST		1024

/* What GRND_TIMESTAMP fills. */
struct cookie {
	uint64_t reseed;
	uint64_t clone;
};

struct provider {
	const OSSL_CORE_HANDLE *handle;
	OSSL_FUNC_core_new_error_fn *new_error;
	OSSL_FUNC_core_set_error_debug_fn *set_error_debug;
	OSSL_FUNC_core_vset_error_fn *vset_error;
	OSSL_FUNC_CRYPTO_zalloc_fn *zalloc;
	OSSL_FUNC_CRYPTO_free_fn *free;
	OSSL_FUNC_CRYPTO_secure_malloc_fn *secure_malloc;
	OSSL_FUNC_CRYPTO_secure_clear_free_fn *secure_clear_free;
	const struct stream *stream;
	size_t direct_max;
	bool has_cookies;
	/* The last draw failed. All contexts draw from the same kernel, so all of them failed. */
	atomic_bool is_failing;
};

/*
 * The states of a context, as OpenSSL calls them:
 *
 *	UNINITIALISED -- instantiate --> READY -- a draw fails --> ERROR
 *	      ^                          ^  |                      |  |
 *	      |                          +--|--- a draw succeeds --+  |
 *	      +-------- uninstantiate ------+-------------------------+
 *
 * No memory depends on them, so relaxed accesses do.
 */
struct context {
	struct provider *provider;
	atomic_bool is_instantiated;
};

/* A call that it interrupts, by a signal handler that forks, is to notice. */
static volatile unsigned int forks;

enum reason {
	REASON_NOT_INSTANTIATED = 1,
	REASON_STRENGTH,
	REASON_LENGTH,
	REASON_GETRANDOM,
};

static const OSSL_ITEM reasons[] = {
	{ REASON_NOT_INSTANTIATED, "not instantiated" },
	{ REASON_STRENGTH, "insufficient strength" },
	{ REASON_LENGTH, "request too large" },
	{ REASON_GETRANDOM, "getrandom failed" },
	{ 0, NULL }
};

#define raise(provider, reason, ...) \
	raise_error(provider, reason, __FILE__, __LINE__, __func__, __VA_ARGS__)

/* What ERR_raise_data() does where libcrypto is linked. */
static __attribute__((cold, format(printf, 6, 7)))
void raise_error(const struct provider *provider, uint32_t reason, const char *file,
		 int line, const char *function, const char *format, ...)
{
	va_list arguments;

	if (!provider->new_error || !provider->set_error_debug || !provider->vset_error)
		return;
	provider->new_error(provider->handle);
	provider->set_error_debug(provider->handle, file, line, function);
	va_start(arguments, format);
	provider->vset_error(provider->handle, reason, format, arguments);
	va_end(arguments);
}

static bool draw(const struct provider *provider, unsigned char *out, size_t len)
{
	while (len) {
		ssize_t drawn = vgr_getrandom(out, len, 0);

		if (drawn > 0) {
			out += drawn;
			len -= drawn;
		} else if (!drawn || errno != EINTR) {
			raise(provider, REASON_GETRANDOM, "errno=%d", drawn ? errno : 0);
			return false;
		}
	}
	return true;
}

static bool get_cookie(struct cookie *cookie)
{
	return vgr_getrandom(cookie, sizeof(*cookie), GRND_TIMESTAMP) >= 0;
}

static bool fill_chunks(const struct provider *provider, unsigned char *out, size_t len)
{
	unsigned char key[STREAM_KEY_SIZE];
	bool done = true;

	while (len && done) {
		size_t chunk = len < CHUNK ? len : CHUNK;

		done = draw(provider, key, sizeof(key));
		if (done)
			provider->stream->fill(out, chunk, key);
		out += chunk;
		len -= chunk;
	}
	stream_erase(key, sizeof(key));
	return done;
}

/* Starts again when the machine was cloned meanwhile, or the process forked. */
static bool fill(const struct provider *provider, unsigned char *out, size_t len)
{
	struct cookie before = { 0 }, after;
	unsigned int forks_before;

	do {
		forks_before = forks;
		if (provider->has_cookies && !get_cookie(&before))
			return draw(provider, out, len);
		if (!fill_chunks(provider, out, len))
			return false;
		after = before;
		if (provider->has_cookies && !get_cookie(&after))
			return draw(provider, out, len);
	} while (forks != forks_before || after.clone != before.clone);
	return true;
}

static bool is_allowed(const struct context *context, unsigned int strength)
{
	if (strength <= STRENGTH)
		return true;
	raise(context->provider, REASON_STRENGTH, "%u bits were requested, there are %d",
	      strength, STRENGTH);
	return false;
}

static OSSL_FUNC_rand_newctx_fn new_context;
static OSSL_FUNC_rand_freectx_fn free_context;
static OSSL_FUNC_rand_instantiate_fn instantiate;
static OSSL_FUNC_rand_uninstantiate_fn uninstantiate;
static OSSL_FUNC_rand_generate_fn generate;
static OSSL_FUNC_rand_reseed_fn reseed;
static OSSL_FUNC_rand_nonce_fn nonce;
static OSSL_FUNC_rand_enable_locking_fn enable_locking;
static OSSL_FUNC_rand_lock_fn lock;
static OSSL_FUNC_rand_unlock_fn unlock;
static OSSL_FUNC_rand_gettable_ctx_params_fn gettable_context_params;
static OSSL_FUNC_rand_get_ctx_params_fn get_context_params;
static OSSL_FUNC_rand_verify_zeroization_fn verify_zeroization;
static OSSL_FUNC_rand_get_seed_fn get_seed;
static OSSL_FUNC_rand_clear_seed_fn clear_seed;

static void *new_context(void *provider_context, void *parent, const OSSL_DISPATCH *parent_calls)
{
	struct provider *provider = provider_context;
	struct context *context = provider->zalloc(sizeof(*context), __FILE__, __LINE__);

	(void)parent;
	(void)parent_calls;
	if (!context)
		return NULL;
	context->provider = provider;
	atomic_init(&context->is_instantiated, false);
	return context;
}

static void free_context(void *context)
{
	struct context *c = context;

	if (c)
		c->provider->free(c, __FILE__, __LINE__);
}

static bool load(atomic_bool *flag)
{
	return atomic_load_explicit(flag, memory_order_relaxed);
}

/* Only a change is written, so that threads do not take the cache line from each other. */
static void store(atomic_bool *flag, bool value)
{
	if (load(flag) != value)
		atomic_store_explicit(flag, value, memory_order_relaxed);
}

static int get_state(struct context *context)
{
	if (!load(&context->is_instantiated))
		return EVP_RAND_STATE_UNINITIALISED;
	return load(&context->provider->is_failing) ? EVP_RAND_STATE_ERROR : EVP_RAND_STATE_READY;
}

static bool is_instantiated(struct context *context)
{
	if (load(&context->is_instantiated))
		return true;
	raise(context->provider, REASON_NOT_INSTANTIATED, "%s", NAME);
	return false;
}

/* Draw and discard a few bytes, so that this fails if the kernel has none to offer. */
static bool probe(struct provider *provider)
{
	unsigned char bytes[STREAM_KEY_SIZE];
	bool done = draw(provider, bytes, sizeof(bytes));

	stream_erase(bytes, sizeof(bytes));
	store(&provider->is_failing, !done);
	return done;
}

static int instantiate(void *context, unsigned int strength, int prediction_resistance,
		       const unsigned char *personalization, size_t personalization_len,
		       const OSSL_PARAM *params)
{
	struct context *c = context;

	(void)prediction_resistance;
	(void)personalization;
	(void)personalization_len;
	(void)params;
	if (!is_allowed(c, strength) || !probe(c->provider))
		return 0;
	store(&c->is_instantiated, true);
	return 1;
}

static int uninstantiate(void *context)
{
	struct context *c = context;

	store(&c->is_instantiated, false);
	return 1;
}

static __attribute__((noinline)) int generate_slowly(struct context *c, unsigned char *out,
						     size_t len, unsigned int strength)
{
	bool done;

	if (!is_allowed(c, strength) || !is_instantiated(c))
		return 0;
	if (len > MAX_REQUEST) {
		raise(c->provider, REASON_LENGTH, "%zu bytes", len);
		return 0;
	}
	if (len <= c->provider->direct_max)
		done = draw(c->provider, out, len);
	else
		done = fill(c->provider, out, len);
	if (!done)
		stream_erase(out, len);
	store(&c->provider->is_failing, !done);
	return done;
}

/*
 * Whoever asks for prediction resistance wants the bytes from a live source of entropy. In
 * OpenSSL's own generators that is the getrandom() system call, and each call here is
 * from the same seed of the kernel as a system call would be. Additional input cannot make the
 * bytes any better, and there is no state to mix it into.
 */
static int generate(void *context, unsigned char *out, size_t len, unsigned int strength,
		    int prediction_resistance, const unsigned char *additional,
		    size_t additional_len)
{
	struct context *c = context;

	(void)prediction_resistance;
	(void)additional;
	(void)additional_len;
	/* What nearly all requests are. An interrupted or failed one is started again. */
	if (len <= c->provider->direct_max && strength <= STRENGTH &&
	    get_state(c) == EVP_RAND_STATE_READY &&
	    vgr_getrandom(out, len, 0) == (ssize_t)len)
		return 1;
	return generate_slowly(c, out, len, strength);
}

/* There is nothing to reseed, but whether the kernel can be reached may have changed. */
static int reseed(void *context, int prediction_resistance, const unsigned char *entropy,
		  size_t entropy_len, const unsigned char *additional, size_t additional_len)
{
	struct context *c = context;

	(void)prediction_resistance;
	(void)entropy;
	(void)entropy_len;
	(void)additional;
	(void)additional_len;
	return is_instantiated(c) && probe(c->provider);
}

/* A caller without a buffer asks how many bytes it would be. */
static size_t nonce(void *context, unsigned char *out, unsigned int strength, size_t min_len,
		    size_t max_len)
{
	size_t len = min_len > NONCE_SIZE ? min_len : NONCE_SIZE;

	if (len > max_len)
		len = max_len;
	if (len < min_len || !is_allowed(context, strength) || !is_instantiated(context))
		return 0;
	return !out || generate(context, out, len, strength, 0, NULL, 0) ? len : 0;
}

/* Contexts are safe to use from several threads as they are. */
static int enable_locking(void *context)
{
	(void)context;
	return 1;
}

static int lock(void *context)
{
	(void)context;
	return 1;
}

static void unlock(void *context)
{
	(void)context;
}

static bool set_number(OSSL_PARAM *param, uint64_t value)
{
	bool is_signed = param->data_type == OSSL_PARAM_INTEGER;
	uint32_t narrow = value;

	if (!is_signed && param->data_type != OSSL_PARAM_UNSIGNED_INTEGER)
		return false;
	param->return_size = sizeof(value);
	if (!param->data)
		return true;
	if (param->data_size == sizeof(value)) {
		memcpy(param->data, &value, sizeof(value));
		return true;
	}
	if (param->data_size != sizeof(narrow) || value > (is_signed ? INT32_MAX : UINT32_MAX))
		return false;
	memcpy(param->data, &narrow, sizeof(narrow));
	param->return_size = sizeof(narrow);
	return true;
}

static bool set_text(OSSL_PARAM *param, const char *text)
{
	if (param->data_type != OSSL_PARAM_UTF8_PTR)
		return false;
	param->return_size = strlen(text);
	if (param->data)
		*(const char **)param->data = text;
	return true;
}

static const OSSL_PARAM *gettable_context_params(void *context, void *provider_context)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_int(OSSL_RAND_PARAM_STATE, NULL),
		OSSL_PARAM_uint(OSSL_RAND_PARAM_STRENGTH, NULL),
		OSSL_PARAM_size_t(OSSL_RAND_PARAM_MAX_REQUEST, NULL),
		OSSL_PARAM_uint(OSSL_DRBG_PARAM_RESEED_COUNTER, NULL),
		OSSL_PARAM_END
	};

	(void)context;
	(void)provider_context;
	return params;
}

/* OpenSSL asks for the largest request before each one, so that comes first. */
static int get_context_params(void *context, OSSL_PARAM *params)
{
	OSSL_PARAM *p;

	for (p = params; p && p->key; p++) {
		bool set = true;

		if (!strcmp(p->key, OSSL_RAND_PARAM_MAX_REQUEST))
			set = set_number(p, MAX_REQUEST);
		else if (!strcmp(p->key, OSSL_RAND_PARAM_STATE))
			set = set_number(p, get_state(context));
		else if (!strcmp(p->key, OSSL_RAND_PARAM_STRENGTH))
			set = set_number(p, STRENGTH);
		/* A child reseeds when it changes; the kernel's seed does not concern it. */
		else if (!strcmp(p->key, OSSL_DRBG_PARAM_RESEED_COUNTER))
			set = set_number(p, 1);
		if (!set)
			return 0;
	}
	return 1;
}

/* A context never holds any secret. */
static int verify_zeroization(void *context)
{
	(void)context;
	return 1;
}

/* For generators whose parent this one is. */
static size_t get_seed(void *context, unsigned char **seed, int entropy, size_t min_len,
		       size_t max_len, int prediction_resistance,
		       const unsigned char *additional, size_t additional_len)
{
	struct context *c = context;
	size_t len = entropy > 0 ? ((size_t)entropy + CHAR_BIT - 1) / CHAR_BIT : 0;

	if (len < min_len)
		len = min_len;
	if (len > max_len) {
		raise(c->provider, REASON_LENGTH, "%zu bytes are needed, %zu allowed", len, max_len);
		return 0;
	}
	*seed = c->provider->secure_malloc(len, __FILE__, __LINE__);
	if (!*seed)
		return 0;
	if (generate(c, *seed, len, 0, prediction_resistance, additional, additional_len))
		return len;
	clear_seed(c, *seed, len);
	*seed = NULL;
	return 0;
}

static void clear_seed(void *context, unsigned char *seed, size_t len)
{
	struct context *c = context;

	c->provider->secure_clear_free(seed, len, __FILE__, __LINE__);
}

#define ENTRY(number, function)	{ number, (void (*)(void))(function) }

static const OSSL_DISPATCH functions[] = {
	ENTRY(OSSL_FUNC_RAND_NEWCTX, new_context),
	ENTRY(OSSL_FUNC_RAND_FREECTX, free_context),
	ENTRY(OSSL_FUNC_RAND_INSTANTIATE, instantiate),
	ENTRY(OSSL_FUNC_RAND_UNINSTANTIATE, uninstantiate),
	ENTRY(OSSL_FUNC_RAND_GENERATE, generate),
	ENTRY(OSSL_FUNC_RAND_RESEED, reseed),
	ENTRY(OSSL_FUNC_RAND_NONCE, nonce),
	ENTRY(OSSL_FUNC_RAND_ENABLE_LOCKING, enable_locking),
	ENTRY(OSSL_FUNC_RAND_LOCK, lock),
	ENTRY(OSSL_FUNC_RAND_UNLOCK, unlock),
	ENTRY(OSSL_FUNC_RAND_GETTABLE_CTX_PARAMS, gettable_context_params),
	ENTRY(OSSL_FUNC_RAND_GET_CTX_PARAMS, get_context_params),
	ENTRY(OSSL_FUNC_RAND_VERIFY_ZEROIZATION, verify_zeroization),
	ENTRY(OSSL_FUNC_RAND_GET_SEED, get_seed),
	ENTRY(OSSL_FUNC_RAND_CLEAR_SEED, clear_seed),
	{ 0, NULL }
};

static const OSSL_ALGORITHM algorithms[] = {
	{ "VGETRANDOM", "provider=" NAME, functions, "the kernel's generator, without system calls" },
	{ NULL, NULL, NULL, NULL }
};

static OSSL_FUNC_provider_teardown_fn teardown;
static OSSL_FUNC_provider_gettable_params_fn gettable_params;
static OSSL_FUNC_provider_get_params_fn get_params;
static OSSL_FUNC_provider_query_operation_fn query;
static OSSL_FUNC_provider_get_reason_strings_fn get_reasons;

static void teardown(void *provider_context)
{
	struct provider *provider = provider_context;

	provider->free(provider, __FILE__, __LINE__);
}

static const OSSL_PARAM *gettable_params(void *provider_context)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
		OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, NULL, 0),
		OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_BUILDINFO, NULL, 0),
		OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
		OSSL_PARAM_END
	};

	(void)provider_context;
	return params;
}

static int get_params(void *provider_context, OSSL_PARAM *params)
{
	const struct provider *provider = provider_context;
	OSSL_PARAM *p;

	for (p = params; p && p->key; p++) {
		bool set = true;

		if (!strcmp(p->key, OSSL_PROV_PARAM_NAME))
			set = set_text(p, NAME);
		else if (!strcmp(p->key, OSSL_PROV_PARAM_VERSION))
			set = set_text(p, VERSION);
		else if (!strcmp(p->key, OSSL_PROV_PARAM_BUILDINFO))
			set = set_text(p, provider->stream->name);
		else if (!strcmp(p->key, OSSL_PROV_PARAM_STATUS))
			set = set_number(p, 1);
		if (!set)
			return 0;
	}
	return 1;
}

static const OSSL_ALGORITHM *query(void *provider_context, int operation, int *no_cache)
{
	(void)provider_context;
	*no_cache = 0;
	return operation == OSSL_OP_RAND ? algorithms : NULL;
}

static const OSSL_ITEM *get_reasons(void *provider_context)
{
	(void)provider_context;
	return reasons;
}

static const OSSL_DISPATCH provider_functions[] = {
	ENTRY(OSSL_FUNC_PROVIDER_TEARDOWN, teardown),
	ENTRY(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, gettable_params),
	ENTRY(OSSL_FUNC_PROVIDER_GET_PARAMS, get_params),
	ENTRY(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
	ENTRY(OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, get_reasons),
	{ 0, NULL }
};

static void take_functions(struct provider *provider, const OSSL_DISPATCH *in)
{
	for (; in->function_id; in++) {
		void (*function)(void) = in->function;

		switch (in->function_id) {
		case OSSL_FUNC_CORE_NEW_ERROR:
			provider->new_error = (OSSL_FUNC_core_new_error_fn *)function;
			break;
		case OSSL_FUNC_CORE_SET_ERROR_DEBUG:
			provider->set_error_debug = (OSSL_FUNC_core_set_error_debug_fn *)function;
			break;
		case OSSL_FUNC_CORE_VSET_ERROR:
			provider->vset_error = (OSSL_FUNC_core_vset_error_fn *)function;
			break;
		case OSSL_FUNC_CRYPTO_ZALLOC:
			provider->zalloc = (OSSL_FUNC_CRYPTO_zalloc_fn *)function;
			break;
		case OSSL_FUNC_CRYPTO_FREE:
			provider->free = (OSSL_FUNC_CRYPTO_free_fn *)function;
			break;
		case OSSL_FUNC_CRYPTO_SECURE_MALLOC:
			provider->secure_malloc = (OSSL_FUNC_CRYPTO_secure_malloc_fn *)function;
			break;
		case OSSL_FUNC_CRYPTO_SECURE_CLEAR_FREE:
			provider->secure_clear_free =
				(OSSL_FUNC_CRYPTO_secure_clear_free_fn *)function;
			break;
		}
	}
}

/* Only the child counts: the parent's call goes on with what it has. */
static void count_fork(void)
{
	forks++;
}

static void watch_forks(void)
{
	/* Without memory for it, only fork() within a signal handler would go unnoticed. */
	(void)pthread_atfork(NULL, NULL, count_fork);
}

__attribute__((visibility("default")))
int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
		       const OSSL_DISPATCH **out, void **provider_context)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct provider found = { .handle = handle }, *provider;
	struct cookie cookie = { 0 };

	take_functions(&found, in);
	if (!found.zalloc || !found.free || !found.secure_malloc || !found.secure_clear_free)
		return 0;
	found.stream = stream_best();
	found.has_cookies = vgr_getrandom(&cookie, sizeof(cookie), GRND_TIMESTAMP) == sizeof(cookie);
	found.direct_max = found.has_cookies ? DIRECT_MAX_FAST : DIRECT_MAX;
	provider = found.zalloc(sizeof(*provider), __FILE__, __LINE__);
	if (!provider)
		return 0;
	memcpy(provider, &found, sizeof(found));
	pthread_once(&once, watch_forks);
	*provider_context = provider;
	*out = provider_functions;
	return 1;
}
