/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk in memory with a volatile write cache, whose power can fail: after a
 * given number of writes everything fails, and when the power is back each
 * sector that was not flushed holds either its old or its new content.
 */
#ifndef REDO_DELTA_DISK_H
#define REDO_DELTA_DISK_H

#include <linux/blkdev.h>
#include <linux/prandom.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

struct redo_test_disk {
	struct gendisk *disk;
	struct mutex lock;
	struct xarray durable;		/* blocks as they survive */
	struct xarray cache;		/* blocks written since */
	u64 sectors;
	bool off;
	u64 writes_left;		/* until the power fails; 0: never */
	u64 writes;
	u64 discards;
	struct rnd_state *rnd;
	/* Called with the lock held. */
	void (*discarded)(void *ctx, sector_t sector, sector_t len);
	void *ctx;
};

struct redo_test_disk *redo_test_disk_new(u64 sectors, struct rnd_state *rnd);
void redo_test_disk_free(struct redo_test_disk *t);
/* Power off and on. */
void redo_test_disk_cycle(struct redo_test_disk *t);
/* If the power is still on, it stays on until the next cycle. */
bool redo_test_disk_steady(struct redo_test_disk *t);
void redo_test_disk_save(struct redo_test_disk *t, struct xarray *to);
void redo_test_disk_restore(struct redo_test_disk *t, struct xarray *from);
void redo_test_disk_drop(struct xarray *xa);

static inline struct block_device *redo_test_bdev(struct redo_test_disk *t)
{
	return t->disk->part0;
}

#endif
