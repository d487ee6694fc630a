// SPDX-License-Identifier: GPL-2.0
/*
 * Use droppable memory while the kernel drops, moves and scans it.
 *
 * In most cases, one thread writes patterns to droppable memory and checks what
 * is left of them, and another one watches the flags of its pages. Meanwhile,
 * memory runs short in a cgroup or in the whole machine with swap on, khugepaged
 * and KSM look for work, or pages migrate. In other cases, allocations fail on
 * purpose.
 *
 * Most cases change settings of the machine while they run, so they need root.
 * Cases that lack something are skipped, and say so.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <linux/kernel-page-flags.h>
#include <linux/mempolicy.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "droppable.h"

#define AREA		(2 * MiB)	/* droppable memory with a pattern in it */
#define WORDS		(page_size / sizeof(uint64_t))
#define STRIDE		8		/* only one word of each cache line is used */

/*
 * Each of these words says whose it is and when it was written. The upper half
 * is the same in all of them, so that it can be searched for in a swap device or
 * a core dump. It is computed where it is needed, so that there is no other copy.
 */
static uint32_t salt;

static uint64_t mark(uint32_t serial)
{
	return (uint64_t)(salt ^ 0x5aa5c33cU) << 32 | serial;
}

/* The threads, and what they have found */

static struct {
	bool stop;
	char *area;
	pthread_t thread[2];
	unsigned int threads;
	unsigned long rounds, dropped;
	unsigned long bad_words, bad_flags;
} work;

/*
 * Is the page as its writer left it, apart from drops? A drop zeros all of it. If
 * that happened during the writing, zeros precede the words. If it happens while
 * the words are read in order, zeros follow them. No word follows those zeros.
 */
static bool page_is_right(const uint64_t *page, uint64_t want, bool *dropped)
{
	bool written = false;
	size_t i;

	*dropped = false;
	for (i = 0; i < WORDS; i += STRIDE) {
		uint64_t word = LOAD(page[i]);

		if (word ? word != want || (written && *dropped) : false)
			return false;
		if (word) {
			written = true;
			*dropped = false;
		} else {
			*dropped = true;
		}
	}
	return true;
}

static void page_write(uint64_t *page, uint64_t word)
{
	size_t i;

	for (i = 0; i < WORDS; i += STRIDE)
		STORE(page[i], word);
}

static void *check_patterns(void *unused)
{
	uint32_t serial = 1;

	while (!LOAD(work.stop)) {
		uint32_t first = serial;
		size_t i;

		for (i = 0; i < AREA; i += page_size)
			page_write((uint64_t *)(work.area + i), mark(serial++));
		for (i = 0; i < AREA; i += page_size) {
			bool dropped;

			if (!page_is_right((uint64_t *)(work.area + i),
					   mark(first++), &dropped))
				work.bad_words++;
			work.dropped += dropped;
		}
		STORE(work.rounds, work.rounds + 1);
	}
	return NULL;
}

/*
 * Get the frame number and the flags of the page at @p. False if there is none,
 * or if it went away in the meantime.
 */
static bool page_flags(int pagemap, int kpageflags, char *p, uint64_t *pfn,
		       uint64_t *flags)
{
	const uint64_t present = 1ULL << 63, pfn_mask = (1ULL << 55) - 1;
	off_t at = (uintptr_t)p / page_size * sizeof(uint64_t);
	uint64_t before, after;

	if (pread(pagemap, &before, 8, at) != 8 || !(before & present))
		return false;
	*pfn = before & pfn_mask;
	return pread(kpageflags, flags, 8, *pfn * 8) == 8 &&
	       pread(pagemap, &after, 8, at) == 8 && after == before;
}

/*
 * The rule for all code in mm: a droppable page is never swap-backed, merged or
 * huge. Between two of the reads, the page may have been dropped, used elsewhere
 * and brought back. A page that breaks the rule keeps doing so: look ten times.
 */
