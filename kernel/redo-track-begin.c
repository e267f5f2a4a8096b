// SPDX-License-Identifier: GPL-2.0
/*
 * The hand-over of a tracked chain: do store and deltas know each other, and which epoch
 * is it. The device is suspended; nothing has been sealed or activated yet, and whatever
 * is written here is right for either table line (design.rst has the order).
 */
#include <linux/slab.h>
#include "redo-proto.h"
#include "redo-target.h"

static const u8 nil[REDO_UUID_SIZE];

static bool same(const u8 *a, const u8 *b)
{
	return !memcmp(a, b, REDO_UUID_SIZE);
}

/* What the hand-over looks at. */
struct view {
	struct redo_cbt_info store;
	struct redo_super top;		/* zeroes: passthrough */
	struct redo_super parent;	/* of a NEW top: what it lies on that is not NEW; zeroes: the base */
	bool fresh;			/* no epoch has begun yet */
	bool is_new;			/* the top delta has not taken over yet */
	u32 below;			/* slot of the parent; 0: the base */
};

static void look(struct redo_chain *c, struct view *v)
{
	u32 slot;

	memset(v, 0, sizeof(*v));
	redo_cbt_info(c->cbt, &v->store);
	v->fresh = !v->store.epoch;
	if (!c->top)
		return;
	redo_delta_super(c->slot[c->top].delta, &v->top);
	v->is_new = v->top.state == REDO_STATE_NEW;
	for (slot = redo_chain_below(c, c->top); slot; slot = redo_chain_below(c, slot)) {
		redo_delta_super(c->slot[slot].delta, &v->parent);
		if (v->parent.state != REDO_STATE_NEW)
			break;
		memset(&v->parent, 0, sizeof(v->parent));
	}
	v->below = slot;
}

/* --- do they belong together --- */

