// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "delta.h"
#include "merges.h"
#include "oplog.h"
#include "steps.h"

#define BURST_MAX	24
#define LEAF_GRAINS	REDO_FANOUT

/* The table is going to change while the jobs are in flight. */
static bool reloading;

/* --- what one job does to the model --- */

/* A discard zeroes the grains that it covers whole; a short last one counts. */
static void discard_range(const struct forest *f, const struct chain *c,
			  const struct job *j, u64 *from, u64 *to)
{
	u64 end = j->sector + j->sectors;

	*from = round_up_to(j->sector, c->top->grain);
	*to = end == f->opt.sectors ? end : round_down_to(end, c->top->grain);
}

static void apply(const struct forest *f, const struct chain *c, const struct job *j,
		  u32 *content)
{
	u64 from = j->sector, to = j->sector + j->sectors, s;
	u32 gen = j->kind == JOB_WRITE ? j->gen : 0;

	if (j->kind == JOB_FLUSH)
		return;
	if (j->kind == JOB_DISCARD)
		discard_range(f, c, j, &from, &to);
	for (s = from; s < to; s++)
		content[s] = gen;
}

/* --- choosing jobs --- */

/* 1 .. max, every magnitude as likely as any other. */
static u64 log_size(struct rng *r, u64 max)
{
	u64 bits = 0, v;

	while ((2ULL << bits) <= max)
		bits++;
	v = 1ULL << rng_below(r, bits + 1);
	return min_u64(max, v + rng_below(r, v));
}

static void align(struct forest *f, const struct chain *c, struct job *j)
{
	static const u32 units[] = { 1, 8, 64 };
	u32 grain = c->top->grain ? c->top->grain : 8, unit;
	u64 pick = rng_below(&f->rng, 6);

	if (pick < ARRAY_SIZE(units))
		unit = units[pick];
	else if (pick < 5)
		unit = grain;
	else
		unit = grain * LEAF_GRAINS;
	j->sector = round_down_to(j->sector, unit);
	if (rng_percent(&f->rng, 50))
		j->sectors = round_up_to(j->sectors, unit);
}

/* Most I/O meets in a few places, so that it overlaps; some at the very end. */
static void place(struct forest *f, const struct chain *c, struct job *j, u64 max)
{
	u64 size = f->opt.sectors, hot = min_u64(size, 4 * MIB >> SECTOR_SHIFT);

	j->sectors = log_size(&f->rng, min_u64(max, size));
	if (rng_percent(&f->rng, 60))
		j->sector = rng_below(&f->rng, hot);
	else if (rng_percent(&f->rng, 15))
		j->sector = size - j->sectors;
	else
		j->sector = rng_below(&f->rng, size);
	align(f, c, j);
	j->sectors = min_u64(j->sectors, max);
	if (j->sector + j->sectors > size)
		j->sectors = size - j->sector;
}

/* May the chain be one without deltas before the model says so? */
static bool may_end_on_base(const struct chain *c)
{
	return c->source && c->source == c->top && (c->all || !c->top->parent->parent);
}

static void choose_job(struct forest *f, struct chain *c, struct job *j)
{
	u64 pick = rng_below(&f->rng, 100);

	memset(j, 0, sizeof(*j));
	j->fd = c->fd;
	if (pick < 70) {
		j->kind = JOB_WRITE;
		j->fua = rng_percent(&f->rng, 15);
		place(f, c, j, JOB_SECTORS_MAX);
	} else if (pick < 80) {
		j->kind = JOB_FLUSH;
	} else if (pick < 90 && c->top->parent && !(reloading && may_end_on_base(c))) {
		/* the base's own device decides what a discard does there */
		j->kind = JOB_DISCARD;
		place(f, c, j, f->opt.sectors);
	} else {
		j->kind = JOB_ZERO;
		j->how = rng_below(&f->rng, 3);
		place(f, c, j, f->opt.sectors / 2);
	}
}

static bool overlaps(const struct job *a, const struct job *b)
{
	return a->sector < b->sector + b->sectors && b->sector < a->sector + a->sectors;
}

/* Jobs that do not overlap, at most @max; gives generations to them. */
static unsigned int choose_jobs(struct forest *f, struct chain *c, struct job *jobs,
				unsigned int max)
{
	unsigned int n = 0, tries, i;

	for (tries = 0; n < max && tries < 4 * max; tries++) {
		choose_job(f, c, &jobs[n]);
		for (i = 0; i < n && !overlaps(&jobs[i], &jobs[n]); i++)
			;
		if (i < n)
			continue;
		jobs[n].gen = oplog_add(c->name, &jobs[n]);
		n++;
	}
	return n;
}

static void check_results(const struct chain *c, const struct job *jobs, unsigned int n)
{
	for (; n; n--, jobs++)
		if (jobs->result)
			die("%s of %s %llu+%llu: %s, in %s", job_name(jobs), c->name,
			    (unsigned long long)jobs->sector,
			    (unsigned long long)jobs->sectors,
			    strerror(-jobs->result), oplog_where());
}

static void apply_all(const struct forest *f, const struct chain *c,
		      const struct job *jobs, unsigned int n, u32 *content)
{
	for (; n; n--, jobs++) {
		say("  %s %llu+%llu gen %llu\n", job_name(jobs),
		    (unsigned long long)jobs->sector, (unsigned long long)jobs->sectors,
		    (unsigned long long)jobs->gen);
		apply(f, c, jobs, content);
	}
}

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