static bool breaks_rule(int pagemap, int kpageflags, char *p)
{
	const uint64_t bad = 1ULL << KPF_SWAPBACKED | 1ULL << KPF_KSM |
			     1ULL << KPF_THP | 1ULL << KPF_HUGE;
	const uint64_t anon = 1ULL << KPF_ANON, zero = 1ULL << KPF_ZERO_PAGE;
	uint64_t pfn, flags, first = 0;
	int i;

	for (i = 0; i < 10; i++) {
		if (!page_flags(pagemap, kpageflags, p, &pfn, &flags))
			return false;
		if (flags & zero || (flags & anon && !(flags & bad)))
			return false;
		if (i && pfn != first)
			return false;
		first = pfn;
	}
	return true;
}

/* Count the pages that break the rule, or return -1 if that is not permitted. */
static long rule_breakers(char *p, size_t len)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	int kpageflags = open("/proc/kpageflags", O_RDONLY);
	long n = 0;
	size_t i;

	if (pagemap < 0 || kpageflags < 0)
		n = -1;
	for (i = 0; n >= 0 && i < len; i += page_size)
		n += breaks_rule(pagemap, kpageflags, p + i);
	close(pagemap);
	close(kpageflags);
	return n;
}

static void *watch_flags(void *unused)
{
	while (!LOAD(work.stop)) {
		long n = rule_breakers(work.area, AREA);

		if (n > 0)
			work.bad_flags += n;
		usleep(1000);
	}
	return NULL;
}

static bool start_thread(void *(*fn)(void *), void *arg)
{
	return !pthread_create(&work.thread[work.threads++], NULL, fn, arg);
}

/* Call this in the child: it does not inherit the contents of droppable memory. */
static enum result start_work(void)
{
	work.area = map_alone(AREA, ANON);
	check(work.area);
	check(start_thread(check_patterns, NULL));
	check(start_thread(watch_flags, NULL));
	return PASS;
}

static enum result stop_work(void)
{
	/* With a single processor, they may not have run yet. */
	check(wait_for(LOAD(work.rounds) >= 2));
	STORE(work.stop, true);
	while (work.threads)
		check(!pthread_join(work.thread[--work.threads], NULL));
	if (work.bad_words || work.bad_flags)
		return fail("%lu bad words, %lu pages with bad flags",
			    work.bad_words, work.bad_flags);
	check(rule_breakers(work.area, AREA) <= 0);
	return PASS;
}

static unsigned long vm_event(const char *key)
{
	return counter("/proc/vmstat", key);
}

/* Use ordinary memory, several times over, to take what others have. */
static enum result squeeze(size_t len, int times)
{
	while (times--) {
		char *p = map_alone(len, MAP_PRIVATE | MAP_ANONYMOUS);

		check(p);
		madvise(p, len, MADV_NOHUGEPAGE);
		fill(p, len, 1);
		check(count_pages(p, len, 1) == len / page_size);
		check(!munmap(p, len));
	}
	return PASS;
}

/* A memory cgroup at its limit */

static enum result cgroup_child(void *unused)
{
	char *idle = map_alone(AREA, ANON);
	enum result result;

	check(idle && cgroup_enter());
	/* Exceed the limit, however little the threads have written by then. */
	fill(idle, AREA, 1);
	result = start_work();
	if (result == PASS)
		result = squeeze(5 * MiB, 2);
	return result == PASS ? stop_work() : result;
}

static enum result test_cgroup(const void *lru_gen)
{
	enum result result = use_lru_gen(lru_gen);

	if (result == PASS)
		result = cgroup_make("7M");
	if (result == PASS) {
		unsigned long kills, dropped;

		result = in_child(cgroup_child, NULL);
		kills = cgroup_counter("memory.events", "oom_kill");
		dropped = cgroup_counter("memory.stat", "pglazyfreed");
		cgroup_remove();
		if (result == PASS && (kills || !dropped))
			result = fail("%lu oom_kill, %lu pglazyfreed", kills, dropped);
	}
	untune();
	return result;
}

/* The whole machine is short of memory, with swap on */

/* A page with this many marked words is one of ours, not a stray copy. */
#define ENOUGH		8

/* Pages full of marks: droppable ones, and ordinary ones (inverted marks) */
struct marked {
	long ours, ordinary;
};

static void count_marked(struct marked *marked, const uint64_t *page)
{
	const uint32_t want = mark(0) >> 32;
	size_t ours = 0, ordinary = 0, i;

	for (i = 0; i < WORDS; i++) {
		ours += page[i] >> 32 == want;
		ordinary += page[i] >> 32 == (uint32_t)~want;
	}
	marked->ours += ours >= ENOUGH;
	marked->ordinary += ordinary >= ENOUGH;
}

