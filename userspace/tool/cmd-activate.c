// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup activate, deactivate */
#include <sys/sysmacros.h>
#include "tool.h"

struct up {
	const struct redo_chain *c;
	const char *hidden;		/* where its base's own table went; NULL: nowhere */
};

static int load_deltas(void *ctx, const struct redo_table *t)
{
	const struct up *u = ctx;
	struct redo_switch s = { .name = u->c->name, .sectors = t->sectors };
	struct redo_table swapped = *t;
	struct redo_dm_info info;
	struct redo_window w;
	int r = redo_dm_info(u->hidden, &info);

	if (r)
		return r;
	swapped.base = makedev(info.major, info.minor);
	s.params = redo_table_format(&swapped);
	s.flags = opts.readonly ? REDO_DM_READONLY : 0;
	r = s.params ? redo_switch_tables(&s, 1, 0, &w) : -ENOMEM;
	free(s.params);
	return r;
}

static int swap_bare(void *ctx, const struct redo_table *t)
{
	const struct up *u = ctx;

	return swap_in(u->c->name, t->sectors, t->features);
}

static int create(void *ctx, const struct redo_table *t)
{
	const struct up *u = ctx;

	return create_chain(u->c->name, t, opts.readonly);
}

/* Nothing is written where it is read-only, and nothing is tracked. */
static int bring_up(struct redo_set *set, struct up *u, struct redo_table *t, bring_up_fn fn)
{
	return opts.readonly ? fn(u, t) : bring_up_tracked(set, u->c, t, u->c->name, fn, u);
}

/* The base is a dm device that carries the chain's own name: its table goes below. */
static int activate_swapped(struct redo_set *set, struct up *u, struct redo_table *t,
			    const struct redo_dm_info *info)
{
	char hidden[REDO_NAME_SIZE + 16];
	u64 sectors = redo_dev_sectors(makedev(info->major, info->minor));
	int r = not_open(u->c->name, "its content would change under whoever has it open");

	if (r)
		return r;
	snprintf(hidden, sizeof(hidden), "%s-redo-base", u->c->name);
	u->hidden = hidden;
	if (!t->nr_deltas) {
		t->sectors = sectors;
		return bring_up(set, u, t, swap_bare);
	}
	/* The store has to do with the deltas, which the first table does not have. */
	r = swap_in(u->c->name, sectors, t->features);
	return r || opts.dry_run ? r : bring_up(set, u, t, load_deltas);
}

static int activate(struct redo_set *set, struct redo_chain *c)
{
	char list[REDO_FEATURES_SIZE];
	struct up u = { .c = c };
	struct redo_dm_info info;
	struct redo_table t;
	u64 base;
	int r;

	if (c->dm_name[0])
		return redo_err(EEXIST, "%s: is active already as %s/%s", c->name, redo_dm_dir(),
				c->dm_name);
	if (c->problem[0])
		return redo_err(EINVAL, "%s: %s", c->name, c->problem);
	r = base_of(set, c, &base);
	if (!r)
		r = table_up_to(set, c->present, base, &t);
	if (r)
		return r;
	redo_copy(list, c->features, sizeof(list));
	r = asked_features(list);
	if (r)
		return r;
	set_features(c, list, &t);
	r = redo_dm_info(c->name, &info);
	if (!r && info.exists && makedev(info.major, info.minor) == base)
		r = activate_swapped(set, &u, &t, &info);
	else if (!r)
		r = bring_up(set, &u, &t, create);
	if (!r && t.nr_deltas)
		remember_deltas(c->name);
	if (!r && opts.nr_feature)
		r = keep_features(c, base, list);
	if (!r && !opts.dry_run)
		verbose("%s: active as %s/%s, %u deltas", c->name, redo_dm_dir(), c->name,
			t.nr_deltas);
	return r;
}

/* Also those that plain dmsetup has given it, and who tracks it. */
static int keep_live_features(const struct redo_set *set, const struct redo_chain *c)
{
	struct redo_table t;
	int r = redo_dm_redo_table(c->dm_name, &t);

	if (!r)
		r = keep_features(c, t.base, c->features);
	return r ? r : keep_tracker(set, c);
}

