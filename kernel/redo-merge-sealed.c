// SPDX-License-Identifier: GPL-2.0
/*
 * A sealed source. It does not change, and hides in the target whatever is written
 * there; so copies go in place where the target has the grain, and all of it may be
 * done again at any time (design.rst, "Sealed merges"). The data path has no part in it.
 */
#include "redo-chain.h"
#include "redo-target.h"

#define BATCH_SECTORS	32768U		/* 16 MiB under way, at most */
#define BATCH_LEAVES	4096U		/* looked at, if there is nothing to copy */
#define SAVE_INTERVAL	(5 * HZ)	/* how much is done again after a power cut */

static struct redo_delta *target_delta(struct redo_chain *c)
{
	return c->slot[c->merge.target].delta;
}

/* Of a bottom-most source, which bears the mark of what goes into the base. */
static struct redo_delta *bottom(struct redo_chain *c)
{
	return c->slot[c->merge.lo].delta;
}

static bool is_base_taken(const struct redo_super *sb)
{
	return sb->merge_state == REDO_MERGE_BASE_TAKEN ||
	       sb->merge_state == REDO_MERGE_BASE_ALL_TAKEN;
}

/* The next slot above the source that counts. */
static u32 above_source(struct redo_chain *c)
{
	u32 slot = c->merge.hi + 1;

	while (slot <= c->nr_deltas && c->slot[slot].merged)
		slot++;
	return slot;
}

static bool is_child_of_source(struct redo_chain *c, u32 top)
{
	struct redo_super sb;

	redo_delta_super(c->slot[top].delta, &sb);
	return !memcmp(sb.parent_uuid, c->merge.source, REDO_UUID_SIZE);
}

/*
 * Nothing says which delta it was whose grains have been left out so far. It is that which
 * lies on the source now, unless there was another one: then the source is marked.
 */
static bool is_another_ones(struct redo_chain *c)
{
	u32 top = above_source(c);
	struct redo_super sb;

	if (!c->merge.goes_on || top > c->nr_deltas || !is_child_of_source(c, top))
		return false;
	redo_delta_super(c->slot[c->merge.hi].delta, &sb);
	return sb.flags & REDO_SB_SHARED;
}

/* --- begin --- */

static int begin_base(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	struct redo_super sb;

	redo_delta_super(bottom(c), &sb);
	if ((sb.merge_state == REDO_MERGE_BASE || sb.merge_state == REDO_MERGE_BASE_ALL) &&
	    !is_another_ones(c)) {
		m->pos = sb.merge_pos;
		m->saved_pos = m->pos;
		return 0;
	}
	m->pos = 0;
	m->saved_pos = 0;
	if (redo_mutant(merge_not_marked))
		return 0;
	return redo_delta_mark_base(bottom(c), m->goes_on ? REDO_MERGE_BASE_ALL : REDO_MERGE_BASE,
				    m->source, 0);
}

static int begin_delta(struct redo_chain *c)
{
	bool passdown = !c->features.no_discard_passdown && !c->features.ignore_discard;
	struct redo_merge *m = &c->merge;
	struct redo_super sb;
	int r;

	r = redo_delta_claim(target_delta(c), c, &c->inflight, passdown);
	if (r)
		return r;
	c->slot[m->target].owned = true;
	r = redo_delta_open_target(target_delta(c), m->source);
	redo_delta_super(target_delta(c), &sb);
	m->pos = sb.merge_pos;
	return r;
}

/* By the commit worker: it must not be about to release the target. */
static int begin_visit(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	struct redo_super sb;
	int r = 0;
	u32 slot;

	for (slot = m->lo; slot <= m->hi && !r; slot++)
		if (!c->slot[slot].merged)
			r = redo_delta_load(c->slot[slot].delta);
	if (r)
		return r;
	redo_delta_super(c->slot[m->target ?: m->lo].delta, &sb);
	/* All was there already, and only the end was not. */
	if (sb.merge_state == REDO_MERGE_TAKEN || (is_base_taken(&sb) && !is_another_ones(c))) {
		m->copied = true;
		return 0;
	}
	return m->target ? begin_delta(c) : begin_base(c);
}

int redo_merge_sealed_begin(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	struct redo_usage u;
	u64 total = 0;
	u32 slot;
	int r;

	r = redo_commit_visit(c, begin_visit);
	for (slot = m->lo; slot <= m->hi && !r; slot++) {
		if (c->slot[slot].merged)
			continue;
		redo_delta_usage(c->slot[slot].delta, &u);
		total += u.grains_used;
	}
	WRITE_ONCE(m->total, m->done + total);
	m->saved = jiffies;
	return r;
}

