// SPDX-License-Identifier: GPL-2.0
/*
 * Test what Documentation/mm/droppable.rst promises, one case a line. Cases that
 * need root, a kernel option or several processors are skipped without them,
 * and say so.
 *
 * Memory pressure comes from MADV_PAGEOUT and from a memory cgroup of our own,
 * so nothing outside suffers.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <pthread.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include "droppable.h"
#include "../../../../lib/test_hmm_uapi.h"
#include "../../../../mm/gup_test.h"

/* From include/linux/mm.h, for the GUP test driver. */
#define FOLL_WRITE		0x01
#define FOLL_LONGTERM		0x10000

/* mmap() */

struct mmap_case {
	const char *name;
	int flags;
	int errors[3];		/* any of these; none: success */
	const char *file;	/* pass a descriptor of this file */
};

static const struct mmap_case mmap_cases[] = {
	{ "mmap: MAP_ANONYMOUS", ANON },
	{ "mmap: MAP_POPULATE", ANON | MAP_POPULATE },
	{ "mmap: MAP_NORESERVE", ANON | MAP_NORESERVE },
	{ "mmap: MAP_STACK", ANON | MAP_STACK },
	{ "mmap: MAP_NONBLOCK", ANON | MAP_POPULATE | MAP_NONBLOCK },
	{ "mmap: MAP_DENYWRITE, MAP_EXECUTABLE", ANON | MAP_DENYWRITE | MAP_EXECUTABLE },
	{ "mmap: MAP_SYNC", ANON | MAP_SYNC },
#ifdef MAP_32BIT
	{ "mmap: MAP_32BIT", ANON | MAP_32BIT },
#endif
	{ "mmap: a descriptor beside MAP_ANONYMOUS", ANON, { 0 }, "/proc/self/exe" },
	{ "mmap: an unknown flag", ANON | 0x800000 },
	{ "mmap: MAP_LOCKED", ANON | MAP_LOCKED, { EINVAL, EPERM, EAGAIN } },
	{ "mmap: MAP_HUGETLB", ANON | MAP_HUGETLB, { EINVAL } },
	{ "mmap: MAP_GROWSDOWN", ANON | MAP_GROWSDOWN, { EINVAL } },
	{ "mmap: MAP_SHARED", ANON | MAP_SHARED, { EINVAL } },
	{ "mmap: MAP_PRIVATE", ANON | MAP_PRIVATE, { EINVAL } },
	{ "mmap: MAP_SHARED_VALIDATE", ANON | 3, { EINVAL } },
	{ "mmap: MAP_LOCKED, MAP_POPULATE", ANON | MAP_LOCKED | MAP_POPULATE,
	  { EINVAL, EPERM, EAGAIN } },
	{ "mmap: MAP_HUGETLB, 2 MiB", ANON | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, { EINVAL } },
	{ "mmap: a file", MAP_DROPPABLE, { EINVAL }, "/proc/self/exe" },
	{ "mmap: a file, MAP_POPULATE", MAP_DROPPABLE | MAP_POPULATE, { EINVAL },
	  "/proc/self/exe" },
	{ "mmap: /dev/zero", MAP_DROPPABLE, { EINVAL }, "/dev/zero" },
	{ "mmap: neither a file nor MAP_ANONYMOUS", MAP_DROPPABLE, { EBADF } },
};

static enum result test_mmap(const void *arg)
{
	const struct mmap_case *c = arg;
	int fd = c->file ? open(c->file, O_RDONLY) : -1;
	char *p;
	int i;

	check(fd >= 0 || !c->file);
	p = mmap(NULL, page_size, c->flags & MAP_ANONYMOUS ? RW : PROT_READ,
		 c->flags, fd, 0);
	i = errno;
	close(fd);
	errno = i;
	if (!c->errors[0]) {
		check(p != MAP_FAILED);
		STORE(*p, 1);
		munmap(p, page_size);
		return PASS;
	}
	check(p == MAP_FAILED);
	for (i = 0; i < 3; i++)
		if (c->errors[i] == errno)
			return PASS;
	return fail("errno %d", errno);
}

/* The other values of MAP_TYPE are refused. */
static enum result test_mmap_types(const void *arg)
{
	int type;

	for (type = 0; type <= MAP_TYPE; type++) {
		if (type == MAP_SHARED || type == MAP_PRIVATE || type == MAP_DROPPABLE)
			continue;
		check(!map(page_size, type | MAP_ANONYMOUS) && errno == EINVAL);
	}
	return PASS;
}

static enum result test_mmap_prot(const void *arg)
{
	static const int prot[] = { PROT_NONE, PROT_READ, PROT_EXEC, RW | PROT_EXEC };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(prot); i++) {
		char *p = map_alone(page_size, ANON);

		check(p);
		check(mmap(p, page_size, prot[i], ANON | MAP_FIXED, -1, 0) == p);
		check(has_flag(p, "dp"));
		check(!mprotect(p, page_size, RW));
		fill(p, page_size, 1);
		check(page_out(p, page_size, 1));
	}
	return PASS;
}

static enum result test_mmap_ia32(const void *arg)
{
#ifdef __x86_64__
	long ret;
	pid_t pid = fork();
	int status;

	check(pid >= 0);
	if (!pid) {
		/* mmap2() of a 32-bit task, which returns a low address */
		asm volatile ("int $0x80" : "=a" (ret)
			      : "a" (192), "b" (0), "c" (page_size), "d" (RW),
				"S" (ANON), "D" (-1)
			      : "memory", "r8", "r9", "r10", "r11");
		ret = (int)ret < 0 && (int)ret > -4096 ? (int)ret :
							 (long)(uint32_t)ret;
		_exit(ret > 0 && has_flag((void *)ret, "dp") ? PASS : FAIL);
	}
	check(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status))
		return skip("no 32-bit system calls");
	return WEXITSTATUS(status) ? fail("not mapped, or not dp") : PASS;
#else
	return skip("not x86-64");
#endif
}

#ifdef __x86_64__
/*
 * A complete 32-bit program, position-independent and without a library. It
 * checks that MAP_LOCKED is refused, maps a page, writes to it, and pages it out
 * until it reads zero. The exit status is the number of the step that failed.
 */
asm (".pushsection .rodata\n"
	"ia32_start:\n"
	".code32\n"
	"	mov $192, %eax\n"		/* mmap2() with MAP_LOCKED */
	"	xor %ebx, %ebx\n"
	"	mov $4096, %ecx\n"
	"	mov $3, %edx\n"
	"	mov $0x2028, %esi\n"
	"	mov $-1, %edi\n"
	"	xor %ebp, %ebp\n"
	"	int $0x80\n"
	"	mov $1, %ebx\n"
	"	cmp $-22, %eax\n"		/* EINVAL */
	"	jne 9f\n"
	"	mov $192, %eax\n"		/* without MAP_LOCKED */
	"	xor %ebx, %ebx\n"
	"	mov $0x28, %esi\n"
	"	int $0x80\n"
	"	mov $2, %ebx\n"
	"	cmp $-4096, %eax\n"
	"	ja 9f\n"
	"	mov %eax, %ebp\n"
	"	movb $1, (%ebp)\n"
	"	mov $100000, %edi\n"		/* bound of the retry loop */
	"1:	mov $219, %eax\n"		/* madvise(MADV_PAGEOUT) */
	"	mov %ebp, %ebx\n"
	"	mov $4096, %ecx\n"
	"	mov $21, %edx\n"
	"	int $0x80\n"
	"	mov $3, %ebx\n"
	"	test %eax, %eax\n"
	"	jnz 9f\n"
	"	xor %ebx, %ebx\n"
	"	cmpb $0, (%ebp)\n"
	"	je 9f\n"
	"	mov $158, %eax\n"		/* sched_yield() */
	"	int $0x80\n"
	"	dec %edi\n"
	"	jnz 1b\n"
	"	mov $4, %ebx\n"
	"9:	mov $1, %eax\n"		/* exit() */
	"	int $0x80\n"
	".code64\n"
	"ia32_end:\n"
	".popsection\n");

