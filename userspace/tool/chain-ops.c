// SPDX-License-Identifier: GPL-2.0-or-later
/* What several commands do with chains. */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "tool.h"

#define DEFAULT_DELTA_BYTES	(1ULL << 30)

int scan(struct redo_set *set)
{
	struct redo_scan_options so = {
		.devices = opts.nr_device ? opts.device : NULL,
		.dirs = opts.nr_dir ? opts.dir : NULL,
	};
	int r = redo_scan(&so, set);

	for (u32 i = 0; !r && i < set->nr_damaged; i++)
		fprintf(stderr, "redosetup: warning: %s\n", set->damaged[i].text);
	return r;
}

int split_point(const char *text, char *chain, char *snap)
{
	const char *at = strchr(text, '@');

	if (!at || (size_t)(at - text) >= REDO_NAME_SIZE || strlen(at + 1) >= REDO_NAME_SIZE)
		return redo_err(EINVAL, "%s: expected <chain>@<snapshot>", text);
	redo_copy(chain, text, at - text + 1);
	redo_copy(snap, at + 1, REDO_NAME_SIZE);
	if (!redo_name_valid(chain))
		return redo_err(EINVAL, "%s: the chain's name may have letters, digits and + _ . - only and must not begin with -",
				text);
	if (!redo_name_valid(snap))
		return redo_err(EINVAL, "%s: the snapshot's name may have letters, digits and + _ . - only and must not begin with -",
				text);
	return 0;
}

struct redo_chain *need_chain(struct redo_set *set, const char *name)
{
	struct redo_chain *c = redo_find_chain(set, name);

	/* A chain that was built with plain dmsetup may be called by its device. */
	for (u32 i = 0; !c && i < set->nr_chains; i++)
		if (!strcmp(set->chain[i].dm_name, name))
			c = &set->chain[i];
	if (!c)
		redo_err(ENOENT, "%s: no such chain; 'redosetup list' shows them", name);
	return c;
}

int point_id(struct redo_set *set, const struct redo_chain *c, const char *snap, char *id)
{
	char text[1024];
	int r = redo_set_point_id(set, c, snap, id);

	if (r != -ENXIO)
		return r;
	redo_copy(text, redo_last_error(), sizeof(text));
	return redo_err(ENXIO, "%s; the change id of one that is deleted stays good: give that ('redosetup cbt list %s')",
			text, c->name);
}

int not_known(int r)
{
	char text[1024];

	if (r != -ENODATA)
		return r;
	redo_copy(text, redo_last_error(), sizeof(text));
	return strstr(text, "full backup") ? r : redo_err(-r, "%s; until then take full backups", text);
}

int live_table(const struct redo_chain *c, struct redo_table *t)
{
	if (!c->dm_name[0])
		return redo_err(ENXIO, "%s: not active; 'redosetup activate %s' first", c->name,
				c->name);
	if (c->live_ro)
		return redo_err(EROFS, "%s: active read-only", c->name);
	if (c->suspended)
		return redo_err(EBUSY, "%s: suspended; 'redosetup resume %s' first", c->name,
				c->dm_name);
	return redo_dm_redo_table(c->dm_name, t);
}

int not_open(const char *dm_name, const char *why)
{
	struct redo_dm_info info;
	char who[512];
	int r = redo_dm_info(dm_name, &info);

	if (r || !info.exists || !info.open_count)
		return r;
	redo_holder(makedev(info.major, info.minor), who, sizeof(who));
	return redo_err(EBUSY, "%s: %s; %s", dm_name, *who ? who : "open by a process", why);
}

/* Making a delta ----------------------------------------------------------------- */

static int delta_bytes(u64 *bytes)
{
	*bytes = DEFAULT_DELTA_BYTES;
	if (opts.size && parse_size(opts.size, 'm', bytes))
		return redo_err(EINVAL, "--size %s: not a size", opts.size);
	if (*bytes < 2 * REDO_UNIT_SIZE)
		return redo_err(EINVAL, "--size %s: at least 32m are needed, a unit of 16 MiB for metadata and one for data",
				opts.size);
	return 0;
}

int refuse_signature(const char *path)
{
	char what[256];
	int r = redo_signature(path, what, sizeof(what));

	if (r || !*what)
		return r;
	return confirm("%s: holds %s, which would be overwritten", path, what);
}

