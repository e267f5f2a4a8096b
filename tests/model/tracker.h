/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of a chain's changed block tracking: what the device held at each change
 * id, and what was written to since. From that what an answer must hold (all that
 * differs) and, where nothing has made it vague, what it may hold (what was written to).
 */
#ifndef TEST_TRACKER_H
#define TEST_TRACKER_H

#include "cbt.h"
#include "lower.h"

enum tracker_id {
	ID_ASKED,		/* must be answered */
	ID_IN_DOUBT,		/* answered or stale: space, or a revert to who knows when */
	ID_DROPPED,		/* stale, unless it was joined for space before */
	ID_GONE,		/* stale, as it was before */
};

struct epoch {
	/* when it began; NULL: nobody asks for it any more */
	u32 *image;
	u32 *maybe;		/* NULL, or what a sector may have been instead */
	u64 sectors;		/* size of the device */
	u8 *written;		/* [sector] something was sent to it */
	u8 *must;		/* NULL, or [sector] counts as changed, whatever it holds */
	u64 back_to;		/* 0, or a revert ended it: to what was when that one began */
	u64 back_low;		/* the same, as the kernel may see it: not later */
	bool vague;		/* its bitmap may hold more than was written */
	enum tracker_id state;
};

struct tracker {
	unsigned int nr;	/* no other one has it */
	struct lower *store;	/* or NULL */
	u64 sectors_max;	/* of the arrays */
	u32 block;		/* sectors */
	bool small;		/* the store may run full */
	bool fresh;		/* uuid not known yet */
	char uuid[37];
	u64 current;
	struct epoch *epoch;	/* [1 .. current] */
};

struct tracker *tracker_new(struct lower *store, u64 sectors_max, u32 block, bool small);
void tracker_free(struct tracker *t);

/* The next epoch begins; the tracker's own copies are made of both. @maybe: NULL or ... */
void tracker_begin(struct tracker *t, const u32 *image, const u32 *maybe, u64 sectors);
/* In the current epoch. */
void tracker_wrote(struct tracker *t, u64 from, u64 to);
void tracker_grew(struct tracker *t, u64 from, u64 to);
/*
 * The current epoch ends with a revert to what epoch @to began with; 0: not known, then
 * older ids are in doubt. @low: what the kernel may think, not later than @to. Call before
 * tracker_begin(). @sure: it must know.
 */
void tracker_reverts(struct tracker *t, u64 to, u64 low, bool sure);
/* What was there may have been recorded again, more coarsely. */
void tracker_vague(struct tracker *t);
/* Ids up to @upto are in doubt. */
void tracker_doubt(struct tracker *t, u64 upto);
/* Nobody asks for @id any more; @dropped: the kernel was told. */
void tracker_forget(struct tracker *t, u64 id, bool dropped);
/* Some id that is asked for; 0: fewer than @least are. */
u64 tracker_some_id(const struct tracker *t, struct rng *rng, unsigned int least);
static inline bool tracker_asks(const struct tracker *t, u64 id)
{
	return t->epoch[id].image && t->epoch[id].state <= ID_IN_DOUBT;
}

/*
 * Is @changed, [sector], right for the question from @from to @to (0: now, where the device
 * holds @now and has @sectors)? @l: which epochs are still kept apart; @exact: the map may not be
 * coarser than the blocks. NULL, or what is wrong; static.
 */
const char *tracker_judge(const struct tracker *t, const struct cbt_list *l, u64 from, u64 to,
			  const u32 *now, u64 sectors, bool exact, const u8 *changed);

#endif /* TEST_TRACKER_H */
