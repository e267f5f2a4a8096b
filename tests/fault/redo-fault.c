// SPDX-License-Identifier: GPL-2.0
/*
 * For tests only: a target that passes everything through to a device and fails
 * the n-th request. Requests are counted over all devices of this target, in the
 * order in which they are sent, so that one sweep of n meets each request of a
 * workload once, wherever it goes.
 *
 *	0 <len> redo-fault <device> <offset>
 *
 * Messages, to any of the devices:
 *	arm <n> <kinds> <once|all|here> <before|after>
 *		count anew; fail the n-th request of these kinds (letters of rwfd: read,
 *		write, flush, discard). "all": and every later one of these kinds,
 *		"here": those to the same device. "before": it never reaches the
 *		device, "after": it does, and its end is reported as a failure.
 *		n = 0: count only.
 *	disarm
 * Status: <requests counted> <requests failed>, and of the first that failed
 *	<device> <kind> <sector> <sectors> <first four bytes of data>
 */
#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/module.h>
#include <linux/slab.h>

#define DM_MSG_PREFIX "redo-fault"

enum kind { READ_KIND, WRITE_KIND, FLUSH_KIND, DISCARD_KIND };
static const char kind_letter[] = "rwfd";

enum scope { ONCE, ALL, HERE };

struct fault_dev {
	struct dm_dev *dev;
	sector_t start;
};

struct hit {
	dev_t dev;
	enum kind kind;
	sector_t sector;
	unsigned int sectors;
	u32 magic;
};

static DEFINE_SPINLOCK(lock);
static struct {
	u64 n;
	unsigned int kinds;	/* bits */
	enum scope scope;
	bool after;
	u64 counted, failed;
	struct hit first;
} fault;	/* protected by lock */

static enum kind kind_of(struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return READ_KIND;
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
	case REQ_OP_WRITE_ZEROES:
		return DISCARD_KIND;
	default:
		return bio_sectors(bio) ? WRITE_KIND : FLUSH_KIND;
	}
}

static u32 magic_of(struct bio *bio)
{
	struct bio_vec bv = bio_iter_iovec(bio, bio->bi_iter);
	u32 magic;
	void *p;

	p = bvec_kmap_local(&bv);
	memcpy(&magic, p, sizeof(magic));
	kunmap_local(p);
	return magic;
}

static void note_hit(struct fault_dev *fd, struct bio *bio, enum kind kind)
{
	fault.first = (struct hit) {
		.dev = fd->dev->bdev->bd_dev,
		.kind = kind,
		.sector = bio->bi_iter.bi_sector,
		.sectors = bio_sectors(bio),
		.magic = kind == WRITE_KIND ? magic_of(bio) : 0,
	};
}

/* lock held */
static bool must_fail(struct fault_dev *fd, struct bio *bio, enum kind kind)
{
	if (!(fault.kinds & BIT(kind)))
		return false;
	fault.counted++;
	if (!fault.n || fault.counted < fault.n)
		return false;
	if (fault.counted == fault.n) {
		note_hit(fd, bio, kind);
		return true;
	}
	return fault.scope == ALL ||
	       (fault.scope == HERE && fault.first.dev == fd->dev->bdev->bd_dev);
}

static int fault_map(struct dm_target *ti, struct bio *bio)
{
	bool *fail_at_end = dm_per_bio_data(bio, sizeof(bool));
	struct fault_dev *fd = ti->private;
	unsigned long flags;
	bool fail, after;

	bio_set_dev(bio, fd->dev->bdev);
	bio->bi_iter.bi_sector = fd->start + dm_target_offset(ti, bio->bi_iter.bi_sector);
	spin_lock_irqsave(&lock, flags);
	fail = must_fail(fd, bio, kind_of(bio));
	fault.failed += fail;
	after = fault.after;
	spin_unlock_irqrestore(&lock, flags);
	*fail_at_end = fail && after;
	return fail && !after ? DM_MAPIO_KILL : DM_MAPIO_REMAPPED;
}

