// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup init */
#include <sys/sysmacros.h>
#include "tool.h"

static int check_base(const char *path, u64 *rdev)
{
	struct redo_node n;
	int r;

	*rdev = redo_path_rdev(path);
	if (!*rdev)
		return redo_err(ENOTBLK, "%s: not a block device", path);
	r = redo_probe_node(path, &n);
	if (!r || r == -EUCLEAN)
		return redo_err(EINVAL, "%s: is a delta, not a base; 'redosetup activate' brings its chain up",
				path);
	return r == -ENODATA ? 0 : r;
}

/* On top of its own table: the one case where the base may be in use. */
static int init_swapped(const char *chain, const char *base, const struct redo_dm_info *info,
			const char *features)
{
	u64 sectors = redo_dev_sectors(makedev(info->major, info->minor));
	char args[REDO_FEATURES_SIZE + 8];
	int r;

	if (info->suspended)
		return redo_err(EBUSY, "%s: suspended", chain);
	redo_features_to_table(features, false, args, sizeof(args));
	r = swap_in(chain, sectors, args);
	return r ? r : register_chain(chain, base, sectors, true, features);
}

static int init_stacked(const char *chain, const char *base, u64 rdev, const char *features)
{
	struct redo_table t = { .base = rdev, .sectors = redo_dev_sectors(rdev) };
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
	r = create_chain(chain, &t, false);
	return r ? r : register_chain(chain, base, t.sectors, false, features);
}

int cmd_init(const struct command *c __unused, int argc __unused, char **argv)
{
	const char *chain = argv[0], *base = argv[1];
	char features[REDO_FEATURES_SIZE] = "";
	struct redo_dm_info info;
	struct redo_table t;
	struct redo_set set;
	u64 rdev;
	int r;

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
