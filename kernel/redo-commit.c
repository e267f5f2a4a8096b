// SPDX-License-Identifier: GPL-2.0
/*
 * Group commit. Completed changes gather on a list; a flush, a FUA write or the
 * timer has them written to the journal, all that have gathered meanwhile in one
 * go. One work item does this and all other changes of metadata, so there
 * is no lock between them.
 *
 * Why a flush is right: a change is on the list before its words can be seen, so
 * when a flush arrives, whatever was acknowledged before is on the list, in the
 * commit in flight, or done. redo_commit_join() lets it go at once only if the
 * list is empty and nothing is in flight; a FUA write likewise, at its completion.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "redo-chain.h"

#define COMMIT_INTERVAL		HZ
#define IDLE_INTERVAL		(10 * HZ)
#define CHANGES_KICK		2048	/* do not wait for the timer */
#define CHANGE_POOL_MIN		64

static struct kmem_cache *change_cache;

int redo_commit_module_init(void)
{
	change_cache = KMEM_CACHE(redo_change, 0);
	return change_cache ? 0 : -ENOMEM;
}

void redo_commit_module_exit(void)
{
	kmem_cache_destroy(change_cache);
}

/* With GFP_NOIO it never fails; the pool fills again as commits are applied. */
struct redo_change *redo_change_alloc(struct redo_chain *c, gfp_t gfp)
{
	struct redo_change *change = kmem_cache_alloc(change_cache, GFP_NOWAIT | __GFP_NOWARN);

	if (!change && gfpflags_allow_blocking(gfp)) {
		spin_lock_irq(&c->lock);
		c->timer_expired = c->nr_changes; /* do not wait: we need what it gives back */
		spin_unlock_irq(&c->lock);
		redo_commit_kick(c);
		change = mempool_alloc(&c->change_pool, gfp);
	}
	if (change) {
		change->reserved = 0;
		change->reserved_top = 0;
		change->via = 0;
	}
	return change;
}

void redo_change_free(struct redo_chain *c, struct redo_change *change)
{
	mempool_free(change, &c->change_pool);
}

void redo_commit_kick(struct redo_chain *c)
{
	queue_work(c->commit_wq, &c->commit_work);
}

/* So many changes do not wait for the timer: half of what may gather. */
static u32 changes_kick(void)
{
	return min_t(u32, CHANGES_KICK, redo_commit_changes_max() / 2);
}

/* The same kind, next to one another here and there, and one leaf (or none at all). */
static bool can_merge(const struct redo_change *a, const struct redo_change *b)
{
	if (a->e.type != b->e.type || a->e.logical + a->e.len != b->e.logical ||
	    a->cookie != b->cookie || a->via != b->via)
		return false;
	return a->e.type != REDO_REC_MAP ||
	       (a->e.phys + a->e.len == b->e.phys && a->e.len + b->e.len <= REDO_REC_MAP_MAX);
}

/*
 * Of the leaves reserved for two changes that became one, only those are still
 * needed that it may create: one at each end, and a directory for each whole one.
 */
static u32 merge_reserved(struct redo_change *last, const struct redo_change *change)
{
	u64 sum = last->reserved + change->reserved;
	u64 need = min_t(u64, sum, 2 + last->e.len / (REDO_FANOUT * REDO_FANOUT));

	last->reserved = need;
	return sum - need;
}

bool redo_commit_add(struct redo_chain *c, struct redo_change *change)
{
	u32 surplus = 0;
	struct redo_change *last = NULL;
	unsigned long flags;
	bool merged = false;
	u32 nr;

	spin_lock_irqsave(&c->lock, flags);
	if (c->nr_changes)
		last = list_last_entry(&c->changes, struct redo_change, list);
	if (last && can_merge(last, change)) {
		last->e.len += change->e.len;
		surplus = merge_reserved(last, change);
		last->reserved_top += change->reserved_top;
		merged = true;
	} else {
		list_add_tail(&change->list, &c->changes);
		WRITE_ONCE(c->nr_changes, c->nr_changes + 1);
	}
	nr = c->nr_changes;
	spin_unlock_irqrestore(&c->lock, flags);

	if (surplus)
		redo_delta_unreserve(c->alloc, surplus);
	if (merged)
		redo_change_free(c, change);
	else if (nr == 1)
		queue_delayed_work(c->commit_wq, &c->tick, COMMIT_INTERVAL);
	else if (nr == changes_kick())
		redo_commit_kick(c);
	return merged;
}