/* --- a batch --- */

static u32 batch_sectors(const struct redo_chain *c)
{
	return redo_merge_batch_sectors(c, BATCH_SECTORS);
}

/* The next leaf from that of @grain on in which the source says something. */
static u64 next_leaf(struct redo_chain *c, u64 grain, int *error)
{
	u64 first = redo_leaf_index(grain), leaf = U64_MAX;
	u32 slot;

	/* Often the first one that is asked has the first leaf there may be. */
	for (slot = c->merge.lo; slot <= c->merge.hi && !*error && leaf > first; slot++)
		if (!c->slot[slot].merged)
			leaf = min(leaf, redo_delta_next_leaf(c->slot[slot].delta, first, error));
	return leaf;
}

/* What the one on top has comes later, from there. */
static int leave_out_top(struct redo_chain *c, u64 leaf)
{
	struct redo_merge_buf *b = c->merge.buf;
	u32 top = above_source(c), i;
	int r;

	if (!c->merge.goes_on || top > c->nr_deltas)
		return 0;
	r = redo_build_range(c, leaf, top, top, b->target, b->disk);
	for (i = 0; i < REDO_FANOUT && !r; i++)
		if (b->target[i])
			b->source[i] = 0;
	return r;
}

static int read_leaf(struct redo_chain *c, u64 leaf)
{
	struct redo_merge *m = &c->merge;
	struct redo_merge_buf *b = m->buf;
	int r;

	r = redo_build_range(c, leaf, m->hi, m->lo, b->source, b->disk);
	if (!r)
		r = leave_out_top(c, leaf);
	if (!r && m->target)
		r = redo_build_range(c, leaf, m->target, m->target, b->target, b->disk);
	if (r < 0)
		redo_merge_note_error(c, r, leaf * REDO_FANOUT, REDO_FANOUT);
	return r;
}

/* How many words from @i on go on as the first does. */
static u32 run_of(const u64 *words, u32 i, u32 end)
{
	u32 n = 1;

	while (i + n < end && words[i + n] == redo_word_step(words[i], n))
		n++;
	return n;
}

static void add_change(struct redo_merge_buf *b, enum redo_record_type type, u64 grain, u64 phys,
		       u64 len)
{
	struct redo_change *change = &b->change[b->n_changes++];

	change->reserved = type != REDO_REC_MAP;
	change->e = (struct redo_extent) {
		.type = type,
		.logical = grain,
		.phys = phys,
		.len = len,
	};
}

static bool changes_full(const struct redo_merge_buf *b)
{
	return b->n_changes >= REDO_MERGE_COPIES;
}

/* Places of the target for up to @len grains. 0: it has none. */
static u32 take(struct redo_delta *d, u32 len, u64 *phys)
{
	u32 n = redo_delta_alloc(d, len, phys);

	if (!n && !redo_delta_refill(d))
		n = redo_delta_alloc(d, len, phys);
	return n;
}

/* A run to the target delta, or its beginning: how many grains, or -ENOSPC. */
static int run_to_delta(struct redo_chain *c, u64 grain, u32 off, u32 len)
{
	struct redo_merge_buf *b = c->merge.buf;
	u64 word = b->source[off], mine = b->target[off], phys;
	u32 n;

	if (redo_word_state(word) != REDO_W_MAPPED) {
		n = run_of(b->target, off, off + len);
		if (mine == word)
			return n;
		if (redo_delta_reserve(target_delta(c), 1))
			return -ENOSPC;
		add_change(b, redo_word_state(word) == REDO_W_ZERO ? REDO_REC_ZERO : REDO_REC_BASE,
			   grain, 0, n);
		return n;
	}
	if (redo_word_state(mine) == REDO_W_MAPPED) {
		n = run_of(b->target, off, off + len);
		redo_copies_add(&b->copies, grain, n, word, c->merge.target, redo_word_phys(mine));
		return n;
	}
	/* A place of its own, also where it says zero or base. */
	for (n = 1; n < len && redo_word_state(b->target[off + n]) != REDO_W_MAPPED; n++)
		;
	n = take(target_delta(c), n, &phys);
	if (!n)
		return -ENOSPC;
	redo_copies_add(&b->copies, grain, n, word, c->merge.target, phys);
	add_change(b, REDO_REC_MAP, grain, phys, n);
	return n;
}

