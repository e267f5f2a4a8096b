/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device-mapper devices through libdevmapper, one target each. From one thread
 * only. Whatever still exists when the program ends is removed, newest first.
 */
#ifndef TEST_DMDEV_H
#define TEST_DMDEV_H

#include "util.h"

struct dmdev {
	char name[64];
	char path[32];		/* /dev/dm-N */
	char devno[16];		/* major:minor */
	u64 sectors;
	bool suspended;
	struct dmdev *older;	/* list of all that exist */
};

void dmdev_init(void);
/* Loads the module of target type @type if need be; false if there is none. */
bool dmdev_have_target(const char *type);

/*
 * Create, load and resume. NULL when the kernel refused; @quiet: without printing
 * what libdevmapper says. The name is made unique to this process.
 */
struct dmdev *dmdev_create(const char *name, u64 sectors, const char *type,
			   const char *params, bool read_only, bool quiet);
/* These die when they fail. */
void dmdev_remove(struct dmdev *d);
void dmdev_suspend(struct dmdev *d, bool noflush);
void dmdev_resume(struct dmdev *d);
/* False: refused, or failed; the device is suspended then if it was before. */
bool dmdev_try_suspend(struct dmdev *d, bool noflush);
bool dmdev_try_resume(struct dmdev *d);
/* The answer is freed by the caller; NULL: refused. */
char *dmdev_message(struct dmdev *d, const char *text);
/* The same; *@err: why it was refused, a positive errno. */
char *dmdev_ask(struct dmdev *d, const char *text, int *err);
/* What follows the target's name in its status line; freed by the caller. */
char *dmdev_status(struct dmdev *d);
/* How many dm events it has had. */
u32 dmdev_events(struct dmdev *d);
/* False: refused. */
bool dmdev_load(struct dmdev *d, u64 sectors, const char *type, const char *params,
		bool quiet);

#endif /* TEST_DMDEV_H */