extern const char ia32_start[], ia32_end[];

/* Return a descriptor of an executable file with this program. */
static int ia32_program(void)
{
	const uint32_t base = 0x08048000, size = ia32_end - ia32_start;
	struct {
		Elf32_Ehdr ehdr;
		Elf32_Phdr text, stack;
	} head = {
		.ehdr = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
				     ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_386,
			.e_version = EV_CURRENT,
			.e_entry = base + sizeof(head),
			.e_phoff = offsetof(typeof(head), text),
			.e_ehsize = sizeof(Elf32_Ehdr),
			.e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = 2,
		},
		.text = {
			.p_type = PT_LOAD,
			.p_vaddr = base,
			.p_filesz = sizeof(head) + size,
			.p_memsz = sizeof(head) + size,
			.p_flags = PF_R | PF_X,
			.p_align = 4096,
		},
		.stack = {
			.p_type = PT_GNU_STACK,
			.p_flags = PF_R | PF_W,
		},
	};
	int fd = syscall(__NR_memfd_create, "ia32", 0);

	if (fd >= 0 && (write(fd, &head, sizeof(head)) != sizeof(head) ||
			write(fd, ia32_start, size) != (ssize_t)size))
		return -1;
	return fd;
}

static enum result test_ia32_task(const void *arg)
{
	static const char * const step[] = {
		"", "MAP_LOCKED is not EINVAL", "not mapped",
		"MADV_PAGEOUT fails", "never dropped",
	};
	int fd = ia32_program(), status;
	pid_t pid;

	check(fd >= 0);
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		fexecve(fd, (char *[]){ "ia32", NULL }, (char *[]){ NULL });
		_exit(errno == ENOEXEC ? 255 : 254);
	}
	check(waitpid(pid, &status, 0) == pid);
	close(fd);
	check(WIFEXITED(status));
	status = WEXITSTATUS(status);
	if (status == 255)
		return skip("no 32-bit programs");
	check(status < (int)ARRAY_SIZE(step));
	return status ? fail("%s", step[status]) : PASS;
}
#else
static enum result test_ia32_task(const void *arg)
{
	return skip("not x86-64");
}
#endif

static enum result test_flags(const void *arg)
{
	char *p = map_alone(page_size, ANON);

	check(p);
	check(has_flag(p, "dp"));
	check(has_flag(p, "wf"));
	check(has_flag(p, "dd"));
	check(!has_flag(p, "ac"));
	check(!has_flag(p, "lo"));
	return PASS;
}

static enum result test_no_reserve(const void *arg)
{
	const size_t len = 1024 * MiB;
	unsigned long before = counter("/proc/meminfo", "Committed_AS");
	char *p = mmap(NULL, len, PROT_READ, ANON, -1, 0);
	unsigned long mapped, writable;

	check(p != MAP_FAILED);
	mapped = counter("/proc/meminfo", "Committed_AS");
	check(!mprotect(p, len, RW));
	writable = counter("/proc/meminfo", "Committed_AS");
	munmap(p, len);
	check(mapped < before + len / 2048);
	check(writable < before + len / 2048);
	return PASS;
}

/* The same with overcommit off, where reservations are limited. */
static enum result test_no_reserve_strict(const void *arg)
{
	size_t len = 4096 * MiB;
	char *p = NULL, *q = NULL;

	if (!tune("/proc/sys/vm/overcommit_memory", "2"))
		return skip("cannot switch overcommit off");
	while (len < 1UL << 46) {
		p = map(len, MAP_PRIVATE | MAP_ANONYMOUS);
		if (!p)
			break;
		munmap(p, len);
		len *= 2;
	}
	q = map(len, ANON);
	untune();
	check(!p);
	check(q);
	munmap(q, len);
	return PASS;
}

/* fork() and core dumps */

static enum result fork_child(void *p)
{
	check(!count_pages(p, 4 * page_size, 1));
	check(count_pages(p, 4 * page_size, 0) == 4);
	check(has_flag(p, "dp"));
	fill(p, 4 * page_size, 2);
	check(page_out(p, 4 * page_size, 2));
	return PASS;
}

static enum result test_fork(const void *arg)
{
	char *p = map_alone(4 * page_size, ANON);

	check(p);
	fill(p, 4 * page_size, 1);
	if (in_child(fork_child, p) != PASS)
		return FAIL;
	check(count_pages(p, 4 * page_size, 1) == 4);
	return PASS;
}

/* Too long for registers, and computed in place, so that there is no other copy */
static void pattern(char *p, int seed)
{
	int i;

	for (i = 0; i < 512; i++)
		STORE(p[i], (i * 7) ^ (i >> 3) ^ seed);
}

static bool core_has(const char *path, int seed)
{
	char want[512];
	bool found = false;
	struct stat st;
	char *p;
	int fd;

	pattern(want, seed);
	fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		return false;
	p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p != MAP_FAILED) {
		found = memmem(p, st.st_size, want, sizeof(want));
		munmap(p, st.st_size);
	}
	return found;
}

static enum result test_core(const void *arg)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char *ordinary = map_alone(page_size, MAP_PRIVATE | MAP_ANONYMOUS);
	char *p = map_alone(page_size, ANON);
	char dir[] = "/tmp/droppable.XXXXXX";
	char path[64];
	bool kept, leaked;
	pid_t pid;

	check(p && ordinary);
	check(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/core", dir);
	if (!tune("/proc/sys/kernel/core_pattern", path) ||
	    !tune("/proc/sys/kernel/core_uses_pid", "0")) {
		untune();
		rmdir(dir);
		return skip("cannot set the core pattern");
	}
	pid = fork();
	if (!pid) {
		pattern(ordinary, 0x55);
		pattern(p, 0x2a);
		setrlimit(RLIMIT_CORE, &unlimited);
		abort();
	}
	waitpid(pid, NULL, 0);
	untune();
	kept = core_has(path, 0x55);
	leaked = core_has(path, 0x2a);
	unlink(path);
	rmdir(dir);
	if (!kept)
		return skip("no core dump was written");
	check(!leaked);
	return PASS;
}

/* madvise() and other calls on the mapping */

struct madvise_case {
	const char *name;
	int advice;
	int error;
	const char *not_flag;	/* smaps flag that it must not get */
	bool optional;		/* EINVAL where the kernel lacks it */
};

static const struct madvise_case madvise_cases[] = {
	{ "madvise: MADV_KEEPONFORK", MADV_KEEPONFORK, EINVAL },
	{ "madvise: MADV_WIPEONFORK", MADV_WIPEONFORK },
	{ "madvise: MADV_DODUMP", MADV_DODUMP, EINVAL },
	{ "madvise: MADV_DONTDUMP", MADV_DONTDUMP },
	{ "madvise: MADV_FREE", MADV_FREE },
	{ "madvise: MADV_COLD", MADV_COLD },
	{ "madvise: MADV_DONTNEED", MADV_DONTNEED },
	{ "madvise: MADV_WILLNEED", MADV_WILLNEED },
	{ "madvise: MADV_REMOVE", MADV_REMOVE, EINVAL },
	{ "madvise: MADV_DONTFORK", MADV_DONTFORK },
	{ "madvise: MADV_POPULATE_READ", MADV_POPULATE_READ },
	{ "madvise: MADV_POPULATE_WRITE", MADV_POPULATE_WRITE },
	{ "madvise: MADV_NOHUGEPAGE", MADV_NOHUGEPAGE, 0, NULL, true },
	{ "madvise: MADV_MERGEABLE", MADV_MERGEABLE, 0, "mg", true },
	{ "madvise: MADV_COLLAPSE", MADV_COLLAPSE, EINVAL },
};

