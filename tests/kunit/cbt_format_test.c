// SPDX-License-Identifier: GPL-2.0
/* A tracking store's format: bytes on disk, round trip, every field tried wrong. */
#include "redo-test.h"
#include "../../kernel/redo-cbt-format.h"

#define S REDO_CBT_SUPER_SIZE

/* A superblock in which no two fields have the same value. */
static void cbt_super(struct redo_cbt_super *sb)
{
	memset(sb, 0, sizeof(*sb));
	redo_test_uuid(sb->uuid, 0x10);
	redo_test_uuid(sb->link_uuid, 0x30);
	redo_test_uuid(sb->alt_uuid, 0x50);
	sb->generation = 0x1122334455ULL;
	sb->incarnation = 0xfedcba9876543210ULL;
	sb->flags = REDO_CBT_CLEAN | REDO_CBT_BROKEN | REDO_CBT_ALT;
	sb->compat = 0x70;
	sb->compat_ro = 0x71;
	sb->virtual_sectors = 0x123456;
	sb->block_sectors = 16;
	sb->break_reason = REDO_CBT_BREAK_LINK;
	sb->epoch = 0x99;
	sb->first_epoch = 0x22;
	sb->base_epoch = 0x33;
	sb->link_generation = 0x44;
	sb->table_root.kind = REDO_PTR_BLOCK;
	sb->table_root.blocknr = 273;
	sb->table_root.gen_tag = 0x455;
	sb->journal_start = 16;
	sb->journal_blocks = 256;
	sb->replay_seq = 0x3000;
	sb->incarnation_seq = 0x3011;
	sb->used_blocks = 0x777;
	sb->create_time = 0x60000001;
	sb->records = 0x78;
}

static u8 *packed_super(struct kunit *test, struct redo_cbt_super *sb)
{
	u8 *block = redo_test_block(test);

	cbt_super(sb);
	redo_cbt_pack_super(block, sb);
	return block;
}

/* offset, size, value: from the table in on-disk-format.rst */
static const struct redo_test_field super_golden[] = {
	{ "magic",		  0, 4, 0x53434452 },	/* "RDCS" */
	{ "uuid",		  8, 8, 0x1716151413121110ULL },
	{ "uuid, second half",	 16, 8, 0x1f1e1d1c1b1a1918ULL },
	{ "blocknr",		 24, 8, 1 },
	{ "generation",		 32, 8, 0x1122334455ULL },
	{ "incarnation",	 56, 8, 0xfedcba9876543210ULL },
	{ "version",		 64, 4, 1 },
	{ "flags",		 68, 4, 7 },
	{ "compat",		 72, 8, 0x70 },
	{ "compat_ro",		 80, 8, 0x71 },
	{ "incompat",		 88, 8, 0 },
	{ "virtual_sectors",	 96, 8, 0x123456 },
	{ "block_sectors",	104, 4, 16 },
	{ "break_reason",	108, 4, 3 },
	{ "epoch",		112, 8, 0x99 },
	{ "first_epoch",	120, 8, 0x22 },
	{ "base_epoch",		128, 8, 0x33 },
	{ "link_uuid",		136, 8, 0x3736353433323130ULL },
	{ "link_generation",	152, 8, 0x44 },
	{ "alt_uuid",		160, 8, 0x5756555453525150ULL },
	{ "table_root",		176, 8, 0x1455000000000111ULL },
	{ "journal_start",	184, 8, 16 },
	{ "journal_blocks",	192, 4, 256 },
	{ "reserved0",		196, 4, 0 },
	{ "replay_seq",		200, 8, 0x3000 },
	{ "incarnation_seq",	208, 8, 0x3011 },
	{ "used_blocks",	216, 8, 0x777 },
	{ "create_time",	224, 8, 0x60000001 },
	{ "records",		232, 8, 0x78 },
	{ "reserved1",		240, 8, 0 },
	{ "reserved1, last",	504, 8, 0 },
};

static void cbt_super_golden(struct kunit *test)
{
	struct redo_cbt_super sb;
	u8 *block = packed_super(test, &sb);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(super_golden); i++) {
		const struct redo_test_field *f = &super_golden[i];

		KUNIT_EXPECT_EQ_MSG(test, redo_test_peek(block, f->offset, f->size), f->value,
				    "field %s", f->name);
	}
	KUNIT_EXPECT_EQ(test, (u32)redo_test_peek(block, 4, 4),
			(u32)~crc32c(~0U, block + 8, S - 8));
	KUNIT_EXPECT_NULL(test, memchr_inv(block + S, 0, REDO_BLOCK_SIZE - S));
}

