/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changed block tracking of a chain in the model: its tracker is told of all that is
 * done to it, whether the chain is tracked or not.
 */
#ifndef TEST_TRACKING_H
#define TEST_TRACKING_H

#include "burst.h"

/* With the next table the chain has a store: a new one. Nothing if it has one, or without --cbt. */
void tracking_plan(struct forest *f, struct chain *c);
/* The kernel has begun an epoch; the device is at work. @maybe: NULL, or what it may hold instead. */
void tracking_begin(struct forest *f, struct chain *c, const u32 *image, const u32 *maybe);
/* The model forgets the tracker; the store is free. */
void tracking_end(struct forest *f, struct chain *c);
/* Ended in the current epoch, all of them. */
void tracking_wrote(struct chain *c, const struct job *jobs, unsigned int n);
/* A snapshot has sealed @point while @b was in flight. */
void tracking_seal(struct forest *f, struct chain *c, struct node *point, const struct burst *b);
/* The chain shows @point now. */
void tracking_revert(struct forest *f, struct chain *c, const struct node *point, bool offline);
/* @n, which lay on @p, has become one with it. */
void tracking_fold(struct node *p, const struct node *n);
/* The power has been cut while @jobs were under way to @c. */
void tracking_cut(struct forest *f, struct chain *c, const struct job *jobs, unsigned int n);
/* The chain has been activated again. */
void tracking_found(struct forest *f, struct chain *c);

/* Steps, as in steps.c. */
bool tracking_mark(struct forest *f);
bool tracking_drop(struct forest *f);
/* It ends, or begins anew. */
bool tracking_toggle(struct forest *f);
/* A chain without deltas gets shorter and longer again. */
bool tracking_resize(struct forest *f);

#endif /* TEST_TRACKING_H */
