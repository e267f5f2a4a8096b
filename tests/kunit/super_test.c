// SPDX-License-Identifier: GPL-2.0
/* Superblock and label: round trip, bytes on disk, every field tried wrong. */
#include "redo-test.h"

#define S REDO_SUPER_SIZE

/* A superblock in which no two fields have the same value. */
static void redo_test_super(struct redo_super *sb)
{
	memset(sb, 0, sizeof(*sb));
	redo_test_uuid(sb->uuid, 0x10);
	redo_test_uuid(sb->parent_uuid, 0x30);
	redo_test_uuid(sb->tree_uuid, 0x50);
	redo_test_uuid(sb->tracker_uuid, 0x70);
	redo_test_uuid(sb->merge_uuid, 0x90);
	sb->slot = 0;
	sb->generation = 0x1122334455ULL;
	sb->incarnation = 0xfedcba9876543210ULL;
	sb->flags = REDO_SB_SHARED | REDO_SB_CLEAN;
	sb->parent_content = 0x0102030405060708ULL;
	sb->content_generation = 0x1112131415161718ULL;
	sb->virtual_sectors = 2ULL * 504 * 504 * 8;	/* two entries in the root */
	sb->base_sectors = 2ULL * 504 * 504 * 8 - 8;
	sb->base_fp_head = 0xaabbccdd;
	sb->base_fp_tail = 0x99887766;
	sb->grain_sectors = 8;
	sb->state = REDO_STATE_SEALED;
	sb->depth = 7;
	sb->label_block = REDO_LABEL_BLOCK_B;
	sb->chain_seq = 0x21;
	sb->create_time = 0x60000001;
	sb->seal_time = 0x60000002;
	sb->map_root.kind = REDO_PTR_BLOCK;
	sb->map_root.blocknr = 2000;
	sb->map_root.gen_tag = 0x344;
	sb->alloc_root.kind = REDO_PTR_BLOCK;
	sb->alloc_root.blocknr = 2001;
	sb->alloc_root.gen_tag = 0x343;
	sb->map_height = redo_tree_height(redo_nr_leaves(sb->virtual_sectors, 8));
	sb->alloc_height = 1;
	sb->nr_units = 9;
	sb->nr_leaves = 77;
	sb->meta_used = 88;
	sb->data_used = 99;
	sb->journal_start = REDO_JOURNAL_START;
	sb->journal_blocks = REDO_JOURNAL_BLOCKS;
	sb->replay_seq = 0x31313131;
	sb->replay_commit = 0x32323232;
	sb->tracker_generation = 0x4142434445464748ULL;
	sb->merge_state = REDO_MERGE_INTO;
	sb->incompat = REDO_INCOMPAT_MERGE;
	sb->compat_ro = REDO_COMPAT_RO_TRACKER;
	sb->tracker_epoch = 0x6161;
	sb->tracker_sealed = 0x6162;
	sb->merge_pos = 0x515;
}

static u8 *redo_test_packed_super(struct kunit *test, struct redo_super *sb)
{
	u8 *block = redo_test_block(test);

	redo_test_super(sb);
	redo_pack_super(block, sb);
	return block;
}

