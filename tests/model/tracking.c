// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "oplog.h"
#include "questions.h"
#include "stamp.h"
#include "store.h"
#include "tables.h"
#include "tracking.h"

#define BLOCK_DEFAULT	REDO_CBT_BLOCK_SECTORS_DEFAULT
#define SPARE_LARGE	2000	/* blocks of a store that does not run full */
#define SPARE_SMALL	12

/* --- stores --- */

static u32 draw_block(struct forest *f)
{
	static const u32 blocks[] = { 8, 8, 16, 128, 128, 2048 };

	return f->opt.cbt_block ? f->opt.cbt_block : blocks[rng_below(&f->rng, ARRAY_SIZE(blocks))];
}

/* The kernel makes one of a blank device; and it need not know the size yet. */
static void format(struct forest *f, struct lower *store, u32 block)
{
	u64 sectors = f->opt.sectors;

	if (block == BLOCK_DEFAULT && rng_percent(&f->rng, 50))
		return;
	if (rng_percent(&f->rng, 20))
		sectors = 1 + rng_below(&f->rng, sectors);
	store_format(store->fd, sectors, block);
}

void tracking_plan(struct forest *f, struct chain *c)
{
	bool small = rng_percent(&f->rng, 35);
	u32 block = draw_block(f);
	struct lower *store;
	u64 spare;

	if (!f->opt.cbt || c->tracker)
		return;
	spare = small ? rng_below(&f->rng, SPARE_SMALL) : SPARE_LARGE;
	store = lower_get(&f->rng, store_sectors(f->opt.sectors, block, spare), f->opt.cache);
	store->store = true;
	format(f, store, block);
	c->tracker = tracker_new(store, f->opt.sectors, block, small);
	c->no_cbt = false;
	say("%s: tracker %u on %s, blocks of %u sectors, store of %llu\n", c->name,
	    c->tracker->nr, store->devno, block, (unsigned long long)store->sectors);
}

void tracking_end(struct forest *f, struct chain *c)
{
	struct tracker *t = c->tracker;

	(void)f;
	if (!t)
		return;
	strcpy(c->uuid_before, t->uuid);
	lower_put(t->store);
	tracker_free(t);
	c->tracker = NULL;
}

/* --- epochs --- */

static unsigned int asked(const struct tracker *t)
{
	unsigned int n = 0;
	u64 i;

	for (i = 1; i <= t->current; i++)
		n += tracker_asks(t, i);
	return n;
}

/* The kernel may have lost it already; of the current one nobody can let go. */
static void drop(struct forest *f, struct chain *c, u64 nr)
{
	struct tracker *t = c->tracker;
	char id[CBT_ID_SIZE];
	int r;

	(void)f;
	cbt_id(id, t->uuid, nr);
	r = cbt_drop(c->dm, id);
	if (nr == t->current) {
		if (r != EBUSY)
			die("%s: cbt_drop of the current id: %s, in %s", c->name,
			    strerror(r), oplog_where());
		return;
	}
	if (r == ENOSPC && t->small) { /* for the one that two are to be */
		tracker_forget(t, nr, false);
		return;
	}
	if (r && !(r == ESTALE && (t->small || t->epoch[nr].state != ID_ASKED)))
		die("%s: cbt_drop of id %llu: %s, in %s", c->name, (unsigned long long)nr,
		    strerror(r), oplog_where());
	tracker_forget(t, nr, true);
}

static u64 some_old_id(struct forest *f, const struct tracker *t)
{
	u64 nr;

	do
		nr = tracker_some_id(t, &f->rng, 2);
	while (nr && nr == t->current);
	return nr;
}

static void ask_fewer(struct forest *f, struct chain *c)
{
	struct tracker *t = c->tracker;

	while (asked(t) > f->opt.ids_max) {
		u64 nr = some_old_id(f, t);

		if (rng_percent(&f->rng, 50))
			drop(f, c, nr);
		else
			tracker_forget(t, nr, false);
	}
}