static void load(struct forest *f, struct chain *c, const struct node *n)
{
	char *line = forest_table(n);

	if (!dmdev_load(c->dm, f->opt.sectors, f->opt.target, line, false))
		die("%s: the kernel refused \"%s\" in %s", c->name, line, oplog_where());
	free(line);
}

/* In either order; @n is the new top. */
static void switch_table(struct forest *f, struct chain *c, const struct node *n)
{
	bool noflush = rng_percent(&f->rng, 25);

	if (rng_percent(&f->rng, 50)) {
		load(f, c, n);
		dmdev_suspend(c->dm, noflush);
	} else {
		dmdev_suspend(c->dm, noflush);
		load(f, c, n);
	}
	dmdev_resume(c->dm);
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
		choose_jobs(f, c, jobs, 1);
		jobs_run_serially(jobs, 1);
		check_results(c, jobs, 1);
		apply_all(f, c, jobs, 1, c->content);
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
	n = choose_jobs(f, c, jobs, BURST_MAX);
	jobs_start(jobs, n);
	jobs_wait();
	check_results(c, jobs, n);
	apply_all(f, c, jobs, n, c->content);
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
		memset(&j, 0, sizeof(j));
		j.fd = c->fd;
		j.fua = true;
		place(f, c, &j, 16);
		j.gen = oplog_add(c->name, &j);
		jobs_run_serially(&j, 1);
		check_results(c, &j, 1);
		apply_all(f, c, &j, 1, c->content);
	}
	return true;
}

/* The parent becomes a point; what it holds is known but for what was in flight. */
static void seal_point(struct forest *f, struct chain *c, struct node *n,
		       const struct job *jobs, unsigned int nr_jobs)
{
	struct node *old = c->top;
	u32 *after = content_copy(f, c->content);

	apply_all(f, c, jobs, nr_jobs, after);
	old->content = c->content;
	if (nr_jobs)
		old->maybe = content_copy(f, after);
	c->content = after;
	c->top = n;
	node_get(n);
	node_put(f, old);
	if (merges_allow(f, old))
		point_settle(f, old);
}

static bool step_snapshot(struct forest *f)
{
	struct chain *c = chain_random(f, true);
	struct job jobs[BURST_MAX];
	unsigned int nr_jobs = 0;
	struct node *n;

	if (!c || node_depth(c->top) >= f->opt.depth_max)
		return false;
	n = new_delta(f, c->top, may_end_on_base(c) && c->top->grain != REDO_GRAIN_SECTORS_MIN);
	if (!f->opt.quiesced && rng_percent(&f->rng, 70)) {
		nr_jobs = choose_jobs(f, c, jobs, BURST_MAX);
		jobs_start(jobs, nr_jobs);
		jobs_wait_some(rng_below(&f->rng, nr_jobs));
	}
	switch_table(f, c, n);
	if (nr_jobs)
		jobs_wait();
	check_results(c, jobs, nr_jobs);
	check_grain(n);
	seal_point(f, c, n, jobs, nr_jobs);
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

	if (c && c->source)
		return merge_refuses_revert(f, c);
	point = random_point(f, merges_allow_branch);
	if (!c || !point)
		return false;
	n = new_delta(f, point, false);
	switch_table(f, c, n);
	check_grain(n);
	old = c->top;
	c->top = n;
	node_get(n);
	free(c->content);
	c->content = content_copy(f, point->content);
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
	chain_activate(f, c);
	check_grain(c->top);
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
	reloading = true;
	n = choose_jobs(f, c, jobs, BURST_MAX);
	reloading = false;
	jobs_start(jobs, n);
	jobs_wait_some(rng_below(&f->rng, n));
	switch_table(f, c, c->top);
	jobs_wait();
	check_results(c, jobs, n);
	apply_all(f, c, jobs, n, c->content);
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

/* What was acknowledged with FUA is there, whatever else is not. */
static void apply_durable(const struct forest *f, const struct chain *c, const struct job *jobs,
			  unsigned int n)
{
	for (; n; n--, jobs++)
		if (jobs->fua && !jobs->result)
			apply(f, c, jobs, c->content);
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
		check_results(&f->chain[i], &flush, 1);
	}
	n = choose_jobs(f, c, jobs, BURST_MAX);
	jobs_start(jobs, n);
	jobs_wait_some(rng_below(&f->rng, n));
	lower_cut(&f->rng);
	jobs_wait();
	all_down(f);
	lower_revive();
	apply_durable(f, c, jobs, n);
	after = content_copy(f, c->content);
	apply_all(f, c, jobs, n, after);
	all_up(f, c, after);
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
	if (rng_percent(&f->rng, 30)) {
		n = choose_jobs(f, c, jobs, BURST_MAX);
		jobs_start(jobs, n);
		jobs_wait_some(rng_below(&f->rng, n));
	}
	if (c->source)
		merge_disturb(f, c);
	else
		merge_begin(f, c);
	if (n)
		jobs_wait();
	check_results(c, jobs, n);
	apply_all(f, c, jobs, n, c->content);
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
};

static unsigned int choose_step(struct rng *r)
{
	unsigned int total = 0, i;
	u64 pick;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
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
		unsigned int i = choose_step(&f->rng);

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
