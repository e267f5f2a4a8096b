// SPDX-License-Identifier: LGPL-2.1-or-later
/* Looking at all block devices (or those named) for deltas, and at what is active. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "redo-int.h"

struct scan {
	struct redo_set *set;
	u64 *skip;		/* device numbers of live redo devices */
	u32 nr_skip;
	char (*names)[REDO_NAME_SIZE];	/* all dm devices */
	u32 nr_names;
	bool dm;
};

static void *grow(void **array, u32 nr, size_t each)
{
	void *p = realloc(*array, (size_t)(nr + 1) * each);

	if (!p) {
		redo_err(ENOMEM, "out of memory");
		return NULL;
	}
	*array = p;
	memset((char *)p + nr * each, 0, each);
	return (char *)p + nr * each;
}

static bool skipped(const struct scan *s, u64 rdev)
{
	for (u32 i = 0; i < s->nr_skip; i++)
		if (s->skip[i] == rdev)
			return true;
	return false;
}

static bool known(const struct redo_set *set, const struct redo_node *n)
{
	for (u32 i = 0; i < set->nr_nodes; i++)
		if (n->rdev ? set->node[i].rdev == n->rdev : !strcmp(set->node[i].path, n->path))
			return true;
	return false;
}

static int add_damaged(struct redo_set *set)
{
	struct redo_damaged *d = grow((void **)&set->damaged, set->nr_damaged, sizeof(*d));

	if (!d)
		return -ENOMEM;
	set->nr_damaged++;
	redo_copy(d->text, redo_last_error(), sizeof(d->text));
	return 0;
}

/* It is no delta: is it a tracking store? */
static int add_tracker(struct redo_set *set, const char *path)
{
	struct redo_tracker_node n, *slot;
	int r = redo_probe_tracker(path, &n);

	if (r == -EUCLEAN && add_damaged(set))
		return -ENOMEM;
	if (r)
		return r;
	for (u32 i = 0; i < set->nr_trackers; i++)
		if (n.rdev ? set->tracker[i].rdev == n.rdev : !strcmp(set->tracker[i].path, path))
			return 0;
	slot = grow((void **)&set->tracker, set->nr_trackers, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	*slot = n;
	set->nr_trackers++;
	return 0;
}

/* @named: the user asked for this one, so what is wrong with it matters. */
static int add_device(struct scan *s, const char *path, bool named)
{
	struct redo_node n, *slot;
	int r;

	if (!named && skipped(s, redo_path_rdev(path)))
		return 0;
	r = redo_probe_node(path, &n);
	if (r == -EUCLEAN && add_damaged(s->set))
		return -ENOMEM;
	if (r == -ENODATA) {
		r = add_tracker(s->set, path);
		if (r == -ENODATA && named)
			return redo_err(ENODATA, "%s: neither a delta nor a tracking store", path);
		return r == -ENOMEM || named ? r : 0;
	}
	if (r)
		return named ? r : 0;
	if (known(s->set, &n))
		return 0;
	slot = grow((void **)&s->set->node, s->set->nr_nodes, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	*slot = n;
	s->set->nr_nodes++;
	return 0;
}

/* A tracking store may be smaller than any delta. */
#define LEAST_BYTES	((u64)REDO_CBT_DATA_START * REDO_BLOCK_SIZE)

static bool worth_a_look(const char *name, u64 sectors)
{
	return sectors >= LEAST_BYTES >> 9 && strncmp(name, "fd", 2) && strncmp(name, "sr", 2) &&
	       strncmp(name, "zram", 4);
}

static int scan_all(struct scan *s)
{
	DIR *d = opendir("/sys/class/block");
	struct dirent *de;
	int r = 0;

	if (!d)
		return redo_err(errno, "cannot list /sys/class/block: %s", strerror(errno));
	while (!r && (de = readdir(d))) {
		char sys[512], path[REDO_TEXT_MAX];
		unsigned int ma, mi;
		u64 rdev;
		FILE *f;
		bool ok;

		if (de->d_name[0] == '.')
			continue;
		snprintf(sys, sizeof(sys), "/sys/class/block/%s/dev", de->d_name);
		f = fopen(sys, "re");
		if (!f)
			continue;
		ok = fscanf(f, "%u:%u", &ma, &mi) == 2;
		fclose(f);
		rdev = makedev(ma, mi);
		if (ok && worth_a_look(de->d_name, redo_dev_sectors(rdev)) &&
		    !redo_dev_stalled(rdev) && !redo_dev_path(rdev, path, sizeof(path)))
			r = add_device(s, path, false);
	}
	closedir(d);
	return r;
}

bool redo_loop_of(const char *file, char *dev, size_t size)
{
	char real[REDO_TEXT_MAX * 8], back[REDO_TEXT_MAX * 8], sys[512];
	DIR *d = opendir("/sys/block");
	struct dirent *de;
	bool found = false;
	FILE *f;

	if (!d || !realpath(file, real)) {
		if (d)
			closedir(d);
		return false;
	}
	while (!found && (de = readdir(d))) {
		if (strncmp(de->d_name, "loop", 4))
			continue;
		snprintf(sys, sizeof(sys), "/sys/block/%s/loop/backing_file", de->d_name);
		f = fopen(sys, "re");
		if (!f)
			continue;
		if (fgets(back, sizeof(back), f)) {
			back[strcspn(back, "\n")] = '\0';
			found = !strcmp(back, real);
		}
		fclose(f);
		if (found)
			snprintf(dev, size, "/dev/%s", de->d_name);
	}
	closedir(d);
	return found;
}

/* Files that are deltas; one that is attached already counts as its device. */
static int scan_dir(struct scan *s, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	int r = 0;

	if (!d)
		return redo_err(errno, "%s: cannot list it: %s", dir, strerror(errno));
	while (!r && (de = readdir(d))) {
		char path[REDO_TEXT_MAX], dev[REDO_TEXT_MAX];
		struct stat st;

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, de->d_name) >=
		    sizeof(path) || stat(path, &st) || !S_ISREG(st.st_mode) ||
		    st.st_size < (off_t)LEAST_BYTES)
			continue;
		r = add_device(s, redo_loop_of(path, dev, sizeof(dev)) ? dev : path, false);
	}
	closedir(d);
	return r;
}