/* offset, size, value: from the table in on-disk-format.rst */
static const struct redo_test_field super_golden[] = {
	{ "magic",		  0, 4, 0x42534452 },	/* "RDSB" */
	{ "uuid",		  8, 8, 0x1716151413121110ULL },
	{ "uuid, second half",	 16, 8, 0x1f1e1d1c1b1a1918ULL },
	{ "blocknr",		 24, 8, 1 },
	{ "generation",		 32, 8, 0x1122334455ULL },
	{ "incarnation",	 56, 8, 0xfedcba9876543210ULL },
	{ "version",		 64, 4, 1 },
	{ "flags",		 68, 4, 6 },
	{ "compat",		 72, 8, 0 },
	{ "compat_ro",		 80, 8, 1 },
	{ "incompat",		 88, 8, 1 },
	{ "parent_uuid",	 96, 8, 0x3736353433323130ULL },
	{ "tree_uuid",		112, 8, 0x5756555453525150ULL },
	{ "parent_content",	128, 8, 0x0102030405060708ULL },
	{ "content_generation",	136, 8, 0x1112131415161718ULL },
	{ "virtual_sectors",	144, 8, 2ULL * 504 * 504 * 8 },
	{ "base_sectors",	152, 8, 2ULL * 504 * 504 * 8 - 8 },
	{ "base_fp_head",	160, 4, 0xaabbccdd },
	{ "base_fp_tail",	164, 4, 0x99887766 },
	{ "grain_sectors",	168, 4, 8 },
	{ "state",		172, 4, 3 },
	{ "depth",		176, 4, 7 },
	{ "label_block",	180, 4, 4 },
	{ "chain_seq",		184, 8, 0x21 },
	{ "create_time",	192, 8, 0x60000001 },
	{ "seal_time",		200, 8, 0x60000002 },
	{ "map_root",		208, 8, 0x13440000000007d0ULL },
	{ "alloc_root",		216, 8, 0x13430000000007d1ULL },
	{ "map_height",		224, 4, 2 },
	{ "alloc_height",	228, 4, 1 },
	{ "nr_units",		232, 8, 9 },
	{ "nr_leaves",		240, 8, 77 },
	{ "meta_used",		248, 8, 88 },
	{ "data_used",		256, 8, 99 },
	{ "journal_start",	264, 8, 16 },
	{ "journal_blocks",	272, 4, 1024 },
	{ "reserved0",		276, 4, 0 },
	{ "replay_seq",		280, 8, 0x31313131 },
	{ "replay_commit",	288, 8, 0x32323232 },
	{ "tracker_uuid",	296, 8, 0x7776757473727170ULL },
	{ "tracker_generation",	312, 8, 0x4142434445464748ULL },
	{ "merge_state",	320, 8, 1 },
	{ "merge_uuid",		328, 8, 0x9796959493929190ULL },
	{ "merge_pos",		344, 8, 0x515 },
	{ "tracker_epoch",	352, 8, 0x6161 },
	{ "tracker_sealed",	360, 8, 0x6162 },
	{ "reserved1",		368, 8, 0 },
	{ "reserved1, last",	504, 8, 0 },
};

static void redo_super_golden(struct kunit *test)
{
	struct redo_super sb;
	u8 *block = redo_test_packed_super(test, &sb);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(super_golden); i++) {
		const struct redo_test_field *f = &super_golden[i];

		KUNIT_EXPECT_EQ_MSG(test, redo_test_peek(block, f->offset, f->size),
				    f->value, "field %s", f->name);
	}
	KUNIT_EXPECT_EQ(test, (u32)redo_test_peek(block, 4, 4),
			(u32)~crc32c(~0U, block + 8, S - 8));
	KUNIT_EXPECT_NULL(test, memchr_inv(block + S, 0, REDO_BLOCK_SIZE - S));
}

#define EXPECT_SAME(field) KUNIT_EXPECT_EQ(test, (u64)out.field, (u64)in.field)
#define EXPECT_SAME_UUID(field) \
	KUNIT_EXPECT_EQ(test, memcmp(out.field, in.field, REDO_UUID_SIZE), 0)

static void redo_super_round_trip(struct kunit *test)
{
	struct redo_super in, out;
	u8 *block = redo_test_packed_super(test, &in);

	memset(&out, 0x5a, sizeof(out));
	REDO_EXPECT_BAD(test, REDO_OK, redo_unpack_super(block, 0, &out));
	EXPECT_SAME_UUID(uuid);
	EXPECT_SAME_UUID(parent_uuid);
	EXPECT_SAME_UUID(tree_uuid);
	EXPECT_SAME_UUID(tracker_uuid);
	EXPECT_SAME_UUID(merge_uuid);
	EXPECT_SAME(slot);
	EXPECT_SAME(generation);
	EXPECT_SAME(incarnation);
	EXPECT_SAME(flags);
	EXPECT_SAME(compat);
	EXPECT_SAME(compat_ro);
	EXPECT_SAME(incompat);
	EXPECT_SAME(parent_content);
	EXPECT_SAME(content_generation);
	EXPECT_SAME(virtual_sectors);
	EXPECT_SAME(base_sectors);
	EXPECT_SAME(base_fp_head);
	EXPECT_SAME(base_fp_tail);
	EXPECT_SAME(grain_sectors);
	EXPECT_SAME(state);
	EXPECT_SAME(depth);
	EXPECT_SAME(label_block);
	EXPECT_SAME(chain_seq);
	EXPECT_SAME(create_time);
	EXPECT_SAME(seal_time);
	EXPECT_SAME(map_root.blocknr);
	EXPECT_SAME(map_root.gen_tag);
	EXPECT_SAME(map_root.kind);
	EXPECT_SAME(alloc_root.blocknr);
	EXPECT_SAME(alloc_root.gen_tag);
	EXPECT_SAME(alloc_root.kind);
	EXPECT_SAME(map_height);
	EXPECT_SAME(alloc_height);
	EXPECT_SAME(nr_units);
	EXPECT_SAME(nr_leaves);
	EXPECT_SAME(meta_used);
	EXPECT_SAME(data_used);
	EXPECT_SAME(journal_start);
	EXPECT_SAME(journal_blocks);
	EXPECT_SAME(replay_seq);
	EXPECT_SAME(replay_commit);
	EXPECT_SAME(tracker_generation);
	EXPECT_SAME(merge_state);
	EXPECT_SAME(merge_pos);
	EXPECT_SAME(tracker_epoch);
	EXPECT_SAME(tracker_sealed);
}

