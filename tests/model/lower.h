/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices for bases and deltas: loops over memory made on demand, or devices
 * given on the command line. They are used again and again; a wiped one still
 * has old units, journals and data behind its superblocks.
 */
#ifndef TEST_LOWER_H
#define TEST_LOWER_H

#include "loopdev.h"
#include "rng.h"

struct lower {
	struct loopdev loop;	/* unused for a given device */
	int fd;
	u64 sectors;
	char devno[16];
	bool given, busy;
	bool store;		/* of tracking */
	struct lower *next;
};

/* Use @path instead of a loop. */
void lower_give(const char *path);
/* @cache: loops say that they have a write cache. */
struct lower *lower_get(struct rng *rng, u64 sectors, bool cache);
void lower_put(struct lower *l);
/*
 * From now on writes to all of them fail, one device after the other, in any order
 * (@stores_last: but those of tracking after all others): what has completed stays. Not
 * for given ones.
 */
bool lower_can_cut(void);
void lower_cut(struct rng *rng, bool stores_last);
/* They are as they were then, and writable; numbers and fds are others. */
void lower_revive(void);
/* Detach all loops. */
void lower_release_all(void);

#endif /* TEST_LOWER_H */
