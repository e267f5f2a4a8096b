/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A delta in memory, put together with redo-format.c. */
#ifndef IMAGE_H
#define IMAGE_H

#include "unit.h"

#define IMAGE_UNITS		3
#define IMAGE_VIRTUAL_SECTORS	(8U << 11)	/* 8 MiB: 2048 grains, 5 leaves */

struct image {
	u8 *data;
	u64 size;
	struct redo_io io;
	struct redo_super sb;
	u64 fail_at;		/* reads of this block fail with EIO; 0: none */
};

/* As formatted: nothing but unit header, label, superblock. */
void image_blank(struct image *im);
/*
 * With content: grains 0 to 9 and 600 mapped, grain 20 zero, leaf 2 a zero
 * pointer; unit 1 holds data, unit 2 nothing yet.
 */
void image_filled(struct image *im);
void image_free(struct image *im);

void *image_block(struct image *im, u64 blocknr);
/* Write im->sb into its slot. */
void image_write_super(struct image *im);
/* Seal again what was changed by hand: so that only the change is wrong. */
void image_reseal(struct image *im, u64 blocknr);

/* Blocks of image_filled() */
enum {
	IMAGE_LEAF0 = REDO_META_START, IMAGE_LEAF1, IMAGE_DIR, IMAGE_ALLOC, IMAGE_META_END,
};

#define IMAGE_DATA0	(REDO_UNIT_BLOCKS + 1)	/* first grain of unit 1 after its header */

/* A commit of one block at @seq. */
void image_commit(struct image *im, u64 seq, u64 commit, u16 index, u16 total,
		  const struct redo_extent *e, u32 nr);

struct found {
	char text[64][512];
	int nr;
	struct redo_check_result res;
};

/* Check it; what was found goes to @f. */
void image_check(struct image *im, struct found *f);
/* True when one of the problems contains @text. */
bool found_has(const struct found *f, const char *text);

#endif /* IMAGE_H */
