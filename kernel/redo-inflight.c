// SPDX-License-Identifier: GPL-2.0
/* In-flight I/O in two generations; see redo-inflight.h. */
#include <linux/delay.h>
#include "redo-inflight.h"

#define LOOKS	3	/* so many flips are needed; with nobody inside each look is one */

int redo_inflight_init(struct redo_inflight *f)
{
	f->cpu = alloc_percpu_gfp(struct redo_inflight_cpu, GFP_NOIO);
	if (!f->cpu)
		return -ENOMEM;
	f->idx = 0;
	f->completed = 0;
	spin_lock_init(&f->lock);
	return 0;
}

void redo_inflight_exit(struct redo_inflight *f)
{
	free_percpu(f->cpu);
	f->cpu = NULL;
}

/*
 * Nobody inside generation @idx. The departures are summed before the arrivals:
 * a bio may arrive on one CPU and leave on another, so that a sum taken in the
 * other order could miss the arrival and see the departure.
 */
static bool __redo_inflight_idle(struct redo_inflight *f, unsigned int idx)
{
	unsigned long in = 0, out = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		out += READ_ONCE(per_cpu_ptr(f->cpu, cpu)->out[idx]);
	smp_mb(); /* pairs with enter() and leave() */
	for_each_possible_cpu(cpu)
		in += READ_ONCE(per_cpu_ptr(f->cpu, cpu)->in[idx]);
	return in == out;
}

/*
 * Flip when the generation that is not current has drained. Somebody who read
 * idx before a flip and counts after it is caught by the flip after that, which
 * waits for the very generation he counts in: hence the two in cookie().
 */
static void redo_inflight_poll(struct redo_inflight *f)
{
	unsigned long flags;

	spin_lock_irqsave(&f->lock, flags);
	if (__redo_inflight_idle(f, !f->idx)) {
		smp_mb(); /* the drained generation's use is over before anyone reuses */
		WRITE_ONCE(f->idx, !f->idx);
		WRITE_ONCE(f->completed, f->completed + 1);
	}
	spin_unlock_irqrestore(&f->lock, flags);
}

u64 redo_inflight_cookie(struct redo_inflight *f)
{
	unsigned long flags;
	u64 cookie;

	smp_mb(); /* the caller's change is visible before the moment is taken */
	spin_lock_irqsave(&f->lock, flags);
	/* One flip may be seen half-way, one for the current, one for a late counter. */
	cookie = f->completed + 3;
	spin_unlock_irqrestore(&f->lock, flags);
	return cookie;
}

bool redo_inflight_passed(struct redo_inflight *f, u64 cookie)
{
	if (READ_ONCE(f->completed) < cookie)
		redo_inflight_poll(f);
	return READ_ONCE(f->completed) >= cookie;
}

void redo_inflight_wait(struct redo_inflight *f)
{
	u64 cookie = redo_inflight_cookie(f);
	unsigned int looks = 1;

	for (; !redo_inflight_passed(f, cookie); looks++)
		if (looks >= LOOKS)
			usleep_range(50, 200);
}