static enum result test_madvise(const void *arg)
{
	const struct madvise_case *c = arg;
	char *p = map_alone(page_size, ANON);
	int ret;

	check(p);
	fill(p, page_size, 1);
	ret = madvise(p, page_size, c->advice);
	if (ret && c->optional && errno == EINVAL)
		return skip("not in this kernel");
	if (c->error)
		check(ret == -1 && errno == c->error);
	else
		check(!ret);
	check(has_flag(p, "dp"));
	check(has_flag(p, "wf"));
	check(has_flag(p, "dd"));
	check(!c->not_flag || !has_flag(p, c->not_flag));
	fill(p, page_size, 2);
	check(page_out(p, page_size, 2));
	return PASS;
}

/* Refused advice has already taken effect on mappings before the droppable one. */
static enum result test_madvise_range(const void *arg)
{
	char *p = map_alone(3 * page_size, MAP_PRIVATE | MAP_ANONYMOUS);

	check(p);
	check(mmap(p + page_size, page_size, RW, ANON | MAP_FIXED, -1, 0) == p + page_size);
	check(!madvise(p, page_size, MADV_WIPEONFORK));
	check(!madvise(p + 2 * page_size, page_size, MADV_WIPEONFORK));
	check(madvise(p, 3 * page_size, MADV_KEEPONFORK) == -1 && errno == EINVAL);
	check(!has_flag(p, "wf"));
	check(has_flag(p + page_size, "wf") && has_flag(p + 2 * page_size, "wf"));
	return PASS;
}

/* Advice from another process has the same effect as our own. */
static enum result advise_parent(void *p)
{
	struct iovec iov = { p, 4 * page_size };
	int fd = syscall(__NR_pidfd_open, getppid(), 0), i;

	if (fd < 0)
		return skip("no pidfd_open()");
	for (i = 0; i < ROUNDS; i++) {
		run_on(i % sysconf(_SC_NPROCESSORS_CONF));
		if (syscall(__NR_process_madvise, fd, &iov, 1, MADV_PAGEOUT, 0) < 0)
			return skip("no process_madvise()");
	}
	return PASS;
}

static enum result test_process_madvise(const void *arg)
{
	char *p = map_alone(4 * page_size, ANON);
	enum result result;

	check(p);
	fill(p, 4 * page_size, 1);
	result = in_child(advise_parent, p);
	if (result != PASS)
		return result;
	check(count_pages(p, 4 * page_size, 0) == 4);
	return PASS;
}

static enum result test_thp(const void *arg)
{
	const size_t len = 8 * MiB;
	char *p = map_alone(len, ANON);
	char *ordinary = map_alone(len, MAP_PRIVATE | MAP_ANONYMOUS);

	check(p && ordinary);
	if (madvise(ordinary, len, MADV_HUGEPAGE))
		return skip("no transparent huge pages");
	check(!madvise(p, len, MADV_HUGEPAGE));
	fill(ordinary, len, 1);
	fill(p, len, 1);
	if (smaps_kb(ordinary, "AnonHugePages:") <= 0)
		return skip("got no huge page even for ordinary memory");
	check(smaps_kb(p, "AnonHugePages:") == 0);
	check(smaps_kb(p, "THPeligible:") == 0);
	check(page_out(p, len, 1));
	munmap(p, len);
	munmap(ordinary, len);
	return PASS;
}

static enum result test_mremap(const void *arg)
{
	char *p = map_alone(4 * page_size, ANON);

	check(p);
	fill(p, 4 * page_size, 1);
	p = mremap(p, 4 * page_size, 64 * page_size, MREMAP_MAYMOVE);
	check(p != MAP_FAILED);
	check(has_flag(p, "dp") && has_flag(p, "wf") && has_flag(p, "dd"));
	check(count_pages(p, 64 * page_size, 1) == 4);
	fill(p, 64 * page_size, 1);
	check(page_out(p, 64 * page_size, 1));
	check(mremap(p, 64 * page_size, 2 * page_size, 0) == p);
	check(has_flag(p, "dp"));
	fill(p, 2 * page_size, 2);
	check(page_out(p, 2 * page_size, 2));
	return PASS;
}

/* The pages move. The old range stays mapped and droppable. */
static enum result test_mremap_dontunmap(const void *arg)
{
	char *p = map_alone(4 * page_size, ANON), *q;

	check(p);
	fill(p, 4 * page_size, 1);
	q = mremap(p, 4 * page_size, 4 * page_size,
		   MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	check(q != MAP_FAILED);
	check(has_flag(p, "dp") && has_flag(q, "dp"));
	check(count_pages(p, 4 * page_size, 0) == 4);
	check(count_pages(q, 4 * page_size, 1) == 4);
	fill(p, 4 * page_size, 2);
	check(page_out(q, 4 * page_size, 1));
	check(page_out(p, 4 * page_size, 2));
	return PASS;
}

static enum result test_mprotect(const void *arg)
{
	char *p = map_alone(4 * page_size, ANON);

	check(p);
	fill(p, 4 * page_size, 1);
	check(!mprotect(p, 4 * page_size, PROT_READ));
	check(has_flag(p, "dp") && !has_flag(p, "wr"));
	check(page_out(p, 4 * page_size, 1));
	check(!mprotect(p, 4 * page_size, RW));
	check(has_flag(p, "dp") && !has_flag(p, "ac"));
	return PASS;
}

/* Protect a page in the middle, so that the mapping is split and merged again. */
static enum result test_mprotect_none(const void *arg)
{
	char *p = map_alone(4 * page_size, ANON);

	check(p);
	fill(p, 4 * page_size, 1);
	check(!mprotect(p + page_size, page_size, PROT_NONE));
	check(has_flag(p, "dp") && has_flag(p + page_size, "dp") &&
	      has_flag(p + 2 * page_size, "dp"));
	check(page_out_unseen(p + page_size, page_size));
	check(!mprotect(p + page_size, page_size, RW));
	check(!LOAD(p[page_size]));
	check(smaps_kb(p, "Size:") == (long)(4 * page_size / 1024));
	check(page_out(p, 4 * page_size, 1));
	return PASS;
}

/* Write by force, as a debugger does, to a read-only page and to the zero page. */
static enum result test_forced_write(const void *arg)
{
	char *p = map_alone(2 * page_size, ANON), byte = 1;
	int fd = open("/proc/self/mem", O_RDWR), i;

	check(p && fd >= 0);
	fill(p, page_size, 1);
	check(!LOAD(p[page_size]));
	check(!mprotect(p, 2 * page_size, PROT_READ));
	for (i = 0; i < 2; i++)
		check(pwrite(fd, &byte, 1, (off_t)(uintptr_t)p + i * page_size) == 1);
	close(fd);
	check(count_pages(p, 2 * page_size, 1) == 2);
	check(page_out(p, 2 * page_size, 1));
	return PASS;
}

static enum result test_migrate(const void *arg)
{
	char *p = map_alone(16 * page_size, ANON);
	int nodes[16], status[16], i, moved = 0;
	void *pages[16];