/* A merge is not lost by it: what the kernel will do next time. */
static void tell_merge(const struct redo_chain *c)
{
	struct redo_status s;

	if (c->live_ro || redo_chain_status(c->dm_name, &s) || !merge_at_work(&s.merge))
		return;
	say("%s: a merge is at %d%%; it %s at the next activation, and 'redosetup consolidate %s' does it without one",
	    c->name, merge_percent(&s.merge),
	    strstr(c->features, REDO_ARG_HOLD_MERGE) ? "is held" : "goes on by itself", c->name);
}

/* Everything has gone into the base, and nobody of us has seen the end of it? */
static int note_bare(const struct redo_chain *c)
{
	struct redo_status s;

	if (c->live_deltas || c->live_ro || !redo_uuid_nil(c->tree_uuid) || redo_dry_run ||
	    redo_chain_status(c->dm_name, &s) || s.merge.run != REDO_MERGE_RUN_DONE)
		return 0;
	return now_bare(c->name);
}

static int deactivate(struct redo_set *set, struct redo_chain *c)
{
	char hidden[REDO_NAME_SIZE + 16];
	struct redo_dm_info info;
	int r;

	if (!c->dm_name[0])
		return redo_err(ENXIO, "%s: is not active", c->name);
	if (c->live_deltas)
		remember_deltas(c->name);
	r = not_open(c->dm_name, "close it first");
	if (!r && !c->live_ro)
		r = keep_live_features(set, c);
	if (!r)
		r = note_bare(c);
	if (r)
		return r;
	tell_merge(c);
	snprintf(hidden, sizeof(hidden), "%s-redo-base", c->dm_name);
	r = redo_dm_info(hidden, &info);
	if (r)
		return r;
	if (info.exists)
		return swap_out(c->dm_name);
	return redo_step("remove device %s", c->dm_name) ? 0 : redo_dm_remove(c->dm_name);
}

static int forget(struct redo_set *set, struct redo_chain *c)
{
	u8 tracker[REDO_UUID_SIZE];
	struct redo_reg_entry e;
	int r = redo_reg_find(c->name, &e);

	if (c->live_deltas || !redo_uuid_nil(c->tree_uuid))
		return redo_err(EBUSY, "%s: has deltas, and they name it; only a chain without any can be forgotten",
				c->name);
	if (r == -ENOENT)
		return redo_err(ENOENT, "%s: is not in %s", c->name, redo_reg_path());
	if (!r && e.deltas)
		r = confirm("%s: its deltas are not on any device looked at; once it is forgotten nothing keeps its base from being used without them",
			    c->name);
	if (!r && c->dm_name[0])
		r = deactivate(set, c);
	if (r || redo_step("forget chain %s", c->name))
		return r;
	r = redo_reg_drop(c->name);
	if (!r && redo_chain_tracker(c, tracker))
		say("%s: is not tracked any more; its change ids are void, and the store %s is free now",
		    c->name, e.store);
	return r;
}

typedef int (*chain_fn)(struct redo_set *set, struct redo_chain *c);

/* One that fails does not keep the others from it; the last text wins. */
static int each(struct redo_set *set, chain_fn fn, bool live)
{
	int failed = 0;

	for (u32 i = 0; i < set->nr_chains; i++) {
		struct redo_chain *c = &set->chain[i];

		if (!c->dm_name[0] == live)
			continue;
		if (fn(set, c)) {
			fprintf(stderr, "redosetup: %s\n", redo_last_error());
			failed++;
		}
	}
	return failed ? redo_err(EIO, "%d chains failed", failed) : 0;
}

static int run(const struct command *c, int argc, char **argv, chain_fn fn, bool live)
{
	struct redo_set set;
	int r;

	if (!argc == !opts.all)
		return usage_error(c, "expects names of chains or --all");
	if (!redo_dm_present())
		return -ENODEV;
	r = scan(&set);
	if (r)
		return r;
	if (opts.all)
		r = each(&set, fn, live);
	for (int i = 0; !r && i < argc; i++) {
		struct redo_chain *chain = need_chain(&set, argv[i]);

		r = chain ? fn(&set, chain) : -ENOENT;
	}
	redo_set_free(&set);
	return r;
}

int cmd_activate(const struct command *c, int argc, char **argv)
{
	return run(c, argc, argv, activate, false);
}

int cmd_deactivate(const struct command *c, int argc, char **argv)
{
	if (opts.forget && opts.all)
		return usage_error(c, "--forget wants the chains' names");
	return run(c, argc, argv, opts.forget ? forget : deactivate, true);
}
