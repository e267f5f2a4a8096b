// SPDX-License-Identifier: GPL-2.0-or-later
/* The checker: what is right is clean, each thing that is wrong is found. */
#include "image.h"

static struct found f;

static void clean_images(void **state __unused)
{
	struct image im;

	image_blank(&im);
	image_check(&im, &f);
	assert_int_equal(f.nr, 0);
	image_free(&im);
	image_filled(&im);
	image_check(&im, &f);
	if (f.nr)
		print_message("%s\n", f.text[0]);
	assert_int_equal(f.nr, 0);
	assert_int_equal(f.res.map_leaves, 2);
	assert_int_equal(f.res.data_grains, 11);
	image_free(&im);
}

/* Every bit that a checksum covers, in every metadata block. */
static void one_byte(void **state __unused)
{
	static const u64 blocks[] = {
		0, REDO_SUPER_BLOCK_A, REDO_SUPER_BLOCK_B, REDO_LABEL_BLOCK_A, IMAGE_LEAF0, IMAGE_LEAF1,
		IMAGE_DIR, IMAGE_ALLOC, REDO_UNIT_BLOCKS,
	};
	struct image im;

	image_filled(&im);
	for (size_t b = 0; b < ARRAY_SIZE(blocks); b++) {
		bool super = blocks[b] == REDO_SUPER_BLOCK_A || blocks[b] == REDO_SUPER_BLOCK_B;
		u8 *block = image_block(&im, blocks[b]);

		for (u32 i = 0; i < (super ? REDO_SUPER_SIZE : REDO_BLOCK_SIZE); i += super ? 1 : 61) {
			block[i] ^= 0x10;
			image_check(&im, &f);
			if (!f.nr)
				fail_msg("block %llu, byte %u: not found",
					 (unsigned long long)blocks[b], i);
			block[i] ^= 0x10;
		}
	}
	image_check(&im, &f);
	assert_int_equal(f.nr, 0);
	image_free(&im);
}

/* Fields of a superblock that is sealed properly but lies. */
static void super_fields(void **state __unused)
{
	static const struct {
		size_t offset;
		int size;
		u64 value;
		const char *found;
	} t[] = {
#define FIELD(member) offsetof(struct redo_disk_super, member), \
		      sizeof(((struct redo_disk_super *)0)->member)
		{ FIELD(version), 2, "unknown format version" },
		{ FIELD(incompat), 2, "unknown incompatible feature" },
		{ FIELD(virtual_sectors), 0, "field out of range" },
		{ FIELD(virtual_sectors), 8, "field out of range" },
		{ FIELD(grain_sectors), 7, "field out of range" },
		{ FIELD(grain_sectors), 4096, "field out of range" },
		{ FIELD(grain_sectors), 16, "grain of 8 sectors, superblock: 16" },
		{ FIELD(state), 0, "field out of range" },
		{ FIELD(state), 5, "field out of range" },
		{ FIELD(state), REDO_STATE_SEALED, "field out of range" },
		{ FIELD(state), REDO_STATE_NEW, "the delta is not empty" },
		{ FIELD(depth), 1, "field out of range" },
		{ FIELD(depth), 300, "field out of range" },
		{ FIELD(label_block), 5, "field out of range" },
		{ FIELD(label_block), REDO_LABEL_BLOCK_B, "there is no label" },
		{ FIELD(content_generation), 77, "not sealed has a content generation" },
		{ FIELD(map_root), 0, "map leaves" },
		{ FIELD(map_root), 9ULL << 60, "field out of range" },
		{ FIELD(map_root), 1ULL << 60 | 2ULL << 48 | 123456789, "field out of range" },
		{ FIELD(map_root), 1ULL << 60 | 2ULL << 48 | IMAGE_LEAF0, "wrong magic" },
		{ FIELD(map_root), 1ULL << 60 | 3ULL << 48 | IMAGE_DIR, "wrong generation" },
		{ FIELD(map_root), 1ULL << 60 | 2ULL << 48 | 1, "field out of range" },
		{ FIELD(alloc_root), 0, "in use" },
		{ FIELD(alloc_root), 2ULL << 60, "field out of range" },
		{ FIELD(alloc_root), 1ULL << 60 | 2ULL << 48 | IMAGE_DIR, "wrong magic" },
		{ FIELD(map_height), 2, "field out of range" },
		{ FIELD(alloc_height), 1, "wrong magic" },
		{ FIELD(alloc_height), 6, "field out of range" },
		{ FIELD(nr_units), 0, "field out of range" },
		{ FIELD(nr_units), 1, "never taken" },
		{ FIELD(nr_units), 4, "the device holds 3" },
		{ FIELD(nr_units), 1ULL << 47, "field out of range" },
		{ FIELD(nr_leaves), 3, "map leaves" },
		{ FIELD(meta_used), 5, "metadata blocks" },
		{ FIELD(data_used), 10, "data grains" },
		{ FIELD(journal_start), 17, "field out of range" },
		{ FIELD(journal_blocks), 1025, "field out of range" },
		{ FIELD(flags), 0x80, "unknown superblock flags" },
		{ offsetof(struct redo_disk_super, header.generation), 8, 9, "do not follow" },
		{ offsetof(struct redo_disk_super, header.blocknr), 8, 1, "address of another block" },
		{ offsetof(struct redo_disk_super, header.uuid), 8, 12345, "different deltas" },
	};
	struct image im;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		u8 *block;
		int n = 0;

		image_filled(&im);
		block = image_block(&im, REDO_SUPER_BLOCK_B);
		memcpy(block + t[i].offset, &t[i].value, t[i].size);	/* little-endian hosts */
		image_reseal(&im, REDO_SUPER_BLOCK_B);
		image_check(&im, &f);
		n = f.nr;
		/* Without a label there is nothing wrong, only something to note. */
		if (!strcmp(t[i].found, "there is no label"))
			assert_int_equal(f.res.notes, 1);
		else if (!n || !found_has(&f, t[i].found))
			fail_msg("case %zu (offset %zu): '%s' was not found", i, t[i].offset,
				 t[i].found);
		image_free(&im);
	}
}

