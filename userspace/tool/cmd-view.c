// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup view */
#include "tool.h"

static void view_name(const char *chain, const char *snap, char *name, size_t size)
{
	if (opts.name)
		redo_copy(name, opts.name, size);
	else
		snprintf(name, size, "%s-%s", chain, snap);
}

static int create_view(const char *name, const struct redo_table *t)
{
	char *params = redo_table_format(t), uuid[REDO_NAME_SIZE + 16];
	struct redo_dm_info info;
	int r;

	if (!params)
		return -ENOMEM;
	snprintf(uuid, sizeof(uuid), "REDO-VIEW-%.118s", name);
	r = redo_dm_info(name, &info);
	if (!r && info.exists)
		r = redo_err(EEXIST, "%s: a device of this name is there already; choose another with --name",
			     name);
	if (!r && !redo_step("create read-only device %s: 0 %llu %s %s", name,
			     (unsigned long long)t->sectors, REDO_TARGET_NAME, params))
		r = redo_dm_create(name, uuid, t->sectors, REDO_TARGET_NAME, params,
				   REDO_DM_READONLY | REDO_DM_LOW_PRIORITY);
	free(params);
	return r;
}

static int remove_view(const char *name)
{
	struct redo_dm_info info;
	struct redo_table t;
	int r = redo_dm_info(name, &info);

	if (r)
		return r;
	if (!info.exists)
		return redo_err(ENXIO, "%s: no such view", name);
	r = redo_dm_redo_table(name, &t);
	if (r)
		return r;
	if (!info.read_only)
		return redo_err(EINVAL, "%s: is not a view but a writable chain", name);
	r = not_open(name, "close it first");
	if (r)
		return r;
	return redo_step("remove device %s", name) ? 0 : redo_dm_remove(name);
}

static int show_point(struct redo_set *set, const char *chain, const char *snap, const char *name)
{
	struct redo_chain *c = need_chain(set, chain);
	struct redo_node *point;
	struct redo_table t;
	u64 base;
	int r;

	if (!c)
		return -ENOENT;
	point = redo_find_point(set, c, snap);
	if (!point)
		return -ENOENT;
	r = still_line(set, c, point->parent);
	if (!r)
		r = base_of(set, c, &base);
	if (!r)
		r = table_up_to(set, point->parent, base, &t);
	if (!r) {
		/* Of a base that has grown since, the point has only its own size. */
		t.sectors = point->sb.virtual_sectors;
		set_features(c, "", &t);
		r = create_view(name, &t);
		if (!r && !opts.dry_run) {
			r = still_point(point);
			if (r)
				drop_device(name);
		}
	}
	if (!r && !opts.dry_run)
		say("%s/%s", redo_dm_dir(), name);
	return r;
}

int cmd_view(const struct command *c __unused, int argc __unused, char **argv)
{
	char chain[REDO_NAME_SIZE], snap[REDO_NAME_SIZE], name[2 * REDO_NAME_SIZE + 2];
	struct redo_set set;
	int r;

	if (!redo_dm_present())
		return -ENODEV;
	if (opts.remove && !strchr(argv[0], '@'))
		return remove_view(argv[0]);
	r = split_point(argv[0], chain, snap);
	if (r)
		return r;
	view_name(chain, snap, name, sizeof(name));
	if (!redo_name_valid(name))
		return redo_err(EINVAL, "%s: not a valid name for a device; choose one with --name",
				name);
	if (opts.remove)
		return remove_view(name);
	r = scan(&set);
	if (r)
		return r;
	r = show_point(&set, chain, snap, name);
	redo_set_free(&set);
	return r;
}
