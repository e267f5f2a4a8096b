/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A delta without its data, as redo-corrupt --save writes it: a magic and the
 * device's size in blocks (two 64-bit words), then for each metadata block its
 * address (64 bits) and its content. Everything else is zeroes.
 */
#ifndef FUZZ_IMAGE_H
#define FUZZ_IMAGE_H

#include "mutate.h"

#define IMAGE_MAGIC	0x315a4652ULL
#define IMAGE_BLOCKS	512	/* more are not looked at */

struct image_head {
	u64 magic;
	u64 blocks;
};

struct image_block {
	u64 blocknr;
	u8 data[REDO_BLOCK_SIZE];
};

struct image {
	u64 blocks;
	u32 nr;
	struct image_block *block;	/* aligned copies */
	struct redo_io io;
};

/* False: not one. One at a time. */
bool image_open(struct image *im, const u8 *data, size_t size);

#endif /* FUZZ_IMAGE_H */
