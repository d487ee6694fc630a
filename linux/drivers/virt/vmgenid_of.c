// SPDX-License-Identifier: GPL-2.0
/*
 * The generation ID of a virtual machine that a device tree describes
 *
 * The ID is 16 bytes of memory that the hypervisor changes while it creates a clone. The
 * RNG reads them before every use of a key. The interrupt that follows is only for those
 * that wait for a clone without drawing.
 */
#include <linux/bitops.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/random.h>

#define VMGENID_SIZE	16

static unsigned long vmgenid_in_use;

static irqreturn_t vmgenid_interrupt(int irq, void *unused)
{
	random_check_vmfork();
	return IRQ_HANDLED;
}

static int vmgenid_probe(struct platform_device *pdev)
{
	struct resource *res = platform_get_resource(pdev, IORESOURCE_MEM, 0);
	struct device *dev = &pdev->dev;
	int irq, ret;
	u64 *id;

	/* The RNG reads two words. */
	if (!res || resource_size(res) < VMGENID_SIZE || !IS_ALIGNED(res->start, sizeof(*id))) {
		dev_err(dev, "no memory of %u bytes, aligned to words\n", VMGENID_SIZE);
		return -EINVAL;
	}

	irq = platform_get_irq(pdev, 0);
	if (irq < 0)
		return irq;

	/* The RNG watches one ID. */
	if (test_and_set_bit(0, &vmgenid_in_use)) {
		dev_err(dev, "there is another generation ID already\n");
		return -EBUSY;
	}

	id = memremap(res->start, VMGENID_SIZE, MEMREMAP_WB);
	ret = id ? devm_request_irq(dev, irq, vmgenid_interrupt, 0, "vmgenid", dev) : -ENOMEM;
	if (ret) {
		if (id)
			memunmap(id);
		clear_bit(0, &vmgenid_in_use);
		return ret;
	}

	add_device_randomness(id, VMGENID_SIZE);
	random_watch_vmgenid(id);
	return 0;
}

/* The mapping remains: the RNG reads it without a lock. */
static int vmgenid_remove(struct platform_device *pdev)
{
	random_watch_vmgenid(NULL);
	clear_bit(0, &vmgenid_in_use);
	return 0;
}

static const struct of_device_id vmgenid_ids[] = {
	{ .compatible = "microsoft,vmgenid" },
	{ }
};
MODULE_DEVICE_TABLE(of, vmgenid_ids);

static struct platform_driver vmgenid_driver = {
	.probe	= vmgenid_probe,
	.remove	= vmgenid_remove,
	.driver	= {
		.name		= "vmgenid_of",
		.of_match_table	= vmgenid_ids,
	},
};
module_platform_driver(vmgenid_driver);

MODULE_DESCRIPTION("Virtual Machine Generation ID in a device tree");
MODULE_LICENSE("GPL");
