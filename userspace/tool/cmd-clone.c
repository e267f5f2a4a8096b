// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup clone: linked (a delta of its own on sealed ones) or full (a copy). */
#include <sys/sysmacros.h>
#include "tool.h"

struct clone {
	struct redo_set set;
	struct redo_chain *c;
	struct redo_node *point;
	struct redo_table table;	/* of the point */
	const char *snap, *name;
	char features[REDO_FEATURES_SIZE];
};

static int free_name(struct clone *k)
{
	struct redo_dm_info info;
	int r;

	if (!redo_name_valid(k->name))
		return redo_err(EINVAL, "%s: a name may have letters, digits and + _ . - only and must not begin with -",
				k->name);
	if (redo_find_chain(&k->set, k->name))
		return redo_err(EEXIST, "%s: a chain of this name is there already", k->name);
	r = redo_dm_info(k->name, &info);
	if (!r && info.exists)
		r = redo_err(EEXIST, "%s: a device-mapper device of this name is there already",
			     k->name);
	return r;
}

static int look(struct clone *k, const char *chain)
{
	u64 base;
	int r;

	k->c = need_chain(&k->set, chain);
	if (!k->c)
		return -ENOENT;
	k->point = redo_find_point(&k->set, k->c, k->snap);
	if (!k->point)
		return -ENOENT;
	r = free_name(k);
	if (!r)
		r = still_line(&k->set, k->c, k->point->parent);
	if (!r)
		r = base_of(&k->set, k->c, &base);
	if (!r)
		r = table_up_to(&k->set, k->point->parent, base, &k->table);
	if (!r) {
		k->table.sectors = k->point->sb.virtual_sectors;
		r = asked_features(k->features);
	}
	return r;
}

/* Only for the features: the rest is on the disks. */
static int register_linked(const struct clone *k)
{
	char base[REDO_TEXT_MAX];
	int r = redo_dev_path(k->table.base, base, sizeof(base));

	if (!r)
		r = register_chain(k->name, base, k->table.sectors, false, k->features);
	if (!r)
		remember_deltas(k->name);
	return r;
}

/* It has been active for a moment, on what was no more the point. */
static void drop_clone(const char *name, const struct new_delta *d)
{
	char text[1024];

	drop_device(name);
	redo_copy(text, redo_last_error(), sizeof(text));
	if (d->store.created)
		redo_store_remove(&d->store);
	else
		redo_wipe_header(d->store.path);
	redo_err(ESTALE, "%s", text);
}

static int linked(struct clone *k)
{
	char store[2 * REDO_NAME_SIZE + 2];
	struct new_delta d;
	int r;

	snprintf(store, sizeof(store), "%s-%s", k->name, k->snap);
	r = make_delta(&k->set, k->c, k->name, k->snap,
		       opts.description ? opts.description : k->point->label.description,
		       k->point->parent, &k->table, opts.nr_delta ? opts.delta[0] : NULL, store, &d);
	if (r)
		return r;
	k->table.delta[k->table.nr_deltas++] = d.rdev;
	set_features(k->c, k->features, &k->table);
	r = create_chain(k->name, &k->table, false);
	if (r) {
		drop_delta(&d, k->point->parent);
		return r;
	}
	r = opts.dry_run ? 0 : still_point(k->point);
	if (r)
		drop_clone(k->name, &d);
	else if (k->features[0])
		r = register_linked(k);
	return r;
}

/* The point as a device for as long as the copy takes. */
static int copy_point(struct clone *k)
{
	char view[REDO_NAME_SIZE + 16], path[REDO_TEXT_MAX], text[1024];
	struct redo_dm_info info;
	char *params;
	int r;

	set_features(k->c, "", &k->table);
	params = redo_table_format(&k->table);
	if (!params)
		return -ENOMEM;
	snprintf(view, sizeof(view), "%s-redo-copy", k->name);
	r = redo_dm_create(view, NULL, k->table.sectors, REDO_TARGET_NAME, params,
			   REDO_DM_READONLY | REDO_DM_LOW_PRIORITY);
	free(params);
	if (r)
		return r;
	r = still_point(k->point);
	if (!r)
		r = redo_dm_info(view, &info);
	if (!r)
		r = redo_dev_path(makedev(info.major, info.minor), path, sizeof(path));
	if (!r)
		r = copy_device(path, opts.to);
	redo_copy(text, redo_last_error(), sizeof(text));
	redo_dm_remove(view);
	return r ? redo_err(-r, "%s", text) : 0;
}

static int full(struct clone *k)
{
	struct redo_table t = { .base = redo_path_rdev(opts.to) };
	int r;

	r = need_block_device(opts.to);
	if (!r)
		r = refuse_own(opts.to, k->c->dm_name, &k->table);
	if (!r)
		r = refuse_signature(opts.to);
	if (r)
		return r;
	r = to_background(k->name);
	if (r)
		return r;
	if (!redo_step("copy %llu MiB of %s@%s to %s",
		       (unsigned long long)k->table.sectors >> 11, k->c->name, k->snap, opts.to))
		r = copy_point(k);
	if (r)
		return r;
	t.sectors = redo_dev_sectors(t.base);
	redo_features_to_table(k->features, false, t.features, sizeof(t.features));
	r = create_chain(k->name, &t, false);
	return r ? r : register_chain(k->name, opts.to, t.sectors, false, k->features);
}

int cmd_clone(const struct command *c, int argc __unused, char **argv)
{
	char chain[REDO_NAME_SIZE], snap[REDO_NAME_SIZE];
	struct clone k = { .snap = snap, .name = argv[1] };
	int r;

	r = split_point(argv[0], chain, snap);
	if (r)
		return r;
	if (opts.full != !!opts.to || (opts.full && (opts.nr_delta || opts.size)) ||
	    opts.nr_delta > 1)
		return usage_error(c, "takes either --full --to <device>, or --delta or --size");
	if (opts.background && !opts.full)
		return usage_error(c, "a linked clone is there at once: --background goes with --full");
	if (!redo_dm_present())
		return -ENODEV;
	r = scan(&k.set);
	if (r)
		return r;
	r = look(&k, chain);
	if (!r)
		r = opts.full ? full(&k) : linked(&k);
	if (!r && !opts.dry_run)
		verbose("%s: active as %s/%s", k.name, redo_dm_dir(), k.name);
	redo_set_free(&k.set);
	return r;
}
