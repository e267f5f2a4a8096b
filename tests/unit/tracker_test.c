// SPDX-License-Identifier: GPL-2.0-or-later
/* Change ids, lists of them and bitmaps, on literal strings. */
#include "unit.h"

#define UUID "7b4a35c9-9dbb-4992-9219-ddc5f391d659"
#define UPPER "7B4A35C9-9DBB-4992-9219-DDC5F391D659"
#define HEAD UUID ",128,7 "

static void ids(void **state __unused)
{
	static const char *const bad[] = {
		"", "/", "1", UUID, UUID "/", UUID "/0", UUID "/01", UUID "/-1", UUID "/+1",
		UUID "/ 1", UUID "/1 ", UUID "/1/2", UUID "/18446744073709551616", UUID "1/1",
		"7b4a35c9-9dbb-4992-9219-ddc5f391d65/1", "7b4a35c9x9dbb-4992-9219-ddc5f391d659/1",
		UUID "/now",
	};
	char uuid[REDO_UUID_STR_SIZE], id[REDO_CHANGE_ID_SIZE];
	uint64_t n;

	assert_int_equal(redo_change_id_parse(UUID "/1", uuid, &n), 0);
	assert_string_equal(uuid, UUID);
	assert_int_equal(n, 1);
	assert_int_equal(redo_change_id_parse(UPPER "/18446744073709551615", uuid, &n), 0);
	assert_string_equal(uuid, UUID);
	assert_true(n == UINT64_MAX);
	/* The longest one fits. */
	assert_int_equal(redo_change_id_format(id, uuid, n), REDO_CHANGE_ID_SIZE - 1);
	assert_string_equal(id, UUID "/18446744073709551615");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(redo_change_id_parse(bad[i], uuid, &n), -EINVAL);
		assert_string_equal(uuid, "");
	}
}

