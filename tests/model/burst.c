// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "burst.h"
#include "delta.h"
#include "merges.h"
#include "oplog.h"

#define LEAF_GRAINS	REDO_FANOUT

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

static void choose_job(struct forest *f, struct chain *c, struct job *j, bool reloading)
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
	} else if (pick < 90 && c->top->parent && !(reloading && merge_may_end_on_base(c))) {
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

static unsigned int choose(struct forest *f, struct chain *c, struct job *jobs,
			   unsigned int max, bool reloading)
{
	unsigned int n = 0, tries, i;

	for (tries = 0; n < max && tries < 4 * max; tries++) {
		choose_job(f, c, &jobs[n], reloading);
		for (i = 0; i < n && !overlaps(&jobs[i], &jobs[n]); i++)
			;
		if (i < n)
			continue;
		jobs[n].gen = oplog_add(c->name, &jobs[n]);
		n++;
	}
	return n;
}

unsigned int burst_choose(struct forest *f, struct chain *c, struct job *jobs, unsigned int max)
{
	return choose(f, c, jobs, max, false);
}

void burst_choose_small(struct forest *f, struct chain *c, struct job *j)
{
	memset(j, 0, sizeof(*j));
	j->fd = c->fd;
	j->fua = true;
	place(f, c, j, 16);
	j->gen = oplog_add(c->name, j);
}

unsigned int burst_start(struct forest *f, struct chain *c, struct job *jobs, bool reloading)
{
	unsigned int n = choose(f, c, jobs, BURST_MAX, reloading);

	jobs_start(jobs, n);
	jobs_wait_some(rng_below(&f->rng, n));
	return n;
}

void burst_check(const struct chain *c, const struct job *jobs, unsigned int n)
{
	for (; n; n--, jobs++)
		if (jobs->result)
			die("%s of %s %llu+%llu: %s, in %s", job_name(jobs), c->name,
			    (unsigned long long)jobs->sector,
			    (unsigned long long)jobs->sectors,
			    strerror(-jobs->result), oplog_where());
}

void burst_apply(const struct forest *f, const struct chain *c, const struct job *jobs,
		 unsigned int n, u32 *content)
{
	for (; n; n--, jobs++) {
		say("  %s %llu+%llu gen %llu\n", job_name(jobs),
		    (unsigned long long)jobs->sector, (unsigned long long)jobs->sectors,
		    (unsigned long long)jobs->gen);
		apply(f, c, jobs, content);
	}
}

/* What was acknowledged with FUA is there, whatever else is not. */
void burst_apply_durable(const struct forest *f, const struct chain *c, const struct job *jobs,
			 unsigned int n)
{
	for (; n; n--, jobs++)
		if (jobs->fua && !jobs->result)
			apply(f, c, jobs, c->content);
}

void burst_apply_some(const struct forest *f, const struct chain *c, const struct job *jobs,
		      const enum job_state *states, unsigned int n, enum job_state least,
		      u32 *content)
{
	for (; n; n--, jobs++, states++)
		if (*states >= least)
			apply(f, c, jobs, content);
}
