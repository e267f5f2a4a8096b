// SPDX-License-Identifier: GPL-2.0-or-later
/* Feature arguments as words, and in a table line. */
#include <sys/sysmacros.h>
#include "unit.h"

static void refused(const char *word, const char *why)
{
	char list[REDO_FEATURES_SIZE] = "low_water=3";

	assert_int_equal(redo_features_set(list, word), -EINVAL);
	assert_non_null(strstr(redo_last_error(), why));
	assert_string_equal(list, "low_water=3");
}

static void words(void **state __unused)
{
	char list[REDO_FEATURES_SIZE] = "";

	assert_int_equal(redo_features_set(list, "low_water=3"), 0);
	assert_int_equal(redo_features_set(list, "error_if_no_space"), 0);
	assert_int_equal(redo_features_set(list, "no_space_timeout=0"), 0);
	assert_string_equal(list, "low_water=3 error_if_no_space no_space_timeout=0");
	assert_int_equal(redo_features_set(list, "low_water=4294967295"), 0);
	assert_int_equal(redo_features_set(list, "error_if_no_space"), 0);
	assert_string_equal(list, "no_space_timeout=0 low_water=4294967295 error_if_no_space");
	assert_int_equal(redo_features_set(list, "none"), 0);
	assert_string_equal(list, "");
}

static void what_is_refused(void **state __unused)
{
	refused("", "not known");
	refused("frobnicate", "no_discard_passdown");
	refused("low_wate=3", "not known");
	refused("cbt=/dev/x", "not known");
	refused("low_water", "low_water=<units>");
	refused("low_water=", "needs a number");
	refused("low_water=-1", "needs a number");
	refused("low_water=1k", "needs a number");
	refused("low_water=4294967296", "needs a number");
	refused("no_space_timeout=x", "no_space_timeout=<seconds>");
	refused("ignore_discard=1", "takes no value");
	refused("force_base", "--force");
}

static void tables(void **state __unused)
{
	char args[256], list[REDO_FEATURES_SIZE];

	redo_features_to_table("", false, args, sizeof(args));
	assert_string_equal(args, "");
	redo_features_to_table("", true, args, sizeof(args));
	assert_string_equal(args, "1 force_base");
	redo_features_to_table("low_water=3 ignore_discard", true, args, sizeof(args));
	assert_string_equal(args, "4 low_water 3 ignore_discard force_base");
	assert_true(redo_features_force(args));
	redo_features_from_table(args, list);
	assert_string_equal(list, "low_water=3 ignore_discard");
	redo_features_to_table(list, false, args, sizeof(args));
	assert_string_equal(args, "3 low_water 3 ignore_discard");
	assert_false(redo_features_force(args));
	redo_features_from_table("", list);
	assert_string_equal(list, "");
}

static void tracking(void **state __unused)
{
	char args[256] = "4 low_water 3 ignore_discard force_base", list[REDO_FEATURES_SIZE];
	const u64 rdev = makedev(253, 7);

	assert_int_equal(redo_features_cbt(args), 0);
	assert_int_equal(redo_features_track(args, sizeof(args), REDO_TRACK, rdev), 0);
	assert_string_equal(args, "6 low_water 3 ignore_discard force_base cbt 253:7");
	assert_true(redo_features_cbt(args) == rdev);
	redo_features_from_table(args, list);
	assert_string_equal(list, "low_water=3 ignore_discard");
	/* Once only, and one or the other. */
	assert_int_equal(redo_features_track(args, sizeof(args), REDO_TRACK, rdev), 0);
	assert_string_equal(args, "6 low_water 3 ignore_discard force_base cbt 253:7");
	assert_int_equal(redo_features_track(args, sizeof(args), REDO_TRACK_NO_MORE, 0), 0);
	assert_string_equal(args, "5 low_water 3 ignore_discard force_base no_cbt");
	assert_int_equal(redo_features_cbt(args), 0);
	redo_features_from_table(args, list);
	assert_string_equal(list, "low_water=3 ignore_discard");
	assert_int_equal(redo_features_track(args, sizeof(args), REDO_TRACK_NOT, 0), 0);
	assert_string_equal(args, "4 low_water 3 ignore_discard force_base");
	strcpy(args, "3 cbt 253:7 low_water");	/* nonsense does not confuse it */
	assert_int_equal(redo_features_track(args, sizeof(args), REDO_TRACK, rdev), 0);
	assert_string_equal(args, "2 cbt 253:7");
	strcpy(args, "2 low_water cbt");
	assert_int_equal(redo_features_cbt(args), 0);
	strcpy(args, "");
	assert_int_equal(redo_features_track(args, sizeof(args), REDO_TRACK, rdev), 0);
	assert_string_equal(args, "2 cbt 253:7");
	assert_int_equal(redo_features_track(args, sizeof(args), REDO_TRACK_NOT, 0), 0);
	assert_string_equal(args, "");
	assert_int_equal(redo_features_track(args, 8, REDO_TRACK, rdev), -E2BIG);
}

/* All of them at once fit, and their table line into a struct redo_table. */
static void all_fit(void **state __unused)
{
	static const char *const all[] = {
		"error_if_no_space", "no_space_timeout=4294967295", "low_water=4294967295",
		"ignore_discard", "no_discard_passdown",
	};
	char list[REDO_FEATURES_SIZE] = "", back[REDO_FEATURES_SIZE];
	struct redo_table t;

	for (u32 i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(redo_features_set(list, all[i]), 0);
	redo_features_to_table(list, true, t.features, sizeof(t.features));
	assert_int_equal(strncmp(t.features, "8 ", 2), 0);
	assert_true(redo_features_force(t.features));
	redo_features_from_table(t.features, back);
	assert_string_equal(back, list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words), cmocka_unit_test(what_is_refused),
		cmocka_unit_test(tables), cmocka_unit_test(all_fit),
		cmocka_unit_test(tracking),
	};

	return cmocka_run_group_tests_name("features", tests, NULL, NULL);
}