/*
 * Count the marked pages in @path; false if it cannot be read. Read a device with
 * O_DIRECT, so that what is found is really on the device.
 */
static bool find_marked(const char *path, int flags, struct marked *marked)
{
	const size_t len = MiB;
	int fd = open(path, O_RDONLY | flags);
	uint64_t *buf = NULL;
	ssize_t got = -1;
	size_t page;

	*marked = (struct marked) { 0 };
	if (fd >= 0 && !posix_memalign((void **)&buf, len, len))
		while ((got = read(fd, buf, len)) > 0)
			for (page = 0; page + WORDS <= got / sizeof(*buf); page += WORDS)
				count_marked(marked, buf + page);
	free(buf);
	close(fd);
	return !got;
}

/* A swap device in memory. zram compresses pages, but reads return them as they were. */
#define ZRAM		"/sys/class/zram-control/"
static int zram = -1;
static char zram_path[32];

static void swap_remove(void)
{
	char text[16];

	if (zram < 0)
		return;
	swapoff(zram_path);
	snprintf(text, sizeof(text), "%d", zram);
	spew(ZRAM "hot_remove", text);
	zram = -1;
}

static enum result swap_make(size_t size)
{
	union {
		char page[65536];
		struct {
			char boot[1024];
			uint32_t version, last_page, bad_pages;
		};
	} *head = (void *)map(sizeof(*head), MAP_PRIVATE | MAP_ANONYMOUS);
	char text[32], path[64];
	int fd;

	check(head);
	if (slurp(ZRAM "hot_add", text, sizeof(text)) <= 0)
		return skip("no zram");
	zram = atoi(text);
	snprintf(zram_path, sizeof(zram_path), "/dev/zram%d", zram);
	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize", zram);
	snprintf(text, sizeof(text), "%zu", size);
	check(spew(path, text));
	head->version = 1;
	head->last_page = size / page_size - 1;
	memcpy(head->page + page_size - 10, "SWAPSPACE2", 10);
	fd = open(zram_path, O_WRONLY);
	check(fd >= 0);
	check(write(fd, head, page_size) == (ssize_t)page_size);
	check(!fsync(fd) && !close(fd));
	munmap(head, sizeof(*head));
	if (swapon(zram_path, 0))
		return skip("no swap");
	return PASS;
}

/* Allocate huge pages until only about @left bytes are free. */
static enum result leave_free(size_t left)
{
	unsigned long huge = counter("/proc/meminfo", "Hugepagesize") * 1024;
	unsigned long free = counter("/proc/meminfo", "MemAvailable") * 1024;
	unsigned long now = counter("/proc/meminfo", "HugePages_Total");
	char text[32];

	if (!huge || free < left)
		return skip("no huge pages, or less than %zu MiB free", left / MiB);
	snprintf(text, sizeof(text), "%lu", now + (free - left) / huge);
	spew("/proc/sys/vm/compact_memory", "1");
	if (!tune("/proc/sys/vm/nr_hugepages", text))
		return skip("cannot take huge pages");
	if (counter("/proc/meminfo", "MemAvailable") * 1024 > left + left / 2)
		return skip("could not take enough huge pages");
	return PASS;
}

static void mark_pages(char *p, size_t len, uint64_t word)
{
	size_t i;

	for (i = 0; i < len; i += page_size)
		page_write((uint64_t *)(p + i), word);
}

static enum result swap_child(void *unused)
{
	const size_t len = 48 * MiB;
	char *p = map_alone(len, MAP_PRIVATE | MAP_ANONYMOUS);
	char *idle = map_alone(AREA, ANON);
	enum result result = start_work();
	struct marked marked;

