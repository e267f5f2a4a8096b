// SPDX-License-Identifier: GPL-2.0
/*
 * The moment when one table takes over from another. Everything that changes
 * hands does so here, in preresume, with the old table suspended and drained:
 * journal, ownership, the sealing of parents. The atomic point of a snapshot is
 * the superblock write that seals the parent (redo_delta_seal); before it the new
 * delta does not count, after it the old line cannot be written any more.
 */
#include <linux/sched/mm.h>
#include "redo-target.h"

DEFINE_MUTEX(redo_target_mutex);

/* A chain that had no deltas so far has no grain size to keep to either. */
static bool same_grains(const struct redo_target *t, const struct redo_chain *old)
{
	u32 grain_sectors = redo_line_grain(t);

	return !grain_sectors || grain_sectors == old->grain_sectors;
}

/* The line is the old one, or the old one with more deltas on top? */
static bool extends(const struct redo_target *t, const struct redo_chain *old)
{
	u32 i;

	if (!old->writable || !t->writable || old->len != t->ti->len ||
	    READ_ONCE(old->mode) != REDO_MODE_RW || t->nr_deltas < old->nr_deltas ||
	    old->slot[0].bdev != t->base->bdev)
		return false;
	if (!same_grains(t, old))
		return false;
	/* Merged all through: its map says nothing of what the base got since. */
	if (old->nr_deltas && redo_chain_is_passthrough(old))
		return false;
	for (i = 0; i < old->nr_deltas; i++)
		if (old->slot[i + 1].delta != t->delta[i])
			return false;
	return true;
}

/*
 * The line begins with all of the old one that counts still, which is what the target shows.
 * It gets a chain of its own, and that finds the merge on the disks. Devices are compared: a
 * delta that has failed has another object in a new table.
 */
static bool goes_on_with(const struct redo_target *t, const struct redo_chain *old)
{
	u32 slot, i = 0;

	if (!t->writable || old->len != t->ti->len || old->slot[0].bdev != t->base->bdev)
		return false;
	for (slot = 1; slot <= old->nr_deltas; slot++) {
		if (old->slot[slot].merged)
			continue;
		while (i < t->nr_deltas && t->merged[i])
			i++;
		if (i == t->nr_deltas || t->dev[i++]->bdev != old->slot[slot].bdev)
			return false;
	}
	return true;
}

/* While its chain is merging a table is only replaced by one that goes on with it. */
int redo_target_check_merge(struct redo_target *t)
{
	struct redo_chain *old;
	int r = 0;

	mutex_lock(&redo_chains_mutex);
	old = redo_chain_find(dm_table_get_md(t->ti->table), t->ti->begin);
	if (old && redo_merge_busy(old) && READ_ONCE(old->mode) == REDO_MODE_RW &&
	    !extends(t, old) && !goes_on_with(t, old)) {
		DMERR("%s: its deltas are being merged: the line must have them all, in their order, or wait for the end",
		      dm_device_name(old->md));
		r = -EBUSY;
	}
	mutex_unlock(&redo_chains_mutex);
	return r;
}

/*
 * The top delta and every parent that is not sealed or not checkpointed yet must
 * be ours. Of the latter another live chain may be taking care already.
 */
static int claim_slots(struct redo_chain *c)
{
	bool passdown = !c->features.no_discard_passdown && !c->features.ignore_discard;
	struct redo_super sb;
	u32 slot;
	int r;

	for (slot = 1; slot <= c->nr_deltas; slot++) {
		struct redo_slot *s = &c->slot[slot];

		if (s->merged)
			continue;
		r = redo_delta_load(s->delta);
		if (r)
			return r;
		redo_delta_super(s->delta, &sb);
		/* Ours already: only the features may be new. */
		if (!s->owned && sb.state == REDO_STATE_SEALED && !redo_delta_dirty(s->delta))
			continue;
		r = redo_delta_claim(s->delta, c, &c->inflight, passdown);
		s->owned = !r;
		if (r && sb.state != REDO_STATE_SEALED) {
			DMERR("%s: in use by another chain", redo_delta_name(s->delta));
			return r;
		}
	}
	return 0;
}

static int fill_takeover(struct redo_chain *c, u32 slot, struct redo_takeover *to)
{
	u32 below = redo_chain_below(c, slot);
	struct redo_super parent;
	int r;

	memset(to, 0, sizeof(*to));
	if (below) {
		redo_delta_super(c->slot[below].delta, &parent);
		to->parent_content = redo_mutant(seal_after_child) ? 1 : parent.content_generation;
		return 0;
	}
	/*
	 * A flush from now on goes to the delta, but vouches for all that was acknowledged
	 * before: by a table of another target, or by who wrote to the base itself.
	 */
	r = blkdev_issue_flush(c->slot[0].bdev);
	if (r) {
		DMERR("%pg: the base cannot be flushed: error %d", c->slot[0].bdev, r);
		return r;
	}
	to->fingerprint = true;
	return redo_base_fingerprint(c->slot[0].bdev, &to->base_fp_head, &to->base_fp_tail);
}

