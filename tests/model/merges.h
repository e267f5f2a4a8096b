/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Merges in the model. A chain's merge begins, and goes on while other steps are taken,
 * also when the chain is down. When it is over what was merged is folded into what it
 * lay on, and only then the model has fewer deltas; so tables name all until then. The
 * points below what is being merged are lost meanwhile.
 */
#ifndef TEST_MERGES_H
#define TEST_MERGES_H

#include "forest.h"

/* Can @n be shown: does no chain at work merge into something that its line has? */
bool merges_allow(struct forest *f, const struct node *n);
/* Can something new lie on @n: does its line have no part in a merge, at work or not? */
bool merges_allow_branch(struct forest *f, const struct node *n);
/* May the chain be one without deltas before the model says so? */
bool merge_may_end_on_base(const struct chain *c);
/*
 * One that was begun by another chain, which is down, is this one's from now on, if it
 * goes through the same deltas. Call before the chain is activated.
 */
void merge_adopt(struct forest *f, struct chain *c);
/* Fold what is over, and let the kernel have the shortened line; true: nothing is left. */
bool merge_look(struct forest *f, struct chain *c);
/* Wait for the end. The chain is active. */
void merge_finish(struct forest *f, struct chain *c);

/* Steps, as in steps.c. */
bool merge_begin(struct forest *f, struct chain *c);
/* Pause, resume, throttle, say it again. */
void merge_disturb(struct forest *f, struct chain *c);
/* What must be refused while it is at work; false: it is over, and nothing was tried. */
bool merge_refuses_revert(struct forest *f, struct chain *c);

#endif /* TEST_MERGES_H */
