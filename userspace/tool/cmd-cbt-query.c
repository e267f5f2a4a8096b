// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup cbt query, export: what has changed between two change ids. */
#include <time.h>
#include <unistd.h>
#include "rows.h"

struct query {
	struct tracked k;
	struct redo_tracker_info info;
	char since[REDO_CHANGE_ID_SIZE], until[REDO_CHANGE_ID_SIZE];	/* "": now */
	struct byte_range *range;
	u64 nr, cap, bytes;
};

static int begin(struct query *q, const char *name)
{
	int r = not_known(open_tracked(&q->k, name));

	if (!r && opts.since)
		r = resolve_id(&q->k, opts.since, q->since);
	if (!r && opts.until && strcmp(opts.until, REDO_MSG_NOW))
		r = resolve_id(&q->k, opts.until, q->until);
	return r ? r : redo_tracker_get_info(q->k.t, &q->info);
}

static const char *until_or_null(const struct query *q)
{
	return q->until[0] ? q->until : NULL;
}

static void end(struct query *q)
{
	free(q->range);
	close_tracked(&q->k);
}

/* Ranges ------------------------------------------------------------------------------- */

/* Kept until the end: what was told before an error is no answer. */
static int add_range(void *ctx, u64 start, u64 sectors)
{
	struct query *q = ctx;
	void *p;

	q->bytes += sectors << 9;
	if (q->nr && q->range[q->nr - 1].end == start << 9) {
		q->range[q->nr - 1].end += sectors << 9;
		return 0;
	}
	if (q->nr == q->cap) {
		q->cap = q->cap ? 2 * q->cap : 1024;
		p = realloc(q->range, q->cap * sizeof(*q->range));
		if (!p)
			return redo_err(ENOMEM, "out of memory");
		q->range = p;
	}
	q->range[q->nr++] = (struct byte_range){ start << 9, (start + sectors) << 9 };
	return 0;
}

static void print_json(const struct query *q)
{
	printf("{\n  \"chain\": \"%s\",\n  \"since\": \"%s\",\n  \"until\": \"%s\",\n"
	       "  \"block_bytes\": %u,\n  \"virtual_bytes\": %llu,\n  \"changed_bytes\": %llu,\n"
	       "  \"ranges\": [", q->k.c->name, q->since, q->until[0] ? q->until : REDO_MSG_NOW,
	       q->info.block_bytes, (unsigned long long)q->info.virtual_bytes,
	       (unsigned long long)q->bytes);
	for (u64 i = 0; i < q->nr; i++)
		printf("%s\n    { \"offset\": %llu, \"length\": %llu }", i ? "," : "",
		       (unsigned long long)q->range[i].start,
		       (unsigned long long)(q->range[i].end - q->range[i].start));
	printf("%s]\n}\n", q->nr ? "\n  " : "");
}

static void print_text(const struct query *q)
{
	if (!opts.noheadings)
		printf("%20s %20s\n", "Offset", "Length");
	for (u64 i = 0; i < q->nr; i++)
		printf("%20llu %20llu\n", (unsigned long long)q->range[i].start,
		       (unsigned long long)(q->range[i].end - q->range[i].start));
}

static int ranges(struct query *q)
{
	int r = redo_tracker_query(q->k.t, q->since, until_or_null(q), 0, 0, add_range, q);

	if (r)
		return r;
	if (opts.json)
		print_json(q);
	else
		print_text(q);
	return 0;
}

/* The bitmap ---------------------------------------------------------------------------- */

static int raw_bitmap(struct query *q)
{
	struct redo_bitmap map;
	int r;

	if (isatty(STDOUT_FILENO))
		return redo_err(ENOTTY, "a bitmap is not for a terminal");
	r = redo_tracker_bitmap(q->k.t, q->since, until_or_null(q), &map);
	if (r)
		return r;
	fwrite(map.bits, 1, map.bytes, stdout);
	redo_bitmap_free(&map);
	return 0;
}

/* How often ------------------------------------------------------------------------------ */

struct ids {
	struct redo_change *c;
	u32 nr;
	u64 from, to;
};

