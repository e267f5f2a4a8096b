// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "cuts.h"
#include "delta.h"
#include "store.h"

#define NEAR_SUPER	5	/* entries before and behind */

static void add_cut(struct cuts *c, u64 entry)
{
	c->cut = xrealloc(c->cut, (c->nr + 1) * sizeof(*c->cut));
	c->cut[c->nr++] = (struct cut){ .entry = entry };
}

static int by_entry(const void *a, const void *b)
{
	const struct cut *ca = a, *cb = b;

	return ca->entry < cb->entry ? -1 : ca->entry > cb->entry;
}

static void swap_cuts(struct cut *a, struct cut *b)
{
	struct cut t = *a;

	*a = *b;
	*b = t;
}

/* The block of its delta that a metadata write of one block goes to; 0: none. */
static u64 delta_block(const struct trace *t, const struct lw_entry *e)
{
	const struct layout *l = &t->layout;

	if (e->sector < l->delta || e->sector >= l->delta + l->nr_deltas * l->delta_sectors ||
	    !e->data)
		return 0;
	return (e->sector - l->delta) % l->delta_sectors / REDO_BLOCK_SECTORS;
}

static bool is_in_store(const struct trace *t, const struct lw_entry *e)
{
	const struct layout *l = &t->layout;

	return e->data && l->store_sectors && e->sector >= l->store &&
	       e->sector < l->store + l->store_sectors;
}

/* Does it switch a superblock? Around it most can go wrong. */
static bool is_super(const struct trace *t, const struct lw_entry *e)
{
	u64 block = delta_block(t, e);

	if (is_in_store(t, e))
		return (e->sector - t->layout.store) / REDO_BLOCK_SECTORS <= REDO_CBT_SUPER_BLOCK_B;
	return block == redo_super_blocknr(0) || block == redo_super_blocknr(1);
}

static bool near_super(const struct trace *t, const struct lw_log *log, u64 entry)
{
	u64 from = entry > NEAR_SUPER ? entry - NEAR_SUPER : 0;
	u64 to = min_u64(log->nr, entry + NEAR_SUPER + 1);

	for (; from < to; from++)
		if (is_super(t, &log->entry[from]))
			return true;
	return false;
}

/* The last block of a commit of three blocks or more? */
static bool ends_long_commit(const struct trace *t, const struct lw_entry *e)
{
	const struct redo_disk_journal *dj = (const void *)e->data;

	return delta_block(t, e) >= REDO_JOURNAL_START &&
	       e->sectors == REDO_BLOCK_SECTORS &&
	       le32_to_cpu(dj->header.magic) == REDO_MAGIC_JOURNAL &&
	       le16_to_cpu(dj->header.level) >= 2;
}

/* Before its flush, or before the write itself. */
static bool is_deep(const struct trace *t, const struct lw_log *log, u64 entry)
{
	u64 i;

	for (i = entry; i < log->nr && i < entry + 2; i++)
		if (ends_long_commit(t, &log->entry[i]))
			return true;
	return false;
}

static void shuffle(struct cut *cut, u64 n, struct rng *rng)
{
	u64 i;

	for (i = 0; i + 1 < n; i++)
		swap_cuts(&cut[i], &cut[rng_between(rng, i, n - 1)]);
}

/* To the front; returns how many. */
static u64 prefer_supers(struct cuts *c, const struct trace *t, const struct lw_log *log)
{
	u64 i, n = 0;

	for (i = 0; i < c->nr; i++)
		if (near_super(t, log, c->cut[i].entry))
			swap_cuts(&c->cut[i], &c->cut[n++]);
	return n;
}

static bool is_mail(const struct trace *t, const struct lw_entry *e)
{
	return trace_is_mail(t, e->sector) && e->data;
}

/* Half of them where superblocks are switched. */
static void draw_fewer(struct cuts *c, const struct trace *t, const struct player *p,
		       u64 max, struct rng *rng)
{
	u64 supers;

	shuffle(c->cut, c->nr, rng);
	supers = min_u64(prefer_supers(c, t, p->log), max / 2);
	shuffle(c->cut + supers, c->nr - supers, rng);
	c->nr = min_u64(c->nr, max);
}

static void add_random(struct cuts *c, u64 first, u64 entries, u64 n, struct rng *rng)
{
	for (; n; n--)
		add_cut(c, rng_percent(rng, 50) ? rng_between(rng, first, entries) :
			   c->cut[rng_below(rng, c->places)].entry);
}

/* The store is there when the first mark says so; what lies before is the test's own. */
static u64 first_cut(const struct trace *t, const struct lw_log *log)
{
	u64 i = 0;

	while (t->layout.store_sectors && i < log->nr && !is_mail(t, &log->entry[i]))
		i++;
	return i;
}

void cuts_choose(struct cuts *c, const struct trace *t, const struct player *p,
		 const struct cuts_options *opt)
{
	const struct lw_log *log = p->log;
	struct rng rng;
	u64 i;

	memset(c, 0, sizeof(*c));
	rng_init(&rng, opt->seed, 1);
	for (i = first_cut(t, log); i <= log->nr; i++)
		if (player_can_cut(p, i) && (i == log->nr || !is_mail(t, &log->entry[i])))
			add_cut(c, i);
	c->places = c->nr;
	if (!opt->max)
		add_random(c, first_cut(t, log), log->nr, opt->random, &rng);
	else if (opt->max > c->nr)
		add_random(c, first_cut(t, log), log->nr, opt->max - c->nr, &rng);
	else
		draw_fewer(c, t, p, opt->max, &rng);
	qsort(c->cut, c->nr, sizeof(*c->cut), by_entry);
	for (i = 0; i < c->nr; i++) {
		c->cut[i].nr = i;
		c->cut[i].deep = is_deep(t, log, c->cut[i].entry);
	}
}

void cuts_free(struct cuts *c)
{
	free(c->cut);
}
