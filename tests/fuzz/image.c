// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "image.h"

static struct image_block blocks[IMAGE_BLOCKS];

static void read_block(const struct image *im, u64 blocknr, u8 *to)
{
	u32 i;

	memset(to, 0, REDO_BLOCK_SIZE);
	for (i = 0; i < im->nr; i++)
		if (im->block[i].blocknr == blocknr)
			memcpy(to, im->block[i].data, REDO_BLOCK_SIZE);
}

static int image_read(void *ctx, u64 offset, void *buf, size_t len)
{
	const struct image *im = ctx;
	u8 block[REDO_BLOCK_SIZE], *to = buf;
	size_t in, n;

	must(offset + len >= offset && offset + len <= im->io.size);
	for (; len; len -= n, offset += n, to += n) {
		in = offset % REDO_BLOCK_SIZE;
		n = REDO_BLOCK_SIZE - in < len ? REDO_BLOCK_SIZE - in : len;
		read_block(im, offset / REDO_BLOCK_SIZE, block);
		memcpy(to, block + in, n);
	}
	return 0;
}

bool image_open(struct image *im, const u8 *data, size_t size)
{
	struct image_head head;

	if (size < sizeof(head))
		return false;
	memcpy(&head, data, sizeof(head));
	if (head.magic != IMAGE_MAGIC || !head.blocks || head.blocks > 1ULL << 40)
		return false;
	im->blocks = head.blocks;
	im->block = blocks;
	im->nr = (size - sizeof(head)) / sizeof(struct image_block);
	if (im->nr > IMAGE_BLOCKS)
		im->nr = IMAGE_BLOCKS;
	memcpy(blocks, data + sizeof(head), im->nr * sizeof(struct image_block));
	im->io = (struct redo_io){ .ctx = im, .read = image_read,
				   .size = head.blocks * REDO_BLOCK_SIZE };
	return true;
}
