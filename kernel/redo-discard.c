// SPDX-License-Identifier: GPL-2.0
/*
 * Discard and write-zeroes: whole grains become explicit zero entries, so that
 * the parent does not show through; a whole leaf of them is one word. Of a
 * partial grain a discard is ignored and a write-zeroes writes zeroes.
 *
 * Runs in a worker, a leaf at a time, and moves the bio's iterator along, so that
 * it can stop behind a pending grain and go on from there.
 */
#include <linux/slab.h>
#include "redo-chain.h"

static u64 zero_slot(void)
{
	return redo_word(REDO_W_ZERO, 0, 0) | REDO_W_TAG;
}

/*
 * A change that may create a leaf needs room for it, so that the checkpoint finds
 * it. Where a grain of ours is zeroed the leaf exists; this way a full delta can
 * still be emptied. NULL: no room.
 */
static struct redo_change *zero_change(struct redo_chain *c, u64 grain, u32 len,
				       struct redo_leaf *leaf, u64 word)
{
	bool down = redo_chain_goes_down(c);
	u32 reserved = c->alloc && (down || !redo_word_is_own(redo_word_untag(word), c->active_slot));
	struct redo_change *change;

	if (reserved && redo_delta_reserve(c->alloc, reserved))
		return NULL;
	if (down && redo_delta_reserve(c->active, 1)) {
		if (reserved)
			redo_delta_unreserve(c->alloc, reserved);
		return NULL;
	}
	change = redo_change_alloc(c, GFP_NOIO);
	change->reserved = reserved;
	change->reserved_top = down;
	if (down)
		change->via = c->home ? REDO_VIA_HOME | REDO_VIA_UNMAP : REDO_VIA_UNMAP;
	change->cookie = leaf;
	change->e = (struct redo_extent) {
		.type = REDO_REC_ZERO,
		.logical = grain,
		.len = len,
	};
	return change;
}

static void drop_change(struct redo_chain *c, struct redo_change *change)
{
	if (change->reserved)
		redo_delta_unreserve(c->alloc, change->reserved);
	if (change->reserved_top)
		redo_delta_unreserve(c->active, change->reserved_top);
	redo_change_free(c, change);
}

/*
 * A whole leaf that is not resident as such: one word. The slot is pending while
 * the change joins the list, for a write that came in between would expand the
 * leaf and be on the list in the wrong order.
 */
static int zero_whole_slot(struct redo_chain *c, u64 v, u64 grain, u32 len)
{
	u64 pending = redo_word(REDO_W_PENDING, 0, 0) | REDO_W_TAG, *slot;
	struct redo_change *change;
	bool ours;

	if (redo_word_state(v) == REDO_W_ZERO)
		return len;
	if (redo_word_state(v) == REDO_W_PENDING)
		return -EBUSY;
	change = zero_change(c, grain, len, NULL, v);
	if (!change)
		return -ENOSPC;
	rcu_read_lock();
	slot = redo_map_slot(&c->map, redo_leaf_index(grain));
	ours = slot && cmpxchg(slot, v, pending) == v;
	rcu_read_unlock();
	if (!ours) {
		drop_change(c, change);
		return -EAGAIN;
	}
	redo_commit_add(c, change);
	smp_store_release(slot, zero_slot()); /* pairs with redo_map_word() */
	redo_wake_pending(c, redo_leaf_index(grain));
	return len;
}

/* How many words from @pos on are zero already. */
static u32 zero_run(const u64 *pos, u32 len)
{
	u32 n;

	for (n = 0; n < len; n++)
		if (redo_word_state(READ_ONCE(pos[n])) != REDO_W_ZERO)
			break;
	return n;
}

/*
 * Words that are neither zero nor closed become pending; how many. @old: what they were,
 * or NULL.
 */
static u32 begin_zero(struct redo_chain *c, u64 *pos, u32 len, u64 *old)
{
	u64 w;
	u32 n;

	for (n = 0; n < len; n++) {
		w = READ_ONCE(pos[n]);
		if (redo_word_state(w) == REDO_W_ZERO || redo_word_is_closed(w))
			break;
		if (cmpxchg(&pos[n], w, redo_word(REDO_W_PENDING, 0, 0)) != w)
			break;
		if (redo_mutant(grain_reused_early) && redo_word_is_own(w, c->active_slot))
			redo_mutant_reuse(c->active, redo_word_phys(w));
		if (old)
			old[n] = w;
	}
	return n;
}

/* In an active merge into the base: that is what is zeroed, with the words pending. */
static int zero_base(struct redo_chain *c, u64 grain, u32 n)
{
	sector_t start = redo_grain_to_sector(c, grain);
	sector_t end = min_t(sector_t, redo_grain_to_sector(c, grain + n), c->len);

	return blkdev_issue_zeroout(c->slot[0].bdev, start, end - start, GFP_NOIO, 0);
}

