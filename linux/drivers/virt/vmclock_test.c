// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the vmclock driver: which pages it accepts, and what the RNG and the
 * vDSO get to see of them. The hypervisor is two pages of ordinary memory. This file is
 * included by vmclock.c.
 */
#include <kunit/test.h>
#include <linux/gfp.h>

union fake_page {
	struct vmclock_header	header;
	struct vdso_vmclock	words;
	u8			bytes[PAGE_SIZE];
};

static union fake_page *fakes[2];
static struct platform_device *devices[2];

/* A device with @size bytes at @offset of the page. There may be two. */
static void add_device_at(struct kunit *test, int nr, size_t offset, size_t size)
{
	struct resource res = DEFINE_RES_MEM(virt_to_phys(fakes[nr]) + offset, size);

	/* The driver matches by name, because no firmware describes the device. */
	devices[nr] = platform_device_register_simple("vmclock", nr, &res, 1);
	if (IS_ERR(devices[nr])) {
		devices[nr] = NULL;
		KUNIT_FAIL(test, "no device");
	}
}

static void add_device(struct kunit *test, int nr)
{
	add_device_at(test, nr, 0, PAGE_SIZE);
}

static void remove_device(int nr)
{
	platform_device_unregister(devices[nr]);
	devices[nr] = NULL;
}

static bool has_driver(int nr)
{
	bool bound;

	device_lock(&devices[nr]->dev);
	bound = devices[nr]->dev.driver;
	device_unlock(&devices[nr]->dev);
	return bound;
}

/* Whether a write to the word counts as a clone. */
static bool is_watched(u64 *word)
{
	u64 before = random_vmfork_stamp();

	WRITE_ONCE(*word, *word + 1);
	return random_vmfork_stamp() != before;
}

static void expect_accepted(struct kunit *test, int nr)
{
	KUNIT_EXPECT_TRUE(test, has_driver(nr));
	KUNIT_EXPECT_EQ(test, vdso_vmclock_pfn, PHYS_PFN(virt_to_phys(fakes[nr])));
}

static void expect_ignored(struct kunit *test, int nr)
{
	KUNIT_EXPECT_FALSE(test, has_driver(nr));
	KUNIT_EXPECT_EQ(test, vdso_vmclock_pfn, 0);
	KUNIT_EXPECT_FALSE(test, is_watched(&fakes[nr]->words.disruption_marker));
	KUNIT_EXPECT_FALSE(test, is_watched(&fakes[nr]->words.vm_generation_counter));
}

static void marker_is_watched_without_a_counter(struct kunit *test)
{
	add_device(test, 0);
	expect_accepted(test, 0);
	KUNIT_EXPECT_TRUE(test, is_watched(&fakes[0]->words.disruption_marker));
	KUNIT_EXPECT_FALSE(test, is_watched(&fakes[0]->words.vm_generation_counter));
}

static void counter_is_watched_where_there_is_one(struct kunit *test)
{
	fakes[0]->header.flags = cpu_to_le64(VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT);
	add_device(test, 0);
	expect_accepted(test, 0);
	KUNIT_EXPECT_FALSE(test, is_watched(&fakes[0]->words.disruption_marker));
	KUNIT_EXPECT_TRUE(test, is_watched(&fakes[0]->words.vm_generation_counter));
}

struct bad_page {
	const char	*name;
	u32		magic, size;
	u16		version;
	u32		seq_count;
	u64		flags;
	size_t		offset, missing;	/* of the device's memory */
};

static const struct bad_page bad_pages[] = {
	{ "other magic",		~VMCLOCK_MAGIC, 256, 1 },
	{ "zeros",			0, 0, 0 },
	{ "version 0",			VMCLOCK_MAGIC, 256, 0 },
	{ "version 2",			VMCLOCK_MAGIC, 256, 2 },
	{ "size 0",			VMCLOCK_MAGIC, 0, 1 },
	{ "size without flags",		VMCLOCK_MAGIC, 24, 1 },
	{ "size without counter",	VMCLOCK_MAGIC, 104, 1, 0,
					VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT },
	{ "size of more than a page",	VMCLOCK_MAGIC, PAGE_SIZE + 1, 1 },
	{ "odd sequence count",		VMCLOCK_MAGIC, 256, 1, 1 },
	{ "not aligned",		VMCLOCK_MAGIC, 256, 1, 0, 0, 64, 64 },
	{ "half a page",		VMCLOCK_MAGIC, 256, 1, 0, 0, 0, PAGE_SIZE / 2 },
};

