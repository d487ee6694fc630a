// SPDX-License-Identifier: MIT
/*
 * provider.c: libcrypto with the generator VGETRANDOM. OPENSSL_CONF= names a configuration that
 * switches it on. Prints a line "pass|fail|skip WHAT" for each case. An argument
 * names the one function to run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <openssl/bn.h>
#include <openssl/conf.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#define NAME		"VGETRANDOM"
#define PROPERTIES	"provider=vgetrandom"
#define BLOCK		16

static int failed;

static bool judge(bool ok, const char *what)
{
	printf("%s %s\n", ok ? "pass" : "fail", what);
	if (!ok) {
		failed = 1;
		ERR_print_errors_fp(stderr);
	}
	ERR_clear_error();
	return ok;
}

/* The tests run on small machines and under slow tools, too. */
static size_t one_in(size_t count)
{
	const char *divisor = getenv("ONE_IN");

	return divisor ? count / atoi(divisor) : count;
}

/* --- Values, and whether any comes twice */

struct value {
	unsigned char bytes[BLOCK];
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct value));
}

static bool all_differ(struct value *values, size_t count)
{
	size_t i;

	qsort(values, count, sizeof(*values), compare);
	for (i = 1; i < count; i++)
		if (!compare(&values[i - 1], &values[i]))
			return false;
	return true;
}

static void *shared_memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static bool succeeds(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* A case that changes the process for good has one of its own. */
static bool in_child(bool (*function)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		bool ok = function();

		ERR_print_errors_fp(stderr);
		fflush(stderr);
		_exit(!ok);
	}
	return pid > 0 && succeeds(pid);
}

/* --- As what OpenSSL uses it */

static bool is_ours(EVP_RAND_CTX *context)
{
	return context && EVP_RAND_is_a(EVP_RAND_CTX_get0_rand(context), NAME) &&
	       EVP_RAND_get_state(context) == EVP_RAND_STATE_READY &&
	       EVP_RAND_get_strength(context) == 256;
}

static void test_roles(void)
{
	judge(is_ours(RAND_get0_primary(NULL)), "it is the primary generator");
	judge(is_ours(RAND_get0_public(NULL)), "it is the public generator");
	judge(is_ours(RAND_get0_private(NULL)), "it is the private generator");
	judge(RAND_status() == 1, "RAND_status() says that it is ready");
	judge(OSSL_PROVIDER_available(NULL, "default"), "the default provider is there as well");
	judge(OSSL_PROVIDER_available(NULL, "vgetrandom"), "so is the provider vgetrandom");
}

static bool rest_is(const unsigned char *p, const unsigned char *end, unsigned char value)
{
	while (p < end)
		if (*p++ != value)
			return false;
	return true;
}

/* Draws of all sizes, whose blocks all differ, and which change no byte beyond. */
static void test_sizes(void)
{
	static unsigned char buffer[100000 + 256];
	size_t capacity = 4 << 20, count = 0, len, i;
	struct value *values = malloc(capacity * sizeof(*values));
	bool drawn = true, inside = true;

	for (len = 0; len <= 100000; len += len < 4400 ? 1 : len < 8400 ? 13 : 611) {
		memset(buffer, 0x5a, sizeof(buffer));
		drawn &= (len & 1 ? RAND_bytes : RAND_priv_bytes)(buffer, len) == 1;
		inside &= rest_is(buffer + len, buffer + sizeof(buffer), 0x5a);
		for (i = 0; i + BLOCK <= len && count < capacity; i += BLOCK)
			memcpy(&values[count++], buffer + i, BLOCK);
	}
	judge(drawn, "sizes from 0 to 100000 are drawn");
	judge(inside, "they leave the bytes behind them alone");
	judge(all_differ(values, count), "no 16 bytes of them come twice");
	free(values);
}