/* Damage that no checksum shows. */
typedef void (*damage_fn)(struct image *im);

static struct redo_disk_node *leaf0(struct image *im)
{
	return image_block(im, IMAGE_LEAF0);
}

static struct redo_disk_node *dir(struct image *im)
{
	return image_block(im, IMAGE_DIR);
}

static struct redo_disk_alloc *alloc(struct image *im)
{
	return image_block(im, IMAGE_ALLOC);
}

static void set_grain(struct image *im, u32 i, u8 state, u64 phys)
{
	struct redo_grain g = { .state = state, .phys = phys };

	leaf0(im)->word[i] = redo_pack_grain(&g);
	image_reseal(im, IMAGE_LEAF0);
}

static void set_ptr(struct image *im, u32 i, u64 blocknr)
{
	struct redo_ptr p = { .kind = REDO_PTR_BLOCK, .gen_tag = 2, .blocknr = blocknr };

	dir(im)->word[i] = redo_pack_ptr(&p);
	image_reseal(im, IMAGE_DIR);
}

static void grain_twice(struct image *im) { set_grain(im, 30, REDO_GRAIN_MAPPED, IMAGE_DATA0); }
static void grain_on_header(struct image *im)
{ set_grain(im, 30, REDO_GRAIN_MAPPED, REDO_UNIT_BLOCKS); }
static void grain_in_meta(struct image *im)
{ set_grain(im, 30, REDO_GRAIN_MAPPED, IMAGE_LEAF0); }
static void grain_far(struct image *im)
{ set_grain(im, 30, REDO_GRAIN_MAPPED, 2 * REDO_UNIT_BLOCKS + 1); }
static void grain_unmarked(struct image *im)
{ set_grain(im, 30, REDO_GRAIN_MAPPED, IMAGE_DATA0 + 11); }
static void grain_lost(struct image *im) { set_grain(im, 3, REDO_GRAIN_ZERO, 0); }

static void grain_malformed(struct image *im)
{
	leaf0(im)->word[40] = cpu_to_le64(7ULL << 60);
	image_reseal(im, IMAGE_LEAF0);
}

static void leaf_on_journal(struct image *im) { set_ptr(im, 3, REDO_JOURNAL_START + 2); }
static void leaf_twice(struct image *im) { set_ptr(im, 3, IMAGE_LEAF0); }
static void cycle(struct image *im) { set_ptr(im, 3, IMAGE_DIR); }
static void leaf_beyond(struct image *im) { set_ptr(im, 5, IMAGE_META_END); }
static void leaf_blank(struct image *im) { set_ptr(im, 3, IMAGE_META_END); }
static void leaf_in_data(struct image *im) { set_ptr(im, 3, IMAGE_DATA0 + 50); }
static void leaf_off_device(struct image *im) { set_ptr(im, 3, IMAGE_UNITS * REDO_UNIT_BLOCKS); }

