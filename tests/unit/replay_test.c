// SPDX-License-Identifier: GPL-2.0-or-later
/* Where a journal ends, and what counts. */
#include "image.h"

struct log {
	struct redo_extent e[600];
	u64 commit[600];
	int nr, bad;
};

static int on_extent(void *ctx, u64 commit, const struct redo_extent *e)
{
	struct log *l = ctx;

	l->commit[l->nr] = commit;
	l->e[l->nr++] = *e;
	return 0;
}

static void on_bad(void *ctx, u64 commit __unused, u64 seq __unused, u32 record __unused,
		   const char *why __unused)
{
	((struct log *)ctx)->bad++;
}

static int replay(struct image *im, struct log *l, struct redo_replay *r)
{
	struct redo_replay_ops ops = { .ctx = l, .extent = on_extent, .bad = on_bad };

	memset(l, 0, sizeof(*l));
	return redo_replay_journal(&im->io, &im->sb, &ops, r);
}

static const struct redo_extent one = { .logical = 100, .phys = 5000, .len = 3, .type = REDO_REC_MAP };
static const struct redo_extent two = { .logical = 7, .len = 1000, .type = REDO_REC_ZERO };

static struct log l;
static struct redo_replay r;

static void empty(void **state __unused)
{
	struct image im;

	image_blank(&im);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 0);
	assert_int_equal(r.next_seq, im.sb.replay_seq);
	assert_false(r.torn);
	image_free(&im);
}

static void in_order(void **state __unused)
{
	struct image im;

	image_filled(&im);
	image_commit(&im, 1000, 50, 0, 1, &one, 1);
	image_commit(&im, 1001, 51, 0, 2, &two, 1);
	image_commit(&im, 1002, 51, 1, 2, &one, 1);
	image_commit(&im, 1003, 52, 0, 1, NULL, 0);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 3);
	assert_int_equal(r.blocks, 4);
	assert_int_equal(r.next_seq, 1004);
	assert_int_equal(r.next_commit, 53);
	assert_int_equal(l.nr, 3);
	assert_int_equal(l.e[0].logical, 100);
	assert_int_equal(l.e[0].phys, 5000);
	assert_int_equal(l.commit[1], 51);
	assert_int_equal(l.e[1].len, 1000);
	assert_false(r.torn);
	image_free(&im);
}

static void torn_commit(void **state __unused)
{
	struct image im;

	image_filled(&im);
	image_commit(&im, 1000, 50, 0, 1, &one, 1);
	image_commit(&im, 1001, 51, 0, 3, &two, 1);
	image_commit(&im, 1002, 51, 1, 3, &two, 1);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 1);
	assert_int_equal(l.nr, 1);
	assert_true(r.torn);
	assert_int_equal(r.torn_valid, 2);
	assert_int_equal(r.torn_total, 3);
	assert_false(r.hole);
	/* A whole commit behind it: then it was not torn, a block was lost. */
	image_commit(&im, 1004, 52, 0, 1, &one, 1);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 1);
	assert_true(r.hole);
	assert_int_equal(r.hole_seq, 1004);
	/* Unless it is of another incarnation... */
	im.sb.incarnation ^= 1;
	image_commit(&im, 1004, 52, 0, 1, &one, 1);
	im.sb.incarnation ^= 1;
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_false(r.hole);
	/* ...which may be the right one, where the other slot is spoilt. */
	((u8 *)image_block(&im, REDO_SUPER_BLOCK_A))[100] ^= 1;
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_true(r.hole);
	image_free(&im);
}

/* Another incarnation's commit lies there: of a lost superblock, or of the past? */
static void slot_lost(void **state __unused)
{
	struct image im;

	image_filled(&im);
	im.sb.incarnation ^= 1;
	image_commit(&im, 1000, 50, 0, 1, &one, 1);
	im.sb.incarnation ^= 1;
	/* Format leaves a slot blank, but this is generation 2. */
	memset(image_block(&im, REDO_SUPER_BLOCK_A), 0, REDO_BLOCK_SIZE);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_true(r.hole);
	im.sb.generation = 1;
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_false(r.hole);
	im.sb.generation = 2;
	/* Unreadable, or torn. */
	im.fail_at = REDO_SUPER_BLOCK_A;
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_true(r.hole);
	im.fail_at = 0;
	memset(image_block(&im, REDO_SUPER_BLOCK_A), 0x55, REDO_BLOCK_SIZE);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_true(r.hole);
	/* Clean: nothing of this superblock is missing, but of another one there may be. */
	im.sb.flags |= REDO_SB_CLEAN;
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_true(r.hole);
	image_free(&im);
}