/* Slot B has its own address; neither slot passes for the other. */
static void redo_super_slots(struct kunit *test)
{
	struct redo_super sb, out;
	u8 *block = redo_test_packed_super(test, &sb);

	KUNIT_EXPECT_EQ(test, redo_super_blocknr(0), 1ULL);
	KUNIT_EXPECT_EQ(test, redo_super_blocknr(1), 2ULL);
	REDO_EXPECT_BAD(test, REDO_BAD_BLOCKNR, redo_unpack_super(block, 1, &out));
	sb.slot = 1;
	redo_pack_super(block, &sb);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 24, 8), 2ULL);
	REDO_EXPECT_BAD(test, REDO_OK, redo_unpack_super(block, 1, &out));
	KUNIT_EXPECT_EQ(test, (int)out.slot, 1);
	REDO_EXPECT_BAD(test, REDO_BAD_BLOCKNR, redo_unpack_super(block, 0, &out));
}

/* Bytes beyond the 512 are not the superblock's. */
static void redo_super_ignores_rest(struct kunit *test)
{
	struct redo_super sb;
	u8 *block = redo_test_packed_super(test, &sb);

	memset(block + S, 0xff, REDO_BLOCK_SIZE - S);
	REDO_EXPECT_BAD(test, REDO_OK, redo_unpack_super(block, 0, &sb));
}

/* A single flipped bit anywhere in the 512 bytes is noticed. */
static void redo_super_every_bit(struct kunit *test)
{
	struct redo_super sb, out;
	u8 *block = redo_test_packed_super(test, &sb);
	int bit, passed = 0;

	for (bit = 0; bit < S * 8; bit++) {
		block[bit / 8] ^= 1 << (bit % 8);
		if (redo_unpack_super(block, 0, &out) == REDO_OK)
			passed++;
		block[bit / 8] ^= 1 << (bit % 8);
	}
	KUNIT_EXPECT_EQ(test, passed, 0);
	REDO_EXPECT_BAD(test, REDO_OK, redo_unpack_super(block, 0, &out));
}

static void redo_super_blank(struct kunit *test)
{
	struct redo_super sb;
	u8 *block = redo_test_block(test);

	REDO_EXPECT_BAD(test, REDO_BAD_BLANK, redo_unpack_super(block, 0, &sb));
	block[S - 1] = 1;
	REDO_EXPECT_BAD(test, REDO_BAD_MAGIC, redo_unpack_super(block, 0, &sb));
}

/* One field poked, the checksum mended: what is to be found. */
struct super_case {
	const char *name;
	u32 offset, size;
	u64 value;
	enum redo_bad expected;
};