int need_block_device(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return redo_err(errno, "%s: %s", path, errno == ENOENT ? "no such device" :
				strerror(errno));
	if (S_ISREG(st.st_mode))
		return redo_err(ENOTBLK, "%s: a file, not a block device; 'losetup --show -f %s' makes one of it",
				path, path);
	return S_ISBLK(st.st_mode) ? 0 : redo_err(ENOTBLK, "%s: not a block device", path);
}

static int refuse_related(const char *device, u64 part, const char *what)
{
	u64 rdev = redo_path_rdev(device);

	if (!redo_dev_lies_on(rdev, part) && !redo_dev_lies_on(part, rdev))
		return 0;
	return redo_err(EBUSY, "%s: is %s, or lies on it or under it; a device of its own is needed",
			device, what);
}

/* The chain's own device is often not open, and then nothing else keeps it from being overwritten. */
int refuse_own(const char *device, const char *dm_name, const struct redo_table *t)
{
	struct redo_dm_info info;
	int r;

	if (dm_name && *dm_name && !redo_dm_info(dm_name, &info) && info.exists &&
	    redo_dev_lies_on(redo_path_rdev(device), makedev(info.major, info.minor)))
		return redo_err(EBUSY, "%s: is the chain %s itself, or lies on it; a device of its own is needed",
				device, dm_name);
	r = refuse_related(device, t->base, "the base");
	for (u32 i = 0; !r && i < t->nr_deltas; i++)
		r = refuse_related(device, t->delta[i], "a delta of the chain");
	return r;
}

/*
 * Like what should a new device be? The chain's active delta, else its base. A
 * base that was put below by init looks like nothing; its chain's own device
 * still has the old identity.
 */
static int like_what(const struct redo_chain *c, const struct redo_table *t, struct redo_store *s)
{
	u64 dev[3] = { t->nr_deltas ? t->delta[t->nr_deltas - 1] : 0, t->base, 0 };
	struct redo_dm_info info;
	char path[REDO_TEXT_MAX];
	int r = 0;

	if (c && c->dm_name[0] && !redo_dm_info(c->dm_name, &info) && info.exists)
		dev[2] = makedev(info.major, info.minor);
	for (u32 i = 0; i < 3; i++) {
		if (!dev[i] || redo_dev_path(dev[i], path, sizeof(path)))
			continue;
		r = redo_store_of(path, s);
		if (!r && (s->lv[0] || s->file[0]))
			return 0;
	}
	if (!r)
		redo_dev_path(t->base, s->path, sizeof(s->path));
	return r;
}

int make_store(const struct redo_chain *c, const struct redo_table *t, const char *name, u64 bytes,
	       struct redo_store *s)
{
	struct redo_store like;
	int r = like_what(c, t, &like);

	return r ? r : redo_store_create(&like, name, bytes, s);
}

static int find_store(const struct redo_chain *c, const struct redo_table *t, const char *device,
		      const char *name, struct redo_store *s)
{
	u64 bytes;
	int r;

	if (device) {
		memset(s, 0, sizeof(*s));
		redo_copy(s->path, device, sizeof(s->path));
		r = need_block_device(device);
		if (!r)
			r = refuse_own(device, c ? c->dm_name : NULL, t);
		return r ? r : refuse_signature(device);
	}
	r = delta_bytes(&bytes);
	return r ? r : make_store(c, t, name, bytes, s);
}

static void fill_label(const struct redo_set *set, const struct redo_table *t, const char *chain,
		       const char *snap, const char *description, struct redo_label *l)
{
	const struct redo_node *top = t->nr_deltas ? redo_find_rdev(set, t->delta[0]) : NULL;

	redo_copy(l->chain_name, chain, sizeof(l->chain_name));
	redo_copy(l->snap_name, snap, sizeof(l->snap_name));
	redo_copy(l->description, description ? description : "", sizeof(l->description));
	if (redo_dev_path(t->base, l->base_path, sizeof(l->base_path)))
		redo_copy(l->base_path, top ? top->label.base_path : "", sizeof(l->base_path));
	gethostname(l->host, sizeof(l->host) - 1);
}

static int grain_for(const struct redo_node *parent, u32 *sectors)
{
	u64 bytes = parent ? (u64)parent->sb.grain_sectors << 9 : 4096;

	if (opts.grain && parse_size(opts.grain, 'k', &bytes))
		return redo_err(EINVAL, "--grain %s: not a size", opts.grain);
	if (bytes & (bytes - 1) || bytes < REDO_GRAIN_SECTORS_MIN << 9 ||
	    bytes > REDO_GRAIN_SECTORS_MAX << 9)
		return redo_err(EINVAL, "--grain %s: must be a power of two from 4k to 1m",
				opts.grain);
	*sectors = (u32)(bytes >> 9);
	if (parent && *sectors != parent->sb.grain_sectors)
		return redo_err(EINVAL, "--grain %s: the chain has grains of %uk, which is for ever",
				opts.grain, parent->sb.grain_sectors / 2);
	return 0;
}

