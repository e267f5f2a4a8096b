// SPDX-License-Identifier: GPL-2.0-or-later
#include "unit.h"
#include "tool.h"

static void good(void **state __unused)
{
	static const struct {
		const char *text;
		char unit;
		u64 bytes;
	} t[] = {
		{ "64m", 'm', 64ULL << 20 }, { "64M", 'm', 64ULL << 20 }, { "64", 'm', 64ULL << 20 },
		{ "1g", 'm', 1ULL << 30 }, { "4k", 'm', 4096 }, { "4", 'k', 4096 },
		{ "100s", 'm', 51200 }, { "100S", 'm', 51200 }, { "512b", 'm', 512 },
		{ "512B", 'm', 512 }, { "1.5g", 'm', 3ULL << 29 }, { ".5k", 'm', 512 },
		{ "2t", 'm', 2ULL << 40 }, { "1p", 'm', 1ULL << 50 }, { "15e", 'm', 15ULL << 60 },
		{ "64MiB", 'm', 64ULL << 20 }, { "64mb", 'm', 64ULL << 20 }, { "0", 'm', 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		u64 bytes = ~0ULL;

		assert_int_equal(parse_size(t[i].text, t[i].unit, &bytes), 0);
		assert_int_equal(bytes, t[i].bytes);
	}
}

static void bad(void **state __unused)
{
	static const char *const t[] = {
		"", "m", "-1m", "+1m", " 1m", "1 m", "1x", "1mm", "0x10", "inf", "nan", "16e",
		"1.0001b", "1m1", "1e99", "..5", "1kib2", "99999999999999999999",
	};
	u64 bytes;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		if (parse_size(t[i], 'm', &bytes) != -EINVAL)
			fail_msg("'%s' was taken", t[i]);
	}
}

static void shown(void **state __unused)
{
	static const struct {
		u64 bytes;
		char unit;
		const char *text;
	} t[] = {
		{ 0, 'h', "0" }, { 4096, 'h', "4.00k" }, { 64ULL << 20, 'h', "64.00m" },
		{ 3ULL << 29, 'h', "1.50g" }, { 512, 'h', "0.50k" }, { 1ULL << 60, 'h', "1.00e" },
		{ 1000000, 'H', "1.00M" }, { 64ULL << 20, 'b', "67108864b" },
		{ 64ULL << 20, 's', "131072s" }, { 64ULL << 20, 'k', "65536.00k" },
		{ 2000000000, 'G', "2.00G" }, { 1ULL << 30, 'm', "1024.00m" },
	};
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		format_size(t[i].bytes, t[i].unit, text, sizeof(text));
		assert_string_equal(text, t[i].text);
	}
}

static void units(void **state __unused)
{
	char unit;

	for (const char *p = "hHbBsSkKmMgGtTpPeE"; *p; p++) {
		char text[2] = { *p, '\0' };

		assert_true(valid_unit(text, &unit));
		assert_int_equal(unit, *p);
	}
	assert_false(valid_unit("", &unit));
	assert_false(valid_unit("x", &unit));
	assert_false(valid_unit("mm", &unit));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good), cmocka_unit_test(bad), cmocka_unit_test(shown),
		cmocka_unit_test(units),
	};

	return cmocka_run_group_tests_name("size", tests, NULL, NULL);
}
