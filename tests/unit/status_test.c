// SPDX-License-Identifier: GPL-2.0-or-later
/* Literal lines, as the target prints them. */
#include "unit.h"

#define UUID "7b4a35c9-9dbb-4992-9219-ddc5f391d659"

static void writable(void **state __unused)
{
	struct redo_status s;

	assert_int_equal(redo_status_parse("rw 2 8 64 5 12345 67 3 12/1024 low_water 9 100 7 " UUID,
					   &s), 0);
	assert_int_equal(s.mode, REDO_CHAIN_RW);
	assert_int_equal(s.nr_deltas, 2);
	assert_int_equal(s.grain_sectors, 8);
	assert_int_equal(s.units_total, 64);
	assert_int_equal(s.units_taken, 5);
	assert_int_equal(s.grains_used, 12345);
	assert_int_equal(s.meta_used, 67);
	assert_int_equal(s.meta_dirty, 3);
	assert_int_equal(s.journal_used, 12);
	assert_int_equal(s.journal_blocks, 1024);
	assert_int_equal(s.space, REDO_CHAIN_SPACE_LOW);
	assert_int_equal(s.leaves_resident, 9);
	assert_int_equal(s.commits, 100);
	assert_int_equal(s.checkpoints, 7);
	assert_string_equal(s.active_uuid, UUID);
}

static void passthrough(void **state __unused)
{
	struct redo_status s;

	assert_int_equal(redo_status_parse("passthrough 0 0 0 0 0 0 0 0/0 ok 0 0 0 -", &s), 0);
	assert_int_equal(s.mode, REDO_CHAIN_PASSTHROUGH);
	assert_string_equal(s.active_uuid, "");
}

static void other_words(void **state __unused)
{
	static const struct {
		const char *line;
		enum redo_chain_mode mode;
		enum redo_space space;
	} t[] = {
		{ "Fail", REDO_CHAIN_FAIL, REDO_CHAIN_SPACE_OK },
		{ "Error", REDO_CHAIN_ERROR, REDO_CHAIN_SPACE_OK },
		{ "Fail ", REDO_CHAIN_FAIL, REDO_CHAIN_SPACE_OK },
		{ "ro 1 8 1 1 0 0 0 0/1024 ok 0 0 0 " UUID, REDO_CHAIN_RO, REDO_CHAIN_SPACE_OK },
		{ "view 1 8 1 1 0 0 0 0/1024 ok 0 0 0 " UUID, REDO_CHAIN_VIEW,
		  REDO_CHAIN_SPACE_OK },
		{ "rw 1 8 1 1 0 0 0 0/1024 out_of_space_queueing 0 0 0 " UUID, REDO_CHAIN_RW,
		  REDO_CHAIN_SPACE_QUEUEING },
		{ "rw 1 8 1 1 0 0 0 0/1024 out_of_space_erroring 0 0 0 " UUID, REDO_CHAIN_RW,
		  REDO_CHAIN_SPACE_ERRORING },
		{ "rw 1 8 1 1 0 0 0 0/1024 ok 0 0 0 " UUID " new words 1/2", REDO_CHAIN_RW,
		  REDO_CHAIN_SPACE_OK },
		{ "rw 4294967295 8 18446744073709551615 1 0 0 0 0/1024 ok 0 0 0 " UUID,
		  REDO_CHAIN_RW, REDO_CHAIN_SPACE_OK },
	};
	struct redo_status s;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(redo_status_parse(t[i].line, &s), 0);
		assert_int_equal(s.mode, t[i].mode);
		assert_int_equal(s.space, t[i].space);
	}
}

