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
	const char *target;
	const char *redosetup;	/* NULL: do not run it */
	u32 points_max;		/* of those found, the ones to be compared */
	/* set by check_find_chain() */
	u32 path[TRACE_DELTAS_MAX], depth;
	u32 points;		/* snapshot points whose content is known */
	/* set by check_activate() */
	struct dmdev *live;
	int fd;
	u64 *content;		/* what the live device held; [sector] generation */
	u64 checked;		/* runs of redosetup check */
};

void check_open(struct checker *c, const char *devno);
void check_close(struct checker *c);
/* Find the present chain on the image; dies where there are too few or too many deltas. */
void check_find_chain(struct checker *c, const struct moment *m);
/* redosetup check of every delta in the chain, offline. */
void check_offline(struct checker *c);
void check_activate(struct checker *c);
void check_deactivate(struct checker *c);
/* Live content and every snapshot point. */
void check_content(struct checker *c, const struct moment *m);
/*
 * The recovered chain is used: writes, which must change nothing else, now and
 * after a deactivation and activation.
 */
void check_exercise(struct checker *c, struct rng *rng);

#endif /* TEST_CHECK_H */
