// SPDX-License-Identifier: LGPL-2.1-or-later
/* The runs of a delta's own map, its journal applied, in order of place. */
#include <stdlib.h>
#include "redo-int.h"

struct runs {
	const struct redo_super *sb;
	struct redo_extents journal;
	struct redo_claims claims;
	size_t at;		/* first journal run not yet told */
	redo_run_fn fn;
	void *ctx;
	struct redo_extent cur;	/* being joined; len 0: none */
	char bad[256];
	u64 nr_grains;
	u32 gpu;
	u64 nr_units;		/* taken, by the journal too */
};

static int tell(struct runs *r)
{
	static const enum redo_run_kind kind[] = {
		[REDO_REC_MAP] = REDO_RUN_DATA,
		[REDO_REC_ZERO] = REDO_RUN_ZERO,
		[REDO_REC_BASE] = REDO_RUN_BASE,
	};
	u64 grain = (u64)r->sb->grain_sectors << 9, size = r->sb->virtual_sectors << 9;
	u64 start = r->cur.logical * grain, len = r->cur.len * grain;

	if (!r->cur.len || r->cur.type == REDO_REC_UNMAP)
		return 0;
	if (len > size - start)
		len = size - start;	/* the short last grain */
	/* In grains: in bytes a spoilt address could wrap round to a good one. */
	if (r->cur.type == REDO_REC_MAP &&
	    !redo_data_run_ok(r->cur.phys, r->cur.len, r->gpu, r->nr_units))
		return redo_err(EUCLEAN, "grain %llu is mapped outside of any data unit",
				(unsigned long long)r->cur.logical);
	return r->fn(r->ctx, kind[r->cur.type], start, len, r->cur.phys * grain);
}

/* Runs come in order; those that touch and agree are one. */
static int put(struct runs *r, const struct redo_extent *e)
{
	struct redo_extent *c = &r->cur;
	int err;

	if (c->len && c->type == e->type && c->logical + c->len == e->logical &&
	    (e->type != REDO_REC_MAP || c->phys + c->len == e->phys)) {
		c->len += e->len;
		return 0;
	}
	err = tell(r);
	*c = *e;
	return err;
}

/* A run from the trees, less what the journal replaces in it. */
static int put_tree(struct runs *r, struct redo_extent e)
{
	int err = 0;

	if (e.logical >= r->nr_grains)
		return 0;
	if (e.len > r->nr_grains - e.logical)
		e.len = r->nr_grains - e.logical;
	while (!err && e.len) {
		const struct redo_extent *j = r->at < r->journal.nr ? &r->journal.e[r->at] : NULL;
		struct redo_extent head = e;

		if (j && j->logical <= e.logical) {
			u64 end = j->logical + j->len, cut;

			if (e.logical < end) {
				cut = end - e.logical < e.len ? end - e.logical : e.len;
				e.logical += cut;
				e.len -= cut;
				e.phys += e.type == REDO_REC_MAP ? cut : 0;
				if (e.logical < end)
					break;
			}
			err = put(r, j);
			r->at++;
			continue;
		}
		if (j && j->logical < e.logical + e.len)
			head.len = j->logical - e.logical;
		err = put(r, &head);
		e.logical += head.len;
		e.len -= head.len;
		e.phys += e.type == REDO_REC_MAP ? head.len : 0;
	}
	return err;
}

static int on_leaf(void *ctx, u64 blocknr, u64 index, const void *block)
{
	static const u8 type[] = {
		[REDO_GRAIN_MAPPED] = REDO_REC_MAP,
		[REDO_GRAIN_ZERO] = REDO_REC_ZERO,
		[REDO_GRAIN_BASE] = REDO_REC_BASE,
	};
	const struct redo_disk_node *n = block;
	struct runs *r = ctx;
	int err = 0;

	(void)blocknr;
	for (u32 i = 0; !err && i < REDO_FANOUT; i++) {
		struct redo_grain g;

		if (!n->word[i])
			continue;
		if (redo_unpack_grain(n->word[i], &g))
			return redo_err(EUCLEAN, "a map entry is malformed");
		if (g.state == REDO_GRAIN_MAPPED &&
		    !redo_claims_allow(&r->claims, index * REDO_FANOUT + i, g.phys))
			return redo_err(EUCLEAN, "the journal maps physical grain %llu while it is in use",
					(unsigned long long)g.phys);
		if (g.state)
			err = put_tree(r, (struct redo_extent){
				.logical = index * REDO_FANOUT + i, .len = 1,
				.phys = g.phys, .type = type[g.state] });
	}
	return err;
}

