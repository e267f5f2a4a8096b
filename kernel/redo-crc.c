// SPDX-License-Identifier: GPL-2.0
/*
 * CRC32C of a block of which only the beginning is not zero. Most commits have a few
 * records, and summing the zeroes behind them is a good part of what a commit costs.
 *
 * What zeroes do to the state of a CRC is a linear map over GF(2) of its 32 bits, so
 * the effect of a fixed number of them is the exclusive or of four table entries, one
 * for each byte of the state: as in zlib's crc32_combine(), with the map applied by
 * table.
 */
#include <linux/slab.h>
#include "redo-port.h"
#include "redo-format.h"

#define HEAD	256				/* summed byte for byte */
#define TAIL	(REDO_BLOCK_SIZE - HEAD)	/* zeroes */

static u32 tail_table[4][256];

/* Of the bits of @state that the entry stands for, each by itself. */
static u32 combine(const u32 *bit, u32 state)
{
	u32 i, r = 0;

	for (i = 0; i < 32; i++)
		if (state >> i & 1)
			r ^= bit[i];
	return r;
}

int redo_crc_module_init(void)
{
	void *zeroes = kzalloc(TAIL, GFP_KERNEL);
	u32 bit[32], i, byte;

	if (!zeroes)
		return -ENOMEM;
	for (i = 0; i < 32; i++)
		bit[i] = crc32c(1U << i, zeroes, TAIL);
	for (byte = 0; byte < 4; byte++)
		for (i = 0; i < 256; i++)
			tail_table[byte][i] = combine(bit, i << 8 * byte);
	kfree(zeroes);
	return 0;
}

u32 redo_crc32c_padded(const void *block, u32 from, u32 used)
{
	u32 state;

	if (used > HEAD)
		return redo_crc32c((const u8 *)block + from, REDO_BLOCK_SIZE - from);
	state = crc32c(~0U, (const u8 *)block + from, HEAD - from);
	return ~(tail_table[0][state & 0xff] ^ tail_table[1][state >> 8 & 0xff] ^
		 tail_table[2][state >> 16 & 0xff] ^ tail_table[3][state >> 24]);
}
