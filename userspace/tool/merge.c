// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A merge from the tool's side: the chain has to be active for it, by itself or
 * only for this; the kernel does the work, and is watched; at the end the table
 * without what has gone releases the devices.
 */
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include "tool.h"

bool merge_at_work(const struct redo_merge_status *m)
{
	return m->run != REDO_MERGE_RUN_NONE && m->run != REDO_MERGE_RUN_DONE;
}

int merge_percent(const struct redo_merge_status *m)
{
	return m->total ? (int)((double)m->done / (double)m->total * 100) : 0;
}

struct redo_node *merge_begun(const struct redo_set *set, const struct redo_chain *c)
{
	for (u32 i = 0; i < set->nr_nodes; i++) {
		struct redo_node *n = &set->node[i];

		if (redo_merge_begun(n) &&
		    (redo_is_ancestor(n, c->present) || !strcmp(n->chain, c->name)))
			return n;
	}
	return NULL;
}

int refuse_merging(const struct redo_set *set, const struct redo_chain *c, const char *why)
{
	struct redo_status s = { 0 };
	const struct redo_node *n = merge_begun(set, c);
	char state[64] = "begun";

	if (c->dm_name[0] && !c->live_ro) {
		int r = redo_chain_status(c->dm_name, &s);

		if (r)
			return r;
		if (!merge_at_work(&s.merge))
			return 0;
		snprintf(state, sizeof(state), "%s, %d%%", redo_merge_run_str(s.merge.run),
			 merge_percent(&s.merge));
	} else if (!n) {
		return 0;
	}
	return redo_err(EBUSY, "%s: deltas of it are being merged (%s); %s; 'redosetup consolidate %s' waits for the end",
			c->name, state, why, c->name);
}

/* Where the merge runs ------------------------------------------------------------ */

static int create(void *ctx, const struct redo_table *t)
{
	struct merge_job *job = ctx;

	return create_private(job->c->name, t, job->dm_name);
}

int merge_bring_up(struct merge_job *job, u64 base)
{
	struct redo_chain *c = job->c;
	struct redo_dm_info info;
	struct redo_table t;
	int r;

	if (c->dm_name[0]) {
		r = live_table(c, &t);
		if (!r)
			r = redo_dm_info(c->dm_name, &info);
		if (!r) {
			redo_copy(job->dm_name, c->dm_name, sizeof(job->dm_name));
			job->private = !strncmp(info.uuid, REDO_PRIVATE_UUID,
						strlen(REDO_PRIVATE_UUID));
		}
		return r;
	}
	r = table_up_to(job->set, c->present, base, &t);
	if (r)
		return r;
	set_features(c, c->features, &t);
	r = bring_up_tracked(job->set, c, &t, job->dm_name, create, job);
	job->private = !r;
	return r;
}

static int take_down(const struct merge_job *job)
{
	if (redo_step("remove device %s", job->dm_name))
		return 0;
	return redo_dm_remove(job->dm_name);
}

void merge_give_up(const struct merge_job *job)
{
	char text[2048];

	if (!job->private || redo_dry_run)
		return;
	redo_copy(text, redo_last_error(), sizeof(text));
	redo_dm_remove(job->dm_name);
	redo_err(EIO, "%s", text);
}

/* Watching ---------------------------------------------------------------------------- */

static int goes_on(const struct merge_job *job)
{
	const char *name = job->c->name;

	return redo_err(EINTR, "%s: no longer watched; the merge goes on in the kernel%s. 'redosetup list -o +merge %s' shows how far it is, 'redosetup consolidate --pause %s' pauses it, 'redosetup consolidate %s' watches it again and then releases what is free",
			name, job->private ? " (the chain stays active for it)" : "", name, name,
			name);
}

static const char *device_of(const struct redo_set *set, const char *uuid)
{
	for (u32 i = 0; i < set->nr_nodes; i++) {
		char text[REDO_UUID_STR_SIZE];

		redo_uuid_str(set->node[i].sb.uuid, text);
		if (!strcmp(text, uuid))
			return set->node[i].path;
	}
	return uuid;
}

static int stopped(const struct merge_job *job, const struct redo_merge_status *m)
{
	const char *name = job->c->name;

	return redo_err(m->error ? m->error : EIO, "%s: the merge has stopped at sectors %llu+%llu: %s (the kernel log says which device). Nothing is lost and everything reads as before; 'redosetup consolidate %s' tries again",
			name, (unsigned long long)m->error_sector,
			(unsigned long long)m->error_sectors,
			m->error ? strerror(m->error) : "unknown error", name);
}

/* Once for each: why nothing moves. */
static void tell_why(const struct merge_job *job, const struct redo_merge_status *m)
{
	const char *name = job->c->name;

	if (m->run == REDO_MERGE_RUN_PAUSED)
		fprintf(stderr, "%s: the merge is paused; 'redosetup consolidate --resume %s' lets it go on\n",
			name, name);
	else if (m->run == REDO_MERGE_RUN_HELD)
		fprintf(stderr, "%s: the merge is held; 'redosetup consolidate --resume %s' lets it go on\n",
			name, name);
	else if (m->run == REDO_MERGE_RUN_FULL)
		fprintf(stderr, "%s: %s is full; extend it and the merge goes on by itself\n", name,
			device_of(job->set, m->target_uuid));
}