static void leaf_elsewhere(struct image *im)
{
	/* Two leaves change places: their checksums and tags are right. */
	set_ptr(im, 0, IMAGE_LEAF1);
	set_ptr(im, 1, IMAGE_LEAF0);
}

static void leaf_future(struct image *im)
{
	redo_seal_node(leaf0(im), im->sb.uuid, IMAGE_LEAF0, 2 + REDO_GEN_TAG_MASK + 1, REDO_TREE_MAP, 0,
		       0);
}

static void leaf_of_other_delta(struct image *im)
{
	u8 uuid[16] = { 1, 2, 3 };

	redo_seal_node(leaf0(im), uuid, IMAGE_LEAF0, 2, REDO_TREE_MAP, 0, 0);
}

static void bit_set(struct image *im)
{
	alloc(im)->unit[1].bitmap[100] |= 1;
	alloc(im)->unit[1].used = cpu_to_le32(13);
	image_reseal(im, IMAGE_ALLOC);
}

static void bit_clear(struct image *im)
{
	alloc(im)->unit[0].bitmap[IMAGE_LEAF0 / 8] &= ~(1U << IMAGE_LEAF0 % 8);
	alloc(im)->unit[0].used = cpu_to_le32(IMAGE_META_END - 1);
	image_reseal(im, IMAGE_ALLOC);
}

static void header_bit_clear(struct image *im)
{
	alloc(im)->unit[1].bitmap[0] &= ~1U;
	alloc(im)->unit[1].used = cpu_to_le32(11);
	image_reseal(im, IMAGE_ALLOC);
}

static void used_wrong(struct image *im)
{
	alloc(im)->unit[1].used = cpu_to_le32(99);
	image_reseal(im, IMAGE_ALLOC);
}

static void type_wrong(struct image *im)
{
	alloc(im)->unit[1].type = cpu_to_le32(REDO_UNIT_META);
	image_reseal(im, IMAGE_ALLOC);
}

static void type_unknown(struct image *im)
{
	alloc(im)->unit[1].type = cpu_to_le32(3);
	image_reseal(im, IMAGE_ALLOC);
}

static void unit0_free(struct image *im)
{
	alloc(im)->unit[0].type = cpu_to_le32(REDO_UNIT_FREE);
	image_reseal(im, IMAGE_ALLOC);
}

static void unit_never_taken(struct image *im)
{
	alloc(im)->unit[5].used = cpu_to_le32(1);
	image_reseal(im, IMAGE_ALLOC);
}

static void header_of_other_unit(struct image *im)
{
	redo_pack_unit_header(image_block(im, REDO_UNIT_BLOCKS), im->sb.uuid, 2, REDO_UNIT_DATA, 8);
}

static void header_grain(struct image *im)
{
	redo_pack_unit_header(image_block(im, REDO_UNIT_BLOCKS), im->sb.uuid, 1, REDO_UNIT_DATA, 16);
}

static void clean_but_journal(struct image *im)
{
	static const struct redo_extent e = { .logical = 0, .len = 1, .type = REDO_REC_ZERO };

	im->sb.flags |= REDO_SB_CLEAN;
	image_write_super(im);
	image_commit(im, 1000, 50, 0, 1, &e, 1);
}

static void journal_grain_used(struct image *im)
{
	static const struct redo_extent e = {
		.logical = 700, .phys = IMAGE_DATA0 + 10, .len = 1, .type = REDO_REC_MAP };

	image_commit(im, 1000, 50, 0, 1, &e, 1);
}

static void commit_all(struct image *im, const struct redo_extent *e, u32 nr)
{
	image_commit(im, 1000, 50, 0, 1, e, nr);
}

/* Right at the end, but not at that moment: the kernel refuses such a journal. */
static void journal_then_freed(struct image *im)
{
	static const struct redo_extent e[] = {
		{ .logical = 100, .len = 1, .phys = IMAGE_DATA0, .type = REDO_REC_MAP },
		{ .logical = 0, .len = 1, .type = REDO_REC_ZERO },
	};

	commit_all(im, e, ARRAY_SIZE(e));
}