static int format_store(const struct redo_format_args *a, struct new_delta *d)
{
	struct redo_file f;
	int r;

	if (redo_step("format %s as a delta of chain %s, snapshot %s", d->store.path,
		      a->label.chain_name, a->label.snap_name))
		return 0;
	r = redo_file_open(&f, d->store.path, REDO_OPEN_WRITE | REDO_OPEN_EXCL);
	if (r)
		return r;
	r = redo_format_file(&f, a, &d->sb);
	d->rdev = f.rdev;
	redo_file_close(&f);
	return r;
}

int make_delta(const struct redo_set *set, const struct redo_chain *c, const char *chain,
	       const char *snap, const char *description, const struct redo_node *parent,
	       const struct redo_table *t, const char *device, const char *store_name,
	       struct new_delta *d)
{
	struct redo_format_args a = { .virtual_sectors = t->sectors };
	char text[1024];
	int r;

	memset(d, 0, sizeof(*d));
	redo_copy(d->chain, chain, sizeof(d->chain));
	a.base_sectors = redo_dev_sectors(t->base);
	if (parent) {
		memcpy(a.parent_uuid, parent->sb.uuid, REDO_UUID_SIZE);
		memcpy(a.tree_uuid, parent->sb.tree_uuid, REDO_UUID_SIZE);
		a.base_sectors = parent->sb.base_sectors;
		a.depth = parent->below + 1;
	} else if (c && !redo_uuid_nil(c->tree_uuid)) {
		/* Another branch over the same base. */
		memcpy(a.tree_uuid, c->tree_uuid, REDO_UUID_SIZE);
	}
	if (a.depth >= REDO_MAX_DELTAS)
		return redo_err(E2BIG, "%s: the chain has %u deltas already, which is the most",
				chain, REDO_MAX_DELTAS);
	a.chain_seq = redo_next_chain_seq(set, a.tree_uuid);
	fill_label(set, t, chain, snap, description, &a.label);
	r = grain_for(parent, &a.grain_sectors);
	if (!r)
		r = find_store(c, t, device, store_name, &d->store);
	if (r)
		return r;
	if (d->store.created)
		redo_copy(a.label.store, store_basename(&d->store), sizeof(a.label.store));
	r = format_store(&a, d);
	if (r && d->store.created) {
		redo_copy(text, redo_last_error(), sizeof(text));
		redo_store_remove(&d->store);
		redo_err(-r, "%s", text);
	}
	return r;
}

/*
 * Once the parent is sealed (or the new delta active) the new delta is the
 * chain's present, whatever failed afterwards: it must stay.
 */
static bool has_taken_over(const struct new_delta *d, const struct redo_node *parent)
{
	struct redo_node now;

	if (parent && parent->sb.state != REDO_STATE_SEALED &&
	    (redo_probe_node(parent->path, &now) || now.sb.state == REDO_STATE_SEALED))
		return true;
	return redo_probe_node(d->store.path, &now) || now.sb.state != REDO_STATE_NEW;
}

void drop_delta(const struct new_delta *d, const struct redo_node *parent)
{
	char text[1024];

	if (redo_dry_run || !d->rdev)
		return;
	redo_copy(text, redo_last_error(), sizeof(text));
	if (has_taken_over(d, parent)) {
		redo_err(EIO, "%s; the new delta %s has taken over all the same and is kept: put right what failed, then 'redosetup resume' or deactivate and activate %s",
			 text, d->store.path, d->chain);
		return;
	}
	if (d->store.created)
		redo_store_remove(&d->store);
	else
		redo_wipe_header(d->store.path);
	redo_err(EIO, "%s", text);
}

/* Tables ------------------------------------------------------------------------- */

int attach_file(const char *file, char *dev, size_t size)
{
	if (redo_loop_of(file, dev, size))
		return 0;
	redo_copy(dev, file, size);
	if (redo_step("attach %s to a loop device", file))
		return 0;
	return redo_store_loop(file, dev, size);
}

