// SPDX-License-Identifier: GPL-2.0
/* Messages. */
#include <linux/sched/mm.h>
#include "redo-proto.h"
#include "redo-target.h"

/* An item and the word that ends an answer never take more than this. */
#define ITEM_MAX	48
/*
 * While dm runs a message it can neither suspend nor exchange the table, and a suspend
 * that has begun holds all bios up until then. So an answer is cut when it has taken long.
 */
#define ANSWER_TIME	(HZ / 10)
#define RUN_MAX		(REDO_FANOUT * 4096U)	/* grains looked at in one RCU section */

/* The run of grains from @grain on, at most to @end, with or without data. */
static int next_run(struct redo_chain *c, u64 grain, u64 end, u64 *next, bool *data)
{
	u32 max = min_t(u64, end - grain, RUN_MAX);
	u64 word;
	int r;

	for (;;) {
		rcu_read_lock();
		word = redo_map_word(&c->map, grain);
		*next = grain + (word ? redo_map_run(&c->map, grain, word, max) : 1);
		rcu_read_unlock();
		if (word)
			break;
		r = redo_build_leaf(c, redo_leaf_index(grain));
		if (r)
			return r;
	}
	*data = redo_word_state(word) != REDO_W_ZERO;
	return 0;
}

struct answer {
	char *result;
	unsigned int maxlen, sz;
	sector_t start, end;	/* the item being gathered; empty: start == end */
};

/* False: no room for it and what must follow. */
static bool put_item(struct answer *a)
{
	char *result = a->result;
	unsigned int maxlen = a->maxlen, sz = a->sz;

	if (a->start == a->end)
		return true;
	if (sz + 2 * ITEM_MAX > maxlen)
		return false;
	DMEMIT("%llu+%llu ", (u64)a->start, (u64)(a->end - a->start));
	a->sz = sz;
	return true;
}

/* Adds [start, end); false when the answer is full: go on from a->start. */
static bool add_item(struct answer *a, sector_t start, sector_t end)
{
	if (a->start != a->end && a->end == start) {
		a->end = end;
		return true;
	}
	if (!put_item(a))
		return false;
	a->start = start;
	a->end = end;
	return true;
}

static void finish(struct answer *a, bool complete, sector_t next)
{
	char *result = a->result;
	unsigned int maxlen = a->maxlen, sz = a->sz;

	if (complete)
		DMEMIT(REDO_MSG_END);
	else
		DMEMIT(REDO_MSG_NEXT "%llu", (u64)next);
}

/* Ranges that may hold data: all but what is known to read as zeroes. */
static int allocated(struct redo_chain *c, sector_t start, sector_t end, struct answer *a)
{
	u64 grain = redo_sector_to_grain(c, start), next;
	u64 last = redo_sector_to_grain(c, end + c->grain_sectors - 1);
	unsigned long until = jiffies + ANSWER_TIME;
	bool data;
	int r;

	for (; grain < last && time_before_eq(jiffies, until); grain = next) {
		r = next_run(c, grain, last, &next, &data);
		if (r)
			return r;
		if (data && !add_item(a, max(start, redo_grain_to_sector(c, grain)),
				       min(end, redo_grain_to_sector(c, next)))) {
			finish(a, false, a->start);
			return 1;
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	if (put_item(a))
		finish(a, grain >= last, redo_grain_to_sector(c, grain));
	else
		finish(a, false, a->start);
	return 1;
}

static int msg_allocated(struct redo_target *t, char **argv, char *result, unsigned int maxlen)
{
	struct answer a = { .result = result, .maxlen = maxlen };
	u64 start, sectors;

	if (kstrtou64(argv[1], 10, &start) || kstrtou64(argv[2], 10, &sectors)) {
		DMERR("message " REDO_MSG_ALLOCATED ": <start sector> <sectors> are not numbers");
		return -EINVAL;
	}
	if (start > t->ti->len || sectors > t->ti->len - start) {
		DMERR("message " REDO_MSG_ALLOCATED ": beyond the end of the device (%llu sectors)",
		      (u64)t->ti->len);
		return -EINVAL;
	}
	if (redo_chain_is_passthrough(t->chain)) { /* of a raw base nothing is known */
		if (sectors)
			add_item(&a, start, start + sectors);
		put_item(&a);
		finish(&a, true, 0);
		return 1;
	}
	return allocated(t->chain, start, start + sectors, &a);
}

/*
 * The live table, with us in it, cannot be swapped while dm runs a message; so
 * once the chain is up it stays ours until we return.
 */
static bool is_up(struct redo_target *t)
{
	bool up;

	mutex_lock(&redo_target_mutex);
	up = t->up && t->chain && READ_ONCE(t->chain->mode) != REDO_MODE_FAILED;
	mutex_unlock(&redo_target_mutex);
	return up;
}

int redo_message(struct dm_target *ti, unsigned int argc, char **argv,
		 char *result, unsigned int maxlen)
{
	struct redo_target *t = ti->private;

	if (!is_up(t)) {
		DMERR("message %s: the chain is not at work", argv[0]);
		return -EINVAL;
	}
	if (!strcasecmp(argv[0], REDO_MSG_ALLOCATED)) {
		if (argc == 3)
			return msg_allocated(t, argv, result, maxlen);
		DMERR("message " REDO_MSG_ALLOCATED " takes <start sector> <sectors>");
		return -EINVAL;
	}
	if (redo_track_is_message(argv[0]))
		return redo_track_message(t->chain, argc, argv, result, maxlen);
	if (redo_merge_is_message(argv[0]))
		return redo_merge_message(t->chain, argc, argv, result, maxlen);
	DMERR("unknown message: %s", argv[0]);
	return -EINVAL;
}
