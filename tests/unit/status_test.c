// SPDX-License-Identifier: GPL-2.0-or-later
/* Literal lines, as the target prints them. */
#include "unit.h"

#define UUID "7b4a35c9-9dbb-4992-9219-ddc5f391d659"
#define UUID2 "01234567-89ab-cdef-0123-456789abcdef"
#define LINE "rw 2 8 64 5 12345 67 3 12/1024 ok 9 100 7 " UUID
#define NO_MERGE " none - - - 0/0 0 100% -"
#define NO_CBT " off - 0/0"

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
		{ "rw 1 8 1 1 0 0 0 0/1024 ok 0 0 0 " UUID NO_MERGE NO_CBT " new words 1/2",
		  REDO_CHAIN_RW, REDO_CHAIN_SPACE_OK },
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

static void merging(void **state __unused)
{
	struct redo_status s;

	assert_int_equal(redo_status_parse(LINE, &s), 0);
	assert_int_equal(s.merge.run, REDO_MERGE_RUN_NONE);
	assert_int_equal(redo_status_parse(LINE NO_MERGE, &s), 0);
	assert_int_equal(s.merge.run, REDO_MERGE_RUN_NONE);
	assert_int_equal(s.merge.kind, REDO_MERGE_KIND_IS_NONE);
	assert_string_equal(s.merge.source_uuid, "");
	assert_false(s.merge.to_base);

	assert_int_equal(redo_status_parse(LINE " running sealed " UUID " " UUID2
					   " 3/10 2048 20% -", &s), 0);
	assert_int_equal(s.merge.run, REDO_MERGE_RUN_RUNNING);
	assert_int_equal(s.merge.kind, REDO_MERGE_KIND_IS_SEALED);
	assert_string_equal(s.merge.source_uuid, UUID);
	assert_string_equal(s.merge.target_uuid, UUID2);
	assert_false(s.merge.to_base);
	assert_int_equal(s.merge.done, 3);
	assert_int_equal(s.merge.total, 10);
	assert_int_equal(s.merge.kib_per_s, 2048);
	assert_string_equal(s.merge.throttle, "20%");
	assert_int_equal(s.merge.error, 0);

	assert_int_equal(redo_status_parse(LINE " failed all " UUID
					   " base 3/10 0 50MiB 5@2048+64", &s), 0);
	assert_int_equal(s.merge.run, REDO_MERGE_RUN_FAILED);
	assert_int_equal(s.merge.kind, REDO_MERGE_KIND_IS_ALL);
	assert_true(s.merge.to_base);
	assert_string_equal(s.merge.target_uuid, "");
	assert_string_equal(s.merge.throttle, "50MiB");
	assert_int_equal(s.merge.error, 5);
	assert_int_equal(s.merge.error_sector, 2048);
	assert_int_equal(s.merge.error_sectors, 64);
}

static void merge_states(void **state __unused)
{
	static const struct {
		const char *words;
		enum redo_merge_run run;
		enum redo_merge_kind kind;
	} t[] = {
		{ "paused active " UUID " base", REDO_MERGE_RUN_PAUSED, REDO_MERGE_KIND_IS_ACTIVE },
		{ "held sealed " UUID " " UUID2, REDO_MERGE_RUN_HELD, REDO_MERGE_KIND_IS_SEALED },
		{ "full active " UUID " " UUID2, REDO_MERGE_RUN_FULL, REDO_MERGE_KIND_IS_ACTIVE },
		{ "done all " UUID " base", REDO_MERGE_RUN_DONE, REDO_MERGE_KIND_IS_ALL },
	};
	struct redo_status s;
	char line[256];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		snprintf(line, sizeof(line), LINE " %s 1/2 3 1%% -", t[i].words);
		assert_int_equal(redo_status_parse(line, &s), 0);
		assert_int_equal(s.merge.run, t[i].run);
		assert_int_equal(s.merge.kind, t[i].kind);
	}
	/* After the end of the last one there is no delta left */
	assert_int_equal(redo_status_parse("passthrough 0 0 0 0 0 0 0 0/0 ok 0 0 0 - done active "
					   UUID " base 7/7 0 100% -", &s), 0);
	assert_int_equal(s.mode, REDO_CHAIN_PASSTHROUGH);
	assert_int_equal(s.merge.run, REDO_MERGE_RUN_DONE);
}