int need_device(struct redo_node *n)
{
	char dev[REDO_TEXT_MAX];
	int r;

	if (n->rdev)
		return 0;
	r = attach_file(n->path, dev, sizeof(dev));
	if (r)
		return r;
	redo_copy(n->path, dev, sizeof(n->path));
	n->rdev = redo_path_rdev(dev);
	return 0;
}

/* The base's device number; one in a file is attached. */
static int base_device(const struct redo_chain *c, const char *path, u64 *rdev)
{
	char dev[REDO_TEXT_MAX];
	struct stat st;
	int r;

	*rdev = redo_path_rdev(path);
	if (*rdev)
		return 0;
	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return redo_err(ENODEV, "%s: its base %s is not there; name it with --base",
				c->name, path[0] ? path : "(unknown)");
	r = attach_file(path, dev, sizeof(dev));
	*rdev = redo_path_rdev(dev);
	return r;
}

int table_up_to(const struct redo_set *set, struct redo_node *top, u64 base, struct redo_table *t)
{
	struct redo_node *line[REDO_MAX_DELTAS];
	int nr = redo_line_of(set, top, line, ARRAY_SIZE(line)), r;

	if (nr < 0)
		return nr;
	memset(t, 0, sizeof(*t));
	t->base = base;
	t->nr_deltas = (u32)nr;
	t->sectors = top ? top->sb.virtual_sectors : redo_dev_sectors(base);
	for (int i = 0; i < nr; i++) {
		r = need_device(line[i]);
		if (r)
			return r;
		t->delta[i] = line[i]->rdev;
	}
	return 0;
}

/*
 * Between the scan and now it may have been deleted, and what it was the content of changed.
 * From now on the kernel sees us there.
 */
int still_point(const struct redo_node *point)
{
	struct redo_node now;

	if (redo_probe_node(point->path, &now) || !redo_uuid_eq(now.sb.uuid, point->sb.uuid) ||
	    redo_node_gone(&now))
		return redo_err(ESTALE, "%s@%s: was deleted just now", point->chain,
				point->label.snap_name);
	return 0;
}

void drop_device(const char *name)
{
	char text[1024];

	redo_copy(text, redo_last_error(), sizeof(text));
	redo_dm_remove(name);
	redo_err(EIO, "%s", text);
}

int still_line(const struct redo_set *set, const struct redo_chain *c, const struct redo_node *top)
{
	for (const struct redo_node *n = top; n; n = n->parent)
		if (redo_merge_begun(n))
			return refuse_merging(set, c, "its snapshots cannot be shown before the end");
	return 0;
}

/* The lowest delta of a chain's present state, or any other of its tree. */
static struct redo_node *lowest(const struct redo_set *set, const struct redo_chain *c)
{
	struct redo_node *n = c->present;

	while (n && n->parent)
		n = n->parent;
	for (u32 i = 0; !n && i < set->nr_nodes; i++)
		if (redo_uuid_eq(set->node[i].sb.tree_uuid, c->tree_uuid) &&
		    !set->node[i].sb.depth)
			n = &set->node[i];
	return n;
}

/*
 * A chain or a view of the same tree that is active has the base; after a swap it
 * is hidden below.
 */
static bool base_of_relative(const struct redo_set *set, const struct redo_chain *c, u64 *rdev)
{
	for (u32 i = 0; i < set->nr_views; i++) {
		const struct redo_node *top = redo_find_rdev(set, set->view[i].top);

		if (top && redo_uuid_eq(top->sb.tree_uuid, c->tree_uuid)) {
			*rdev = set->view[i].base;
			return true;
		}
	}
	for (u32 i = 0; i < set->nr_chains; i++) {
		const struct redo_chain *o = &set->chain[i];
		struct redo_table t;

		if (o->dm_name[0] && !redo_uuid_nil(c->tree_uuid) &&
		    redo_uuid_eq(o->tree_uuid, c->tree_uuid) &&
		    !redo_dm_redo_table(o->dm_name, &t)) {
			*rdev = t.base;
			return true;
		}
	}
	return false;
}

