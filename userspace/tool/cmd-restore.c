// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * redosetup restore: a disk out of a full backup and its increments.
 *
 * What comes out of files is read twice: first all of it is checked, then each byte of the
 * disk is written once, from the last backup that has it. What comes out of pipes can be
 * read only once: the headers are checked before the first write, the rest as it comes.
 */
#include <limits.h>
#include <sys/stat.h>
#include "restore.h"

struct restore {
	char **name;			/* of the files */
	int nr_names;
	struct target target;
	struct stream *plan;		/* the streams, in their order */
	int nr, cap;
	bool files;			/* all of them can be read again */
	struct progress progress;
	u64 total, done;
	u64 at;				/* bytes of the disk that are as they will be */
	char whole[REDO_TEXT_MAX];	/* what the target holds, after pipes; "": nothing yet */
};

/* The order ----------------------------------------------------------------------------- */

static const char *point_of(const struct redo_backup_info *i, char *text, size_t size)
{
	snprintf(text, size, "%s@%s", i->chain[0] ? i->chain : "?",
		 i->snapshot[0] ? i->snapshot : "?");
	return text;
}

static int name_it(const char *name, int r)
{
	char text[2048];

	redo_copy(text, redo_last_error(), sizeof(text));
	return redo_err(-r, "%s: %s", name, text);
}

/* Stream @s of @k comes after @last (NULL: it is the first): may it? */
static int check_order(const struct restore *k, struct stream *s, const struct redo_backup_info *last)
{
	const struct target *t = &k->target;
	int r = 0;

	s->before = last ? last->disk_bytes : s->info.disk_bytes;
	if (!last && opts.since && !t->block)
		s->before = t->bytes;
	if (last || opts.since)
		r = redo_backup_follows(last ? last->id : opts.since, &s->info);
	else if (s->info.incremental)
		return redo_err(EINVAL, "%s: is an increment since %s; a full backup has to come before it (or --since says that the target holds that)",
				s->name, s->info.since);
	if (r)
		return name_it(s->name, r);
	if (t->block && t->bytes < s->info.disk_bytes)
		return redo_err(ENOSPC, "%s: is too small: it has %llu bytes, and the disk in %s %llu",
				t->name, (unsigned long long)t->bytes, s->name,
				(unsigned long long)s->info.disk_bytes);
	return 0;
}

static int add_stream(struct restore *k, const struct stream *s)
{
	if (k->nr == k->cap) {
		int cap = k->cap ? 2 * k->cap : 16;
		void *p = realloc(k->plan, cap * sizeof(*k->plan));

		if (!p)
			return redo_err(ENOMEM, "out of memory");
		k->plan = p;
		k->cap = cap;
	}
	k->plan[k->nr++] = *s;
	return 0;
}

static const struct redo_backup_info *last_of(const struct restore *k)
{
	return k->nr ? &k->plan[k->nr - 1].info : NULL;
}

/* Checking files whole --------------------------------------------------------------------- */

static int check_stream(struct restore *k, struct stream *s, u64 before)
{
	int r;

	do {
		r = stream_next(s);
		if (r == 1)
			progress_show(&k->progress, before + (u64)ftello(s->file), k->total);
	} while (r == 1);
	return r;
}

/* All streams of one file go into the plan, none open. */
static int check_file(struct restore *k, const char *name)
{
	struct stream s, entry;
	u64 start = 0;
	int r = stream_open(&s, name, 0);

	while (!r) {
		r = check_order(k, &s, last_of(k));
		if (!r)
			r = check_stream(k, &s, k->done);
		if (r)
			break;
		entry = (struct stream){ .name = name, .start = start, .info = s.info,
					 .before = s.before };
		r = add_stream(k, &entry);
		start = (u64)ftello(s.file);
		if (!r)
			r = stream_again(&s);
		if (r == -ENODATA) {
			r = 0;
			break;
		}
	}
	k->done += start;
	stream_close(&s);
	return r;
}

static int check_files(struct restore *k)
{
	int r = 0;

	progress_start(&k->progress, "checking the backup");
	k->progress.each = 1;
	k->done = 0;
	for (int i = 0; !r && i < k->nr_names; i++)
		r = check_file(k, k->name[i]);
	progress_end(&k->progress, !r);
	return r;
}

/* Nothing but headers, and they stay open. */
static int check_headers(struct restore *k)
{
	int r = 0;

	for (int i = 0; !r && i < k->nr_names; i++) {
		struct stream s;

		r = stream_open(&s, k->name[i], 0);
		if (!r)
			r = check_order(k, &s, last_of(k));
		if (!r)
			r = add_stream(k, &s);
		if (r)
			stream_close(&s);
	}
	return r;
}

/* The disk ----------------------------------------------------------------------------------- */

typedef int (*put_fn)(struct target *t, u64 offset, const void *data, u64 bytes);

/* Let the stream's extent be the one that ends after @at. */
static int catch_up(struct stream *s, u64 at)
{
	int r = 1;

	while (r == 1 && s->reader && (!s->at.bytes || s->at.offset + s->at.bytes <= at))
		r = stream_next(s);
	return r < 0 ? r : 0;
}