static const struct super_case super_cases[] = {
	{ "magic", 0, 4, 0x42534453, REDO_BAD_MAGIC },
	{ "magic of a label", 0, 4, REDO_MAGIC_LABEL, REDO_BAD_MAGIC },
	{ "blocknr of slot B", 24, 8, 2, REDO_BAD_BLOCKNR },
	{ "blocknr 0", 24, 8, 0, REDO_BAD_BLOCKNR },
	{ "version 0", 64, 4, 0, REDO_BAD_VERSION },
	{ "version 1", 64, 4, 1, REDO_OK },
	{ "version 2", 64, 4, 2, REDO_BAD_VERSION },
	{ "compat, unknown", 72, 8, 1ULL << 63, REDO_OK },
	{ "compat_ro, unknown", 80, 8, 3, REDO_OK },
	{ "compat_ro, a tracker but no bit", 80, 8, 0, REDO_BAD_FIELD },
	{ "tracker of no generation", 312, 8, 0, REDO_BAD_FIELD },
	{ "tracker generation that could come round", 312, 8, 1ULL << 63, REDO_BAD_FIELD },
	{ "tracker epoch 0", 352, 8, 0, REDO_OK },
	{ "tracker epoch that of the seal", 352, 8, 0x6162, REDO_BAD_FIELD },
	{ "tracker epoch that could come round", 352, 8, 1ULL << 63, REDO_BAD_FIELD },
	{ "sealed before there was a tracker", 360, 8, 0, REDO_OK },
	{ "sealed in an epoch that could come round", 360, 8, 1ULL << 63, REDO_BAD_FIELD },
	{ "incompat, merge", 88, 8, 1, REDO_OK },
	{ "incompat, no merge but a merge state", 88, 8, 0, REDO_BAD_FIELD },
	{ "incompat, lowest unknown bit", 88, 8, 3, REDO_BAD_INCOMPAT },
	{ "merge state none but a feature bit", 320, 8, 0, REDO_BAD_FIELD },
	{ "merge state taken with a position", 320, 8, 2, REDO_BAD_FIELD },
	{ "merge state base", 320, 8, 3, REDO_OK },
	{ "merge state base_all", 320, 8, 4, REDO_OK },
	{ "merge state gone, not retired", 320, 8, 6, REDO_BAD_FIELD },
	{ "merge state 8", 320, 8, 8, REDO_BAD_FIELD },
	{ "merge position 0", 344, 8, 0, REDO_OK },
	{ "incompat, highest bit", 88, 8, 1ULL << 63, REDO_BAD_INCOMPAT },
	{ "virtual size 0", 144, 8, 0, REDO_BAD_FIELD },
	{ "virtual size beyond any device", 144, 8, ~0ULL, REDO_BAD_FIELD },
	{ "grain 0", 168, 4, 0, REDO_BAD_FIELD },
	{ "grain 2 KiB", 168, 4, 4, REDO_BAD_FIELD },
	{ "grain 4 KiB", 168, 4, 8, REDO_OK },
	{ "grain 12 KiB", 168, 4, 24, REDO_BAD_FIELD },
	{ "grain 2 MiB", 168, 4, 4096, REDO_BAD_FIELD },
	{ "state 0", 172, 4, 0, REDO_BAD_FIELD },
	{ "state sealed", 172, 4, 3, REDO_OK },
	{ "state retired", 172, 4, 4, REDO_OK },
	{ "state 5", 172, 4, 5, REDO_BAD_FIELD },
	{ "depth 255", 176, 4, 255, REDO_OK },
	{ "depth 256", 176, 4, 256, REDO_BAD_FIELD },
	{ "depth 0 with a parent", 176, 4, 0, REDO_BAD_FIELD },
	{ "label block 2", 180, 4, 2, REDO_BAD_FIELD },
	{ "label block 3", 180, 4, 3, REDO_OK },
	{ "label block 5", 180, 4, 5, REDO_BAD_FIELD },
	{ "map root of kind 3", 208, 8, 3ULL << 60 | 2000, REDO_BAD_FIELD },
	{ "map root of kind 15", 208, 8, 15ULL << 60 | 2000, REDO_BAD_FIELD },
	{ "map root a hole", 208, 8, 0, REDO_OK },
	{ "map root zero", 208, 8, 2ULL << 60, REDO_OK },
	{ "map root in the journal", 208, 8, 1ULL << 60 | 1039, REDO_BAD_FIELD },
	{ "map root right behind the journal", 208, 8, 1ULL << 60 | 1040, REDO_OK },
	{ "map root a superblock", 208, 8, 1ULL << 60 | 1, REDO_BAD_FIELD },
	{ "map root last block of the units", 208, 8, 1ULL << 60 | (9 * 4096 - 1), REDO_OK },
	{ "map root beyond the units", 208, 8, 1ULL << 60 | (9 * 4096), REDO_BAD_FIELD },
	{ "map root a unit header", 208, 8, 1ULL << 60 | (2 * 4096), REDO_BAD_FIELD },
	{ "alloc root of kind 3", 216, 8, 3ULL << 60 | 2001, REDO_BAD_FIELD },
	{ "alloc root zero", 216, 8, 2ULL << 60, REDO_BAD_FIELD },
	{ "alloc root beyond the units", 216, 8, 1ULL << 60 | (9 * 4096), REDO_BAD_FIELD },
	{ "alloc root in the journal", 216, 8, 1ULL << 60 | 16, REDO_BAD_FIELD },
	{ "map height too low", 224, 4, 1, REDO_BAD_FIELD },
	{ "map height right", 224, 4, 2, REDO_OK },
	{ "map height too high", 224, 4, 3, REDO_BAD_FIELD },
	{ "map height absurd", 224, 4, 0xffffffff, REDO_BAD_FIELD },
	{ "alloc height 5", 228, 4, 5, REDO_OK },
	{ "alloc height 6", 228, 4, 6, REDO_BAD_FIELD },
	{ "alloc height absurd", 228, 4, 0xffffffff, REDO_BAD_FIELD },
	{ "no unit", 232, 8, 0, REDO_BAD_FIELD },
	{ "units beyond any device", 232, 8, ~0ULL, REDO_BAD_FIELD },
	{ "base beyond any device", 152, 8, 1ULL << 48, REDO_BAD_FIELD },
	{ "base as large as can be", 152, 8, (1ULL << 48) - 1, REDO_OK },
	{ "sealed without a content generation", 136, 8, 0, REDO_BAD_FIELD },
	{ "journal one block late", 264, 8, 17, REDO_BAD_FIELD },
	{ "journal one block longer", 272, 4, 1025, REDO_BAD_FIELD },
	{ "journal over the labels", 264, 8, 4, REDO_BAD_FIELD },
	{ "journal beyond unit 0", 264, 8, 4096, REDO_BAD_FIELD },
	{ "shortest journal", 272, 4, 64, REDO_OK },
	{ "journal one block too short", 272, 4, 63, REDO_BAD_FIELD },
	{ "journal as formatted", 272, 4, 1024, REDO_OK },
	{ "no journal", 272, 4, 0, REDO_BAD_FIELD },
	{ "journal absurd", 272, 4, 0xffffffff, REDO_BAD_FIELD },
	{ "generation 0", 32, 8, 0, REDO_BAD_FIELD },
	{ "last generation", 32, 8, ~0ULL >> 1, REDO_OK },
	{ "generation that could come round", 32, 8, 1ULL << 63, REDO_BAD_FIELD },
	{ "incarnation 0", 56, 8, 0, REDO_BAD_FIELD },
	{ "incarnation of all ones", 56, 8, ~0ULL, REDO_OK },
	{ "chain_seq 0", 184, 8, 0, REDO_BAD_FIELD },
	{ "last chain_seq", 184, 8, ~0ULL >> 1, REDO_OK },
	{ "chain_seq that could come round", 184, 8, ~0ULL, REDO_BAD_FIELD },
	{ "replay_seq 0", 280, 8, 0, REDO_BAD_FIELD },
	{ "last replay_seq", 280, 8, ~0ULL >> 1, REDO_OK },
	{ "replay_seq that could come round", 280, 8, 1ULL << 63, REDO_BAD_FIELD },
	{ "replay_commit 0", 288, 8, 0, REDO_BAD_FIELD },
	{ "last replay_commit", 288, 8, ~0ULL >> 1, REDO_OK },
	{ "replay_commit that could come round", 288, 8, ~0ULL, REDO_BAD_FIELD },
	{ "unknown flags", 68, 4, 0xfffffff8, REDO_OK },
	{ "meta_used absurd", 248, 8, ~0ULL, REDO_OK },
	{ "data_used absurd", 256, 8, ~0ULL, REDO_OK },
};