	if (result != PASS)
		return result;
	check(p && idle);
	madvise(p, len, MADV_NOHUGEPAGE);
	mark_pages(idle, AREA, mark(1));
	mark_pages(p, len, ~mark(0));
	result = squeeze(len / 2, 1);
	if (result != PASS)
		return result;
	/* Pages in use may have been spared: now page out everything. */
	check(page_out_unseen(idle, AREA));
	madvise(work.area, AREA, MADV_PAGEOUT);
	/* Page out ordinary memory, so that there is certainly something to find. */
	madvise(p, AREA, MADV_PAGEOUT);
	check(find_marked(zram_path, O_DIRECT, &marked));
	if (marked.ours)
		return fail("%ld pages in the swap device", marked.ours);
	if (!marked.ordinary)
		return fail("found nothing in the swap device");
	check(count_pages(idle, AREA, 0) == AREA / page_size);
	return stop_work();
}

static enum result test_swap(const void *lru_gen)
{
	unsigned long kills = vm_event("oom_kill");
	enum result result;

	if (geteuid())
		return skip("needs root");
	result = use_lru_gen(lru_gen);
	if (result == PASS)
		result = swap_make(128 * MiB);
	if (result == PASS)
		result = leave_free(48 * MiB);
	if (result == PASS)
		result = in_child(swap_child, NULL);
	untune();
	swap_remove();
	if (result == PASS && vm_event("oom_kill") != kills)
		result = fail("%lu oom_kill", vm_event("oom_kill") - kills);
	return result;
}

/* Scanners that look for pages to merge: khugepaged and KSM */

#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define KSM		"/sys/kernel/mm/ksm/"

static unsigned long number(const char *path)
{
	char text[32];

	return slurp(path, text, sizeof(text)) > 0 ? strtoul(text, NULL, 10) : 0;
}

/* Wait for two more full scans, which @path counts. */
static bool scanned(const char *path)
{
	unsigned long before = number(path);

	return wait_for(number(path) >= before + 2);
}

static enum result khugepaged_child(void *unused)
{
	const size_t len = 4 * MiB;
	char *ordinary = map_alone(len, MAP_PRIVATE | MAP_ANONYMOUS);
	enum result result;

	check(ordinary);
	check(!madvise(ordinary, len, MADV_NOHUGEPAGE));
	fill(ordinary, len, 1);
	result = start_work();
	if (result != PASS)
		return result;
	check(!madvise(work.area, AREA, MADV_HUGEPAGE));
	check(!madvise(ordinary, len, MADV_HUGEPAGE));
	if (!wait_for(smaps_kb(ordinary, "AnonHugePages:") > 0))
		return skip("khugepaged does nothing");
	check(scanned(THP "khugepaged/full_scans"));
	check(smaps_kb(work.area, "AnonHugePages:") == 0);
	return stop_work();
}

static enum result test_khugepaged(const void *arg)
{
	enum result result;

	if (!tune(THP "enabled", "always") ||
	    !tune(THP "khugepaged/scan_sleep_millisecs", "10") ||
	    !tune(THP "khugepaged/alloc_sleep_millisecs", "10") ||
	    !tune(THP "khugepaged/pages_to_scan", "8192"))
		result = skip("cannot set khugepaged up");
	else
		result = in_child(khugepaged_child, NULL);
	untune();
	return result;
}

static enum result ksm_child(void *unused)
{
	const size_t len = 64 * page_size;
	char *ordinary = map_alone(len, MAP_PRIVATE | MAP_ANONYMOUS);
	char *same = map_alone(len, ANON);
	enum result result;

	check(ordinary && same);
	fill(ordinary, len, 1);
	fill(same, len, 1);
	check(!madvise(ordinary, len, MADV_MERGEABLE));
	check(!madvise(same, len, MADV_MERGEABLE));
	result = start_work();
	if (result != PASS)
		return result;
	check(!madvise(work.area, AREA, MADV_MERGEABLE));
	if (!wait_for(number(KSM "pages_sharing") > 0))
		return skip("KSM does nothing");
	check(scanned(KSM "full_scans"));
	check(rule_breakers(same, len) <= 0);
	check(page_out(same, len, 1));
	return stop_work();
}

static enum result test_ksm(const void *arg)
{
	enum result result;

	if (!tune(KSM "sleep_millisecs", "10") ||
	    !tune(KSM "pages_to_scan", "1000") || !tune(KSM "run", "1"))
		result = skip("cannot set KSM up");
	else
		result = in_child(ksm_child, NULL);
	untune();
	return result;
}

/* Compaction, and migration from node to node and back */

#define MOVED		64	/* pages; each costs an interrupt on all processors */