static void merge_refused(void **state __unused)
{
	static const char *const t[] = {
		" none", " none - - - 0/0 0 100%", " merging - - - 0/0 0 100% -",
		" none none - - 0/0 0 100% -", " running sealed " UUID " there 0/0 0 100% -",
		" running sealed x " UUID " 0/0 0 100% -", " none - - - 0 0 100% -",
		" none - - - 0/0 x 100% -", " none - - - 0/0 0 0% -", " none - - - 0/0 0 101% -",
		" none - - - 0/0 0 20 -", " none - - - 0/0 0 20MB -", " none - - - 0/0 0 100% 5",
		" none - - - 0/0 0 100% 5@1", " none - - - 0/0 0 100% 0@1+1",
		" none - - - 0/0 0 100% 5@x+1", " none - - - 0/0 0 100% 5@1+",
	};
	struct redo_status s;
	char line[256];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		snprintf(line, sizeof(line), LINE "%s", t[i]);
		if (redo_status_parse(line, &s) != -EINVAL)
			fail_msg("'%s' was taken", t[i]);
	}
}

static void throttles(void **state __unused)
{
	static const char *const bad[] = {
		"", "0", "0%", "101", "-1", "+1", " 1", "1.5", "0MiB", "20mib", "20M", "20 MiB",
		"4294967296MiB", "20%%", "MiB", "%",
	};
	unsigned int value;
	bool mib;

	assert_int_equal(redo_throttle_parse("20", &value, &mib), 0);
	assert_int_equal(value, 20);
	assert_false(mib);
	assert_int_equal(redo_throttle_parse("100%", &value, &mib), 0);
	assert_int_equal(value, 100);
	assert_int_equal(redo_throttle_parse("500MiB", &value, &mib), 0);
	assert_int_equal(value, 500);
	assert_true(mib);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (redo_throttle_parse(bad[i], &value, &mib) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
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

static void tracking(void **state __unused)
{
	static const struct {
		const char *words;
		enum redo_tracking state;
		const char *id;
		uint64_t used, total;
	} t[] = {
		{ "", REDO_TRACKING_OFF, "", 0, 0 },
		{ " off - 0/0", REDO_TRACKING_OFF, "", 0, 0 },
		{ " ok " UUID "/7 402/4096", REDO_TRACKING_OK, UUID "/7", 402, 4096 },
		{ " rebuilding " UUID "/18446744073709551615 1/2", REDO_TRACKING_REBUILDING,
		  UUID "/18446744073709551615", 1, 2 },
		{ " broken - 0/4096", REDO_TRACKING_BROKEN, "", 0, 4096 },
		{ " broken " UUID "/3 9/4096", REDO_TRACKING_BROKEN, UUID "/3", 9, 4096 },
		{ " point " UUID "/3 0/0", REDO_TRACKING_POINT, UUID "/3", 0, 0 },
		{ " ok " UUID "/1 0/1 and more", REDO_TRACKING_OK, UUID "/1", 0, 1 },
	};
	static const char *const bad[] = {
		" on - 0/0", " ok", " ok -", " ok " UUID " 0/0", " ok " UUID "/0 0/0",
		" ok " UUID "/1", " ok " UUID "/1 0", " ok " UUID "/1 0/x", " ok x 0/0",
		" ok " UUID "/184467440737095516150 0/0",
	};
	struct redo_status s;
	char line[512];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		snprintf(line, sizeof(line), "%s%s", LINE NO_MERGE, t[i].words);
		assert_int_equal(redo_status_parse(line, &s), 0);
		assert_int_equal(s.tracking.state, t[i].state);
		assert_string_equal(s.tracking.change_id, t[i].id);
		assert_int_equal(s.tracking.blocks_used, t[i].used);
		assert_int_equal(s.tracking.blocks_total, t[i].total);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(line, sizeof(line), "%s%s", LINE NO_MERGE, bad[i]);
		assert_int_equal(redo_status_parse(line, &s), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writable), cmocka_unit_test(passthrough),
		cmocka_unit_test(other_words), cmocka_unit_test(refused),
		cmocka_unit_test(merging), cmocka_unit_test(merge_states),
		cmocka_unit_test(merge_refused), cmocka_unit_test(throttles),
		cmocka_unit_test(allocated), cmocka_unit_test(allocated_refused),
		cmocka_unit_test(table_line), cmocka_unit_test(table_refused),
		cmocka_unit_test(tracking),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