static void cbt_super_round_trip(struct kunit *test)
{
	struct redo_cbt_super in, out;
	u8 *block = packed_super(test, &in), *again = redo_test_block(test);

	memset(&out, 0x5a, sizeof(out));
	REDO_EXPECT_BAD(test, REDO_OK, redo_cbt_unpack_super(block, 0, &out));
	redo_cbt_pack_super(again, &out);
	KUNIT_EXPECT_EQ(test, memcmp(block, again, REDO_BLOCK_SIZE), 0);
	in.slot = 1;
	redo_cbt_pack_super(again, &in);
	KUNIT_EXPECT_EQ(test, redo_test_peek(again, 24, 8), 2ULL);
	REDO_EXPECT_BAD(test, REDO_OK, redo_cbt_unpack_super(again, 1, &out));
	REDO_EXPECT_BAD(test, REDO_BAD_BLOCKNR, redo_cbt_unpack_super(again, 0, &out));
	memset(block, 0, REDO_BLOCK_SIZE);
	REDO_EXPECT_BAD(test, REDO_BAD_BLANK, redo_cbt_unpack_super(block, 0, &out));
}

static void cbt_super_every_bit(struct kunit *test)
{
	struct redo_cbt_super sb, out;
	u8 *block = packed_super(test, &sb);
	u32 bit;

	for (bit = 0; bit < S * 8; bit++) {
		block[bit / 8] ^= 1 << bit % 8;
		KUNIT_EXPECT_NE_MSG(test, (int)redo_cbt_unpack_super(block, 0, &out), REDO_OK,
				    "bit %u of byte %u", bit % 8, bit / 8);
		block[bit / 8] ^= 1 << bit % 8;
	}
}

struct wrong {
	const char *name;
	u32 offset, size;
	u64 value;
	enum redo_bad bad;
};

static const struct wrong super_wrong[] = {
	{ "uuid", 8, 8, 0x1111, REDO_OK },
	{ "version 2", 64, 4, 2, REDO_BAD_VERSION },
	{ "flags without BROKEN", 68, 4, 5, REDO_BAD_FIELD },
	{ "flags without ALT", 68, 4, 3, REDO_BAD_FIELD },
	{ "unknown incompat", 88, 8, 1, REDO_BAD_INCOMPAT },
	{ "nothing tracked", 96, 8, 0, REDO_BAD_FIELD },
	{ "most that is tracked", 96, 8, REDO_CBT_BITS_MAX * 16, REDO_OK },
	{ "too much tracked", 96, 8, REDO_CBT_BITS_MAX * 16 + 1, REDO_BAD_FIELD },
	{ "block of 4", 104, 4, 4, REDO_BAD_FIELD },
	{ "block of 8", 104, 4, 8, REDO_OK },
	{ "block of 24", 104, 4, 24, REDO_BAD_FIELD },
	{ "block of 2048", 104, 4, 2048, REDO_OK },
	{ "block of 4096", 104, 4, 4096, REDO_BAD_FIELD },
	{ "no reason", 108, 4, 0, REDO_BAD_FIELD },
	{ "no epoch", 112, 8, 0, REDO_BAD_FIELD },
	{ "last epoch", 112, 8, REDO_NUMBER_MAX, REDO_OK },
	{ "epoch too high", 112, 8, REDO_NUMBER_MAX + 1, REDO_BAD_FIELD },
	{ "first epoch 0", 120, 8, 0, REDO_BAD_FIELD },
	{ "first epoch is it", 120, 8, 0x99, REDO_OK },
	{ "first epoch beyond", 120, 8, 0x9a, REDO_BAD_FIELD },
	{ "base epoch beyond", 128, 8, 0x9a, REDO_BAD_FIELD },
	{ "base epoch not known", 128, 8, 0, REDO_OK },
	{ "table is a hole", 176, 8, 0, REDO_BAD_FIELD },
	{ "table kind 3", 176, 8, 0x3000000000000110ULL, REDO_BAD_FIELD },
	{ "table elsewhere", 176, 8, 0x1000000000000112ULL, REDO_BAD_FIELD },
	{ "table in its other place", 176, 8, 0x1000000000000110ULL, REDO_OK },
	{ "journal elsewhere", 184, 8, 17, REDO_BAD_FIELD },
	{ "journal shorter", 192, 4, 255, REDO_BAD_FIELD },
	{ "replay 0", 200, 8, 0, REDO_BAD_FIELD },
	{ "incarnation behind replay", 208, 8, 0x2000, REDO_OK },
	{ "incarnation a ring ahead", 208, 8, 0x3100, REDO_OK },
	{ "incarnation too far ahead", 208, 8, 0x3101, REDO_BAD_FIELD },
	{ "generation 0", 32, 8, 0, REDO_BAD_FIELD },
	{ "incarnation 0", 56, 8, 0, REDO_BAD_FIELD },
	{ "no records", 232, 8, 0, REDO_BAD_FIELD },
	{ "most records", 232, 8, 1024, REDO_OK },
	{ "too many records", 232, 8, 1025, REDO_BAD_FIELD },
};

