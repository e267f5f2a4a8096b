/* SPDX-License-Identifier: GPL-2.0 OR LGPL-2.1-or-later */
/*
 * The little that redo-format.[ch] needs from its surroundings, so that one
 * and the same file compiles into the module, KUnit, the tool and the fuzzer.
 */
#ifndef REDO_PORT_H
#define REDO_PORT_H

#ifdef __KERNEL__

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/crc32.h>
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/byteorder.h>

/* crc32c with the usual pre- and post-inversion (RFC 3720). */
static inline u32 redo_crc32c(const void *data, size_t len)
{
	return ~crc32c(~0U, data, len);
}

/*
 * CRC-32 of IEEE 802.3, for what may hold a CRC32C of its own: the sum of data that end
 * in their own sum is always the same (the superblock of ext4 does).
 */
static inline u32 redo_crc32(const void *data, size_t len)
{
	return ~crc32_le(~0U, data, len);
}

/*
 * Of bytes @from to the end of a block of REDO_BLOCK_SIZE whose bytes from @used on are
 * zero. Any context. redo-crc.c
 */
u32 redo_crc32c_padded(const void *block, u32 from, u32 used);
/* Its tables. May block; -ENOMEM. */
int redo_crc_module_init(void);

#else /* user space */

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define cpu_to_le16(x) ((__le16)htole16(x))
#define cpu_to_le32(x) ((__le32)htole32(x))
#define cpu_to_le64(x) ((__le64)htole64(x))
#define le16_to_cpu(x) le16toh((u16)(x))
#define le32_to_cpu(x) le32toh((u32)(x))
#define le64_to_cpu(x) le64toh((u64)(x))

#ifndef static_assert
#define static_assert _Static_assert
#endif
#ifndef DIV_ROUND_UP
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#endif

/* RFC 3720's CRC32C; defined in userspace/lib/crc32c.c */
u32 redo_crc32c(const void *data, size_t len);
/* IEEE 802.3's CRC-32; defined there, too */
u32 redo_crc32(const void *data, size_t len);

/* Nobody here seals blocks so often that zeroes would matter. */
#define redo_crc32c_padded(block, from, used) \
	((void)(used), redo_crc32c((const u8 *)(block) + (from), REDO_BLOCK_SIZE - (from)))

#endif
#endif /* REDO_PORT_H */