static enum result migrate_child(void *unused)
{
	unsigned long before = vm_event("pgmigrate_success");
	enum result result = start_work();
	int node[MOVED], status[MOVED], i, j;
	void *page[MOVED];

	if (result != PASS)
		return result;
	for (i = 0; i < 4; i++) {
		spew("/proc/sys/vm/compact_memory", "1");
		for (j = 0; j < MOVED; j++) {
			page[j] = work.area + j * page_size;
			node[j] = i % 2;
		}
		syscall(__NR_move_pages, 0, MOVED, page, node, status, MPOL_MF_MOVE);
	}
	result = stop_work();
	if (result != PASS)
		return result;
	if (vm_event("pgmigrate_success") == before)
		return skip("nothing was migrated");
	fill(work.area, AREA, 1);
	check(page_out(work.area, AREA, 1));
	return PASS;
}

static enum result test_migration(const void *arg)
{
	return in_child(migrate_child, NULL);
}

/* A core dump in the middle of it all */

static enum result core_child(void *unused)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char *ordinary = map_alone(page_size, MAP_PRIVATE | MAP_ANONYMOUS);
	char *idle = map_alone(AREA, ANON);
	enum result result;

	check(ordinary && idle);
	result = start_work();
	if (result != PASS)
		return result;
	check(!madvise(work.area, AREA, MADV_PAGEOUT));
	page_write((uint64_t *)ordinary, ~mark(0));
	mark_pages(idle, AREA, mark(1));
	setrlimit(RLIMIT_CORE, &unlimited);
	abort();
}

static enum result test_core(const void *arg)
{
	char dir[] = "/tmp/droppable.XXXXXX", path[64];
	enum result result = SKIP;
	struct marked marked;

	check(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/core", dir);
	if (tune("/proc/sys/kernel/core_pattern", path) &&
	    tune("/proc/sys/kernel/core_uses_pid", "0"))
		result = in_child(core_child, NULL);
	untune();
	find_marked(path, 0, &marked);
	unlink(path);
	rmdir(dir);
	if (result == SKIP)
		return skip("cannot set the core pattern");
	if (!marked.ordinary)
		return skip("no core dump was written");
	return marked.ours ? fail("%ld pages in the core dump", marked.ours) : PASS;
}

/*
 * One thread pages out a batch on the first processor. A second thread reads on
 * the second processor. A third one moves between the two and reads on both. On
 * the first, it has no translation in the TLB and faults in zeros. From then on,
 * neither of the two readers may see the old page on the second processor.
 */
static struct {
	char *page;
	pthread_barrier_t barrier;
	bool zero_seen, stop, done;
	unsigned long zeros, stale;
} move;

static void look(void)
{
	bool zero = LOAD(move.zero_seen);

	if (!LOAD(*move.page)) {
		if (!zero) {
			__atomic_fetch_add(&move.zeros, 1, __ATOMIC_SEQ_CST);
			STORE(move.zero_seen, true);
		}
	} else if (zero) {
		__atomic_fetch_add(&move.stale, 1, __ATOMIC_SEQ_CST);
	}
}

static void *move_sibling(void *unused)
{
	run_on(1);
	/* Give way to the thread that moves. */
	setpriority(PRIO_PROCESS, gettid(), 19);
	for (;;) {
		pthread_barrier_wait(&move.barrier);
		if (move.stop)
			return NULL;
		while (!LOAD(move.done))
			look();
		pthread_barrier_wait(&move.barrier);
	}
}

static void *move_mover(void *unused)
{
	int cpu = 0;

	for (;;) {
		pthread_barrier_wait(&move.barrier);
		if (move.stop)
			return NULL;
		while (!LOAD(move.done)) {
			run_on(cpu = !cpu);
			look();
		}
		pthread_barrier_wait(&move.barrier);
	}
}

static enum result move_child(void *unused)
{
	const size_t len = 512 * page_size;
	pthread_t sibling, mover;
	int i, j;