static void wrong_desc(const struct wrong *w, char *desc)
{
	strscpy(desc, w->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(cbt_super_wrong, super_wrong, wrong_desc);

static void cbt_super_field(struct kunit *test)
{
	const struct wrong *w = test->param_value;
	struct redo_cbt_super sb, out;
	u8 *block = packed_super(test, &sb);

	redo_test_poke(block, w->offset, w->size, w->value);
	redo_test_mend(block, S);
	REDO_EXPECT_BAD(test, w->bad, redo_cbt_unpack_super(block, 0, &out));
}

struct choice {
	const char *name;
	enum redo_bad bad[2];
	u64 generation[2];
	u8 uuid[2];
	int winner;
};

static const struct choice choices[] = {
	{ "newer first", { 0, 0 }, { 5, 4 }, { 1, 1 }, 0 },
	{ "newer second", { 0, 0 }, { 5, 6 }, { 1, 1 }, 1 },
	{ "torn first", { REDO_BAD_CSUM, 0 }, { 9, 4 }, { 1, 1 }, 1 },
	{ "torn second", { 0, REDO_BAD_MAGIC }, { 5, 6 }, { 1, 1 }, 0 },
	{ "only one written", { 0, REDO_BAD_BLANK }, { 1, 0 }, { 1, 1 }, 0 },
	{ "newer format", { 0, REDO_BAD_VERSION }, { 5, 4 }, { 1, 1 }, -1 },
	{ "newer feature", { REDO_BAD_INCOMPAT, 0 }, { 5, 4 }, { 1, 1 }, -1 },
	{ "out of range", { 0, REDO_BAD_FIELD }, { 5, 4 }, { 1, 1 }, -1 },
	{ "two stores", { 0, 0 }, { 5, 4 }, { 1, 2 }, -1 },
	{ "none", { REDO_BAD_CSUM, REDO_BAD_CSUM }, { 5, 4 }, { 1, 1 }, -1 },
};

static void cbt_super_choose(struct kunit *test)
{
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(choices); i++) {
		const struct choice *c = &choices[i];
		struct redo_cbt_super sb[2];

		for (k = 0; k < 2; k++) {
			cbt_super(&sb[k]);
			sb[k].generation = c->generation[k];
			sb[k].uuid[0] = c->uuid[k];
		}
		KUNIT_EXPECT_EQ_MSG(test, redo_cbt_choose_super(sb, c->bad), c->winner, "%s",
				    c->name);
	}
}

static void cbt_header(struct kunit *test)
{
	u8 uuid[REDO_UUID_SIZE], out[REDO_UUID_SIZE], *block = redo_test_block(test);
	u32 sectors;

	redo_test_uuid(uuid, 0x10);
	redo_cbt_pack_header(block, uuid, 128, 0x60000001);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 0, 4), 0x54434452ULL);	/* "RDCT" */
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 52, 4), 128ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 64, 4), 1ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 72, 8), 0x60000001ULL);
	REDO_EXPECT_BAD(test, REDO_OK, redo_cbt_unpack_header(block, out, &sectors));
	KUNIT_EXPECT_EQ(test, sectors, 128U);
	KUNIT_EXPECT_EQ(test, memcmp(uuid, out, REDO_UUID_SIZE), 0);
	redo_test_poke(block, 52, 4, 7);
	redo_test_mend(block, REDO_BLOCK_SIZE);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_cbt_unpack_header(block, out, &sectors));
}