static int fault_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	bool *fail_at_end = dm_per_bio_data(bio, sizeof(bool));

	if (*fail_at_end)
		*error = BLK_STS_IOERR;
	return DM_ENDIO_DONE;
}

static int parse_kinds(const char *text, unsigned int *kinds)
{
	const char *k;

	for (*kinds = 0; *text; text++) {
		k = strchr(kind_letter, *text);
		if (!k)
			return -EINVAL;
		*kinds |= BIT(k - kind_letter);
	}
	return 0;
}

static int arm(char **argv)
{
	static const char * const scopes[] = { "once", "all", "here" };
	int scope = match_string(scopes, ARRAY_SIZE(scopes), argv[3]);
	unsigned int kinds;
	u64 n;

	if (kstrtou64(argv[1], 0, &n) || parse_kinds(argv[2], &kinds) || scope < 0)
		return -EINVAL;
	spin_lock_irq(&lock);
	memset(&fault, 0, sizeof(fault));
	fault.n = n;
	fault.kinds = kinds;
	fault.scope = scope;
	fault.after = !strcmp(argv[4], "after");
	spin_unlock_irq(&lock);
	return 0;
}

static int fault_message(struct dm_target *ti, unsigned int argc, char **argv,
			 char *result, unsigned int maxlen)
{
	if (argc == 5 && !strcmp(argv[0], "arm"))
		return arm(argv);
	if (argc != 1 || strcmp(argv[0], "disarm"))
		return -EINVAL;
	spin_lock_irq(&lock);
	fault.n = 0;
	spin_unlock_irq(&lock);
	return 0;
}

static void fault_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			 char *result, unsigned int maxlen)
{
	struct fault_dev *fd = ti->private;
	unsigned int sz = 0;

	if (type == STATUSTYPE_TABLE) {
		DMEMIT("%s %llu", fd->dev->name, (u64)fd->start);
	} else if (type == STATUSTYPE_INFO) {
		spin_lock_irq(&lock);
		DMEMIT("%llu %llu %u:%u %c %llu %u %08x", fault.counted, fault.failed,
		       MAJOR(fault.first.dev), MINOR(fault.first.dev),
		       kind_letter[fault.first.kind], (u64)fault.first.sector,
		       fault.first.sectors, fault.first.magic);
		spin_unlock_irq(&lock);
	} else {
		*result = '\0';
	}
}

static int fault_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct fault_dev *fd;
	u64 start;
	int r;

	if (argc != 2 || kstrtou64(argv[1], 0, &start)) {
		ti->error = "redo-fault: <device> <offset>";
		return -EINVAL;
	}
	fd = kzalloc(sizeof(*fd), GFP_KERNEL);
	if (!fd)
		return -ENOMEM;
	fd->start = start;
	r = dm_get_device(ti, argv[0], dm_table_get_mode(ti->table), &fd->dev);
	if (r) {
		ti->error = "redo-fault: no such device";
		kfree(fd);
		return r;
	}
	ti->private = fd;
	ti->per_io_data_size = sizeof(bool);
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	return 0;
}

static void fault_dtr(struct dm_target *ti)
{
	struct fault_dev *fd = ti->private;

	dm_put_device(ti, fd->dev);
	kfree(fd);
}

static int fault_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct fault_dev *fd = ti->private;

	return fn(ti, fd->dev, fd->start, ti->len, data);
}

static struct target_type fault_target = {
	.name = "redo-fault",
	.version = {1, 0, 0},
	.module = THIS_MODULE,
	.ctr = fault_ctr,
	.dtr = fault_dtr,
	.map = fault_map,
	.end_io = fault_end_io,
	.status = fault_status,
	.message = fault_message,
	.iterate_devices = fault_iterate_devices,
};
module_dm(fault);

MODULE_DESCRIPTION(DM_NAME " redo-fault: fails the n-th request, for tests of dm-redo");
MODULE_AUTHOR("The dm-redo authors");
MODULE_LICENSE("GPL");