void tracking_begin(struct forest *f, struct chain *c, const u32 *image, const u32 *maybe)
{
	struct tracker *t = c->tracker;

	if (!t)
		return;
	tracker_begin(t, image, maybe, f->opt.sectors);
	/* What the map says of it is by grains. */
	if (c->top->grain > t->block)
		tracker_vague(t);
	questions_id(c);
	ask_fewer(f, c);
	f->marks++;
}

void tracking_wrote(struct chain *c, const struct job *jobs, unsigned int n)
{
	for (; c->tracker && n; n--, jobs++)
		if (jobs->kind != JOB_FLUSH)
			tracker_wrote(c->tracker, jobs->sector, jobs->sector + jobs->sectors);
}

/* Those that may have been sent before the epoch ended, or after. */
static void wrote_around(struct chain *c, const struct burst *b, bool before)
{
	unsigned int i;

	for (i = 0; i < b->n; i++)
		if (before ? b->after[i] != JOB_QUEUED : b->before[i] != JOB_ENDED)
			tracking_wrote(c, &b->job[i], 1);
}

/* The epoch has ended, while jobs were in flight. */
static void next_epoch(struct forest *f, struct chain *c, const struct burst *b,
		       const u32 *image, const u32 *maybe)
{
	struct tracker *t = c->tracker;

	if (!t)
		return;
	if (t->current)
		wrote_around(c, b, true);
	tracking_begin(f, c, image, maybe);
	wrote_around(c, b, false);
}

void tracking_seal(struct forest *f, struct chain *c, struct node *point, const struct burst *b)
{
	struct tracker *t = c->tracker;

	point->sealed_by = 0;
	if (!t)
		return;
	point->sealed_sure = t->current;
	next_epoch(f, c, b, point->content, point->maybe);
	point->sealed_by = t->nr;
	point->sealed_at = point->sealed_low = t->current;
}

void tracking_revert(struct forest *f, struct chain *c, const struct node *point, bool offline)
{
	struct tracker *t = c->tracker;

	if (!t)
		return;
	/* What the delta held that was left may not be known, if nobody could look. */
	if (point->sealed_by == t->nr)
		tracker_reverts(t, point->sealed_at, point->sealed_low,
				point->sealed_sure && !(offline && t->epoch[t->current].vague));
	else
		tracker_reverts(t, 0, 0, false);
	tracking_begin(f, c, point->content, NULL);
}

/* What the deltas record of it may be coarser by then. */
void tracking_fold(struct node *p, const struct node *n)
{
	if (!n->content || !n->sealed_by) {
		p->sealed_by = 0;
		return;
	}
	p->sealed_low = p->sealed_by == n->sealed_by ? min_u64(p->sealed_low, n->sealed_low) :
			n->sealed_low;
	p->sealed_by = n->sealed_by;
	p->sealed_at = n->sealed_at;
	p->sealed_sure = false;
}

/* --- after a cut --- */

void tracking_cut(struct forest *f, struct chain *c, const struct job *jobs, unsigned int n)
{
	unsigned int i;

	tracking_wrote(c, jobs, n);
	for (i = 0; i < FOREST_CHAINS; i++)
		if (f->chain[i].top && f->chain[i].tracker)
			tracker_vague(f->chain[i].tracker);
}

/* Broken for ever: only another store will do. */
static void end_broken(struct forest *f, struct chain *c)
{
	u8 *changed = xmalloc(f->opt.sectors);
	char id[CBT_ID_SIZE];
	int r;

	cbt_id(id, c->tracker->uuid, c->tracker->current);
	r = cbt_query(c->dm, id, NULL, 0, f->opt.sectors, changed);
	free(changed);
	if (r != EUCLEAN)
		die("%s: a question to broken tracking: %s, in %s", c->name, strerror(r),
		    oplog_where());
	say("%s: tracking is broken\n", c->name);
	tracking_end(f, c);
	c->no_cbt = true;
	table_switch(f, c, c->top);
	c->no_cbt = false;
}

