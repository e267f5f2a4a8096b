// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup snapshot: one barrier for all the chains named. */
#include "tool.h"

struct job {
	char chain[REDO_NAME_SIZE], snap[REDO_NAME_SIZE];
	struct redo_chain *c;
	struct redo_table table;
	struct redo_node *top;
	struct new_delta delta;
	struct redo_tracker_node store;		/* --cbt */
	char *params;
	bool done;
};

static int unused_name(struct redo_set *set, const struct job *j)
{
	if (redo_find_point(set, j->c, j->snap))
		return redo_err(EEXIST, "%s@%s: a snapshot of this name is there already", j->chain,
				j->snap);
	return 0;
}

static int look(struct redo_set *set, struct job *j)
{
	int r;

	j->c = need_chain(set, j->chain);
	if (!j->c)
		return -ENOENT;
	r = live_table(j->c, &j->table);
	if (r)
		return r;
	if (j->table.nr_deltas == REDO_MAX_DELTAS)
		return redo_err(E2BIG, "%s: has %u deltas, which is the most", j->chain,
				REDO_MAX_DELTAS);
	if (j->table.nr_deltas) {
		j->top = redo_find_rdev(set, j->table.delta[j->table.nr_deltas - 1]);
		if (!j->top)
			return redo_err(ENODEV, "%s: its active delta was not found on any device looked at",
					j->chain);
	}
	if (opts.nr_cbt && j->c->live_store)
		return redo_err(EEXIST, "%s: has a tracking store already; --cbt is to begin with",
				j->chain);
	return unused_name(set, j);
}

static const char *device(int i)
{
	return i < opts.nr_delta ? opts.delta[i] : opts.cbt[i - opts.nr_delta];
}

/* Each device is for one delta, or one store. */
static int devices_differ(void)
{
	for (int i = 0; i < opts.nr_delta + opts.nr_cbt; i++)
		for (int k = 0; k < i; k++)
			if (redo_path_rdev(device(i)) == redo_path_rdev(device(k)))
				return redo_err(EINVAL, "%s: given for two %s", device(i),
						i < opts.nr_delta ? "deltas" : "purposes");
	return 0;
}

static int look_at_all(struct redo_set *set, struct job *jobs, int nr)
{
	int r = 0;

	for (int i = 0; !r && i < nr; i++) {
		r = look(set, &jobs[i]);
		for (int k = 0; !r && k < i; k++)
			if (jobs[k].c == jobs[i].c)
				r = redo_err(EINVAL, "%s: named twice", jobs[i].chain);
	}
	return r;
}

/* --cbt: tracking begins with the snapshot. */
static int make_store_for(struct job *j, const char *device)
{
	int r;

	if (!device)
		return 0;
	r = prepare_tracker(device, j->c->dm_name, &j->table, &j->store);
	if (r)
		return r;
	return redo_features_track(j->table.features, sizeof(j->table.features), REDO_TRACK,
				   j->store.rdev);
}

/* The snapshot is there, also where the tracking is not. */
static int remember_store(const struct job *j)
{
	char uuid[REDO_UUID_STR_SIZE], id[REDO_CHANGE_ID_SIZE], text[1024];
	int r;

	if (!opts.nr_cbt)
		return 0;
	redo_uuid_str(j->store.sb.uuid, uuid);
	r = tracking_began(j->c->dm_name, &j->store, id);
	if (!r)
		r = remember_tracker(j->c, j->table.base, uuid, j->store.path, "");
	if (!r)
		return 0;
	redo_copy(text, redo_last_error(), sizeof(text));
	return redo_err(-r, "%s@%s: was taken, but %s", j->c->name, j->snap, text);
}

static int make(struct redo_set *set, struct job *j, const char *device, const char *store)
{
	char name[2 * REDO_NAME_SIZE + 2];
	int r;

	snprintf(name, sizeof(name), "%s-%s", j->c->name, j->snap);
	r = make_delta(set, j->c, j->c->name, j->snap, opts.description, j->top, &j->table, device,
		       name, &j->delta);
	if (!r)
		r = make_store_for(j, store);
	if (r)
		return r;
	j->table.delta[j->table.nr_deltas++] = j->delta.rdev;
	j->params = redo_table_format(&j->table);
	return j->params ? 0 : -ENOMEM;
}

