// SPDX-License-Identifier: GPL-2.0
/* Tree pointers, map entries, nodes, unit headers, geometry. */
#include "redo-test.h"

static const u8 uuid[REDO_UUID_SIZE] = {
	0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
	0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
};

static const u8 other_uuid[REDO_UUID_SIZE] = { 0x10, 0x11 };

/* --- tree pointers --- */

struct ptr_case {
	const char *name;
	u64 word;
	struct redo_ptr ptr;
	enum redo_bad expected;
};

static const struct ptr_case ptr_cases[] = {
	{ "hole", 0, { 0, 0, REDO_PTR_HOLE }, REDO_OK },
	{ "zero", 2ULL << 60, { 0, 0, REDO_PTR_ZERO }, REDO_OK },
	{ "block", 0x1abc000000001234ULL, { 0x1234, 0xabc, REDO_PTR_BLOCK }, REDO_OK },
	{ "largest block", 0x1fffffffffffffffULL,
	  { 0xffffffffffffULL, 0xfff, REDO_PTR_BLOCK }, REDO_OK },
	{ "block 0", 1ULL << 60, { }, REDO_BAD_FIELD },
	{ "hole with an address", 1, { }, REDO_BAD_FIELD },
	{ "hole with a generation", 1ULL << 48, { }, REDO_BAD_FIELD },
	{ "zero with an address", 2ULL << 60 | 5, { }, REDO_BAD_FIELD },
	{ "zero with a generation", 2ULL << 60 | 1ULL << 59, { }, REDO_BAD_FIELD },
	{ "kind 3", 3ULL << 60, { }, REDO_BAD_FIELD },
	{ "kind 9", 9ULL << 60 | 0x1234, { }, REDO_BAD_FIELD },
	{ "all ones", ~0ULL, { }, REDO_BAD_FIELD },
};

static void ptr_case_desc(const struct ptr_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(ptr, ptr_cases, ptr_case_desc);

static void redo_tree_ptr(struct kunit *test)
{
	const struct ptr_case *c = test->param_value;
	struct redo_ptr ptr = { 99, 99, 99 };

	REDO_EXPECT_BAD(test, c->expected, redo_unpack_ptr(cpu_to_le64(c->word), &ptr));
	if (c->expected != REDO_OK)
		return;
	KUNIT_EXPECT_EQ(test, ptr.blocknr, c->ptr.blocknr);
	KUNIT_EXPECT_EQ(test, ptr.gen_tag, c->ptr.gen_tag);
	KUNIT_EXPECT_EQ(test, ptr.kind, c->ptr.kind);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(redo_pack_ptr(&c->ptr)), c->word);
}

/* --- map entries --- */

struct grain_case {
	const char *name;
	u64 word;
	struct redo_grain grain;
	enum redo_bad expected;
};

static const struct grain_case grain_cases[] = {
	{ "unmapped", 0, { 0, REDO_GRAIN_UNMAPPED }, REDO_OK },
	{ "mapped", 0x1000000000001234ULL, { 0x1234, REDO_GRAIN_MAPPED }, REDO_OK },
	{ "mapped, largest", 0x1000ffffffffffffULL,
	  { 0xffffffffffffULL, REDO_GRAIN_MAPPED }, REDO_OK },
	{ "zero", 2ULL << 60, { 0, REDO_GRAIN_ZERO }, REDO_OK },
	{ "base", 3ULL << 60, { 0, REDO_GRAIN_BASE }, REDO_OK },
	{ "state 4", 4ULL << 60, { }, REDO_BAD_FIELD },
	{ "state 15", 15ULL << 60, { }, REDO_BAD_FIELD },
	{ "mapped to grain 0", 1ULL << 60, { }, REDO_BAD_FIELD },
	{ "bit 48", 1ULL << 60 | 1ULL << 48 | 7, { }, REDO_BAD_FIELD },
	{ "bit 59", 1ULL << 60 | 1ULL << 59 | 7, { }, REDO_BAD_FIELD },
	{ "unmapped with an address", 7, { }, REDO_BAD_FIELD },
	{ "zero with an address", 2ULL << 60 | 7, { }, REDO_BAD_FIELD },
	{ "base with an address", 3ULL << 60 | 7, { }, REDO_BAD_FIELD },
	{ "all ones", ~0ULL, { }, REDO_BAD_FIELD },
};

