// SPDX-License-Identifier: LGPL-2.1-or-later
/* A bitmap of tracker blocks in memory. Pure but for malloc. */
#include <stdlib.h>
#include "redo-int.h"

int redo_bitmap_init(struct redo_bitmap *map, u64 virtual_bytes, u32 block_bytes)
{
	memset(map, 0, sizeof(*map));
	map->block_bytes = block_bytes;
	map->virtual_bytes = virtual_bytes;
	map->blocks = virtual_bytes / block_bytes + !!(virtual_bytes % block_bytes);
	map->bytes = map->blocks / 8 + !!(map->blocks % 8);
	map->bits = calloc(1, map->bytes ? map->bytes : 1);
	return map->bits ? 0 : redo_err(ENOMEM, "out of memory: a bitmap of %llu bytes",
					(unsigned long long)map->bytes);
}

void redo_bitmap_free(struct redo_bitmap *map)
{
	free(map->bits);
	memset(map, 0, sizeof(*map));
}

bool redo_bitmap_test(const struct redo_bitmap *map, uint64_t block)
{
	return block < map->blocks && map->bits[block / 8] >> block % 8 & 1;
}

int redo_bitmap_set_range(struct redo_bitmap *map, uint64_t start, uint64_t sectors)
{
	u64 size = map->virtual_bytes >> 9, per_block = map->block_bytes >> 9, last;

	if (start > size || sectors > size - start)
		return redo_err(ERANGE, "sectors %llu+%llu are beyond the end of the bitmap",
				(unsigned long long)start, (unsigned long long)sectors);
	if (!sectors)
		return 0;
	last = (start + sectors - 1) / per_block;
	for (u64 block = start / per_block; block <= last; block++) {
		u8 bit = (u8)(1U << block % 8);

		map->set += !(map->bits[block / 8] & bit);
		map->bits[block / 8] |= bit;
	}
	return 0;
}