/* Behind the end nothing is missing that we know of; unless a superblock is. */
static void read_error_beyond(void **state __unused)
{
	struct image im;

	image_filled(&im);
	image_commit(&im, 1000, 50, 0, 1, &one, 1);
	im.fail_at = redo_journal_blocknr(REDO_JOURNAL_START, REDO_JOURNAL_BLOCKS, 1004);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 1);
	assert_false(r.hole);
	memset(image_block(&im, REDO_SUPER_BLOCK_A), 0, REDO_BLOCK_SIZE);
	assert_int_equal(replay(&im, &l, &r), -EIO);
	image_free(&im);
}

/* The ring's last turn: whole commits, but of smaller sequences. */
static void older_turn(void **state __unused)
{
	struct image im;

	image_filled(&im);
	im.sb.replay_seq = 3 * REDO_JOURNAL_BLOCKS + 5;
	for (u32 i = 0; i < REDO_JOURNAL_BLOCKS; i++)
		image_commit(&im, 2 * REDO_JOURNAL_BLOCKS + 5 + i, 50 - i % 50, 0, 1, &one, 1);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 0);
	assert_false(r.torn);
	assert_false(r.hole);
	image_free(&im);
}

static void one_bit(void **state __unused)
{
	struct image im;
	u8 *block;

	image_filled(&im);
	image_commit(&im, 1000, 50, 0, 1, &one, 1);
	block = image_block(&im, redo_journal_blocknr(REDO_JOURNAL_START, REDO_JOURNAL_BLOCKS, 1000));
	for (u32 i = 0; i < REDO_BLOCK_SIZE; i += 13) {
		block[i] ^= 4;
		assert_int_equal(replay(&im, &l, &r), 0);
		assert_int_equal(r.commits, 0);
		block[i] ^= 4;
	}
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 1);
	image_free(&im);
}

static void stale_incarnation(void **state __unused)
{
	struct image im;

	image_filled(&im);
	image_commit(&im, 1000, 50, 0, 1, &one, 1);
	im.sb.incarnation ^= 1;		/* a later activation drew another */
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 0);
	assert_string_equal(r.end, "a block of another incarnation");
	image_free(&im);
}

static void gaps(void **state __unused)
{
	struct image im;

	image_filled(&im);
	image_commit(&im, 1001, 51, 0, 1, &one, 1);	/* 1000 is missing */
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 0);
	image_commit(&im, 1000, 49, 0, 1, &one, 1);	/* commit number too low */
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 0);
	image_commit(&im, 1000, 51, 0, 1, &one, 1);	/* too high */
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 0);
	image_commit(&im, 1000, 50, 1, 2, &one, 1);	/* second half only */
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 0);
	image_commit(&im, 1000, 50, 0, 2, &one, 1);	/* length changes within it */
	image_commit(&im, 1001, 50, 1, 3, &one, 1);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 0);
	assert_true(r.torn);
	image_commit(&im, 1000, 50, 0, REDO_JOURNAL_BLOCKS + 1, &one, 1);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 0);
	image_free(&im);
}

static void wrap_around(void **state __unused)
{
	struct image im;

	image_filled(&im);
	im.sb.replay_seq = 5 * REDO_JOURNAL_BLOCKS - 1;
	image_commit(&im, 5 * REDO_JOURNAL_BLOCKS - 1, 50, 0, 2, &one, 1);
	image_commit(&im, 5 * REDO_JOURNAL_BLOCKS, 50, 1, 2, &two, 1);
	image_commit(&im, 5 * REDO_JOURNAL_BLOCKS + 1, 51, 0, 1, &one, 1);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, 2);
	assert_int_equal(l.nr, 3);
	image_free(&im);
}

