// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup cbt enable, disable: a live chain gets a tracking store, or loses it. */
#include "tool.h"

/* The table of the chain with another word about tracking. */
static int switch_tracking(const struct redo_chain *c, struct redo_table *t, enum redo_track track,
			   u64 rdev)
{
	struct redo_switch s = { .name = c->dm_name, .sectors = t->sectors };
	struct redo_window w;
	int r = redo_features_track(t->features, sizeof(t->features), track, rdev);

	if (r)
		return r;
	if (redo_step("load, suspend and resume %s %s", c->dm_name,
		      track == REDO_TRACK ? "with the tracking store" : "without a tracking store"))
		return 0;
	s.params = redo_table_format(t);
	if (!s.params)
		return -ENOMEM;
	/* The content stays what it is: no filesystem needs to be frozen. */
	r = redo_switch_tables(&s, 1, REDO_DM_NOLOCKFS, &w);
	free(s.params);
	if (!r)
		verbose("window: %.1f ms", w.window_s * 1e3);
	return r;
}

/* enable ------------------------------------------------------------------------------- */

struct enable {
	struct redo_set set;
	struct redo_chain *c;
	struct redo_table table;
	struct redo_status status;
	struct redo_store made;		/* for this */
	struct redo_tracker_node store;
	u32 block_sectors;
	struct redo_reg_entry before;
	bool known;
};

static int look_tracked(struct enable *e)
{
	const char *name = e->c->name;
	char path[REDO_TEXT_MAX] = "?";

	switch (e->status.tracking.state) {
	case REDO_TRACKING_OFF:
		return 0;
	case REDO_TRACKING_BROKEN:
		return confirm("%s: tracking is broken; it begins anew, and every change id given out so far is void",
			       name);
	default:
		redo_dev_path(e->c->live_store, path, sizeof(path));
		return redo_err(EEXIST, "%s: is tracked already, in %s; 'redosetup cbt disable %s' ends that",
				name, path, name);
	}
}

static int look(struct enable *e, const char *name)
{
	int r;

	e->c = need_chain(&e->set, name);
	if (!e->c)
		return -ENOENT;
	r = live_table(e->c, &e->table);
	if (!r)
		r = redo_chain_status(e->c->dm_name, &e->status);
	if (!r)
		r = block_size_option(&e->block_sectors);
	return r ? r : look_tracked(e);
}

/* A broken store's device is still the table's. */
static int let_go(struct enable *e)
{
	return e->c->live_store ? switch_tracking(e->c, &e->table, REDO_TRACK_NO_MORE, 0) : 0;
}

static int store_bytes(const struct enable *e, u64 *bytes)
{
	u64 least, good;
	int r = redo_cbt_sizes(e->table.sectors, e->block_sectors, &least, &good);

	*bytes = good;
	if (!r && opts.size && parse_size(opts.size, 'm', bytes))
		r = redo_err(EINVAL, "--size %s: not a size", opts.size);
	if (!r && *bytes < least)
		r = redo_err(EINVAL, "--size %s: at least %lluk are needed for a disk of %llu MiB with blocks of %u KiB",
			     opts.size, (unsigned long long)least >> 10,
			     (unsigned long long)e->table.sectors >> 11, e->block_sectors / 2);
	return r;
}

static int make(struct enable *e)
{
	char name[REDO_NAME_SIZE + 8];
	u64 bytes;
	int r = store_bytes(e, &bytes);

	if (r)
		return r;
	snprintf(name, sizeof(name), "%s-cbt", e->c->name);
	r = make_store(e->c, &e->table, name, bytes, &e->made);
	return r ? r : format_tracker(e->made.path, e->block_sectors, e->table.sectors, &e->store);
}

/* The device of the store that is broken, unless another is named. */
static int remake(struct enable *e)
{
	char path[REDO_TEXT_MAX];
	int r = redo_dev_path(e->c->live_store, path, sizeof(path));

	if (!r)
		r = let_go(e);
	return r ? r : format_tracker(path, e->block_sectors, e->table.sectors, &e->store);
}

static int get_store(struct enable *e)
{
	int r;

	if (!opts.store)
		return e->c->live_store && !opts.size ? remake(e) : make(e);
	if (e->c->live_store && redo_path_rdev(opts.store) == e->c->live_store)
		return remake(e);
	r = prepare_tracker(opts.store, e->c->dm_name, &e->table, &e->store);
	return r ? r : let_go(e);
}

/* What was made goes, and the register has what it had. */
static void undo(const struct enable *e)
{
	char text[2048];

	redo_copy(text, redo_last_error(), sizeof(text));
	if (e->made.created)
		redo_store_remove(&e->made);
	else
		drop_tracker(&e->store);
	if (e->known && !redo_dry_run)
		redo_reg_set(&e->before);
	else if (!redo_dry_run)
		remember_tracker(e->c, e->table.base, "", "", "");
	redo_err(EIO, "%s", text);
}

static int remember(const struct enable *e)
{
	char uuid[REDO_UUID_STR_SIZE];

	redo_uuid_str(e->store.sb.uuid, uuid);
	return remember_tracker(e->c, e->table.base, uuid, e->store.path,
				e->made.created ? store_basename(&e->made) :
				redo_path_rdev(e->store.path) == e->c->live_store ? NULL : "");
}

