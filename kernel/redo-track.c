// SPDX-License-Identifier: GPL-2.0
/*
 * A chain's tracking at work. Writers ask the store (redo_track_admit()) after they have
 * entered the in-flight count, workers theirs; so when the store's writes are closed and
 * both generations have passed, nobody who was let in is still under way, as with the
 * gate (redo-gate.c).
 */
#include <linux/sched/mm.h>
#include "redo-target.h"

#define BREAK_TIMEOUT	(10 * HZ)	/* and then it is asked for again */

/* --- what the store calls --- */

static void released(void *owner, struct bio_list *bios)
{
	redo_defer_list(owner, bios);
}

/*
 * Writes are held until we return. The active delta does not name the store any more,
 * whether the store itself could be told or not: a copy of it from before, put in its
 * place, would not know.
 */
static void broken(void *owner, u32 reason, bool recorded)
{
	struct redo_tracked none = { 0 };
	struct redo_chain *c = owner;
	struct redo_track *tr = &c->track;
	unsigned int noio = memalloc_noio_save();
	int r = 0;

	mutex_lock(&tr->records);
	tr->broken = true;
	if (c->active)
		r = redo_delta_set_tracker(c->active, &none);
	else if (!recorded && redo_chain_is_passthrough(c))
		DMERR("%pg: the tracking store cannot be written, and a base has no place to note that: zero the store before it is used again",
		      tr->bdev);
	mutex_unlock(&tr->records);
	memalloc_noio_restore(noio);
	if (r && !recorded)
		redo_chain_set_mode(c, REDO_MODE_RO, "what is tracked no more cannot say so");
	DMERR("%pg: tracking of %s has ended: %s", tr->bdev, dm_device_name(c->md),
	      redo_cbt_break_str(reason));
	complete_all(&tr->broke);
	redo_chain_event(c);
}

const struct redo_cbt_ops redo_track_ops = {
	.release = released,
	.broken = broken,
};

/* --- writers --- */

void redo_track_hold(struct redo_chain *c, struct bio *bio, sector_t start, sector_t end)
{
	redo_io_release(redo_io(bio)); /* it may wait for long: others need the pool */
	redo_cbt_hold(c->cbt, bio, start, end);
	smp_mb(); /* pairs with presuspend: on the list first, then look; or it takes us off */
	if (unlikely(READ_ONCE(c->suspending)) && dm_noflush_suspending(c->ti))
		redo_track_requeue(c);
}

void redo_track_requeue(struct redo_chain *c)
{
	struct bio_list bios;
	struct bio *bio;

	if (!c->cbt)
		return;
	bio_list_init(&bios);
	redo_cbt_take_held(c->cbt, &bios);
	while ((bio = bio_list_pop(&bios)))
		redo_bio_finish(bio, BLK_STS_DM_REQUEUE);
}

/* --- state --- */

bool redo_track_works(struct redo_chain *c)
{
	struct redo_cbt_info info;

	if (!c->cbt || READ_ONCE(c->track.broken))
		return false;
	redo_cbt_info(c->cbt, &info);
	return info.state != REDO_CBT_ST_BROKEN;
}

struct redo_tracked redo_track_record(struct redo_chain *c, u8 *uuid, u64 epoch)
{
	struct redo_tracked t = { 0 };
	struct redo_cbt_info info;

	if (!redo_track_works(c))
		return t;
	redo_cbt_info(c->cbt, &info);
	memcpy(uuid, info.uuid, REDO_UUID_SIZE);
	t.uuid = uuid;
	t.generation = info.generation;
	t.epoch = epoch;
	return t;
}

void redo_track_note(struct redo_chain *c, struct redo_delta *d)
{
	if (c->cbt && d == c->active)
		redo_delta_note_tracker(d, redo_cbt_generation(c->cbt));
}

/* --- the link --- */

