// SPDX-License-Identifier: GPL-2.0
/* The life of a chain, the registry of those at work, modes and events. */
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "redo-chain.h"

DEFINE_MUTEX(redo_chains_mutex);
static LIST_HEAD(redo_chains);		/* under redo_chains_mutex */
static unsigned int nr_attached;	/* written under redo_chains_mutex */

unsigned int redo_chains_attached(void)
{
	return READ_ONCE(nr_attached);
}

unsigned long redo_chains_resident(void)
{
	struct redo_chain *c;
	unsigned long n = 0;

	if (!mutex_trylock(&redo_chains_mutex))
		return 0;
	list_for_each_entry(c, &redo_chains, registry)
		n += atomic_long_read(&c->map.resident);
	mutex_unlock(&redo_chains_mutex);
	return n;
}

void redo_chains_shrink(unsigned long leaves)
{
	struct redo_chain *c;

	if (!mutex_trylock(&redo_chains_mutex))
		return;
	list_for_each_entry(c, &redo_chains, registry) {
		atomic_add(min_t(unsigned long, leaves, INT_MAX / 2) / max(1U, nr_attached),
			   &c->evict_want);
		redo_commit_kick(c);
	}
	mutex_unlock(&redo_chains_mutex);
}

/* --- mode and events --- */

static void event_run(struct work_struct *work)
{
	struct redo_chain *c = container_of(work, struct redo_chain, event_work);
	struct dm_target *ti = READ_ONCE(c->ti);

	if (ti)
		dm_table_event(ti->table);
}

/* dm_table_event() takes a mutex, hence the worker; while suspended it is kept back. */
void redo_chain_event(struct redo_chain *c)
{
	unsigned long flags;
	bool now;

	spin_lock_irqsave(&c->lock, flags);
	now = !c->parked;
	c->event_pending = !now;
	spin_unlock_irqrestore(&c->lock, flags);
	if (now)
		queue_work(c->wq, &c->event_work);
}

void redo_chain_set_mode(struct redo_chain *c, enum redo_mode mode, const char *why)
{
	unsigned long flags;
	bool changed;

	spin_lock_irqsave(&c->lock, flags);
	changed = mode > c->mode;
	if (changed)
		WRITE_ONCE(c->mode, mode);
	spin_unlock_irqrestore(&c->lock, flags);
	if (!changed)
		return;
	DMERR("%s: %s: now %s", c->active ? redo_delta_name(c->active) : "chain", why,
	      mode == REDO_MODE_RO ? "read-only" : "failed");
	redo_chain_event(c);
}

/* --- life --- */

static int init_queues(struct redo_chain *c)
{
	c->wq = alloc_workqueue("redo", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!c->wq)
		return -ENOMEM;
	/*
	 * Bound, so that the commit that a flush waits for runs where the flush came from
	 * and no other processor has to be woken for it. There is one work item, which the
	 * workqueue never runs twice at a time; a checkpoint may take long.
	 */
	c->commit_wq = alloc_workqueue("redo_commit", WQ_MEM_RECLAIM | WQ_CPU_INTENSIVE, 0);
	return c->commit_wq ? 0 : -ENOMEM;
}

static int init_parts(struct redo_chain *c)
{
	int i, r;

	INIT_LIST_HEAD(&c->registry);
	INIT_WORK(&c->event_work, event_run);
	init_rwsem(&c->building);
	for (i = 0; i < REDO_BUILD_LOCKS; i++)
		mutex_init(&c->build_lock[i]);
	redo_defer_init(c);
	redo_merge_init(c);
	redo_track_init(c);
	r = redo_commit_init(c);
	if (!r)
		r = init_queues(c);
	if (!r)
		r = redo_inflight_init(&c->inflight);
	if (!r)
		r = redo_inflight_init(&c->at_work);
	if (!r)
		r = redo_map_init(&c->map, c->nr_grains);
	if (!r)
		r = redo_copyup_init(c);
	return r;
}

struct redo_chain *redo_chain_create(sector_t len, u32 grain_sectors, bool writable)
{
	struct redo_chain *c = kvzalloc(sizeof(*c), GFP_KERNEL);
	int r;

	if (!c)
		return ERR_PTR(-ENOMEM);
	c->len = len;
	c->grain_sectors = grain_sectors;
	c->grain_shift = ilog2(grain_sectors);
	c->nr_grains = redo_nr_grains(len, grain_sectors);
	c->writable = writable;
	c->parked = true;
	r = init_parts(c);
	if (r) {
		redo_chain_destroy(c);
		return ERR_PTR(r);
	}
	return c;
}

