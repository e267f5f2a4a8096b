/* SPDX-License-Identifier: GPL-2.0 */
/* What the suites share: blocks, and poking at their bytes by offset. */
#ifndef REDO_TEST_H
#define REDO_TEST_H

#include <kunit/test.h>
#include <linux/crc32c.h>
#include <asm/byteorder.h>
#include "../../kernel/redo-format.h"

/* A field of a disk structure as the document's table gives it. */
struct redo_test_field {
	const char *name;
	u32 offset;
	u32 size;
	u64 value;
};

static inline u64 redo_test_peek(const void *block, u32 offset, u32 size)
{
	const u8 *p = (const u8 *)block + offset;
	u64 v = 0;

	while (size--)
		v = v << 8 | p[size];
	return v;
}

static inline void redo_test_poke(void *block, u32 offset, u32 size, u64 value)
{
	u8 *p = (u8 *)block + offset;

	while (size--) {
		*p++ = value;
		value >>= 8;
	}
}

/* Mends the checksum by the document's rule, not by the code under test. */
static inline void redo_test_mend(void *block, u32 len)
{
	redo_test_poke(block, 4, 4, (u32)~crc32c(~0U, (u8 *)block + 8, len - 8));
}

static inline u8 *redo_test_block(struct kunit *test)
{
	u8 *block = kunit_kzalloc(test, REDO_BLOCK_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, block);
	return block;
}

/* 0x10, 0x11, ... as in the golden blocks. */
static inline void redo_test_uuid(u8 uuid[REDO_UUID_SIZE], u8 first)
{
	int i;

	for (i = 0; i < REDO_UUID_SIZE; i++)
		uuid[i] = first + i;
}

#define REDO_EXPECT_BAD(test, expected, call)				\
do {									\
	enum redo_bad __bad = (call);					\
									\
	KUNIT_EXPECT_EQ_MSG(test, (int)__bad, (int)(expected),		\
			    "got \"%s\", expected \"%s\"",		\
			    redo_bad_str(__bad), redo_bad_str(expected));	\
} while (0)

#endif /* REDO_TEST_H */