static void journal_moved_onto_itself(struct image *im)
{
	static const struct redo_extent e = {
		.logical = 0, .len = 1, .phys = IMAGE_DATA0, .type = REDO_REC_MAP };

	commit_all(im, &e, 1);
}

/* The second time would be right. */
static void journal_taken_twice(struct image *im)
{
	static const struct redo_extent e[] = {
		{ .logical = 100, .len = 1, .phys = IMAGE_DATA0, .type = REDO_REC_MAP },
		{ .logical = 0, .len = 1, .type = REDO_REC_ZERO },
		{ .logical = 100, .len = 1, .type = REDO_REC_ZERO },
		{ .logical = 100, .len = 1, .phys = IMAGE_DATA0, .type = REDO_REC_MAP },
	};

	commit_all(im, e, ARRAY_SIZE(e));
}

static void journal_twice(struct image *im)
{
	static const struct redo_extent e[] = {
		{ .logical = 100, .len = 8, .phys = IMAGE_DATA0 + 20, .type = REDO_REC_MAP },
		{ .logical = 103, .len = 2, .type = REDO_REC_ZERO },
		{ .logical = 200, .len = 3, .phys = IMAGE_DATA0 + 23, .type = REDO_REC_MAP },
		{ .logical = 100, .len = 8, .type = REDO_REC_ZERO },
	};

	commit_all(im, e, ARRAY_SIZE(e));
}

static void map_then_zero(struct image *im, u64 phys)
{
	const struct redo_extent e[] = {
		{ .logical = 100, .len = 1, .phys = phys, .type = REDO_REC_MAP },
		{ .logical = 100, .len = 1, .type = REDO_REC_ZERO },
	};

	commit_all(im, e, ARRAY_SIZE(e));
}

static void journal_unit0(struct image *im) { map_then_zero(im, 5); }
static void journal_slot0(struct image *im) { map_then_zero(im, REDO_UNIT_BLOCKS); }
static void journal_off_device(struct image *im)
{ map_then_zero(im, IMAGE_UNITS * REDO_UNIT_BLOCKS + 1); }

static void journal_in_meta(struct image *im)
{
	alloc(im)->unit[1].type = cpu_to_le32(REDO_UNIT_META);
	image_reseal(im, IMAGE_ALLOC);
	map_then_zero(im, IMAGE_DATA0 + 50);
}

static void journal_crosses_units(struct image *im)
{
	static const struct redo_extent e = {
		.logical = 700, .phys = 2 * REDO_UNIT_BLOCKS - 1, .len = 2, .type = REDO_REC_MAP };

	image_commit(im, 1000, 50, 0, 1, &e, 1);
}

static void journal_no_unit(struct image *im)
{
	static const struct redo_extent e = {
		.logical = 700, .phys = 2 * REDO_UNIT_BLOCKS + 1, .len = 2, .type = REDO_REC_MAP };

	image_commit(im, 1000, 50, 0, 1, &e, 1);	/* unit 2 has no header */
}

static void journal_hole(struct image *im)
{
	static const struct redo_extent e = { .logical = 0, .len = 1, .type = REDO_REC_ZERO };

	image_commit(im, 1001, 51, 0, 1, &e, 1);
}

static void label_name(struct image *im)
{
	struct redo_label l = { .chain_name = "a/b" };

	redo_pack_label(image_block(im, REDO_LABEL_BLOCK_A), im->sb.uuid, REDO_LABEL_BLOCK_A, 1, &l);
}

static void slot_blank(struct image *im)
{
	memset(image_block(im, REDO_SUPER_BLOCK_A), 0, REDO_BLOCK_SIZE);
}