static bool has(const struct stream *s, u64 at)
{
	return s->at.bytes && s->at.offset <= at && at < s->at.offset + s->at.bytes;
}

/*
 * What is at @at comes from the last stream that has it; returns that, NULL: none has, and
 * puts into @end how far this is so.
 */
static struct stream *find_source(struct stream *s, int nr, u64 at, u64 *end)
{
	for (int i = nr - 1; i >= 0; i--) {
		const struct redo_backup_extent *e = &s[i].at;

		if (has(&s[i], at)) {
			if (e->offset + e->bytes < *end)
				*end = e->offset + e->bytes;
			return &s[i];
		}
		if (e->bytes && e->offset > at && e->offset < *end)
			*end = e->offset;
	}
	return NULL;
}

static int put_from(struct target *t, const struct stream *s, u64 at, u64 end, put_fn put)
{
	const struct redo_backup_extent *e = &s->at;
	const u8 *data = e->data;

	return put(t, at, e->kind == REDO_BACKUP_DATA ? data + (at - e->offset) : NULL, end - at);
}

/* @nr streams over each other, up to the end of each. */
static int put_disk(struct restore *k, struct stream *s, int nr, put_fn put)
{
	const u64 size = s[nr - 1].info.disk_bytes;
	int r = 0;

	k->at = 0;
	while (!r && k->at < size) {
		const struct stream *from;
		u64 end = size;

		for (int i = 0; !r && i < nr; i++)
			r = catch_up(&s[i], k->at);
		if (r)
			break;
		from = find_source(s, nr, k->at, &end);
		if (from)
			r = put_from(&k->target, from, k->at, end, put);
		if (!r)
			k->at = end;
		progress_show(&k->progress, k->at, size);
	}
	/* What is left are trailers, and extents beyond the end of a disk that was larger. */
	for (int i = 0; !r && i < nr; i++)
		r = catch_up(&s[i], ULLONG_MAX);
	return r;
}

/* Errors ------------------------------------------------------------------------------------- */

/* Whoever reads it must know what is on the target. */
static int explain(struct restore *k, const struct redo_backup_info *i, int r)
{
	char text[2048], point[2 * REDO_NAME_SIZE];

	redo_copy(text, redo_last_error(), sizeof(text));
	if (!k->target.touched)
		return redo_err(-r, "%s; nothing was written to %s", text, k->target.name);
	return redo_err(-r, "%s; %s is NOT RESTORED: its first %llu bytes are of %s, the others are %s%s; begin again with the full backup",
			text, k->target.name, (unsigned long long)k->at,
			point_of(i, point, sizeof(point)), k->whole[0] ? "of " : "not", k->whole);
}

/* What came before it is whole. */
static int stopped_between(struct restore *k, int r)
{
	char text[2048];

	redo_copy(text, redo_last_error(), sizeof(text));
	return redo_err(-r, "%s; %s %s %s", text, k->target.name,
			opts.verify ? "is the same as" : "holds", k->whole);
}

static void tell(struct restore *k, const struct redo_backup_info *i)
{
	char point[2 * REDO_NAME_SIZE];

	say("%s: %s %s, change id %s", k->target.name, opts.verify ? "is the same as" : "holds",
	    point_of(i, point, sizeof(point)), i->id[0] ? i->id : "none");
}

/* Running ----------------------------------------------------------------------------------- */

static int check_size(const struct target *t, const struct redo_backup_info *i)
{
	if (t->block ? t->bytes >= i->disk_bytes : t->bytes == i->disk_bytes)
		return 0;
	return redo_err(EILSEQ, "%s: differs from the backup: it has %llu bytes, and that %llu",
			t->name, (unsigned long long)t->bytes, (unsigned long long)i->disk_bytes);
}

static int run(struct restore *k, struct stream *s, int nr)
{
	const struct redo_backup_info *i = &s[nr - 1].info;
	char what[2 * REDO_NAME_SIZE + 16], point[2 * REDO_NAME_SIZE];
	int r = 0;

	snprintf(what, sizeof(what), "%s %s", opts.verify ? "comparing with" : "restoring",
		 point_of(i, point, sizeof(point)));
	progress_start(&k->progress, what);
	k->progress.each = 1;
	k->at = 0;
	if (opts.verify)
		r = check_size(&k->target, i);
	else
		r = target_begin(&k->target, i->disk_bytes, !s[0].info.incremental);
	if (!r)
		r = put_disk(k, s, nr, opts.verify ? target_compare : target_write);
	if (!r && !opts.verify)
		r = target_sync(&k->target);
	progress_end(&k->progress, !r);
	return r;
}

static int run_files(struct restore *k)
{
	int r = 0;

	for (int i = 0; !r && i < k->nr; i++) {
		struct stream *s = &k->plan[i], again;

		/* The file may have been changed since it was checked. */
		r = stream_open(&again, s->name, s->start);
		if (!r && strcmp(again.info.uuid, s->info.uuid))
			r = redo_err(ESTALE, "%s: has changed while it was checked", s->name);
		again.before = s->before;
		*s = again;
	}
	if (!r)
		r = run(k, k->plan, k->nr);
	if (r)
		return opts.verify ? r : explain(k, last_of(k), r);
	tell(k, last_of(k));
	return 0;
}

