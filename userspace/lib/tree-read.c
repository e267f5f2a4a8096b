// SPDX-License-Identifier: LGPL-2.1-or-later
/* Walking a tree of a delta. Trusts nothing that it reads. */
#include <stdlib.h>
#include "redo-int.h"

/* A root higher than this cannot be described by the format. */
#define MAX_HEIGHT	8

static u64 nr_leaves(const struct redo_walk *w)
{
	const struct redo_super *sb = w->sb;

	if (w->tree == REDO_TREE_MAP)
		return redo_nr_leaves(sb->virtual_sectors, sb->grain_sectors);
	return DIV_ROUND_UP(sb->nr_units, REDO_UNITS_PER_LEAF);
}

static void tell(const struct redo_walk *w, u64 blocknr, u32 level, u64 index, const char *why)
{
	if (w->bad)
		w->bad(w->ctx, blocknr, level, index, why);
}

static int walk_node(const struct redo_walk *w, const struct redo_ptr *ptr, u32 level, u64 index);

/* First leaf below a node. */
static u64 first_leaf(u32 level, u64 index)
{
	u64 per = redo_leaves_per_entry(level + 1);

	return index > REDO_ADDR_MASK / per ? REDO_ADDR_MASK : index * per;
}

static int walk_zero(const struct redo_walk *w, u32 level, u64 index)
{
	u64 first = first_leaf(level, index), n = redo_leaves_per_entry(level + 1);
	u64 end = nr_leaves(w);

	if (first >= end || !w->zero)
		return 0;
	return w->zero(w->ctx, first, n < end - first ? n : end - first);
}

static int walk_dir(const struct redo_walk *w, u64 blocknr, u32 level, u64 index,
		    const struct redo_disk_node *node)
{
	u64 end = nr_leaves(w);
	int r = 0;

	if (w->dir)
		w->dir(w->ctx, blocknr, level, index, node);
	for (u32 i = 0; !r && i < REDO_FANOUT; i++) {
		u64 child = index * REDO_FANOUT + i;
		struct redo_ptr ptr;

		if (!node->word[i])
			continue;
		if (redo_unpack_ptr(node->word[i], &ptr) ||
		    (ptr.kind == REDO_PTR_ZERO && w->tree != REDO_TREE_MAP))
			tell(w, blocknr, level, index, "a pointer in it is malformed");
		else if (first_leaf(level - 1, child) >= end)
			tell(w, blocknr, level, index, "it points beyond the end of its tree");
		else if (ptr.kind == REDO_PTR_ZERO)
			r = walk_zero(w, level - 1, child);
		else
			r = walk_node(w, &ptr, level - 1, child);
	}
	return r;
}

static int walk_block(const struct redo_walk *w, const struct redo_ptr *ptr, u32 level,
		      u64 index, void *block)
{
	enum redo_bad bad;
	char why[64];
	int r;

	r = redo_io_block(w->io, ptr->blocknr, block);
	if (r) {
		snprintf(why, sizeof(why), "cannot be read: %s", strerror(-r));
		tell(w, ptr->blocknr, level, index, why);
		return 0;
	}
	bad = redo_check_node(block, w->sb->uuid, ptr, w->tree, level, index);
	if (bad) {
		tell(w, ptr->blocknr, level, index, redo_bad_str(bad));
		return 0;
	}
	if (level)
		return walk_dir(w, ptr->blocknr, level, index, block);
	return w->leaf(w->ctx, ptr->blocknr, index, block);
}

static int walk_node(const struct redo_walk *w, const struct redo_ptr *ptr, u32 level, u64 index)
{
	void *block;
	int r;

	if (ptr->blocknr >= w->io->size / REDO_BLOCK_SIZE) {
		tell(w, ptr->blocknr, level, index, "beyond the end of the device");
		return 0;
	}
	if (w->enter && !w->enter(w->ctx, ptr->blocknr, level, index))
		return 0;
	block = malloc(REDO_BLOCK_SIZE);
	if (!block)
		return redo_err(ENOMEM, "out of memory");
	r = walk_block(w, ptr, level, index, block);
	free(block);
	return r;
}

int redo_walk_tree(const struct redo_walk *w)
{
	bool map = w->tree == REDO_TREE_MAP;
	const struct redo_ptr *root = map ? &w->sb->map_root : &w->sb->alloc_root;
	u32 height = map ? w->sb->map_height : w->sb->alloc_height;

	if (height > MAX_HEIGHT) {
		tell(w, 0, height, 0, "impossible height");
		return 0;
	}
	switch (root->kind) {
	case REDO_PTR_HOLE:
		return 0;
	case REDO_PTR_ZERO:
		return walk_zero(w, height, 0);
	default:
		return walk_node(w, root, height, 0);
	}
}