int base_of(const struct redo_set *set, const struct redo_chain *c, u64 *rdev)
{
	struct redo_node *first = lowest(set, c);
	char path[REDO_TEXT_MAX];
	struct redo_reg_entry e;
	struct redo_table t;
	int r = 0;

	if (c->dm_name[0] && !redo_dm_redo_table(c->dm_name, &t)) {
		*rdev = t.base;
		return 0;
	}
	if (base_of_relative(set, c, rdev))
		return first && !redo_dev_path(*rdev, path, sizeof(path)) ?
		       redo_check_base(first, path, opts.force) : 0;
	memset(&e, 0, sizeof(e));
	redo_reg_find(c->name, &e);
	if (opts.base)
		redo_copy(path, opts.base, sizeof(path));
	else if (first)
		r = redo_find_base(set, first, e.base, opts.dir, opts.force, path,
				   sizeof(path));
	else
		redo_copy(path, e.base, sizeof(path));
	if (!r && opts.base && first)
		r = redo_check_base(first, path, opts.force);
	if (r)
		return r;
	return base_device(c, path, rdev);
}

/* Features -------------------------------------------------------------------------- */

/* What --feature says on top of what is in @list. */
int asked_features(char *list)
{
	int r = 0;

	for (int i = 0; !r && i < opts.nr_feature; i++)
		r = redo_features_set(list, opts.feature[i]);
	return r;
}

/* Asked to skip the base's fingerprint, or over what is active without it. */
static bool forced(const struct redo_chain *c)
{
	struct redo_table live;

	return opts.force || (c->dm_name[0] && !redo_dm_redo_table(c->dm_name, &live) &&
			      redo_features_force(live.features));
}

void set_features(const struct redo_chain *c, const char *list, struct redo_table *t)
{
	redo_features_to_table(list, forced(c), t->features, sizeof(t->features));
}

/* Devices -------------------------------------------------------------------------- */

static int create_device(const char *name, const char *uuid, const struct redo_table *t,
			 bool readonly)
{
	char *params = redo_table_format(t);
	struct redo_dm_info info;
	int r;

	if (!params)
		return -ENOMEM;
	r = redo_dm_info(name, &info);
	if (!r && info.exists)
		r = redo_err(EEXIST, "%s: a device-mapper device of this name is there already",
			     name);
	if (!r && !redo_step("create device %s: 0 %llu %s %s%s", name,
			     (unsigned long long)t->sectors, REDO_TARGET_NAME, params,
			     readonly ? " (read-only)" : ""))
		r = redo_dm_create(name, uuid, t->sectors, REDO_TARGET_NAME, params,
				   readonly ? REDO_DM_READONLY : 0);
	free(params);
	return r;
}

int create_chain(const char *name, const struct redo_table *t, bool readonly)
{
	char uuid[REDO_NAME_SIZE + 8];

	snprintf(uuid, sizeof(uuid), "REDO-%s", name);
	return create_device(name, uuid, t, readonly);
}

int create_private(const char *chain, const struct redo_table *t, char *name)
{
	char uuid[REDO_NAME_SIZE + 16];

	if (snprintf(name, REDO_NAME_SIZE, "%s-redo-merge", chain) >= REDO_NAME_SIZE)
		return redo_err(ENAMETOOLONG, "%s: activate it first: its name is too long for a device beside it",
				chain);
	snprintf(uuid, sizeof(uuid), REDO_PRIVATE_UUID "%s", chain);
	return create_device(name, uuid, t, false);
}

static void hidden_name(const char *name, char *hidden, size_t size)
{
	snprintf(hidden, size, "%s-redo-base", name);
}

static int load_on_hidden(const char *name, const char *hidden, u64 sectors, const char *features)
{
	struct redo_dm_info info;
	struct redo_table t = { .sectors = sectors };
	struct redo_switch s = { .name = name, .sectors = sectors };
	struct redo_window w;
	int r = redo_dm_info(hidden, &info);

	if (r)
		return r;
	t.base = makedev(info.major, info.minor);
	redo_copy(t.features, features, sizeof(t.features));
	s.params = redo_table_format(&t);
	r = s.params ? redo_switch_tables(&s, 1, 0, &w) : -ENOMEM;
	free(s.params);
	return r;
}

/* Put the target between a dm device and its own table, in use or not. */
int swap_in(const char *name, u64 sectors, const char *features)
{
	char hidden[REDO_NAME_SIZE + 16], uuid[REDO_NAME_SIZE + 16], text[1024];
	int r;

	hidden_name(name, hidden, sizeof(hidden));
	snprintf(uuid, sizeof(uuid), "REDO-BASE-%s", name);
	if (redo_step("move the table of %s to %s and put the target on top", name, hidden))
		return 0;
	r = redo_dm_create_like(hidden, uuid, name);
	if (r)
		return r;
	r = load_on_hidden(name, hidden, sectors, features);
	if (r) {
		redo_copy(text, redo_last_error(), sizeof(text));
		redo_dm_remove(hidden);
		redo_err(-r, "%s", text);
	}
	return r;
}

