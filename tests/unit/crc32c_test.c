// SPDX-License-Identifier: GPL-2.0-or-later
/* RFC 3720, appendix B.4. */
#include "unit.h"

static void check(const void *data, size_t len, u32 want)
{
	assert_int_equal(redo_crc32c(data, len), want);
	assert_int_equal(redo_crc32c_generic(data, len), want);
}

static void vectors(void **state __unused)
{
	u8 buf[32];

	memset(buf, 0, sizeof(buf));
	check(buf, 32, 0x8a9136aa);
	memset(buf, 0xff, sizeof(buf));
	check(buf, 32, 0x62a8ab43);
	for (int i = 0; i < 32; i++)
		buf[i] = i;
	check(buf, 32, 0x46dd794e);
	for (int i = 0; i < 32; i++)
		buf[i] = 31 - i;
	check(buf, 32, 0x113fdb5c);
	check("123456789", 9, 0xe3069283);
	check("", 0, 0);
}

/* The check value of CRC-32/ISO-HDLC, of which IEEE 802.3's is the model */
static void ieee(void **state __unused)
{
	assert_int_equal(redo_crc32("123456789", 9), 0xcbf43926);
	assert_int_equal(redo_crc32("", 0), 0);
}

static void ways_agree(void **state __unused)
{
	u8 buf[300];

	for (int i = 0; i < 300; i++)
		buf[i] = (u8)(i * 37 + (i >> 3));
	for (size_t start = 0; start < 9; start++)
		for (size_t len = 0; len + start <= 300; len += 7)
			assert_int_equal(redo_crc32c(buf + start, len),
					 redo_crc32c_generic(buf + start, len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors), cmocka_unit_test(ieee), cmocka_unit_test(ways_agree),
	};

	return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