	move.page = map_alone(2 * len, ANON);
	check(move.page);
	/* Stay within one page table, so that it is one batch. */
	move.page = (char *)(((uintptr_t)move.page + len - 1) & -len);
	check(!pthread_barrier_init(&move.barrier, NULL, 3));
	check(!pthread_create(&sibling, NULL, move_sibling, NULL));
	check(!pthread_create(&mover, NULL, move_mover, NULL));
	run_on(0);
	setpriority(PRIO_PROCESS, gettid(), 19);
	for (i = 0; i < 20; i++) {
		fill(move.page, len, 1);
		STORE(move.zero_seen, false);
		STORE(move.done, false);
		pthread_barrier_wait(&move.barrier);
		for (j = 0; j < 10 && !LOAD(move.zero_seen); j++)
			madvise(move.page, len, MADV_PAGEOUT);
		STORE(move.done, true);
		pthread_barrier_wait(&move.barrier);
	}
	STORE(move.stop, true);
	pthread_barrier_wait(&move.barrier);
	pthread_join(sibling, NULL);
	pthread_join(mover, NULL);
	if (move.stale)
		return fail("%lu stale reads", move.stale);
	return move.zeros ? PASS : skip("never saw the page go");
}

static enum result test_move(const void *arg)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return skip("needs two processors");
	return in_child(move_child, NULL);
}

/*
 * A memory node without a free page. The second node is full of huge pages, and
 * of droppable pages that a pipe refers to, so that reclaim passes them over. The
 * next droppable page that has to come from there finds no memory. This is a
 * shortage of the machine, not of a cgroup, so the OOM killer would take the child
 * that offers itself.
 */
#define NODE1_HUGE	"/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages"
#define PIPES		64
#define PIPE_PAGES	256

static struct full_node {
	bool full, go, touched;
} *full_node;

static char *on_node1(size_t len)
{
	unsigned long nodes = 2;
	char *p = map_alone(len, ANON);

	if (!p || syscall(__NR_mbind, p, len, MPOL_BIND, &nodes, 64, 0))
		return NULL;
	return p;
}

static pid_t offer_victim(void)
{
	const size_t len = 8 * MiB;
	unsigned long nodes = 2;
	pid_t pid = fork();
	char *p;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Have memory that a kill would free, so that nobody else has to die, too. */
	p = map_alone(len, MAP_PRIVATE | MAP_ANONYMOUS);
	if (p && !syscall(__NR_mbind, p, len, MPOL_BIND, &nodes, 64, 0))
		fill(p, len, 1);
	spew("/proc/self/oom_score_adj", "1000");
	STORE(full_node->go, true);
	for (;;)
		pause();
}

static void *touch_starved(void *p)
{
	STORE(*(char *)p, 1);
	STORE(full_node->touched, true);
	return NULL;
}

/* Fill the node: 1 if it is full, 0 if the victim died, -1 if it does not fill up. */
static int take_node(int (*pipes)[2], char *p, pid_t victim)
{
	int zero = open("/dev/zero", O_RDONLY), n, i, tries = 0;

	for (n = 0; n < PIPES; n++) {
		if (pipe(pipes[n]) || fcntl(pipes[n][1], F_SETPIPE_SZ,
					    PIPE_PAGES * page_size) < 0)
			return 0;
		for (i = 0; i < PIPE_PAGES;) {
			struct iovec iov = { p, 1 };

			if (waitpid(victim, NULL, WNOHANG))
				return 0;
			if (read(zero, p, 1) == 1 &&
			    vmsplice(pipes[n][1], &iov, 1, 0) == 1) {
				p += page_size;
				tries = 0;
				i++;
				continue;
			}
			if (++tries == 20)
				goto full;
			usleep(10000);
		}
	}
	close(zero);
	return -1;
full:
	close(zero);
	return 1;
}

static enum result node_child(void *unused)
{
	static int pipes[PIPES][2];
	char *p = on_node1(PIPES * PIPE_PAGES * page_size), *q = on_node1(page_size);
	unsigned long kills = vm_event("oom_kill"), stalls;
	pthread_t thread;
	pid_t victim;
	int n;

