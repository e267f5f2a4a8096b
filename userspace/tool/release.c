// SPDX-License-Identifier: GPL-2.0-or-later
/* What becomes of the device of a delta that is out of its chain. */
#include "tool.h"

const char *store_basename(const struct redo_store *s)
{
	const char *name = s->lv[0] ? s->lv : s->file, *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

/*
 * Was this device made by us for this delta? Its label says so: any name that we would give a
 * device, somebody else may have given his.
 */
static bool made_by_tool(const struct redo_node *n, const struct redo_store *s)
{
	return n->label.store[0] && !strcmp(n->label.store, store_basename(s));
}

int retire(const struct redo_node *n, bool gone)
{
	struct redo_super sb;
	struct redo_file f;
	int r;

	if (redo_step("mark %s as retired", n->path))
		return 0;
	r = redo_file_open(&f, n->path, REDO_OPEN_WRITE | REDO_OPEN_EXCL);
	if (r)
		return r;
	r = redo_read_super(&f.io, n->path, &sb);
	if (!r && !redo_uuid_eq(sb.uuid, n->sb.uuid))
		r = redo_err(ESTALE, "%s: holds another delta than a moment ago", n->path);
	if (!r && (sb.state != REDO_STATE_RETIRED ||
		   (gone && sb.merge_state != REDO_MERGE_GONE))) {
		sb.state = REDO_STATE_RETIRED;
		if (gone)
			redo_super_set_merge(&sb, REDO_MERGE_GONE, NULL);
		r = redo_write_super(&f, &sb);
	}
	redo_file_close(&f);
	return r;
}

static void on_wipe(void *ctx, u64 done, u64 total)
{
	progress_show(ctx, done, total);
}

/* As asked for by --wipe: the data, then the header. */
static int wipe(const struct redo_node *n)
{
	char what[REDO_TEXT_MAX + 16];
	enum redo_wipe kind;
	struct progress p;
	int r = redo_wipe_parse(opts.wipe, &kind);

	if (r || redo_step("wipe %s (%s), %llu MiB, then its header", n->path, opts.wipe,
			   (unsigned long long)n->device_bytes >> 20))
		return r;
	snprintf(what, sizeof(what), "wiping %s", n->path);
	progress_start(&p, what);
	p.each = 1;
	r = redo_wipe_data(n->path, kind, on_wipe, &p);
	progress_end(&p, !r);
	return r ? r : redo_wipe_header(n->path);
}

int check_wipe(const struct redo_node *n)
{
	enum redo_wipe kind;

	if (!opts.wipe || redo_wipe_parse(opts.wipe, &kind))
		return 0;
	return redo_wipe_possible(n->path, kind);
}

/* Is there still what we believe to be out of the chain? 0, -ENODATA: blank already */
static int still_retired(const struct redo_node *n)
{
	struct redo_node now;
	int r = redo_probe_node(n->path, &now);

	if (r)
		return r;
	if (!redo_uuid_eq(now.sb.uuid, n->sb.uuid) ||
	    (now.sb.state != REDO_STATE_RETIRED && now.sb.state != REDO_STATE_NEW))
		return redo_err(EBUSY, "%s: is %s, not retired; it is left alone", n->path,
				redo_state_str(now.sb.state));
	return 0;
}

int release_device(const struct redo_node *n, bool blank)
{
	bool ours, removed = false;
	struct redo_store store;
	int r = redo_dry_run ? 0 : still_retired(n);

	if (r == -ENODATA || r == -ENOENT || r == -ENXIO)
		return 0;	/* somebody has done it */
	if (!r)
		r = redo_store_of(n->path, &store);
	if (!r && opts.wipe)
		r = wipe(n);
	if (r)
		return r;
	ours = made_by_tool(n, &store);
	if (ours && (opts.remove_delta || opts.yes)) {
		r = redo_store_remove(&store);
		removed = true;
	} else if (blank && !opts.wipe && !redo_step("wipe the header of %s", n->path)) {
		r = redo_wipe_header(n->path);
	}
	if (r || redo_dry_run)
		return r;
	if (removed)
		verbose("%s: removed", n->path);
	else if (opts.remove_delta)
		return redo_err(EINVAL, "%s: out of the chain, but not made by redosetup and so not removed; it is free now",
				n->path);
	else
		say("%s: out of the chain; the device is free now", n->path);
	return 0;
}