void tracking_found(struct forest *f, struct chain *c)
{
	if (!c->tracker || strcmp(cbt_state(c->dm), "broken"))
		return;
	if (!f->stores_first)
		die("%s: tracking is broken in %s: %s", c->name, oplog_where(),
		    dmdev_status(c->dm));
	end_broken(f, c);
}

/* --- steps --- */

static struct chain *tracked_chain(struct forest *f)
{
	struct chain *c = chain_random(f, true);

	return c && c->tracker ? c : NULL;
}

/*
 * What still shows its old content now has not been changed before: in @maybe, which is
 * what it may hold, it will not be.
 */
static void look_at_late_ones(struct chain *c, const struct burst *b, u32 *maybe, u64 seed)
{
	void *buf = xmalloc_io(JOB_SECTORS_MAX << SECTOR_SHIFT);
	enum job_state now[BURST_MAX];
	struct stamp st;
	unsigned int i;
	u64 s, n;

	jobs_states(b->job, b->n, now);
	for (i = 0; i < b->n; i++) {
		const struct job *j = &b->job[i];

		n = min_u64(j->sectors, JOB_SECTORS_MAX);
		if (j->kind == JOB_FLUSH || now[i] == JOB_ENDED || blk_read(c->fd, buf, j->sector, n))
			continue;
		for (s = 0; s < n; s++) {
			enum stamp_kind kind = stamp_read((char *)buf + (s << SECTOR_SHIFT), seed,
							  j->sector + s, &st);

			if (kind <= STAMP_GOOD && st.gen == c->content[j->sector + s])
				maybe[j->sector + s] = st.gen;
		}
	}
	free(buf);
}

bool tracking_mark(struct forest *f)
{
	struct chain *c = tracked_chain(f);
	struct burst b = { .n = 0 };
	char id[CBT_ID_SIZE];
	u32 *maybe;
	int r;

	if (!c)
		return false;
	if (rng_percent(&f->rng, 60))
		b.n = burst_start(f, c, b.job, false);
	jobs_states(b.job, b.n, b.before);
	r = cbt_mark(c->dm, rng_percent(&f->rng, 50) ? "some-label" : NULL, id);
	if (r)
		die("%s: cbt_mark: %s, in %s", c->name, strerror(r), oplog_where());
	jobs_states(b.job, b.n, b.after);
	burst_apply_some(f, c, b.job, b.before, b.n, JOB_ENDED, c->content);
	maybe = content_copy(f, c->content);
	burst_apply_some(f, c, b.job, b.after, b.n, JOB_BEGUN, maybe);
	look_at_late_ones(c, &b, maybe, f->seed);
	if (b.n)
		jobs_wait();
	burst_check(c, b.job, b.n);
	next_epoch(f, c, &b, c->content, maybe);
	if (strcmp(id, cbt_now(c->dm)))
		die("%s: cbt_mark said %s, and now it is %s", c->name, id, cbt_now(c->dm));
	burst_apply(f, c, b.job, b.n, c->content);
	free(maybe);
	return true;
}

bool tracking_drop(struct forest *f)
{
	struct chain *c = tracked_chain(f);
	u64 nr;

	if (!c)
		return false;
	nr = tracker_some_id(c->tracker, &f->rng, 2);
	if (!nr)
		return false;
	drop(f, c, nr);
	return true;
}

/* A line without a word of the tracking that the top delta records. */
static void line_must_be_refused(struct forest *f, struct chain *c)
{
	char *line = forest_table(c->top);
	struct dmdev *dm = dmdev_create("untracked", f->opt.sectors, f->opt.target, line, false,
					true);

	if (dm)
		die("%s: \"%s\" was accepted, which leaves out the tracker, in %s", c->name, line,
		    oplog_where());
	free(line);
}

