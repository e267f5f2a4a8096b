/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Going through a log, from cut to cut. Before entry @at the player has put all
 * that is durable there into the image; what a power cut just then may leave of
 * the rest is added by player_partial().
 */
#ifndef TEST_PLAYER_H
#define TEST_PLAYER_H

#include "history.h"
#include "image.h"
#include "logwrites.h"
#include "rng.h"

struct player {
	const struct lw_log *log;
	struct image *img;
	bool cache;		/* the log has flushes */
	bool durable;		/* which image: see image_put() */
	u64 seed;
	const struct history *history;	/* NULL: what is logged is not of the workload */
	const u64 *clock;	/* with a history: [entry] of the workload when it was logged */
	u64 at;			/* all before it has been seen */
	u64 held;		/* held .. at-1 wait for the flush at @at */
	u32 epoch;		/* flushes so far, + 2 */
	u32 *fua_epoch;		/* [sector] of the last FUA write to it */
};

void player_init(struct player *p, const struct lw_log *log, struct image *img,
		 bool cache, bool durable, u64 seed);
void player_free(struct player *p);
/*
 * Is a cut just before @entry one of those that matter most: at a flush, a FUA
 * write, the log's end; without a cache at any write?
 */
bool player_can_cut(const struct player *p, u64 entry);
void player_advance(struct player *p, u64 to);
/* A cut before entry p->at. Only into the loop device. Returns how it was, static. */
const char *player_partial(struct player *p, struct rng *rng);

#endif /* TEST_PLAYER_H */