static void grain_case_desc(const struct grain_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(grain, grain_cases, grain_case_desc);

static void redo_tree_grain(struct kunit *test)
{
	const struct grain_case *c = test->param_value;
	struct redo_grain g = { 99, 99 };

	REDO_EXPECT_BAD(test, c->expected, redo_unpack_grain(cpu_to_le64(c->word), &g));
	if (c->expected != REDO_OK)
		return;
	KUNIT_EXPECT_EQ(test, g.phys, c->grain.phys);
	KUNIT_EXPECT_EQ(test, g.state, c->grain.state);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(redo_pack_grain(&c->grain)), c->word);
}

/* --- nodes --- */

#define NODE_BLOCK	0x1234ULL
#define NODE_GEN	0x56789ULL
#define NODE_INDEX	7ULL

static const struct redo_ptr node_ptr = {
	.blocknr = NODE_BLOCK, .gen_tag = 0x789, .kind = REDO_PTR_BLOCK,
};

static u8 *redo_test_node(struct kunit *test, enum redo_tree_id tree, u16 level)
{
	u8 *block = redo_test_block(test);

	redo_test_poke(block, 64, 8, 0x1000000000000099ULL);
	redo_test_poke(block, 4088, 8, 0x2000000000000000ULL);
	redo_seal_node(block, uuid, NODE_BLOCK, NODE_GEN, tree, level, NODE_INDEX);
	return block;
}

static enum redo_bad redo_test_check_node(const u8 *block, enum redo_tree_id tree, u16 level)
{
	return redo_check_node(block, uuid, &node_ptr, tree, level, NODE_INDEX);
}

static void redo_node_golden(struct kunit *test)
{
	u8 *block = redo_test_node(test, REDO_TREE_MAP, 0);

	KUNIT_EXPECT_EQ(test, memcmp(block, "RDLF", 4), 0);
	KUNIT_EXPECT_EQ(test, memcmp(block + 8, uuid, 16), 0);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 24, 8), NODE_BLOCK);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 32, 8), NODE_GEN);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 40, 8), NODE_INDEX);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 48, 2), 0ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 50, 2), 0ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 56, 8), 0ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 64, 8), 0x1000000000000099ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 4088, 8), 0x2000000000000000ULL);
	KUNIT_EXPECT_EQ(test, (u32)redo_test_peek(block, 4, 4), (u32)~crc32c(~0U, block + 8, 4088));

	block = redo_test_node(test, REDO_TREE_MAP, 2);
	KUNIT_EXPECT_EQ(test, memcmp(block, "RDDR", 4), 0);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 48, 2), 2ULL);
	block = redo_test_node(test, REDO_TREE_ALLOC, 1);
	KUNIT_EXPECT_EQ(test, memcmp(block, "RDDR", 4), 0);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 50, 2), 1ULL);
	block = redo_test_node(test, REDO_TREE_ALLOC, 0);
	KUNIT_EXPECT_EQ(test, memcmp(block, "RDAL", 4), 0);
}

/* A node of one kind, asked for as every kind. */
static void redo_node_kinds(struct kunit *test)
{
	int tree, level, as_tree, as_level;

	for (tree = 0; tree < 2; tree++) {
		for (level = 0; level < 3; level++) {
			u8 *block = redo_test_node(test, tree, level);

			for (as_tree = 0; as_tree < 2; as_tree++)
				for (as_level = 0; as_level < 3; as_level++)
					KUNIT_EXPECT_EQ(test,
						redo_test_check_node(block, as_tree, as_level) == REDO_OK,
						tree == as_tree && level == as_level);
			kunit_kfree(test, block);
		}
	}
}

struct node_case {
	const char *name;
	u32 offset, size;
	u64 value;
	enum redo_bad expected;
};

static const struct node_case node_cases[] = {
	{ "as it was", 24, 8, NODE_BLOCK, REDO_OK },
	{ "magic of a directory", 0, 4, REDO_MAGIC_DIR, REDO_BAD_MAGIC },
	{ "uuid", 8, 1, 0x11, REDO_BAD_UUID },
	{ "uuid, last byte", 23, 1, 0, REDO_BAD_UUID },
	{ "own address", 24, 8, NODE_BLOCK + 1, REDO_BAD_BLOCKNR },
	{ "own address, high bits", 24, 8, NODE_BLOCK | 1ULL << 60, REDO_BAD_BLOCKNR },
	{ "generation before: a lost write", 32, 8, NODE_GEN - 1, REDO_BAD_GENERATION },
	{ "generation after", 32, 8, NODE_GEN + 1, REDO_BAD_GENERATION },
	{ "index", 40, 8, NODE_INDEX + 1, REDO_BAD_PLACE },
	{ "index, high bits", 40, 8, NODE_INDEX | 1ULL << 40, REDO_BAD_PLACE },
	{ "level", 48, 2, 1, REDO_BAD_PLACE },
	{ "tree", 50, 2, REDO_TREE_ALLOC, REDO_BAD_PLACE },
};