/* What has gone on without it does not belong to it any more. */
static void store_must_be_refused(struct forest *f, struct chain *c, struct tracker *t)
{
	struct job job;

	burst_choose(f, c, &job, 1);
	jobs_run_serially(&job, 1);
	burst_check(c, &job, 1);
	burst_apply(f, c, &job, 1, c->content);
	c->tracker = t;
	table_switch(f, c, c->top);
	if (strcmp(cbt_state(c->dm), "broken"))
		die("%s: went on without the tracker and with it again, which is not broken in %s: %s",
		    c->name, oplog_where(), dmdev_status(c->dm));
	end_broken(f, c);
}

static void track_no_more(struct forest *f, struct chain *c)
{
	struct tracker *t = c->tracker;
	bool again = c->top->parent && !c->source && rng_percent(&f->rng, 30);

	if (c->top->parent && !c->source && rng_percent(&f->rng, 40)) {
		chain_deactivate(f, c);
		line_must_be_refused(f, c);
		c->tracker = NULL;
		c->no_cbt = true;
		chain_activate(f, c);
	} else {
		c->tracker = NULL;
		c->no_cbt = true;
		table_switch(f, c, c->top);
	}
	c->no_cbt = false;
	if (again) {
		store_must_be_refused(f, c, t);
		return;
	}
	c->tracker = t;
	tracking_end(f, c);
}

static void track_anew(struct forest *f, struct chain *c)
{
	struct burst b = { .n = 0 };
	u32 *maybe;

	tracking_plan(f, c);
	if (rng_percent(&f->rng, 50))
		b.n = burst_start(f, c, b.job, true);
	jobs_states(b.job, b.n, b.before);
	table_switch(f, c, c->top);
	jobs_states(b.job, b.n, b.after);
	if (b.n)
		jobs_wait();
	burst_check(c, b.job, b.n);
	burst_apply_some(f, c, b.job, b.before, b.n, JOB_ENDED, c->content);
	maybe = content_copy(f, c->content);
	burst_apply_some(f, c, b.job, b.after, b.n, JOB_BEGUN, maybe);
	next_epoch(f, c, &b, c->content, maybe);
	burst_apply(f, c, b.job, b.n, c->content);
	free(maybe);
}

bool tracking_toggle(struct forest *f)
{
	struct chain *c = chain_random(f, true);

	if (!c)
		return false;
	if (!c->tracker)
		track_anew(f, c);
	else if (rng_percent(&f->rng, 60))
		track_no_more(f, c);
	else
		return false;
	return true;
}

static void write_some(struct forest *f, struct chain *c)
{
	struct job jobs[BURST_MAX];
	unsigned int n = burst_choose(f, c, jobs, BURST_MAX);

	jobs_start(jobs, n);
	jobs_wait();
	burst_check(c, jobs, n);
	burst_apply(f, c, jobs, n, c->content);
	tracking_wrote(c, jobs, n);
}

bool tracking_resize(struct forest *f)
{
	struct chain *c = tracked_chain(f);
	u64 full = f->opt.sectors, smaller;
	char id[CBT_ID_SIZE];

	if (!c || c->top->parent || c->source)
		return false;
	smaller = round_up_to(rng_between(&f->rng, full / 3, full - 1), 8);
	if (smaller >= full)
		return false;
	f->opt.sectors = smaller;
	table_switch(f, c, c->top);
	write_some(f, c);
	if (rng_percent(&f->rng, 50)) {
		if (cbt_mark(c->dm, "shorter", id))
			die("%s: cbt_mark when the device is shorter, in %s", c->name,
			    oplog_where());
		tracking_begin(f, c, c->content, NULL);
		write_some(f, c);
	}
	questions_ask(f, c);
	f->opt.sectors = full;
	table_switch(f, c, c->top);
	tracker_grew(c->tracker, smaller, full);
	return true;
}
