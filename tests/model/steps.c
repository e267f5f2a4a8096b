// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "burst.h"
#include "delta.h"
#include "merges.h"
#include "oplog.h"
#include "steps.h"
#include "tables.h"
#include "tracking.h"

/* --- new deltas --- */

/* A chain has one grain size, chosen with its first delta. */
static u32 choose_grain(struct forest *f, const struct node *parent)
{
	static const u32 grains[] = { 8, 128, 2048 };

	if (parent->parent)
		return parent->grain;
	if (f->opt.mixed_grains && rng_percent(&f->rng, 50))
		return grains[rng_below(&f->rng, ARRAY_SIZE(grains))];
	return f->opt.grain;
}

/*
 * A delta on @parent, formatted here or left blank for the kernel. A grain that
 * is not what the kernel would choose has to be formatted here, and @format: if the
 * kernel may have another parent for it by then.
 */
static struct node *new_delta(struct forest *f, struct node *parent, bool format)
{
	u32 normal = parent->parent ? parent->grain : REDO_GRAIN_SECTORS_MIN;
	u32 grain = choose_grain(f, parent);
	struct lower *dev = lower_get(&f->rng, delta_device_sectors(f->opt.sectors, grain,
								   f->opt.spare),
				      f->opt.cache);
	struct node *n = node_new(f, parent, dev);

	n->grain = grain;
	if (format || grain != normal || f->opt.journal != REDO_JOURNAL_BLOCKS ||
	    rng_percent(&f->rng, 25))
		delta_format(dev->fd, parent->parent ? parent->dev->fd : -1, 0,
			     f->opt.sectors, grain, f->opt.journal);
	return n;
}

/* The kernel may have its own idea of a blank one's grain. */
static void check_grain(const struct node *n)
{
	struct redo_super sb;

	if (!delta_read_super(n->dev->fd, &sb))
		die("delta %u has no superblock after its table was resumed", n->nr);
	if (sb.grain_sectors != n->grain)
		die("delta %u has grains of %u sectors instead of %u", n->nr,
		    sb.grain_sectors, n->grain);
}

/* They have ended, and no epoch has. */
static void burst_end(struct forest *f, struct chain *c, const struct job *jobs, unsigned int n)
{
	burst_check(c, jobs, n);
	burst_apply(f, c, jobs, n, c->content);
	tracking_wrote(c, jobs, n);
}

/* --- the steps; each returns false where it is not possible now --- */

static bool step_serial(struct forest *f)
{
	struct chain *c = chain_random(f, true);
	struct job jobs[BURST_MAX];
	unsigned int n;

	if (!c)
		return false;
	for (n = rng_between(&f->rng, 1, BURST_MAX); n; n--) {
		burst_choose(f, c, jobs, 1);
		jobs_run_serially(jobs, 1);
		burst_end(f, c, jobs, 1);
	}
	return true;
}

static bool step_parallel(struct forest *f)
{
	struct chain *c = chain_random(f, true);
	struct job jobs[BURST_MAX];
	unsigned int n;

	if (!c)
		return false;
	n = burst_choose(f, c, jobs, BURST_MAX);
	jobs_start(jobs, n);
	jobs_wait();
	burst_end(f, c, jobs, n);
	return true;
}

/* Many commits one after the other, until the journal wraps. */
static bool step_storm(struct forest *f)
{
	struct chain *c = chain_random(f, true);
	struct job j;
	u64 n;

	if (!c || !c->top->parent)
		return false;
	for (n = rng_between(&f->rng, f->opt.journal / 2, 3 * f->opt.journal / 2); n; n--) {
		burst_choose_small(f, c, &j);
		jobs_run_serially(&j, 1);
		burst_end(f, c, &j, 1);
	}
	return true;
}

/* The parent becomes a point; what it holds is known but for what was in flight. */
static void seal_point(struct forest *f, struct chain *c, struct node *n,
		       const struct burst *b)
{
	struct node *old = c->top;
	u32 *after;

	burst_apply_some(f, c, b->job, b->before, b->n, JOB_ENDED, c->content);
	after = content_copy(f, c->content);
	burst_apply(f, c, b->job, b->n, after);
	old->content = c->content;
	if (b->n) {
		old->maybe = content_copy(f, c->content);
		burst_apply_some(f, c, b->job, b->after, b->n, JOB_BEGUN, old->maybe);
	}
	c->content = after;
	c->top = n;
	node_get(n);
	if (merges_allow(f, old))
		point_settle(f, old);
	tracking_seal(f, c, old, b);
	node_put(f, old);
}

/* Nothing in flight, and the table is not exchanged but made anew. */
static bool go_offline(struct forest *f, const struct chain *c)
{
	return f->opt.cbt && !c->source && rng_percent(&f->rng, 25);
}