static void node_case_desc(const struct node_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(node, node_cases, node_case_desc);

static void redo_node_field(struct kunit *test)
{
	const struct node_case *c = test->param_value;
	u8 *block = redo_test_node(test, REDO_TREE_MAP, 0);

	redo_test_poke(block, c->offset, c->size, c->value);
	redo_test_mend(block, REDO_BLOCK_SIZE);
	REDO_EXPECT_BAD(test, c->expected, redo_test_check_node(block, REDO_TREE_MAP, 0));
	block[4095] ^= 0x80;
	REDO_EXPECT_BAD(test, c->offset ? REDO_BAD_CSUM : REDO_BAD_MAGIC,
			redo_test_check_node(block, REDO_TREE_MAP, 0));
}

/* Never written and corrupt are told apart. */
static void redo_node_blank(struct kunit *test)
{
	u8 *block = redo_test_block(test);

	REDO_EXPECT_BAD(test, REDO_BAD_BLANK, redo_test_check_node(block, REDO_TREE_MAP, 0));
	block[4095] = 1;
	REDO_EXPECT_BAD(test, REDO_BAD_MAGIC, redo_test_check_node(block, REDO_TREE_MAP, 0));
	block[4095] = 0;
	block[0] = 1;
	REDO_EXPECT_BAD(test, REDO_BAD_MAGIC, redo_test_check_node(block, REDO_TREE_MAP, 0));
}

/* --- unit headers --- */

/* The checksum was computed outside, with a CRC32C written from RFC 3720. */
static void redo_unit_golden(struct kunit *test)
{
	u8 *block = redo_test_block(test);

	memset(block, 0xff, REDO_BLOCK_SIZE);	/* packing fills in all of it */
	redo_pack_unit_header(block, uuid, 3, REDO_UNIT_DATA, 8);
	KUNIT_EXPECT_EQ(test, memcmp(block, "RDUN", 4), 0);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 24, 8), 3ULL * 4096);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 40, 8), 3ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 48, 2), 2ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 52, 4), 8ULL);
	KUNIT_EXPECT_EQ(test, redo_test_peek(block, 4, 4), 0x2b2f79e8ULL);
	KUNIT_EXPECT_NULL(test, memchr_inv(block + 64, 0, REDO_BLOCK_SIZE - 64));
}

static void redo_unit_checked(struct kunit *test)
{
	enum redo_unit_type type = 99;
	u8 *block = redo_test_block(test);
	u32 grain = 99;

	REDO_EXPECT_BAD(test, REDO_BAD_BLANK,
			redo_unpack_unit_header(block, uuid, 3, &type, &grain));
	redo_pack_unit_header(block, uuid, 3, REDO_UNIT_META, 2048);
	REDO_EXPECT_BAD(test, REDO_OK, redo_unpack_unit_header(block, uuid, 3, &type, &grain));
	KUNIT_EXPECT_EQ(test, (int)type, (int)REDO_UNIT_META);
	KUNIT_EXPECT_EQ(test, grain, 2048U);
	REDO_EXPECT_BAD(test, REDO_BAD_UUID,
			redo_unpack_unit_header(block, other_uuid, 3, &type, &grain));
	REDO_EXPECT_BAD(test, REDO_BAD_BLOCKNR,
			redo_unpack_unit_header(block, uuid, 4, &type, &grain));

	redo_test_poke(block, 40, 8, 4);	/* the number of the next one, at its own address */
	redo_test_mend(block, REDO_BLOCK_SIZE);
	REDO_EXPECT_BAD(test, REDO_BAD_PLACE,
			redo_unpack_unit_header(block, uuid, 3, &type, &grain));
	redo_pack_unit_header(block, uuid, 3, REDO_UNIT_DATA, 8);
	redo_test_poke(block, 48, 2, 3);
	REDO_EXPECT_BAD(test, REDO_BAD_CSUM,
			redo_unpack_unit_header(block, uuid, 3, &type, &grain));
	redo_test_mend(block, REDO_BLOCK_SIZE);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD,
			redo_unpack_unit_header(block, uuid, 3, &type, &grain));
	redo_test_poke(block, 48, 2, REDO_UNIT_FREE);	/* no header says free */
	redo_test_mend(block, REDO_BLOCK_SIZE);
	REDO_EXPECT_BAD(test, REDO_BAD_FIELD,
			redo_unpack_unit_header(block, uuid, 3, &type, &grain));
}

