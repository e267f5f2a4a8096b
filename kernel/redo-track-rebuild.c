// SPDX-License-Identifier: GPL-2.0
/*
 * After a crash: the bits of an implied epoch were in memory only, but its delta has
 * mapped whatever was changed. Its map is walked in the background; what is written
 * meanwhile marks by itself. Where the map cannot be read, all that it might say counts.
 */
#include "redo-chain.h"

void redo_track_rebuild_all(struct redo_chain *c, u64 epoch)
{
	if (!redo_cbt_rebuild_mark(c->cbt, epoch, 0, c->len))
		redo_cbt_rebuild_done(c->cbt, epoch);
}

static struct redo_delta *find_delta(struct redo_chain *c, const u8 *uuid)
{
	struct redo_super sb;
	u32 slot;

	for (slot = 1; slot <= c->nr_deltas; slot++) {
		if (c->slot[slot].merged)
			continue;
		redo_delta_super(c->slot[slot].delta, &sb);
		if (!memcmp(sb.uuid, uuid, REDO_UUID_SIZE))
			return c->slot[slot].delta;
	}
	return NULL;
}

static int mark_grains(struct redo_chain *c, u64 epoch, u64 grain, u64 end)
{
	return redo_cbt_rebuild_mark(c->cbt, epoch, redo_grain_to_sector(c, grain),
				     min_t(sector_t, redo_grain_to_sector(c, end), c->len));
}

static int mark_words(struct redo_chain *c, u64 epoch, u64 leaf, const __le64 *words)
{
	u64 start = leaf * REDO_FANOUT;
	u32 end = min_t(u64, REDO_FANOUT, c->nr_grains - start), i, n;
	int r = 0;

	for (i = 0; i < end && !r; i += n) {
		for (n = 0; i + n < end && words[i + n]; n++)
			;
		if (n)
			r = mark_grains(c, epoch, start + i, start + i + n);
		else
			n = 1;
	}
	return r;
}

static int mark_leaf(struct redo_chain *c, struct redo_delta *d, u64 epoch, u64 leaf,
		     __le64 *words)
{
	int kind = redo_delta_read_leaf(d, leaf, words);

	if (kind == REDO_LEAF_HOLE)
		return 0;
	if (kind == REDO_LEAF_NODE)
		return mark_words(c, epoch, leaf, words);
	return mark_grains(c, epoch, leaf * REDO_FANOUT,
			   min((leaf + 1) * REDO_FANOUT, c->nr_grains));
}

/* 1: to the end; 0: stopped on the way, where rebuild_leaf says; -errno: no more of this epoch. */
static int walk(struct redo_chain *c, struct redo_delta *d, u64 epoch, __le64 *words)
{
	struct redo_track *tr = &c->track;
	int error = 0, r = 0;
	u64 leaf;

	while (!r && !redo_track_is_stopped(c)) {
		leaf = redo_delta_next_leaf(d, tr->rebuild_leaf, &error);
		if (error) /* of what follows nobody knows anything */
			return mark_grains(c, epoch, tr->rebuild_leaf * REDO_FANOUT,
					   c->nr_grains) ?: 1;
		if (leaf == U64_MAX || leaf * REDO_FANOUT >= c->nr_grains)
			return 1;
		r = mark_leaf(c, d, epoch, leaf, words);
		tr->rebuild_leaf = leaf + 1;
		cond_resched();
	}
	return r;
}

static int rebuild(struct redo_chain *c, const struct redo_cbt_unsettled *u)
{
	struct redo_track *tr = &c->track;
	struct redo_delta *d = find_delta(c, u->delta_uuid);
	__le64 *words;
	int r;

	if (redo_mutant(cbt_rebuild_none))
		return 1;
	if (!d) { /* it is gone, and took with it what it knew */
		redo_track_rebuild_all(c, u->epoch);
		return 1;
	}
	if (tr->rebuild_epoch != u->epoch) {
		tr->rebuild_epoch = u->epoch;
		tr->rebuild_leaf = 0;
	}
	words = kmalloc(REDO_FANOUT * sizeof(*words), GFP_NOIO | __GFP_NOFAIL);
	r = walk(c, d, u->epoch, words);
	kfree(words);
	return r;
}

bool redo_track_rebuild(struct redo_chain *c)
{
	struct redo_cbt_unsettled u;
	int r;

	if (redo_cbt_unsettled(c->cbt, &u, 1) < 1)
		return false;
	r = rebuild(c, &u);
	if (r == 1) {
		r = redo_cbt_rebuild_done(c->cbt, u.epoch);
		DMINFO("%pg: epoch %llu rebuilt", c->track.bdev, u.epoch);
		redo_chain_event(c);
	}
	return !r || r == -ENOENT;
}