/* Live devices --------------------------------------------------------------- */

static int find_live(struct scan *s)
{
	int r;

	s->dm = redo_dm_present();
	if (!s->dm)
		return 0;
	r = redo_dm_list(&s->names, &s->nr_names);
	for (u32 i = 0; !r && i < s->nr_names; i++) {
		struct redo_dm_info info;
		struct redo_table t;
		u64 *slot;

		if (redo_dm_redo_table(s->names[i], &t) || redo_dm_info(s->names[i], &info))
			continue;
		slot = grow((void **)&s->skip, s->nr_skip, sizeof(*slot));
		if (!slot)
			return -ENOMEM;
		*slot = makedev(info.major, info.minor);
		s->nr_skip++;
	}
	return r;
}

/* The name of the chain that a live device shows. */
static const char *shown_name(const struct redo_dm_info *info)
{
	size_t len = strlen(REDO_PRIVATE_UUID);

	return strncmp(info->uuid, REDO_PRIVATE_UUID, len) ? info->name : info->uuid + len;
}

/* Before discovery: what a delta without a name belongs to. */
static void set_live_names(struct scan *s)
{
	for (u32 i = 0; i < s->nr_names; i++) {
		struct redo_dm_info info;
		struct redo_table t;
		struct redo_node *n;

		if (redo_dm_redo_table(s->names[i], &t) || redo_dm_info(s->names[i], &info) ||
		    info.read_only || !t.nr_deltas)
			continue;
		n = redo_find_rdev(s->set, t.delta[t.nr_deltas - 1]);
		if (n)
			redo_copy(n->live_name, shown_name(&info), sizeof(n->live_name));
	}
}

/*
 * Deltas without any name over the base of a chain in the register are that
 * chain's: else it would come up as its base alone, beside them.
 */