void redo_commit_throttle(struct redo_chain *c)
{
	if (likely(!redo_commit_is_behind(c)))
		return;
	redo_commit_kick(c);
	wait_event(c->throttle, !redo_commit_is_behind(c));
}

bool redo_commit_join(struct redo_chain *c, struct bio *bio)
{
	bool flush = bio->bi_opf & REQ_PREFLUSH;
	unsigned long flags;
	bool idle;

	spin_lock_irqsave(&c->lock, flags);
	/* In an active merge two devices have been written to. */
	idle = !c->nr_changes && c->mode == REDO_MODE_RW && !(flush && redo_chain_goes_down(c)) &&
	       (!c->committing || redo_mutant(commit_in_flight_ignored));
	if (!idle) {
		bio_list_add(&c->commit_waiters, bio);
		redo_commit_kick(c);	/* with the lock: see redo_defer() */
	}
	spin_unlock_irqrestore(&c->lock, flags);
	return idle;
}

void redo_commit_failed_write(struct redo_chain *c, struct bio *bio)
{
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	bio_list_add(&c->failed, bio);
	redo_commit_kick(c);	/* with the lock: see redo_defer() */
	spin_unlock_irqrestore(&c->lock, flags);
}

/* --- the commit worker --- */

struct batch {
	struct list_head changes;
	struct bio_list waiters;
	struct bio_list failed;
	struct list_head waits;
};

/*
 * Somebody waits for a commit - for space, too, since it may free grains - or
 * enough has gathered. lock held.
 */
static bool __commit_due(struct redo_chain *c)
{
	return (c->nr_changes && !bio_list_empty(&c->no_space)) || c->force_commit ||
	       c->timer_expired || c->nr_changes >= changes_kick() ||
	       !bio_list_empty(&c->commit_waiters) || !bio_list_empty(&c->failed) ||
	       !list_empty(&c->commit_waits);
}

/*
 * Everything that has gathered. False: no commit is due, and none is in flight
 * now; what is on the list waits for the timer.
 */
static bool grab(struct redo_chain *c, struct batch *b)
{
	INIT_LIST_HEAD(&b->changes);
	INIT_LIST_HEAD(&b->waits);
	spin_lock_irq(&c->lock);
	c->committing = __commit_due(c) && !c->parked;
	if (!c->committing) {
		if (c->nr_changes && !c->parked)
			queue_delayed_work(c->commit_wq, &c->tick, COMMIT_INTERVAL);
		spin_unlock_irq(&c->lock);
		return false;
	}
	list_splice_init(&c->changes, &b->changes);
	WRITE_ONCE(c->nr_changes, 0);
	b->waiters = c->commit_waiters;
	bio_list_init(&c->commit_waiters);
	b->failed = c->failed;
	bio_list_init(&c->failed);
	list_splice_init(&c->commit_waits, &b->waits);
	c->force_commit = false;
	c->timer_expired = false;
	spin_unlock_irq(&c->lock);
	wake_up_all(&c->throttle);
	return true;
}

static void end_waiters(struct bio_list *waiters, int error)
{
	struct bio *bio;

	while ((bio = bio_list_pop(waiters)))
		redo_bio_finish(bio, error ? BLK_STS_IOERR : BLK_STS_OK);
}

static void cut_chunk(struct list_head *from, struct list_head *chunk, u32 max)
{
	struct list_head *pos = from;

	INIT_LIST_HEAD(chunk);
	while (max-- && pos->next != from)
		pos = pos->next;
	list_cut_position(chunk, from, pos);
}

static void end_waits(struct list_head *waits, int error)
{
	struct redo_commit_wait *w, *next;

	list_for_each_entry_safe(w, next, waits, list) {
		w->error = error;
		complete(&w->done);	/* and it is gone */
	}
}

