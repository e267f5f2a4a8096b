/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For each sector the operations that set it, in order (the recorder never has
 * two of them in flight at once), and from that what may be found in it after a
 * power cut: the newest that must be durable, or any later one that had begun.
 */
#ifndef TEST_HISTORY_H
#define TEST_HISTORY_H

#include "trace.h"

struct history {
	const struct trace *trace;
	u32 *first;		/* [sector]: where its list begins in ops[]; one more at the end */
	u32 *ops;		/* generations, rising within a sector; begins with 1 */
};

/* What is known at a cut; of each chain. */
struct moment {
	u64 flushed[TRACE_CHAINS];	/* all that had ended at this clock is durable */
	u64 now;			/* nothing that began after this clock has happened */
	const u8 *fua;			/* [generation]: a FUA write that was acknowledged */
	/* trace_rank() of its top, 0: it has none; at least and at most */
	u32 rank_min[TRACE_CHAINS], rank_max[TRACE_CHAINS];
	u8 id_known[TRACE_IDS_MAX];	/* it was given to the user, and not dropped */
};

void history_build(struct history *h, const struct trace *t);
void history_free(struct history *h);
/* Were the points' contents possible when they were taken? Dies otherwise. */
void history_check_points(const struct history *h);
/*
 * May @gen (0: zeroes) be in @sector of the chain whose top is delta @top?
 * @expected is set to the oldest generation that would have been right.
 */
bool history_may_hold(const struct history *h, const struct moment *m, u64 sector,
		      u64 gen, int top, u64 *expected);
/* May @sector have held @gen when that change id was given? */
bool history_at_id(const struct history *h, const struct trace_id *id, u64 sector, u64 gen);
/* All that it may have held, at most HISTORY_ID_MAX; 0: more than that. */
#define HISTORY_ID_MAX	8
u32 history_all_at_id(const struct history *h, const struct trace_id *id, u64 sector, u64 *gens);
/* Has a write-zeroes of @sector after @gen begun by clock @now? */
bool history_zeroed_since(const struct history *h, u64 sector, u64 gen, u64 now);
/* The same for a discard or a write-zeroes: is its grain free to be used for another? */
bool history_freed_since(const struct history *h, u64 sector, u64 gen, u64 now);
void history_print(const struct history *h, u64 sector);

#endif /* TEST_HISTORY_H */