/* Every byte of a draw is written: over many draws, none keeps its value. */
static void test_all_bytes(void)
{
	static const size_t sizes[] = { 1, 7, 16, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025,
					4095, 4096, 4097, 9000 };
	unsigned char buffer[9000], changed[9000];
	bool ok = true;
	size_t i, j, n;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		memset(changed, 0, sizeof(changed));
		for (n = 0; n < 16; n++) {
			memset(buffer, 0, sizeof(buffer));
			ok &= RAND_bytes(buffer, sizes[i]) == 1;
			for (j = 0; j < sizes[i]; j++)
				changed[j] |= buffer[j];
		}
		for (j = 0; j < sizes[i]; j++)
			ok &= changed[j] != 0;
	}
	judge(ok, "every byte of a draw is written");
}

static void test_large(void)
{
	size_t len = 3 << 20, i;
	struct value *values = calloc(1, len);
	bool ok = RAND_bytes((unsigned char *)values, len) == 1;
	size_t ones = 0;

	for (i = 0; i < len; i++)
		ones += __builtin_popcount(((unsigned char *)values)[i]);
	/* The standard deviation is 2509 bits. */
	judge(ok && ones > len * 4 - 15000 && ones < len * 4 + 15000,
	      "of 3 MiB, half the bits are ones");
	judge(all_differ(values, len / BLOCK), "no 16 bytes of 3 MiB come twice");
	free(values);
}

/* --- Threads */

#define THREADS		32
#define DRAWS		4000

static struct value *drawn;
static atomic_bool draw_failed;

static void *draw_values(void *arg)
{
	size_t n = one_in(DRAWS), i;
	struct value *mine = drawn + (size_t)arg * n;
	unsigned char large[300];

	for (i = 0; i < n; i++) {
		int ret;

		if (i % 3 == 2) {
			ret = RAND_bytes(large, sizeof(large));
			memcpy(&mine[i], large + sizeof(large) - BLOCK, BLOCK);
		} else if (i % 3) {
			ret = RAND_bytes(mine[i].bytes, BLOCK);
		} else {
			ret = RAND_priv_bytes(mine[i].bytes, BLOCK);
		}
		if (ret != 1)
			draw_failed = true;
	}
	return NULL;
}

static bool run_threads(size_t count, void *(*function)(void *))
{
	pthread_t threads[THREADS];
	size_t i;

	draw_failed = false;
	for (i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, function, (void *)i))
			return false;
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return !draw_failed;
}

static void test_threads(void)
{
	size_t count = THREADS * one_in(DRAWS);

	drawn = calloc(count, sizeof(*drawn));
	judge(run_threads(THREADS, draw_values), "32 threads draw");
	judge(all_differ(drawn, count), "no value of 32 threads comes twice");
	free(drawn);
}

static void *draw_one(void *arg)
{
	if (RAND_bytes(arg, BLOCK) != 1)
		draw_failed = true;
	return NULL;
}

static void test_many_threads(void)
{
	size_t count = one_in(5000), i;
	bool ok = true;

	drawn = calloc(count, sizeof(*drawn));
	draw_failed = false;
	for (i = 0; i < count; i++) {
		pthread_t thread;

		ok &= !pthread_create(&thread, NULL, draw_one, &drawn[i]) &&
		      !pthread_join(thread, NULL);
	}
	judge(ok && !draw_failed && all_differ(drawn, count), "5000 threads draw, one after the other");
	free(drawn);
}

static EVP_RAND_CTX *new_context(EVP_RAND_CTX *parent, const char *name)
{
	EVP_RAND *rand = EVP_RAND_fetch(NULL, name, strcmp(name, NAME) ? NULL : PROPERTIES);
	EVP_RAND_CTX *context = rand ? EVP_RAND_CTX_new(rand, parent) : NULL;

	EVP_RAND_free(rand);
	return context;
}

static EVP_RAND_CTX *shared_context;

