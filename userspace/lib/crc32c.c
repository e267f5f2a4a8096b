// SPDX-License-Identifier: LGPL-2.1-or-later
/* CRC32C (RFC 3720), slicing by eight; with SSE4.2's instruction where there is one. */
#include "../../kernel/redo-port.h"

#define POLY	0x82f63b78U	/* bit-reversed 0x1edc6f41 */

static u32 table[8][256];

static void build_table(void)
{
	for (u32 i = 0; i < 256; i++) {
		u32 c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ POLY : c >> 1;
		table[0][i] = c;
	}
	for (u32 i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
}

static u32 crc_tables(u32 crc, const u8 *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8) {
		u32 lo = crc ^ ((u32)p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24);

		crc = table[7][lo & 0xff] ^ table[6][lo >> 8 & 0xff] ^
		      table[5][lo >> 16 & 0xff] ^ table[4][lo >> 24] ^
		      table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
	}
	while (len--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2")))
static u32 crc_sse42(u32 crc, const u8 *p, size_t len)
{
	u64 c = crc, word;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		c = __builtin_ia32_crc32di(c, word);
	}
	crc = (u32)c;
	while (len--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}
#endif

static u32 (*crc_fn)(u32 crc, const u8 *p, size_t len) = crc_tables;

/* Before main: no lock, no race between threads that use the library. */
__attribute__((constructor))
static void crc_setup(void)
{
	build_table();
#ifdef __x86_64__
	__builtin_cpu_init();
	if (__builtin_cpu_supports("sse4.2"))
		crc_fn = crc_sse42;
#endif
}

u32 redo_crc32c(const void *data, size_t len)
{
	return ~crc_fn(~0U, data, len);
}

/* For the unit test: the portable way, whatever the CPU can do. */
u32 redo_crc32c_generic(const void *data, size_t len);
u32 redo_crc32c_generic(const void *data, size_t len)
{
	return ~crc_tables(~0U, data, len);
}

/* Reflected, polynomial 0xedb88320: only for fingerprints, 128 KiB at a time. */
u32 redo_crc32(const void *data, size_t len)
{
	static const u32 nibble[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const u8 *p = data;
	u32 crc = ~0U;

	while (len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return ~crc;
}
