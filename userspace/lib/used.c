// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How many grains hold data. The superblock counts them as of the last
 * checkpoint; what came after it is in the journal alone.
 */
#include "redo-int.h"

struct replaced {
	const struct redo_extents *journal;
	u64 *used;
};

/* Only subtrees that hold something which the journal replaces. */
static bool on_enter(void *ctx, u64 blocknr, u32 level, u64 index)
{
	const struct redo_extents *j = ((struct replaced *)ctx)->journal;
	u64 per = redo_leaves_per_entry(level + 1) * REDO_FANOUT;
	size_t i = redo_extents_find(j, index * per);

	(void)blocknr;
	return i < j->nr && j->e[i].logical < index * per + per;
}

static int on_leaf(void *ctx, u64 blocknr, u64 index, const void *block)
{
	const struct redo_disk_node *n = block;
	struct replaced *r = ctx;
	const struct redo_extents *j = r->journal;
	u64 first = index * REDO_FANOUT;
	size_t i = redo_extents_find(j, first);

	(void)blocknr;
	for (; i < j->nr && j->e[i].logical < first + REDO_FANOUT; i++) {
		u64 from = j->e[i].logical > first ? j->e[i].logical : first;
		u64 to = j->e[i].logical + j->e[i].len;

		for (; from < to && from < first + REDO_FANOUT; from++) {
			struct redo_grain g;

			if (!redo_unpack_grain(n->word[from - first], &g) &&
			    g.state == REDO_GRAIN_MAPPED && *r->used)
				--*r->used;
		}
	}
	return 0;
}

/* A block that cannot be read replaces nothing: whoever needs to know has walked before. */
static void on_bad(void *ctx, u64 blocknr, u32 level, u64 index, const char *why)
{
	(void)ctx;
	(void)blocknr;
	(void)level;
	(void)index;
	(void)why;
}

/* Takes from @used every grain mapped in the tree that the journal (settled) replaces. */
static int walk_replaced(const struct redo_io *io, const struct redo_super *sb,
			 const struct redo_extents *journal, u64 *used)
{
	struct replaced r = { .journal = journal, .used = used };
	struct redo_walk w = {
		.io = io, .sb = sb, .tree = REDO_TREE_MAP, .ctx = &r,
		.enter = on_enter, .leaf = on_leaf, .bad = on_bad,
	};

	return journal->nr ? redo_walk_tree(&w) : 0;
}

static int on_extent(void *ctx, u64 commit, const struct redo_extent *e)
{
	(void)commit;
	return redo_extents_add(ctx, e);
}

int redo_data_used(const struct redo_io *io, const struct redo_super *sb, u64 *used)
{
	struct redo_extents journal = { 0 };
	struct redo_replay_ops ops = { .ctx = &journal, .extent = on_extent };
	struct redo_replay rep;
	int r;

	*used = sb->data_used;
	if (sb->flags & REDO_SB_CLEAN)
		return 0;
	r = redo_replay_journal(io, sb, &ops, &rep);
	if (!r)
		r = redo_extents_settle(&journal);
	if (!r)
		r = walk_replaced(io, sb, &journal, used);
	for (size_t i = 0; !r && i < journal.nr; i++)
		if (journal.e[i].type == REDO_REC_MAP)
			*used += journal.e[i].len;
	redo_extents_free(&journal);
	return r;
}

/* A live active delta changes while it is read; the kernel knows. */
static bool live_used(const struct redo_set *set, const struct redo_node *n, u64 *used)
{
	struct redo_status s;

	for (u32 i = 0; i < set->nr_chains; i++) {
		const struct redo_chain *c = &set->chain[i];

		if (c->present != n || !c->dm_name[0] || c->live_ro)
			continue;
		if (redo_chain_status(c->dm_name, &s) || !s.nr_deltas)
			return false;
		*used = s.grains_used;
		return true;
	}
	return false;
}

u64 redo_node_used(const struct redo_set *set, const struct redo_node *n)
{
	struct redo_super sb;
	struct redo_file f;
	u64 used;

	if (n->sb.flags & REDO_SB_CLEAN)
		return n->sb.data_used;
	if (set && live_used(set, n, &used))
		return used;
	if (redo_file_open(&f, n->path, 0))
		return n->sb.data_used;
	/* A sealed one may have had its last checkpoint since the scan. */
	if (redo_read_super(&f.io, n->path, &sb) || redo_data_used(&f.io, &sb, &used))
		used = n->sb.data_used;
	redo_file_close(&f);
	return used;
}