void redo_chain_destroy(struct redo_chain *c)
{
	u32 slot;

	if (c->commit_wq) {
		redo_merge_stop(c);
		redo_track_stop(c);
		cancel_delayed_work_sync(&c->tick);
		cancel_delayed_work_sync(&c->idle);
		destroy_workqueue(c->commit_wq);
	}
	if (c->wq)
		destroy_workqueue(c->wq);
	redo_merge_exit(c);
	redo_track_exit(c);
	redo_copyup_exit(c);
	redo_map_exit(&c->map);
	if (c->inflight.cpu)
		redo_inflight_exit(&c->inflight);
	if (c->at_work.cpu)
		redo_inflight_exit(&c->at_work);
	redo_commit_exit(c);
	for (slot = 1; slot <= c->nr_deltas; slot++)
		redo_delta_put(c->slot[slot].delta);
	kvfree(c);
}

void redo_chain_add_slot(struct redo_chain *c, struct block_device *bdev,
			 struct redo_delta *delta)
{
	u32 nr = delta ? c->nr_deltas + 1 : 0;

	c->slot[nr].bdev = bdev;
	c->slot[nr].delta = delta;
	c->slot[nr].owned = false;
	c->slot[nr].merged = false;
	if (nr) {
		smp_store_release(&c->nr_deltas, nr); /* pairs with status_info() */
		WRITE_ONCE(c->top, nr);
	}
}

u32 redo_chain_below(const struct redo_chain *c, u32 slot)
{
	while (slot && --slot && READ_ONCE(c->slot[slot].merged))
		;
	return slot;
}

void redo_chain_find_top(struct redo_chain *c)
{
	WRITE_ONCE(c->top, redo_chain_below(c, c->nr_deltas + 1));
}

u32 redo_chain_depth(const struct redo_chain *c, u32 slot)
{
	u32 n = 0;

	while ((slot = redo_chain_below(c, slot)))
		n++;
	return n;
}

/* --- registry --- */

struct redo_chain *redo_chain_find(struct mapped_device *md, sector_t begin)
{
	struct redo_chain *c;

	lockdep_assert_held(&redo_chains_mutex);
	list_for_each_entry(c, &redo_chains, registry)
		if (c->md == md && c->begin == begin)
			return c;
	return NULL;
}

static bool uses_base_live(const struct redo_chain *c)
{
	return c->writable && redo_chain_is_passthrough(c);
}

static bool has_on_top(const struct redo_chain *c, const struct block_device *bdev)
{
	return c->top && c->slot[c->top].bdev == bdev;
}

static bool has_delta(const struct redo_chain *c, const struct block_device *bdev)
{
	u32 slot;

	for (slot = 1; slot <= c->nr_deltas; slot++)
		if (c->slot[slot].bdev == bdev)
			return true;
	return false;
}

bool redo_chain_has(const struct redo_chain *c, const struct block_device *bdev)
{
	return c->slot[0].bdev == bdev || has_delta(c, bdev) || c->store == bdev;
}

bool redo_chain_others_have(struct redo_chain *c, const struct block_device *bdev)
{
	char name[DM_NAME_LEN];
	struct redo_chain *other;
	bool found = false;

	lockdep_assert_held(&redo_chains_mutex);
	list_for_each_entry(other, &redo_chains, registry) {
		if (other == c || !redo_chain_has(other, bdev))
			continue;
		if (dm_copy_name_and_uuid(other->md, name, NULL))
			strscpy(name, "?", sizeof(name));
		DMERR("%pg: %s (%s) uses it", bdev, name, dm_device_name(other->md));
		found = true;
	}
	return found;
}

/* Its writes, to the base or to its top delta, would change what the other shows? */
/* A store is one chain's, and nothing else. */
static bool store_conflict(const struct redo_chain *c, const struct redo_chain *other)
{
	return c->store && redo_chain_has(other, c->store);
}

static bool conflict(const struct redo_chain *writer, const struct redo_chain *other)
{
	if (!writer->writable)
		return false;
	if (redo_chain_is_passthrough(writer))
		return redo_chain_has(other, writer->slot[0].bdev);
	if (redo_merge_busy(writer) &&
	    redo_chain_has(other, writer->slot[writer->merge.target].bdev))
		return true;
	if (has_delta(other, writer->slot[0].bdev) || other->slot[0].bdev ==
	    writer->slot[writer->top].bdev)
		return true;	/* one's base is the other's delta */
	return has_on_top(other, writer->slot[writer->top].bdev);
}