static void super_case_desc(const struct super_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(super, super_cases, super_case_desc);

static void redo_super_field(struct kunit *test)
{
	const struct super_case *c = test->param_value;
	struct redo_super sb;
	u8 *block = redo_test_packed_super(test, &sb);
	u64 was = redo_test_peek(block, c->offset, c->size);

	redo_test_poke(block, c->offset, c->size, c->value);
	if (c->expected != REDO_OK && was != c->value)
		REDO_EXPECT_BAD(test, c->offset ? REDO_BAD_CSUM : REDO_BAD_MAGIC,
				redo_unpack_super(block, 0, &sb));
	redo_test_mend(block, S);
	REDO_EXPECT_BAD(test, c->expected, redo_unpack_super(block, 0, &sb));
}

/* Who it is and whose child: what cannot be. */
static void redo_super_identity(struct kunit *test)
{
	struct redo_super sb, out;
	u8 *block = redo_test_packed_super(test, &sb);

	memcpy(sb.parent_uuid, sb.uuid, REDO_UUID_SIZE);	/* its own parent: a cycle */
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_unpack_super(block, 0, &out));

	redo_test_super(&sb);
	memset(sb.uuid, 0, REDO_UUID_SIZE);
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_unpack_super(block, 0, &out));

	redo_test_super(&sb);
	memset(sb.tree_uuid, 0, REDO_UUID_SIZE);
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_unpack_super(block, 0, &out));

	redo_test_super(&sb);
	memset(sb.parent_uuid, 0, REDO_UUID_SIZE);	/* on the base, yet at depth 7 */
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_unpack_super(block, 0, &out));
	sb.depth = 0;
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_OK, redo_unpack_super(block, 0, &out));
}

