// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup backup: a snapshot point as a stream, whole or what has changed since another. */
#include <time.h>
#include <unistd.h>
#include "../lib/redo-backup.h"
#include "tool.h"

struct backup {
	struct redo_set set;
	struct redo_chain *c;
	struct redo_node *point;
	struct redo_backup_info info;
	struct point_view view;
	struct byte_range *range;	/* what is read */
	u64 nr, cap, bytes;
	struct outfile out;
	struct redo_backup_writer *w;
	struct progress progress;
	u64 done;			/* bytes read */
};

/* Which point, since which ------------------------------------------------------------- */

static int since_point(struct backup *b, const char *text)
{
	char chain[REDO_NAME_SIZE], snap[REDO_NAME_SIZE];
	struct redo_chain *c;
	int r = split_point(text, chain, snap);

	if (r)
		return r;
	c = need_chain(&b->set, chain);
	if (!c)
		return -ENOENT;
	r = point_id(&b->set, c, snap, b->info.since);
	if (!r)
		redo_copy(b->info.since_snapshot, snap, sizeof(b->info.since_snapshot));
	return r;
}

static int find_since(struct backup *b, const char *since)
{
	char uuid[2][REDO_UUID_STR_SIZE];
	uint64_t from, to;
	int r = 0;

	if (!since)
		return 0;
	if (!b->info.id[0])
		return redo_err(ENODATA, "%s@%s: has no change id: changes were not tracked when it was made; take a full backup, without --since",
				b->info.chain, b->info.snapshot);
	if (!redo_change_id_parse(since, uuid[0], &from))
		redo_copy(b->info.since, since, sizeof(b->info.since));
	else if (strchr(since, '@'))
		r = since_point(b, since);
	else
		return redo_err(EINVAL, "--since %s: neither a change id nor <chain>@<snapshot>", since);
	if (r)
		return r;
	redo_change_id_parse(b->info.since, uuid[0], &from);
	redo_change_id_parse(b->info.id, uuid[1], &to);
	if (strcmp(uuid[0], uuid[1]))
		return redo_err(EXDEV, "%s@%s: --since %s is of another tracker, or tracking was begun anew between; take a full backup",
				b->info.chain, b->info.snapshot, since);
	b->info.incremental = true;
	return 0;
}

static int look(struct backup *b, const char *chain, const char *snap)
{
	int r;

	b->c = need_chain(&b->set, chain);
	if (!b->c)
		return -ENOENT;
	b->point = redo_find_point(&b->set, b->c, snap);
	if (!b->point)
		return -ENOENT;
	b->info.disk_bytes = b->point->sb.virtual_sectors << 9;
	b->info.time = (u64)time(NULL);
	redo_copy(b->info.chain, b->c->name, sizeof(b->info.chain));
	redo_copy(b->info.snapshot, snap, sizeof(b->info.snapshot));
	gethostname(b->info.host, sizeof(b->info.host) - 1);
	r = redo_set_point_id(&b->set, b->c, snap, b->info.id);
	if (r && r != -ENODATA)
		return r;
	return find_since(b, opts.since);
}

/* What is read ---------------------------------------------------------------------- */

static int add_range(void *ctx, u64 start, u64 sectors)
{
	u64 end = (start + sectors) << 9;
	struct backup *b = ctx;
	struct byte_range *last = b->nr ? &b->range[b->nr - 1] : NULL;

	start <<= 9;
	/* Where the chain has grown since, the point has nothing. */
	if (end > b->info.disk_bytes)
		end = b->info.disk_bytes;
	if (start >= end)
		return 0;
	b->bytes += end - start;
	if (last && last->end == start) {
		last->end = end;
		return 0;
	}
	if (b->nr == b->cap) {
		u64 cap = b->cap ? b->cap * 2 : 256;
		void *p = realloc(b->range, cap * sizeof(*b->range));

		if (!p)
			return redo_err(ENOMEM, "out of memory");
		b->range = p;
		b->cap = cap;
	}
	b->range[b->nr++] = (struct byte_range){ start, end };
	return 0;
}

static bool cancelled(void *ctx __unused)
{
	return interrupted();
}

static int changed_ranges(struct backup *b)
{
	struct redo_tracker_wait wait;
	struct redo_tracker_info ti;
	struct redo_tracker *t;
	int r = timeout_option(&wait);

	if (r)
		return r;
	if (!b->c->dm_name[0])
		return redo_err(ENXIO, "%s: not active, and only then can be asked what has changed; 'redosetup activate %s' first, or take a full backup, without --since",
				b->c->name, b->c->name);
	r = not_known(redo_tracker_open(b->c->dm_name, &t));
	if (r)
		return r;
	wait.cancelled = cancelled;
	redo_tracker_set_wait(t, &wait);
	r = redo_tracker_get_info(t, &ti);
	if (!r) {
		b->info.block_bytes = ti.block_bytes;
		r = redo_tracker_query(t, b->info.since, b->info.id, 0, 0, add_range, b);
	}
	redo_tracker_close(t);
	return r;
}

