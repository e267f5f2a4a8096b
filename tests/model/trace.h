/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the recorder did and when, on a clock that ticks at every operation's
 * begin and end. Together with the log of the lower device it is all that a
 * replay needs; it can be kept in files for that.
 */
#ifndef TEST_TRACE_H
#define TEST_TRACE_H

#include "util.h"

#define TRACE_DELTAS_MAX	12
#define TRACE_CHAINS		2
#define TRACE_IDS_MAX		64
#define TRACE_NEVER		(~0ULL)
#define TRACE_BASE		(-1)		/* in the place of a delta's number */

/* Where things are on the one device that is logged; in sectors. */
struct layout {
	u64 mail;			/* where events are marked, see trace_event */
	u64 base, base_sectors;		/* the virtual size */
	u64 delta, delta_sectors;	/* of the first; the others follow */
	u64 store, store_sectors;	/* of tracking; 0: none */
	u32 nr_deltas;
	u32 block;			/* that is tracked */
	u64 sectors;			/* all of it */
};

static inline u64 layout_delta(const struct layout *l, unsigned int i)
{
	return l->delta + i * l->delta_sectors;
}

enum trace_op_kind {
	TRACE_WRITE,
	TRACE_ZERO,
	TRACE_DISCARD,
};

/* Its index is the generation. */
struct trace_op {
	u16 kind, fua;
	u16 chain, branch;	/* see trace_delta */
	u64 from, to;		/* sectors whose content it sets */
	u64 submit, complete;	/* clock; complete TRACE_NEVER: did not end */
};

enum trace_event_kind {
	TRACE_FLUSH,		/* arg: clock when the flush was sent to the chain */
	TRACE_FUA,		/* arg: generation of a FUA write that has ended */
	TRACE_TOP,		/* arg: the delta that is its chain's top from now on */
	TRACE_ID,		/* arg: index of a change id that has been given to the user */
	TRACE_DROP,		/* arg: index of one that is going to be dropped */
	TRACE_TICK,
};

/*
 * Something that is durable, or true, from now on. It is marked in the log by a
 * write to the mail area (a message to dm-log-writes would overtake writes on a
 * device without cache). Its index is the number in the mail.
 */
struct trace_event {
	u32 kind, chain;
	u64 arg;
	u64 marked;		/* clock when the mark was complete */
};

/*
 * A delta, and the snapshot point below it. A branch is a row of deltas whose
 * content grows out of what was written before; a revert and a clone begin one.
 */
struct trace_delta {
	u64 begin, end;		/* clock before and after the table switch */
	s32 parent;		/* TRACE_BASE: the base */
	u16 chain, branch;
	u32 first;		/* of its branch: at its birth it shows the point exactly */
	u32 pad;
	u32 *content;		/* what a view of the point showed */
};

/* A change id of the first chain: an epoch of its tracker began. */
struct trace_id {
	u64 number;
	u64 begin, end;		/* clock before and after */
	s32 delta;		/* that shows what was then; TRACE_BASE: none, it was a mark */
	u16 branch, pad;
	u64 doubted;		/* clock: it may be stale from then on; TRACE_NEVER */
};

struct trace {
	u64 seed;
	u32 grain;		/* sectors */
	u32 cache;		/* the lower device had a write cache */
	struct layout layout;
	struct trace_op *op;	/* 0 unused, 1: the base's initial content */
	u64 nr_ops, ops_room;
	struct trace_event *event;
	u64 nr_events, events_room;
	struct trace_delta delta[TRACE_DELTAS_MAX];
	u32 nr_deltas;
	u32 nr_ids;
	struct trace_id id[TRACE_IDS_MAX];
};

struct mail {
	u64 magic;
	u64 event;
};

#define MAIL_MAGIC	0x6c69616d2d6f6472ULL
#define MAIL_SECTORS	64	/* one for each thread */

static inline bool trace_is_mail(const struct trace *t, u64 sector)
{
	return sector >= t->layout.mail && sector < t->layout.mail + MAIL_SECTORS;
}

/* Not locked. */
u64 trace_add_op(struct trace *t, const struct trace_op *op);
u64 trace_add_event(struct trace *t, enum trace_event_kind kind, u32 chain, u64 arg);

/* How many deltas have been the top of @chain when @delta, one of them, is. */
u32 trace_rank(const struct trace *t, int delta);

/* Into <dir>/trace and <dir>/log. */
void trace_save(const struct trace *t, const char *dir, const void *log, u64 log_bytes);
/* Returns the log. */
void *trace_load(struct trace *t, const char *dir, u64 *log_bytes);

#endif /* TEST_TRACE_H */