/* The fields of a tracker without the tracker; another one; what an active delta has. */
static void redo_super_tracker(struct kunit *test)
{
	struct redo_super sb, out;
	u8 *block = redo_test_packed_super(test, &sb), uuid[REDO_UUID_SIZE];

	memset(sb.tracker_uuid, 0, REDO_UUID_SIZE);
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_unpack_super(block, 0, &out));
	sb.compat_ro = 0;	/* generation and epochs are still there */
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_unpack_super(block, 0, &out));

	redo_test_super(&sb);
	redo_super_set_tracker(&sb, sb.tracker_uuid, 5);	/* it never goes back */
	KUNIT_EXPECT_EQ(test, sb.tracker_generation, 0x4142434445464748ULL);
	KUNIT_EXPECT_EQ(test, sb.tracker_sealed, 0x6162ULL);
	redo_test_uuid(uuid, 0xb0);
	redo_super_set_tracker(&sb, uuid, 5);
	KUNIT_EXPECT_EQ(test, sb.tracker_generation, 5ULL);
	KUNIT_EXPECT_EQ(test, sb.tracker_epoch, 0ULL);
	KUNIT_EXPECT_EQ(test, sb.tracker_sealed, 0ULL);
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_OK, redo_unpack_super(block, 0, &out));
	redo_super_set_tracker(&sb, NULL, 0);
	KUNIT_EXPECT_EQ(test, sb.compat_ro, 0ULL);
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_OK, redo_unpack_super(block, 0, &out));

	redo_test_super(&sb);
	sb.state = REDO_STATE_ACTIVE;	/* the epoch of its seal, before it is sealed */
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_unpack_super(block, 0, &out));
	sb.tracker_sealed = 0;
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_OK, redo_unpack_super(block, 0, &out));
}

/* The largest grain and disk sizes on both sides of what one more root level takes. */
static void redo_super_geometry(struct kunit *test)
{
	struct redo_super sb, out;
	u8 *block = redo_test_packed_super(test, &sb);

	sb.grain_sectors = REDO_GRAIN_SECTORS_MAX;
	sb.virtual_sectors = 1;
	sb.map_height = 0;
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_OK, redo_unpack_super(block, 0, &out));
	sb.virtual_sectors = 504ULL * 2048 + 1;
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_unpack_super(block, 0, &out));
	sb.map_height = 1;
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_OK, redo_unpack_super(block, 0, &out));
	/* as large as can be, and one more */
	sb.virtual_sectors = (1ULL << 48) - 1;
	sb.map_height = redo_tree_height(redo_nr_leaves(1ULL << 48, 2048));
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_OK, redo_unpack_super(block, 0, &out));
	sb.virtual_sectors++;
	redo_pack_super(block, &sb);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_unpack_super(block, 0, &out));
}

struct choose_case {
	const char *name;
	enum redo_bad bad[2];
	u64 generation[2];
	int expected;
};