static int add_id(void *ctx, const struct redo_change *c)
{
	struct ids *i = ctx;
	void *p;

	if (c->number < i->from || c->first > i->to)
		return 0;
	p = realloc(i->c, (i->nr + 1) * sizeof(*i->c));
	if (!p)
		return redo_err(ENOMEM, "out of memory");
	i->c = p;
	i->c[i->nr++] = *c;
	return 0;
}

/* One epoch, or what was joined, counts once. */
static int count_epoch(struct query *q, const char *since, const char *until, u16 *count)
{
	struct redo_bitmap map;
	u64 blocks = q->info.virtual_bytes / q->info.block_bytes +
		     !!(q->info.virtual_bytes % q->info.block_bytes);
	int r = redo_tracker_bitmap(q->k.t, since, until, &map);

	for (u64 b = 0; !r && b < blocks; b++)
		count[b] += redo_bitmap_test(&map, b);
	if (!r)
		redo_bitmap_free(&map);
	return r;
}

static int by_count(const void *a, const void *b)
{
	const struct range_row *ra = a, *rb = b;

	if (ra->epochs != rb->epochs)
		return ra->epochs > rb->epochs ? -1 : 1;
	return ra->start < rb->start ? -1 : ra->start > rb->start;
}

static int frequent_rows(const struct query *q, const u16 *count, struct range_row **rows, u32 *nr)
{
	u64 each = q->info.block_bytes, size = q->info.virtual_bytes;
	u32 cap = 0;

	for (u64 b = 0; b * each < size; b++) {
		u64 len = size - b * each < each ? size - b * each : each;
		struct range_row *last = *nr ? &(*rows)[*nr - 1] : NULL;

		if (!count[b])
			continue;
		if (last && last->epochs == count[b] && last->start + last->bytes == b * each) {
			last->bytes += len;
			continue;
		}
		if (*nr == cap) {
			void *p;

			cap = cap ? 2 * cap : 1024;
			p = realloc(*rows, cap * sizeof(**rows));
			if (!p)
				return redo_err(ENOMEM, "out of memory");
			*rows = p;
		}
		(*rows)[(*nr)++] = (struct range_row){ count[b], b * each, len };
	}
	if (*nr)
		qsort(*rows, *nr, sizeof(**rows), by_count);
	return 0;
}

static int show_frequent(const struct query *q, const u16 *count)
{
	struct range_row *rows = NULL;
	u32 nr = 0;
	int r = frequent_rows(q, count, &rows, &nr);

	if (!opts.sort)
		opts.sort = "-epochs,offset";
	if (!r)
		r = report_rows(REPORT_RANGE, "range", rows, nr, sizeof(*rows),
				"epochs,offset,length,size", false);
	free(rows);
	return r;
}

static int frequent(struct query *q)
{
	struct ids ids = { .from = 0, .to = UINT64_MAX };
	char uuid[REDO_UUID_STR_SIZE];
	u16 *count;
	int r;

	if (q->since[0])
		redo_change_id_parse(q->since, uuid, &ids.from);
	if (q->until[0])
		redo_change_id_parse(q->until, uuid, &ids.to);
	/* One more than is needed, should the disk have a part of a block. */
	count = calloc(q->info.virtual_bytes / (q->info.block_bytes ? : 1) + 1, sizeof(*count));
	if (!count)
		return redo_err(ENOMEM, "out of memory");
	/* The ids are tried as a whole first: what is wrong with them is an error here, too. */
	r = redo_tracker_list(q->k.t, add_id, &ids);
	if (!r && q->since[0])
		r = count_epoch(q, q->since, until_or_null(q), count);
	memset(count, 0, (q->info.virtual_bytes / (q->info.block_bytes ? : 1) + 1) *
			 sizeof(*count));
	for (u32 i = 0; !r && i < ids.nr; i++) {
		if (ids.c[i].number >= ids.to)
			break;
		r = count_epoch(q, ids.c[i].id, i + 1 < ids.nr ? ids.c[i + 1].id : NULL, count);
	}
	if (!r)
		r = show_frequent(q, count);
	free(ids.c);
	free(count);
	return r;
}