void redo_change_over(struct redo_chain *c, struct redo_change *change, int error)
{
	if (change->reserved)
		redo_delta_unreserve(c->alloc, change->reserved);
	if (change->reserved_top)
		redo_delta_unreserve(c->active, change->reserved_top);
	if (change->cookie && !error)
		redo_leaf_unbusy(change->cookie);
	redo_change_free(c, change);
}

/*
 * The changes are durable. They enter the delta's own dirty nodes; only then may
 * their leaves be evicted.
 */
int redo_commit_apply(struct redo_chain *c, struct redo_delta *d, struct list_head *chunk,
		      int error)
{
	struct redo_change *change, *next;

	list_for_each_entry_safe(change, next, chunk, list) {
		if (!error)
			error = redo_delta_apply(d, &change->e);
		redo_change_over(c, change, error);
	}
	if (error)
		redo_chain_set_mode(c, REDO_MODE_RO, "committed changes cannot be applied");
	return error;
}

/* Acknowledged changes that will never be durable: see check_lost_writes(). */
static void drop_changes(struct redo_chain *c, struct list_head *changes, int error)
{
	if (list_empty(changes))
		return;
	spin_lock_irq(&c->lock);
	c->lost = true;
	spin_unlock_irq(&c->lock);
	redo_commit_apply(c, c->active, changes, error);
}

static int commit_chunk(struct redo_chain *c, struct batch *b)
{
	struct list_head chunk;
	int r = -EIO;

	cut_chunk(&b->changes, &chunk, redo_delta_commit_max(c->active));
	if (READ_ONCE(c->mode) == REDO_MODE_RW)
		r = redo_chain_goes_down(c) ? redo_commit_down(c, &chunk) :
		    redo_delta_commit(c->active, &chunk);
	atomic64_inc(&c->nr_commits);
	if (r)
		redo_chain_set_mode(c, REDO_MODE_RO, "the journal cannot be written");
	if (r || list_empty(&b->changes))
		end_waiters(&b->waiters, r);
	if (!r)
		return redo_commit_apply(c, c->active, &chunk, 0);
	drop_changes(c, &chunk, r);
	return r;
}

/* A failed first write: what was below shows again; then the bio ends with its error. */
static void restore(struct redo_chain *c, struct bio *bio)
{
	struct redo_io *io = redo_io(bio);
	blk_status_t status = bio->bi_status ?: BLK_STS_IOERR;
	u64 *words;
	u32 i;

	words = kmalloc_array(io->len, sizeof(*words), GFP_NOIO | __GFP_NOFAIL);
	if (READ_ONCE(c->mode) != REDO_MODE_RW ||
	    redo_build_words(c, io->grain, io->len, words))
		for (i = 0; i < io->len; i++)
			words[i] = redo_word(REDO_W_LOST, 0, 0);
	for (i = 0; i < io->len; i++)
		redo_entries_publish(c, io->leaf, io->grain + i, 1, words[i]);
	kfree(words);
	redo_leaf_unbusy(io->leaf);
	if (c->alloc)
		redo_delta_shun(c->alloc, io->phys, io->len);
	redo_inflight_leave(&c->inflight, io->gen);
	redo_bio_finish(bio, status);
}

static void run_checkpoint(struct redo_chain *c, struct redo_delta *d)
{
	atomic64_inc(&c->nr_checkpoints);
	redo_track_note(c, d);
	if (redo_delta_checkpoint(d, false))
		redo_chain_set_mode(c, REDO_MODE_RO, "a checkpoint has failed");
}

static void finish_slot(struct redo_chain *c, struct redo_slot *slot)
{
	int r = 0;

	if (redo_delta_dirty(slot->delta))
		r = redo_delta_checkpoint(slot->delta, true);
	if (r)
		DMWARN("%s: last checkpoint of a sealed delta has failed",
		       redo_delta_name(slot->delta));
	/* Its discards are passed down in their own time, not in that of our flushes. */
	if (!r && redo_delta_reclaiming(slot->delta))
		return;
	redo_delta_release(slot->delta, c);
	slot->owned = false;
}