static const struct choose_case choose_cases[] = {
	{ "A newer", { REDO_OK, REDO_OK }, { 8, 7 }, 0 },
	{ "B newer", { REDO_OK, REDO_OK }, { 7, 8 }, 1 },
	{ "newer by more than 32 bits", { REDO_OK, REDO_OK }, { 1ULL << 33, 5 }, 0 },
	{ "never written B", { REDO_OK, REDO_BAD_BLANK }, { 1, 99 }, 0 },
	{ "never written A", { REDO_BAD_BLANK, REDO_OK }, { 99, 1 }, 1 },
	{ "torn A", { REDO_BAD_CSUM, REDO_OK }, { 99, 1 }, 1 },
	{ "torn B", { REDO_OK, REDO_BAD_CSUM }, { 1, 99 }, 0 },
	{ "both blank", { REDO_BAD_BLANK, REDO_BAD_BLANK }, { 1, 2 }, -1 },
	{ "both torn", { REDO_BAD_CSUM, REDO_BAD_CSUM }, { 1, 2 }, -1 },
	{ "blank and torn", { REDO_BAD_BLANK, REDO_BAD_CSUM }, { 1, 2 }, -1 },
	{ "newer format in A", { REDO_BAD_VERSION, REDO_OK }, { 1, 2 }, -1 },
	{ "newer format in B", { REDO_OK, REDO_BAD_VERSION }, { 2, 1 }, -1 },
	{ "unknown feature", { REDO_BAD_INCOMPAT, REDO_OK }, { 1, 2 }, -1 },
	{ "field out of range", { REDO_OK, REDO_BAD_FIELD }, { 2, 1 }, -1 },
	{ "at another address", { REDO_BAD_BLOCKNR, REDO_OK }, { 1, 2 }, -1 },
};

static void choose_case_desc(const struct choose_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(choose, choose_cases, choose_case_desc);

static void redo_super_choose(struct kunit *test)
{
	const struct choose_case *c = test->param_value;
	struct redo_super *sb = kunit_kcalloc(test, 2, sizeof(*sb), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, sb);
	for (i = 0; i < 2; i++) {
		redo_test_super(&sb[i]);
		sb[i].slot = i;
		sb[i].generation = c->generation[i];
	}
	KUNIT_EXPECT_EQ(test, redo_choose_super(sb, c->bad), c->expected);
}

/* --- labels --- */

static const u8 label_uuid[REDO_UUID_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

static struct redo_label *redo_test_label(struct kunit *test)
{
	struct redo_label *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, l);
	strscpy(l->chain_name, "vm7", sizeof(l->chain_name));
	memset(l->snap_name, 's', sizeof(l->snap_name) - 1);	/* the longest */
	strscpy(l->description, "before the upgrade", sizeof(l->description));
	strscpy(l->base_path, "/dev/vg/vm7", sizeof(l->base_path));
	strscpy(l->host, "node1", sizeof(l->host));
	strscpy(l->store, "vm7-monday", sizeof(l->store));
	return l;
}

static void redo_label_round_trip(struct kunit *test)
{
	struct redo_label *in = redo_test_label(test), *out = redo_test_label(test);
	u8 *block = redo_test_block(test);

	memset(out, 0x5a, sizeof(*out));
	redo_pack_label(block, label_uuid, REDO_LABEL_BLOCK_A, 5, in);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 0, 4), 0x424c4452ULL); /* "RDLB" */
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 24, 8), 3ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 32, 8), 5ULL);
	KUNIT_EXPECT_STREQ(test, (char *)block + 64, "vm7");
	KUNIT_EXPECT_EQ(test, strlen((char *)block + 192), (size_t)127);
	KUNIT_EXPECT_STREQ(test, (char *)block + 320, "before the upgrade");
	KUNIT_EXPECT_STREQ(test, (char *)block + 832, "/dev/vg/vm7");
	KUNIT_EXPECT_STREQ(test, (char *)block + 1344, "node1");
	KUNIT_EXPECT_STREQ(test, (char *)block + 1472, "vm7-monday");
	KUNIT_EXPECT_NULL(test, memchr_inv(block + 1984, 0, 2112));

	REDO_EXPECT_BAD(test, REDO_OK,
			redo_unpack_label(block, label_uuid, REDO_LABEL_BLOCK_A, out));
	KUNIT_EXPECT_STREQ(test, out->chain_name, in->chain_name);
	KUNIT_EXPECT_STREQ(test, out->snap_name, in->snap_name);
	KUNIT_EXPECT_STREQ(test, out->description, in->description);
	KUNIT_EXPECT_STREQ(test, out->base_path, in->base_path);
	KUNIT_EXPECT_STREQ(test, out->host, in->host);
	KUNIT_EXPECT_STREQ(test, out->store, in->store);
}

static void redo_label_refused(struct kunit *test)
{
	struct redo_label *l = redo_test_label(test);
	u8 *block = redo_test_block(test);
	u8 other[REDO_UUID_SIZE] = { 9 };

	REDO_EXPECT_BAD(test, REDO_BAD_BLANK, redo_unpack_label(block, label_uuid, 3, l));
	redo_pack_label(block, label_uuid, 3, 5, l);
	REDO_EXPECT_BAD(test, REDO_BAD_UUID, redo_unpack_label(block, other, 3, l));
	REDO_EXPECT_BAD(test, REDO_BAD_BLOCKNR, redo_unpack_label(block, label_uuid, 4, l));
	block[4095] = 1;
	REDO_EXPECT_BAD(test, REDO_BAD_CSUM, redo_unpack_label(block, label_uuid, 3, l));
	block[4095] = 0;
}