	check(p && q);
	check(spew("/proc/self/oom_score_adj", "-1000"));
	victim = offer_victim();
	check(victim > 0 && wait_for(LOAD(full_node->go)));
	if (!spew(NODE1_HUGE, "1000000"))
		return skip("cannot take huge pages");
	n = take_node(pipes, p, victim);
	check(vm_event("oom_kill") == kills);
	check(n);
	if (n < 0)
		return skip("the node does not fill up");
	STORE(full_node->full, true);
	stalls = vm_event("allocstall_movable");
	check(!pthread_create(&thread, NULL, touch_starved, q));
	/* The thread reclaims, finds nothing, and waits, for a second at most. */
	check(wait_for(vm_event("allocstall_movable") > stalls));
	check(!LOAD(full_node->touched));
	check(vm_event("oom_kill") == kills && !waitpid(victim, NULL, WNOHANG));
	check(spew(NODE1_HUGE, "0"));
	check(wait_for(LOAD(full_node->touched)));
	check(!pthread_join(thread, NULL));
	check(!kill(victim, SIGKILL));
	return PASS;
}

static enum result test_node(const void *arg)
{
	enum result result;

	if (geteuid())
		return skip("needs root");
	if (access(NODE1_HUGE, F_OK))
		return skip("needs two memory nodes and huge pages");
	full_node = (void *)map(page_size, MAP_SHARED | MAP_ANONYMOUS);
	check(full_node);
	if (!tune(NODE1_HUGE, "0"))
		return skip("cannot take huge pages");
	result = in_child(node_child, NULL);
	untune();
	return result;
}

/* Allocations that fail on purpose */

#define FAIL_DIR	"/sys/kernel/debug/fail_page_alloc/"

static enum result fail_pages(const char *times)
{
	if (access(FAIL_DIR, F_OK))
		return skip("no fail_page_alloc in debugfs");
	if (!tune(FAIL_DIR "probability", "0") || !tune(FAIL_DIR "task-filter", "Y") ||
	    !tune(FAIL_DIR "ignore-gfp-highmem", "N") ||
	    !tune(FAIL_DIR "ignore-gfp-wait", "N") || !tune(FAIL_DIR "verbose", "0") ||
	    !tune(FAIL_DIR "min-order", "0") || !tune(FAIL_DIR "interval", "1") ||
	    !tune(FAIL_DIR "times", times) || !tune(FAIL_DIR "probability", "100"))
		return skip("cannot set fail_page_alloc up");
	return PASS;
}

/* Start or stop failing all page allocations of this thread. */
static bool fail_mine(bool on)
{
	static int fd = -1;

	/* Opening the file allocates memory, so it has to be done before. */
	if (fd < 0)
		fd = open("/proc/thread-self/make-it-fail", O_WRONLY | O_CLOEXEC);
	return fd >= 0 && pwrite(fd, on ? "1" : "0", 1, 0) == 1;
}

/* A page that is absent, but has a page table */
static char *unpopulated(void)
{
	char *p = map_alone(2 * page_size, ANON);

	if (!p)
		return NULL;
	STORE(p[page_size], 1);
	return p;
}

static enum result fail_times_child(void *unused)
{
	char *p = unpopulated();

	check(p);
	check(fail_mine(true));
	STORE(*p, 1);
	check(fail_mine(false));
	check(number(FAIL_DIR "times") == 0);
	return PASS;
}

/* The fault retries as often as it takes. */
static enum result test_fail_times(const void *arg)
{
	enum result result = fail_pages("5");

	if (result == PASS)
		result = in_child(fail_times_child, NULL);
	untune();
	return result;
}

static enum result fail_syscall_child(void *unused)
{
	int zero = open("/dev/zero", O_RDONLY), error;
	char *p = unpopulated(), byte = 1;
	struct iovec local = { &byte, 1 }, remote = { p, 1 };

	check(p && zero >= 0);
	check(fail_mine(true));
	error = read(zero, p, 1) < 0 ? errno : 0;
	fail_mine(false);
	check(error == EFAULT);
	check(fail_mine(true));
	error = process_vm_writev(getpid(), &local, 1, &remote, 1, 0) < 0 ? errno : 0;
	fail_mine(false);
	check(error == EFAULT || error == ENOMEM);
	check(fail_mine(true));
	error = madvise(p, page_size, MADV_POPULATE_WRITE) ? errno : 0;
	fail_mine(false);
	check(error == EFAULT || error == ENOMEM);
	check(read(zero, p, 1) == 1);
	return PASS;
}

static enum result test_fail_syscall(const void *arg)
{
	enum result result = fail_pages("-1");

