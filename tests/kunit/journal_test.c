// SPDX-License-Identifier: GPL-2.0
/* Journal blocks and the extent records in them. */
#include "redo-test.h"

static const u8 uuid[REDO_UUID_SIZE] = { 0xde, 0xad, 0xbe, 0xef };
static const u8 other_uuid[REDO_UUID_SIZE] = { 0xde, 0xad };

#define A48	0xffffffffffffULL	/* the largest address */

struct record_case {
	const char *name;
	u64 a, b;
	struct redo_extent e;
	enum redo_bad expected;
};

static const struct record_case record_cases[] = {
	{ "map one", 0x1001000000000007ULL, 0x1234, { 7, 0x1234, 1, REDO_REC_MAP }, REDO_OK },
	{ "map the most", 0x1fffffffffff0000ULL, A48,
	  { 0xffffffff0000ULL, A48, REDO_REC_MAP_MAX, REDO_REC_MAP }, REDO_OK },
	{ "zero one", 0x2000000000000000ULL, 1, { 0, 0, 1, REDO_REC_ZERO }, REDO_OK },
	{ "zero the most", 0x2000000000000000ULL, A48, { 0, 0, A48, REDO_REC_ZERO }, REDO_OK },
	{ "unmap", 0x3000000000000009ULL, 5000, { 9, 0, 5000, REDO_REC_UNMAP }, REDO_OK },
	{ "base", 0x4000ffffffffffffULL, 1, { A48, 0, 1, REDO_REC_BASE }, REDO_OK },
	{ "nothing", 0, 0, { }, REDO_BAD_FIELD },
	{ "type 0", 1ULL << 48 | 7, 1, { }, REDO_BAD_FIELD },
	{ "type 5", 5ULL << 60, 1, { }, REDO_BAD_FIELD },
	{ "type 15", 15ULL << 60, 1, { }, REDO_BAD_FIELD },
	{ "map none", 1ULL << 60, 0x1234, { }, REDO_BAD_FIELD },
	{ "map to grain 0", 1ULL << 60 | 1ULL << 48, 0, { }, REDO_BAD_FIELD },
	{ "map beyond 48 bits", 1ULL << 60 | 1ULL << 48, 1ULL << 48, { }, REDO_BAD_FIELD },
	{ "zero none", 2ULL << 60, 0, { }, REDO_BAD_FIELD },
	{ "zero beyond 48 bits", 2ULL << 60, 1ULL << 48, { }, REDO_BAD_FIELD },
	{ "zero with a map's length", 2ULL << 60 | 3ULL << 48, 3, { }, REDO_BAD_FIELD },
};

static void record_case_desc(const struct record_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(record, record_cases, record_case_desc);

static void redo_journal_record(struct kunit *test)
{
	const struct record_case *c = test->param_value;
	struct redo_disk_record rec = { cpu_to_le64(c->a), cpu_to_le64(c->b) };
	struct redo_extent e;

	memset(&e, 0x5a, sizeof(e));
	REDO_EXPECT_BAD(test, c->expected, redo_unpack_record(&rec, &e));
	if (c->expected != REDO_OK)
		return;
	KUNIT_EXPECT_EQ(test, e.logical, c->e.logical);
	KUNIT_EXPECT_EQ(test, e.phys, c->e.phys);
	KUNIT_EXPECT_EQ(test, e.len, c->e.len);
	KUNIT_EXPECT_EQ(test, e.type, c->e.type);
	memset(&rec, 0x5a, sizeof(rec));
	redo_pack_record(&rec, &c->e);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(rec.a), c->a);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(rec.b), c->b);
}

static const struct redo_journal_header journal_header = {
	.seq = 0x100000005ULL, .commit = 0x77, .index = 1, .total = 3,
	.count = 252, .incarnation = 0xfeedfacecafebeefULL,
};

static u8 *redo_test_journal(struct kunit *test, const struct redo_journal_header *jh)
{
	struct redo_disk_journal *dj = (void *)redo_test_block(test);
	struct redo_extent e = { .logical = 1, .phys = 2, .len = 3, .type = REDO_REC_MAP };
	u32 i;

	for (i = 0; i < jh->count && i < REDO_RECORDS_PER_BLOCK; i++)
		redo_pack_record(&dj->record[i], &e);
	redo_seal_journal(dj, uuid, 21, jh);
	return (u8 *)dj;
}

static void redo_journal_round_trip(struct kunit *test)
{
	const struct redo_journal_header *in = &journal_header;
	struct redo_journal_header out = { };
	u8 *block = redo_test_journal(test, in);

	REDO_EXPECT_BAD(test, REDO_OK, redo_check_journal(block, uuid, 21, &out));
	KUNIT_EXPECT_EQ(test, out.seq, in->seq);
	KUNIT_EXPECT_EQ(test, out.commit, in->commit);
	KUNIT_EXPECT_EQ(test, out.index, in->index);
	KUNIT_EXPECT_EQ(test, out.total, in->total);
	KUNIT_EXPECT_EQ(test, out.count, in->count);
	KUNIT_EXPECT_EQ(test, out.incarnation, in->incarnation);
}