static void nap(double s)
{
	struct timespec ts = { .tv_nsec = (long)(s * 1e9) };

	nanosleep(&ts, NULL);
}

int merge_watch(const struct merge_job *job)
{
	enum redo_merge_run last = REDO_MERGE_RUN_RUNNING;
	struct redo_status s = { .mode = REDO_CHAIN_RW };
	char what[REDO_NAME_SIZE + 16];
	struct progress p;
	double pause = 0.01;
	int r;

	if (redo_dry_run)
		return 0;
	snprintf(what, sizeof(what), "merging %s", job->c->name);
	progress_start(&p, what);
	/* The merge is the kernel's: we only stop watching. */
	catch_signals();
	for (;;) {
		const struct redo_merge_status *m = &s.merge;

		r = redo_chain_status(job->dm_name, &s);
		if (r == -ENXIO && job->private)
			r = 0;		/* somebody else has seen the end */
		else if (r == -ENXIO)
			r = redo_err(ENXIO, "%s: was deactivated; the merge goes on at the next activation",
				     job->c->name);
		if (r || !merge_at_work(m))
			break;
		if (m->run == REDO_MERGE_RUN_FAILED) {
			r = stopped(job, m);
			break;
		}
		if (m->run != last)
			tell_why(job, m);
		last = m->run;
		p.each = (u64)s.grain_sectors << 9;
		p.rate = (double)m->kib_per_s * 1024;
		progress_show(&p, m->done, m->total);
		if (interrupted()) {
			r = goes_on(job);
			break;
		}
		nap(pause);
		pause = pause < 0.25 ? pause * 2 : pause;
	}
	progress_end(&p, !r);
	if (!r && (s.mode == REDO_CHAIN_FAIL || s.mode == REDO_CHAIN_ERROR))
		r = redo_err(EIO, "%s: the device has failed; the kernel log says why", job->c->name);
	return r;
}

/* The end -------------------------------------------------------------------------------- */

/* The table that the kernel shows has only what is left. */
static int reload(const struct merge_job *job, const struct redo_table *t)
{
	struct redo_switch s = { .name = job->dm_name, .sectors = t->sectors };
	struct redo_window w;
	int r;

	s.params = redo_table_format(t);
	if (!s.params)
		return -ENOMEM;
	r = redo_switch_tables(&s, 1, REDO_DM_NOLOCKFS, &w);
	free(s.params);
	return r;
}

static bool is_listed(const struct merge_job *job, const struct redo_node *n)
{
	for (u32 i = 0; i < job->nr_gone; i++)
		if (redo_uuid_eq(job->gone[i].sb.uuid, n->sb.uuid))
			return true;
	return false;
}

void merge_will_go(struct merge_job *job, const struct redo_node *n)
{
	if (job->nr_gone < ARRAY_SIZE(job->gone) && !is_listed(job, n))
		job->gone[job->nr_gone++] = *n;
}

/* The first failure is told at the end: the others are released all the same. */
int merge_settle_dropped(const struct merge_job *job)
{
	char text[2048] = "";
	int first = 0;

	for (u32 i = 0; i < job->nr_gone; i++) {
		int r = release_device(&job->gone[i], false);

		if (r && !first)
			redo_copy(text, redo_last_error(), sizeof(text));
		first = first ? first : r;
	}
	return first ? redo_err(-first, "%s", text) : 0;
}

static int settle(const struct merge_job *job)
{
	struct redo_table t;
	int r = redo_dm_redo_table(job->dm_name, &t);

	if (r == -ENXIO && job->private)
		return merge_settle_dropped(job);	/* somebody else was first */
	if (!r && !t.nr_deltas)
		r = now_bare(job->c->name);
	if (!r)
		r = job->private ? take_down(job) : reload(job, &t);
	return r ? r : merge_settle_dropped(job);
}

/* Several may have watched: one after the other. */
int merge_settle(const struct merge_job *job)
{
	int fd, r;

	if (redo_dry_run) {
		if (job->private)
			take_down(job);
		else
			redo_step("load, suspend and resume %s without what has gone",
				  job->dm_name);
		return merge_settle_dropped(job);
	}
	fd = redo_reg_lock("merge");
	if (fd < 0)
		return fd;
	r = settle(job);
	close(fd);
	return r;
}

int merge_finish(const struct merge_job *job)
{
	char what[REDO_NAME_SIZE + 16];
	int r;

	snprintf(what, sizeof(what), "the merge of %s", job->c->name);
	r = to_background(what);
	if (!r)
		r = merge_watch(job);
	return r ? r : merge_settle(job);
}