static void *use_shared_context(void *arg)
{
	size_t n = one_in(DRAWS), i;
	struct value *mine = drawn + (size_t)arg * n;

	for (i = 0; i < n; i++) {
		if (!EVP_RAND_generate(shared_context, mine[i].bytes, BLOCK, 128, i % 64 == 5, NULL, 0) ||
		    (i % 64 == 7 && !EVP_RAND_reseed(shared_context, 0, NULL, 0, NULL, 0)) ||
		    (i % 64 == 9 && EVP_RAND_get_strength(shared_context) != 256) ||
		    EVP_RAND_get_state(shared_context) != EVP_RAND_STATE_READY)
			draw_failed = true;
	}
	return NULL;
}

static void test_shared_context(void)
{
	size_t count = THREADS * one_in(DRAWS);

	shared_context = new_context(NULL, NAME);
	if (!judge(EVP_RAND_enable_locking(shared_context) &&
		   EVP_RAND_instantiate(shared_context, 256, 0, NULL, 0, NULL),
		   "a context with locking can be had"))
		return;
	drawn = calloc(count, sizeof(*drawn));
	judge(run_threads(THREADS, use_shared_context) && all_differ(drawn, count),
	      "32 threads share it");
	free(drawn);
	EVP_RAND_CTX_free(shared_context);
}

/* --- Processes */

static bool draw_some(struct value *values, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (RAND_bytes(values[i].bytes, BLOCK) != 1)
			return false;
	return true;
}

static void test_fork(void)
{
	enum { CHILDREN = 40, EACH = 50 };
	struct value *values = shared_memory((CHILDREN * 2 + 1) * EACH * sizeof(*values));
	bool ok = true;
	size_t i;

	for (i = 0; i < CHILDREN; i++) {
		pid_t pid;

		ok &= draw_some(values + 2 * i * EACH, EACH);
		pid = fork();
		if (!pid)
			_exit(!draw_some(values + (2 * i + 1) * EACH, EACH));
		ok &= pid > 0;
		ok &= draw_some(values + CHILDREN * 2 * EACH, EACH);
		ok &= succeeds(pid);
	}
	ok &= all_differ(values, CHILDREN * 2 * EACH);
	judge(ok, "no value comes twice in a process and its 40 children");
}

static void *fork_and_draw(void *arg)
{
	struct value *values = (struct value *)drawn + 32 * (size_t)arg;
	size_t i;

	for (i = 0; i < 16; i++) {
		pid_t pid;

		if (RAND_bytes(values[2 * i].bytes, BLOCK) != 1)
			draw_failed = true;
		pid = fork();
		if (!pid)
			_exit(RAND_bytes(values[2 * i + 1].bytes, BLOCK) != 1);
		if (pid < 0 || !succeeds(pid))
			draw_failed = true;
	}
	return NULL;
}

static void test_fork_in_threads(void)
{
	drawn = shared_memory(8 * 32 * sizeof(*drawn));
	judge(run_threads(8, fork_and_draw) && all_differ(drawn, 8 * 32), "threads fork, and draw");
	munmap(drawn, 8 * 32 * sizeof(*drawn));
}

/* A handler forks once while a call is under way, which then ends in both processes. */
static volatile sig_atomic_t in_call, child_within;
static volatile pid_t child;

static void fork_once(int signal)
{
	(void)signal;
	if (!in_call || child)
		return;
	child = fork();
	child_within = !child;
}

static size_t in_common(struct value *a, struct value *b, size_t count)
{
	size_t common = 0, i = 0, j = 0;

	qsort(a, count, sizeof(*a), compare);
	qsort(b, count, sizeof(*b), compare);
	while (i < count && j < count) {
		int order = compare(&a[i], &b[j]);

		common += !order;
		i += order <= 0;
		j += order >= 0;
	}
	return common;
}

/*
 * A fork between the call's last check and its return is one after the call: then both have the
 * same. That may happen in less than one round of so many.
 */