static int set_registered_names(struct scan *s)
{
	struct redo_reg_entry *e;
	u32 nr;
	int r = redo_reg_load(&e, &nr);

	for (u32 i = 0; !r && i < s->set->nr_nodes; i++) {
		struct redo_node *n = &s->set->node[i];

		if (n->sb.depth || redo_tree_named(s->set, n->sb.tree_uuid))
			continue;
		for (u32 k = 0; k < nr && !n->reg_name[0]; k++)
			if (redo_is_base(&n->sb, e[k].base))
				redo_copy(n->reg_name, e[k].name, sizeof(n->reg_name));
	}
	free(e);
	return r;
}

static int add_view(struct scan *s, const struct redo_dm_info *info, const struct redo_table *t)
{
	struct redo_live_view *v = grow((void **)&s->set->view, s->set->nr_views, sizeof(*v));

	if (!v)
		return -ENOMEM;
	s->set->nr_views++;
	redo_copy(v->name, info->name, sizeof(v->name));
	v->nr_deltas = t->nr_deltas;
	v->base = t->base;
	v->top = t->nr_deltas ? t->delta[t->nr_deltas - 1] : 0;
	return 0;
}

static int add_live(struct scan *s, const struct redo_dm_info *info, const struct redo_table *t)
{
	struct redo_node *top = t->nr_deltas ?
		redo_find_rdev(s->set, t->delta[t->nr_deltas - 1]) : NULL;
	struct redo_chain *c;

	if (info->read_only && !(top && !strcmp(top->chain, info->name)))
		return add_view(s, info, t);
	c = redo_add_chain(s->set, top ? top->chain : shown_name(info));
	/* Two devices for one name: somebody's own doing. Each under its own. */
	if (c && c->dm_name[0])
		c = redo_add_chain(s->set, info->name);
	if (!c)
		return -ENOMEM;
	redo_copy(c->dm_name, info->name, sizeof(c->dm_name));
	c->suspended = info->suspended;
	c->live_ro = info->read_only;
	c->live_deltas = t->nr_deltas;
	redo_features_from_table(t->features, c->features);
	c->live_store = redo_features_cbt(t->features);
	c->virtual_sectors = t->sectors;
	/* The table is the truth about what is active now. */
	if (top && !info->read_only)
		c->present = top;
	redo_dev_path(t->base, c->base_path, sizeof(c->base_path));
	return 0;
}

static int match_live(struct scan *s)
{
	int r = 0;

	for (u32 i = 0; !r && i < s->nr_names; i++) {
		struct redo_dm_info info;
		struct redo_table t;

		if (!redo_dm_redo_table(s->names[i], &t) && !redo_dm_info(s->names[i], &info))
			r = add_live(s, &info, &t);
	}
	return r;
}

/* The delta with that UUID, in text; NULL: on no device. */
static const struct redo_node *find_text(const struct redo_set *set, const char *text)
{
	char uuid[REDO_UUID_STR_SIZE];

	for (u32 i = 0; *text && i < set->nr_nodes; i++) {
		redo_uuid_str(set->node[i].sb.uuid, uuid);
		if (!strcmp(uuid, text))
			return &set->node[i];
	}
	return NULL;
}

/*
 * Has the delta that was the present when all began to be merged gone into the base? If it
 * never was sealed it was the last to go. (Of others of its tree nothing follows: one that a
 * revert gave up may be as empty of a parent and as gone, while the present is away.)
 */
static bool all_merged(const struct redo_set *set, const char *present)
{
	const struct redo_node *last = find_text(set, present);

	if (!last || !redo_node_gone(last) || last->sb.content_generation ||
	    !redo_uuid_nil(last->sb.parent_uuid))
		return false;
	for (u32 i = 0; i < set->nr_nodes; i++)
		if (redo_uuid_eq(set->node[i].sb.tree_uuid, last->sb.tree_uuid) &&
		    !redo_node_gone(&set->node[i]))
			return false;
	return true;
}