int swap_out(const char *name)
{
	char hidden[REDO_NAME_SIZE + 16];
	int r;

	hidden_name(name, hidden, sizeof(hidden));
	if (redo_step("give %s its own table back and remove %s", name, hidden))
		return 0;
	r = redo_dm_reload_like(name, hidden);
	if (!r)
		r = redo_dm_suspend(name, 0);
	if (r) {
		redo_dm_clear(name);
		return r;
	}
	r = redo_dm_resume(name, 0);
	return r ? r : redo_dm_remove(hidden);
}

int register_chain(const char *name, const char *base, u64 sectors, bool swapped,
		   const char *features)
{
	struct redo_reg_entry e = { .sectors = sectors, .swapped = swapped };

	if (redo_step("remember chain %s and its base %s in %s", name, base, redo_reg_path()))
		return 0;
	redo_copy(e.name, name, sizeof(e.name));
	redo_copy(e.base, base, sizeof(e.base));
	redo_copy(e.features, features, sizeof(e.features));
	redo_content_uuid(base, e.base_id, sizeof(e.base_id));
	return redo_reg_set(&e);
}

static int keep_entry(const struct redo_reg_entry *e)
{
	if (redo_step("remember features of chain %s in %s: %s", e->name, redo_reg_path(),
		      e->features[0] ? e->features : "none"))
		return 0;
	return redo_reg_set(e);
}

int new_entry(const struct redo_chain *c, u64 base, struct redo_reg_entry *e)
{
	*e = (struct redo_reg_entry){ .sectors = c->virtual_sectors, .deltas = c->present };
	redo_copy(e->name, c->name, sizeof(e->name));
	return redo_dev_path(base, e->base, sizeof(e->base));
}

/*
 * For every later activation. A chain that no label names is left out: under the
 * name of its device alone it would not be found again.
 */
int keep_features(const struct redo_chain *c, u64 base, const char *list)
{
	bool labelled = c->present && c->present->namer &&
			c->present->namer->label.chain_name[0];
	struct redo_reg_entry e;
	int r = redo_reg_find(c->name, &e);

	if (!r && !strcmp(e.features, list))
		return 0;
	if (r == -ENOENT && (!*list || !labelled))
		return 0;
	if (r == -ENOENT)
		r = new_entry(c, base, &e);
	if (r)
		return r;
	redo_copy(e.features, list, sizeof(e.features));
	return keep_entry(&e);
}

/* From its first delta on a chain must not come up as its base alone. */
void remember_deltas(const char *name)
{
	struct redo_reg_entry e;

	if (redo_dry_run || redo_reg_find(name, &e) || (e.deltas && !e.merged[0]))
		return;
	e.deltas = true;
	e.merged[0] = '\0';
	if (redo_reg_set(&e))
		fprintf(stderr, "redosetup: warning: %s\n", redo_last_error());
}

/*
 * All that a chain has may go into its base. It is then known by the register alone,
 * and its base alone is its content, also if nobody of us sees the end of it.
 */
int expect_bare(const struct redo_chain *c, u64 base)
{
	u8 tracker[REDO_UUID_SIZE];
	bool labelled = c->present && c->present->namer &&
			c->present->namer->label.chain_name[0];
	struct redo_reg_entry e;
	int r = redo_reg_find(c->name, &e);

	if (r == -ENOENT && !labelled)
		return 0;	/* a chain of dmsetup's: its device is all the name it has */
	if (r == -ENOENT)
		r = new_entry(c, base, &e);
	if (r || redo_step("remember in %s that chain %s may become its base alone",
			   redo_reg_path(), c->name))
		return r;
	redo_uuid_str(c->present ? c->present->sb.uuid : c->tree_uuid, e.merged);
	/* Nor has the base a place where it could say who tracks it. */
	if (redo_chain_tracker(c, tracker))
		redo_uuid_str(tracker, e.tracker);
	return redo_reg_set(&e);
}

/* It has no delta any more. */
int now_bare(const char *name)
{
	struct redo_reg_entry e;
	int r = redo_reg_find(name, &e);

	if (r || (!e.deltas && !e.merged[0]))
		return r == -ENOENT ? 0 : r;
	e.deltas = false;
	e.merged[0] = '\0';
	return redo_reg_set(&e);
}