	if (result == PASS)
		result = in_child(fail_syscall_child, NULL);
	untune();
	return result;
}

static enum result fail_kill_child(void *ready)
{
	char *p = unpopulated();

	/* Shared memory may need a page table of its own here. */
	STORE(*(bool *)ready, false);
	check(p && fail_mine(true));
	STORE(*(bool *)ready, true);
	STORE(*p, 1);
	return fail("got a page");
}

static enum result fail_kill(void)
{
	bool *ready = (bool *)map(page_size, MAP_SHARED | MAP_ANONYMOUS);
	unsigned long before;
	int status;
	pid_t pid;

	check(ready);
	pid = fork();
	check(pid >= 0);
	if (!pid)
		_exit(fail_kill_child(ready));
	/* After a few failures, the child waits where it has to be killed. */
	check(wait_for(LOAD(*ready)));
	before = number(FAIL_DIR "times");
	check(wait_for(number(FAIL_DIR "times") + 3 <= before));
	check(!kill(pid, SIGKILL));
	check(wait_for(waitpid(pid, &status, WNOHANG) == pid));
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return PASS;
}

static enum result test_fail_kill(const void *arg)
{
	enum result result = fail_pages("1000000");

	if (result == PASS)
		result = fail_kill();
	untune();
	return result;
}

/*
 * Fail each allocation of a fault in turn, page tables included: the n-th of this
 * thread's allocations from now on. A page far enough from the last one needs a
 * page table of its own.
 */
static enum result fail_nth(bool in_syscall)
{
	const size_t far = 2 * MiB;
	int zero = open("/dev/zero", O_RDONLY), failed = 0, n;
	char *p = map_alone(ROUNDS * far, ANON), text[16];

	check(p && zero >= 0);
	for (n = 1; n < ROUNDS; n++) {
		int fd = open("/proc/thread-self/fail-nth", O_RDWR);
		ssize_t got = 1;

		if (fd < 0)
			return skip("no fail-nth");
		snprintf(text, sizeof(text), "%d", n);
		check(write(fd, text, strlen(text)) > 0);
		if (in_syscall)
			got = read(zero, p + n * far, 1) < 0 ? -errno : 1;
		else
			STORE(p[n * far], 1);
		check(pread(fd, text, sizeof(text) - 1, 0) > 0);
		check(pwrite(fd, "0", 1, 0) == 1);
		close(fd);
		check(got == 1 || got == -EFAULT || got == -ENOMEM);
		if (atoi(text))
			break;
		failed++;
	}
	close(zero);
	check(n < ROUNDS && failed >= 2);
	return PASS;
}

static enum result fail_nth_child(void *in_syscall)
{
	return fail_nth(in_syscall);
}

static enum result test_fail_nth(const void *in_syscall)
{
	enum result result = fail_pages("0");

	if (result == PASS)
		result = in_child(fail_nth_child, (void *)in_syscall);
	untune();
	return result;
}

/* The list */

static const struct test tests[] = {
	{ "memory cgroup at its limit: classic LRU", test_cgroup, "0" },
	{ "memory cgroup at its limit: multi-gen LRU", test_cgroup, "7" },
	{ "no memory left, swap on: classic LRU", test_swap, "0" },
	{ "no memory left, swap on: multi-gen LRU", test_swap, "7" },
	{ "khugepaged", test_khugepaged },
	{ "KSM", test_ksm },
	{ "compaction and migration", test_migration },
	{ "core dump: nothing in it", test_core },
	{ "moving thread: never the old page after the new one", test_move },
	{ "full node: waits, nobody killed, goes on", test_node },
	{ "failing allocations: retries until there is a page", test_fail_times },
	{ "failing allocations: a system call gets an error", test_fail_syscall },
	{ "failing allocations: can be killed", test_fail_kill },
	{ "failing allocations: each one of a fault", test_fail_nth },
	{ "failing allocations: each one of a system call's fault", test_fail_nth, "syscall" },
};

int main(int argc, char **argv)
{
	if (syscall(__NR_getrandom, &salt, sizeof(salt), 0) != sizeof(salt))
		ksft_exit_fail_msg("no random numbers\n");
	run_tests(tests, ARRAY_SIZE(tests), argv + 1);
}
