// SPDX-License-Identifier: GPL-2.0
/*
 * vmclock: a page that the hypervisor shares with the guest and with its processes
 *
 * The page tells how a counter of the processor relates to real time. It also tells
 * whether that relation was disrupted, because the machine was migrated or restored from
 * a snapshot. This driver uses only the latter information: it shows the page to the RNG
 * and to the vDSO, which look at it before each use of a key.
 */
#include <linux/acpi.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/random.h>
#include <vdso/getrandom.h>

#define VMCLOCK_MAGIC		0x4b4c4356	/* "VCLK" */
#define VMCLOCK_VERSION		1

#define VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT	BIT_ULL(8)
#define VMCLOCK_PATIENCE_US	100000

/* The fields that the driver looks at. struct vdso_vmclock has the others. */
struct vmclock_header {
	__le32	magic;
	__le32	size;
	__le16	version;
	u8	__unused1[2];
	__le32	seq_count;
	u8	__unused2[8];
	__le64	flags;
};

static_assert(offsetof(struct vmclock_header, seq_count) == 12);
static_assert(offsetof(struct vmclock_header, flags) == 24);
static_assert(offsetof(struct vdso_vmclock, disruption_marker) == 16);
static_assert(offsetof(struct vdso_vmclock, vm_generation_counter) == 104);

/* The RNG and the vDSO can watch only one page each. */
static unsigned long vmclock_in_use;

static void vmclock_notify(acpi_handle handle, u32 event, void *data)
{
	random_check_vmfork();
}

static irqreturn_t vmclock_interrupt(int irq, void *unused)
{
	random_check_vmfork();
	return IRQ_HANDLED;
}

/* The count is odd while the hypervisor writes to the page. */
static bool vmclock_is_steady(const struct vmclock_header *header)
{
	__le32 count;

	return !read_poll_timeout(READ_ONCE, count, !(count & cpu_to_le32(1)),
				  1000, VMCLOCK_PATIENCE_US, false, header->seq_count);
}

static int vmclock_check(struct device *dev, const struct vmclock_header *header, bool *has_counter)
{
	u32 size = le32_to_cpu(header->size);

	if (le32_to_cpu(header->magic) != VMCLOCK_MAGIC) {
		dev_err(dev, "not a vmclock page: magic %#x\n", le32_to_cpu(header->magic));
		return -ENODEV;
	}
	if (le16_to_cpu(header->version) != VMCLOCK_VERSION) {
		dev_err(dev, "unknown version %u\n", le16_to_cpu(header->version));
		return -ENODEV;
	}
	*has_counter = le64_to_cpu(header->flags) & VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT;
	if (size > PAGE_SIZE ||
	    size < (*has_counter ? offsetofend(struct vdso_vmclock, vm_generation_counter) :
				   offsetofend(struct vmclock_header, flags))) {
		dev_err(dev, "impossible size %u\n", size);
		return -ENODEV;
	}
	if (!vmclock_is_steady(header)) {
		dev_err(dev, "the hypervisor does not finish writing to the page\n");
		return -ENODEV;
	}
	return 0;
}

static int vmclock_probe(struct platform_device *pdev)
{
	struct resource *res = platform_get_resource(pdev, IORESOURCE_MEM, 0);
	struct device *dev = &pdev->dev;
	bool has_counter;
	int irq, ret;
	void *page;

	/* User space must see this page and nothing else. */
	if (!res || !IS_ALIGNED(res->start, PAGE_SIZE) || resource_size(res) < PAGE_SIZE) {
		dev_err(dev, "no page of memory\n");
		return -ENODEV;
	}

	irq = platform_get_irq_optional(pdev, 0);
	if (irq == -EPROBE_DEFER)
		return irq;

	page = memremap(res->start, PAGE_SIZE, MEMREMAP_WB);
	if (!page)
		return -ENOMEM;

	ret = vmclock_check(dev, page, &has_counter);
	if (!ret && test_and_set_bit(0, &vmclock_in_use)) {
		dev_err(dev, "there is another vmclock already\n");
		ret = -EBUSY;
	}
	if (ret) {
		memunmap(page);
		return ret;
	}

	/* Without notifications, only the next draw wakes those that wait for a clone. */
	if (has_acpi_companion(dev))
		acpi_install_notify_handler(ACPI_HANDLE(dev), ACPI_DEVICE_NOTIFY, vmclock_notify,
					    NULL);
	else if (irq > 0 && devm_request_irq(dev, irq, vmclock_interrupt, 0, "vmclock", dev))
		dev_warn(dev, "cannot use interrupt %d\n", irq);

	vdso_set_vmclock(PHYS_PFN(res->start));
	random_watch_vmclock(page, has_counter);
	dev_info(dev, "watching %s\n", has_counter ? "the generation counter" :
						     "the disruption marker");
	return 0;
}

/* The mapping remains: the RNG reads it without a lock. */
static int vmclock_remove(struct platform_device *pdev)
{
	random_watch_vmclock(NULL, false);
	vdso_set_vmclock(0);
	if (has_acpi_companion(&pdev->dev))
		acpi_remove_notify_handler(ACPI_HANDLE(&pdev->dev), ACPI_DEVICE_NOTIFY,
					   vmclock_notify);
	clear_bit(0, &vmclock_in_use);
	return 0;
}

static const struct acpi_device_id vmclock_acpi_ids[] = {
	{ "AMZNC10C", 0 },
	{ "VMCLOCK", 0 },
	{ }
};
MODULE_DEVICE_TABLE(acpi, vmclock_acpi_ids);

static const struct of_device_id vmclock_of_ids[] = {
	{ .compatible = "amazon,vmclock" },
	{ }
};
MODULE_DEVICE_TABLE(of, vmclock_of_ids);

static struct platform_driver vmclock_driver = {
	.probe	= vmclock_probe,
	.remove	= vmclock_remove,
	.driver	= {
		.name			= "vmclock",
		.acpi_match_table	= vmclock_acpi_ids,
		.of_match_table		= vmclock_of_ids,
	},
};
module_platform_driver(vmclock_driver);

MODULE_DESCRIPTION("vmclock: tells the RNG of clones of the virtual machine");
MODULE_LICENSE("GPL");

#ifdef CONFIG_VMCLOCK_KUNIT_TEST
#include "vmclock_test.c"
#endif
