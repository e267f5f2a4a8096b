// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reading a backup stream: nothing is handed out before its checksum was right. */
#include <stdlib.h>
#include "redo-int.h"
#include "backup-format.h"
#include "xxh64.h"

struct redo_backup_reader {
	struct redo_backup_info info;
	redo_backup_read_fn fn;
	void *ctx;
	struct redo_backup_totals totals;
	struct redo_xxh64 sum;
	u8 uuid[REDO_UUID_SIZE];
	u64 done;
	u8 *buf;
	size_t size;
	int end;		/* 1: goes on; else what next() returns for ever */
};

/* -ENODATA with a text if it ends before; the sum is the caller's. */
static int in(struct redo_backup_reader *r, void *buf, size_t len)
{
	size_t got = 0;
	int err = r->fn(r->ctx, buf, len, &got);

	if (err)
		return err;
	r->totals.stream_bytes += got;
	if (got < len)
		return redo_err(ENODATA, "the backup stream is cut off after %llu bytes",
				(unsigned long long)r->totals.stream_bytes);
	return 0;
}

static int damaged(const struct redo_backup_reader *r, const char *what)
{
	return redo_err(EBADMSG, "the backup stream is damaged at byte %llu (%s), after byte %llu of the disk",
			(unsigned long long)r->totals.stream_bytes, what,
			(unsigned long long)r->done);
}

static int read_header(struct redo_backup_reader *r)
{
	struct redo_disk_backup_header d;
	int err = in(r, &d, sizeof(d));

	if (err == -ENODATA && !r->totals.stream_bytes)
		return redo_err(ENODATA, "there is no backup stream: not one byte");
	if (err == -ENODATA)
		return redo_err(EBADMSG, "not a backup stream, or one that is cut off in its header");
	if (err)
		return err;
	redo_xxh64_add(&r->sum, &d, sizeof(d));
	memcpy(r->uuid, d.uuid, REDO_UUID_SIZE);
	return redo_backup_unpack_header(&d, &r->info);
}

int redo_backup_open(redo_backup_read_fn fn, void *ctx, struct redo_backup_reader **reader)
{
	struct redo_backup_reader *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return redo_err(ENOMEM, "out of memory");
	r->fn = fn;
	r->ctx = ctx;
	r->end = 1;
	redo_xxh64_init(&r->sum);
	err = read_header(r);
	if (err) {
		free(r);
		return err;
	}
	*reader = r;
	return 0;
}

const struct redo_backup_info *redo_backup_get_info(const struct redo_backup_reader *r)
{
	return &r->info;
}

const struct redo_backup_totals *redo_backup_get_totals(const struct redo_backup_reader *r)
{
	return &r->totals;
}

void redo_backup_close(struct redo_backup_reader *r)
{
	if (r)
		free(r->buf);
	free(r);
}

/* Only as much as records ask for: most have less than the largest. */
static int need_buffer(struct redo_backup_reader *r, size_t size)
{
	u8 *buf;

	if (size <= r->size)
		return 0;
	buf = malloc(size);
	if (!buf)
		return redo_err(ENOMEM, "out of memory");
	free(r->buf);
	r->buf = buf;
	r->size = size;
	return 0;
}

static int read_data(struct redo_backup_reader *r, const struct redo_backup_head *h)
{
	int err = need_buffer(r, h->bytes);

	if (!err)
		err = in(r, r->buf, h->bytes);
	if (err)
		return err;
	if (redo_crc32c(r->buf, h->bytes) != h->data_csum)
		return damaged(r, "checksum of data");
	redo_xxh64_add(&r->sum, r->buf, h->bytes);
	r->totals.data_bytes += h->bytes;
	return 0;
}

/* The rest of the trailer, of which a record's length has been read. */
static int read_trailer(struct redo_backup_reader *r, const void *begin)
{
	const size_t have = sizeof(struct redo_disk_backup_record);
	struct redo_disk_backup_trailer d;
	struct redo_backup_tail t;
	int err;

	memcpy(&d, begin, have);
	err = in(r, (u8 *)&d + have, sizeof(d) - have);
	if (err)
		return err;
	if (redo_backup_unpack_tail(&d, &t))
		return damaged(r, "checksum of the trailer");
	redo_xxh64_add(&r->sum, &d, offsetof(struct redo_disk_backup_trailer, sum));
	if (t.sum != redo_xxh64_sum(&r->sum) || memcmp(t.uuid, r->uuid, REDO_UUID_SIZE))
		return damaged(r, "sum of the whole stream");
	if (t.records != r->totals.records || t.data_bytes != r->totals.data_bytes ||
	    t.zero_bytes != r->totals.zero_bytes || !redo_backup_end_ok(&r->info, r->done))
		return damaged(r, "totals of the trailer");
	return 0;
}

static int read_record(struct redo_backup_reader *r, const struct redo_disk_backup_record *d,
		       struct redo_backup_extent *e)
{
	struct redo_backup_head h;
	int err = 0;

	if (redo_backup_unpack_head(d, &h))
		return damaged(r, "checksum of a record");
	if (h.sequence != (u32)r->totals.records ||
	    !redo_backup_place_ok(&r->info, r->done, h.offset, h.bytes))
		return damaged(r, "a record out of order");
	redo_xxh64_add(&r->sum, d, sizeof(*d));
	*e = (struct redo_backup_extent){ .offset = h.offset, .bytes = h.bytes };
	if (h.magic == REDO_BACKUP_MAGIC_DATA) {
		err = read_data(r, &h);
		e->kind = REDO_BACKUP_DATA;
		e->data = r->buf;
	} else {
		e->kind = REDO_BACKUP_ZERO;
		r->totals.zero_bytes += h.bytes;
	}
	if (err)
		return err;
	r->totals.records++;
	r->done = h.offset + h.bytes;
	return 1;
}

int redo_backup_next(struct redo_backup_reader *r, struct redo_backup_extent *e)
{
	struct redo_disk_backup_record d;
	int err;

	if (r->end != 1)
		return r->end;
	err = in(r, &d, sizeof(d));
	if (!err && le32_to_cpu(d.magic) == REDO_BACKUP_MAGIC_END)
		err = read_trailer(r, &d);
	else if (!err)
		err = read_record(r, &d, e);
	r->end = err;
	return err;
}
