/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A loop device over anonymous memory. It goes by itself once it is closed and
 * no device-mapper table uses it any more.
 */
#ifndef TEST_LOOPDEV_H
#define TEST_LOOPDEV_H

#include "util.h"

struct loopdev {
	int memfd;
	int fd;			/* of the loop device, O_DIRECT */
	u64 sectors;
	bool cache;
	char path[32];
	char devno[16];		/* major:minor, for table lines */
};

/* @cache: whether it says that it has a volatile write cache. */
void loopdev_open(struct loopdev *l, u64 sectors, bool cache);
void loopdev_close(struct loopdev *l);
/* All later writes fail; again for nothing. It cannot be undone, but: */
void loopdev_freeze(struct loopdev *l);
/* The same content on a new device. The old one has no other users. */
void loopdev_renew(struct loopdev *l);
/* Its content, shared with the device. */
void *loopdev_map(struct loopdev *l);
void loopdev_unmap(struct loopdev *l, void *map);

/*
 * Make the block layer take /dev/<name> for a device without a write cache, so
 * that it drops flushes and FUA. It works in this direction only on all kernels.
 * What is stacked on it afterwards inherits it.
 */
void blkdev_deny_cache(const char *path);
/* "major:minor" of an open block device. */
void blkdev_number(int fd, char text[16]);

#endif /* TEST_LOOPDEV_H */