	check(p);
	fill(p, 16 * page_size, 1);
	for (i = 0; i < 16; i++)
		pages[i] = p + i * page_size;
	if (syscall(__NR_move_pages, 0, 16, pages, NULL, status, 0))
		return skip("no page migration");
	for (i = 0; i < 16; i++)
		nodes[i] = !status[i];
	if (syscall(__NR_move_pages, 0, 16, pages, nodes, status, 0) < 0)
		return skip("only one NUMA node");
	for (i = 0; i < 16; i++)
		moved += status[i] == nodes[i];
	if (!moved)
		return skip("no page could be moved");
	check(count_pages(p, 16 * page_size, 1) == 16);
	check(page_out(p, 16 * page_size, 1));
	return PASS;
}

/* Ordinary pages can migrate to device memory, which test_hmm simulates. */
static enum result test_migrate_device(const void *arg)
{
	char *p = map_alone(4 * page_size, ANON);
	char *ordinary = map_alone(4 * page_size, MAP_PRIVATE | MAP_ANONYMOUS);
	char *mirror = map_alone(4 * page_size, MAP_PRIVATE | MAP_ANONYMOUS);
	struct hmm_dmirror_cmd cmd = { .ptr = (uintptr_t)mirror, .npages = 4 };
	int fd = open("/dev/hmm_dmirror0", O_RDWR);

	if (fd < 0)
		return skip("no test_hmm");
	check(p && ordinary && mirror);
	fill(ordinary, 4 * page_size, 1);
	cmd.addr = (uintptr_t)ordinary;
	check(!ioctl(fd, HMM_DMIRROR_MIGRATE_TO_DEV, &cmd));
	check(cmd.cpages == 4);
	fill(p, 4 * page_size, 1);
	cmd.addr = (uintptr_t)p;
	check(ioctl(fd, HMM_DMIRROR_MIGRATE_TO_DEV, &cmd) < 0 && errno == EINVAL);
	check(page_out(p, 4 * page_size, 1));
	close(fd);
	return PASS;
}

/* The contents move to another page, because the memory of this one is suspect. */
static enum result test_soft_offline(const void *arg)
{
	char *p = map_alone(page_size, ANON);

	check(p);
	fill(p, page_size, 1);
	if (madvise(p, page_size, MADV_SOFT_OFFLINE))
		return skip("no MADV_SOFT_OFFLINE");
	check(LOAD(*p) == 1 || LOAD(*p) == 0);
	fill(p, page_size, 1);
	check(page_out(p, page_size, 1));
	return PASS;
}

static enum result hwpoison_child(void *p)
{
	if (madvise(p, page_size, MADV_HWPOISON))
		return skip("no MADV_HWPOISON");
	fill(p, page_size, 2);
	return fail("no SIGBUS");
}

/* A task that touches poisoned memory gets a signal, and never reads zeros. */
static enum result test_hwpoison(const void *arg)
{
	char *p = map_alone(page_size, ANON);
	int status;
	pid_t pid;

	check(p);
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		fill(p, page_size, 1);
		_exit(hwpoison_child(p));
	}
	check(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP)
		return skip("no MADV_HWPOISON");
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	return PASS;
}

/* Dropping */

static enum result test_pageout(const void *arg)
{
	const size_t pages = 1000, len = pages * page_size;
	unsigned long freed, active;
	char *p = map_alone(len, ANON);

	check(p);
	fill(p, len, 1);
	freed = counter("/proc/vmstat", "pglazyfreed");
	active = counter("/proc/vmstat", "pgactivate");
	check(page_out(p, len, 1));
	freed = counter("/proc/vmstat", "pglazyfreed") - freed;
	active = counter("/proc/vmstat", "pgactivate") - active;
	check(count_pages(p, len, 0) == pages);
	check(smaps_kb(p, "Swap:") == 0);
	munmap(p, len);
	if (freed < pages || active >= pages / 2)
		return fail("pglazyfreed +%lu, pgactivate +%lu", freed, active);
	return PASS;
}

/* Read first, so that the page to drop is a copy of the zero page. */
static enum result test_pageout_zero_page(const void *arg)
{
	char *p = map_alone(16 * page_size, ANON);

	check(p);
	check(count_pages(p, 16 * page_size, 0) == 16);
	fill(p, 16 * page_size, 1);
	check(page_out(p, 16 * page_size, 1));
	return PASS;
}

/*
 * Reclaim has to put a page back while a pipe refers to it, and can drop it
 * afterwards.
 */
static enum result test_pageout_busy(const void *arg)
{
	char *p = map_alone(page_size, ANON), buf[16];
	struct iovec iov = { p, sizeof(buf) };
	int pipefd[2], i;

	check(p);
	check(!pipe(pipefd));
	fill(p, page_size, 1);
	check(vmsplice(pipefd[1], &iov, 1, 0) == sizeof(buf));
	for (i = 0; i < 10; i++) {
		check(!madvise(p, page_size, MADV_PAGEOUT));
		check(p[0] == 1);
	}
	check(read(pipefd[0], buf, sizeof(buf)) == sizeof(buf));
	close(pipefd[0]);
	close(pipefd[1]);
	check(page_out(p, page_size, 1));
	check(smaps_kb(p, "Swap:") == 0);
	return PASS;
}

/*
 * One thread pages out a batch. A second thread watches the page table entry of
 * the first page. When the entry is gone, it faults in zeros and announces that.
 * From then on, a third thread, which has the old page in its TLB, must not see
 * the old value.
 */
static struct {
	char *page;
	int pagemap;
	pthread_barrier_t barrier;
	bool zero_seen, stop, done;
	unsigned long zeros, stale;
} flush;

static void *flush_watcher(void *arg)
{
	off_t off = (uintptr_t)flush.page / page_size * 8;
	uint64_t entry;

	run_on(1);
	for (;;) {
		pthread_barrier_wait(&flush.barrier);
		if (flush.stop)
			return NULL;
		while (!LOAD(flush.done)) {
			if (pread(flush.pagemap, &entry, 8, off) == 8 &&
			    !(entry >> 63) && !LOAD(*flush.page)) {
				flush.zeros++;
				STORE(flush.zero_seen, true);
				break;
			}
		}
		pthread_barrier_wait(&flush.barrier);
	}
}

static void *flush_reader(void *arg)
{
	run_on(2);
	for (;;) {
		pthread_barrier_wait(&flush.barrier);
		if (flush.stop)
			return NULL;
		while (!LOAD(flush.done)) {
			bool zero = LOAD(flush.zero_seen);

			if (LOAD(*flush.page) && zero)
				flush.stale++;
		}
		pthread_barrier_wait(&flush.barrier);
	}
}

static enum result test_flush(const void *arg)
{
	const size_t len = 256 * page_size;
	const int rounds = 10;
	pthread_t watcher, reader;
	cpu_set_t old;
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 3)
		return skip("needs three processors");
	flush.pagemap = open("/proc/self/pagemap", O_RDONLY);
	if (flush.pagemap < 0)
		return skip("no /proc/self/pagemap");
	/* Stay within one page table, so that it is one batch. */
	flush.page = map_alone(2 * len, ANON);
	check(flush.page);
	flush.page = (char *)(((uintptr_t)flush.page + len - 1) & -len);
	check(!sched_getaffinity(0, sizeof(old), &old));
	check(!pthread_barrier_init(&flush.barrier, NULL, 3));
	check(!pthread_create(&watcher, NULL, flush_watcher, NULL));
	check(!pthread_create(&reader, NULL, flush_reader, NULL));
	run_on(0);
	for (i = 0; i < rounds; i++) {
		int j;

		fill(flush.page, len, 1);
		STORE(flush.zero_seen, false);
		STORE(flush.done, false);
		pthread_barrier_wait(&flush.barrier);
		usleep(1000);
		for (j = 0; j < 10 && !LOAD(flush.zero_seen); j++)
			madvise(flush.page, len, MADV_PAGEOUT);
		STORE(flush.done, true);
		pthread_barrier_wait(&flush.barrier);
	}
	flush.stop = true;
	pthread_barrier_wait(&flush.barrier);
	pthread_join(watcher, NULL);
	pthread_join(reader, NULL);
	sched_setaffinity(0, sizeof(old), &old);
	if (flush.stale)
		return fail("%lu stale reads", flush.stale);
	if (!flush.zeros)
		return skip("never saw the page go");
	return PASS;
}