static bool step_snapshot(struct forest *f)
{
	struct chain *c = chain_random(f, true);
	struct burst b = { .n = 0 };
	struct node *n;

	if (!c || node_depth(c->top) >= f->opt.depth_max)
		return false;
	n = new_delta(f, c->top, merge_may_end_on_base(c) && c->top->grain != REDO_GRAIN_SECTORS_MIN);
	if (f->opt.cbt && !c->tracker && rng_percent(&f->rng, 25))
		tracking_plan(f, c);
	if (go_offline(f, c)) {
		table_exchange(f, c, n);
	} else {
		if (!f->opt.quiesced && rng_percent(&f->rng, 70))
			b.n = burst_start(f, c, b.job, false);
		jobs_states(b.job, b.n, b.before);
		table_switch(f, c, n);
		jobs_states(b.job, b.n, b.after);
		if (b.n)
			jobs_wait();
		burst_check(c, b.job, b.n);
	}
	check_grain(n);
	seal_point(f, c, n, &b);
	return true;
}

/* A point that may be used now, with all that is known of it; NULL: there is none. */
static struct node *random_point(struct forest *f,
				 bool (*allow)(struct forest *f, const struct node *n))
{
	unsigned int count = 0;
	struct node *n, *found = NULL;

	for (n = f->nodes; n; n = n->next)
		if (node_sealed(n) && allow(f, n) && !rng_below(&f->rng, ++count))
			found = n;
	if (found)
		point_settle(f, found);
	return found;
}

/* Drop the present state, go on from a point: any of the tree. */
static bool step_revert(struct forest *f)
{
	struct chain *c = chain_random(f, true);
	struct node *point, *n, *old;
	bool offline;

	if (c && c->source)
		return merge_refuses_revert(f, c);
	point = random_point(f, merges_allow_branch);
	if (!c || !point)
		return false;
	n = new_delta(f, point, false);
	offline = go_offline(f, c);
	if (offline)
		table_exchange(f, c, n);
	else
		table_switch(f, c, n);
	check_grain(n);
	old = c->top;
	c->top = n;
	node_get(n);
	free(c->content);
	c->content = content_copy(f, point->content);
	tracking_revert(f, c, point, offline);
	node_put(f, old);
	return true;
}

static bool step_clone(struct forest *f)
{
	struct chain *c = chain_free_slot(f);
	struct node *point = random_point(f, merges_allow_branch);

	if (!c || !point)
		return false;
	c->top = new_delta(f, point, false);
	node_get(c->top);
	c->content = content_copy(f, point->content);
	snprintf(c->name, sizeof(c->name), "chain%u", (unsigned int)(c - f->chain));
	if (f->opt.cbt && rng_percent(&f->rng, 80))
		tracking_plan(f, c);
	chain_activate(f, c);
	check_grain(c->top);
	tracking_begin(f, c, c->content, NULL);
	return true;
}

static bool step_drop_clone(struct forest *f)
{
	unsigned int i = rng_between(&f->rng, 1, FOREST_CHAINS - 1);

	if (!f->chain[i].top || f->chain[i].source)
		return false;
	chain_drop(f, &f->chain[i]);
	return true;
}

static void take_down(struct forest *f, struct chain *c)
{
	chain_deactivate(f, c);
	merge_look(f, c);
}

/* False: what it lies on is being merged. @maybe: NULL, or what else it may hold. */
static bool bring_up(struct forest *f, struct chain *c, u32 *maybe)
{
	if (!merges_allow(f, c->top))
		return false;
	merge_adopt(f, c);
	chain_activate(f, c);
	if (maybe)
		content_settle(f, c->fd, c->content, maybe, c->name);
	tracking_found(f, c);
	merge_look(f, c);
	return true;
}

static bool step_deactivate(struct forest *f)
{
	struct chain *c = chain_random(f, true);

	if (!c)
		return false;
	take_down(f, c);
	if (rng_percent(&f->rng, 60))
		bring_up(f, c, NULL);
	return true;
}

static bool step_activate(struct forest *f)
{
	struct chain *c = chain_random(f, false);

	return c && bring_up(f, c, NULL);
}

/* The same line again, I/O in flight. */
static bool step_reload(struct forest *f)
{
	struct chain *c = chain_random(f, true);
	struct job jobs[BURST_MAX];
	unsigned int n;

	if (!c)
		return false;
	n = burst_start(f, c, jobs, true);
	table_switch(f, c, c->top);
	jobs_wait();
	burst_end(f, c, jobs, n);
	return true;
}

static bool step_view(struct forest *f)
{
	struct view *v = &f->view[rng_below(&f->rng, FOREST_VIEWS)];
	struct node *point;

	if (v->node) {
		view_close(f, v);
		return true;
	}
	point = random_point(f, merges_allow);
	if (!point)
		return false;
	view_open(f, v, point);
	return true;
}

static void all_down(struct forest *f)
{
	unsigned int i;

	for (i = 0; i < FOREST_VIEWS; i++)
		if (f->view[i].node)
			view_close(f, &f->view[i]);
	for (i = 0; i < FOREST_CHAINS; i++)
		if (f->chain[i].dm)
			chain_deactivate(f, &f->chain[i]);
}

