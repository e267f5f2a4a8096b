/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What follows a power cut: the chain is activated and written to, and all that
 * it writes below is logged, so that the power can be cut again. One write at a
 * time, so that its model is small.
 */
#ifndef TEST_AFTERLIFE_H
#define TEST_AFTERLIFE_H

#include "check.h"
#include "logwrites.h"

#define AFTERLIFE_ROUNDS	12	/* each ends with a flush */
#define AFTERLIFE_WRITES	4	/* in a round, at most */

struct afterlife_write {
	u64 sector, sectors, gen;
};

/* A change id that was taken then. */
struct afterlife_id {
	u64 number;
	u32 writes;		/* that had ended */
	u32 round;		/* given to the user when that one ends, at the latest */
};

struct afterlife {
	struct lw_log log;
	struct loopdev log_dev;
	void *map;
	u64 *content;		/* of the chain as it was found */
	struct afterlife_write write[AFTERLIFE_ROUNDS * AFTERLIFE_WRITES];
	u32 nr_writes;
	u32 flushed[AFTERLIFE_ROUNDS + 1];	/* [rounds that have ended]: writes before */
	u32 rounds;
	struct afterlife_id id[AFTERLIFE_ROUNDS];
	u32 nr_ids;
	bool base_open;		/* see struct checker */
	/* set by afterlife_moment() */
	u32 durable, begun;	/* writes at a cut, at least and at most */
	u32 round;		/* those that had ended */
};

/*
 * Live on the image of @like, whose other chain is just activated where there is
 * one. @cache: of the lower device.
 */
void afterlife_record(struct afterlife *a, const struct checker *like,
		      const struct moment *m, bool cache, struct rng *rng);
void afterlife_free(struct afterlife *a);
/* What holds at a cut before @entry of its log. */
void afterlife_moment(struct afterlife *a, const struct trace *t, u64 entry);
/* What was in @sector when @id was taken. */
u64 afterlife_at_id(const struct afterlife *a, const struct afterlife_id *id, u64 sector);
/* For check_live(); its data is a struct afterlife. */
bool check_by_afterlife(struct checker *c, u64 sector, u64 gen, u64 *expected, void *data);

#endif /* TEST_AFTERLIFE_H */
