/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lower device of a replay: what is durable at the present place in the log,
 * and a loop device that is the same but for what a cut adds and what the kernel
 * writes when it activates the chain; image_restore() takes both back.
 */
#ifndef TEST_IMAGE_H
#define TEST_IMAGE_H

#include "loopdev.h"

struct image {
	struct loopdev loop;
	u8 *test;		/* the loop device's content */
	u8 *durable;
	u8 *touched;		/* [page]: durable is not zeroes there */
	u64 pages;
};

void image_open(struct image *img, u64 sectors);
void image_close(struct image *img);
/* @data NULL: zeroes. @durable: or else only on the loop device. */
void image_put(struct image *img, u64 sector, const void *data, u64 sectors, bool durable);
/* What is on the loop device. */
static inline const void *image_at(const struct image *img, u64 sector)
{
	return img->test + (sector << SECTOR_SHIFT);
}
void image_restore(struct image *img);

#endif /* TEST_IMAGE_H */