static int find_ranges(struct backup *b)
{
	int r = b->info.incremental ? changed_ranges(b) :
		redo_chain_allocated(b->view.name, 0, b->view.sectors, add_range, b);

	return !r && interrupted() ? redo_err(EINTR, "interrupted") : r;
}

/* The stream --------------------------------------------------------------------------- */

/* In a full one, what no range has is zeroes. */
static int skip_to(struct backup *b, u64 *at, u64 offset)
{
	int r = 0;

	if (!b->info.incremental && offset > *at)
		r = redo_backup_zero(b->w, *at, offset - *at);
	*at = offset;
	return r;
}

static int copy(struct backup *b, struct read_ahead *ra)
{
	const void *buf;
	u64 at = 0, offset;
	size_t len;
	int r;

	for (;;) {
		r = read_ahead_next(ra, &buf, &offset, &len);
		if (r)
			return redo_err(-r, "%s@%s: read error near byte %llu: %s", b->info.chain,
					b->info.snapshot, (unsigned long long)offset, strerror(-r));
		if (!len)
			break;
		if (interrupted())
			return redo_err(EINTR, "interrupted");
		r = skip_to(b, &at, offset);
		if (!r)
			r = redo_backup_data(b->w, offset, buf, len);
		if (r)
			return r;
		read_ahead_done(ra);
		at += len;
		b->done += len;
		progress_show(&b->progress, b->done, b->bytes);
	}
	return skip_to(b, &at, b->info.disk_bytes);
}

static int write_stream(struct backup *b, struct redo_backup_totals *totals)
{
	struct read_ahead *ra;
	char what[2 * REDO_NAME_SIZE + 16];
	int r = redo_backup_begin(&b->info, outfile_write, &b->out, &b->w);

	if (r)
		return r;
	ra = read_ahead_start(b->view.fd, b->range, b->nr);
	if (!ra)
		return -ENOMEM;
	snprintf(what, sizeof(what), "backing up %s@%s", b->info.chain, b->info.snapshot);
	progress_start(&b->progress, what);
	b->progress.each = 1;
	r = copy(b, ra);
	read_ahead_stop(ra);
	if (!r)
		r = redo_backup_end(b->w, totals);
	progress_end(&b->progress, !r);
	return r;
}

static void tell(const struct backup *b, const struct redo_backup_totals *t)
{
	char read[32], data[32];

	format_size(b->bytes, 'h', read, sizeof(read));
	format_size(t->data_bytes, 'h', data, sizeof(data));
	/* The last word is for scripts. */
	say("%s@%s: %s backup, %s read, %s of it data, %schange id %s", b->info.chain,
	    b->info.snapshot, b->info.incremental ? "incremental" : "full", read, data,
	    b->info.id[0] ? "" : "not tracked, ", b->info.id[0] ? b->info.id : "none");
}

static int backup(struct backup *b)
{
	struct redo_backup_totals totals;
	int r = point_view_open(&b->set, b->c, b->point, &b->view);

	if (r || opts.dry_run)
		return r;
	r = find_ranges(b);
	if (!r)
		r = write_stream(b, &totals);
	/* First: what follows may wait for a disk. */
	point_view_close(&b->view);
	if (!r)
		r = outfile_keep(&b->out);
	if (!r)
		tell(b, &totals);
	return r;
}

int cmd_backup(const struct command *c __unused, int argc __unused, char **argv)
{
	char chain[REDO_NAME_SIZE], snap[REDO_NAME_SIZE];
	struct backup b = { 0 };
	int r;

	if (!strchr(argv[0], '@'))
		return redo_err(EINVAL, "%s: a backup is of a snapshot, <chain>@<snapshot>; 'redosetup snapshot %s@<name>' makes one",
				argv[0], argv[0]);
	r = split_point(argv[0], chain, snap);
	if (r)
		return r;
	if (!redo_dm_present())
		return -ENODEV;
	catch_signals();
	r = outfile_open(opts.output, &b.out);
	if (!r) {
		r = scan(&b.set);
		if (!r) {
			r = look(&b, chain, snap);
			if (!r)
				r = backup(&b);
			redo_set_free(&b.set);
		}
	}
	outfile_drop(&b.out);
	redo_backup_writer_free(b.w);
	free(b.range);
	return r;
}