/* Ours still, though neither written to nor the target of a merge. */
static bool is_left_over(const struct redo_chain *c, u32 slot)
{
	return c->slot[slot].owned && slot != c->active_slot &&
	       !(redo_merge_busy(c) && slot == c->merge.target);
}

static bool has_sealed(const struct redo_chain *c)
{
	u32 slot;

	for (slot = 1; slot <= c->nr_deltas; slot++)
		if (is_left_over(c, slot))
			return true;
	return false;
}

/*
 * The last checkpoint of deltas that have been sealed lately: after it their
 * journal is not needed any more. Failing is no harm: the journal stays. It may be
 * long, and is not what those wait for whose I/O the snapshot has held up.
 */
static void finish_sealed(struct redo_chain *c)
{
	u32 slot;

	/* A suspend waits for us, with all I/O; the resume comes back to it. */
	if (!has_sealed(c) || READ_ONCE(c->suspending))
		return;
	if (time_before(jiffies, READ_ONCE(c->resumed) + COMMIT_INTERVAL)) {
		queue_delayed_work(c->commit_wq, &c->tick, COMMIT_INTERVAL);
		return;
	}
	for (slot = 1; slot <= c->nr_deltas; slot++)
		if (is_left_over(c, slot))
			finish_slot(c, &c->slot[slot]);
}

static void run_batch(struct redo_chain *c, struct batch *b)
{
	struct bio *bio;
	int r = 0;

	c->last_commit = jiffies;
	do {
		r = commit_chunk(c, b);
	} while (!r && !list_empty(&b->changes));
	if (r) { /* the mode is read-only now: nothing of the rest can be kept */
		end_waiters(&b->waiters, r);
		drop_changes(c, &b->changes, r);
	}
	WRITE_ONCE(c->commit_error, r);
	while ((bio = bio_list_pop(&b->failed)))
		restore(c, bio);
	end_waits(&b->waits, r);
	if (!r && redo_delta_wants_checkpoint(c->active, redo_evict_eighth()))
		run_checkpoint(c, c->active);
	if (!r && redo_chain_goes_down(c) && c->alloc &&
	    redo_delta_wants_checkpoint(c->alloc, redo_evict_eighth()))
		run_checkpoint(c, c->alloc);
}

static bool is_parked(struct redo_chain *c)
{
	bool parked;

	spin_lock_irq(&c->lock);
	parked = c->parked;
	spin_unlock_irq(&c->lock);
	return parked;
}

/*
 * A chain that has been left alone gets its checkpoint: grains that were freed
 * can be passed down, and there is less to replay.
 */
static void idle_checkpoint(struct redo_chain *c)
{
	unsigned long end = c->last_commit + IDLE_INTERVAL;
	bool due;

	spin_lock_irq(&c->lock);
	due = c->idle_expired && !c->nr_changes;
	c->idle_expired = false;
	spin_unlock_irq(&c->lock);
	if (READ_ONCE(c->mode) != REDO_MODE_RW || !redo_delta_dirty(c->active))
		return;
	/* The timer is not moved with each commit: where it comes early, it is set again. */
	if (due && time_after_eq(jiffies, end))
		run_checkpoint(c, c->active);
	else if (!delayed_work_pending(&c->idle))
		queue_delayed_work(c->commit_wq, &c->idle,
				   time_before(jiffies, end) ? end - jiffies : IDLE_INTERVAL);
}

/*
 * Somebody who has something to change that a commit must not run beside. He is let in
 * when a batch is done, though there may be no end to the batches.
 */
static void let_visitor_in(struct redo_chain *c)
{
	struct redo_visit *v = READ_ONCE(c->visitor);
	unsigned int noio;

	if (!v)
		return;
	noio = memalloc_noio_save();
	v->error = v->fn(c);
	memalloc_noio_restore(noio);
	WRITE_ONCE(c->visitor, NULL);
	complete(&v->done);
	redo_commit_kick(c);	/* what has been left for his sake */
}

int redo_commit_visit(struct redo_chain *c, int (*fn)(struct redo_chain *c))
{
	struct redo_visit v = { .fn = fn };

	init_completion(&v.done);
	smp_store_release(&c->visitor, &v); /* the work that is queued sees all of it */
	redo_commit_kick(c);
	wait_for_completion(&v.done);
	return v.error;
}

