/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What makes the n-th of something fail: requests to lower devices (the target of
 * tests/fault), or the module's allocations (the kernel's failslab and
 * fail_page_alloc, narrowed to stacks in which the module is).
 */
#ifndef TEST_INJECT_H
#define TEST_INJECT_H

#include "dmdev.h"

struct injection {
	const char *what;	/* requests, slab, page */
	const char *kinds;	/* of requests: letters of rwfd */
	const char *scope;	/* once, all, here */
	const char *when;	/* before, after */
};

struct injected {
	u64 counted;		/* requests only */
	u64 failed;
	char devno[16];		/* of the first that failed: requests only */
	char kind;
	u64 sector, sectors;
	u32 magic;
};

/* @any: one of the redo-fault devices. Dies where the kernel has no such thing. */
void inject_init(const struct injection *i, struct dmdev *any);
/* n from 1; 0: only count. */
void inject_arm(u64 n);
void inject_disarm(struct injected *found);
/* The same without disarming. */
void inject_look(struct injected *found);
/* Whether what is armed must be met before the program may go on. */
bool inject_pending(void);

#endif /* TEST_INJECT_H */