/* Records ------------------------------------------------------------------- */

static void cbt_rec(struct redo_cbt_record *r)
{
	memset(r, 0, sizeof(*r));
	r->number = 0x99;
	r->first = 0x91;
	r->soft = 0x95;
	r->back_to = 0x81;
	r->begin_time = 0x60000001;
	r->kind = REDO_CBT_REVERT;
	r->flags = REDO_CBT_REC_JOINED;
	r->root.kind = REDO_PTR_BLOCK;
	r->root.blocknr = 0x444;
	r->root.gen_tag = 0x123;
	r->blocks_set = 0x5555;
	strscpy(r->label, "nightly-7", sizeof(r->label));
}

static const struct redo_test_field record_golden[] = {
	{ "number",	 0, 8, 0x99 },
	{ "first",	 8, 8, 0x91 },
	{ "soft",	16, 8, 0x95 },
	{ "back_to",	24, 8, 0x81 },
	{ "begin_time",	32, 8, 0x60000001 },
	{ "kind",	40, 4, 4 },
	{ "flags",	44, 4, 4 },
	{ "root",	48, 8, 0x1123000000000444ULL },
	{ "blocks_set",	56, 8, 0x5555 },
	{ "delta_uuid",	64, 8, 0 },
	{ "label",	80, 8, 0x2d796c746867696eULL },	/* "nightly-" */
	{ "reserved",	144, 8, 0 },
	{ "the last of it", 240, 8, 0 },
};

static void cbt_record_golden(struct kunit *test)
{
	struct redo_cbt_disk_record *dr = (void *)redo_test_block(test), *again = dr + 1;
	struct redo_cbt_record r, out;
	size_t i;

	cbt_rec(&r);
	memset(dr, 0x5a, sizeof(*dr));
	redo_cbt_pack_record(dr, &r);
	for (i = 0; i < ARRAY_SIZE(record_golden); i++)
		KUNIT_EXPECT_EQ_MSG(test, redo_test_peek(dr, record_golden[i].offset,
							 record_golden[i].size),
				    record_golden[i].value, "field %s", record_golden[i].name);
	REDO_EXPECT_BAD(test, REDO_OK, redo_cbt_unpack_record(dr, &out));
	redo_cbt_pack_record(again, &out);
	KUNIT_EXPECT_EQ(test, memcmp(dr, again, sizeof(*dr)), 0);
	memset(dr, 0, sizeof(*dr));
	REDO_EXPECT_BAD(test, REDO_BAD_BLANK, redo_cbt_unpack_record(dr, &out));
}

static const struct wrong record_wrong[] = {
	{ "free, but not all zero", 0, 8, 0, REDO_BAD_FIELD },
	{ "number too high", 0, 8, REDO_NUMBER_MAX + 1, REDO_BAD_FIELD },
	{ "first 0", 8, 8, 0, REDO_BAD_FIELD },
	{ "first behind number", 8, 8, 0x9a, REDO_BAD_FIELD },
	{ "soft before first", 16, 8, 0x90, REDO_BAD_FIELD },
	{ "soft is first, but JOINED", 16, 8, 0x91, REDO_BAD_FIELD },
	{ "soft behind number", 16, 8, 0x9a, REDO_BAD_FIELD },
	{ "soft is number", 16, 8, 0x99, REDO_OK },
	{ "back to itself", 24, 8, 0x99, REDO_OK },
	{ "back to what comes", 24, 8, 0x9a, REDO_BAD_FIELD },
	{ "kind 0", 40, 4, 0, REDO_BAD_FIELD },
	{ "kind 6", 40, 4, 6, REDO_BAD_FIELD },
	{ "not JOINED", 44, 4, 0, REDO_BAD_FIELD },
	{ "IMPLIED without a delta", 44, 4, 5, REDO_BAD_FIELD },
	{ "UNSETTLED alone", 44, 4, 6, REDO_BAD_FIELD },
	{ "DAMAGED", 44, 4, 12, REDO_OK },
	{ "root of kind 3", 48, 8, 0x3000000000000000ULL, REDO_BAD_FIELD },
	{ "a delta, but not IMPLIED", 64, 8, 1, REDO_BAD_FIELD },
	{ "space in the label", 82, 1, ' ', REDO_BAD_FIELD },
	{ "comma in the label", 82, 1, ',', REDO_BAD_FIELD },
};

