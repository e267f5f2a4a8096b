// SPDX-License-Identifier: GPL-2.0
/* See delta_disk.h. */
#include <linux/highmem.h>
#include <linux/slab.h>
#include "delta_disk.h"

#define BLOCK	4096U
#define BLOCK_SECTORS (BLOCK / 512)

static void *disk_block(struct redo_test_disk *t, u64 nr)
{
	return xa_load(&t->cache, nr) ?: xa_load(&t->durable, nr);
}

static void *disk_make(struct xarray *xa, u64 nr, const void *from)
{
	void *p = xa_load(xa, nr);

	if (p)
		return p;
	p = kzalloc(BLOCK, GFP_NOIO | __GFP_NOFAIL);
	if (from)
		memcpy(p, from, BLOCK);
	xa_store(xa, nr, p, GFP_NOIO | __GFP_NOFAIL);
	return p;
}

static void disk_flush_block(struct redo_test_disk *t, u64 nr)
{
	void *p = xa_erase(&t->cache, nr);

	if (!p)
		return;
	memcpy(disk_make(&t->durable, nr, NULL), p, BLOCK);
	kfree(p);
}

static void disk_flush(struct redo_test_disk *t)
{
	unsigned long nr;
	void *p;

	xa_for_each(&t->cache, nr, p)
		disk_flush_block(t, nr);
}

static void disk_rw(struct redo_test_disk *t, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, iter) {
		unsigned int done = 0;

		while (done < bv.bv_len) {
			u64 nr = sector / BLOCK_SECTORS;
			unsigned int off = sector % BLOCK_SECTORS * 512;
			unsigned int n = min(BLOCK - off, bv.bv_len - done);
			void *p, *mem = page_address(bv.bv_page) + bv.bv_offset + done;

			if (bio_op(bio) == REQ_OP_WRITE) {
				p = disk_make(&t->cache, nr, disk_block(t, nr));
				memcpy(p + off, mem, n);
				if (bio->bi_opf & REQ_FUA && !t->off)
					disk_flush_block(t, nr);
			} else {
				p = disk_block(t, nr);
				if (p)
					memcpy(mem, p + off, n);
				else
					memset(mem, 0, n);
			}
			done += n;
			sector += n / 512;
		}
	}
}

static bool disk_power(struct redo_test_disk *t, struct bio *bio)
{
	if (op_is_write(bio_op(bio))) {
		t->writes++;
		if (t->writes_left && !--t->writes_left)
			t->off = true;
	}
	return !t->off;
}

static void disk_submit_bio(struct bio *bio)
{
	struct redo_test_disk *t = bio->bi_bdev->bd_disk->private_data;
	bool was_off;

	mutex_lock(&t->lock);
	was_off = t->off;
	if (!disk_power(t, bio)) {
		bio->bi_status = BLK_STS_IOERR;
		/* The last write may get there, in part or in full, after its flush. */
		if (!was_off && bio_op(bio) == REQ_OP_WRITE && prandom_u32_state(t->rnd) % 2) {
			if (bio->bi_opf & REQ_PREFLUSH)
				disk_flush(t);
			disk_rw(t, bio);
		}
		goto out;
	}
	if (bio->bi_opf & REQ_PREFLUSH)
		disk_flush(t);
	switch (bio_op(bio)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		disk_rw(t, bio);
		break;
	case REQ_OP_DISCARD:
		t->discards++;
		if (t->discarded)
			t->discarded(t->ctx, bio->bi_iter.bi_sector, bio_sectors(bio));
		break;
	case REQ_OP_FLUSH:
		disk_flush(t);
		break;
	default:
		bio->bi_status = BLK_STS_NOTSUPP;
	}
out:
	mutex_unlock(&t->lock);
	bio_endio(bio);
}

static const struct block_device_operations disk_ops = {
	.owner = THIS_MODULE,
	.submit_bio = disk_submit_bio,
};

struct redo_test_disk *redo_test_disk_new(u64 sectors, struct rnd_state *rnd)
{
	struct queue_limits lim = {
		.logical_block_size = 512,
		.physical_block_size = BLOCK,
		.max_hw_discard_sectors = 65536,
		.discard_granularity = BLOCK,
		.features = BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA,
	};
	struct redo_test_disk *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return NULL;
	mutex_init(&t->lock);
	xa_init(&t->durable);
	xa_init(&t->cache);
	t->rnd = rnd;
	t->sectors = sectors;
	t->disk = blk_alloc_disk(&lim, NUMA_NO_NODE);
	if (IS_ERR(t->disk)) {
		kfree(t);
		return NULL;
	}
	t->disk->fops = &disk_ops;
	t->disk->private_data = t;
	t->disk->flags |= GENHD_FL_NO_PART;
	snprintf(t->disk->disk_name, DISK_NAME_LEN, "redotest");
	set_capacity(t->disk, sectors);
	if (add_disk(t->disk)) {
		put_disk(t->disk);
		kfree(t);
		return NULL;
	}
	return t;
}

static void disk_drop(struct xarray *xa)
{
	unsigned long nr;
	void *p;

	xa_for_each(xa, nr, p)
		kfree(p);
	xa_destroy(xa);
}

void redo_test_disk_free(struct redo_test_disk *t)
{
	del_gendisk(t->disk);
	put_disk(t->disk);
	disk_drop(&t->durable);
	disk_drop(&t->cache);
	kfree(t);
}

void redo_test_disk_cycle(struct redo_test_disk *t)
{
	unsigned long nr;
	unsigned int i;
	u32 how;
	void *p, *to;

	mutex_lock(&t->lock);
	how = prandom_u32_state(t->rnd) % 4;
	xa_for_each(&t->cache, nr, p) {
		u32 keep = prandom_u32_state(t->rnd);

		if (how == 0)
			keep = 0;
		else if (how == 1)
			keep = ~0U;
		else if (how == 2)
			keep = keep & 1 ? ~0U : 0;
		if (keep) {
			to = disk_make(&t->durable, nr, NULL);
			for (i = 0; i < BLOCK_SECTORS; i++)
				if (keep & (1U << i))
					memcpy(to + i * 512, p + i * 512, 512);
		}
		kfree(p);
	}
	xa_destroy(&t->cache);
	t->off = false;
	t->writes_left = 0;
	mutex_unlock(&t->lock);
}

bool redo_test_disk_steady(struct redo_test_disk *t)
{
	bool on;

	mutex_lock(&t->lock);
	on = !t->off;
	if (on)
		t->writes_left = 0;
	mutex_unlock(&t->lock);
	return on;
}

static void disk_copy(struct xarray *to, struct xarray *from)
{
	unsigned long nr;
	void *p;

	disk_drop(to);
	xa_for_each(from, nr, p)
		disk_make(to, nr, p);
}

void redo_test_disk_save(struct redo_test_disk *t, struct xarray *to)
{
	mutex_lock(&t->lock);
	disk_flush(t);
	disk_copy(to, &t->durable);
	mutex_unlock(&t->lock);
}

void redo_test_disk_restore(struct redo_test_disk *t, struct xarray *from)
{
	mutex_lock(&t->lock);
	disk_drop(&t->cache);
	disk_copy(&t->durable, from);
	mutex_unlock(&t->lock);
}

void redo_test_disk_drop(struct xarray *xa)
{
	disk_drop(xa);
}