/* mlock() */

static enum result test_mlock(const void *arg)
{
	char *p = map_alone(4 * page_size, ANON);

	check(p);
	if (mlock(p, 4 * page_size))
		return skip("may not lock memory");
	check(!has_flag(p, "lo") && smaps_kb(p, "Locked:") == 0);
	fill(p, 4 * page_size, 1);
	check(page_out(p, 4 * page_size, 1));
	return PASS;
}

static enum result test_mlock_onfault(const void *arg)
{
	char *p = map_alone(4 * page_size, ANON);

	check(p);
	if (syscall(__NR_mlock2, p, 4 * page_size, MLOCK_ONFAULT))
		return skip("may not lock memory");
	fill(p, 4 * page_size, 1);
	check(!has_flag(p, "lo") && smaps_kb(p, "Locked:") == 0);
	check(page_out(p, 4 * page_size, 1));
	check(!munlock(p, 4 * page_size));
	return PASS;
}

/* Runs in a child, so that the memory of the test itself stays unlocked. */
static enum result mlockall_current(void *p)
{
	unsigned long locked;

	if (mlockall(MCL_CURRENT))
		return skip("may not lock memory");
	locked = counter("/proc/self/status", "VmLck");
	check(locked);
	check(!has_flag(p, "lo") && smaps_kb(p, "Locked:") == 0);
	fill(p, 4 * page_size, 1);
	check(page_out(p, 4 * page_size, 1));
	check(!munmap(p, 4 * page_size));
	check(counter("/proc/self/status", "VmLck") == locked);
	return PASS;
}

static enum result test_mlockall_current(const void *arg)
{
	char *p = map_alone(4 * page_size, ANON);

	check(p);
	return in_child(mlockall_current, p);
}

static enum result mlockall_future(void *unused)
{
	struct rlimit none = { 0, 0 };
	char *p, *q;

	has_flag(why, "dp");		/* fault in its buffer before memory is locked */
	if (mlockall(MCL_FUTURE))
		return skip("may not lock memory");
	check(!setrlimit(RLIMIT_MEMLOCK, &none));
	if (!geteuid())
		check(!setresuid(65534, 65534, 65534));
	p = mmap(NULL, page_size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(p == MAP_FAILED && errno == EAGAIN);
	p = mmap(NULL, page_size, RW, ANON, -1, 0);
	check(p != MAP_FAILED);
	q = mmap(NULL, 1024 * MiB, RW, ANON, -1, 0);
	check(q != MAP_FAILED);
	q = mremap(p, page_size, 2 * page_size, MREMAP_MAYMOVE);
	check(q != MAP_FAILED);
	return counter("/proc/self/status", "VmLck") ?
		fail("counted as locked") : PASS;
}

/* The new memory is not populated, and merges with the mapping before it. */
static enum result mlockall_future_plain(void *p)
{
	unsigned long locked;

	has_flag(why, "dp");		/* fault in its buffer before memory is locked */
	if (mlockall(MCL_FUTURE))
		return skip("may not lock memory");
	locked = counter("/proc/self/status", "VmLck");
	check(mmap(p + page_size, page_size, RW, ANON | MAP_FIXED, -1, 0) == p + page_size);
	check(smaps_kb(p, "Size:") == (long)(2 * page_size / 1024));
	check(smaps_kb(p, "Rss:") == 0);
	check(!has_flag(p, "lo"));
	check(counter("/proc/self/status", "VmLck") == locked);
	fill(p, 2 * page_size, 1);
	check(page_out(p, 2 * page_size, 1));
	return PASS;
}

static enum result test_mlockall_future_plain(const void *arg)
{
	char *p = map_alone(2 * page_size, ANON);

	check(p);
	check(mmap(p + page_size, page_size, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	return in_child(mlockall_future_plain, p);
}

static enum result test_mlockall_future(const void *arg)
{
	return in_child(mlockall_future, NULL);
}

/* What is refused: userfaultfd and long-term pins */

static enum result test_userfaultfd(const void *arg)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *p = map_alone(page_size, ANON);
	char *ordinary = map_alone(page_size, MAP_PRIVATE | MAP_ANONYMOUS);
	struct uffdio_copy copy = { (uintptr_t)p, (uintptr_t)ordinary, page_size };
	struct uffdio_zeropage zero = { .range = { (uintptr_t)p, page_size } };
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1);

	if (fd < 0)
		return skip("no userfaultfd");
	check(p && ordinary);
	check(!ioctl(fd, UFFDIO_API, &api));
	reg.range.len = page_size;
	reg.range.start = (uintptr_t)ordinary;
	check(!ioctl(fd, UFFDIO_REGISTER, &reg));
	reg.range.start = (uintptr_t)p;
	check(ioctl(fd, UFFDIO_REGISTER, &reg) == -1 && errno == EINVAL);
	reg.mode = UFFDIO_REGISTER_MODE_WP;
	check(ioctl(fd, UFFDIO_REGISTER, &reg) == -1 && errno == EINVAL);
	check(ioctl(fd, UFFDIO_ZEROPAGE, &zero) == -1);
	check(ioctl(fd, UFFDIO_COPY, &copy) == -1);
	close(fd);
	return PASS;
}

static enum result test_io_uring(const void *arg)
{
	struct io_uring_params params = { 0 };
	char *p = map_alone(4 * page_size, ANON);
	char *ordinary = map_alone(4 * page_size, MAP_PRIVATE | MAP_ANONYMOUS);
	struct iovec iov = { ordinary, 4 * page_size };
	int fd = syscall(__NR_io_uring_setup, 4, &params);

	if (fd < 0)
		return skip("no io_uring");
	check(p && ordinary);
	fill(p, 4 * page_size, 1);
	if (syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov, 1))
		return skip("cannot register any buffer");
	check(!syscall(__NR_io_uring_register, fd, IORING_UNREGISTER_BUFFERS, NULL, 0));
	iov.iov_base = p;
	check(syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov, 1) == -1);
	check(errno == EOPNOTSUPP);
	close(fd);
	check(page_out(p, 4 * page_size, 1));
	return PASS;
}

/* get_user_pages_fast() refuses long-term pins. Short-term pins work. */
static enum result test_pin_fast(const void *arg)
{
	char *p = map_alone(4 * page_size, ANON);
	char *ordinary = map_alone(4 * page_size, MAP_PRIVATE | MAP_ANONYMOUS);
	struct gup_test gup = { .nr_pages_per_call = 4 };
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR);

	if (fd < 0)
		return skip("no gup_test in debugfs");
	check(p && ordinary);
	fill(p, 4 * page_size, 1);
	fill(ordinary, 4 * page_size, 1);

	gup.addr = (uintptr_t)ordinary;
	gup.size = 4 * page_size;
	gup.gup_flags = FOLL_WRITE | FOLL_LONGTERM;
	check(!ioctl(fd, PIN_FAST_BENCHMARK, &gup));
	check(gup.size == 4 * page_size);

	gup.addr = (uintptr_t)p;
	gup.size = 4 * page_size;
	gup.gup_flags = FOLL_WRITE;
	check(!ioctl(fd, PIN_FAST_BENCHMARK, &gup));
	check(gup.size == 4 * page_size);

	fill(p, 4 * page_size, 1);
	gup.size = 4 * page_size;
	gup.gup_flags = FOLL_WRITE | FOLL_LONGTERM;
	check(!ioctl(fd, PIN_FAST_BENCHMARK, &gup));
	check(gup.size == 0);

	/* Lazyfree pages of an ordinary mapping look the same, but can be pinned. */
	check(!madvise(ordinary, 4 * page_size, MADV_FREE));
	gup.addr = (uintptr_t)ordinary;
	gup.size = 4 * page_size;
	check(!ioctl(fd, PIN_FAST_BENCHMARK, &gup));
	check(gup.size == 4 * page_size);
	close(fd);
	return PASS;
}

