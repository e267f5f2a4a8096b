// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Backup streams from anybody. What is read as whole is written again, and read again as
 * the same disk; and never is a byte outside of the disk handed out. Input: a stream.
 */
#include <stdlib.h>
#include <string.h>

#include "mutate.h"
#include "../../userspace/lib/backup-format.h"
#include "../../userspace/lib/xxh64.h"

#define DISK_MAX	(1U << 16)

struct bytes {
	u8 *data;
	size_t len, at, cap;
};

static int get(void *ctx, void *buf, size_t len, size_t *got)
{
	struct bytes *b = ctx;

	*got = b->len - b->at < len ? b->len - b->at : len;
	memcpy(buf, b->data + b->at, *got);
	b->at += *got;
	return 0;
}

static int put(void *ctx, const void *buf, size_t len)
{
	struct bytes *b = ctx;

	if (b->len + len > b->cap) {
		b->cap = 2 * (b->len + len);
		b->data = realloc(b->data, b->cap);
	}
	memcpy(b->data + b->len, buf, len);
	b->len += len;
	return 0;
}

/* Onto @disk, or, where that is NULL or too small for it, nowhere; and into @w. */
static int apply(struct redo_backup_reader *r, u8 *disk, struct redo_backup_writer *w)
{
	const u64 size = redo_backup_get_info(r)->disk_bytes;
	struct redo_backup_extent e;
	u64 done = 0, sum = 0;
	int err;

	while ((err = redo_backup_next(r, &e)) == 1) {
		must(e.bytes && e.offset >= done && e.offset < size && e.bytes <= size - e.offset);
		done = e.offset + e.bytes;
		if (e.kind == REDO_BACKUP_DATA) {
			for (u64 i = 0; i < e.bytes; i++)
				sum += ((const u8 *)e.data)[i];
			if (disk)
				memcpy(disk + e.offset, e.data, e.bytes);
			if (w)
				must(!redo_backup_data(w, e.offset, e.data, e.bytes));
		} else {
			if (disk)
				memset(disk + e.offset, 0, e.bytes);
			if (w)
				must(!redo_backup_zero(w, e.offset, e.bytes));
		}
	}
	(void)*(volatile u64 *)&sum;
	must(redo_backup_next(r, &e) == err);
	if (!err && !redo_backup_get_info(r)->incremental)
		must(done == size);
	return err;
}

static void again(const struct redo_backup_info *i, struct bytes *written, const u8 *disk)
{
	struct redo_backup_reader *r;
	u8 *copy = malloc(DISK_MAX);

	memset(copy, 0xee, DISK_MAX);
	must(!redo_backup_open(get, written, &r));
	must(!strcmp(redo_backup_get_info(r)->id, i->id));
	must(!strcmp(redo_backup_get_info(r)->since, i->since));
	must(!apply(r, copy, NULL));
	must(written->at == written->len);
	must(!memcmp(copy, disk, DISK_MAX));
	redo_backup_close(r);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { .data = (u8 *)data, .len = size }, out = { 0 };
	struct redo_backup_writer *w = NULL;
	struct redo_backup_reader *r;
	struct redo_backup_info i;
	u8 *disk = NULL;

	while (!redo_backup_open(get, &in, &r)) {
		i = *redo_backup_get_info(r);
		redo_backup_follows(i.id, &i);
		if (i.disk_bytes <= DISK_MAX) {
			disk = malloc(DISK_MAX);
			memset(disk, 0xee, DISK_MAX);
			must(!redo_backup_begin(&i, put, &out, &w));
		}
		if (!apply(r, disk, w) && w) {
			must(!redo_backup_end(w, NULL));
			again(&i, &out, disk);
		}
		redo_backup_writer_free(w);
		redo_backup_close(r);
		free(disk);
		free(out.data);
		out = (struct bytes){ 0 };
		w = NULL;
		disk = NULL;
	}
	return 0;
}

static void seal(void *d, size_t size)
{
	__le32 csum = cpu_to_le32(redo_crc32c(d, size - 4));

	memcpy((u8 *)d + size - 4, &csum, 4);
}

/* Mend checksums from the front, as far as lengths make sense. */
static void mend(u8 *data, size_t size)
{
	struct redo_xxh64 sum;
	size_t at = sizeof(struct redo_disk_backup_header);

	if (size < at)
		return;
	seal(data, at);
	redo_xxh64_init(&sum);
	redo_xxh64_add(&sum, data, at);
	while (size - at >= sizeof(struct redo_disk_backup_record)) {
		struct redo_disk_backup_record *d = (void *)(data + at);
		size_t left = size - at - sizeof(*d);
		struct redo_disk_backup_record copy;
		u64 bytes;

		memcpy(&copy, d, sizeof(copy));
		bytes = le64_to_cpu(copy.bytes);
		if (le32_to_cpu(copy.magic) == REDO_BACKUP_MAGIC_END) {
			const size_t to = offsetof(struct redo_disk_backup_trailer, sum);
			__le64 word;

			if (size - at < sizeof(struct redo_disk_backup_trailer))
				return;
			redo_xxh64_add(&sum, data + at, to);
			word = cpu_to_le64(redo_xxh64_sum(&sum));
			memcpy(data + at + to, &word, sizeof(word));
			seal(data + at, sizeof(struct redo_disk_backup_trailer));
			return;
		}
		if (le32_to_cpu(copy.magic) != REDO_BACKUP_MAGIC_DATA)
			bytes = 0;
		if (bytes > left)
			return;
		if (bytes)
			copy.data_csum = cpu_to_le32(redo_crc32c(data + at + sizeof(copy), bytes));
		seal(&copy, sizeof(copy));
		memcpy(data + at, &copy, sizeof(copy));
		redo_xxh64_add(&sum, data + at, sizeof(copy) + bytes);
		at += sizeof(copy) + bytes;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	u64 state = seed;

	size = LLVMFuzzerMutate(data, size, max_size);
	if (fuzz_random(&state) % 8)
		mend(data, size);
	return size;
}