KUNIT_ARRAY_PARAM(cbt_record_wrong, record_wrong, wrong_desc);

static void cbt_record_field(struct kunit *test)
{
	struct redo_cbt_disk_record *dr = (void *)redo_test_block(test);
	const struct wrong *w = test->param_value;
	struct redo_cbt_record r;

	cbt_rec(&r);
	redo_cbt_pack_record(dr, &r);
	redo_test_poke(dr, w->offset, w->size, w->value);
	REDO_EXPECT_BAD(test, w->bad, redo_cbt_unpack_record(dr, &r));
}

static void cbt_labels(struct kunit *test)
{
	char label[REDO_CBT_LABEL_SIZE + 1];

	memset(label, 'x', sizeof(label));
	label[REDO_CBT_LABEL_SIZE - 1] = 0;
	KUNIT_EXPECT_TRUE(test, redo_cbt_label_valid(label));
	label[REDO_CBT_LABEL_SIZE - 1] = 'x';
	label[REDO_CBT_LABEL_SIZE] = 0;
	KUNIT_EXPECT_FALSE(test, redo_cbt_label_valid(label));
	KUNIT_EXPECT_FALSE(test, redo_cbt_label_valid(""));
	KUNIT_EXPECT_TRUE(test, redo_cbt_label_valid("~!"));
	KUNIT_EXPECT_FALSE(test, redo_cbt_label_valid("a b"));
	KUNIT_EXPECT_FALSE(test, redo_cbt_label_valid("a,b"));
	KUNIT_EXPECT_FALSE(test, redo_cbt_label_valid("a\x80"));
	KUNIT_EXPECT_FALSE(test, redo_cbt_label_valid("a\x1f"));
}

/* Journal, nodes, geometry ---------------------------------------------------- */

static void cbt_journal(struct kunit *test)
{
	struct redo_cbt_disk_journal *dj = (void *)redo_test_block(test);
	struct redo_cbt_journal_header jh = {
		.seq = 300, .epoch = 7, .count = 2, .incarnation = 0x1234,
	}, out;
	struct redo_cbt_mark m = { .first = 5, .count = 0x100000000ULL };
	u8 uuid[REDO_UUID_SIZE];

	redo_test_uuid(uuid, 0x10);
	redo_cbt_pack_mark(&dj->mark[0], &m);
	redo_cbt_pack_mark(&dj->mark[1], &m);
	redo_cbt_seal_journal(dj, uuid, redo_cbt_journal_blocknr(300), &jh);
	KUNIT_EXPECT_EQ(test, redo_test_peek(dj, 0, 4), 0x4a434452ULL);	/* "RDCJ" */
	KUNIT_EXPECT_EQ(test, redo_test_peek(dj, 24, 8), 16ULL + 44);
	KUNIT_EXPECT_EQ(test, redo_test_peek(dj, 32, 8), 300ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(dj, 40, 8), 7ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(dj, 52, 4), 2ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(dj, 56, 8), 0x1234ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(dj, 64, 8), 5ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(dj, 72, 8), 0x100000000ULL);
	REDO_EXPECT_BAD(test, REDO_OK, redo_cbt_check_journal(dj, uuid, 60, &out));
	KUNIT_EXPECT_EQ(test, memcmp(&jh, &out, sizeof(jh)), 0);
	REDO_EXPECT_BAD(test, REDO_BAD_BLOCKNR, redo_cbt_check_journal(dj, uuid, 61, &out));
	redo_test_poke(dj, 52, 4, 253);
	redo_test_mend(dj, REDO_BLOCK_SIZE);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_cbt_check_journal(dj, uuid, 60, &out));
	redo_test_poke(dj, 52, 4, 0);
	redo_test_mend(dj, REDO_BLOCK_SIZE);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_cbt_check_journal(dj, uuid, 60, &out));
}