static void refused(void **state __unused)
{
	static const char *const t[] = {
		"", " ", "rw", "fail", "Fail 1", "Error now", "w 1 8 1 1 0 0 0 0/1024 ok 0 0 0 -",
		"rw 1 8 1 1 0 0 0 0/1024 ok 0 0 0",
		"rw 1 8 1 1 0 0 0 0 ok 0 0 0 -",
		"rw 1 8 1 1 0 0 0 0/ ok 0 0 0 -",
		"rw 1 8 1 1 0 0 0 /9 ok 0 0 0 -",
		"rw -1 8 1 1 0 0 0 0/1024 ok 0 0 0 -",
		"rw +1 8 1 1 0 0 0 0/1024 ok 0 0 0 -",
		"rw 0x1 8 1 1 0 0 0 0/1024 ok 0 0 0 -",
		"rw 4294967296 8 1 1 0 0 0 0/1024 ok 0 0 0 -",
		"rw 1 8 18446744073709551616 1 0 0 0 0/1024 ok 0 0 0 -",
		"rw 1 8 1 1 0 0 0 0/1024 full 0 0 0 -",
		"rw 1 8 1 1 0 0 0 0/1024 ok 0 0 0 7b4a35c9",
		"rw 1 8 1 1 0 0 0 0/1024 ok 0 0 0 7b4a35c9-9dbb-4992-9219-ddc5f391d65x",
		"rw 1 8 1 1 0 0 0 0/1024 ok 0 0 0 7b4a35c99dbb-4992-9219-ddc5f391d6590",
		"rw 1 8 1 1 0 0 0 0/1024 ok 0 0 0 " UUID "0",
		"0 2048 redo rw 1 8 1 1 0 0 0 0/1024 ok 0 0 0 -",
	};
	struct redo_status s;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (redo_status_parse(t[i], &s) != -EINVAL)
			fail_msg("'%s' was taken", t[i]);
}

struct ranges {
	u64 start[8], sectors[8];
	int nr, stop_at;
};

static int keep_range(void *ctx, uint64_t start, uint64_t sectors)
{
	struct ranges *r = ctx;

	r->start[r->nr] = start;
	r->sectors[r->nr++] = sectors;
	return r->nr == r->stop_at ? 7 : 0;
}

static void allocated(void **state __unused)
{
	struct ranges r = { .nr = 0 };
	uint64_t next = 0;
	bool more;

	assert_int_equal(redo_allocated_parse("0+8 64+1024 end", keep_range, &r, &more, &next), 0);
	assert_false(more);
	assert_int_equal(r.nr, 2);
	assert_int_equal(r.start[1], 64);
	assert_int_equal(r.sectors[1], 1024);
	assert_int_equal(redo_allocated_parse("end", keep_range, &r, &more, &next), 0);
	r.nr = 0;
	assert_int_equal(redo_allocated_parse("8+8 next=4096\n", keep_range, &r, &more, &next), 0);
	assert_true(more);
	assert_int_equal(next, 4096);
	assert_int_equal(redo_allocated_parse("1+1 2+2 end", NULL, NULL, &more, &next), 0);
	r = (struct ranges){ .stop_at = 1 };
	assert_int_equal(redo_allocated_parse("1+1 2+2 end", keep_range, &r, &more, &next), 7);
	assert_int_equal(r.nr, 1);
}

static void allocated_refused(void **state __unused)
{
	static const char *const t[] = {
		"", "0+8", "0+8 64", "0+0 end", "a+b end", "0+8 end 1+1", "next=", "next=x",
		"next=1 end", "0 + 8 end", "-1+8 end", "0+-8 end", "1+2+3 end",
	};
	uint64_t next;
	bool more;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (redo_allocated_parse(t[i], NULL, NULL, &more, &next) != -EINVAL)
			fail_msg("'%s' was taken", t[i]);
}

static void table_line(void **state __unused)
{
	struct redo_table t;
	char *text;

	assert_int_equal(redo_table_parse("7:0 2 7:1 253:12", &t), 0);
	assert_int_equal(t.nr_deltas, 2);
	text = redo_table_format(&t);
	assert_string_equal(text, "7:0 2 7:1 253:12");
	free(text);
	assert_int_equal(redo_table_parse("7:0 0 2 low_water 4", &t), 0);
	assert_int_equal(t.nr_deltas, 0);
	assert_string_equal(t.features, "2 low_water 4");
	text = redo_table_format(&t);
	assert_string_equal(text, "7:0 0 2 low_water 4");
	free(text);
}

static void table_refused(void **state __unused)
{
	static const char *const t[] = {
		"", "7:0", "7:0 1", "7:0 x", "7:0 257", "7:0 -1", "nix 0", "7 0", "7:0 1 7",
		"/dev/there/is/none 0", "7:0:1 0",
	};
	struct redo_table table;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (redo_table_parse(t[i], &table) != -EINVAL)
			fail_msg("'%s' was taken", t[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writable), cmocka_unit_test(passthrough),
		cmocka_unit_test(other_words), cmocka_unit_test(refused),
		cmocka_unit_test(allocated), cmocka_unit_test(allocated_refused),
		cmocka_unit_test(table_line), cmocka_unit_test(table_refused),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