/* Blocks with few records get their checksum in another way. */
static void redo_journal_every_count(struct kunit *test)
{
	struct redo_journal_header in = journal_header, out;

	for (in.count = 0; in.count <= REDO_RECORDS_PER_BLOCK; in.count++) {
		u8 *block = redo_test_journal(test, &in);

		REDO_EXPECT_BAD(test, REDO_OK, redo_check_journal(block, uuid, 21, &out));
		KUNIT_EXPECT_EQ(test, out.count, in.count);
	}
}

static const struct redo_test_field journal_golden[] = {
	{ "magic", 0, 4, 0x524a4452 },	/* "RDJR" */
	{ "uuid", 8, 4, 0xefbeadde },
	{ "blocknr", 24, 8, 21 },
	{ "sequence", 32, 8, 0x100000005ULL },
	{ "commit", 40, 8, 0x77 },
	{ "index", 48, 2, 1 },
	{ "total", 50, 2, 3 },
	{ "count", 52, 4, 252 },
	{ "incarnation", 56, 8, 0xfeedfacecafebeefULL },
	{ "first record, a", 64, 8, 0x1003000000000001ULL },
	{ "first record, b", 72, 8, 2 },
	{ "last record, b", 64 + 251 * 16 + 8, 8, 2 },
};

static void redo_journal_golden(struct kunit *test)
{
	u8 *block = redo_test_journal(test, &journal_header);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(journal_golden); i++) {
		const struct redo_test_field *f = &journal_golden[i];

		KUNIT_EXPECT_EQ_MSG(test, redo_test_peek(block, f->offset, f->size),
				    f->value, "field %s", f->name);
	}
	KUNIT_EXPECT_EQ(test, (u32)redo_test_peek(block, 4, 4),
			(u32)~crc32c(~0U, block + 8, 4088));
}

struct journal_case {
	const char *name;
	u32 offset, size;
	u64 value;
	enum redo_bad expected;
};

static const struct journal_case journal_cases[] = {
	{ "as it was", 52, 4, 252, REDO_OK },
	{ "magic", 0, 4, REDO_MAGIC_LEAF, REDO_BAD_MAGIC },
	{ "own address", 24, 8, 22, REDO_BAD_BLOCKNR },
	{ "no record", 52, 4, 0, REDO_OK },
	{ "one record too many", 52, 4, 253, REDO_BAD_FIELD },
	{ "records, absurd", 52, 4, 0xffffffff, REDO_BAD_FIELD },
	{ "of no blocks", 50, 2, 0, REDO_BAD_FIELD },
	{ "last of its commit", 48, 2, 2, REDO_OK },
	{ "beyond its commit", 48, 2, 3, REDO_BAD_FIELD },
};

static void journal_case_desc(const struct journal_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(journal, journal_cases, journal_case_desc);

static void redo_journal_field(struct kunit *test)
{
	const struct journal_case *c = test->param_value;
	struct redo_journal_header jh;
	u8 *block = redo_test_journal(test, &journal_header);

	redo_test_poke(block, c->offset, c->size, c->value);
	redo_test_mend(block, REDO_BLOCK_SIZE);
	REDO_EXPECT_BAD(test, c->expected, redo_check_journal(block, uuid, 21, &jh));
}

static void redo_journal_foreign(struct kunit *test)
{
	struct redo_journal_header jh;
	u8 *block = redo_test_journal(test, &journal_header);

	REDO_EXPECT_BAD(test, REDO_BAD_UUID, redo_check_journal(block, other_uuid, 21, &jh));
	REDO_EXPECT_BAD(test, REDO_BAD_BLOCKNR, redo_check_journal(block, uuid, 20, &jh));
	block[100] ^= 1;
	REDO_EXPECT_BAD(test, REDO_BAD_CSUM, redo_check_journal(block, uuid, 21, &jh));
	memset(block, 0, REDO_BLOCK_SIZE);
	REDO_EXPECT_BAD(test, REDO_BAD_BLANK, redo_check_journal(block, uuid, 21, &jh));
}

static void redo_journal_ring(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, redo_journal_blocknr(16, 1024, 0), 16ULL);
	KUNIT_EXPECT_EQ(test, redo_journal_blocknr(16, 1024, 1023), 1039ULL);
	KUNIT_EXPECT_EQ(test, redo_journal_blocknr(16, 1024, 1024), 16ULL);
	KUNIT_EXPECT_EQ(test, redo_journal_blocknr(16, 1024, (1ULL << 40) + 5), 21ULL);
}

static struct kunit_case redo_journal_cases[] = {
	KUNIT_CASE_PARAM(redo_journal_record, record_gen_params),
	KUNIT_CASE(redo_journal_round_trip),
	KUNIT_CASE(redo_journal_every_count),
	KUNIT_CASE(redo_journal_golden),
	KUNIT_CASE_PARAM(redo_journal_field, journal_gen_params),
	KUNIT_CASE(redo_journal_foreign),
	KUNIT_CASE(redo_journal_ring),
	{}
};

static struct kunit_suite redo_journal_suite = {
	.name = "redo-journal",
	.test_cases = redo_journal_cases,
};

kunit_test_suite(redo_journal_suite);
