/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking the kernel what its tracking says, and comparing that with the model. */
#ifndef TEST_QUESTIONS_H
#define TEST_QUESTIONS_H

#include "forest.h"

/*
 * Every pair of ids that are asked for, and each of them to now; ids that must be refused.
 * An active chain's; nothing if it is not tracked. Dies at a miss, and at more.
 */
void questions_ask(struct forest *f, struct chain *c);
/* The id in a chain's status must be the model's, or a new tracker's first one. */
void questions_id(struct chain *c);

/* The status of a view that has been opened just now must have the id of its point. */
void questions_point(struct forest *f, struct dmdev *view, const struct node *n);

#endif /* TEST_QUESTIONS_H */