static int add_registered(struct scan *s)
{
	struct redo_reg_entry *e;
	u32 nr;
	int r = redo_reg_load(&e, &nr);

	if (r)
		return r;
	for (u32 i = 0; i < nr; i++) {
		struct redo_chain *c = redo_add_chain(s->set, e[i].name);

		if (!c) {
			r = -ENOMEM;
			break;
		}
		if (!c->base_path[0])
			redo_copy(c->base_path, e[i].base, sizeof(c->base_path));
		if (!c->virtual_sectors)
			c->virtual_sectors = e[i].sectors;
		if (!c->dm_name[0])
			redo_copy(c->features, e[i].features, sizeof(c->features));
		redo_copy(c->reg_tracker, e[i].tracker, sizeof(c->reg_tracker));
		redo_copy(c->reg_store, e[i].store, sizeof(c->reg_store));
		if (e[i].deltas && redo_uuid_nil(c->tree_uuid) && !c->problem[0] &&
		    !all_merged(s->set, e[i].merged))
			snprintf(c->problem, sizeof(c->problem),
				 "its deltas are not on any device looked at, and its base alone is not its content; files want --scan-dir; if they are gone for good, 'redosetup deactivate --forget %s'",
				 c->name);
	}
	free(e);
	return r;
}

/* Of a stack (multipath, mirror) only the top counts as the device. */
static bool held_by(u64 rdev, u64 by)
{
	char path[128];
	struct stat st;
	struct dirent *de;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", major(rdev), minor(rdev));
	d = opendir(path);
	while (d && !found && (de = readdir(d))) {
		char dev[512];

		if (de->d_name[0] == '.')
			continue;
		snprintf(dev, sizeof(dev), "/dev/%s", de->d_name);
		found = !stat(dev, &st) && st.st_rdev == by;
	}
	if (d)
		closedir(d);
	return found;
}

static void drop_legs(struct redo_set *set)
{
	for (u32 i = 0; i < set->nr_nodes; i++) {
		for (u32 j = 0; j < set->nr_nodes; j++) {
			if (i == j || !set->node[i].rdev ||
			    !redo_uuid_eq(set->node[i].sb.uuid, set->node[j].sb.uuid) ||
			    !held_by(set->node[i].rdev, set->node[j].rdev))
				continue;
			set->node[i--] = set->node[--set->nr_nodes];
			break;
		}
	}
}

static void drop_tracker_legs(struct redo_set *set)
{
	for (u32 i = 0; i < set->nr_trackers; i++) {
		for (u32 j = 0; j < set->nr_trackers; j++) {
			if (i == j || !set->tracker[i].rdev ||
			    !redo_uuid_eq(set->tracker[i].sb.uuid, set->tracker[j].sb.uuid) ||
			    !held_by(set->tracker[i].rdev, set->tracker[j].rdev))
				continue;
			set->tracker[i--] = set->tracker[--set->nr_trackers];
			break;
		}
	}
}

static int scan_devices(struct scan *s, const struct redo_scan_options *opts)
{
	int r = 0;

	if (opts && opts->devices)
		for (u32 i = 0; !r && opts->devices[i]; i++)
			r = add_device(s, opts->devices[i], true);
	else
		r = scan_all(s);
	for (u32 i = 0; !r && opts && opts->dirs && opts->dirs[i]; i++)
		r = scan_dir(s, opts->dirs[i]);
	return r;
}

int redo_scan(const struct redo_scan_options *opts, struct redo_set *set)
{
	struct scan s = { .set = set };
	int r;

	memset(set, 0, sizeof(*set));
	r = find_live(&s);
	if (!r)
		r = scan_devices(&s, opts);
	if (!r) {
		drop_legs(set);
		drop_tracker_legs(set);
		set_live_names(&s);
		r = set_registered_names(&s);
		if (!r)
			r = redo_discover(set);
	}
	if (!r)
		r = match_live(&s);
	if (!r)
		r = add_registered(&s);
	free(s.skip);
	free(s.names);
	if (r)
		redo_set_free(set);
	return r;
}