/* A second child on a parent that was sealed before: others depend on it now. */
static int mark_parent(struct redo_chain *c, u32 slot, bool sealed_now)
{
	u32 below = redo_chain_below(c, slot);
	struct redo_super sb;

	if (!below || sealed_now)
		return 0;
	redo_delta_super(c->slot[below].delta, &sb);
	if (sb.flags & REDO_SB_SHARED)
		return 0;
	return redo_delta_mark_shared(c->slot[below].delta);
}

/*
 * What a delta that takes writes from now on says of its store; none at all if there is
 * none, or tracking has ended. records held.
 */
static struct redo_tracked tracked(struct redo_chain *c, u32 slot, const struct redo_super *sb,
				   u8 *uuid)
{
	struct redo_tracked t = redo_track_record(c, uuid, 0);

	if (slot == c->top && sb->state == REDO_STATE_NEW)
		t.epoch = c->track.epoch;
	else if (t.uuid && !memcmp(sb->tracker_uuid, uuid, REDO_UUID_SIZE))
		t.epoch = sb->tracker_epoch;
	return t;
}

/* The epoch that has begun is that of the seal, too. records held. */
static int seal(struct redo_chain *c, struct redo_delta *d)
{
	u8 uuid[REDO_UUID_SIZE];
	struct redo_tracked track = redo_track_record(c, uuid, c->track.epoch);

	return redo_delta_seal(d, track.uuid && track.epoch ? &track : NULL);
}

static int track_live(struct redo_chain *c, u32 slot)
{
	struct redo_tracked track;
	struct redo_super sb;
	u8 uuid[REDO_UUID_SIZE];

	redo_delta_super(c->slot[slot].delta, &sb);
	track = tracked(c, slot, &sb, uuid);
	return redo_delta_set_tracker(c->slot[slot].delta, &track);
}

static int activate_slot(struct redo_chain *c, u32 slot, bool sealed_now)
{
	struct redo_delta *d = c->slot[slot].delta;
	struct redo_takeover to = { 0 };
	struct redo_tracked track;
	struct redo_super sb;
	u8 uuid[REDO_UUID_SIZE];
	int r = 0;

	redo_delta_super(d, &sb);
	track = tracked(c, slot, &sb, uuid);
	if (sb.state == REDO_STATE_NEW) {
		r = mark_parent(c, slot, sealed_now);
		if (!r)
			r = fill_takeover(c, slot, &to);
	}
	to.track = &track;
	return r ?: redo_delta_activate(d, &to);
}

/*
 * Once the parent is sealed there is no way back: see that the child can be written. While
 * it waited its parent may have been merged into what is below.
 */
static int prove_top(struct redo_chain *c)
{
	u32 below = redo_chain_below(c, c->top);
	static const u8 nil[REDO_UUID_SIZE];
	struct redo_delta *d = c->slot[c->top].delta;
	struct redo_super sb, parent = { 0 };
	struct redo_reparent to = { 0 };

	redo_delta_super(d, &sb);
	if (below)
		redo_delta_super(c->slot[below].delta, &parent);
	if (sb.state != REDO_STATE_NEW ||
	    !memcmp(sb.parent_uuid, below ? parent.uuid : nil, REDO_UUID_SIZE))
		return below ? redo_delta_prove(d) : 0;
	to.parent_uuid = below ? parent.uuid : NULL;
	to.depth = redo_chain_depth(c, c->top);
	return redo_delta_reparent(d, &to);
}

/* Bottom up: whoever is not sealed and not the last is brought up to date and sealed. */
static int stack_up(struct redo_chain *c, u32 live)
{
	struct redo_super sb;
	bool sealed_now = false;
	u32 slot;
	int r;

	if (c->top != live) {
		r = prove_top(c);
		if (r)
			return r;
	}
	for (slot = 1; slot < c->top; slot++) {
		struct redo_delta *d = c->slot[slot].delta;

		if (c->slot[slot].merged)
			continue;

		redo_delta_super(d, &sb);
		if (sb.state == REDO_STATE_SEALED)
			continue;
		r = slot == live ? 0 : activate_slot(c, slot, sealed_now);
		if (!r && redo_mutant(seal_after_child))
			r = activate_slot(c, slot + 1, true);
		if (!r)
			r = seal(c, d);
		if (r)
			return r;
		sealed_now = true;
	}
	return slot == live ? track_live(c, slot) : activate_slot(c, slot, sealed_now);
}

static int load_view(struct redo_chain *c)
{
	u32 slot;
	int r = 0;

	for (slot = 1; slot <= c->nr_deltas && !r; slot++)
		if (!c->slot[slot].merged)
			r = redo_delta_load(c->slot[slot].delta);
	return r;
}

/* Whoever finds that tracking has ended finds the right delta to note it in. */
static int change_active(struct redo_chain *c, u32 live)
{
	int r;

	mutex_lock(&c->track.records);
	r = stack_up(c, live);
	if (!r) {
		c->active_slot = c->top;
		c->active = c->slot[c->active_slot].delta;
	}
	mutex_unlock(&c->track.records);
	return r;
}