/* @first: comes up whoever cannot, and may hold @maybe. */
static void all_up(struct forest *f, struct chain *first, u32 *maybe)
{
	unsigned int i;

	for (i = 0; i < FOREST_CHAINS; i++)
		if (f->chain[i].top)
			merge_look(f, &f->chain[i]);
	if (first)
		bring_up(f, first, maybe);
	for (i = 0; i < FOREST_CHAINS; i++)
		if (f->chain[i].top && &f->chain[i] != first)
			bring_up(f, &f->chain[i], NULL);
}

/* Everything down and up again, as at a reboot. */
static bool step_restart(struct forest *f)
{
	all_down(f);
	all_up(f, NULL, NULL);
	return true;
}

/*
 * At one moment the devices take no more writes, whatever is under way, and the chains
 * are given up; what was flushed before, all the same, is there afterwards.
 */
static bool step_cut(struct forest *f)
{
	struct chain *c = chain_random(f, true);
	struct job jobs[BURST_MAX], flush = { .kind = JOB_FLUSH };
	unsigned int n, i;
	u32 *after;

	if (!c || !lower_can_cut())
		return false;
	for (i = 0; i < FOREST_CHAINS; i++) {
		flush.fd = f->chain[i].fd;
		if (f->chain[i].dm)
			jobs_run_serially(&flush, 1);
		burst_check(&f->chain[i], &flush, 1);
	}
	n = burst_start(f, c, jobs, false);
	/* What cannot be recorded ends tracking, and the delta may say so in time. */
	f->stores_first = f->opt.cbt && rng_percent(&f->rng, 25);
	lower_cut(&f->rng, !f->stores_first);
	jobs_wait();
	all_down(f);
	lower_revive();
	tracking_cut(f, c, jobs, n);
	burst_apply_durable(f, c, jobs, n);
	after = content_copy(f, c->content);
	burst_apply(f, c, jobs, n, after);
	all_up(f, c, after);
	f->stores_first = false;
	f->cuts++;
	return true;
}

/* One begins, or one that has begun is disturbed or waited for. */
static bool step_merge(struct forest *f)
{
	struct chain *c = chain_random(f, true);
	struct job jobs[BURST_MAX];
	unsigned int n = 0;

	if (!c || !c->top->parent)
		return false;
	if (c->source && rng_percent(&f->rng, 40)) {
		merge_finish(f, c);
		return true;
	}
	if (rng_percent(&f->rng, 30))
		n = burst_start(f, c, jobs, false);
	if (c->source)
		merge_disturb(f, c);
	else
		merge_begin(f, c);
	if (n)
		jobs_wait();
	burst_end(f, c, jobs, n);
	return true;
}

static const struct {
	const char *name;
	unsigned int weight;
	bool (*take)(struct forest *f);
} steps[] = {
	{ "serial",	24, step_serial },
	{ "parallel",	20, step_parallel },
	{ "storm",	2, step_storm },
	{ "snapshot",	16, step_snapshot },
	{ "revert",	6, step_revert },
	{ "clone",	5, step_clone },
	{ "drop clone",	2, step_drop_clone },
	{ "deactivate",	6, step_deactivate },
	{ "activate",	8, step_activate },
	{ "reload",	5, step_reload },
	{ "view",	6, step_view },
	{ "restart",	2, step_restart },
	{ "cut",	4, step_cut },
	{ "merge",	26, step_merge },
	/* FIRST_TRACKING: only with tracking */
	{ "mark",	16, tracking_mark },
	{ "drop id",	4, tracking_drop },
	{ "tracking",	5, tracking_toggle },
	{ "resize",	6, tracking_resize },
};

#define FIRST_TRACKING	(ARRAY_SIZE(steps) - 4)

static unsigned int choose_step(struct rng *r, bool tracking)
{
	unsigned int n = tracking ? ARRAY_SIZE(steps) : FIRST_TRACKING, total = 0, i;
	u64 pick;

	for (i = 0; i < n; i++)
		total += steps[i].weight;
	pick = rng_below(r, total);
	for (i = 0; pick >= steps[i].weight; i++)
		pick -= steps[i].weight;
	return i;
}

/* Now and then: what is over is not known at once, nor is the table loaded that says so. */
static void look_at_merges(struct forest *f)
{
	unsigned int i;

	for (i = 0; i < FOREST_CHAINS; i++)
		if (f->chain[i].dm && rng_percent(&f->rng, 60))
			merge_look(f, &f->chain[i]);
}

const char *step_random(struct forest *f, unsigned int step)
{
	for (;;) {
		unsigned int i = choose_step(&f->rng, f->opt.cbt);

		oplog_step(step, steps[i].name);
		say("--- step %u: %s\n", step, steps[i].name);
		if (!steps[i].take(f))
			continue;
		look_at_merges(f);
		while (f->nr_nodes > f->opt.nodes_max && node_forget_one(f))
			;
		return steps[i].name;
	}
}