static void whole_ring(void **state __unused)
{
	struct image im;

	image_filled(&im);
	for (u32 i = 0; i < REDO_JOURNAL_BLOCKS; i++)
		image_commit(&im, 1000 + i, 50 + i, 0, 1, i < 500 ? &one : NULL, i < 500);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(r.commits, REDO_JOURNAL_BLOCKS);
	assert_int_equal(l.nr, 500);
	image_free(&im);
}

static void read_error_is_no_end(void **state __unused)
{
	struct image im;

	image_filled(&im);
	image_commit(&im, 1000, 50, 0, 1, &one, 1);
	im.fail_at = redo_journal_blocknr(REDO_JOURNAL_START, REDO_JOURNAL_BLOCKS, 1001);
	assert_int_equal(replay(&im, &l, &r), -EIO);
	image_free(&im);
}

static void records(void **state __unused)
{
	static const struct redo_extent bad[] = {
		{ .logical = IMAGE_VIRTUAL_SECTORS / 8, .len = 1, .type = REDO_REC_ZERO },
		{ .logical = 0, .len = IMAGE_VIRTUAL_SECTORS / 8 + 1, .type = REDO_REC_ZERO },
		{ .logical = IMAGE_VIRTUAL_SECTORS / 8 - 1, .len = 2, .phys = 5000,
		  .type = REDO_REC_MAP },
		{ .logical = 0, .len = 1, .type = 9 },
		{ .logical = 0, .len = 0, .phys = 5000, .type = REDO_REC_MAP },
	};
	static const struct redo_extent last = {
		.logical = IMAGE_VIRTUAL_SECTORS / 8 - 1, .len = 1, .phys = 5000,
		.type = REDO_REC_MAP };
	struct image im;

	image_filled(&im);
	image_commit(&im, 1000, 50, 0, 1, bad, ARRAY_SIZE(bad));
	image_commit(&im, 1001, 51, 0, 1, &last, 1);
	assert_int_equal(replay(&im, &l, &r), 0);
	assert_int_equal(l.bad, ARRAY_SIZE(bad));
	assert_int_equal(l.nr, 1);
	image_free(&im);
}

/* Mapped anew, mapped over, zeroed, mapped twice: the tree of image_filled() has 11. */
static void what_is_used(void **state __unused)
{
	static const struct redo_extent e[] = {
		{ .logical = 100, .phys = 5000, .len = 3, .type = REDO_REC_MAP },
		{ .logical = 8, .phys = 5003, .len = 4, .type = REDO_REC_MAP },
		{ .logical = 0, .len = 2, .type = REDO_REC_ZERO },
		{ .logical = 101, .phys = 5007, .len = 1, .type = REDO_REC_MAP },
		{ .logical = 700, .len = 5, .type = REDO_REC_ZERO },
	};
	struct image im;
	u64 used;

	image_filled(&im);
	assert_int_equal(redo_data_used(&im.io, &im.sb, &used), 0);
	assert_int_equal(used, 11);
	image_commit(&im, 1000, 50, 0, 1, e, 2);
	assert_int_equal(redo_data_used(&im.io, &im.sb, &used), 0);
	assert_int_equal(used, 11 + 3 + 4 - 2);
	image_commit(&im, 1001, 51, 0, 1, e + 2, 3);
	assert_int_equal(redo_data_used(&im.io, &im.sb, &used), 0);
	assert_int_equal(used, 11 + 3 + 4 - 2 - 2);
	im.sb.flags |= REDO_SB_CLEAN;
	im.fail_at = im.sb.journal_start;
	assert_int_equal(redo_data_used(&im.io, &im.sb, &used), 0);
	assert_int_equal(used, 11);
	image_free(&im);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty), cmocka_unit_test(in_order), cmocka_unit_test(torn_commit),
		cmocka_unit_test(older_turn), cmocka_unit_test(slot_lost),
		cmocka_unit_test(read_error_beyond),
		cmocka_unit_test(one_bit), cmocka_unit_test(stale_incarnation),
		cmocka_unit_test(gaps), cmocka_unit_test(wrap_around), cmocka_unit_test(whole_ring),
		cmocka_unit_test(read_error_is_no_end), cmocka_unit_test(records), cmocka_unit_test(what_is_used),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