/* One after the other; in one pipe there may be several. */
static int run_pipes(struct restore *k)
{
	struct redo_backup_info last;
	int r = 0;

	for (int i = 0; !r && i < k->nr; i++) {
		struct stream *s = &k->plan[i];

		for (;;) {
			r = run(k, s, 1);
			if (r)
				return opts.verify ? r : explain(k, &s->info, r);
			tell(k, &s->info);
			last = s->info;
			point_of(&last, k->whole, sizeof(k->whole));
			r = stream_again(s);
			if (r == -ENODATA)
				break;
			k->at = 0;
			if (!r && k->nr_names > 1)
				r = redo_err(EINVAL, "%s: holds several backups; give each a file of its own, or all in one",
					     s->name);
			if (!r && opts.verify)
				r = redo_err(EINVAL, "%s: holds several backups; they can be compared only in files",
					     s->name);
			if (!r)
				r = check_order(k, s, &last);
			if (r)
				return stopped_between(k, r);
		}
		r = 0;
	}
	return r;
}

static int look_at_files(struct restore *k)
{
	int r = 0;

	k->files = true;
	for (int i = 0; !r && i < k->nr_names; i++) {
		struct stat st;

		if (strcmp(k->name[i], "-") && stat(k->name[i], &st))
			r = redo_err(errno, "%s: cannot open: %s", k->name[i], strerror(errno));
		else if (!strcmp(k->name[i], "-") || !S_ISREG(st.st_mode))
			k->files = false;
		else
			k->total += (u64)st.st_size;
	}
	if (!r && opts.verify && !k->files && k->nr_names > 1)
		r = redo_err(EINVAL, "a backup and its increments can be compared only in files");
	return r;
}

/* Its deltas would lie on another content, and only some of that is ever noticed. */
static int refuse_base(const struct target *t)
{
	u64 rdev = redo_path_rdev(t->name);
	struct redo_set set;
	int r = 0;

	/* Where the chains cannot be looked for, a disk can still be restored. */
	if (!t->block || opts.force || redo_scan(&(struct redo_scan_options){ NULL }, &set))
		return 0;
	for (u32 i = 0; !r && i < set.nr_chains; i++) {
		const struct redo_chain *c = &set.chain[i];

		if (c->present && redo_path_rdev(c->base_path) == rdev)
			r = redo_err(EBUSY, "%s: is the base of chain %s, whose deltas would be wrong from then on; --force restores to it all the same",
				     t->name, c->name);
	}
	redo_set_free(&set);
	return r;
}

/* What is there may be of worth. */
static int may_overwrite(struct restore *k)
{
	struct target *t = &k->target;
	int r;

	if (opts.verify)
		return 0;
	r = refuse_base(t);
	if (r || opts.since)
		return r;
	if (t->block)
		return refuse_signature(t->name);
	return t->bytes ? confirm("%s: has %llu bytes, which would be replaced", t->name,
				  (unsigned long long)t->bytes) : 0;
}

/* What the streams are, for who has only files; of pipes, what can be known before. */
static bool planned(const struct restore *k)
{
	char point[2 * REDO_NAME_SIZE];

	for (int i = 0; i < k->nr; i++) {
		const struct redo_backup_info *b = &k->plan[i].info;

		redo_step("take %s: %s, %s%s, change id %s", k->plan[i].name,
			  point_of(b, point, sizeof(point)),
			  b->incremental ? "what has changed since " : "in full",
			  b->incremental ? b->since : "", b->id[0] ? b->id : "none");
	}
	return redo_step("restore %s to %s", point_of(last_of(k), point, sizeof(point)),
			 k->target.name);
}

static int restore(struct restore *k)
{
	int r = look_at_files(k);

	if (!r)
		r = target_open(&k->target, k->target.name, opts.verify);
	if (!r && opts.since && k->target.fd < 0)
		r = redo_err(ENOENT, "%s: is not there, so it does not hold %s", k->target.name,
			     opts.since);
	if (!r)
		r = k->files ? check_files(k) : check_headers(k);
	if (!r)
		r = may_overwrite(k);
	if (r)
		return opts.verify ? r : explain(k, NULL, r);
	if (planned(k))
		return 0;
	return k->files ? run_files(k) : run_pipes(k);
}

int cmd_restore(const struct command *c, int argc, char **argv)
{
	static char *from_stdin[] = { (char *)"-" };
	struct restore k = { .name = argv + 1, .nr_names = argc - 1 };
	char uuid[REDO_UUID_STR_SIZE];
	uint64_t n;
	int r;

	if (opts.since && redo_change_id_parse(opts.since, uuid, &n))
		return usage_error(c, "--since %s is not a change id", opts.since);
	if (!k.nr_names) {
		k.name = from_stdin;
		k.nr_names = 1;
	}
	k.target.name = argv[0];
	catch_signals();
	r = restore(&k);
	for (int i = 0; i < k.nr; i++)
		stream_close(&k.plan[i]);
	free(k.plan);
	target_close(&k.target);
	return r;
}