static enum result test_pin_slow(const void *arg)
{
	char *p = map_alone(4 * page_size, ANON);
	char *ordinary = map_alone(4 * page_size, MAP_PRIVATE | MAP_ANONYMOUS);
	struct gup_test gup = { .nr_pages_per_call = 4, .gup_flags = FOLL_WRITE };
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR);

	if (fd < 0)
		return skip("no gup_test in debugfs");
	check(p && ordinary);
	gup.addr = (uintptr_t)ordinary;
	gup.size = 4 * page_size;
	check(!ioctl(fd, PIN_LONGTERM_BENCHMARK, &gup));
	check(gup.size == 4 * page_size);
	gup.addr = (uintptr_t)p;
	gup.size = 4 * page_size;
	check(!ioctl(fd, PIN_LONGTERM_BENCHMARK, &gup));
	check(gup.size == 0);
	close(fd);
	return PASS;
}

static enum result test_vm_writev(const void *arg)
{
	char *p = map_alone(page_size, ANON), byte = 1;
	struct iovec local = { &byte, 1 }, remote = { &byte, 1 };

	check(p);
	if (process_vm_writev(getpid(), &local, 1, &remote, 1, 0) != 1)
		return skip("no process_vm_writev()");
	remote.iov_base = p;
	check(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 1);
	check(p[0] == 1);
	check(page_out(p, page_size, 1));
	return PASS;
}

/* Memory pressure */

static void *keep_touching(void *p)
{
	for (;;)
		fill(p, 16 * MiB, 1);
	return NULL;
}

struct pressure {
	const char *lru_gen;	/* what to write to LRU_GEN */
	bool in_use;		/* threads touch the droppable memory all the time */
	bool no_io;		/* reclaim may not start I/O for this task */
};

static enum result pressure_child(void *arg)
{
	const struct pressure *how = arg;
	char *p = map_alone(16 * MiB, ANON);
	char *q = map_alone(8 * MiB, MAP_PRIVATE | MAP_ANONYMOUS);
	pthread_t thread;
	int i;

	check(p && q);
	check(cgroup_enter());
	if (how->no_io && prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		return skip("no PR_SET_IO_FLUSHER");
	madvise(q, 8 * MiB, MADV_NOHUGEPAGE);
	fill(p, 16 * MiB, 1);
	for (i = 0; how->in_use && i < 4; i++)
		check(!pthread_create(&thread, NULL, keep_touching, p));
	fill(q, 8 * MiB, 1);
	check(count_pages(q, 8 * MiB, 1) == 8 * MiB / page_size);
	return PASS;
}

/* A cgroup of 20 MiB for 16 MiB of droppable and 8 MiB of ordinary memory */
static enum result test_pressure(const void *arg)
{
	const struct pressure *how = arg;
	unsigned long kills, dropped;
	enum result result;

	result = use_lru_gen(how->lru_gen);
	if (result == PASS)
		result = cgroup_make("20M");
	if (result == PASS) {
		result = in_child(pressure_child, (void *)how);
		kills = cgroup_counter("memory.events", "oom_kill");
		dropped = cgroup_counter("memory.stat", "pglazyfreed");
		cgroup_remove();
		if (result == PASS && (kills || dropped < 2 * MiB / page_size))
			result = fail("%lu oom_kill, %lu pglazyfreed", kills, dropped);
	}
	untune();
	return result;
}

static const struct pressure classic = { "0" };
static const struct pressure classic_in_use = { "0", .in_use = true };
static const struct pressure classic_no_io = { "0", .no_io = true };
static const struct pressure multi_gen = { "7" };
static const struct pressure multi_gen_in_use = { "7", .in_use = true };
static const struct pressure multi_gen_no_io = { "7", .no_io = true };

/*
 * A system call that pins a page to write to it marks the page itself dirty, not only
 * its page table entry. Reclaim drops such pages as well.
 */
#define PINNED		256	/* pages */

static enum result pinned_child(void *unused)
{
	char *p = map_alone(PINNED * page_size, ANON), byte = 1, path[400];
	struct iovec local = { &byte, 1 }, remote = { p, 1 };
	size_t left = PINNED;
	int i;

	check(p && cgroup_enter());
	snprintf(path, sizeof(path), "%s/memory.reclaim", cgroup);
	if (access(path, F_OK))
		return skip("no memory.reclaim");
	for (i = 0; i < PINNED; i++, remote.iov_base += page_size)
		if (process_vm_writev(getpid(), &local, 1, &remote, 1, 0) != 1)
			return skip("no process_vm_writev()");
	for (i = 0; i < 10 && left > PINNED / 2; i++) {
		spew(path, "1M");
		left = count_resident(p, PINNED * page_size);
	}
	return left > PINNED / 2 ? fail("%zu of %d pages are left", left, PINNED) : PASS;
}

static enum result test_pinned(const void *lru_gen)
{
	enum result result = use_lru_gen(lru_gen);

	if (result == PASS)
		result = cgroup_make("64M");
	if (result == PASS) {
		result = in_child(pinned_child, NULL);
		cgroup_remove();
	}
	untune();
	return result;
}

/*
 * Without swap, the multi-gen LRU ages file pages, and pages that it can free
 * without writing them. Droppable pages in use become young, as file pages do.
 */
#define LRU_GEN_DEBUG	"/sys/kernel/debug/lru_gen"
#define NODES		8
#define AGED		1000	/* pages; a few wait in batches and are not aged */

struct generations {
	unsigned int memcg;
	unsigned int nodes;
	unsigned long newest[NODES];
	unsigned long since[NODES];	/* pages that are file-backed or lazy-free */
};

/* Read our cgroup's generations. @since counts pages newer than all of @before. */
static bool read_generations(struct generations *now, const struct generations *before)
{
	unsigned long seq, age, anon, file;
	FILE *lru = fopen(LRU_GEN_DEBUG, "r");
	char line[512], path[256];
	unsigned int id, node = 0;
	bool ours = false;

	memset(now, 0, sizeof(*now));
	while (lru && fgets(line, sizeof(line), lru)) {
		if (sscanf(line, "memcg %u %255s", &id, path) == 2) {
			ours = !strcmp(strrchr(path, '/'), strrchr(cgroup, '/'));
			if (ours)
				now->memcg = id;
		} else if (sscanf(line, " node %u", &node) == 1) {
			if (ours && node < NODES)
				now->nodes = node + 1;
		} else if (ours && node < NODES &&
			   sscanf(line, "%lu %lu %lu %lu", &seq, &age, &anon, &file) == 4) {
			now->newest[node] = seq;
			if (before && seq > before->newest[node])
				now->since[node] += file;
		}
	}
	if (lru)
		fclose(lru);
	return now->nodes;
}

/* Start a new generation, without swap, and walk the page tables in any case. */
static bool age(const struct generations *now)
{
	char command[64];
	unsigned int node;
	bool ok = true;

	for (node = 0; node < now->nodes; node++) {
		snprintf(command, sizeof(command), "+ %u %u %lu 0 1", now->memcg,
			 node, now->newest[node]);
		ok &= spew(LRU_GEN_DEBUG, command);
	}
	return ok;
}

/*
 * Without swap, the multi-gen LRU walks the page tables of a process only if it
 * maps enough file pages, as most processes do. Pages of shmem do not count, so
 * map a file of a ramfs of our own.
 */
static bool map_file_pages(void)
{
	char dir[] = "/tmp/ramfs.XXXXXX", path[64];
	const size_t len = 128 * page_size;
	bool ok = false;
	int fd;

	if (!mkdtemp(dir))
		return false;
	if (!mount("none", dir, "ramfs", 0, NULL)) {
		snprintf(path, sizeof(path), "%s/file", dir);
		fd = open(path, O_RDWR | O_CREAT, 0600);
		ok = fd >= 0 && !ftruncate(fd, len) &&
		     mmap(NULL, len, RW, MAP_SHARED | MAP_POPULATE, fd, 0) != MAP_FAILED;
		close(fd);
		umount2(dir, MNT_DETACH);
	}
	rmdir(dir);
	return ok;
}

/* New pages enter the newest generation. Aging moves pages in use there, then adds one. */
static enum result aging_child(void *unused)
{
	char *p = map_alone(AGED * page_size, ANON);
	struct generations first, second, third;
	unsigned long young = 0;
	unsigned int node;