static int run_to_base(struct redo_chain *c, u64 grain, u32 off, u32 len)
{
	struct redo_merge_buf *b = c->merge.buf;
	u64 word = b->source[off];

	if (redo_word_state(word) == REDO_W_MAPPED)
		redo_copies_add(&b->copies, grain, len, word, 0, grain);
	else if (redo_word_state(word) == REDO_W_ZERO)
		redo_copies_zero(&b->copies, grain, len);
	return len;
}

/* From m->pos on, inside the leaf that was read. 0, or -ENOSPC. */
static int copy_leaf(struct redo_chain *c, u64 *pos)
{
	u32 max = max(1U, batch_sectors(c) / c->grain_sectors);
	struct redo_merge *m = &c->merge;
	struct redo_merge_buf *b = m->buf;
	u64 start = *pos - redo_leaf_offset(*pos);
	u32 end = min_t(u64, REDO_FANOUT, c->nr_grains - start);
	u32 i = redo_leaf_offset(*pos), len;
	int n = 0;

	for (; i < end; i += n) {
		*pos = start + i;
		if (redo_copies_full(&b->copies) || changes_full(b) ||
		    m->sectors + b->copies.to.count >= batch_sectors(c))
			return 0;
		if (!b->source[i]) {
			n = 1;
			continue;
		}
		len = min(run_of(b->source, i, end), max);
		n = m->target ? run_to_delta(c, start + i, i, len) :
		    run_to_base(c, start + i, i, len);
		if (n < 0)
			return n;
		if (redo_word_state(b->source[i]) == REDO_W_MAPPED)
			WRITE_ONCE(m->done, m->done + n);
	}
	*pos = start + REDO_FANOUT;
	return 0;
}

static void give_back(struct redo_delta *d, const struct redo_change *change, bool unused)
{
	if (change->reserved)
		redo_delta_unreserve(d, change->reserved);
	if (unused && change->e.type == REDO_REC_MAP)
		redo_delta_unalloc(d, change->e.phys, change->e.len);
}

/* The copies are in their places: the target's commit makes them durable, and its own. */
static int commit(struct redo_chain *c, int error)
{
	struct redo_merge_buf *b = c->merge.buf;
	struct redo_delta *d = target_delta(c);
	LIST_HEAD(changes);
	int r = error;
	u32 i;

	for (i = 0; i < b->n_changes; i++)
		list_add_tail(&b->change[i].list, &changes);
	if (!r && b->n_changes)
		r = redo_delta_commit(d, &changes);
	for (i = 0; i < b->n_changes; i++) {
		/* What may or may not be in the journal is not handed out again. */
		if (!r)
			r = redo_delta_apply(d, &b->change[i].e);
		give_back(d, &b->change[i], error);
	}
	b->n_changes = 0;
	return r;
}

/* As much as one batch takes, from *@pos on; 1: to the end of the source. */
static int gather(struct redo_chain *c, u64 *pos)
{
	struct redo_merge_buf *b = c->merge.buf;
	u32 leaves;
	u64 leaf;
	int r = 0;

	for (leaves = 0; leaves < BATCH_LEAVES && !r; leaves++) {
		if (redo_copies_full(&b->copies) || changes_full(b) ||
		    c->merge.sectors + b->copies.to.count >= batch_sectors(c))
			return 0;
		leaf = next_leaf(c, *pos, &r);
		if (r)
			redo_merge_note_error(c, r, *pos, 1);
		if (r || leaf == U64_MAX || leaf * REDO_FANOUT >= c->nr_grains)
			return r ?: 1;
		*pos = max(*pos, leaf * REDO_FANOUT);
		r = read_leaf(c, leaf);
		if (!r)
			r = copy_leaf(c, pos);
		cond_resched();
	}
	return r;
}

/* What the next activation need not do again. */
static int save_pos(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	int r;

	if (m->target) {
		redo_delta_note_merged(target_delta(c), m->pos);
		if (!redo_delta_wants_checkpoint(target_delta(c), redo_evict_eighth()))
			return 0;
		return redo_delta_checkpoint(target_delta(c), false);
	}
	if (m->pos == m->saved_pos || time_before(jiffies, m->saved + SAVE_INTERVAL))
		return 0;
	r = blkdev_issue_flush(c->slot[0].bdev);
	if (!r)
		r = redo_delta_mark_base(bottom(c), m->goes_on ? REDO_MERGE_BASE_ALL : REDO_MERGE_BASE,
					 m->source, m->pos);
	m->saved = jiffies;
	m->saved_pos = m->pos;
	return r;
}

