// SPDX-License-Identifier: GPL-2.0
/*
 * A merge's life: its state, its worker, throttle and progress. The worker does one
 * batch at each run, so that nothing has to be waited for when the device is suspended
 * but the batch, and the throttle is a delay of the next run.
 */
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "redo-chain.h"

#define RETRY_INTERVAL	HZ	/* while the target is full */
#define RATE_INTERVAL	(2 * HZ)

/* Not the chain's: its workers are waited for when the gate is closed. */
static struct workqueue_struct *merge_wq;

int redo_merge_module_init(void)
{
	merge_wq = alloc_workqueue("redo_merge", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return merge_wq ? 0 : -ENOMEM;
}

void redo_merge_module_exit(void)
{
	destroy_workqueue(merge_wq);
}

void redo_merge_set_run(struct redo_chain *c, enum redo_merge_run run)
{
	struct redo_merge *m = &c->merge;
	unsigned long flags;
	bool changed;

	spin_lock_irqsave(&c->lock, flags);
	changed = m->run != run;
	WRITE_ONCE(m->run, run);
	spin_unlock_irqrestore(&c->lock, flags);
	if (changed)
		redo_chain_event(c);
}

bool redo_merge_change_run(struct redo_chain *c, unsigned long from, enum redo_merge_run to)
{
	struct redo_merge *m = &c->merge;
	unsigned long flags;
	bool ours, changed;

	spin_lock_irqsave(&c->lock, flags);
	ours = from & BIT(m->run);
	changed = ours && m->run != to;
	if (ours)
		WRITE_ONCE(m->run, to);
	if (ours && to == REDO_MERGE_RUNNING) {
		m->error = 0;
		m->error_grain = 0;
		m->error_len = 0;
	}
	spin_unlock_irqrestore(&c->lock, flags);
	if (changed)
		redo_chain_event(c);
	return ours;
}

bool redo_merge_busy(const struct redo_chain *c)
{
	enum redo_merge_run run = READ_ONCE(c->merge.run);

	return run != REDO_MERGE_IDLE && run != REDO_MERGE_DONE;
}

void redo_merge_note_error(struct redo_chain *c, int error, u64 grain, u64 len)
{
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	c->merge.error = error;
	c->merge.error_grain = grain;
	c->merge.error_len = len;
	spin_unlock_irqrestore(&c->lock, flags);
}

/* --- progress and throttle --- */

static void note_rate(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	unsigned long passed = jiffies - m->rate_since;

	if (passed < RATE_INTERVAL)
		return;
	WRITE_ONCE(m->rate, div64_ul(((m->done - m->rate_done) * c->grain_sectors / 2) * HZ,
				     passed));
	m->rate_done = m->done;
	m->rate_since = jiffies;
}

#define MIB_SECTORS	2048U

/* What is slow goes in small steps, four a second: not in bursts with long pauses. */
u32 redo_merge_batch_sectors(const struct redo_chain *c, u32 max)
{
	u32 mib = READ_ONCE(c->merge.mib);

	if (mib)
		return min(max, mib * (MIB_SECTORS / 4));
	return READ_ONCE(c->merge.percent) < 100 ? min(max, MIB_SECTORS) : max;
}

/* How long to wait after a batch of @sectors that has taken @spent jiffies. */
static unsigned long throttle(const struct redo_merge *m, unsigned long spent)
{
	u32 mib = READ_ONCE(m->mib), percent = READ_ONCE(m->percent);
	unsigned long due;

	if (mib) {
		due = div_u64(m->sectors * HZ, mib * MIB_SECTORS);
		return due > spent ? due - spent : 0;
	}
	/* A batch shorter than the clock's tick has taken a part of one. */
	return percent < 100 ? max(spent, 1UL) * (100 - percent) / percent : 0;
}

/* --- the worker --- */

static int prepare(struct redo_merge *m)
{
	struct redo_merge_buf *buf;
	int r;

	if (m->buf)
		return 0;
	buf = kvzalloc(sizeof(*buf), GFP_KERNEL); /* NOIO, as the caller says */
	if (!buf)
		return -ENOMEM;
	r = redo_copies_create(&buf->copies);
	if (r)
		kvfree(buf);
	else
		m->buf = buf;
	return r;
}

static int begin(struct redo_chain *c)
{
	int r = prepare(&c->merge);

	if (!r)
		r = redo_track_settle(c, c->merge.active);
	if (!r)
		r = c->merge.active ? redo_merge_active_begin(c) : redo_merge_sealed_begin(c);
	if (!r)
		c->merge.begun = true;
	return r;
}

/* As the batches: 1: the merge is over. */
static int step(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	int r = 0;

	if (READ_ONCE(c->mode) != REDO_MODE_RW)
		return -EROFS;
	if (!m->begun)
		r = begin(c);
	if (!r && !m->copied) {
		r = m->active ? redo_merge_active_batch(c) : redo_merge_sealed_batch(c);
		m->copied = r == 1;
		return min(r, 0);
	}
	if (!r)
		r = m->active ? redo_merge_active_end(c) : redo_merge_sealed_end(c);
	return r;
}

static void failed(struct redo_chain *c, int error)
{
	struct redo_merge *m = &c->merge;
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	if (!m->error)
		m->error = error;
	spin_unlock_irqrestore(&c->lock, flags);
	DMERR("%s: the merge of delta %pUb has stopped: error %d, grains %llu+%llu",
	      dm_device_name(c->md), m->source, m->error, m->error_grain, m->error_len);
	redo_merge_set_run(c, REDO_MERGE_FAILED);
}

static bool may_run(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	bool may;

	spin_lock_irq(&c->lock);
	may = !m->stopped && (m->run == REDO_MERGE_RUNNING || m->run == REDO_MERGE_FULL);
	spin_unlock_irq(&c->lock);
	return may;
}

static void again(struct redo_chain *c, unsigned long delay)
{
	spin_lock_irq(&c->lock);
	if (!c->merge.stopped)
		queue_delayed_work(merge_wq, &c->merge.work, delay);
	spin_unlock_irq(&c->lock);
}

static void merge_run(struct work_struct *work)
{
	struct redo_chain *c = container_of(to_delayed_work(work), struct redo_chain, merge.work);
	unsigned int noio = memalloc_noio_save();
	unsigned long start = jiffies;
	int r;

	if (!may_run(c))
		goto out;
	c->merge.sectors = 0;
	r = step(c);
	note_rate(c);
	if (!r) {
		redo_merge_change_run(c, BIT(REDO_MERGE_FULL), REDO_MERGE_RUNNING);
		again(c, throttle(&c->merge, jiffies - start));
	} else if (r == -EAGAIN && !c->merge.begun) { /* an epoch is being rebuilt, from what would go */
		again(c, RETRY_INTERVAL / 4);
	} else if (r == -ENOSPC) {
		redo_merge_change_run(c, BIT(REDO_MERGE_RUNNING), REDO_MERGE_FULL);
		again(c, RETRY_INTERVAL);
	} else if (r < 0) {
		failed(c, r);
	} else {
		WRITE_ONCE(c->merge.done, max(c->merge.done, c->merge.total));
		WRITE_ONCE(c->merge.total, c->merge.done);
		redo_merge_set_run(c, REDO_MERGE_DONE);
		redo_commit_kick(c);
	}
out:
	memalloc_noio_restore(noio);
}

void redo_merge_drop_slots(struct redo_chain *c, u32 lo, u32 hi)
{
	u32 slot;

	/*
	 * From the bottom: whoever finds a slot marked finds those below it marked, or would show
	 * what they had and it hid. Pairs with redo_build_range().
	 */
	for (slot = lo; slot <= hi; slot++)
		smp_store_release(&c->slot[slot].merged, true);
	redo_chain_find_top(c);
}

void redo_merge_stop_soon(struct redo_chain *c)
{
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	c->merge.stopped = true;
	spin_unlock_irqrestore(&c->lock, flags);
}

void redo_merge_stop(struct redo_chain *c)
{
	redo_merge_stop_soon(c);
	cancel_delayed_work_sync(&c->merge.work);
}

/* lock held. */
static void __kick(struct redo_chain *c)
{
	lockdep_assert_held(&c->lock);
	if (!c->merge.stopped && redo_merge_busy(c))
		mod_delayed_work(merge_wq, &c->merge.work, 0);
}

void redo_merge_go(struct redo_chain *c)
{
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	c->merge.stopped = false;
	__kick(c);
	spin_unlock_irqrestore(&c->lock, flags);
}

void redo_merge_kick(struct redo_chain *c)
{
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	__kick(c);
	spin_unlock_irqrestore(&c->lock, flags);
}

void redo_merge_init(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;

	INIT_DELAYED_WORK(&m->work, merge_run);
	m->percent = 100;
	m->stopped = true;
}

void redo_merge_exit(struct redo_chain *c)
{
	if (c->merge.buf)
		redo_copies_destroy(&c->merge.buf->copies);
	kvfree(c->merge.buf);
}
