// SPDX-License-Identifier: GPL-2.0-or-later
#include "image.h"

static int image_read(void *ctx, u64 offset, void *buf, size_t len)
{
	struct image *im = ctx;

	assert_true(offset + len <= im->size);
	if (im->fail_at && offset / REDO_BLOCK_SIZE == im->fail_at)
		return -EIO;
	memcpy(buf, im->data + offset, len);
	return 0;
}

void *image_block(struct image *im, u64 blocknr)
{
	return im->data + blocknr * REDO_BLOCK_SIZE;
}

void image_write_super(struct image *im)
{
	redo_pack_super(image_block(im, redo_super_blocknr(im->sb.slot)), &im->sb);
}

void image_reseal(struct image *im, u64 blocknr)
{
	bool super = blocknr == REDO_SUPER_BLOCK_A || blocknr == REDO_SUPER_BLOCK_B;

	redo_seal_block(image_block(im, blocknr), super ? REDO_SUPER_SIZE : REDO_BLOCK_SIZE);
}

void image_blank(struct image *im)
{
	struct redo_format_args a = {
		.virtual_sectors = IMAGE_VIRTUAL_SECTORS, .base_sectors = IMAGE_VIRTUAL_SECTORS,
		.grain_sectors = 8, .chain_seq = 1,
	};
	struct redo_label label = { .chain_name = "web", .snap_name = "monday" };

	memset(im, 0, sizeof(*im));
	im->size = (u64)IMAGE_UNITS * REDO_UNIT_SIZE;
	im->data = calloc(1, im->size);
	assert_non_null(im->data);
	im->io = (struct redo_io){ .ctx = im, .read = image_read, .size = im->size };
	redo_format_super(&a, &im->sb);
	redo_pack_unit_header(image_block(im, 0), im->sb.uuid, 0, REDO_UNIT_META, 8);
	redo_pack_label(image_block(im, REDO_LABEL_BLOCK_A), im->sb.uuid, REDO_LABEL_BLOCK_A, 1,
			&label);
	image_write_super(im);
}

static __le64 block_ptr(u64 blocknr, u64 generation)
{
	struct redo_ptr p = {
		.kind = REDO_PTR_BLOCK, .blocknr = blocknr,
		.gen_tag = generation & REDO_GEN_TAG_MASK,
	};

	return redo_pack_ptr(&p);
}

static __le64 grain(u8 state, u64 phys)
{
	struct redo_grain g = { .state = state, .phys = phys };

	return redo_pack_grain(&g);
}

static void fill_map(struct image *im, u64 gen)
{
	struct redo_disk_node *leaf0 = image_block(im, IMAGE_LEAF0);
	struct redo_disk_node *leaf1 = image_block(im, IMAGE_LEAF1);
	struct redo_disk_node *dir = image_block(im, IMAGE_DIR);
	struct redo_ptr zero = { .kind = REDO_PTR_ZERO };

	for (u32 i = 0; i < 10; i++)
		leaf0->word[i] = grain(REDO_GRAIN_MAPPED, IMAGE_DATA0 + i);
	leaf0->word[20] = grain(REDO_GRAIN_ZERO, 0);
	leaf1->word[600 - REDO_FANOUT] = grain(REDO_GRAIN_MAPPED, IMAGE_DATA0 + 10);
	dir->word[0] = block_ptr(IMAGE_LEAF0, gen);
	dir->word[1] = block_ptr(IMAGE_LEAF1, gen);
	dir->word[2] = redo_pack_ptr(&zero);
	redo_seal_node(leaf0, im->sb.uuid, IMAGE_LEAF0, gen, REDO_TREE_MAP, 0, 0);
	redo_seal_node(leaf1, im->sb.uuid, IMAGE_LEAF1, gen, REDO_TREE_MAP, 0, 1);
	redo_seal_node(dir, im->sb.uuid, IMAGE_DIR, gen, REDO_TREE_MAP, 1, 0);
}

static void set_bits(struct redo_disk_unit *u, u32 type, u32 first, u32 nr)
{
	u->type = cpu_to_le32(type);
	for (u32 i = first; i < first + nr; i++)
		u->bitmap[i / 8] |= 1U << i % 8;
	u->used = cpu_to_le32(le32_to_cpu(u->used) + nr);
}

void image_filled(struct image *im)
{
	const u64 gen = 2;
	struct redo_disk_alloc *alloc;

	image_blank(im);
	fill_map(im, gen);
	alloc = image_block(im, IMAGE_ALLOC);
	set_bits(&alloc->unit[0], REDO_UNIT_META, 0, IMAGE_META_END);
	set_bits(&alloc->unit[1], REDO_UNIT_DATA, 0, 12);
	redo_seal_node(alloc, im->sb.uuid, IMAGE_ALLOC, gen, REDO_TREE_ALLOC, 0, 0);
	redo_pack_unit_header(image_block(im, REDO_UNIT_BLOCKS), im->sb.uuid, 1, REDO_UNIT_DATA, 8);
	im->sb.state = REDO_STATE_ACTIVE;
	im->sb.slot = 1;
	im->sb.generation = gen;
	im->sb.map_root = (struct redo_ptr){ IMAGE_DIR, gen, REDO_PTR_BLOCK };
	im->sb.alloc_root = (struct redo_ptr){ IMAGE_ALLOC, gen, REDO_PTR_BLOCK };
	im->sb.nr_units = 2;
	im->sb.nr_leaves = 2;
	im->sb.meta_used = 4;
	im->sb.data_used = 11;
	im->sb.replay_seq = 1000;
	im->sb.replay_commit = 50;
	image_write_super(im);
}

void image_free(struct image *im)
{
	free(im->data);
}

void image_commit(struct image *im, u64 seq, u64 commit, u16 index, u16 total,
		  const struct redo_extent *e, u32 nr)
{
	u64 blocknr = redo_journal_blocknr(im->sb.journal_start, im->sb.journal_blocks, seq);
	struct redo_journal_header jh = {
		.seq = seq, .commit = commit, .index = index, .total = total, .count = nr,
		.incarnation = im->sb.incarnation,
	};
	struct redo_disk_journal *j = image_block(im, blocknr);

	memset(j, 0, sizeof(*j));
	for (u32 i = 0; i < nr; i++)
		redo_pack_record(&j->record[i], &e[i]);
	redo_seal_journal(j, im->sb.uuid, blocknr, &jh);
}

static void keep_problem(void *ctx, const char *text)
{
	struct found *f = ctx;

	if (f->nr < 64)
		redo_copy(f->text[f->nr++], text, sizeof(f->text[0]));
}

void image_check(struct image *im, struct found *f)
{
	struct redo_check_ops ops = { .ctx = f, .problem = keep_problem };

	memset(f, 0, sizeof(*f));
	assert_int_equal(redo_check_image(&im->io, &ops, &f->res), 0);
	assert_int_equal(f->nr, f->res.problems < 64 ? f->res.problems : 64);
}

bool found_has(const struct found *f, const char *text)
{
	for (int i = 0; i < f->nr; i++)
		if (strstr(f->text[i], text))
			return true;
	for (int i = 0; i < f->nr; i++)
		print_message("found: %s\n", f->text[i]);
	print_message("but not: %s\n", text);
	return false;
}