	check(p && cgroup_enter() && map_file_pages());
	fill(p, AGED * page_size, 1);
	check(read_generations(&first, NULL) && age(&first));
	/* Flush the TLB: accesses through old entries would go unnoticed. */
	check(!mprotect(p, AGED * page_size, PROT_READ));
	check(!mprotect(p, AGED * page_size, RW));
	fill(p, AGED * page_size, 2);
	check(read_generations(&second, &first) && age(&second));
	check(read_generations(&third, &first));
	for (node = 0; node < third.nodes; node++)
		young += third.since[node];
	return young < AGED / 2 ? fail("%lu of %d pages are young", young, AGED) : PASS;
}

static enum result test_aging(const void *arg)
{
	enum result result = use_lru_gen("7");

	if (result == PASS)
		result = cgroup_make("64M");
	if (result == PASS) {
		result = access(LRU_GEN_DEBUG, R_OK | W_OK) ?
			 skip("no lru_gen in debugfs") : in_child(aging_child, NULL);
		cgroup_remove();
	}
	untune();
	return result;
}

/*
 * Reclaim that cannot end in the OOM killer spares droppable memory in use, as it
 * spares other memory in use, while there is something else to take.
 */
#define HOT		64	/* pages, as recently used as after their first touch */
#define COLD		1024	/* pages made old by MADV_FREE */

static enum result spare_child(void *unused)
{
	char *hot = map_alone(HOT * page_size, ANON), path[400];
	char *cold = map_alone(COLD * page_size, MAP_PRIVATE | MAP_ANONYMOUS);
	size_t left;

	check(hot && cold && cgroup_enter());
	snprintf(path, sizeof(path), "%s/memory.reclaim", cgroup);
	if (access(path, F_OK))
		return skip("no memory.reclaim");
	check(!madvise(cold, COLD * page_size, MADV_NOHUGEPAGE));
	fill(hot, HOT * page_size, 1);
	fill(cold, COLD * page_size, 1);
	check(!madvise(cold, COLD * page_size, MADV_FREE));
	check(spew(path, "1M"));
	left = count_pages(hot, HOT * page_size, 1);
	return left < HOT ? fail("%zu of %d pages are left", left, HOT) : PASS;
}

static enum result test_spare(const void *lru_gen)
{
	enum result result = use_lru_gen(lru_gen);

	if (result == PASS)
		result = cgroup_make("128M");
	if (result == PASS) {
		result = in_child(spare_child, NULL);
		cgroup_remove();
	}
	untune();
	return result;
}

/*
 * A cgroup that another process has filled. The first touch of a droppable page
 * there waits for up to a second. Nobody is killed in that time, and the touch
 * goes on as soon as there is memory. A system call that touches such a page
 * fails.
 */
enum full_end {
	RELEASE,	/* the other process frees its memory */
	KILL,		/* the waiting process is killed */
	EXPIRE,		/* nothing happens until the OOM killer is called */
};

struct full_case {
	enum full_end end;
	const char *lru_gen;
	bool zero_page;		/* the zero page is mapped and has to be copied */
	bool no_table;		/* the page table is missing, too */
};

static struct full {
	bool ready, go, touched, late;
	int syscall_error;
	long waited_ms;
} *full;

static enum result full_toucher(const struct full_case *how)
{
	int zero = open("/dev/zero", O_RDONLY);
	char *p = map_alone(8 * MiB, ANON);
	long start;

	check(p && zero >= 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	check(set_oom_score(getpid(), "-1000") && cgroup_enter());
	if (!how->no_table) {
		/* Have page tables, but no pages. */
		fill(p, 2 * page_size, 1);
		check(!madvise(p, 2 * page_size, MADV_DONTNEED));
	}
	if (how->zero_page)
		check(count_pages(p, 2 * page_size, 0) == 2);
	now_ms();		/* fault in the pages that it needs */
	STORE(full->ready, true);
	while (!LOAD(full->go))
		usleep(1000);
	errno = 0;
	STORE(full->syscall_error, read(zero, p + page_size, 1) == 1 ? -1 : errno);
	start = now_ms();
	STORE(*p, 1);
	full->waited_ms = now_ms() - start;
	STORE(full->touched, true);
	return PASS;
}

static bool log_has_oom(int kmsg)
{
	char record[1024];
	ssize_t len;
	bool has = false;

	while (kmsg >= 0 && (len = read(kmsg, record, sizeof(record) - 1)) > 0) {
		record[len] = 0;
		has |= strstr(record, "oom") || strstr(record, "OOM") ||
		       strstr(record, "allocation failure");
	}
	return has;
}

/* Microseconds that some task of the cgroup has waited for memory */
static unsigned long stalled_us(void)
{
	char path[400], text[256], *total;

	snprintf(path, sizeof(path), "%s/memory.pressure", cgroup);
	total = slurp(path, text, sizeof(text)) > 0 ? strstr(text, "total=") : NULL;
	return total ? strtoul(total + 6, NULL, 10) : 0;
}

static enum result full_parent(pid_t pid, const struct full_case *how, struct filler *filler)
{
	unsigned long full_events, ooms, stalled;
	enum result result;
	int status, kmsg;
	long start;

	check(wait_for(LOAD(full->ready)));
	result = cgroup_fill(filler);
	if (result != PASS)
		return result;
	check(set_oom_score(pid, "0"));
	ooms = cgroup_counter("memory.events", "oom");
	stalled = stalled_us();
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	check(kmsg < 0 || lseek(kmsg, 0, SEEK_END) == 0);
	start = now_ms();
	STORE(full->go, true);
	check(wait_for(LOAD(full->syscall_error)));
	check(full->syscall_error == EFAULT || full->syscall_error == ENOMEM);
	if (how->end == EXPIRE) {
		check(wait_for(LOAD(full->touched)));
		check(waitpid(filler->pid, &status, 0) == filler->pid);
		filler->pid = 0;
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		check(cgroup_counter("memory.events", "oom_kill") == 1);
		if (full->waited_ms < 900)
			result = fail("waited for %ld ms", full->waited_ms);
		stalled = stalled_us() - stalled;
		if (stalled && stalled < 500000)
			result = fail("%lu us of pressure", stalled);
	} else {
		/* Each charge beyond the limit counts: wait for that of the touch. */
		full_events = cgroup_counter("memory.events", "max");
		check(wait_for(cgroup_counter("memory.events", "max") > full_events));
		full->late = now_ms() - start >= 900;
		check(!LOAD(full->touched));
		if (how->end == RELEASE) {
			cgroup_release(filler);
			check(wait_for(LOAD(full->touched)));
		} else {
			check(!kill(pid, SIGKILL));
			check(wait_for(waitpid(pid, NULL, WNOHANG) == pid));
		}
		full->late = now_ms() - start >= 900;
		check(cgroup_counter("memory.events", "oom") == ooms);
		check(!cgroup_counter("memory.events", "oom_kill"));
		check(!log_has_oom(kmsg));
	}
	close(kmsg);
	return result;
}

static enum result full_once(const struct full_case *how)
{
	struct filler filler = { 0 };
	enum result result;
	char *reason;
	pid_t pid;

