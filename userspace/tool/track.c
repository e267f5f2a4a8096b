// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Change tracking of chains: which store a chain's table names, and what becomes of it when
 * the store is not there. The disk comes up in any case, and never silently untracked.
 */
#include <stdarg.h>
#include <sys/sysmacros.h>
#include "tool.h"

__attribute__((format(printf, 2, 3)))
static void warn(const struct redo_chain *c, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fflush(stdout);
	fprintf(stderr, "redosetup: warning: %s: %s\n", c->name, text);
}

static void warn_ended(const struct redo_chain *c, const char *why)
{
	warn(c, "CHANGES %s NOT %sTRACKED ANY MORE: %s. Change ids given out so far %s void: take a full backup; 'redosetup cbt enable %s' begins anew",
	     redo_dry_run ? "WOULD" : "ARE", redo_dry_run ? "BE " : "", why,
	     redo_dry_run ? "would be" : "are", c->name);
}

/* Register --------------------------------------------------------------------------- */

/* What it says where tracking has ended by itself: no UUID, and not nothing. */
#define ENDED	"ended"

int remember_tracker(const struct redo_chain *c, u64 base, const char *uuid, const char *path,
		     const char *made)
{
	bool labelled = c->present && c->present->namer &&
			c->present->namer->label.chain_name[0];
	struct redo_reg_entry e;
	int r = redo_reg_find(c->name, &e);

	/* The deltas know who tracks them; only what they do not know needs an entry. */
	if (r == -ENOENT && (!labelled || !made || !*made))
		return 0;
	if (r == -ENOENT)
		r = new_entry(c, base, &e);
	if (r)
		return r;
	if (!strcmp(e.tracker, uuid) && !strcmp(e.store, path) &&
	    (!made || !strcmp(e.store_made, made)))
		return 0;
	redo_copy(e.tracker, uuid, sizeof(e.tracker));
	redo_copy(e.store, path, sizeof(e.store));
	if (made)
		redo_copy(e.store_made, made, sizeof(e.store_made));
	if (redo_step("remember in %s what tracks chain %s: %s", redo_reg_path(), c->name,
		      *path ? path : "nothing"))
		return 0;
	return redo_reg_set(&e);
}

/*
 * A chain without deltas has no other memory than the register: what is written from now on
 * goes unnoticed, so its store must never be taken again.
 */
static int remember_end(const struct redo_chain *c)
{
	struct redo_reg_entry e;
	int r;

	if (redo_dry_run)
		return 0;
	r = redo_reg_find(c->name, &e);
	if (r)
		return r == -ENOENT ? 0 : r;
	redo_copy(e.tracker, ENDED, sizeof(e.tracker));
	return redo_reg_set(&e);
}

int keep_tracker(const struct redo_set *set, const struct redo_chain *c)
{
	const struct redo_tracker_node *n = redo_find_tracker_dev(set, c->live_store);
	char uuid[REDO_UUID_STR_SIZE];
	struct redo_status s;

	if (!c->live_store)
		return 0;
	/* A store that could not be written may not know that it is broken. */
	if (!c->live_deltas && !redo_chain_status(c->dm_name, &s) &&
	    s.tracking.state == REDO_TRACKING_BROKEN)
		return remember_end(c);
	if (!n)
		return 0;
	redo_uuid_str(n->sb.uuid, uuid);
	return remember_tracker(c, 0, uuid, n->path,
				strcmp(uuid, c->reg_tracker) ? "" : NULL);
}

bool tracking_ended(const struct redo_chain *c)
{
	u8 uuid[REDO_UUID_SIZE];

	return c->reg_tracker[0] && !redo_chain_tracker(c, uuid);
}

/* The store -------------------------------------------------------------------------- */

/* A file gets a loop device. */
static int store_device(const struct redo_tracker_node *n, u64 *rdev)
{
	char dev[REDO_TEXT_MAX];
	int r;

	*rdev = n->rdev;
	if (*rdev)
		return 0;
	r = attach_file(n->path, dev, sizeof(dev));
	*rdev = r ? 0 : redo_path_rdev(dev);
	return r;
}

/*
 * With --device only those of the deltas may have been named: what tracking would end for is
 * looked for everywhere.
 */
static bool find_elsewhere(const u8 *tracker, struct redo_tracker_node *found)
{
	struct redo_scan_options so = { .dirs = opts.nr_dir ? opts.dir : NULL };
	const struct redo_tracker_node *n;
	struct redo_set all;
	u32 nr;

	if (!opts.nr_device || redo_scan(&so, &all))
		return false;
	n = redo_find_tracker(&all, tracker, &nr);
	if (n)
		*found = *n;
	redo_set_free(&all);
	return n;
}

/* What the table says: the store, or that there is no more tracking and @why. */
static enum redo_track find_store(const struct redo_set *set, const struct redo_chain *c,
				  u64 *rdev, char *why, size_t size)
{
	struct redo_tracker_node elsewhere;
	const struct redo_tracker_node *n;
	char uuid[REDO_UUID_STR_SIZE];
	u8 tracker[REDO_UUID_SIZE];
	u32 nr;

	if (!redo_chain_tracker(c, tracker))
		return REDO_TRACK_NOT;
	redo_uuid_str(tracker, uuid);
	n = redo_find_tracker(set, tracker, &nr);
	if (!n && find_elsewhere(tracker, &elsewhere))
		n = &elsewhere;
	if (!n) {
		snprintf(why, size, "its tracking store %s%s%s is not on any device looked at, or damaged",
			 uuid, c->reg_store[0] ? ", last seen at " : "", c->reg_store);
		return REDO_TRACK_NO_MORE;
	}
	if (nr > 1)
		warn(c, "%u devices carry its tracking store %s; %s is taken, since none is newer",
		     nr, uuid, n->path);
	if (store_device(n, rdev)) {
		snprintf(why, size, "%s", redo_last_error());
		return REDO_TRACK_NO_MORE;
	}
	return REDO_TRACK;
}