static void active_super(struct redo_chain *c, struct redo_super *sb)
{
	memset(sb, 0, sizeof(*sb));
	if (c->active)
		redo_delta_super(c->active, sb);
}

/* What cannot be written breaks the tracking: errors need no answer here. */
void __redo_track_link(struct redo_chain *c)
{
	struct redo_super sb;

	if (!c->track.link_due || !redo_track_works(c))
		return;
	active_super(c, &sb);
	if (!redo_cbt_set_link(c->cbt, sb.uuid, sb.generation))
		c->track.link_due = false;
}

void redo_track_next_active(struct redo_chain *c, u32 slot)
{
	struct redo_super sb = { 0 };

	if (!redo_track_works(c))
		return;
	if (slot)
		redo_delta_super(c->slot[slot].delta, &sb);
	mutex_lock(&c->track.slow);
	__redo_track_link(c); /* else there would be a third one that may be active */
	redo_cbt_set_alt(c->cbt, sb.uuid);
	mutex_unlock(&c->track.slow);
}

void redo_track_relink(struct redo_chain *c)
{
	mutex_lock(&c->track.slow);
	c->track.link_due = true;
	__redo_track_link(c);
	mutex_unlock(&c->track.slow);
}

/* Lower than the truth means more than need be is said to have changed: so after the merge. */
void redo_track_base_became(struct redo_chain *c, u32 slot)
{
	struct redo_cbt_info info;
	struct redo_super sb;

	if (!redo_track_works(c))
		return;
	redo_cbt_info(c->cbt, &info);
	redo_delta_super(c->slot[slot].delta, &sb);
	if (memcmp(sb.tracker_uuid, info.uuid, REDO_UUID_SIZE))
		sb.tracker_sealed = 0;
	mutex_lock(&c->track.slow);
	redo_cbt_set_base_epoch(c->cbt, sb.tracker_sealed);
	mutex_unlock(&c->track.slow);
}

/* --- under writes --- */

/* Nothing is being written that the store has let in. slow held. */
static void close_and_drain(struct redo_chain *c)
{
	redo_cbt_close_writes(c->cbt);
	if (redo_mutant(cbt_mark_open))
		return;
	redo_inflight_wait(&c->at_work); /* first: they send what is then in flight */
	redo_inflight_wait(&c->inflight);
}

/*
 * What an agent has read behind the id must not be gone after a crash: it would be older
 * than the id then, and nothing would say that it has changed.
 */
static int make_durable(struct redo_chain *c)
{
	int r = 0;

	if (redo_mutant(cbt_mark_undurable))
		return 0;
	if (READ_ONCE(c->active))
		r = redo_commit_wait(c);
	if (!r && !READ_ONCE(c->active)) /* or a merge has come to its end meanwhile */
		r = blkdev_issue_flush(c->slot[0].bdev);
	return r;
}

static bool is_implied(struct redo_chain *c)
{
	struct redo_cbt_info info;

	redo_cbt_info(c->cbt, &info);
	return info.implied;
}

/* Settled once before writes are closed, so that little is left for then. slow held. */
static int make_explicit(struct redo_chain *c)
{
	int r;

	if (!is_implied(c))
		return 0;
	r = redo_cbt_settle(c->cbt, false);
	if (r)
		return r;
	close_and_drain(c);
	r = redo_cbt_settle(c->cbt, true);
	redo_cbt_open_writes(c->cbt);
	return r;
}

static int mark(struct redo_chain *c, const char *label, u64 *number)
{
	struct redo_cbt_begin begin = { .kind = REDO_CBT_MARK, .label = label };
	int r;

	/*
	 * Of an id there may be that is not the beginning of the active delta the store must
	 * know whose it is: else, after a cut, leaving that delta out would not be a revert.
	 */
	__redo_track_link(c);
	r = make_explicit(c);
	if (r)
		return r;
	close_and_drain(c);
	r = make_durable(c);
	if (!r)
		r = redo_cbt_next_epoch(c->cbt, &begin, number);
	redo_cbt_open_writes(c->cbt);
	return r;
}