static void put_back(struct redo_chain *c, struct redo_leaf *leaf, u64 grain, u32 n,
		     const u64 *old)
{
	u32 i;

	for (i = 0; i < n; i++)
		redo_entries_publish(c, leaf, grain + i, 1, old[i]);
}

/* The words are pending and, where need be, the base is zeroed. Takes the busy count. */
static void zero_done(struct redo_chain *c, struct redo_leaf *leaf, u64 grain, u32 n,
		      struct redo_change *change)
{
	bool merged;

	change->e.len = n;
	rcu_read_lock(); /* as in redo_first_write_done() */
	merged = redo_commit_add(c, change);
	redo_entries_publish(c, leaf, grain, n, redo_word(c->alloc ? REDO_W_ZERO : REDO_W_BASE,
							  0, 0));
	rcu_read_unlock();
	if (merged)
		redo_leaf_unbusy(leaf);	/* else the change keeps the count */
}

/* The same with the change that it needs: how many, or -errno. */
static int zero_with(struct redo_chain *c, struct redo_leaf *leaf, u64 grain, u32 len,
		     struct redo_change *change, u64 *old)
{
	u64 *pos = &leaf->word[redo_leaf_offset(grain)];
	u32 n = begin_zero(c, pos, len, old);
	int r;

	if (!n)
		return redo_word_is_closed(READ_ONCE(*pos)) ? -EBUSY : -EAGAIN;
	if (!c->alloc) {
		r = zero_base(c, grain, n);
		if (r) {
			put_back(c, leaf, grain, n, old);
			return r == -EAGAIN || r == -EBUSY || r == -ENOSPC ? -EIO : r;
		}
	}
	zero_done(c, leaf, grain, n, change);
	return n;
}

/* Some grains of a leaf whose busy count we hold. Returns grains done or -errno. */
static int zero_in_leaf(struct redo_chain *c, struct redo_leaf *leaf, u64 grain, u32 len)
{
	u64 *pos = &leaf->word[redo_leaf_offset(grain)], *old = NULL;
	struct redo_change *change = NULL;
	int n = zero_run(pos, len);

	if (n) {
		redo_leaf_unbusy(leaf);
		return n;
	}
	if (!c->alloc) {
		old = kmalloc_array(len, sizeof(*old), GFP_NOIO);
		n = old ? 0 : -EAGAIN;
	}
	if (!n) {
		change = zero_change(c, grain, len, leaf, READ_ONCE(*pos));
		n = change ? 0 : -ENOSPC;
	}
	if (!n)
		n = zero_with(c, leaf, grain, len, change, old);
	if (n < 0) {
		if (change)
			drop_change(c, change);
		redo_leaf_unbusy(leaf);
	}
	kfree(old);
	return n;
}

/*
 * Zero up to @len grains from @grain on, all of one leaf. Returns how many are
 * done, -EBUSY: the first is pending, -EAGAIN: look again, or another -errno.
 */
static int zero_grains(struct redo_chain *c, u64 grain, u32 len)
{
	u64 index = redo_leaf_index(grain), v;
	bool whole = !redo_leaf_offset(grain) &&
		     (len == REDO_FANOUT || grain + len == c->nr_grains);
	struct redo_leaf *leaf;
	int r;

	r = redo_build_leaf(c, index);
	if (r == -ENOMEM) { /* as in redo_prepare_leaf() */
		schedule_timeout_uninterruptible(max(HZ / 50, 1));
		return -EAGAIN;
	}
	if (r)
		return r;
	v = redo_map_slot_value(&c->map, index);
	if (whole && redo_word_is_tagged(v) && c->alloc)
		return zero_whole_slot(c, v, grain, len);
	if (v == zero_slot())
		return len;
	rcu_read_lock();
	leaf = redo_leaf_for_change(c, grain, GFP_NOWAIT | __GFP_NOWARN);
	rcu_read_unlock();
	if (!leaf) {
		if (redo_word_is_tagged(v) && redo_word_state(v) == REDO_W_PENDING)
			return -EBUSY;
		schedule_timeout_uninterruptible(1);
		return -EAGAIN;
	}
	return zero_in_leaf(c, leaf, grain, len);
}

static void set_start(struct bio *bio, sector_t start, sector_t end)
{
	bio->bi_iter.bi_sector = start;
	bio->bi_iter.bi_size = (end - start) << SECTOR_SHIFT;
}

static sector_t grains_end(const struct redo_chain *c, u64 end)
{
	return min_t(sector_t, redo_grain_to_sector(c, end), c->len);
}

/* Each time anew: an epoch may have begun meanwhile. Our worker is counted. */
static bool admit_grains(struct redo_chain *c, u64 g, u64 end)
{
	return redo_track_admit(c, redo_grain_to_sector(c, g), grains_end(c, end));
}

