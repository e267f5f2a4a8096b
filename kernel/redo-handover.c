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

/* The line is the old one, or the old one with more deltas on top? */
static bool extends(const struct redo_target *t, const struct redo_chain *old)
{
	u32 i;

	if (!old->writable || !t->writable || old->len != t->ti->len ||
	    old->mode != REDO_MODE_RW || t->nr_deltas < old->nr_deltas ||
	    old->slot[0].bdev != t->base->bdev)
		return false;
	if (t->chain->grain_sectors != old->grain_sectors)
		return false;
	for (i = 0; i < old->nr_deltas; i++)
		if (old->slot[i + 1].delta != t->delta[i])
			return false;
	return true;
}

/* A chain that was not taken over: it is finished, its table will only be freed. */
static void dismiss(struct redo_chain *old)
{
	redo_chain_detach(old, false);
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
	struct redo_super parent;

	memset(to, 0, sizeof(*to));
	if (slot > 1) {
		redo_delta_super(c->slot[slot - 1].delta, &parent);
		to->parent_content = parent.content_generation;
		return 0;
	}
	to->fingerprint = true;
	return redo_base_fingerprint(c->slot[0].bdev, &to->base_fp_head, &to->base_fp_tail);
}

/* A second child on a parent that was sealed before: others depend on it now. */
static int mark_parent(struct redo_chain *c, u32 slot, bool sealed_now)
{
	struct redo_super sb;

	if (slot < 2 || sealed_now)
		return 0;
	redo_delta_super(c->slot[slot - 1].delta, &sb);
	if (sb.flags & REDO_SB_SHARED)
		return 0;
	return redo_delta_mark_shared(c->slot[slot - 1].delta);
}

static int activate_slot(struct redo_chain *c, u32 slot, bool sealed_now)
{
	struct redo_delta *d = c->slot[slot].delta;
	struct redo_takeover to = { 0 };
	struct redo_super sb;
	int r = 0;

	redo_delta_super(d, &sb);
	if (sb.state == REDO_STATE_NEW) {
		r = mark_parent(c, slot, sealed_now);
		if (!r)
			r = fill_takeover(c, slot, &to);
	}
	return r ?: redo_delta_activate(d, &to);
}

/* Bottom up: whoever is not sealed and not the last is brought up to date and sealed. */
static int stack_up(struct redo_chain *c, u32 live)
{
	struct redo_super sb;
	bool sealed_now = false;
	u32 slot;
	int r;

	for (slot = 1; slot < c->nr_deltas; slot++) {
		struct redo_delta *d = c->slot[slot].delta;

		redo_delta_super(d, &sb);
		if (sb.state == REDO_STATE_SEALED)
			continue;
		r = slot == live ? 0 : activate_slot(c, slot, sealed_now);
		if (!r)
			r = redo_delta_seal(d);
		if (r)
			return r;
		sealed_now = true;
	}
	return slot == live ? 0 : activate_slot(c, slot, sealed_now);
}

static int load_view(struct redo_chain *c)
{
	u32 slot;
	int r = 0;

	for (slot = 1; slot <= c->nr_deltas && !r; slot++)
		r = redo_delta_load(c->slot[slot].delta);
	return r;
}

static int bring_up(struct redo_chain *c)
{
	u32 live = c->active_slot;
	int r;

	if (!c->writable || !c->nr_deltas)
		return load_view(c);
	r = claim_slots(c);
	if (!r)
		r = stack_up(c, live);
	if (r)
		return r;
	c->active_slot = c->nr_deltas;
	c->active = c->slot[c->active_slot].delta;
	return 0;
}

/* The old table's chain becomes ours; the one made for us was for nothing. */
static void take_over(struct redo_target *t, struct redo_chain *old)
{
	struct redo_target *from = old->ti->private;

	if (from != t) {
		redo_chain_destroy(t->chain);
		from->chain = NULL;
	}
	t->chain = old;
}

static int switch_chain(struct redo_target *t, struct redo_chain *old)
{
	struct redo_chain *c;
	int r;

	r = redo_chain_check_sharing(t->chain, old);
	if (r)
		return r;
	if (old && old != t->chain && !extends(t, old)) {
		dismiss(old);
		old = NULL;
	}
	if (old)
		take_over(t, old);
	c = t->chain;
	c->ti = t->ti;
	c->features = t->features;
	if (list_empty(&c->registry))
		redo_chain_attach(c);
	redo_target_add_slots(t, c);
	r = bring_up(c);
	if (r) /* neither line is at work now; either can be loaded */
		redo_chain_set_mode(c, REDO_MODE_FAILED, "cannot be brought up");
	return r;
}

int redo_handover(struct redo_target *t)
{
	unsigned int noio = memalloc_noio_save();
	struct mapped_device *md = dm_table_get_md(t->ti->table);
	struct redo_chain *old;
	int r;

	mutex_lock(&redo_chains_mutex);
	old = redo_chain_find(md, t->ti->begin);
	if (t->chain == old) {		/* resumed as it was */
		r = old->mode == REDO_MODE_FAILED ? -EIO : 0;
	} else {
		r = redo_validate_chain(t, t->nr_deltas);
		if (!r)
			r = switch_chain(t, old);
		t->up = !r;
	}
	mutex_unlock(&redo_chains_mutex);
	memalloc_noio_restore(noio);
	return r;
}