static void hidden_damage(void **state __unused)
{
	static const struct {
		damage_fn damage;
		const char *found;
	} t[] = {
		{ grain_twice, "is used twice" },
		{ grain_on_header, "on the header" },
		{ grain_in_meta, "not for data" },
		{ grain_far, "beyond the units" },
		{ grain_unmarked, "1 grains in use are marked free" },
		{ grain_lost, "belong to nothing" },
		{ grain_malformed, "malformed" },
		{ leaf_twice, "is used twice" },
		{ leaf_on_journal, "where headers and journal are" },
		{ cycle, "is used twice" },
		{ leaf_beyond, "beyond the end of its tree" },
		{ leaf_blank, "blank" },
		{ leaf_in_data, "not for metadata" },
		{ leaf_off_device, "beyond the end of the device" },
		{ leaf_elsewhere, "wrong place" },
		{ leaf_future, "later generation" },
		{ leaf_of_other_delta, "UUID of another delta" },
		{ bit_set, "1 grains marked in use belong to nothing" },
		{ bit_clear, "1 blocks in use are marked free" },
		{ header_bit_clear, "in use are marked free" },
		{ used_wrong, "count of used" },
		{ type_wrong, "header says data" },
		{ type_unknown, "unknown type" },
		{ unit0_free, "unit 0 is not a metadata unit" },
		{ unit_never_taken, "never taken" },
		{ header_of_other_unit, "address of another block" },
		{ header_grain, "grain of 16 sectors" },
		{ clean_but_journal, "marked clean" },
		{ journal_grain_used, "grain 600 still has it in use" },
		{ journal_then_freed, "grain 0 still has it in use" },
		{ journal_moved_onto_itself, "grain 0 still has it in use" },
		{ journal_taken_twice, "grain 0 still has it in use" },
		{ journal_twice, "are mapped, but in use already" },
		{ journal_crosses_units, "outside of any data unit" },
		{ journal_unit0, "outside of any data unit" },
		{ journal_slot0, "outside of any data unit" },
		{ journal_off_device, "outside of any data unit" },
		{ journal_in_meta, "unit 1, which is not for data" },
		{ journal_no_unit, "header: blank" },
		{ journal_hole, "the log goes on behind it" },
		{ label_name, "not valid" },
		{ slot_blank, "slot A is blank" },
	};
	struct image im;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		image_filled(&im);
		t[i].damage(&im);
		image_check(&im, &f);
		if (!found_has(&f, t[i].found))
			fail_msg("case %zu: '%s' was not found", i, t[i].found);
		image_free(&im);
	}
}

/* A journal over the trees that is right: nothing to say. */
static void journal_clean(void **state __unused)
{
	static const struct redo_extent e[] = {
		/* New grains, one freed by a zero, one moved, a new unit. */
		{ .logical = 700, .phys = IMAGE_DATA0 + 11, .len = 4, .type = REDO_REC_MAP },
		{ .logical = 2, .len = 1, .type = REDO_REC_ZERO },
		{ .logical = 3, .phys = IMAGE_DATA0 + 15, .len = 1, .type = REDO_REC_MAP },
		{ .logical = 1000, .phys = 2 * REDO_UNIT_BLOCKS + 1, .len = 100, .type = REDO_REC_MAP },
		{ .logical = 0, .len = 2048, .type = REDO_REC_ZERO },
		{ .logical = 1000, .phys = 2 * REDO_UNIT_BLOCKS + 101, .len = 100, .type = REDO_REC_MAP },
		/* What the tree and what an earlier record had, both free by now. */
		{ .logical = 500, .phys = IMAGE_DATA0 + 9, .len = 6, .type = REDO_REC_MAP },
		{ .logical = 502, .len = 1, .type = REDO_REC_ZERO },
		{ .logical = 1500, .phys = IMAGE_DATA0 + 11, .len = 1, .type = REDO_REC_MAP },
		/* Freed again: the first time counts. */
		{ .logical = 9, .len = 1, .type = REDO_REC_ZERO },
	};
	struct image im;

	image_filled(&im);
	redo_pack_unit_header(image_block(&im, 2 * REDO_UNIT_BLOCKS), im.sb.uuid, 2, REDO_UNIT_DATA, 8);
	image_commit(&im, 1000, 50, 0, 1, e, ARRAY_SIZE(e));
	image_check(&im, &f);
	if (f.nr)
		print_message("%s\n", f.text[0]);
	assert_int_equal(f.nr, 0);
	assert_int_equal(f.res.journal_commits, 1);
	/* The 100 of unit 2, 5 of the run of 6, and one. */
	assert_int_equal(f.res.data_grains, 106);
	image_free(&im);
}

static void write_unit2_header(struct image *im, enum redo_unit_type type)
{
	redo_pack_unit_header(image_block(im, 2 * REDO_UNIT_BLOCKS), im->sb.uuid, 2, type, 8);
}

