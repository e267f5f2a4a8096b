// SPDX-License-Identifier: LGPL-2.1-or-later
/* Writing a backup stream. */
#include <stdlib.h>
#include "redo-int.h"
#include "backup-format.h"
#include "xxh64.h"

#define ZERO_UNIT	4096	/* what is looked at for zeroes, aligned on the disk */

struct redo_backup_writer {
	struct redo_backup_info info;
	redo_backup_write_fn fn;
	void *ctx;
	struct redo_backup_totals totals;
	struct redo_xxh64 sum;
	u8 uuid[REDO_UUID_SIZE];
	u64 done;		/* told so far, the zeroes that wait included */
	u64 zero_at, zero;	/* zeroes that wait for more of them */
	int err;		/* the first failure: nothing may be written after it */
};

static int out(struct redo_backup_writer *w, const void *buf, size_t len)
{
	redo_xxh64_add(&w->sum, buf, len);
	w->totals.stream_bytes += len;
	if (!w->err)
		w->err = w->fn(w->ctx, buf, len);
	return w->err;
}

int redo_backup_begin(const struct redo_backup_info *info, redo_backup_write_fn fn, void *ctx,
		      struct redo_backup_writer **writer)
{
	struct redo_backup_writer *w = calloc(1, sizeof(*w));
	struct redo_disk_backup_header d;
	int r;

	if (!w)
		return redo_err(ENOMEM, "out of memory");
	w->info = *info;
	w->fn = fn;
	w->ctx = ctx;
	redo_random(w->uuid, sizeof(w->uuid));
	redo_uuid_str(w->uuid, w->info.uuid);
	redo_xxh64_init(&w->sum);
	r = redo_backup_pack_header(&w->info, &d);
	if (!r)
		r = out(w, &d, sizeof(d));
	if (r) {
		free(w);
		return r;
	}
	*writer = w;
	return 0;
}

static int head(struct redo_backup_writer *w, u32 magic, u64 offset, u64 bytes, u32 data_csum)
{
	struct redo_backup_head h = {
		.magic = magic, .offset = offset, .bytes = bytes, .data_csum = data_csum,
		.sequence = (u32)w->totals.records++,
	};
	struct redo_disk_backup_record d;

	redo_backup_pack_head(&h, &d);
	return out(w, &d, sizeof(d));
}

static int flush_zero(struct redo_backup_writer *w)
{
	u64 bytes = w->zero;

	if (!bytes)
		return w->err;
	w->zero = 0;
	w->totals.zero_bytes += bytes;
	return head(w, REDO_BACKUP_MAGIC_ZERO, w->zero_at, bytes, 0);
}

static void add_zero(struct redo_backup_writer *w, u64 offset, u64 bytes)
{
	if (!w->zero)
		w->zero_at = offset;
	w->zero += bytes;
}

static int put_data(struct redo_backup_writer *w, u64 offset, const u8 *buf, size_t len)
{
	int r = flush_zero(w);

	while (!r && len) {
		size_t n = len < REDO_BACKUP_DATA_MAX ? len : REDO_BACKUP_DATA_MAX;

		w->totals.data_bytes += n;
		r = head(w, REDO_BACKUP_MAGIC_DATA, offset, n, redo_crc32c(buf, n));
		if (!r)
			r = out(w, buf, n);
		offset += n;
		buf += n;
		len -= n;
	}
	return r;
}

/* Zeroes that wait end where this begins, or are written now. */
static int place(struct redo_backup_writer *w, u64 offset, u64 bytes)
{
	if (w->err)
		return w->err;
	if (!redo_backup_place_ok(&w->info, w->done, offset, bytes))
		return w->err = redo_err(EINVAL, "a backup cannot go on with %llu bytes at byte %llu after byte %llu",
					 (unsigned long long)bytes, (unsigned long long)offset,
					 (unsigned long long)w->done);
	if (w->zero && offset != w->done)
		flush_zero(w);
	w->done = offset + bytes;
	return w->err;
}

static bool is_zero(const u8 *p, size_t len)
{
	static const u8 zeroes[ZERO_UNIT];

	return !memcmp(p, zeroes, len);
}

/* Up to the next boundary on the disk. */
static size_t unit_at(u64 offset, size_t len)
{
	size_t n = ZERO_UNIT - offset % ZERO_UNIT;

	return n < len ? n : len;
}

int redo_backup_data(struct redo_backup_writer *w, uint64_t offset, const void *buf, size_t len)
{
	const u8 *p = buf;
	int r = place(w, offset, len);

	while (!r && len) {
		size_t n = unit_at(offset, len), data = 0;

		if (is_zero(p, n)) {
			add_zero(w, offset, n);
		} else {
			do {
				data += n;
				n = unit_at(offset + data, len - data);
			} while (n && !is_zero(p + data, n));
			r = put_data(w, offset, p, data);
			n = data;
		}
		offset += n;
		p += n;
		len -= n;
	}
	return r;
}

int redo_backup_zero(struct redo_backup_writer *w, uint64_t offset, uint64_t bytes)
{
	int r = place(w, offset, bytes);

	if (!r)
		add_zero(w, offset, bytes);
	return r;
}

int redo_backup_end(struct redo_backup_writer *w, struct redo_backup_totals *totals)
{
	struct redo_disk_backup_trailer d;
	struct redo_backup_tail t = { 0 };
	int r = flush_zero(w);

	if (r)
		return r;
	if (!redo_backup_end_ok(&w->info, w->done))
		return w->err = redo_err(EINVAL, "a full backup of %llu bytes cannot end at byte %llu",
					 (unsigned long long)w->info.disk_bytes,
					 (unsigned long long)w->done);
	t.records = w->totals.records;
	t.data_bytes = w->totals.data_bytes;
	t.zero_bytes = w->totals.zero_bytes;
	memcpy(t.uuid, w->uuid, REDO_UUID_SIZE);
	/* The sum is of what stands before it, this far into the trailer. */
	redo_backup_pack_tail(&t, &d);
	redo_xxh64_add(&w->sum, &d, offsetof(struct redo_disk_backup_trailer, sum));
	t.sum = redo_xxh64_sum(&w->sum);
	redo_backup_pack_tail(&t, &d);
	r = out(w, &d, sizeof(d));
	if (!r)
		w->err = -ESHUTDOWN;	/* nothing comes after it */
	if (totals)
		*totals = w->totals;
	return r;
}

void redo_backup_writer_free(struct redo_backup_writer *w)
{
	free(w);
}
