/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O on block devices, in sectors, O_DIRECT. Functions return 0 or -errno and
 * may be called from any thread.
 */
#ifndef TEST_BLKIO_H
#define TEST_BLKIO_H

#include "util.h"

enum blk_zero {
	BLK_ZERO_IOCTL,		/* BLKZEROOUT */
	BLK_ZERO_RANGE,		/* fallocate(ZERO_RANGE) */
	BLK_ZERO_PUNCH,		/* fallocate(PUNCH_HOLE): may unmap */
};

/* Dies when it cannot be opened. */
int blk_open(const char *path, bool writable);
u64 blk_sectors(int fd);
int blk_read(int fd, void *buf, u64 sector, u64 sectors);
/*
 * @fua: sent as REQ_FUA and nothing else. A synchronous O_DSYNC write would
 * flush as well, which hides mistakes, hence asynchronous I/O inside.
 */
int blk_write(int fd, const void *buf, u64 sector, u64 sectors, bool fua);
int blk_flush(int fd);
/* -EOPNOTSUPP where the device cannot. */
int blk_discard(int fd, u64 sector, u64 sectors);
int blk_zero(int fd, u64 sector, u64 sectors, enum blk_zero how);

#endif /* TEST_BLKIO_H */
