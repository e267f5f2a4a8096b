// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup init */
#include <sys/sysmacros.h>
#include "tool.h"

static int check_base(const char *path, u64 *rdev)
{
	struct redo_tracker_node t;
	struct redo_node n;
	int r;

	*rdev = redo_path_rdev(path);
	r = need_block_device(path);
	if (r)
		return r;
	r = redo_probe_node(path, &n);
	if (!r || r == -EUCLEAN)
		return redo_err(EINVAL, "%s: is a delta, not a base; 'redosetup activate' brings its chain up",
				path);
	if (r == -ENODATA)
		r = redo_probe_tracker(path, &t);
	if (!r || r == -EUCLEAN)
		return redo_err(EINVAL, "%s: is a tracking store, not a base", path);
	return r == -ENODATA ? 0 : r;
}

/* --cbt: the store is there before the table names it. */
static int add_tracking(u64 rdev, u64 sectors, char *args, size_t size,
			struct redo_tracker_node *store)
{
	const struct redo_table t = { .base = rdev, .sectors = sectors };
	int r;

	if (!opts.nr_cbt)
		return 0;
	r = prepare_tracker(opts.cbt[0], NULL, &t, store);
	if (!r)
		r = redo_features_track(args, size, REDO_TRACK, store->rdev);
	return r;
}

/* Only the register can say who tracks it. */
static int register_tracked(const char *name, const char *base, u64 sectors, bool swapped,
			    const char *features, const struct redo_tracker_node *store)
{
	char uuid[REDO_UUID_STR_SIZE], id[REDO_CHANGE_ID_SIZE];
	struct redo_chain c = { .name = "" };
	int r = register_chain(name, base, sectors, swapped, features);

	if (r || !opts.nr_cbt || redo_dry_run)
		return r;
	redo_copy(c.name, name, sizeof(c.name));
	redo_uuid_str(store->sb.uuid, uuid);
	r = remember_tracker(&c, 0, uuid, store->path, "");
	return r ? r : tracking_began(name, store, id);
}

/* On top of its own table: the one case where the base may be in use. */
static int init_swapped(const char *chain, const char *base, const struct redo_dm_info *info,
			const char *features)
{
	u64 rdev = makedev(info->major, info->minor), sectors = redo_dev_sectors(rdev);
	struct redo_tracker_node store = { .rdev = 0 };
	char args[256];
	int r;

	if (info->suspended)
		return redo_err(EBUSY, "%s: suspended", chain);
	redo_features_to_table(features, false, args, sizeof(args));
	r = add_tracking(rdev, sectors, args, sizeof(args), &store);
	if (r)
		return r;
	r = swap_in(chain, sectors, args);
	if (r) {
		drop_tracker(&store);
		return r;
	}
	return register_tracked(chain, base, sectors, true, features, &store);
}

static int init_stacked(const char *chain, const char *base, u64 rdev, const char *features)
{
	struct redo_table t = { .base = rdev, .sectors = redo_dev_sectors(rdev) };
	struct redo_tracker_node store = { .rdev = 0 };
	struct redo_file f;
	char who[512];
	int r;

	redo_holder(rdev, who, sizeof(who));
	if (*who)
		return redo_err(EBUSY, "%s: %s; unmount it, or if it is a device-mapper device use its own name as the chain's",
				base, who);
	r = redo_file_open(&f, base, REDO_OPEN_EXCL);
	if (r)
		return r;
	redo_file_close(&f);
	redo_features_to_table(features, false, t.features, sizeof(t.features));
	r = add_tracking(rdev, t.sectors, t.features, sizeof(t.features), &store);
	if (r)
		return r;
	r = create_chain(chain, &t, false);
	if (r) {
		drop_tracker(&store);
		return r;
	}
	return register_tracked(chain, base, t.sectors, false, features, &store);
}

int cmd_init(const struct command *c, int argc __unused, char **argv)
{
	const char *chain = argv[0], *base = argv[1];
	char features[REDO_FEATURES_SIZE] = "";
	struct redo_dm_info info;
	struct redo_table t;
	struct redo_set set;
	u64 rdev;
	int r;

	if (opts.nr_cbt > 1)
		return usage_error(c, "one --cbt only");
	if (!redo_name_valid(chain))
		return redo_err(EINVAL, "%s: a name may have letters, digits and + _ . - only and must not begin with -",
				chain);
	if (!redo_dm_present())
		return -ENODEV;
	r = asked_features(features);
	if (!r)
		r = check_base(base, &rdev);
	if (!r)
		r = scan(&set);
	if (r)
		return r;
	if (redo_find_chain(&set, chain))
		r = redo_err(EEXIST, "%s: a chain of this name is there already; see 'redosetup show %s'",
			     chain, chain);
	redo_set_free(&set);
	if (r)
		return r;
	r = redo_dm_info(chain, &info);
	if (r)
		return r;
	if (!info.exists)
		return init_stacked(chain, base, rdev, features);
	if (makedev(info.major, info.minor) != rdev)
		return redo_err(EEXIST, "%s: a device-mapper device of this name is there already, and it is not %s",
				chain, base);
	if (!redo_dm_redo_table(chain, &t))
		return redo_err(EEXIST, "%s: has the target already", chain);
	return init_swapped(chain, base, &info, features);
}