/* Unit 2 is @type and empty in the tree; its header says @header. */
static void empty_unit(struct image *im, enum redo_unit_type type, enum redo_unit_type header)
{
	struct redo_disk_unit *u;

	image_filled(im);
	u = &alloc(im)->unit[2];
	u->type = cpu_to_le32(type);
	u->used = cpu_to_le32(1);
	u->bitmap[0] = 1;
	image_reseal(im, IMAGE_ALLOC);
	im->sb.nr_units = 3;
	image_write_super(im);
	write_unit2_header(im, header);
}

/*
 * An empty unit may change its type, and its header goes first: a crash before the
 * commit or the checkpoint leaves it with that header.
 */
static void empty_units(void **state __unused)
{
	static const struct redo_extent e = {
		.type = REDO_REC_MAP, .logical = 100, .len = 3, .phys = 2 * REDO_UNIT_BLOCKS + 1 };
	static const struct redo_extent more = {
		.type = REDO_REC_MAP, .logical = 200, .len = 3, .phys = 2 * REDO_UNIT_BLOCKS + 4 };
	struct image im;

	empty_unit(&im, REDO_UNIT_DATA, REDO_UNIT_META);
	image_check(&im, &f);
	assert_int_equal(f.nr, 0);
	/* A record needs a header of data, whatever the tree says. */
	image_commit(&im, 1000, 50, 0, 1, &e, 1);
	image_check(&im, &f);
	assert_true(found_has(&f, "unit 2: header says metadata"));
	image_free(&im);

	empty_unit(&im, REDO_UNIT_META, REDO_UNIT_DATA);
	image_check(&im, &f);
	assert_int_equal(f.nr, 0);
	image_commit(&im, 1000, 50, 0, 1, &e, 1);
	image_commit(&im, 1001, 51, 0, 1, &more, 1);
	image_check(&im, &f);
	assert_int_equal(f.nr, 0);
	write_unit2_header(&im, REDO_UNIT_META);
	image_check(&im, &f);
	assert_true(found_has(&f, "unit 2: header says metadata"));
	image_free(&im);
}

static void torn_is_noted(void **state __unused)
{
	static const struct redo_extent e = { .logical = 0, .len = 1, .type = REDO_REC_ZERO };
	struct image im;

	image_filled(&im);
	image_commit(&im, 1000, 50, 0, 2, &e, 1);
	image_check(&im, &f);
	assert_int_equal(f.nr, 0);
	assert_int_equal(f.res.notes, 1);
	image_free(&im);
}

static void read_errors(void **state __unused)
{
	static const u64 blocks[] = { IMAGE_LEAF0, IMAGE_DIR, IMAGE_ALLOC, REDO_UNIT_BLOCKS, REDO_LABEL_BLOCK_A,
				      REDO_JOURNAL_START + 1000 };
	struct image im;

	image_filled(&im);
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		im.fail_at = blocks[i];
		image_check(&im, &f);
		assert_true(found_has(&f, "cannot be read"));
	}
	image_free(&im);
}

static void tiny_devices(void **state __unused)
{
	struct image im;

	image_filled(&im);
	for (u64 size = 0; size < 40; size++) {
		im.io.size = size * 1000;
		image_check(&im, &f);
		assert_true(f.nr > 0);
	}
	im.io.size = REDO_UNIT_SIZE;	/* the data unit is cut off */
	image_check(&im, &f);
	assert_true(found_has(&f, "the device holds 1"));
	image_free(&im);
}

static int drop_run(void *ctx __unused, enum redo_run_kind kind __unused, uint64_t start __unused,
		    uint64_t bytes __unused, uint64_t phys __unused)
{
	return 0;
}

/* Random damage, sealed again so that it gets past the checksums: never a crash. */
static void random_damage(void **state __unused)
{
	static const u64 blocks[] = {
		REDO_SUPER_BLOCK_B, REDO_LABEL_BLOCK_A, IMAGE_LEAF0, IMAGE_LEAF1, IMAGE_DIR, IMAGE_ALLOC,
		REDO_UNIT_BLOCKS, REDO_JOURNAL_START + 1000, 0,
	};
	static const struct redo_extent e[3] = {
		{ .logical = 700, .phys = IMAGE_DATA0 + 11, .len = 4, .type = REDO_REC_MAP },
		{ .logical = 2, .len = 1, .type = REDO_REC_ZERO },
		{ .logical = 900, .len = 1000, .type = REDO_REC_BASE },
	};
	struct image im;

	srandom(7);
	image_filled(&im);
	for (int round = 0; round < 20000; round++) {
		u64 nr = blocks[random() % ARRAY_SIZE(blocks)];
		u8 *block = image_block(&im, nr), save[REDO_BLOCK_SIZE];
		int hits = 1 + random() % 6;

		image_commit(&im, 1000, 50, 0, 1, e, 3);
		memcpy(save, block, sizeof(save));
		while (hits--)
			block[random() % (nr == REDO_SUPER_BLOCK_B ? 360 : 700)] = random();
		image_reseal(&im, nr);
		image_check(&im, &f);
		redo_runs(&im.io, &im.sb, drop_run, NULL);
		memcpy(block, save, sizeof(save));
	}
	image_free(&im);
}

