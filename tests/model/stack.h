/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One device cut into the base, the deltas and the mail area by dm-linear, so
 * that one log has all their writes in order.
 */
#ifndef TEST_STACK_H
#define TEST_STACK_H

#include "dmdev.h"
#include "trace.h"

struct stack {
	const struct layout *layout;
	struct dmdev *mail, *base;
	struct dmdev *delta[TRACE_DELTAS_MAX];
};

void stack_build(struct stack *s, const struct layout *l, const char *devno);
void stack_remove(struct stack *s);
/*
 * "<base> <n> <delta>..." of the deltas whose numbers are in @path; freed by the
 * caller.
 */
char *stack_table(const struct stack *s, const u32 *path, u32 n);

#endif /* TEST_STACK_H */