int redo_track_mark(struct redo_chain *c, const char *label, u64 *number)
{
	unsigned int noio = memalloc_noio_save();
	int r = -EUCLEAN;

	mutex_lock(&c->track.slow);
	if (!c->cbt)
		r = -ENODATA;
	else if (redo_track_works(c))
		r = mark(c, label, number);
	mutex_unlock(&c->track.slow);
	memalloc_noio_restore(noio);
	return r;
}

/* Its end is durable; before that a cut would find the store as it was. */
static int wait_for_break(struct redo_chain *c)
{
	return wait_for_completion_timeout(&c->track.broke, BREAK_TIMEOUT) ? 0 : -EAGAIN;
}

int redo_track_settle(struct redo_chain *c, bool active)
{
	int r;

	if (!c->cbt || redo_mutant(cbt_settle_none))
		return 0;
	if (!redo_track_works(c))
		return wait_for_break(c);
	mutex_lock(&c->track.slow);
	r = redo_cbt_settle(c->cbt, false);
	if (!r && active)
		r = make_explicit(c);
	mutex_unlock(&c->track.slow);
	/* Whatever it was: a merge must not begin with an epoch that only a map knows. */
	return r ? -EAGAIN : 0;
}

/* --- what can wait --- */

bool redo_track_is_stopped(struct redo_chain *c)
{
	bool stopped;

	spin_lock_irq(&c->lock);
	stopped = c->track.stopped;
	spin_unlock_irq(&c->lock);
	return stopped;
}

static void track_run(struct work_struct *work)
{
	struct redo_chain *c = container_of(to_delayed_work(work), struct redo_chain, track.work);
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&c->track.slow);
	__redo_track_link(c);
	mutex_unlock(&c->track.slow);
	redo_cbt_kick(c->cbt);
	while (!redo_track_is_stopped(c) && redo_track_rebuild(c))
		cond_resched();
	memalloc_noio_restore(noio);
}

void redo_track_stop(struct redo_chain *c)
{
	spin_lock_irq(&c->lock);
	c->track.stopped = true;
	spin_unlock_irq(&c->lock);
	cancel_delayed_work_sync(&c->track.work);
}

void redo_track_go(struct redo_chain *c)
{
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	c->track.stopped = false;
	if (c->cbt)
		queue_delayed_work(c->wq, &c->track.work, 0);
	spin_unlock_irqrestore(&c->lock, flags);
}

/* --- the end --- */

void redo_track_end(struct redo_chain *c)
{
	if (!redo_track_works(c))
		return;
	redo_cbt_close_writes(c->cbt);
	redo_cbt_settle(c->cbt, false); /* what is still being rebuilt is so after the next opening */
	__redo_track_link(c);
	if (c->active)
		redo_track_note(c, c->active);
}

void redo_track_close(struct redo_chain *c, u64 generation)
{
	if (redo_track_works(c) && !c->track.link_due)
		redo_cbt_close(c->cbt, generation);
}

/* The status looks at any time. */
struct redo_cbt *redo_track_set_store(struct redo_chain *c, struct redo_cbt *cbt,
				      struct block_device *bdev)
{
	struct redo_cbt *was;

	mutex_lock(&redo_target_mutex);
	was = c->cbt;
	c->cbt = cbt;
	c->track.bdev = bdev;
	mutex_unlock(&redo_target_mutex);
	return was;
}

void redo_track_exit(struct redo_chain *c)
{
	redo_cbt_free(redo_track_set_store(c, NULL, NULL));
}

void redo_track_init(struct redo_chain *c)
{
	struct redo_track *tr = &c->track;

	mutex_init(&tr->records);
	mutex_init(&tr->slow);
	init_completion(&tr->broke);
	INIT_DELAYED_WORK(&tr->work, track_run);
	tr->stopped = true;
}