static void bad_page_to_desc(const struct bad_page *bad, char *desc)
{
	strscpy(desc, bad->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bad_page, bad_pages, bad_page_to_desc);

static void bad_page_is_ignored(struct kunit *test)
{
	const struct bad_page *bad = test->param_value;
	void *page = fakes[0]->bytes + bad->offset;
	struct vmclock_header *header = page;

	header->magic = cpu_to_le32(bad->magic);
	header->size = cpu_to_le32(bad->size);
	header->version = cpu_to_le16(bad->version);
	header->seq_count = cpu_to_le32(bad->seq_count);
	header->flags = cpu_to_le64(bad->flags);
	add_device_at(test, 0, bad->offset, PAGE_SIZE - bad->missing);
	expect_ignored(test, 0);
}

static void second_device_is_ignored(struct kunit *test)
{
	add_device(test, 0);
	add_device(test, 1);
	expect_accepted(test, 0);
	KUNIT_EXPECT_FALSE(test, has_driver(1));
	KUNIT_EXPECT_FALSE(test, is_watched(&fakes[1]->words.disruption_marker));

	/* Removing it does not remove the first one. */
	remove_device(1);
	expect_accepted(test, 0);
	KUNIT_EXPECT_TRUE(test, is_watched(&fakes[0]->words.disruption_marker));
}

/* A removal does not count as a clone. */
static void removed_device_is_forgotten(struct kunit *test)
{
	u64 stamp;

	add_device(test, 0);
	stamp = random_vmfork_stamp();
	remove_device(0);
	KUNIT_EXPECT_EQ(test, vdso_vmclock_pfn, 0);
	KUNIT_EXPECT_EQ(test, random_vmfork_stamp(),
			stamp - fakes[0]->words.disruption_marker);
	KUNIT_EXPECT_FALSE(test, random_check_vmfork());
	KUNIT_EXPECT_FALSE(test, is_watched(&fakes[0]->words.disruption_marker));
}

static void device_may_come_back(struct kunit *test)
{
	int i;

	for (i = 0; i < 4; i++) {
		add_device(test, i % 2);
		expect_accepted(test, i % 2);
		KUNIT_EXPECT_TRUE(test, is_watched(&fakes[i % 2]->words.disruption_marker));
		remove_device(i % 2);
	}
}

static struct kunit_case vmclock_test_cases[] = {
	KUNIT_CASE(marker_is_watched_without_a_counter),
	KUNIT_CASE(counter_is_watched_where_there_is_one),
	KUNIT_CASE_PARAM(bad_page_is_ignored, bad_page_gen_params),
	KUNIT_CASE(second_device_is_ignored),
	KUNIT_CASE(removed_device_is_forgotten),
	KUNIT_CASE(device_may_come_back),
	{ }
};

static int vmclock_test_init(struct kunit *test)
{
	int i;

	if (test_bit(0, &vmclock_in_use))
		kunit_skip(test, "this machine has a vmclock");

	/* Never freed: readers of the words take no lock. */
	for (i = 0; i < ARRAY_SIZE(fakes); i++) {
		if (!fakes[i])
			fakes[i] = (void *)__get_free_page(GFP_KERNEL);
		if (!fakes[i])
			return -ENOMEM;
		memset(fakes[i], 0, sizeof(*fakes[i]));
		fakes[i]->header.magic = cpu_to_le32(VMCLOCK_MAGIC);
		fakes[i]->header.size = cpu_to_le32(PAGE_SIZE);
		fakes[i]->header.version = cpu_to_le16(VMCLOCK_VERSION);
		fakes[i]->words.disruption_marker = 1;
	}
	return 0;
}

static void vmclock_test_exit(struct kunit *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		if (devices[i])
			remove_device(i);
	}
}

static struct kunit_suite vmclock_test_suite = {
	.name = "vmclock",
	.init = vmclock_test_init,
	.exit = vmclock_test_exit,
	.test_cases = vmclock_test_cases,
};

kunit_test_suite(vmclock_test_suite);