static void commit_run(struct work_struct *work)
{
	struct redo_chain *c = container_of(work, struct redo_chain, commit_work);
	bool again = true;	/* what follows a batch has not been done yet */
	struct batch b;

	/*
	 * While the device is suspended the chain belongs to the hand-over; what
	 * kicked us (the shrinker, say) comes back with the resume.
	 */
	if (is_parked(c))
		return;
	while (c->active && !READ_ONCE(c->visitor) && grab(c, &b)) {
		run_batch(c, &b);
		/* There may be no end to the batches. */
		redo_nospace_run(c);
		redo_evict_run(c);
		finish_sealed(c);
		again = false;
	}
	if (c->active) {
		if (again) {
			redo_nospace_run(c);
			finish_sealed(c);
		}
		idle_checkpoint(c);
	}
	redo_evict_run(c);
	let_visitor_in(c);
}

static void tick_run(struct work_struct *work)
{
	struct redo_chain *c = container_of(to_delayed_work(work), struct redo_chain, tick);

	spin_lock_irq(&c->lock);
	c->timer_expired = c->nr_changes;
	spin_unlock_irq(&c->lock);
	redo_commit_kick(c);
}

static void idle_run(struct work_struct *work)
{
	struct redo_chain *c = container_of(to_delayed_work(work), struct redo_chain, idle);

	spin_lock_irq(&c->lock);
	c->idle_expired = true;
	spin_unlock_irq(&c->lock);
	redo_commit_kick(c);
}

int redo_commit_drain(struct redo_chain *c)
{
	if (!c->active)
		return 0;
	cancel_delayed_work_sync(&c->tick);
	spin_lock_irq(&c->lock);
	c->force_commit = true;
	spin_unlock_irq(&c->lock);
	redo_commit_kick(c);
	flush_work(&c->commit_work);
	return READ_ONCE(c->commit_error);	/* of ours, or of a later one */
}

int redo_commit_all(struct redo_chain *c)
{
	struct batch b;

	spin_lock_irq(&c->lock);
	c->force_commit = true;
	spin_unlock_irq(&c->lock);
	if (!grab(c, &b))
		return -EBUSY;	/* parked: not to be called then */
	run_batch(c, &b);
	return READ_ONCE(c->commit_error);
}

void redo_commit_end_waits(struct redo_chain *c)
{
	LIST_HEAD(waits);

	spin_lock_irq(&c->lock);
	list_splice_init(&c->commit_waits, &waits);
	spin_unlock_irq(&c->lock);
	end_waits(&waits, c->lost ? -EIO : 0);
}

int redo_commit_wait(struct redo_chain *c)
{
	struct redo_commit_wait w;

	init_completion(&w.done);
	spin_lock_irq(&c->lock);
	if (c->parked) {
		w.error = c->lost ? -EIO : 0;
		complete(&w.done);
	} else if (!c->active) {
		w.error = 0; /* the end of a merge has committed all, and nobody looks any more */
		complete(&w.done);
	} else {
		list_add_tail(&w.list, &c->commit_waits);
	}
	spin_unlock_irq(&c->lock);
	redo_commit_kick(c);
	wait_for_completion_io(&w.done);
	return w.error;
}

int redo_commit_init(struct redo_chain *c)
{
	spin_lock_init(&c->lock);
	init_waitqueue_head(&c->throttle);
	INIT_LIST_HEAD(&c->changes);
	bio_list_init(&c->commit_waiters);
	bio_list_init(&c->failed);
	bio_list_init(&c->no_space);
	bio_list_init(&c->held);
	INIT_LIST_HEAD(&c->commit_waits);
	INIT_WORK(&c->commit_work, commit_run);
	INIT_DELAYED_WORK(&c->tick, tick_run);
	INIT_DELAYED_WORK(&c->idle, idle_run);
	c->last_commit = jiffies;
	return mempool_init_slab_pool(&c->change_pool, CHANGE_POOL_MIN, change_cache);
}

void redo_commit_exit(struct redo_chain *c)
{
	mempool_exit(&c->change_pool);
}
