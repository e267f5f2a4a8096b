/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations drawn at random for a chain, and what they do to its content. */
#ifndef TEST_BURST_H
#define TEST_BURST_H

#include "forest.h"

#define BURST_MAX	24

/* Jobs in flight while an epoch ends. */
struct burst {
	struct job job[BURST_MAX];
	unsigned int n;
	enum job_state before[BURST_MAX], after[BURST_MAX];	/* the end */
};

/* Jobs that do not overlap, at most @max; gives generations to them. */
unsigned int burst_choose(struct forest *f, struct chain *c, struct job *jobs, unsigned int max);
/* A small FUA write. */
void burst_choose_small(struct forest *f, struct chain *c, struct job *j);
/*
 * At most BURST_MAX of them are started, and some have ended. @reloading: the table is going
 * to change while they are in flight.
 */
unsigned int burst_start(struct forest *f, struct chain *c, struct job *jobs, bool reloading);
/* Dies where one has failed. */
void burst_check(const struct chain *c, const struct job *jobs, unsigned int n);
void burst_apply(const struct forest *f, const struct chain *c, const struct job *jobs,
		 unsigned int n, u32 *content);
/* To the chain's content, what a cut must have left. */
void burst_apply_durable(const struct forest *f, const struct chain *c, const struct job *jobs,
			 unsigned int n);
/* Those that had got as far as @least when @states were taken. */
void burst_apply_some(const struct forest *f, const struct chain *c, const struct job *jobs,
		      const enum job_state *states, unsigned int n, enum job_state least,
		      u32 *content);

#endif /* TEST_BURST_H */