static void fork_within_call(size_t len, size_t one_of, const char *what)
{
	struct itimerval soon = {}, never = {};
	struct sigaction action = { .sa_handler = fork_once };
	struct value *theirs = shared_memory(len), *ours = malloc(len);
	size_t count = one_in(64), same = 0, some = 0, i;
	bool ok = true;

	sigaction(SIGALRM, &action, NULL);
	for (i = 0; i < count; i++) {
		size_t common;

		child = 0;
		soon.it_value.tv_usec = 60 + i % 8 * 40;
		soon.it_interval.tv_usec = 500;	/* in case the first one is between two calls */
		setitimer(ITIMER_REAL, &soon, NULL);
		while (!child && !child_within) {
			in_call = 1;
			ok &= RAND_bytes((unsigned char *)ours, len) == 1;
			in_call = 0;
		}
		if (child_within) {
			memcpy(theirs, ours, len);
			_exit(!ok);
		}
		setitimer(ITIMER_REAL, &never, NULL);
		ok &= child > 0 && succeeds(child);
		common = in_common(ours, theirs, len / BLOCK);
		same += common == len / BLOCK;
		some += common && common < len / BLOCK;
	}
	signal(SIGALRM, SIG_DFL);
	munmap(theirs, len);
	free(ours);
	if (same || some)
		fprintf(stderr, "of %zu forks, %zu and parents return the same, %zu some of it\n",
			count, same, some);
	judge(ok && !some && same * one_of <= count, what);
}

static void test_fork_in_handler(void)
{
	fork_within_call(4096, 4, "a handler forks within a draw of 4096 bytes: nothing in common");
	fork_within_call(1 << 20, 16, "a handler forks within a draw of 1 MiB: nothing in common");
}

/* --- Keys */

static bool signs(EVP_PKEY *key)
{
	static const unsigned char text[] = "text";
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	unsigned char signature[1024];
	size_t len = sizeof(signature);
	bool is_ed = EVP_PKEY_is_a(key, "ED25519");
	const EVP_MD *digest = is_ed ? NULL : EVP_sha256();
	bool ok = EVP_DigestSignInit(c, NULL, digest, NULL, key) &&
		  EVP_DigestSign(c, signature, &len, text, sizeof(text)) == 1;

	EVP_MD_CTX_reset(c);
	ok = ok && EVP_DigestVerifyInit(c, NULL, digest, NULL, key) &&
	     EVP_DigestVerify(c, signature, len, text, sizeof(text)) == 1;
	EVP_MD_CTX_free(c);
	return ok;
}

static bool key_works(EVP_PKEY *key)
{
	bool ok = key && signs(key);

	EVP_PKEY_free(key);
	return ok;
}

