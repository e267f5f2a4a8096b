// SPDX-License-Identifier: GPL-2.0
/*
 * Running full. Writes that need a new grain wait while the delta has none;
 * reads and overwrites go on. Every second, and at every new arrival, the commit
 * worker looks again: the device may have grown under us.
 */
#include "redo-chain.h"

#define RETRY_INTERVAL	HZ
#define RECLAIM_TRIES	20	/* for grains in quarantine, 10 ms apart */

bool redo_nospace_pending(struct redo_chain *c)
{
	unsigned long flags;
	bool pending;

	spin_lock_irqsave(&c->lock, flags);
	pending = !bio_list_empty(&c->no_space);
	spin_unlock_irqrestore(&c->lock, flags);
	return pending;
}

void redo_nospace_hold(struct redo_chain *c, struct bio *bio)
{
	blk_status_t status = BLK_STS_OK;
	struct redo_io *io = redo_io(bio);
	bool again = false;
	unsigned long flags;

	redo_io_release(io); /* it may wait for long: others need the pool */
	spin_lock_irqsave(&c->lock, flags);
	/* An interrupted suspend takes dm's flag back before it tells us. */
	if (c->suspending && dm_noflush_suspending(c->ti))
		status = BLK_STS_DM_REQUEUE;
	else if (c->space == REDO_SP_ERRORING)
		status = BLK_STS_NOSPC;
	else if (redo_chain_is_passthrough(c)) /* since it looked: nobody looks for space now */
		again = true;
	else
		bio_list_add(&c->no_space, bio);
	spin_unlock_irqrestore(&c->lock, flags);
	if (again)
		redo_defer(c, bio);
	else if (status)
		redo_bio_finish(bio, status);
	redo_commit_kick(c);
}

static void take_all(struct redo_chain *c, struct bio_list *bios)
{
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	*bios = c->no_space;
	bio_list_init(&c->no_space);
	spin_unlock_irqrestore(&c->lock, flags);
}

static void finish_all(struct redo_chain *c, blk_status_t status)
{
	struct bio_list bios;
	struct bio *bio;

	take_all(c, &bios);
	while ((bio = bio_list_pop(&bios)))
		redo_bio_finish(bio, status);
}

void redo_nospace_requeue(struct redo_chain *c)
{
	finish_all(c, BLK_STS_DM_REQUEUE);
}

void redo_nospace_requeue_workers(struct redo_chain *c)
{
	struct bio_list bios;

	take_all(c, &bios);
	redo_defer_list(c, &bios);
}

static void set_space(struct redo_chain *c, enum redo_space space)
{
	unsigned long flags;
	bool changed;

	spin_lock_irqsave(&c->lock, flags);
	changed = c->space != space;
	WRITE_ONCE(c->space, space);
	if (changed && space == REDO_SP_QUEUEING)
		c->no_space_since = jiffies;
	spin_unlock_irqrestore(&c->lock, flags);
	if (!changed)
		return;
	if (space == REDO_SP_QUEUEING)
		DMWARN("%s: no space left, queueing writes", redo_delta_name(c->alloc));
	else if (space == REDO_SP_ERRORING)
		DMERR("%s: no space left, failing writes", redo_delta_name(c->alloc));
	redo_chain_event(c);
}

static bool below_water(const struct redo_chain *c, const struct redo_usage *u)
{
	return u->units_total - min(u->units_total, u->units_taken) < c->features.low_water;
}

static bool is_low(struct redo_chain *c)
{
	struct redo_usage u;

	redo_delta_usage(c->alloc, &u);
	return below_water(c, &u);
}

void redo_nospace_refresh(struct redo_chain *c, const struct redo_usage *u)
{
	if (READ_ONCE(c->space) == REDO_SP_LOW && !below_water(c, u))
		redo_commit_kick(c);
}

/* Freed grains come back only after a checkpoint and once old I/O is over. */
static int refill_hard(struct redo_chain *c)
{
	int i, r = redo_delta_refill(c->alloc);

	for (i = 0; r == -ENOSPC && i < RECLAIM_TRIES; i++) {
		r = redo_delta_checkpoint(c->alloc, false);
		if (!r)
			r = redo_delta_refill(c->alloc);
		if (r == -ENOSPC && !redo_delta_reclaiming(c->alloc))
			break;
		if (r == -ENOSPC)
			schedule_timeout_uninterruptible(max(HZ / 100, 1));
	}
	return r;
}

static bool expired(struct redo_chain *c)
{
	if (c->features.error_if_no_space)
		return true;
	return c->features.no_space_timeout &&
	       time_after_eq(jiffies, c->no_space_since +
			     (unsigned long)c->features.no_space_timeout * HZ);
}

static void no_space(struct redo_chain *c)
{
	if (c->space != REDO_SP_ERRORING)
		set_space(c, REDO_SP_QUEUEING);
	if (c->space == REDO_SP_ERRORING || expired(c)) {
		set_space(c, REDO_SP_ERRORING);
		finish_all(c, BLK_STS_NOSPC);
	}
	queue_delayed_work(c->commit_wq, &c->tick, RETRY_INTERVAL);
}

void redo_nospace_run(struct redo_chain *c)
{
	bool pending = redo_nospace_pending(c);
	int r;

	if (READ_ONCE(c->mode) != REDO_MODE_RW) {
		finish_all(c, BLK_STS_IOERR);
		return;
	}
	if (!c->alloc) { /* the base has space; what waits has waited for the merge's source */
		set_space(c, REDO_SP_OK);
		redo_nospace_requeue_workers(c);
		return;
	}
	if (!pending && !redo_delta_low(c->alloc) && c->space < REDO_SP_QUEUEING) {
		set_space(c, is_low(c) ? REDO_SP_LOW : REDO_SP_OK);
		return;
	}
	r = pending || c->space >= REDO_SP_QUEUEING ? refill_hard(c) : redo_delta_refill(c->alloc);
	if (r && r != -ENOSPC) {
		redo_chain_set_mode(c, REDO_MODE_RO, "space cannot be allocated");
		finish_all(c, BLK_STS_IOERR);
		return;
	}
	if (r && (pending || c->space >= REDO_SP_QUEUEING)) {
		no_space(c);
		return;
	}
	set_space(c, r || is_low(c) ? REDO_SP_LOW : REDO_SP_OK);
	redo_nospace_requeue_workers(c);
}
