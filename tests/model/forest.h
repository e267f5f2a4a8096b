/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model: a base, deltas on it (snapshots form a tree), the chains that write
 * to the top of a branch each, and views that are kept open. Content is one
 * generation a sector, see stamp.h.
 */
#ifndef TEST_FOREST_H
#define TEST_FOREST_H

#include "dmdev.h"
#include "jobs.h"
#include "lower.h"
#include "rng.h"
#include "tracker.h"

#define FOREST_CHAINS	3
#define FOREST_VIEWS	3

/* The base or a delta. */
struct node {
	unsigned int nr;	/* for messages; 0 is the base */
	struct node *parent;	/* NULL: this is the base */
	struct lower *dev;
	u32 *content;		/* of the snapshot point on top of it; NULL: not sealed */
	u32 *maybe;		/* NULL, or what a sector of it may be instead */
	bool lost;		/* the point is no more: its delta, or the base, takes something in */
	u32 grain;		/* sectors; base: 0 */
	/* whose epoch sealed_at began when it was sealed; not before sealed_low; 0: nobody's */
	unsigned int sealed_by;
	u64 sealed_at, sealed_low;
	bool sealed_sure;	/* the kernel must know */
	unsigned int users;	/* children, chains and views */
	struct node *next;
};

/* A writable device. */
struct chain {
	char name[16];
	struct node *top;	/* NULL: this slot is free */
	u32 *content;
	struct dmdev *dm;	/* NULL: deactivated */
	int fd;
	/* what is being merged, whether the chain is active or not; see merges.h */
	struct node *source;	/* its topmost delta; NULL: nothing */
	bool all;		/* all deltas up to it, into the base */
	/* see tracking.h */
	struct tracker *tracker;	/* NULL: changes are not tracked */
	bool no_cbt;		/* the table is to end what its delta records */
	char uuid_before[37];	/* of the tracker that it had; empty: none */
};

struct view {
	struct node *node;	/* NULL: this slot is free */
	struct dmdev *dm;
	int fd;
};

struct forest_options {
	u64 sectors;		/* virtual size */
	u32 grain;		/* sectors, of the first delta */
	u32 spare;		/* units of a delta's device beyond those it must have */
	u32 journal;		/* blocks of the ring in deltas formatted by the test */
	unsigned int depth_max;
	unsigned int nodes_max;
	bool mixed_grains;	/* chains of other grain sizes on the same base */
	bool cache;		/* lower devices have a write cache */
	bool quiesced;		/* no I/O in flight at snapshots */
	bool cbt;		/* changed block tracking */
	u32 cbt_block;		/* sectors; 0: drawn */
	unsigned int ids_max;	/* that are asked for, of a tracker */
	const char *target;
};

struct forest {
	struct forest_options opt;
	u64 seed;
	struct rng rng;
	struct node *nodes;	/* newest first; the base is the last */
	unsigned int nr_nodes, next_nr;
	struct chain chain[FOREST_CHAINS];
	struct view view[FOREST_VIEWS];
	/* for the report at the end */
	u64 compared;		/* sectors */
	unsigned int points_compared, merges, cuts, pairs, marks;
	bool stores_first;	/* for once, a cut may have broken what is tracked */
};

/* A base full of stamps of generation 1 and one chain without deltas over it. */
void forest_plant(struct forest *f, u64 seed, const struct forest_options *opt);
/* Removes every device. */
void forest_fell(struct forest *f);

struct node *node_new(struct forest *f, struct node *parent, struct lower *dev);
void node_get(struct node *n);
/* Frees an unsealed node with its last user; sealed ones stay as points. */
void node_put(struct forest *f, struct node *n);
/* Forget one sealed node that nobody builds on; false: there is none. */
bool node_forget_one(struct forest *f);
static inline bool node_sealed(const struct node *n)
{
	return n->content && !n->lost;
}
/* Deltas in the chain up to @n. */
unsigned int node_depth(const struct node *n);
/* Is @n in the chain up to @top? */
bool node_in_line(const struct node *n, const struct node *top);

/* "<base> <n> <delta>..." for the chain up to @n; freed by the caller. */
char *forest_table(const struct node *n);
/* The chain's line if @n were its top, with the store. */
char *chain_table(const struct chain *c, const struct node *n);

/* These two are the device's; for the merges that are found again see merges.h. */
void chain_activate(struct forest *f, struct chain *c);
void chain_deactivate(struct forest *f, struct chain *c);
struct chain *chain_random(struct forest *f, bool active);
struct chain *chain_free_slot(struct forest *f);
/* Deactivate and forget it. */
void chain_drop(struct forest *f, struct chain *c);

void view_open(struct forest *f, struct view *v, struct node *n);
void view_close(struct forest *f, struct view *v);

u32 *content_new(const struct forest *f);
u32 *content_copy(const struct forest *f, const u32 *content);

/* Compare everything there is with the model, whole; dies at a difference. */
void forest_verify(struct forest *f);
/* The same for one device. @what is for the message. */
void content_verify(struct forest *f, int fd, const u32 *content, const char *what);
/*
 * What a device holds where two contents are possible: *@content becomes the one that
 * is found, @maybe is freed. Dies where it is neither.
 */
void content_settle(struct forest *f, int fd, u32 *content, u32 *maybe, const char *what);
/* The same for the point on @n, if it has two. */
void point_settle(struct forest *f, struct node *n);

#endif /* TEST_FOREST_H */