#define MISMATCH(c, fmt, ...) \
	({ DMERR("%pg: not the store that goes with these deltas: " fmt, (c)->track.bdev, \
		 ##__VA_ARGS__); false; })

/* Is it the delta that the store knows as the active one, or as the one to come? */
static bool is_known(const struct redo_cbt_info *store, const u8 *uuid)
{
	return same(store->link_uuid, uuid) || (store->has_alt && same(store->alt_uuid, uuid));
}

/* @sb is what took writes last, by what the line says. */
static bool matches_last(struct redo_chain *c, const struct redo_cbt_info *store,
			 const struct redo_super *sb)
{
	if (same(store->link_uuid, sb->uuid) && sb->generation < store->link_generation)
		return MISMATCH(c, "delta %pUb is older (generation %llu) than the store says (%llu)",
				sb->uuid, sb->generation, store->link_generation);
	return true;
}

/*
 * Tracking began together with a new delta, and the hand-over was cut off before this one
 * was sealed, which would have named the store. Nobody has had it since.
 */
static bool cut_off_at_first(const struct view *v)
{
	return v->store.epoch == 1 && v->store.has_alt &&
	       same(v->store.alt_uuid, v->store.delta_uuid) &&
	       same(v->store.link_uuid, v->top.uuid) && same(v->top.tracker_uuid, nil) &&
	       v->top.generation == v->store.link_generation;
}

static bool matches_active(struct redo_chain *c, const struct view *v)
{
	if (!is_known(&v->store, v->top.uuid))
		return MISMATCH(c, "it went with delta %pUb, not with %pUb", v->store.link_uuid,
				v->top.uuid);
	if (!c->top || cut_off_at_first(v))
		return true;
	if (!same(v->top.tracker_uuid, v->store.uuid))
		return MISMATCH(c, "delta %pUb was tracked by %pUb, this is %pUb", v->top.uuid,
				v->top.tracker_uuid, v->store.uuid);
	return matches_last(c, &v->store, &v->top);
}

/* What any delta of the line knows of this store: a store that knows less is an old copy. */
static bool is_as_new(struct redo_chain *c, const struct redo_cbt_info *store)
{
	struct redo_super sb;
	u32 slot;

	for (slot = 1; slot <= c->nr_deltas; slot++) {
		redo_delta_super(c->slot[slot].delta, &sb);
		if (!same(sb.tracker_uuid, store->uuid))
			continue;
		if (sb.tracker_generation > store->generation ||
		    max(sb.tracker_epoch, sb.tracker_sealed) > store->epoch)
			return MISMATCH(c, "it is older (generation %llu) than delta %pUb says (%llu)",
					store->generation, sb.uuid, sb.tracker_generation);
	}
	return true;
}

static bool matches(struct redo_chain *c, const struct view *v)
{
	if (!is_as_new(c, &v->store))
		return false;
	if (v->fresh)
		return true;
	return v->is_new ? matches_last(c, &v->store, &v->parent) : matches_active(c, v);
}

/* May the map of what took writes last hold more than the store knows? */
static bool needs_rebuild(const struct view *v)
{
	const struct redo_super *last = v->is_new ? &v->parent : &v->top;

	if (v->is_new && !same(last->uuid, v->store.link_uuid))
		return false;	/* it is left out: what it held later is gone */
	return !v->store.clean || !same(last->uuid, v->store.link_uuid) ||
	       last->generation != v->store.link_generation;
}

/*
 * The store breaks by itself where it cannot write; without memory, or if it is too small, it
 * leaves that to us. Going on with the epoch, or the size, of before would miss changes.
 */
static void must(struct redo_chain *c, int r)
{
	if (r)
		redo_cbt_break(c->cbt, r == -EFBIG ? REDO_CBT_BREAK_SPACE :
			       r == -ENOMEM ? REDO_CBT_BREAK_MEMORY : REDO_CBT_BREAK_IO);
}

/* --- epochs --- */

/* The delta of an epoch never took over: the hand-over that began it was cut off. */
static bool never_began(const struct view *v)
{
	const u8 *last = v->is_new ? v->parent.uuid : v->top.uuid;

	return v->store.has_alt && same(v->store.alt_uuid, v->store.delta_uuid) &&
	       same(last, v->store.link_uuid) && !same(last, v->store.delta_uuid);
}

/*
 * The current epoch is implied by a delta that is no more asked from here on. What its
 * map would have to be asked for counts as changed; unless the delta has nothing.
 */
static void end_implied(struct redo_chain *c, const struct view *v)
{
	struct redo_cbt_info info;

	redo_cbt_settle(c->cbt, true);
	redo_cbt_info(c->cbt, &info);
	if (!info.implied)
		return;	/* there may be others before it that are still to be rebuilt */
	if (never_began(v))
		redo_cbt_rebuild_done(c->cbt, v->store.epoch);
	else
		redo_track_rebuild_all(c, v->store.epoch);
	redo_cbt_settle(c->cbt, true);
	redo_cbt_info(c->cbt, &info);
	if (info.implied) /* by a delta that takes no writes: they would be missed */
		redo_cbt_break(c->cbt, REDO_CBT_BREAK_REBUILD);
}

static u64 point_of_parent(const struct view *v)
{
	if (!v->below)
		return v->store.base_epoch;
	return same(v->parent.tracker_uuid, v->store.uuid) ? v->parent.tracker_sealed : 0;
}

/*
 * A revert: what was active up to now is left out. Its epoch ends with the way back to
 * where the point's own content began.
 */
static void fill_revert(const struct view *v, struct redo_cbt_begin *b)
{
	b->kind = REDO_CBT_REVERT;
	b->back_to = point_of_parent(v);
	b->forget = !b->back_to || b->back_to > v->store.epoch;
	if (b->forget || redo_mutant(cbt_back_lost))
		b->back_to = 0;
}

static void fill_snapshot(const struct view *v, struct redo_cbt_begin *b)
{
	b->kind = v->fresh ? REDO_CBT_ENABLE : REDO_CBT_SNAPSHOT;
	b->base = !v->below;
	/* Written without us: no id of before says what has changed since. */
	b->forget = !v->fresh && v->below && !same(v->parent.tracker_uuid, v->store.uuid);
}

/* The top delta is NEW. */
static void begin_new(struct redo_chain *c, struct view *v)
{
	struct redo_cbt_begin b = { .implied = true, .set_alt = true };
	int r;

	if (v->fresh) {
		redo_cbt_set_link(c->cbt, v->parent.uuid, v->parent.generation);
		fill_snapshot(v, &b);
	} else if (is_known(&v->store, v->parent.uuid)) {
		/* It is to be known when *alt* is another one; also as what a revert leaves out. */
		if (!same(v->store.link_uuid, v->parent.uuid))
			must(c, redo_cbt_set_link(c->cbt, v->parent.uuid, v->parent.generation));
		fill_snapshot(v, &b);
	} else {
		fill_revert(v, &b);
	}
	if (v->store.implied && !same(v->store.delta_uuid, v->parent.uuid))
		end_implied(c, v);
	memcpy(b.delta_uuid, v->top.uuid, REDO_UUID_SIZE);
	memcpy(b.alt_uuid, v->top.uuid, REDO_UUID_SIZE);
	r = redo_cbt_next_epoch(c->cbt, &b, &c->track.epoch);
	must(c, r);
	c->track.link_due |= !r;
	c->track.reverts = !r && b.kind == REDO_CBT_REVERT;
}

/* What is on top has taken writes before, or it is the base. */
static void begin_known(struct redo_chain *c, struct view *v)
{
	struct redo_cbt_begin b = { .kind = REDO_CBT_ENABLE, .set_alt = true, .set_link = true };
	u64 number;

	if (v->store.implied && !(same(v->store.delta_uuid, v->top.uuid) &&
				  v->top.tracker_epoch == v->store.epoch))
		end_implied(c, v);
	c->track.link_due |= v->store.has_alt || v->fresh ||
			     !same(v->store.link_uuid, v->top.uuid);
	if (!v->fresh)
		return;
	memcpy(b.alt_uuid, v->top.uuid, REDO_UUID_SIZE);
	must(c, redo_cbt_next_epoch(c->cbt, &b, &number));
}

/* A delta that names a store without epochs is found to be tracked for the first time. */
static int name_store(struct redo_chain *c, struct view *v)
{
	struct redo_tracked t = { .uuid = v->store.uuid, .generation = v->store.generation };

	if (!c->top || v->is_new || !(v->fresh || cut_off_at_first(v)))
		return 0;
	return redo_delta_set_tracker(c->slot[c->top].delta, &t);
}

static int begin_epoch(struct redo_chain *c)
{
	struct view *v = kmalloc(sizeof(*v), GFP_NOIO);
	int r;

	if (!v)
		return -ENOMEM;
	look(c, v);
	r = name_store(c, v);
	if (!r && v->is_new)
		begin_new(c, v);
	else if (!r)
		begin_known(c, v);
	kfree(v);
	return r;
}

/* --- the store --- */

static void fit_size(struct redo_chain *c)
{
	struct redo_cbt_info info;

	redo_cbt_info(c->cbt, &info);
	if (info.virtual_sectors == c->len)
		return;
	redo_cbt_close_writes(c->cbt);
	must(c, redo_cbt_resize(c->cbt, c->len));
}

static int open_store(struct redo_chain *c, struct block_device *bdev)
{
	struct redo_track *tr = &c->track;
	struct redo_cbt *cbt;
	struct view *v;
	bool rebuild;

	v = kmalloc(sizeof(*v), GFP_NOIO);
	if (!v)
		return -ENOMEM;
	cbt = redo_cbt_open(bdev, &redo_track_ops, c);
	if (IS_ERR(cbt)) {
		kfree(v);
		return PTR_ERR(cbt);
	}
	tr->broken = false;
	tr->link_due = false;
	tr->rebuild_epoch = 0;
	reinit_completion(&tr->broke);
	redo_track_set_store(c, cbt, bdev);
	look(c, v);
	if (v->store.state != REDO_CBT_ST_BROKEN && !matches(c, v))
		redo_cbt_break(cbt, REDO_CBT_BREAK_LINK);
	rebuild = needs_rebuild(v);
	redo_cbt_start(cbt, rebuild); /* if it cannot, tracking is broken */
	kfree(v);
	return 0;
}

/*
 * The store is left out from now on, or exchanged for another one. It must never be thought
 * to know what is written then. A delta will not name it; a base has no other place for it.
 */
static void leave_store(struct redo_chain *c)
{
	if (redo_track_works(c)) {
		redo_cbt_break(c->cbt, REDO_CBT_BREAK_USER);
		wait_for_completion(&c->track.broke);
	}
	redo_track_exit(c);
}

int redo_track_begin(struct redo_chain *c)
{
	int r = 0;

	c->track.epoch = 0;
	c->track.reverts = false;
	if (c->cbt && c->track.bdev != c->store)
		leave_store(c);
	if (!c->store)
		return 0;
	if (!c->cbt)
		r = open_store(c, c->store);
	else
		__redo_track_link(c);
	if (r || !redo_track_works(c))
		return r;
	fit_size(c);
	return redo_track_works(c) ? begin_epoch(c) : 0;
}

/*
 * As long as the link is what a revert has left out, a cut lets the old line go on as if nobody
 * had ever had the new id, which is that of other content. At a snapshot it is the same.
 */
void redo_track_began(struct redo_chain *c)
{
	if (c->track.reverts)
		__redo_track_link(c);
}

void redo_track_move(struct redo_chain *to, struct redo_chain *from)
{
	struct redo_track *tr = &to->track, *was = &from->track;
	struct block_device *bdev;

	if (!from->cbt || !to->writable || READ_ONCE(from->mode) != REDO_MODE_RW || from->lost)
		return;
	if (!redo_track_works(from))
		wait_for_completion(&was->broke); /* else it would be told to one that is gone */
	__redo_track_link(from); /* it knows its active delta, @to does not yet */
	redo_cbt_close_writes(from->cbt);
	redo_cbt_set_owner(from->cbt, to);
	tr->broken |= was->broken; /* one of both was told, if there was a break meanwhile */
	tr->link_due = was->link_due;
	tr->rebuild_epoch = 0;	/* slots have other numbers */
	if (tr->broken)
		complete_all(&tr->broke);
	bdev = was->bdev;
	redo_track_set_store(to, redo_track_set_store(from, NULL, NULL), bdev);
}

/* --- table lines --- */

/* What took writes last, if the line goes on with it: its tracker. */
static bool left_out(struct redo_target *t, struct redo_super *sb)
{
	u32 i = t->nr_deltas;

	while (i--) {
		if (t->merged[i])
			continue;
		redo_delta_super(t->delta[i], sb);
		if (sb->state == REDO_STATE_NEW)
			continue;
		return sb->state == REDO_STATE_ACTIVE && !same(sb->tracker_uuid, nil);
	}
	return false;
}

/* Of a base nothing but the table in force can tell. */
static bool leaves_base(struct redo_target *t)
{
	struct redo_chain *old;
	bool leaves;

	mutex_lock(&redo_chains_mutex);
	old = redo_chain_find(dm_table_get_md(t->ti->table), t->ti->begin);
	leaves = old && old->store && redo_chain_is_passthrough(old) &&
		 old->slot[0].bdev == t->base->bdev;
	mutex_unlock(&redo_chains_mutex);
	return leaves;
}

int redo_track_check_line(struct redo_target *t)
{
	struct redo_super sb;

	if (!t->writable || t->features.cbt || t->features.no_cbt)
		return 0;
	if (left_out(t, &sb)) {
		DMERR("delta %pUb is tracked by store %pUb, which the line leaves out: add \"" REDO_ARG_CBT
		      " <device>\", or \"" REDO_ARG_NO_CBT "\" to end the tracking",
		      sb.uuid, sb.tracker_uuid);
		return -EINVAL;
	}
	if (leaves_base(t)) {
		DMERR("%pg: is tracked, and the line leaves the store out: add \"" REDO_ARG_CBT
		      " <device>\", or \"" REDO_ARG_NO_CBT "\" to end the tracking",
		      t->base->bdev);
		return -EINVAL;
	}
	return 0;
}