static int barrier(struct job *jobs, int nr)
{
	struct redo_switch *s = calloc(nr, sizeof(*s));
	struct redo_window w = { 0 };
	bool freeze = strcmp(opts.quiesce, "none");
	int r;

	if (!s)
		return redo_err(ENOMEM, "out of memory");
	for (int i = 0; i < nr; i++) {
		s[i].name = jobs[i].c->dm_name;
		s[i].sectors = jobs[i].table.sectors;
		s[i].params = jobs[i].params;
	}
	r = redo_switch_tables(s, nr, freeze ? 0 : REDO_DM_NOLOCKFS, &w);
	for (int i = 0; i < nr; i++)
		jobs[i].done = s[i].done;
	free(s);
	if (!r)
		verbose("window: %.1f ms (suspend %.1f ms, resume %.1f ms)", w.window_s * 1e3,
			w.suspend_s * 1e3, w.resume_s * 1e3);
	return r;
}

/* Somebody else may have loaded a table in between, and ours has never come up. */
static int has_come_up(struct job *j)
{
	struct redo_table t;
	int r = redo_dm_redo_table(j->c->dm_name, &t);

	if (r || (t.nr_deltas && t.delta[t.nr_deltas - 1] == j->delta.rdev))
		return r;
	j->done = false;
	return redo_err(EBUSY, "%s@%s: was not taken: another table was loaded for %s at the same time; try again",
			j->chain, j->snap, j->c->dm_name);
}

static int take(struct redo_set *set, struct job *jobs, int nr)
{
	int made = 0, r = 0;

	for (made = 0; !r && made < nr; made++)
		r = make(set, &jobs[made], made < opts.nr_delta ? opts.delta[made] : NULL,
			 made < opts.nr_cbt ? opts.cbt[made] : NULL);
	if (opts.dry_run) {
		for (int i = 0; !r && i < nr; i++)
			redo_step("load, suspend%s and resume %s with the new delta on top",
				  strcmp(opts.quiesce, "none") ? " (filesystems frozen)" : "",
				  jobs[i].c->dm_name);
		return r;
	}
	if (!r)
		r = barrier(jobs, nr);
	for (int i = 0; !r && i < nr; i++)
		r = has_come_up(&jobs[i]);
	for (int i = 0; r && i < made; i++) {
		if (!jobs[i].done) {
			drop_delta(&jobs[i].delta, jobs[i].top);
			drop_tracker(&jobs[i].store);
		} else {
			say("%s@%s: was made before another chain failed", jobs[i].c->name,
			    jobs[i].snap);
		}
	}
	return r;
}

int cmd_snapshot(const struct command *c, int argc, char **argv)
{
	struct job *jobs = calloc(argc, sizeof(*jobs));
	struct redo_set set = { 0 };
	int r = 0;

	if (!jobs)
		return redo_err(ENOMEM, "out of memory");
	for (int i = 0; !r && i < argc; i++)
		r = split_point(argv[i], jobs[i].chain, jobs[i].snap);
	if (!r && opts.nr_delta && opts.nr_delta != argc)
		r = usage_error(c, "--delta must be given once for each chain");
	if (!r && opts.nr_cbt && opts.nr_cbt != argc)
		r = usage_error(c, "--cbt must be given once for each chain");
	if (!r && opts.block_size && !opts.nr_cbt)
		r = usage_error(c, "--block-size goes with --cbt");
	if (!r)
		r = devices_differ();
	if (!r && !redo_dm_present())
		r = -ENODEV;
	if (!r)
		r = scan(&set);
	if (!r)
		r = look_at_all(&set, jobs, argc);
	if (!r)
		r = take(&set, jobs, argc);
	for (int i = 0; i < argc; i++) {
		if (jobs[i].done) {
			remember_deltas(jobs[i].c->name);
			r = r ? r : remember_store(&jobs[i]);
		}
		if (!r && !opts.dry_run)
			verbose("%s@%s: new active delta %s", jobs[i].c->name, jobs[i].snap,
				jobs[i].delta.store.path);
		free(jobs[i].params);
	}
	redo_set_free(&set);
	free(jobs);
	return r;
}
