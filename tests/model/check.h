/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Activating the chain on an image and comparing it with what may be there. */
#ifndef TEST_CHECK_H
#define TEST_CHECK_H

#include "history.h"
#include "image.h"
#include "rng.h"
#include "stack.h"

struct checker {
	const struct trace *trace;
	const struct history *history;
	struct image *img;
	struct stack stack;
	bool owns_stack;
	const char *target;
	const char *redosetup;	/* NULL: do not run it */
	bool base_open;		/* nothing has sealed the base: delta 0 shows no point yet */
	bool all_points;	/* compare all of them, not some */
	bool merges;		/* deltas go by being merged: the line is what was made */
	struct rng rng;		/* for which */
	/* set by check_find_chain() */
	u32 chain;
	int top, known_top;	/* TRACE_BASE: none; known_top: the same for the model */
	u32 path[TRACE_DELTAS_MAX], depth;
	/* set by check_activate() */
	struct dmdev *live;
	int fd;
	u64 *content;		/* what check_live() saw; [sector] generation */
	u64 checked;		/* runs of redosetup check */
};

/* @sibling: another one on the same image whose devices are shared; or NULL. */
void check_open(struct checker *c, const char *devno, const struct checker *sibling);
void check_close(struct checker *c);
/*
 * Find the present of chain number @chain on the image; dies where it has too few
 * or too many deltas. False: there is no such chain (yet).
 */
bool check_find_chain(struct checker *c, u32 chain, const struct moment *m);
/* redosetup check of every delta in the chain, offline. */
void check_offline(struct checker *c);
void check_activate(struct checker *c);
void check_deactivate(struct checker *c);

typedef bool (*allowed_fn)(struct checker *c, u64 sector, u64 gen, u64 *expected,
			   void *data);

/* The live device, whole. Dies where anything is that is not @allowed. */
void check_live(struct checker *c, const char *what, allowed_fn allowed, void *data);
/* What the history allows: struct moment is its data. */
bool check_by_history(struct checker *c, u64 sector, u64 gen, u64 *expected, void *data);
/* Snapshot points: the newest and one more, or all. */
void check_points(struct checker *c);
/* The merge that the activation has gone on with comes to its end. */
void check_wait_merge(struct checker *c);
/* Once more what check_live() saw the last time. */
void check_again(struct checker *c, const char *what);
/* Generations that the recorder did not use. */
u64 check_new_gen(void);
/*
 * The recovered chain is used: writes, which must change nothing else, now and
 * after a deactivation and activation. @alone: no other chain that is up shares
 * its deltas, so that they can be checked offline.
 */
void check_exercise(struct checker *c, struct rng *rng, bool alone);

#endif /* TEST_CHECK_H */