static void test_keys(void)
{
	BIGNUM *prime = BN_new();

	judge(key_works(EVP_RSA_gen(2048)), "an RSA key is made, and signs");
	judge(key_works(EVP_EC_gen("P-256")), "a key on P-256 is made, and signs");
	judge(key_works(EVP_EC_gen("P-384")), "a key on P-384 is made, and signs");
	judge(key_works(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")), "an Ed25519 key is made, and signs");
	judge(BN_generate_prime_ex(prime, 512, 0, NULL, NULL, NULL), "a prime is found");
	BN_free(prime);
}

/* --- Contexts, and what they refuse */

/* Is the oldest error that one? It forgets all of them. */
static bool refused_for(const char *reason)
{
	const char *last = ERR_reason_error_string(ERR_peek_error());
	bool ok = last && !strcmp(last, reason);

	if (!ok)
		fprintf(stderr, "not \"%s\", but \"%s\"\n", reason, last ? last : "nothing");
	else
		ERR_clear_error();
	return ok;
}

static void test_states(void)
{
	EVP_RAND_CTX *c = new_context(NULL, NAME);
	unsigned char bytes[64];

	if (!judge(c != NULL, "the generator can be fetched by name"))
		return;
	judge(EVP_RAND_get_state(c) == EVP_RAND_STATE_UNINITIALISED, "a new context is not instantiated");
	judge(!EVP_RAND_generate(c, bytes, sizeof(bytes), 0, 0, NULL, 0) &&
	      refused_for("not instantiated"), "it refuses to generate");
	judge(!EVP_RAND_reseed(c, 0, NULL, 0, NULL, 0) && refused_for("not instantiated"),
	      "it refuses to reseed");
	judge(!EVP_RAND_nonce(c, bytes, 16) && refused_for("not instantiated"), "it refuses a nonce");
	judge(!EVP_RAND_instantiate(c, 257, 0, NULL, 0, NULL) && refused_for("insufficient strength") &&
	      EVP_RAND_get_state(c) == EVP_RAND_STATE_UNINITIALISED, "it refuses a strength of 257");
	judge(EVP_RAND_instantiate(c, 256, 1, (const unsigned char *)"me", 2, NULL) &&
	      EVP_RAND_get_state(c) == EVP_RAND_STATE_READY, "it is ready once it is instantiated");
	judge(EVP_RAND_generate(c, bytes, sizeof(bytes), 256, 1, (const unsigned char *)"more", 4),
	      "it generates, with prediction resistance and additional input");
	judge(!EVP_RAND_generate(c, bytes, sizeof(bytes), 257, 0, NULL, 0) &&
	      refused_for("insufficient strength"), "it does not generate with a strength of 257");
	judge(EVP_RAND_nonce(c, bytes, 16) && EVP_RAND_nonce(c, bytes, 1) && EVP_RAND_nonce(c, bytes, 64),
	      "it makes nonces of 1 to 64 bytes");
	judge(EVP_RAND_reseed(c, 1, (const unsigned char *)"entropy", 7, NULL, 0), "it reseeds");
	judge(EVP_RAND_uninstantiate(c) && EVP_RAND_get_state(c) == EVP_RAND_STATE_UNINITIALISED &&
	      EVP_RAND_verify_zeroization(c), "it can be uninstantiated, and is empty then");
	judge(!EVP_RAND_generate(c, bytes, sizeof(bytes), 0, 0, NULL, 0) &&
	      refused_for("not instantiated"), "it refuses to generate from there on");
	judge(EVP_RAND_instantiate(c, 0, 0, NULL, 0, NULL) &&
	      EVP_RAND_generate(c, bytes, sizeof(bytes), 0, 0, NULL, 0), "it can be instantiated again");
	EVP_RAND_CTX_free(c);
}

static bool lists(const OSSL_PARAM *params, const char *key)
{
	return params && OSSL_PARAM_locate_const(params, key);
}

static void test_parameters(void)
{
	EVP_RAND_CTX *c = new_context(NULL, NAME);
	EVP_RAND *rand = EVP_RAND_CTX_get0_rand(c);
	int state = -1;
	unsigned int strength = 0;
	size_t max = 0;
	uint64_t wide = 0;
	char text[16] = "unchanged";
	unsigned short narrow = 0;
	OSSL_PARAM all[] = {
		OSSL_PARAM_int(OSSL_RAND_PARAM_STATE, &state),
		OSSL_PARAM_utf8_string("unknown", text, sizeof(text)),
		OSSL_PARAM_uint(OSSL_RAND_PARAM_STRENGTH, &strength),
		OSSL_PARAM_size_t(OSSL_RAND_PARAM_MAX_REQUEST, &max),
		OSSL_PARAM_END
	};
	OSSL_PARAM other[] = {
		OSSL_PARAM_uint64(OSSL_RAND_PARAM_STRENGTH, &wide),
		OSSL_PARAM_size_t(OSSL_RAND_PARAM_MAX_REQUEST, NULL),
		OSSL_PARAM_END
	};
	OSSL_PARAM wrong[] = {
		OSSL_PARAM_utf8_string(OSSL_RAND_PARAM_STRENGTH, text, sizeof(text)), OSSL_PARAM_END
	};
	OSSL_PARAM small[] = {
		OSSL_PARAM_DEFN(OSSL_RAND_PARAM_MAX_REQUEST, OSSL_PARAM_UNSIGNED_INTEGER, &narrow, 2),
		OSSL_PARAM_END
	};

	judge(EVP_RAND_CTX_get_params(c, all) && state == EVP_RAND_STATE_UNINITIALISED &&
	      strength == 256 && max >= 65536 && !strcmp(text, "unchanged"),
	      "state, strength and greatest request are returned, unknown parameters are left alone");
	judge(EVP_RAND_CTX_get_params(c, other) && wide == 256 && other[1].return_size == sizeof(size_t),
	      "numbers of other sizes are told, and sizes without a buffer");
	judge(!EVP_RAND_CTX_get_params(c, wrong) && !EVP_RAND_CTX_get_params(c, small),
	      "a number is not told as text, and not in too few bytes");
	judge(lists(EVP_RAND_gettable_ctx_params(rand), OSSL_RAND_PARAM_STATE) &&
	      lists(EVP_RAND_gettable_ctx_params(rand), OSSL_RAND_PARAM_STRENGTH) &&
	      lists(EVP_RAND_gettable_ctx_params(rand), OSSL_RAND_PARAM_MAX_REQUEST),
	      "what can be asked for is listed");
	EVP_RAND_CTX_free(c);
}

static void test_provider_parameters(void)
{
	OSSL_PROVIDER *provider = OSSL_PROVIDER_load(NULL, "vgetrandom");
	const char *name = NULL, *version = NULL;
	int status = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, &name, 0),
		OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, &version, 0),
		OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, &status),
		OSSL_PARAM_END
	};

	judge(provider && OSSL_PROVIDER_get_params(provider, params) && status == 1 && name &&
	      !strcmp(name, "vgetrandom") && version, "the provider tells its name, version and status");
	judge(lists(OSSL_PROVIDER_gettable_params(provider), OSSL_PROV_PARAM_NAME),
	      "what can be asked of the provider is listed");
	judge(OSSL_PROVIDER_self_test(provider), "its self-test passes");
	OSSL_PROVIDER_unload(provider);
}