int cmd_cbt_query(const struct command *c, int argc __unused, char **argv)
{
	struct query q = { .nr = 0 };
	int r;

	if (!opts.since && !opts.frequent)
		return usage_error(c, "needs --since");
	if (opts.bitmap + opts.frequent + opts.json > 1 && !(opts.frequent && !opts.bitmap))
		return usage_error(c, "takes one of --bitmap, --frequent and --reportformat json");
	if ((opts.fields || opts.sort || opts.select) && !opts.frequent)
		return usage_error(c, "--options, --sort and --select are for --frequent");
	r = begin(&q, argv[0]);
	if (!r && !q.info.block_bytes)
		r = redo_err(EUCLEAN, "%s: tracking is broken; take a full backup, and 'redosetup cbt enable %s' begins anew",
			     q.k.c->name, q.k.c->name);
	if (!r)
		r = opts.frequent ? frequent(&q) : opts.bitmap ? raw_bitmap(&q) : ranges(&q);
	end(&q);
	return r;
}

/* export ---------------------------------------------------------------------------------- */

/* redosetup(8), "Bitmap files". */
struct bitmap_header {
	char magic[8];
	__le32 version;
	__le32 header_bytes;
	__le32 block_bytes;
	__le32 crc;		/* CRC32C of the bitmap */
	__le64 virtual_bytes;
	__le64 blocks;
	__le64 set;
	__le64 time;
	char since[64], until[64];
	char chain[REDO_NAME_SIZE];
	u8 reserved[4096 - 316];
	__le32 header_crc;	/* CRC32C of all before it */
};

static_assert(sizeof(struct bitmap_header) == 4096, "the header of a bitmap file");
static_assert(offsetof(struct bitmap_header, header_crc) == 4092, "its own checksum");

static void fill_header(const struct query *q, const struct redo_bitmap *map,
			struct bitmap_header *h)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, "REDOCBT\n", sizeof(h->magic));
	h->version = cpu_to_le32(1);
	h->header_bytes = cpu_to_le32(sizeof(*h));
	h->block_bytes = cpu_to_le32(map->block_bytes);
	h->crc = cpu_to_le32(redo_crc32c(map->bits, map->bytes));
	h->virtual_bytes = cpu_to_le64(map->virtual_bytes);
	h->blocks = cpu_to_le64(map->blocks);
	h->set = cpu_to_le64(map->set);
	h->time = cpu_to_le64((u64)time(NULL));
	redo_copy(h->since, q->since, sizeof(h->since));
	redo_copy(h->until, q->until, sizeof(h->until));
	redo_copy(h->chain, q->k.c->name, sizeof(h->chain));
	h->header_crc = cpu_to_le32(redo_crc32c(h, offsetof(struct bitmap_header, header_crc)));
}

static int write_out(const struct query *q, const struct redo_bitmap *map, const char *path)
{
	struct bitmap_header h;
	struct outfile o;
	int r = outfile_open(path, &o);

	if (r || opts.dry_run)
		return r;
	fill_header(q, map, &h);
	r = outfile_write(&o, &h, sizeof(h));
	if (!r)
		r = outfile_write(&o, map->bits, map->bytes);
	if (!r)
		r = outfile_keep(&o);
	outfile_drop(&o);
	return r;
}

static int export(struct query *q, const char *path)
{
	struct redo_bitmap map;
	int r = redo_tracker_bitmap(q->k.t, q->since, until_or_null(q), &map);

	if (r)
		return r;
	r = write_out(q, &map, path);
	if (!r && !opts.dry_run)
		verbose("%s: %llu of %llu blocks have changed", path,
			(unsigned long long)map.set, (unsigned long long)map.blocks);
	redo_bitmap_free(&map);
	return r;
}

int cmd_cbt_export(const struct command *c, int argc __unused, char **argv)
{
	struct query q = { .nr = 0 };
	int r;

	if (!opts.since)
		return usage_error(c, "needs --since");
	r = begin(&q, argv[0]);
	if (!r)
		r = export(&q, argv[1]);
	end(&q);
	return r;
}