static void links(void **state __unused)
{
	struct redo_super p = {
		.uuid = { 1 }, .tree_uuid = { 9 }, .state = REDO_STATE_SEALED, .content_generation = 5,
		.virtual_sectors = 2048,
	};
	struct redo_super c = {
		.uuid = { 2 }, .parent_uuid = { 1 }, .tree_uuid = { 9 }, .state = REDO_STATE_ACTIVE,
		.parent_content = 5, .virtual_sectors = 2048, .depth = 1,
	};
	struct redo_check_ops ops = { 0 };
	struct redo_super x;

	assert_int_equal(redo_check_link(&c, "c", &p, "p", &ops), 0);
	/* As many were below when it was made; merges may have left fewer. */
	x = c, x.depth = 2;
	assert_int_equal(redo_check_link(&x, "c", &p, "p", &ops), 0);
	x = c, x.depth = 0;
	assert_int_equal(redo_check_link(&x, "c", &p, "p", &ops), 1);
	x = c, x.parent_content = 6;
	assert_int_equal(redo_check_link(&x, "c", &p, "p", &ops), 1);
	x = c, x.tree_uuid[0] = 8;
	assert_int_equal(redo_check_link(&x, "c", &p, "p", &ops), 1);
	x = c, x.grain_sectors = 16;
	assert_int_equal(redo_check_link(&x, "c", &p, "p", &ops), 1);
	x = c, x.virtual_sectors = 1024;
	assert_int_equal(redo_check_link(&x, "c", &p, "p", &ops), 1);
	x = c, x.virtual_sectors = 4096;
	assert_int_equal(redo_check_link(&x, "c", &p, "p", &ops), 1);
	x = c, x.base_sectors = 4096;
	assert_int_equal(redo_check_link(&x, "c", &p, "p", &ops), 1);
	x = p, x.state = REDO_STATE_ACTIVE;
	assert_int_equal(redo_check_link(&c, "c", &x, "p", &ops), 1);
	/* Unless it is what was merged into it. */
	redo_super_set_merge(&x, REDO_MERGE_TAKEN, c.uuid);
	assert_int_equal(redo_check_link(&c, "c", &x, "p", &ops), 0);
	redo_super_set_merge(&x, REDO_MERGE_TAKEN, p.uuid);
	assert_int_equal(redo_check_link(&c, "c", &x, "p", &ops), 1);
	/* A child that has not taken over may lie on an active parent. */
	x = c, x.state = REDO_STATE_NEW, x.parent_content = 0, p.state = REDO_STATE_ACTIVE;
	assert_int_equal(redo_check_link(&x, "c", &p, "p", &ops), 0);
}

struct run_list {
	struct { enum redo_run_kind kind; u64 start, bytes, phys; } r[32];
	int nr;
};

static int keep_run(void *ctx, enum redo_run_kind kind, uint64_t start, uint64_t bytes, uint64_t phys)
{
	struct run_list *l = ctx;

	assert_true(l->nr < 32);
	l->r[l->nr].kind = kind;
	l->r[l->nr].start = start;
	l->r[l->nr].bytes = bytes;
	l->r[l->nr++].phys = phys;
	return 0;
}