/* OpenSSL's own generators take their seeds and nonces from their parents. */
static void test_children(void)
{
	static const char *const names[] = { "CTR-DRBG", "HASH-DRBG", "HMAC-DRBG" };
	char *cipher = "AES-256-CTR", *digest = "SHA512", *mac = "HMAC";
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, strlen(cipher)),
		OSSL_PARAM_utf8_string(OSSL_DRBG_PARAM_DIGEST, digest, strlen(digest)),
		OSSL_PARAM_utf8_string(OSSL_DRBG_PARAM_MAC, mac, strlen(mac)),
		OSSL_PARAM_END
	};
	EVP_RAND_CTX *parent = new_context(NULL, NAME);
	unsigned char bytes[64];
	char what[80];
	size_t i;

	EVP_RAND_enable_locking(parent);
	EVP_RAND_instantiate(parent, 0, 0, NULL, 0, NULL);
	for (i = 0; i < 3; i++) {
		EVP_RAND_CTX *c = new_context(parent, names[i]);
		bool ok = c && EVP_RAND_instantiate(c, 256, 1, NULL, 0, params) &&
			  EVP_RAND_generate(c, bytes, sizeof(bytes), 256, 1, NULL, 0) &&
			  EVP_RAND_reseed(c, 1, NULL, 0, NULL, 0) &&
			  EVP_RAND_get_state(c) == EVP_RAND_STATE_READY;

		snprintf(what, sizeof(what), "%s can be its child", names[i]);
		judge(ok, what);
		EVP_RAND_CTX_free(c);
	}
	EVP_RAND_uninstantiate(parent);
	{
		EVP_RAND_CTX *c = new_context(parent, names[0]);

		judge(c && !EVP_RAND_instantiate(c, 256, 0, NULL, 0, params),
		      "but not where the parent is not instantiated");
		EVP_RAND_CTX_free(c);
	}
	EVP_RAND_CTX_free(parent);
}