static int bring_up_deltas(struct redo_chain *c)
{
	u32 live = c->active_slot;
	int r;

	r = claim_slots(c);
	if (!r && c->top != live)
		redo_merge_seal_source(c);
	if (!r)
		r = redo_track_begin(c);
	if (!r)
		r = change_active(c, live);
	if (r)
		return r;
	redo_track_began(c);
	if (c->top != live) {
		c->home = c->active_slot;
		c->alloc = c->active;
	}
	/* What was full is not what is written to now; the commit worker looks at once. */
	spin_lock_irq(&c->lock);
	WRITE_ONCE(c->space, REDO_SP_OK);
	spin_unlock_irq(&c->lock);
	return redo_merge_find(c);
}

static int bring_up(struct redo_chain *c)
{
	int r;

	if (!c->writable)
		return load_view(c);
	r = redo_chain_is_passthrough(c) ? redo_track_begin(c) : bring_up_deltas(c);
	if (!r && redo_track_works(c))
		redo_cbt_open_writes(c->cbt);
	return r;
}

/* The old table's chain becomes ours. Returns the one that was made for us: unused now. */
static struct redo_chain *take_over(struct redo_target *t, struct redo_chain *old)
{
	struct redo_target *from = old->ti->private;
	struct redo_chain *unused = t->chain;

	mutex_lock(&redo_target_mutex);
	from->chain = NULL;
	t->chain = old;
	mutex_unlock(&redo_target_mutex);
	return unused;
}

/*
 * Decide who has the chain; no I/O, since every chain of the host waits for this
 * mutex. Once attached, the sharing checks of others see us.
 * *@dismissed: the old table's chain if it is not taken over, off the registry;
 * *@unused: to be destroyed.
 */
static int switch_chain(struct redo_target *t, struct redo_chain **dismissed,
			struct redo_chain **unused)
{
	struct redo_chain *old, *c;
	int r;

	mutex_lock(&redo_chains_mutex);
	old = redo_chain_find(t->chain->md, t->ti->begin);
	r = redo_chain_check_sharing(t->chain, old);
	if (r)
		goto out;
	if (old && extends(t, old)) {
		*unused = take_over(t, old);
	} else if (old) {
		redo_chain_unlist(old);
		redo_merge_inherit(t->chain, old);
		*dismissed = old;
	}
	c = t->chain;
	WRITE_ONCE(c->ti, t->ti);	/* event_run() may be late */
	c->features = t->features;
	c->store = t->store ? t->store->bdev : NULL;
	redo_target_add_slots(t, c);
	if (list_empty(&c->registry)) {
		redo_target_note_merged(t, c);
		redo_chain_attach(c);
	}
out:
	mutex_unlock(&redo_chains_mutex);
	return r;
}

/*
 * What was acknowledged could not be made durable. Writes and flushes to the old table
 * fail ever since; the next one would show older content, and complete flushes, as if
 * nothing had happened. Whoever exchanges the tables must be told, once.
 */
static int check_lost_writes(struct redo_target *t)
{
	if (!t->lost)
		return 0;
	t->lost = false;
	DMERR("%s: acknowledged writes were lost before: load the table again to go on without them",
	      dm_device_name(t->chain->md));
	return -EIO;
}

/*
 * What becomes of the old table's chain is not known yet; but if this hand-over fails for
 * another reason the old table goes all the same, and this must not be forgotten with it.
 */
static void note_lost_writes(struct redo_target *t)
{
	struct redo_chain *old;

	mutex_lock(&redo_chains_mutex);
	old = redo_chain_find(t->chain->md, t->ti->begin);
	t->lost |= old && old->lost;
	mutex_unlock(&redo_chains_mutex);
}

static int do_handover(struct redo_target *t)
{
	struct redo_chain *dismissed = NULL, *unused = NULL;
	int r;

	note_lost_writes(t);
	r = redo_validate_chain(t, t->nr_deltas);
	if (!r)
		r = redo_track_check_line(t);
	if (!r)
		r = redo_target_check_merge(t); /* it may have begun after the load */
	if (!r)
		r = switch_chain(t, &dismissed, &unused);
	if (unused)
		redo_chain_destroy(unused);
	if (dismissed) {
		redo_track_move(t->chain, dismissed);
		redo_chain_release(dismissed, false);
	}
	if (r)
		return r;
	r = check_lost_writes(t) ?: bring_up(t->chain);
	if (r) /* neither line is at work now; either can be loaded */
		redo_chain_set_mode(t->chain, REDO_MODE_FAILED, "cannot be brought up");
	mutex_lock(&redo_target_mutex);
	t->up = !r;
	mutex_unlock(&redo_target_mutex);
	return r;
}

/*
 * dm's suspend lock serialises this with everything else that happens to the same
 * device. A resume of what was merely suspended must not wait for anybody: others
 * may be waiting for it.
 */
int redo_handover(struct redo_target *t)
{
	unsigned int noio;
	int r;

	if (!list_empty(&t->chain->registry))
		return READ_ONCE(t->chain->mode) == REDO_MODE_FAILED ? -EIO : 0;
	noio = memalloc_noio_save();
	r = do_handover(t);
	memalloc_noio_restore(noio);
	return r;
}
