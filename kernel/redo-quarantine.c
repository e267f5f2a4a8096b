// SPDX-License-Identifier: GPL-2.0
/* What was freed, until it can be used again: quarantine and discards. */
#include "redo-units.h"

#define REDO_DISCARD_POLL	msecs_to_jiffies(5)

/* Quarantine and discards -------------------------------------------------- */

void redo_space_checkpointed(struct redo_delta *d)
{
	u64 cookie = d->inflight ? redo_inflight_cookie(d->inflight) : 0;
	struct redo_unit *u;
	unsigned long nr, flags;
	bool kick;

	xa_for_each(&d->units, nr, u) {
		if (u->fresh) {
			u->fresh = false;
			if (SUM_TYPE(redo_sum_get(d, nr)) == REDO_UNIT_DATA) {
				u->waiting = true;
				u->cookie = cookie;
			} else if (u->bits) {
				bitmap_zero(u->bits->out, REDO_UNIT_BLOCKS);
			}
		}
		redo_unit_gc(d, u);
	}
	d->meta_quar = 0;
	spin_lock_irqsave(&d->discard_lock, flags);
	list_splice_tail_init(&d->discard_new, &d->discard_ready);
	d->discard_cookie = cookie;
	kick = !list_empty(&d->discard_ready);
	spin_unlock_irqrestore(&d->discard_lock, flags);
	if (kick)
		mod_delayed_work(redo_delta_wq, &d->discard_work, 0);
	spin_lock_irqsave(&d->alloc_lock, flags);
	d->starved = false;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
}

void redo_discard_note(struct redo_delta *d, struct redo_unit *u, u64 phys, u32 len)
{
	struct redo_discard *x, *last;
	unsigned long flags;

	/* The mutant would discard what it has used again: no need for a power cut. */
	if (!d->passdown || d->loading || redo_mutant(grain_reused_early))
		return;
	x = kmalloc(sizeof(*x), GFP_NOIO | __GFP_NOWARN | __GFP_NORETRY);
	if (!x)
		return;	/* only a hint for the device is lost */
	x->phys = phys;
	x->len = len;
	spin_lock_irqsave(&d->discard_lock, flags);
	last = list_empty(&d->discard_new) ? NULL :
	       list_last_entry(&d->discard_new, struct redo_discard, list);
	if (last && last->phys + last->len == phys && last->phys / d->gpu == u->nr) {
		last->len += len;
	} else if (d->n_discards < REDO_DISCARDS_MAX) {
		list_add_tail(&x->list, &d->discard_new);
		d->n_discards++;
		x = NULL;
	}
	spin_unlock_irqrestore(&d->discard_lock, flags);
	if (!x) {
		spin_lock_irqsave(&d->alloc_lock, flags);
		u->discards++;
		spin_unlock_irqrestore(&d->alloc_lock, flags);
	}
	kfree(x);
}

/* discard_lock held. The I/O that may still use what is ready is over. */
static bool __redo_discard_may_start(struct redo_delta *d)
{
	struct redo_inflight *f = READ_ONCE(d->inflight);

	lockdep_assert_held(&d->discard_lock);
	return !f || redo_inflight_passed(f, d->discard_cookie);
}

/*
 * The next one that is due; NULL: there is none, or (*@wait) none yet. One hold of the
 * lock: a checkpoint in between would add extents with a later cookie.
 */
static struct redo_discard *redo_discard_next(struct redo_delta *d, bool *wait)
{
	struct redo_discard *x;
	unsigned long flags;

	spin_lock_irqsave(&d->discard_lock, flags);
	x = list_first_entry_or_null(&d->discard_ready, struct redo_discard, list);
	*wait = x && !__redo_discard_may_start(d);
	if (*wait) {
		x = NULL;
	} else if (x) {
		list_del(&x->list);
		d->n_discards--;
	}
	spin_unlock_irqrestore(&d->discard_lock, flags);
	return x;
}

static void redo_discard_done(struct redo_delta *d, struct redo_discard *x)
{
	struct redo_unit *u;
	unsigned long flags;

	rcu_read_lock();
	u = xa_load(&d->units, x->phys / d->gpu);
	spin_lock_irqsave(&d->alloc_lock, flags);
	if (u && u->discards)
		u->discards--;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	rcu_read_unlock();
	kfree(x);
}