static int end_tracking(const struct redo_chain *c, struct redo_table *t, const char *why)
{
	int r = 0;

	warn_ended(c, why);
	if (t->nr_deltas)
		return redo_features_track(t->features, sizeof(t->features), REDO_TRACK_NO_MORE, 0);
	r = redo_features_track(t->features, sizeof(t->features), REDO_TRACK_NOT, 0);
	return r ? r : remember_end(c);
}

/* Does the kernel take part in it? */
static void tell_broken(const struct redo_chain *c, const char *dm_name)
{
	struct redo_status s;

	if (redo_dry_run || redo_chain_status(dm_name, &s) ||
	    s.tracking.state != REDO_TRACKING_BROKEN)
		return;
	warn_ended(c, "its tracking store says so, or does not fit (the kernel log says why)");
}

int bring_up_tracked(const struct redo_set *set, const struct redo_chain *c, struct redo_table *t,
		     const char *dm_name, bring_up_fn fn, void *ctx)
{
	char why[1536];
	u64 rdev = 0;
	enum redo_track track = find_store(set, c, &rdev, why, sizeof(why));
	int r;

	if (track == REDO_TRACK_NO_MORE)
		r = end_tracking(c, t, why);
	else
		r = redo_features_track(t->features, sizeof(t->features), track, rdev);
	if (!r)
		r = fn(ctx, t);
	if (r && track == REDO_TRACK) {
		/* Is it for the store? Then the disk comes up without. */
		char text[1536];

		redo_copy(text, redo_last_error(), sizeof(text));
		if (redo_features_track(t->features, sizeof(t->features),
					t->nr_deltas ? REDO_TRACK_NO_MORE : REDO_TRACK_NOT, 0) ||
		    fn(ctx, t))
			return redo_err(-r, "%s", text);
		warn_ended(c, text);
		return t->nr_deltas ? 0 : remember_end(c);
	}
	if (!r && track == REDO_TRACK)
		tell_broken(c, dm_name);
	if (!r && track == REDO_TRACK_NOT && tracking_ended(c))
		warn_ended(c, "that has ended before");
	return r;
}

/* Making a store ------------------------------------------------------------------------ */

int block_size_option(u32 *sectors)
{
	u64 bytes = (u64)REDO_CBT_BLOCK_SECTORS_DEFAULT << 9;

	if (opts.block_size && parse_size(opts.block_size, 'k', &bytes))
		return redo_err(EINVAL, "--block-size %s: not a size", opts.block_size);
	if (bytes & (bytes - 1) || bytes < (u64)REDO_CBT_BLOCK_SECTORS_MIN << 9 ||
	    bytes > (u64)REDO_CBT_BLOCK_SECTORS_MAX << 9)
		return redo_err(EINVAL, "--block-size %s: must be a power of two from 4k to 1m",
				opts.block_size);
	*sectors = (u32)(bytes >> 9);
	return 0;
}

int format_tracker(const char *path, u32 block_sectors, u64 virtual_sectors,
		   struct redo_tracker_node *n)
{
	struct redo_file f;
	int r;

	memset(n, 0, sizeof(*n));
	redo_copy(n->path, path, sizeof(n->path));
	n->rdev = redo_path_rdev(path);
	if (redo_step("format %s as a tracking store, blocks of %u KiB", path, block_sectors / 2))
		return 0;
	r = redo_file_open(&f, path, REDO_OPEN_WRITE | REDO_OPEN_EXCL);
	if (r)
		return r;
	r = redo_cbt_format_file(&f, block_sectors, virtual_sectors, &n->sb);
	redo_file_close(&f);
	return r;
}

int prepare_tracker(const char *device, const char *dm_name, const struct redo_table *t,
		    struct redo_tracker_node *n)
{
	u32 block_sectors;
	int r = block_size_option(&block_sectors);

	if (r)
		return r;
	r = need_block_device(device);
	if (!r)
		r = refuse_own(device, dm_name, t);
	if (!r)
		r = refuse_signature(device);
	return r ? r : format_tracker(device, block_sectors, t->sectors, n);
}

int tracking_began(const char *dm_name, const struct redo_tracker_node *n, char *id)
{
	char uuid[REDO_UUID_STR_SIZE], now[REDO_UUID_STR_SIZE];
	struct redo_status s;
	u64 number;
	int r;

	*id = '\0';
	if (redo_dry_run)
		return 0;
	r = redo_chain_status(dm_name, &s);
	if (r)
		return r;
	redo_uuid_str(n->sb.uuid, uuid);
	if ((s.tracking.state != REDO_TRACKING_OK &&
	     s.tracking.state != REDO_TRACKING_REBUILDING) ||
	    redo_change_id_parse(s.tracking.change_id, now, &number) || strcmp(now, uuid))
		return redo_err(EIO, "%s: tracking has not begun; the kernel log says why", dm_name);
	redo_copy(id, s.tracking.change_id, REDO_CHANGE_ID_SIZE);
	return 0;
}

void drop_tracker(const struct redo_tracker_node *n)
{
	char text[1024];

	if (redo_dry_run || redo_uuid_nil(n->sb.uuid))
		return;
	redo_copy(text, redo_last_error(), sizeof(text));
	redo_cbt_wipe(n->path);
	redo_err(EIO, "%s", text);
}