static void runs(void **state __unused)
{
	static const struct redo_extent e[] = {
		{ .logical = 10, .phys = IMAGE_DATA0 + 30, .len = 2, .type = REDO_REC_MAP },
		{ .logical = 4, .len = 2, .type = REDO_REC_UNMAP },
		{ .logical = 1500, .phys = IMAGE_DATA0 + 50, .len = 1, .type = REDO_REC_MAP },
		{ .logical = 2040, .len = 8, .type = REDO_REC_ZERO },
	};
	struct run_list l = { .nr = 0 };
	struct image im;

	image_filled(&im);
	image_commit(&im, 1000, 50, 0, 1, e, ARRAY_SIZE(e));
	assert_int_equal(redo_runs(&im.io, &im.sb, keep_run, &l), 0);
	/* 0-3, 6-9, 10-11, 20 zero, 600, leaf 2 zero but 1500 */
	assert_int_equal(l.nr, 9);
	assert_int_equal(l.r[0].bytes, 4 * 4096);
	assert_int_equal(l.r[0].phys, (u64)IMAGE_DATA0 * 4096);
	assert_int_equal(l.r[1].start, 6 * 4096);
	assert_int_equal(l.r[2].start, 10 * 4096);
	assert_int_equal(l.r[2].phys, (u64)(IMAGE_DATA0 + 30) * 4096);
	assert_int_equal(l.r[3].kind, REDO_RUN_ZERO);
	assert_int_equal(l.r[4].start, 600 * 4096);
	assert_int_equal(l.r[5].start, 1008 * 4096);
	assert_int_equal(l.r[5].bytes, 492 * 4096);
	assert_int_equal(l.r[6].start, 1500 * 4096);
	assert_int_equal(l.r[7].bytes, 11 * 4096);
	assert_int_equal(l.r[8].start, 2040 * 4096);
	image_free(&im);
}

/* In bytes, the addresses would be 0 and what wraps round to it. */
static void runs_beyond(void **state __unused)
{
	struct redo_extent e = { .logical = 10, .len = 2, .type = REDO_REC_MAP };
	struct run_list l = { .nr = 0 };
	struct image im;

	image_filled(&im);
	e.phys = im.size / 4096 - 1;
	image_commit(&im, 1000, 50, 0, 1, &e, 1);
	assert_int_equal(redo_runs(&im.io, &im.sb, keep_run, &l), -EUCLEAN);
	assert_non_null(strstr(redo_last_error(), "outside of any data unit"));
	im.sb.grain_sectors = REDO_GRAIN_SECTORS_MAX;
	e.phys = 1ULL << 44;
	e.logical = e.len = 1;
	image_commit(&im, 1000, 50, 0, 1, &e, 1);
	l.nr = 0;
	assert_int_equal(redo_runs(&im.io, &im.sb, keep_run, &l), -EUCLEAN);
	assert_non_null(strstr(redo_last_error(), "outside of any data unit"));
	image_free(&im);
}

/* Where the kernel refuses the delta there are no runs either. */
static void runs_refused(void **state __unused)
{
	static const struct {
		damage_fn damage;
		const char *why;
	} t[] = {
		{ journal_grain_used, "while it is in use" },
		{ journal_then_freed, "while it is in use" },
		{ journal_moved_onto_itself, "while it is in use" },
		{ journal_taken_twice, "while it is in use" },
		{ journal_twice, "while it is in use" },
		{ journal_crosses_units, "outside of any data unit" },
		{ journal_unit0, "outside of any data unit" },
		{ journal_slot0, "outside of any data unit" },
		{ journal_off_device, "outside of any data unit" },
		{ grain_on_header, "outside of any data unit" },
		{ grain_in_meta, "outside of any data unit" },
		{ grain_far, "outside of any data unit" },
		{ journal_hole, "was lost" },
	};
	struct image im;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		image_filled(&im);
		t[i].damage(&im);
		assert_int_equal(redo_runs(&im.io, &im.sb, drop_run, NULL), -EUCLEAN);
		if (!strstr(redo_last_error(), t[i].why))
			fail_msg("case %zu: %s", i, redo_last_error());
		image_free(&im);
	}
	image_filled(&im);
	im.io.size = REDO_UNIT_SIZE;
	assert_int_equal(redo_runs(&im.io, &im.sb, drop_run, NULL), -EUCLEAN);
	image_free(&im);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_images), cmocka_unit_test(one_byte),
		cmocka_unit_test(super_fields), cmocka_unit_test(hidden_damage),
		cmocka_unit_test(journal_clean), cmocka_unit_test(empty_units),
		cmocka_unit_test(torn_is_noted),
		cmocka_unit_test(read_errors), cmocka_unit_test(tiny_devices),
		cmocka_unit_test(random_damage), cmocka_unit_test(links), cmocka_unit_test(runs),
		cmocka_unit_test(runs_beyond), cmocka_unit_test(runs_refused),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