/* A text that lacks its NUL on disk has one, at the last place, when handed out. */
static void redo_label_terminated(struct kunit *test)
{
	struct redo_label *l = redo_test_label(test);
	u8 *block = redo_test_block(test);

	redo_pack_label(block, label_uuid, 3, 5, l);
	memset(block + 64, 'x', 1984 - 64);
	redo_test_mend(block, REDO_BLOCK_SIZE);
	if (redo_unpack_label(block, label_uuid, 3, l) != REDO_OK)
		return;	/* refusing is as good */
	KUNIT_EXPECT_EQ(test, strnlen(l->chain_name, REDO_NAME_SIZE), (size_t)127);
	KUNIT_EXPECT_EQ(test, strnlen(l->snap_name, REDO_NAME_SIZE), (size_t)127);
	KUNIT_EXPECT_EQ(test, strnlen(l->description, REDO_TEXT_SIZE), (size_t)511);
	KUNIT_EXPECT_EQ(test, strnlen(l->base_path, REDO_TEXT_SIZE), (size_t)511);
	KUNIT_EXPECT_EQ(test, strnlen(l->host, REDO_NAME_SIZE), (size_t)127);
	KUNIT_EXPECT_EQ(test, strnlen(l->store, REDO_TEXT_SIZE), (size_t)511);
}

static void redo_names(struct kunit *test)
{
	static const char * const good[] = {
		"a", "A-b_c.d+0", "_", "+", ".a", "..a", "a-", "9",
	};
	static const char * const wrong[] = {
		"", ".", "..", "-a", "a b", "a/b", "a@b", "a\n", "\xc3\xa4", "a:b", "a*",
	};
	char *name = kunit_kzalloc(test, REDO_NAME_SIZE + 1, GFP_KERNEL);
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, name);
	for (i = 0; i < ARRAY_SIZE(good); i++)
		KUNIT_EXPECT_TRUE_MSG(test, redo_name_valid(good[i]), "\"%s\"", good[i]);
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		KUNIT_EXPECT_FALSE_MSG(test, redo_name_valid(wrong[i]), "\"%s\"", wrong[i]);
	memset(name, 'n', REDO_NAME_SIZE - 1);
	KUNIT_EXPECT_TRUE(test, redo_name_valid(name));
	name[REDO_NAME_SIZE - 1] = 'n';
	KUNIT_EXPECT_FALSE(test, redo_name_valid(name));
}

static void redo_bad_texts(struct kunit *test)
{
	int i, j;

	for (i = 0; i < REDO_BAD_NR; i++) {
		const char *text = redo_bad_str(i);

		KUNIT_ASSERT_NOT_NULL(test, text);
		KUNIT_EXPECT_GT(test, strlen(text), (size_t)1);
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, strcmp(text, redo_bad_str(j)), 0);
	}
	KUNIT_EXPECT_NOT_NULL(test, redo_bad_str(REDO_BAD_NR));	/* never a wild pointer */
}

static struct kunit_case redo_super_cases[] = {
	KUNIT_CASE(redo_super_golden),
	KUNIT_CASE(redo_super_round_trip),
	KUNIT_CASE(redo_super_slots),
	KUNIT_CASE(redo_super_ignores_rest),
	KUNIT_CASE(redo_super_every_bit),
	KUNIT_CASE(redo_super_blank),
	KUNIT_CASE_PARAM(redo_super_field, super_gen_params),
	KUNIT_CASE(redo_super_identity),
	KUNIT_CASE(redo_super_tracker),
	KUNIT_CASE(redo_super_geometry),
	KUNIT_CASE_PARAM(redo_super_choose, choose_gen_params),
	KUNIT_CASE(redo_label_round_trip),
	KUNIT_CASE(redo_label_refused),
	KUNIT_CASE(redo_label_terminated),
	KUNIT_CASE(redo_names),
	KUNIT_CASE(redo_bad_texts),
	{}
};

static struct kunit_suite redo_super_suite = {
	.name = "redo-super",
	.test_cases = redo_super_cases,
};

kunit_test_suite(redo_super_suite);