/* --- geometry, in pairs: what just fits, one more --- */

static void redo_geometry_units(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, redo_grains_per_unit(8), 4096U);
	KUNIT_EXPECT_EQ(test, redo_grains_per_unit(16), 2048U);
	KUNIT_EXPECT_EQ(test, redo_grains_per_unit(2048), 16U);
}

static void redo_geometry_grains(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, redo_nr_grains(1, 8), 1ULL);
	KUNIT_EXPECT_EQ(test, redo_nr_grains(8, 8), 1ULL);
	KUNIT_EXPECT_EQ(test, redo_nr_grains(9, 8), 2ULL);
	KUNIT_EXPECT_EQ(test, redo_nr_grains(2048, 2048), 1ULL);
	KUNIT_EXPECT_EQ(test, redo_nr_grains(2049, 2048), 2ULL);
	KUNIT_EXPECT_EQ(test, redo_nr_grains((1ULL << 48) - 1, 8), 1ULL << 45);
}

static void redo_geometry_leaves(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, redo_nr_leaves(1, 8), 1ULL);
	KUNIT_EXPECT_EQ(test, redo_nr_leaves(504 * 8, 8), 1ULL);
	KUNIT_EXPECT_EQ(test, redo_nr_leaves(504 * 8 + 1, 8), 2ULL);
	KUNIT_EXPECT_EQ(test, redo_nr_leaves(504 * 2048, 2048), 1ULL);
	KUNIT_EXPECT_EQ(test, redo_nr_leaves(504 * 2048 + 1, 2048), 2ULL);
}

static void redo_geometry_height(struct kunit *test)
{
	u64 n = 1;
	u32 h;

	KUNIT_EXPECT_EQ(test, redo_tree_height(0), 0U);
	for (h = 0; h < 6; h++, n *= 504) {
		KUNIT_EXPECT_EQ(test, redo_tree_height(n), h);
		KUNIT_EXPECT_EQ(test, redo_tree_height(n + 1), h + 1);
	}
}

static void redo_geometry_entry(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, redo_leaves_per_entry(1), 1ULL);
	KUNIT_EXPECT_EQ(test, redo_leaves_per_entry(2), 504ULL);
	KUNIT_EXPECT_EQ(test, redo_leaves_per_entry(3), 504ULL * 504);
	KUNIT_EXPECT_EQ(test, redo_leaves_per_entry(4), 504ULL * 504 * 504);
	/* saturates, never wraps */
	KUNIT_EXPECT_GE(test, redo_leaves_per_entry(8), redo_leaves_per_entry(6));
	KUNIT_EXPECT_GE(test, redo_leaves_per_entry(1000), redo_leaves_per_entry(8));
}

static struct kunit_case redo_tree_cases[] = {
	KUNIT_CASE_PARAM(redo_tree_ptr, ptr_gen_params),
	KUNIT_CASE_PARAM(redo_tree_grain, grain_gen_params),
	KUNIT_CASE(redo_node_golden),
	KUNIT_CASE(redo_node_kinds),
	KUNIT_CASE_PARAM(redo_node_field, node_gen_params),
	KUNIT_CASE(redo_node_blank),
	KUNIT_CASE(redo_unit_golden),
	KUNIT_CASE(redo_unit_checked),
	KUNIT_CASE(redo_geometry_units),
	KUNIT_CASE(redo_geometry_grains),
	KUNIT_CASE(redo_geometry_leaves),
	KUNIT_CASE(redo_geometry_height),
	KUNIT_CASE(redo_geometry_entry),
	{}
};

static struct kunit_suite redo_tree_suite = {
	.name = "redo-tree",
	.test_cases = redo_tree_cases,
};

kunit_test_suite(redo_tree_suite);