static void labels(void **state __unused)
{
	static const char *const good[] = { "a", "nightly-2026-11-26", "\"x\\y'", "--", "~", "!" };
	static const char *const bad[] = { "", "-", "a b", "a\tb", "a\n", "a,b", "\xc3\xa4", "\x7f" };
	char longest[REDO_CHANGE_LABEL_SIZE + 1];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(redo_change_label_valid(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(redo_change_label_valid(bad[i]));
	memset(longest, 'x', sizeof(longest));
	longest[REDO_CHANGE_LABEL_SIZE - 1] = '\0';
	assert_true(redo_change_label_valid(longest));
	longest[REDO_CHANGE_LABEL_SIZE - 1] = 'x';
	longest[REDO_CHANGE_LABEL_SIZE] = '\0';
	assert_false(redo_change_label_valid(longest));
}

struct list {
	struct redo_change c[8];
	unsigned int nr, stop_at;
};

static int add(void *ctx, const struct redo_change *c)
{
	struct list *l = ctx;

	l->c[l->nr++] = *c;
	return l->nr == l->stop_at ? 42 : 0;
}

static void list(void **state __unused)
{
	struct redo_tracker_info info = { .virtual_bytes = 99 };
	struct list l = { .nr = 0 };
	uint64_t next = 5;
	bool more = true;

	assert_int_equal(redo_changes_parse(HEAD "3,1764140000,enable,1,- 6,1764150000,snapshot,4,s1 "
					    "7,1764160000,mark,7,a=b end",
					    &info, add, &l, &more, &next), 0);
	assert_false(more);
	assert_string_equal(info.uuid, UUID);
	assert_int_equal(info.block_bytes, 65536);
	assert_int_equal(info.current, 7);
	assert_int_equal(info.virtual_bytes, 99);
	assert_int_equal(l.nr, 3);
	assert_string_equal(l.c[0].id, UUID "/3");
	assert_int_equal(l.c[0].number, 3);
	assert_int_equal(l.c[0].first, 1);
	assert_int_equal(l.c[0].time, 1764140000);
	assert_string_equal(l.c[0].kind, "enable");
	assert_string_equal(l.c[0].label, "");
	assert_false(l.c[0].current);
	assert_string_equal(l.c[1].label, "s1");
	assert_string_equal(l.c[2].label, "a=b");
	assert_true(l.c[2].current);
	/* Cut; empty; without a callback; ended by it. */
	assert_int_equal(redo_changes_parse(HEAD "3,1,mark,3,x next=4", &info, NULL, NULL, &more,
					    &next), 0);
	assert_true(more);
	assert_int_equal(next, 4);
	assert_int_equal(redo_changes_parse(HEAD "end\n", &info, add, &l, &more, &next), 0);
	assert_int_equal(l.nr, 3);
	l = (struct list){ .stop_at = 1 };
	assert_int_equal(redo_changes_parse(HEAD "3,1,mark,3,x 4,1,mark,4,x end", &info, add, &l,
					    &more, &next), 42);
	assert_int_equal(l.nr, 1);
}

static void what_is_no_list(void **state __unused)
{
	static const char *const bad[] = {
		"", "end", UUID, UUID ",128 end", UUID ",127,7 end", UUID ",0,7 end",
		UUID ",128,0 end", UUID ",8388608,7 end", "x,128,7 end", HEAD, HEAD "3,1,mark,3,x",
		HEAD "end 3,1,mark,3,x", HEAD "end end", HEAD "next= ", HEAD "next=-1",
		HEAD "next=4 end", HEAD "3,1,mark,3 end", HEAD "3,1,mark,3, end",
		HEAD "3,1,,3,x end", HEAD "3,1,mark,4,x end", HEAD "3,1,mark,0,x end",
		HEAD "8,1,mark,8,x end",	/* later than the current one */
		HEAD "3,1,mark,3,x 3,1,mark,3,x end", HEAD "4,1,mark,4,x 5,1,mark,4,x end",
		HEAD "-3,1,mark,3,x end", HEAD "3,x,mark,3,x end",
		HEAD "3,1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,3,x end",
	};
	struct redo_tracker_info info;
	uint64_t next;
	bool more;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(redo_changes_parse(bad[i], &info, NULL, NULL, &more, &next),
				 -EINVAL);
}

/* Nothing that went wrong looks like "nothing has changed". */
static void errors(void **state __unused)
{
	static const struct {
		int r;
		enum redo_tracker_error error;
		bool full;
	} t[] = {
		{ 0, REDO_TRACKER_NO_ERROR, false },
		{ -ENOENT, REDO_TRACKER_UNKNOWN_ID, true },
		{ -EXDEV, REDO_TRACKER_FOREIGN_ID, true },
		{ -ESTALE, REDO_TRACKER_DROPPED_ID, true },
		{ -EUCLEAN, REDO_TRACKER_DAMAGED, true },
		{ -ENODATA, REDO_TRACKER_NOT_TRACKED, true },
		{ -ETIMEDOUT, REDO_TRACKER_TIMED_OUT, false },
		{ -ECANCELED, REDO_TRACKER_CANCELLED, false },
		{ -EINVAL, REDO_TRACKER_BAD_ID, false },
		{ -ERANGE, REDO_TRACKER_BAD_RANGE, false },
		{ -EIO, REDO_TRACKER_OTHER, false },
		{ 7, REDO_TRACKER_OTHER, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(redo_tracker_error(t[i].r), t[i].error);
		assert_int_equal(redo_tracker_take_full(t[i].error), t[i].full);
	}
	for (int r = -4095; r < 0; r++)
		assert_int_not_equal(redo_tracker_error(r), REDO_TRACKER_NO_ERROR);
}

static void bitmap(void **state __unused)
{
	struct redo_bitmap m;

	/* 17 blocks and a half: 18 bits in 3 bytes */
	assert_int_equal(redo_bitmap_init(&m, 17 * 65536 + 32768, 65536), 0);
	assert_int_equal(m.blocks, 18);
	assert_int_equal(m.bytes, 3);
	assert_int_equal(redo_bitmap_set_range(&m, 0, 1), 0);
	assert_int_equal(redo_bitmap_set_range(&m, 127, 2), 0);
	assert_int_equal(redo_bitmap_set_range(&m, 9 * 128, 128), 0);
	assert_int_equal(redo_bitmap_set_range(&m, 17 * 128 + 63, 1), 0);
	assert_int_equal(redo_bitmap_set_range(&m, 17 * 128 + 64, 0), 0);
	assert_int_equal(m.bits[0], 0x03);
	assert_int_equal(m.bits[1], 0x02);
	assert_int_equal(m.bits[2], 0x02);
	assert_int_equal(m.set, 4);
	assert_true(redo_bitmap_test(&m, 9));
	assert_false(redo_bitmap_test(&m, 8));
	assert_false(redo_bitmap_test(&m, 18));
	assert_false(redo_bitmap_test(&m, UINT64_MAX));
	assert_int_equal(redo_bitmap_set_range(&m, 17 * 128 + 63, 2), -ERANGE);
	assert_int_equal(redo_bitmap_set_range(&m, UINT64_MAX, 2), -ERANGE);
	assert_int_equal(redo_bitmap_set_range(&m, 1, UINT64_MAX), -ERANGE);
	assert_int_equal(m.set, 4);
	redo_bitmap_free(&m);
	assert_null(m.bits);
	assert_int_equal(redo_bitmap_init(&m, 0, 4096), 0);
	assert_int_equal(m.blocks, 0);
	assert_int_equal(redo_bitmap_set_range(&m, 0, 1), -ERANGE);
	redo_bitmap_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids), cmocka_unit_test(labels), cmocka_unit_test(list),
		cmocka_unit_test(what_is_no_list), cmocka_unit_test(errors),
		cmocka_unit_test(bitmap),
	};

	return cmocka_run_group_tests_name("tracker", tests, NULL, NULL);
}