/* Whole grains [g, end); true when done, false when the bio went elsewhere. */
static bool zero_whole(struct redo_chain *c, struct bio *bio, u64 g, u64 end)
{
	sector_t bio_end = bio_end_sector(bio);
	u64 leaf_end;
	int r;

	while (g < end) {
		if (unlikely(READ_ONCE(c->gate))) {
			set_start(bio, redo_grain_to_sector(c, g), bio_end);
			redo_gate_hold(c, bio);
			return false;
		}
		leaf_end = min((redo_leaf_index(g) + 1) * REDO_FANOUT, end);
		if (!admit_grains(c, g, leaf_end)) {
			set_start(bio, redo_grain_to_sector(c, g), bio_end);
			redo_track_hold(c, bio, redo_grain_to_sector(c, g),
					grains_end(c, leaf_end));
			return false;
		}
		r = zero_grains(c, g, leaf_end - g);

		if (r > 0)
			g += r;
		if (r >= 0 || r == -EAGAIN) {
			redo_commit_throttle(c);
			cond_resched();
			continue;
		}
		set_start(bio, redo_grain_to_sector(c, g), bio_end);
		if (r == -EBUSY)
			redo_wait_pending(c, bio, g);
		else if (r == -ENOSPC)
			redo_nospace_hold(c, bio);
		else
			redo_bio_piece_done(c, bio, BLK_STS_IOERR);
		return false;
	}
	return true;
}

/* Write-zeroes of a part of one grain, to which the bio has been cut. */
static void zero_part(struct redo_chain *c, struct bio *bio)
{
	u64 grain = redo_sector_to_grain(c, bio->bi_iter.bi_sector), word;
	struct redo_io *io = redo_io(bio);

	io->gen = redo_inflight_enter(&c->inflight);
	if (unlikely(READ_ONCE(c->gate))) {
		redo_inflight_leave(&c->inflight, io->gen);
		redo_gate_hold(c, bio);
		return;
	}
	if (!redo_track_admit(c, bio->bi_iter.bi_sector, bio_end_sector(bio))) {
		redo_inflight_leave(&c->inflight, io->gen);
		redo_track_hold(c, bio, bio->bi_iter.bi_sector, bio_end_sector(bio));
		return;
	}
	rcu_read_lock();
	word = redo_map_word(&c->map, grain);
	rcu_read_unlock();
	if (redo_chain_owns(c, word)) {
		redo_zero_part(c, bio, word);
		return;
	}
	redo_inflight_leave(&c->inflight, io->gen);
	switch (redo_word_state(word)) {
	case REDO_W_ZERO:
		redo_bio_piece_done(c, bio, BLK_STS_OK);
		break;
	case REDO_W_PENDING:
	case REDO_W_MERGING:
		redo_wait_pending(c, bio, grain);
		break;
	case REDO_W_NONE:
		if (redo_prepare_leaf(c, bio))
			redo_defer(c, bio);
		break;
	case REDO_W_LOST:
		redo_bio_piece_done(c, bio, BLK_STS_IOERR);
		break;
	default:
		redo_commit_throttle(c);
		if (redo_prepare_change(c, bio))
			redo_bio_copyup(c, bio);
	}
}

static void write_zeroes(struct redo_chain *c, struct bio *bio)
{
	sector_t start = bio->bi_iter.bi_sector, end = bio_end_sector(bio);
	u64 first = redo_sector_to_grain(c, start);
	u64 last = end == c->len ? c->nr_grains : redo_sector_to_grain(c, end);

	if (start == redo_grain_to_sector(c, first) && first < last) {
		if (!zero_whole(c, bio, first, last))
			return;
		start = min_t(sector_t, redo_grain_to_sector(c, last), end);
		if (start == end) {
			redo_bio_piece_done(c, bio, BLK_STS_OK);
			return;
		}
		set_start(bio, start, end);
	}
	redo_bio_cut(bio, min_t(sector_t, end, redo_grain_to_sector(c,
			 redo_sector_to_grain(c, start) + 1)) - start);
	zero_part(c, bio);
}

static void discard(struct redo_chain *c, struct bio *bio)
{
	sector_t end = bio_end_sector(bio);
	u64 first = redo_sector_to_grain(c, bio->bi_iter.bi_sector + c->grain_sectors - 1);
	u64 last = end == c->len ? c->nr_grains : redo_sector_to_grain(c, end);

	if (zero_whole(c, bio, first, last))
		redo_bio_piece_done(c, bio, BLK_STS_OK);
}

void redo_discard(struct redo_chain *c, struct bio *bio)
{
	if (READ_ONCE(c->mode) != REDO_MODE_RW)
		redo_bio_piece_done(c, bio, BLK_STS_IOERR);
	else if (bio_op(bio) == REQ_OP_WRITE_ZEROES)
		write_zeroes(c, bio);
	else if (c->features.ignore_discard)
		redo_bio_piece_done(c, bio, BLK_STS_NOTSUPP);
	else
		discard(c, bio);
}
