/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Metadata block I/O: one block and wait, or a batch of blocks with one wait.
 * All of it blocks; nothing here allocates but bios from the given set.
 */
#ifndef REDO_IO_H
#define REDO_IO_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include "redo-format.h"

/* Blocks (units) that the device holds at this moment. Any context. */
static inline u64 redo_io_blocks(struct block_device *bdev)
{
	return bdev_nr_sectors(bdev) / REDO_BLOCK_SECTORS;
}

static inline u64 redo_io_units(struct block_device *bdev)
{
	return bdev_nr_sectors(bdev) / REDO_UNIT_SECTORS;
}

/* Can blocks of it be metadata? Logs; -EINVAL. Any context. */
int redo_io_check_device(struct block_device *bdev);
/* @buf: REDO_BLOCK_SIZE bytes from kmalloc(). -ERANGE beyond the device. */
int redo_io_read(struct block_device *bdev, u64 blocknr, void *buf);
/* @flags: REQ_PREFLUSH, REQ_FUA or nothing. -errno if either flush or write has failed. */
int redo_io_write(struct block_device *bdev, u64 blocknr, void *buf, blk_opf_t flags);

/*
 * A batch: neighbouring blocks share a bio, so add them in ascending order.
 * Buffers stay untouched until redo_batch_wait() has returned.
 */
struct redo_batch {
	struct block_device *bdev;
	struct bio_set *bs;
	blk_opf_t opf;
	struct bio *bio;	/* being filled */
	u64 next;		/* block that would continue it */
	atomic_t pending;
	int error;		/* the first one; written by end_io */
	struct completion done;
	struct blk_plug plug;
};

void redo_batch_start(struct redo_batch *b, struct block_device *bdev,
		      struct bio_set *bs, blk_opf_t opf);
void redo_batch_add(struct redo_batch *b, u64 blocknr, void *buf);
int redo_batch_wait(struct redo_batch *b);

#endif /* REDO_IO_H */