/* A discard that fails is no loss: it is a hint. */
static void redo_discard_work(struct work_struct *work)
{
	struct redo_delta *d = container_of(to_delayed_work(work), struct redo_delta,
					    discard_work);
	unsigned int noio = memalloc_noio_save();
	struct redo_discard *x;
	bool wait;

	while ((x = redo_discard_next(d, &wait))) {
		if (READ_ONCE(d->passdown) && !redo_delta_failed(d))
			blkdev_issue_discard(d->bdev, x->phys * d->grain_sectors,
					     (sector_t)x->len * d->grain_sectors, GFP_NOIO);
		redo_discard_done(d, x);
		cond_resched();
	}
	if (wait)
		queue_delayed_work(redo_delta_wq, &d->discard_work, REDO_DISCARD_POLL);
	memalloc_noio_restore(noio);
}

/* What was freed since the last checkpoint is not durably free: not discarded. */
static void redo_discard_forget(struct redo_delta *d)
{
	struct redo_discard *x, *next;
	unsigned long flags;
	LIST_HEAD(list);

	spin_lock_irqsave(&d->discard_lock, flags);
	list_splice_init(&d->discard_new, &list);
	list_for_each_entry(x, &list, list)
		d->n_discards--;
	spin_unlock_irqrestore(&d->discard_lock, flags);
	list_for_each_entry_safe(x, next, &list, list)
		redo_discard_done(d, x);
}

static void redo_unit_withdraw(struct redo_delta *d, struct redo_unit *u)
{
	unsigned long flags;

	spin_lock_irqsave(&d->alloc_lock, flags);
	u->role = REDO_ROLE_NONE;
	if (u->pending) {
		bitmap_zero(u->bits->out, REDO_UNIT_BLOCKS);
		WRITE_ONCE(u->pending, 0);
	}
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	u->waiting = false;
	redo_unit_gc(d, u);
}

/*
 * What was handed out and never came to a commit was never named on the disk:
 * it is free again.
 */
static void redo_space_withdraw(struct redo_delta *d)
{
	struct redo_unit *u;
	unsigned long nr, flags;

	spin_lock_irqsave(&d->alloc_lock, flags);
	d->cur = NULL;
	d->spare = NULL;
	d->out_grains = 0;
	d->reserved = 0;
	d->credit = 0;
	d->starved = false;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	redo_units_keep_nothing(d);
	xa_for_each(&d->units, nr, u)
		redo_unit_withdraw(d, u);
}

void redo_space_release(struct redo_delta *d)
{
	mutex_lock(&d->mutex);
	WRITE_ONCE(d->inflight, NULL);	/* all its I/O is over: every cookie has passed */
	mutex_unlock(&d->mutex);
	cancel_delayed_work_sync(&d->scan_work);
	mod_delayed_work(redo_delta_wq, &d->discard_work, 0);
	flush_delayed_work(&d->discard_work);
	cancel_delayed_work_sync(&d->discard_work);
	mutex_lock(&d->mutex);
	WRITE_ONCE(d->passdown, false);
	redo_discard_forget(d);
	redo_space_withdraw(d);
	mutex_unlock(&d->mutex);
}

void redo_space_init(struct redo_delta *d)
{
	spin_lock_init(&d->alloc_lock);
	spin_lock_init(&d->discard_lock);
	INIT_LIST_HEAD(&d->discard_new);
	INIT_LIST_HEAD(&d->discard_ready);
	INIT_DELAYED_WORK(&d->discard_work, redo_discard_work);
	redo_scan_init(d);
	xa_init(&d->units);
	xa_init(&d->sums);
}

void redo_space_exit(struct redo_delta *d)
{
	struct redo_discard *x;
	struct redo_unit *u;
	unsigned long i;
	u16 *chunk;
	bool wait;

	cancel_delayed_work_sync(&d->scan_work);
	cancel_delayed_work_sync(&d->discard_work);
	redo_discard_forget(d);
	while ((x = redo_discard_next(d, &wait)))
		kfree(x);
	xa_for_each(&d->units, i, u) {
		kfree(u->bits);
		kfree(u);
	}
	xa_destroy(&d->units);
	xa_for_each(&d->sums, i, chunk)
		kfree(chunk);
	xa_destroy(&d->sums);
}

bool redo_delta_reclaiming(struct redo_delta *d)
{
	struct redo_unit *u;
	unsigned long nr;
	bool any = false;

	mutex_lock(&d->mutex);
	xa_for_each(&d->units, nr, u)
		if (u->fresh || !redo_unit_settled(d, u)) {
			any = true;
			break;
		}
	mutex_unlock(&d->mutex);
	return any;
}
