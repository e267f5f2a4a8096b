/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The named workloads that redo-crash records. */
#ifndef TEST_WORKLOAD_H
#define TEST_WORKLOAD_H

#include "util.h"

/* What operations are drawn from, in percent; what is left over is write-zeroes. */
struct mix {
	u8 write, flush, discard;
	u8 fua;			/* of the writes */
	u8 hot;			/* of the places: within a small area */
	u32 max;		/* sectors of a write */
};

/*
 * The steps, a letter each; operations go on while the main thread takes one:
 *	w  --ops operations more, of the first mix; goes on when half have begun
 *	x  --storm operations more, of the second mix; likewise
 *	.  wait until all have ended
 *	s  snapshot of the chain      S  of the clone
 *	r  revert of the chain (waits as well) to a point drawn at random
 *	c  linked clone of a point drawn at random
 *	o  the chain is deactivated and activated (waits as well)
 *	m  a merge of a sealed delta drawn at random begins, b  of the oldest,
 *	a  of the active one, A  of all; nothing if there is none
 *	M  wait for the end of the merge
 *	k  a change id is taken       K  of what is there when all have ended
 *	d  one drawn at random is dropped
 *	R  a revert while the chain is down (waits as well)
 *	e  changes are tracked from now on  E  from a snapshot on; without, they always are
 */
#define WORKLOAD_MERGES	"mbaA"
#define WORKLOAD_ENABLES "eE"

struct workload {
	const char *name, *steps, *help;
	struct mix mix, storm;
	/* defaults of the options of these names */
	u64 sectors;
	u32 grain, ops, storm_ops, journal, threads;
	u32 block;		/* sectors, that is tracked; 0: there is no tracking */
	u32 store;		/* blocks that the store has beyond the least */
	u32 units;		/* of a delta's device when it is taken; 0: all it may need */
};

/* NULL: there is none of that name. */
const struct workload *workload_find(const char *name);
/* One line each. */
void workload_list(void);
u32 workload_deltas(const struct workload *w);
/* Epochs may have to be joined for space. */
bool workload_store_full(const struct workload *w);
/* Deltas go by being merged. */
bool workload_merges(const struct workload *w);

#endif /* TEST_WORKLOAD_H */
