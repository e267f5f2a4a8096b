// SPDX-License-Identifier: GPL-2.0-or-later
/* Which of the two superblock slots is taken, and when none is. */
#include "image.h"

static struct found f;

/* Slot A is the newer one, changed by @change; B is as image_filled() left it. */
static int read_newer(struct image *im, void (*change)(struct redo_disk_super *ds))
{
	struct redo_super newer, sb;

	image_filled(im);
	newer = im->sb;
	newer.slot = 0;
	newer.generation = 3;
	redo_pack_super(image_block(im, REDO_SUPER_BLOCK_A), &newer);
	change(image_block(im, REDO_SUPER_BLOCK_A));
	return redo_read_super(&im->io, "x", &sb) ? : (int)sb.generation;
}

static void reseal(struct redo_disk_super *ds) { redo_seal_block(ds, REDO_SUPER_SIZE); }
static void nothing(struct redo_disk_super *ds __unused) { }
static void version(struct redo_disk_super *ds) { ds->version = cpu_to_le32(2); reseal(ds); }
static void incompat(struct redo_disk_super *ds) { ds->incompat = cpu_to_le64(2); reseal(ds); }
static void field(struct redo_disk_super *ds) { ds->state = cpu_to_le32(9); reseal(ds); }
static void address(struct redo_disk_super *ds) { ds->header.blocknr = cpu_to_le64(2); reseal(ds); }
static void torn(struct redo_disk_super *ds) { ((u8 *)ds)[300] ^= 1; }
static void garbage(struct redo_disk_super *ds) { memset(ds, 0x55, REDO_BLOCK_SIZE); }
static void blank(struct redo_disk_super *ds) { memset(ds, 0, REDO_BLOCK_SIZE); }

/* What was not torn may be the one in force: the older one is not taken instead. */
static void refused(void **state __unused)
{
	static const struct {
		void (*change)(struct redo_disk_super *ds);
		const char *why;
	} t[] = {
		{ version, "slot A: unknown format version" },
		{ incompat, "slot A: unknown incompatible feature" },
		{ field, "slot A: field out of range" },
		{ address, "slot A: address of another block" },
	};
	struct image im;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(read_newer(&im, t[i].change), -EUCLEAN);
		assert_non_null(strstr(redo_last_error(), t[i].why));
		image_check(&im, &f);
		assert_true(found_has(&f, t[i].why));
		assert_true(found_has(&f, "may be the one in force"));
		image_free(&im);
	}
}

static void other_uuid(struct redo_disk_super *ds) { ds->header.uuid[0] ^= 1; reseal(ds); }

static void two_deltas(void **state __unused)
{
	struct image im;

	assert_int_equal(read_newer(&im, other_uuid), -EUCLEAN);
	assert_non_null(strstr(redo_last_error(), "different deltas"));
	image_check(&im, &f);
	assert_true(found_has(&f, "different deltas"));
	image_free(&im);
}

static void taken(void **state __unused)
{
	struct image im;

	assert_int_equal(read_newer(&im, nothing), 3);
	image_free(&im);
	assert_int_equal(read_newer(&im, torn), 2);
	image_free(&im);
	assert_int_equal(read_newer(&im, garbage), 2);
	image_free(&im);
	assert_int_equal(read_newer(&im, blank), 2);
	image_free(&im);
}

static void unreadable(void **state __unused)
{
	struct redo_super sb;
	struct image im;

	image_filled(&im);
	im.fail_at = REDO_SUPER_BLOCK_A;
	assert_int_equal(redo_read_super(&im.io, "x", &sb), 0);
	assert_int_equal(sb.generation, 2);
	image_check(&im, &f);
	assert_int_equal(f.nr, 1);
	assert_true(found_has(&f, "superblock slot A: Input/output error"));
	/* With nothing valid beside it, it is an error and not "no delta". */
	blank(image_block(&im, REDO_SUPER_BLOCK_B));
	assert_int_equal(redo_read_super(&im.io, "x", &sb), -EIO);
	image_free(&im);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused), cmocka_unit_test(two_deltas),
		cmocka_unit_test(taken), cmocka_unit_test(unreadable),
	};

	return cmocka_run_group_tests_name("super", tests, NULL, NULL);
}