static int enable(struct enable *e)
{
	char id[REDO_CHANGE_ID_SIZE];
	int r;

	e->known = !redo_reg_find(e->c->name, &e->before);
	r = get_store(e);
	/* Whoever is not in the register has to be, before a write is tracked by it alone. */
	if (!r)
		r = remember(e);
	if (!r)
		r = switch_tracking(e->c, &e->table, REDO_TRACK, e->store.rdev);
	if (r) {
		undo(e);
		return r;
	}
	r = tracking_began(e->c->dm_name, &e->store, id);
	if (!r && !opts.dry_run)
		say("%s", id);
	return r;
}

int cmd_cbt_enable(const struct command *c, int argc __unused, char **argv)
{
	struct enable *e;
	int r;

	if (opts.store && opts.size)
		return usage_error(c, "takes either --store or --size");
	if (!redo_dm_present())
		return -ENODEV;
	e = calloc(1, sizeof(*e));
	if (!e)
		return redo_err(ENOMEM, "out of memory");
	r = scan(&e->set);
	if (!r) {
		r = look(e, argv[0]);
		if (!r)
			r = enable(e);
		redo_set_free(&e->set);
	}
	free(e);
	return r;
}

/* disable ------------------------------------------------------------------------------- */

/*
 * It must never be taken again, since what is written from now on goes unnoticed; a chain
 * without deltas has no place to say so but here.
 */
static int release_store(const struct redo_chain *c, const char *path)
{
	struct redo_reg_entry e = { .name = "" };
	struct redo_store store;
	bool ours;
	int r;

	redo_reg_find(c->name, &e);
	r = redo_store_of(path, &store);
	if (r)
		return r;
	ours = e.store_made[0] && !strcmp(e.store_made, store_basename(&store));
	if (ours && (opts.remove_store || opts.yes)) {
		r = redo_store_remove(&store);
		if (!r && !redo_dry_run)
			verbose("%s: removed", path);
		return r;
	}
	if (redo_step("wipe the tracking store %s", path))
		return 0;
	r = redo_cbt_wipe(path);
	if (!r && opts.remove_store)
		return redo_err(EINVAL, "%s: no store any more, but not made by redosetup and so not removed; it is free now",
				path);
	if (!r)
		say("%s: the device is free now", path);
	return r;
}

static int disable_live(const struct redo_chain *c)
{
	struct redo_table t;
	int r = live_table(c, &t);

	return r ? r : switch_tracking(c, &t, REDO_TRACK_NO_MORE, 0);
}

/* The active delta says who tracks it; else only the register does. */
static int disable_inactive(const struct redo_chain *c)
{
	struct redo_super sb;
	struct redo_file f;
	int r;

	if (!c->present || redo_step("take the tracker out of %s", c->present->path))
		return 0;
	r = redo_file_open(&f, c->present->path, REDO_OPEN_WRITE | REDO_OPEN_EXCL);
	if (r)
		return r;
	r = redo_read_super(&f.io, c->present->path, &sb);
	if (!r && !redo_uuid_eq(sb.uuid, c->present->sb.uuid))
		r = redo_err(ESTALE, "%s: holds another delta than a moment ago", c->present->path);
	if (!r) {
		redo_super_set_tracker(&sb, NULL, 0);
		r = redo_write_super(&f, &sb);
	}
	redo_file_close(&f);
	return r;
}

/* Where the store is; "": on no device. */
static void find_store(const struct redo_set *set, const struct redo_chain *c, char *path,
		       size_t size)
{
	const struct redo_tracker_node *n = NULL;
	u8 uuid[REDO_UUID_SIZE];
	u32 nr;

	*path = '\0';
	if (c->live_store) {
		redo_dev_path(c->live_store, path, size);
		return;
	}
	/* Where tracking has ended by itself, the one that it had. */
	if (redo_chain_tracker(c, uuid) || redo_uuid_parse(c->reg_tracker, uuid))
		n = redo_find_tracker(set, uuid, &nr);
	if (n)
		redo_copy(path, n->path, size);
}

/* The error stays the one that there was. */
static int forget(const struct redo_chain *c, int r)
{
	char text[1024];

	redo_copy(text, redo_last_error(), sizeof(text));
	if (!r)
		return remember_tracker(c, 0, "", "", "");
	remember_tracker(c, 0, "", "", "");
	return redo_err(-r, "%s", text);
}

static int disable(const struct redo_set *set, const struct redo_chain *c)
{
	char path[REDO_TEXT_MAX];
	u8 uuid[REDO_UUID_SIZE];
	int r;

	if (!c->live_store && !c->reg_tracker[0] && !redo_chain_tracker(c, uuid))
		return redo_err(ENOENT, "%s: is not tracked", c->name);
	find_store(set, c, path, sizeof(path));
	r = confirm("%s: changes are not tracked from now on, and every change id given out so far is void",
		    c->name);
	if (!r && c->live_store)
		r = disable_live(c);
	else if (!r && !c->dm_name[0])
		r = disable_inactive(c);
	if (r)
		return r;
	if (*path)
		r = release_store(c, path);
	return forget(c, r);
}

int cmd_cbt_disable(const struct command *c __unused, int argc __unused, char **argv)
{
	struct redo_chain *chain;
	struct redo_set set;
	int r;

	if (!redo_dm_present())
		return -ENODEV;
	r = scan(&set);
	if (r)
		return r;
	chain = need_chain(&set, argv[0]);
	r = chain ? disable(&set, chain) : -ENOENT;
	redo_set_free(&set);
	return r;
}