static int on_zero(void *ctx, u64 index, u64 leaves)
{
	return put_tree(ctx, (struct redo_extent){
		.logical = index * REDO_FANOUT, .len = leaves * REDO_FANOUT,
		.type = REDO_REC_ZERO });
}

static void on_bad(void *ctx, u64 blocknr, u32 level, u64 index, const char *why)
{
	struct runs *r = ctx;

	if (!r->bad[0])
		snprintf(r->bad, sizeof(r->bad), "map block %llu (level %u, index %llu): %s",
			 (unsigned long long)blocknr, level, (unsigned long long)index, why);
}

/* A damaged tree may point back to itself: depth is bounded, the count is not. */
static bool on_enter(void *ctx, u64 blocknr, u32 level, u64 index)
{
	struct runs *r = ctx;

	(void)blocknr;
	(void)level;
	(void)index;
	return !r->bad[0];
}

static int on_extent(void *ctx, u64 commit, const struct redo_extent *e)
{
	struct runs *r = ctx;
	u64 unit = e->phys / r->gpu;
	int err = redo_claims_add(&r->claims, e);

	if (err == -EEXIST && !r->bad[0])
		snprintf(r->bad, sizeof(r->bad), "journal commit %llu maps physical grain %llu while it is in use",
			 (unsigned long long)commit, (unsigned long long)e->phys);
	if (err)
		return err == -EEXIST ? 0 : err;
	if (e->type == REDO_REC_MAP && unit >= r->nr_units)
		r->nr_units = unit + 1;
	return redo_extents_add(&r->journal, e);
}

static void on_bad_record(void *ctx, u64 commit, u64 seq, u32 record, const char *why)
{
	struct runs *r = ctx;

	snprintf(r->bad, sizeof(r->bad), "journal commit %llu, sequence %llu, record %u: %s",
		 (unsigned long long)commit, (unsigned long long)seq, record, why);
}

static int walk(struct runs *r, const struct redo_io *io)
{
	struct redo_walk w = {
		.io = io, .sb = r->sb, .tree = REDO_TREE_MAP, .ctx = r,
		.enter = on_enter, .leaf = on_leaf, .zero = on_zero, .bad = on_bad,
	};
	struct redo_replay_ops ops = { .ctx = r, .extent = on_extent, .bad = on_bad_record };
	struct redo_replay rep;
	int err;

	err = redo_replay_journal(io, r->sb, &ops, &rep);
	if (err)
		return redo_err(-err, "the journal cannot be read: %s", strerror(-err));
	if (rep.hole)
		return redo_err(EUCLEAN, "a block of the journal was lost (sequence %llu)",
				(unsigned long long)rep.next_seq);
	if (r->bad[0])
		return redo_err(EUCLEAN, "%s", r->bad);
	err = redo_extents_settle(&r->journal);
	if (!err)
		err = redo_claims_settle(&r->claims);
	if (!err)
		err = redo_walk_tree(&w);
	while (!err && r->at < r->journal.nr)
		err = put(r, &r->journal.e[r->at++]);
	if (!err)
		err = tell(r);
	if (!err && r->bad[0])
		err = redo_err(EUCLEAN, "%s", r->bad);
	return err;
}

int redo_runs(const struct redo_io *io, const struct redo_super *sb, redo_run_fn fn, void *ctx)
{
	struct runs r = {
		.sb = sb, .fn = fn, .ctx = ctx,
		.nr_grains = redo_nr_grains(sb->virtual_sectors, sb->grain_sectors),
		.gpu = redo_grains_per_unit(sb->grain_sectors), .nr_units = sb->nr_units,
	};
	u64 fit = io->size / REDO_UNIT_SIZE;
	int err;

	if (sb->nr_units > fit)
		return redo_err(EUCLEAN, "%llu units were taken but the device holds %llu",
				(unsigned long long)sb->nr_units, (unsigned long long)fit);
	err = walk(&r, io);
	redo_claims_free(&r.claims);
	redo_extents_free(&r.journal);
	return err;
}