int redo_chain_check_sharing(struct redo_chain *c, struct redo_chain *pred)
{
	struct redo_chain *other;

	lockdep_assert_held(&redo_chains_mutex);
	list_for_each_entry(other, &redo_chains, registry) {
		if (other == pred || other == c)
			continue;
		if (store_conflict(c, other) || store_conflict(other, c)) {
			DMERR("%pg: a tracking store is one chain's only; in use by %s",
			      store_conflict(c, other) ? c->store : other->store,
			      dm_device_name(other->md));
			return -EBUSY;
		}
		if (conflict(c, other) || conflict(other, c)) {
			DMERR("%pg: in use by %s, whose content would change: deactivate that first",
			      c->slot[uses_base_live(c) || uses_base_live(other) ?
				      0 : c->top].bdev,
			      dm_device_name(other->md));
			return -EBUSY;
		}
	}
	return 0;
}

bool redo_chains_use(const struct block_device *bdev)
{
	struct redo_chain *c;
	bool r = false;

	mutex_lock(&redo_chains_mutex);
	list_for_each_entry(c, &redo_chains, registry)
		r |= redo_chain_has(c, bdev);
	mutex_unlock(&redo_chains_mutex);
	return r;
}

void redo_chain_attach(struct redo_chain *c)
{
	lockdep_assert_held(&redo_chains_mutex);
	list_add_tail(&c->registry, &redo_chains);
	WRITE_ONCE(nr_attached, nr_attached + 1);
}

static void release_slot(struct redo_chain *c, struct redo_slot *slot, bool clean)
{
	if (!slot->owned)
		return;
	if (clean && redo_delta_checkpoint(slot->delta, true))
		DMWARN("%s: not closed cleanly, its journal will be replayed",
		       redo_delta_name(slot->delta));
	if (!clean) /* somebody is suspended and waits: no discards now */
		redo_delta_claim(slot->delta, c, &c->inflight, false);
	redo_delta_release(slot->delta, c);
	slot->owned = false;
}

void redo_chain_unlist(struct redo_chain *c)
{
	lockdep_assert_held(&redo_chains_mutex);
	if (list_empty(&c->registry))
		return;
	list_del_init(&c->registry);
	WRITE_ONCE(nr_attached, nr_attached - 1);
}

void redo_chain_release(struct redo_chain *c, bool clean)
{
	struct redo_delta *active = c->active;
	struct redo_super sb = { .flags = REDO_SB_CLEAN };
	u32 slot;

	clean &= READ_ONCE(c->mode) == REDO_MODE_RW;
	if (clean)
		redo_track_end(c);
	mutex_lock(&c->track.records);
	c->active = NULL;
	c->alloc = NULL;
	mutex_unlock(&c->track.records);
	for (slot = 1; slot <= c->nr_deltas; slot++)
		release_slot(c, &c->slot[slot], clean);
	if (active)
		redo_delta_super(active, &sb);
	if (clean && sb.flags & REDO_SB_CLEAN)
		redo_track_close(c, sb.generation);
	redo_track_exit(c);
}

/*
 * The device is suspended: dm has waited for every bio, so nothing can join the
 * queues any more. The last commit is made here, and what went to the base in
 * passthrough is flushed: a flush that comes after a snapshot goes to the new
 * delta only, but vouches for all that was acknowledged before.
 */
int redo_chain_quiesce(struct redo_chain *c)
{
	bool rw = READ_ONCE(c->mode) == REDO_MODE_RW;
	int i, r = 0;

	redo_merge_stop(c); /* what it has closed to writers is open again */
	redo_track_stop(c);
	for (i = 0; i < REDO_WORKERS; i++)
		flush_work(&c->worker[i].work);
	cancel_delayed_work_sync(&c->tick);
	if (c->active) /* also to drop what was still acknowledged in read-only mode */
		r = redo_commit_drain(c) && rw ? -EIO : 0;
	else if (c->writable && redo_chain_is_passthrough(c))
		r = blkdev_issue_flush(c->slot[0].bdev);
	if (r)
		redo_chain_set_mode(c, REDO_MODE_RO, "what was written cannot be flushed");
	spin_lock_irq(&c->lock);
	c->parked = true;
	c->lost |= r;
	spin_unlock_irq(&c->lock);
	cancel_delayed_work_sync(&c->tick);
	flush_work(&c->commit_work); /* what began before it could see that */
	redo_commit_end_waits(c);
	cancel_delayed_work_sync(&c->tick);
	cancel_delayed_work_sync(&c->idle);
	if (cancel_work_sync(&c->event_work))
		redo_chain_event(c);
	return r;
}