/* merge_pos_early: what is being copied is said to be there. */
static void mutant_save_early(struct redo_chain *c, u64 pos)
{
	struct redo_merge *m = &c->merge;

	if (!m->target) {
		redo_delta_mark_base(bottom(c), m->goes_on ? REDO_MERGE_BASE_ALL :
				     REDO_MERGE_BASE, m->source, pos);
		return;
	}
	redo_delta_note_merged(target_delta(c), pos);
	redo_delta_checkpoint(target_delta(c), false);
}

int redo_merge_sealed_batch(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	struct redo_merge_buf *b = m->buf;
	u64 pos = m->pos;
	int got, r;

	b->n_changes = 0;
	redo_copies_start(&b->copies, c);
	got = gather(c, &pos);
	if (redo_mutant(merge_pos_early))
		mutant_save_early(c, pos);
	r = redo_copies_wait(&b->copies);
	if (m->target)
		r = commit(c, r);
	if (r)
		return r;
	m->pos = pos;	/* what was gathered before an error or the end of the space is there */
	r = save_pos(c);
	return r ?: got;
}

/* --- the end --- */

/* It lies on what the source lay on; in the same write, it may be the next to go down. */
static int reparent_top(struct redo_chain *c, u32 top)
{
	struct redo_merge *m = &c->merge;
	struct redo_reparent to = { 0 };
	struct redo_super sb;
	int r;

	if (m->target) {
		redo_delta_super(target_delta(c), &sb);
		to.parent_uuid = sb.uuid;
		to.depth = redo_chain_depth(c, m->lo);
		to.to.parent_content = sb.content_generation;
		return redo_delta_reparent(c->slot[top].delta, &to);
	}
	to.goes_on = m->goes_on;
	to.to.fingerprint = !m->goes_on;
	if (!m->goes_on) {
		r = redo_base_fingerprint(c->slot[0].bdev, &to.to.base_fp_head,
					  &to.to.base_fp_tail);
		if (r)
			return r;
	}
	return redo_delta_reparent(c->slot[top].delta, &to);
}

static int mark_taken(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	struct redo_super sb;
	int r;

	if (!m->target) {
		redo_delta_super(bottom(c), &sb);
		if (is_base_taken(&sb))
			return 0;
		r = blkdev_issue_flush(c->slot[0].bdev);
		return r ?: redo_delta_mark_base(bottom(c), m->goes_on ?
						 REDO_MERGE_BASE_ALL_TAKEN :
						 REDO_MERGE_BASE_TAKEN, m->source, 0);
	}
	redo_delta_super(target_delta(c), &sb);
	if (sb.merge_state == REDO_MERGE_TAKEN)
		return 0;
	r = redo_delta_checkpoint(target_delta(c), true);
	redo_delta_super(c->slot[m->hi].delta, &sb);
	return r ?: redo_delta_mark_taken(target_delta(c), &sb);
}

/* Topmost first: the bottom one says that all have been taken. */
static int retire(struct redo_chain *c)
{
	struct redo_super sb;
	u32 slot;
	int r = 0;

	for (slot = c->merge.hi; slot >= c->merge.lo && !r; slot--) {
		redo_delta_super(c->slot[slot].delta, &sb);
		if (sb.state != REDO_STATE_RETIRED)
			r = redo_delta_retire_merged(c->slot[slot].delta);
	}
	return r;
}

static int end_visit(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	u32 top = above_source(c);
	int r;

	if (WARN_ON_ONCE(top > c->nr_deltas))
		return -EINVAL;
	r = mark_taken(c);
	if (!r && redo_mutant(merge_retire_early))
		r = retire(c);
	if (!r && is_child_of_source(c, top))
		r = reparent_top(c, top);
	if (!r)
		r = retire(c);
	if (!r && m->target)
		r = redo_delta_mark_none(target_delta(c));
	if (r)
		return r;
	redo_merge_drop_slots(c, m->lo, m->hi);
	return 0;
}

int redo_merge_sealed_end(struct redo_chain *c)
{
	int r = 0;

	/* If what comes next was not to begin, this is over all the same. */
	if (!c->slot[c->merge.hi].merged)
		r = redo_commit_visit(c, end_visit);
	if (r)
		return r;
	if (!c->merge.target && !c->merge.goes_on)
		redo_track_base_became(c, c->merge.hi);
	return c->merge.goes_on ? redo_merge_next(c) : 1;
}
