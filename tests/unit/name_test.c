// SPDX-License-Identifier: GPL-2.0-or-later
#include "unit.h"

static void names(void **state __unused)
{
	static const char *const good[] = { "a", "web", "A-b_c.d+1", "0", "...", "_", ".a" };
	static const char *const bad[] = {
		"", "-a", ".", "..", "a b", "a/b", "a@b", "a\n", "\xc3\xa4", "a:b", "a,b", "a%",
	};
	char longest[REDO_NAME_SIZE + 1];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(redo_name_valid(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(redo_name_valid(bad[i]));
	memset(longest, 'x', sizeof(longest));
	longest[REDO_NAME_SIZE - 1] = '\0';
	assert_true(redo_name_valid(longest));
	longest[REDO_NAME_SIZE - 1] = 'x';
	longest[REDO_NAME_SIZE] = '\0';
	assert_false(redo_name_valid(longest));
}

static void clean_copy(void **state __unused)
{
	char to[8];

	redo_copy_clean(to, "a\033[1m\n", sizeof(to));
	assert_string_equal(to, "a?[1m?");
	redo_copy(to, "0123456789", sizeof(to));
	assert_string_equal(to, "0123456");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names), cmocka_unit_test(clean_copy),
	};

	return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