/* The calls of before 3.0 */
static void test_seeding(void)
{
	char file[] = "/tmp/vgetrandom-seed-XXXXXX";
	int fd = mkstemp(file);

	RAND_seed("some", 4);
	RAND_add("more", 4, 4);
	judge(RAND_status() == 1 && !ERR_peek_error(), "RAND_seed() and RAND_add() do no harm");
	judge(RAND_poll() == 1, "RAND_poll() succeeds");
	judge(fd >= 0 && RAND_write_file(file) > 0 && RAND_load_file(file, -1) > 0,
	      "a seed file is written and read");
	close(fd);
	unlink(file);
}

/* --- Library contexts */

static bool library_context_works(const char *config)
{
	OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
	unsigned char bytes[200];
	bool ok = library && OSSL_LIB_CTX_load_config(library, config) &&
		  is_ours(RAND_get0_public(library)) &&
		  RAND_bytes_ex(library, bytes, sizeof(bytes), 256) == 1 &&
		  RAND_priv_bytes_ex(library, bytes, 16, 0) == 1 &&
		  !RAND_bytes_ex(library, bytes, 16, 512);

	OSSL_LIB_CTX_free(library);
	ERR_clear_error();
	return ok;
}

static void test_library_contexts(void)
{
	const char *config = getenv("OPENSSL_CONF");
	size_t n = one_in(200), i;
	bool ok = true;

	for (i = 0; i < n; i++)
		ok &= library_context_works(config);
	judge(ok, "200 library contexts, one after the other");
}

static void *use_library_contexts(void *arg)
{
	const char *config = getenv("OPENSSL_CONF");
	size_t n = one_in(40), i;

	(void)arg;
	for (i = 0; i < n; i++)
		if (!library_context_works(config))
			draw_failed = true;
	return NULL;
}

static void test_library_contexts_in_threads(void)
{
	judge(run_threads(8, use_library_contexts), "library contexts come and go in 8 threads");
}

/* The generator as what OpenSSL's own one is seeded from */
static void test_seed_source(void)
{
	OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
	unsigned char bytes[32];
	bool ok = OSSL_LIB_CTX_load_config(library, getenv("OPENSSL_CONF")) &&
		  RAND_set_DRBG_type(library, "CTR-DRBG", "provider=default", "AES-256-CTR", NULL) &&
		  RAND_set_seed_source_type(library, NAME, PROPERTIES) &&
		  RAND_bytes_ex(library, bytes, sizeof(bytes), 0) == 1 &&
		  EVP_RAND_is_a(EVP_RAND_CTX_get0_rand(RAND_get0_primary(library)), "CTR-DRBG");

	judge(ok, "it can be the seed source of OpenSSL's own generator");
	OSSL_LIB_CTX_free(library);
}

/* --- Without the system call */

/*
 * A filter has the kernel raise SIGSYS instead of serving getrandom(). The handler serves
 * it, or not. In the build or under the preload that has no vDSO, each draw gets here.
 */
static volatile sig_atomic_t refuse;
static volatile sig_atomic_t refused;

static void serve_getrandom(int signal, siginfo_t *info, void *context)
{
#if defined(__x86_64__)
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	FILE *f;

	(void)signal;
	(void)info;
	if (refuse) {
		refused = 1;
		r[REG_RAX] = -refuse;
		return;
	}
	f = fopen("/dev/urandom", "re");
	setvbuf(f, NULL, _IONBF, 0);
	r[REG_RAX] = fread((void *)r[REG_RDI], 1, r[REG_RSI], f);
	fclose(f);
#else
	(void)signal;
	(void)info;
	(void)context;
#endif
}