static void cbt_marks(struct kunit *test)
{
	struct redo_cbt_disk_mark dm;
	struct redo_cbt_mark m, out;

	m = (struct redo_cbt_mark){ .first = REDO_CBT_BITS_MAX - 1, .count = 1 };
	redo_cbt_pack_mark(&dm, &m);
	REDO_EXPECT_BAD(test, REDO_OK, redo_cbt_unpack_mark(&dm, &out));
	KUNIT_EXPECT_EQ(test, memcmp(&m, &out, sizeof(m)), 0);
	m.count = 2;
	redo_cbt_pack_mark(&dm, &m);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_cbt_unpack_mark(&dm, &out));
	m.count = 0;
	redo_cbt_pack_mark(&dm, &m);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD, redo_cbt_unpack_mark(&dm, &out));
}

static void cbt_node(struct kunit *test)
{
	struct redo_ptr ptr = { .kind = REDO_PTR_BLOCK, .blocknr = 500, .gen_tag = 0x345 };
	u8 uuid[REDO_UUID_SIZE], *block = redo_test_block(test);

	redo_test_uuid(uuid, 0x10);
	memset(block, 0x77, REDO_BLOCK_SIZE);
	redo_cbt_seal_node(block, REDO_MAGIC_CBT_PAGE, uuid, 500, 0x12345, 0, 9);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 0, 4), 0x50434452ULL);	/* "RDCP" */
	REDO_EXPECT_BAD(test, REDO_OK,
			redo_cbt_check_node(block, REDO_MAGIC_CBT_PAGE, uuid, &ptr, 0, 9));
	REDO_EXPECT_BAD(test, REDO_BAD_PLACE,
			redo_cbt_check_node(block, REDO_MAGIC_CBT_PAGE, uuid, &ptr, 0, 8));
	REDO_EXPECT_BAD(test, REDO_BAD_PLACE,
			redo_cbt_check_node(block, REDO_MAGIC_CBT_PAGE, uuid, &ptr, 1, 9));
	REDO_EXPECT_BAD(test, REDO_BAD_MAGIC,
			redo_cbt_check_node(block, REDO_MAGIC_CBT_DIR, uuid, &ptr, 0, 9));
	ptr.gen_tag = 0x346;
	REDO_EXPECT_BAD(test, REDO_BAD_GENERATION,
			redo_cbt_check_node(block, REDO_MAGIC_CBT_PAGE, uuid, &ptr, 0, 9));
	uuid[3]++;
	REDO_EXPECT_BAD(test, REDO_BAD_UUID,
			redo_cbt_check_node(block, REDO_MAGIC_CBT_PAGE, uuid, &ptr, 0, 9));
}

static void cbt_geometry(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, redo_cbt_nr_bits(128, 128), 1ULL);
	KUNIT_EXPECT_EQ(test, redo_cbt_nr_bits(129, 128), 2ULL);
	KUNIT_EXPECT_EQ(test, redo_cbt_nr_pages(32256), 1ULL);
	KUNIT_EXPECT_EQ(test, redo_cbt_nr_pages(32257), 2ULL);
	/* 16 TiB in blocks of 64 KiB: 8323 pages, 17 directories, a root */
	KUNIT_EXPECT_EQ(test, redo_cbt_full_blocks(1ULL << 35, 128), 8323ULL + 17 + 1);
	KUNIT_EXPECT_EQ(test, redo_cbt_min_blocks(1ULL << 35, 128), 402ULL + 4 * 8341);
	KUNIT_EXPECT_EQ(test, redo_cbt_min_blocks(1, 8), 402ULL + 4 * 3);
}

static struct kunit_case redo_cbt_format_cases[] = {
	KUNIT_CASE(cbt_super_golden),
	KUNIT_CASE(cbt_super_round_trip),
	KUNIT_CASE(cbt_super_every_bit),
	KUNIT_CASE_PARAM(cbt_super_field, cbt_super_wrong_gen_params),
	KUNIT_CASE(cbt_super_choose),
	KUNIT_CASE(cbt_header),
	KUNIT_CASE(cbt_record_golden),
	KUNIT_CASE_PARAM(cbt_record_field, cbt_record_wrong_gen_params),
	KUNIT_CASE(cbt_labels),
	KUNIT_CASE(cbt_journal),
	KUNIT_CASE(cbt_marks),
	KUNIT_CASE(cbt_node),
	KUNIT_CASE(cbt_geometry),
	{}
};

static struct kunit_suite redo_cbt_format_suite = {
	.name = "redo-cbt-format",
	.test_cases = redo_cbt_format_cases,
};

kunit_test_suite(redo_cbt_format_suite);
