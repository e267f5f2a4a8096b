/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-flight I/O in two generations, counted per CPU. map() enters before it
 * looks anything up, end_io leaves. Whoever changes the map and then wants to
 * know when nobody can still be using what he saw before takes a cookie and asks
 * later whether it has passed. Never waits by itself.
 */
#ifndef REDO_INFLIGHT_H
#define REDO_INFLIGHT_H

#include <linux/types.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

struct redo_inflight_cpu {
	unsigned long in[2];
	unsigned long out[2];
};

struct redo_inflight {
	struct redo_inflight_cpu __percpu *cpu;
	unsigned int idx;	/* generation that enter() uses; written under lock */
	u64 completed;		/* generations that have drained; written under lock */
	spinlock_t lock;
};

int redo_inflight_init(struct redo_inflight *f);
void redo_inflight_exit(struct redo_inflight *f);

/* Any context. Returns the generation to hand to leave(). Orders the look-up after it. */
static inline unsigned int redo_inflight_enter(struct redo_inflight *f)
{
	unsigned int idx = READ_ONCE(f->idx);

	this_cpu_inc(f->cpu->in[idx]);
	smp_mb(); /* pairs with the one in redo_inflight_poll(): count first, then look up */
	return idx;
}

/* Any context. */
static inline void redo_inflight_leave(struct redo_inflight *f, unsigned int idx)
{
	smp_mb(); /* pairs with redo_inflight_poll(): all use is over before the count says so */
	this_cpu_inc(f->cpu->out[idx]);
}

/* A moment; the change that it is to protect must be visible before. Any context. */
u64 redo_inflight_cookie(struct redo_inflight *f);
/* Has all I/O that entered before the cookie left? Polls and moves on by itself. Any context. */
bool redo_inflight_passed(struct redo_inflight *f, u64 cookie);
/* Until all I/O that is inside now has left. May block. */
void redo_inflight_wait(struct redo_inflight *f);

#endif /* REDO_INFLIGHT_H */