static bool trap_getrandom(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };
	struct sigaction action = { .sa_sigaction = serve_getrandom, .sa_flags = SA_SIGINFO };

	return !sigaction(SIGSYS, &action, NULL) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static bool all_zero(const unsigned char *p, size_t len)
{
	return rest_is(p, p + len, 0);
}

/* Where each draw is a system call. */
static bool fails_and_recovers(void)
{
	unsigned char bytes[300] = {};
	EVP_RAND_CTX *c;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1 || !trap_getrandom())
		return false;
	if (RAND_bytes(bytes, 16) != 1 || all_zero(bytes, 16))
		return false;
	refuse = ENOSYS;
	memset(bytes, 1, sizeof(bytes));
	if (RAND_bytes(bytes, 16) != 0 || !refused_for("getrandom failed") || RAND_status())
		return false;
	if (RAND_bytes(bytes, sizeof(bytes)) != 0 || !refused_for("getrandom failed") ||
	    !all_zero(bytes, sizeof(bytes)))
		return false;
	c = new_context(NULL, NAME);
	if (EVP_RAND_instantiate(c, 0, 0, NULL, 0, NULL) || !refused_for("getrandom failed") ||
	    EVP_RAND_get_state(c) != EVP_RAND_STATE_UNINITIALISED ||
	    EVP_RAND_reseed(RAND_get0_primary(NULL), 0, NULL, 0, NULL, 0) || !refused_for("getrandom failed"))
		return false;
	refuse = 0;
	if (!EVP_RAND_instantiate(c, 0, 0, NULL, 0, NULL) || EVP_RAND_get_state(c) != EVP_RAND_STATE_READY)
		return false;
	EVP_RAND_CTX_free(c);
	return RAND_bytes(bytes, sizeof(bytes)) == 1 && RAND_bytes(bytes, 16) == 1 &&
	       RAND_status() == 1 && !all_zero(bytes, 16);
}

/* Where the vDSO serves the request, a seeded generator continues as before. */
static bool needs_no_system_call(void)
{
	unsigned char bytes[300] = {};
	size_t i;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1 || !trap_getrandom())
		return false;
	for (i = 0; i < 1000; i++)
		if (RAND_bytes(bytes, i % sizeof(bytes) + 1) != 1)
			return false;
	return true;
}

static void test_refusal(void)
{
#if defined(__x86_64__)
	if (getenv("NO_VDSO"))
		judge(in_child(fails_and_recovers), "a failing system call is an error, until it works again");
	else
		judge(in_child(needs_no_system_call), "draws succeed where getrandom() is trapped");
#else
	printf("skip a failing system call # not on this architecture\n");
#endif
}

/* --- */

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "roles", test_roles },
	{ "sizes", test_sizes },
	{ "all_bytes", test_all_bytes },
	{ "large", test_large },
	{ "threads", test_threads },
	{ "many_threads", test_many_threads },
	{ "shared_context", test_shared_context },
	{ "fork", test_fork },
	{ "fork_in_threads", test_fork_in_threads },
	{ "fork_in_handler", test_fork_in_handler },
	{ "keys", test_keys },
	{ "states", test_states },
	{ "parameters", test_parameters },
	{ "provider_parameters", test_provider_parameters },
	{ "children", test_children },
	{ "seeding", test_seeding },
	{ "refusal", test_refusal },
	/* From here on, OpenSSL's numbers of error libraries have wrapped, and texts are missing. */
	{ "library_contexts", test_library_contexts },
	{ "library_contexts_in_threads", test_library_contexts_in_threads },
	{ "seed_source", test_seed_source },
};

int main(int argc, char **argv)
{
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (argc < 2 || !strcmp(argv[1], cases[i].name))
			cases[i].run();
	return failed;
}
