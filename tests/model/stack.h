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
	char devno[16];		/* of the one device */
	struct dmdev *mail, *base;
	struct dmdev *delta[TRACE_DELTAS_MAX];
	struct dmdev *store;	/* NULL: there is none */
};

void stack_build(struct stack *s, const struct layout *l, const char *devno);
void stack_remove(struct stack *s);
/* Give delta @i that many sectors from its start on, in use or not. */
void stack_resize(struct stack *s, u32 i, u64 sectors);
/*
 * "<base> <n> <delta>..." of the deltas whose numbers are in @path; freed by the
 * caller.
 */
char *stack_table(const struct stack *s, const u32 *path, u32 n);
/* The same with the store, if there is one: of the writable device that is tracked. */
char *stack_tracked(const struct stack *s, const u32 *path, u32 n);

#endif /* TEST_STACK_H */