	result = cgroup_make("16M");
	if (result != PASS)
		return result;
	full = (struct full *)map(page_size, MAP_SHARED | MAP_ANONYMOUS);
	reason = map(sizeof(why), MAP_SHARED | MAP_ANONYMOUS);
	check(full && reason);
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		result = full_toucher(how);
		memcpy(reason, why, sizeof(why));
		_exit(result);
	}
	result = full_parent(pid, how, &filler);
	if (result != PASS && reason[0])
		memcpy(why, reason, sizeof(why));
	cgroup_fill_end(&filler);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cgroup_remove();
	return result;
}

static enum result test_full(const void *arg)
{
	const struct full_case *how = arg;
	enum result result;
	int tries = 0;

	result = use_lru_gen(how->lru_gen);
	/* On a busy machine, the second may be over before the memory is free: try again. */
	while (result == PASS) {
		result = full_once(how);
		if (result != FAIL || !full || !full->late || ++tries == 4)
			break;
		result = PASS;
	}
	untune();
	return result;
}

static const struct full_case release = { RELEASE, "0" };
static const struct full_case release_multi_gen = { RELEASE, "7" };
static const struct full_case release_zero_page = { RELEASE, "0", .zero_page = true };
static const struct full_case release_no_table = { RELEASE, "0", .no_table = true };
static const struct full_case killed = { KILL, "0" };
static const struct full_case expire = { EXPIRE, "0" };
static const struct full_case expire_multi_gen = { EXPIRE, "7" };

/* The list */

static const struct test tests[] = {
	{ "mmap: no other type", test_mmap_types },
	{ "mmap: any protection", test_mmap_prot },
	{ "mmap: by a 32-bit system call", test_mmap_ia32 },
	{ "a 32-bit task: mapped, dropped", test_ia32_task },
	{ "smaps: dp, wf, dd, not ac, not lo", test_flags },
	{ "overcommit: nothing reserved", test_no_reserve },
	{ "overcommit off: nothing reserved", test_no_reserve_strict },
	{ "fork: the child reads zeros, and can drop its own", test_fork },
	{ "core dump: not in it", test_core },
	{ "huge pages: none", test_thp },
	{ "process_madvise: MADV_PAGEOUT drops", test_process_madvise },
	{ "mremap: still droppable", test_mremap },
	{ "mremap: MREMAP_DONTUNMAP, both droppable", test_mremap_dontunmap },
	{ "mprotect: a read-only page is dropped", test_mprotect },
	{ "mprotect: a page without access is dropped", test_mprotect_none },
	{ "/proc/self/mem: a page written by force is dropped", test_forced_write },
	{ "migration: a moved page is dropped", test_migrate },
	{ "migration to a device: EINVAL", test_migrate_device },
	{ "soft offline: a moved page is dropped", test_soft_offline },
	{ "hardware poison: SIGBUS", test_hwpoison },
	{ "drop: 1000 dirty pages, counted as reclaimed", test_pageout },
	{ "drop: a page that was the zero page", test_pageout_zero_page },
	{ "drop: a page that was busy before", test_pageout_busy },
	{ "drop: no stale TLB entry", test_flush },
	{ "madvise: stops at droppable memory", test_madvise_range },
	{ "mlock: left unlocked", test_mlock },
	{ "mlock2(MLOCK_ONFAULT): left unlocked", test_mlock_onfault },
	{ "mlockall(MCL_CURRENT): left unlocked", test_mlockall_current },
	{ "mlockall(MCL_FUTURE): merged, not populated", test_mlockall_future_plain },
	{ "mlockall(MCL_FUTURE): mapped with RLIMIT_MEMLOCK 0", test_mlockall_future },
	{ "userfaultfd: EINVAL", test_userfaultfd },
	{ "io_uring fixed buffer: EOPNOTSUPP", test_io_uring },
	{ "slow long-term pin: refused", test_pin_slow },
	{ "fast long-term pin: refused", test_pin_fast },
	{ "process_vm_writev: works, then dropped", test_vm_writev },
	{ "20/16/8 MiB: classic LRU", test_pressure, &classic },
	{ "20/16/8 MiB: multi-gen LRU", test_pressure, &multi_gen },
	{ "20/16/8 MiB in constant use: classic LRU", test_pressure, &classic_in_use },
	{ "20/16/8 MiB in constant use: multi-gen LRU", test_pressure, &multi_gen_in_use },
	{ "20/16/8 MiB without I/O: classic LRU", test_pressure, &classic_no_io },
	{ "20/16/8 MiB without I/O: multi-gen LRU", test_pressure, &multi_gen_no_io },
	{ "pages that a system call wrote to: classic LRU", test_pinned, "0" },
	{ "pages that a system call wrote to: multi-gen LRU", test_pinned, "7" },
	{ "aging without swap: pages in use become young", test_aging },
	{ "memory.reclaim spares pages in use: classic LRU", test_spare, "0" },
	{ "memory.reclaim spares pages in use: multi-gen LRU", test_spare, "7" },
	{ "full cgroup: waits, nobody killed, goes on: classic LRU", test_full, &release },
	{ "full cgroup: waits, nobody killed, goes on: multi-gen LRU", test_full,
	  &release_multi_gen },
	{ "full cgroup: no memory for a copy of the zero page", test_full, &release_zero_page },
	{ "full cgroup: no memory for a page table", test_full, &release_no_table },
	{ "full cgroup: can be killed while it waits", test_full, &killed },
	{ "full cgroup: waits a second, then OOM: classic LRU", test_full, &expire },
	{ "full cgroup: waits a second, then OOM: multi-gen LRU", test_full, &expire_multi_gen },
};

static bool kernel_has_32_bits(void)
{
	struct utsname name;

	return sizeof(long) == 4 && !uname(&name) && !strstr(name.machine, "64");
}

static void test_32_bit_kernel(void)
{
	ksft_print_header();
	ksft_set_plan(1);
	ksft_test_result(!map(getpagesize(), ANON) && errno == EOPNOTSUPP,
			 "mmap: EOPNOTSUPP from a 32-bit kernel\n");
	ksft_finished();
}

int main(int argc, char **argv)
{
	static struct test all[ARRAY_SIZE(mmap_cases) + ARRAY_SIZE(madvise_cases) +
			       ARRAY_SIZE(tests)];
	struct test *t = all;
	unsigned int i;

	if (kernel_has_32_bits())
		test_32_bit_kernel();
	for (i = 0; i < ARRAY_SIZE(mmap_cases); i++)
		*t++ = (struct test){ mmap_cases[i].name, test_mmap, &mmap_cases[i] };
	for (i = 0; i < ARRAY_SIZE(madvise_cases); i++)
		*t++ = (struct test){ madvise_cases[i].name, test_madvise, &madvise_cases[i] };
	for (i = 0; i < ARRAY_SIZE(tests); i++)
		*t++ = tests[i];
	run_tests(all, ARRAY_SIZE(all), argv + 1);
}
