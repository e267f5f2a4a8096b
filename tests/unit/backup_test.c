// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Backup streams: what is written is read again, and nothing else is taken for one: every
 * cut, every flipped bit, every other order is noticed.
 */
#include "unit.h"
#include "backup-format.h"
#include "xxh64.h"

#define UUID_1	"4e0b3c0e-8a5e-4c8e-9d0a-0123456789ab"
#define UUID_1_REST	"0b3c0e-8a5e-4c8e-9d0a-0123456789ab"
#define UUID_2	"5e0b3c0e-8a5e-4c8e-9d0a-0123456789ab"
#define DISK	(256U << 10)

struct stream {
	u8 *data;
	size_t len, cap, at;
	size_t fail_at;		/* write: fails there, if not 0 */
};

static int put(void *ctx, const void *buf, size_t len)
{
	struct stream *s = ctx;

	if (s->fail_at && s->len + len > s->fail_at)
		return -ENOSPC;
	if (s->len + len > s->cap) {
		s->cap = (s->len + len) * 2;
		s->data = realloc(s->data, s->cap);
		assert_non_null(s->data);
	}
	memcpy(s->data + s->len, buf, len);
	s->len += len;
	return 0;
}

static int get(void *ctx, void *buf, size_t len, size_t *got)
{
	struct stream *s = ctx;

	*got = s->len - s->at < len ? s->len - s->at : len;
	memcpy(buf, s->data + s->at, *got);
	s->at += *got;
	return 0;
}

static struct redo_backup_info info(bool incremental)
{
	struct redo_backup_info i = {
		.disk_bytes = DISK, .block_bytes = 65536, .incremental = incremental,
		.id = UUID_1 "/9", .chain = "web", .snapshot = "tuesday", .host = "alpha",
		.time = 1700000000,
	};

	if (incremental) {
		strcpy(i.since, UUID_1 "/7");
		strcpy(i.since_snapshot, "monday");
	}
	return i;
}

/* Reads one stream onto @disk, which may be NULL; what next() returned at last. */
static int apply(struct stream *s, u8 *disk, struct redo_backup_info *i)
{
	struct redo_backup_extent e;
	struct redo_backup_reader *r;
	int err = redo_backup_open(get, s, &r);

	if (err)
		return err;
	if (i)
		*i = *redo_backup_get_info(r);
	while ((err = redo_backup_next(r, &e)) == 1) {
		assert_true(e.offset + e.bytes <= redo_backup_get_info(r)->disk_bytes);
		if (disk && e.kind == REDO_BACKUP_DATA)
			memcpy(disk + e.offset, e.data, e.bytes);
		else if (disk)
			memset(disk + e.offset, 0, e.bytes);
	}
	/* The end is for ever. */
	assert_int_equal(redo_backup_next(r, &e), err);
	redo_backup_close(r);
	return err;
}

static void fill(u8 *p, size_t len, u32 seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (u8)((seed = seed * 1664525 + 1013904223) >> 24);
}

/* Two blocks of data, one of zeroes between, in pieces that are no multiples of 4 KiB. */
static void make(struct stream *s, bool incremental, u8 *disk)
{
	struct redo_backup_info i = info(incremental);
	struct redo_backup_totals t;
	struct redo_backup_writer *w;
	size_t before = s->len;

	fill(disk + 3 * 4096, 10240, 1);
	assert_int_equal(redo_backup_begin(&i, put, s, &w), 0);
	if (!incremental)
		assert_int_equal(redo_backup_zero(w, 0, 8192), 0);
	assert_int_equal(redo_backup_data(w, 8192, disk + 8192, 5 * 4096 + 512), 0);
	assert_int_equal(redo_backup_data(w, 8192 + 5 * 4096 + 512, disk + 8192 + 5 * 4096 + 512,
					  1024), 0);
	if (!incremental)
		assert_int_equal(redo_backup_zero(w, 8192 + 5 * 4096 + 1536,
						  DISK - 8192 - 5 * 4096 - 1536), 0);
	assert_int_equal(redo_backup_end(w, &t), 0);
	assert_int_equal(t.stream_bytes, s->len - before);
	/* zeroes are told as one run, but for the last block, which has data as well */
	assert_int_equal(t.data_bytes, 3 * 4096);
	assert_int_equal(t.records, 3);
	assert_int_equal(t.zero_bytes, incremental ? 2 * 4096 + 1536 : DISK - 3 * 4096);
	redo_backup_writer_free(w);
}

static void round_trip(void **state __unused)
{
	for (int incremental = 0; incremental < 2; incremental++) {
		u8 *disk = calloc(1, DISK), *got = malloc(DISK);
		struct redo_backup_info i, was = info(incremental);
		struct stream s = { 0 };

		make(&s, incremental, disk);
		memset(got, incremental ? 0 : 0xee, DISK);
		assert_int_equal(apply(&s, got, &i), 0);
		assert_memory_equal(got, disk, DISK);
		assert_int_equal(s.at, s.len);
		assert_int_equal(i.incremental, incremental);
		assert_int_equal(i.disk_bytes, DISK);
		assert_int_equal(i.block_bytes, 65536);
		assert_int_equal(i.time, was.time);
		assert_string_equal(i.id, was.id);
		assert_string_equal(i.since, was.since);
		assert_string_equal(i.chain, "web");
		assert_string_equal(i.snapshot, "tuesday");
		assert_string_equal(i.since_snapshot, was.since_snapshot);
		assert_string_equal(i.host, "alpha");
		/* behind it: nothing */
		assert_int_equal(apply(&s, NULL, NULL), -ENODATA);
		free(s.data);
		free(disk);
		free(got);
	}
}

/* What an incremental leaves out stays; two streams in one. */
static void one_after_the_other(void **state __unused)
{
	u8 *disk = calloc(1, DISK), *got = malloc(DISK);
	struct stream s = { 0 };

	make(&s, false, disk);
	make(&s, true, disk);
	assert_int_equal(apply(&s, got, NULL), 0);
	fill(got + DISK - 4096, 4096, 5);
	assert_int_equal(apply(&s, got, NULL), 0);
	assert_int_equal(apply(&s, got, NULL), -ENODATA);
	fill(disk + DISK - 4096, 4096, 5);
	assert_memory_equal(got, disk, DISK);
	free(s.data);
	free(disk);
	free(got);
}

static void every_cut(void **state __unused)
{
	u8 *disk = calloc(1, DISK);
	struct stream s = { 0 };
	size_t whole;

	make(&s, true, disk);
	whole = s.len;
	for (s.len = 0; s.len < whole; s.len++) {
		int r;

		s.at = 0;
		r = apply(&s, NULL, NULL);
		assert_int_equal(r, !s.len ? -ENODATA : s.len < 1024 ? -EBADMSG : -ENODATA);
		if (s.len)
			assert_non_null(strstr(redo_last_error(), "cut off"));
	}
	free(s.data);
	free(disk);
}

/* Damage never gets through, and no byte before it is wrong. */
static void every_bit(void **state __unused)
{
	u8 *disk = calloc(1, DISK), *got = calloc(1, DISK);
	struct stream s = { 0 };

	make(&s, true, disk);
	for (size_t bit = 0; bit < 8 * s.len; bit += bit < 8 * 1100 ? 1 : 13) {
		int r;

		s.data[bit / 8] ^= 1 << bit % 8;
		s.at = 0;
		memcpy(got, disk, DISK);
		r = apply(&s, got, NULL);
		assert_true(r == -EBADMSG || r == -ENODATA || r == -EPROTONOSUPPORT);
		assert_memory_equal(got, disk, DISK);
		s.data[bit / 8] ^= 1 << bit % 8;
	}
	s.at = 0;
	assert_int_equal(apply(&s, NULL, NULL), 0);
	free(s.data);
	free(disk);
	free(got);
}

/* Records with right checksums in a stream that they do not belong to. */
static void other_records(void **state __unused)
{
	const size_t head = sizeof(struct redo_disk_backup_record);
	u8 *disk = calloc(1, DISK), spare[sizeof(struct redo_disk_backup_record)];
	struct stream a = { 0 }, b = { 0 };
	u8 *first, *third;

	make(&a, true, disk);
	make(&b, true, disk);
	/* zeroes, data, zeroes */
	first = a.data + 1024;
	third = a.data + 1024 + 2 * head + 3 * 4096;
	memcpy(spare, first, head);
	memcpy(first, third, head);
	a.at = 0;
	assert_int_equal(apply(&a, NULL, NULL), -EBADMSG);
	assert_non_null(strstr(redo_last_error(), "order"));
	memcpy(first, spare, head);
	a.at = 0;
	assert_int_equal(apply(&a, NULL, NULL), 0);
	/* the end of another stream that says the same */
	assert_int_equal(a.len, b.len);
	memcpy(a.data + a.len - 64, b.data + b.len - 64, 64);
	a.at = 0;
	assert_int_equal(apply(&a, NULL, NULL), -EBADMSG);
	assert_non_null(strstr(redo_last_error(), "sum of the whole"));
	free(a.data);
	free(b.data);
	free(disk);
}

/* The trailer is made to fit what is before it, as who forges would. */
static void forge(struct stream *s, const u8 *uuid)
{
	u8 *tail = s->data + s->len - sizeof(struct redo_disk_backup_trailer);
	struct redo_disk_backup_trailer d;
	struct redo_xxh64 x;

	memcpy(&d, tail, sizeof(d));
	if (uuid)
		memcpy(d.uuid, uuid, REDO_UUID_SIZE);
	memcpy(tail, &d, sizeof(d));
	redo_xxh64_init(&x);
	redo_xxh64_add(&x, s->data, s->len - 16);
	d.sum = cpu_to_le64(redo_xxh64_sum(&x));
	d.csum = cpu_to_le32(redo_crc32c(&d, sizeof(d) - 4));
	memcpy(tail, &d, sizeof(d));
	s->at = 0;
}

/* Every checksum but one is right. */
static void one_thing_wrong(void **state __unused)
{
	static const u8 other[REDO_UUID_SIZE] = { 1 };
	const size_t head = sizeof(struct redo_disk_backup_record), at = 1024 + head;
	u8 *disk = calloc(1, DISK);
	struct redo_disk_backup_record d;
	struct stream s = { 0 };

	make(&s, true, disk);
	forge(&s, NULL);
	assert_int_equal(apply(&s, NULL, NULL), 0);
	forge(&s, other);
	assert_int_equal(apply(&s, NULL, NULL), -EBADMSG);
	free(s.data);

	/* the number of a record */
	s = (struct stream){ 0 };
	make(&s, true, disk);
	memcpy(&d, s.data + at, head);
	d.sequence = cpu_to_le32(2);
	d.csum = cpu_to_le32(redo_crc32c(&d, head - 4));
	memcpy(s.data + at, &d, head);
	forge(&s, NULL);
	assert_int_equal(apply(&s, NULL, NULL), -EBADMSG);
	free(s.data);

	/* other data, which the record knows and the trailer does not */
	s = (struct stream){ 0 };
	make(&s, true, disk);
	s.data[at + head + 5]++;
	memcpy(&d, s.data + at, head);
	d.data_csum = cpu_to_le32(redo_crc32c(s.data + at + head, le64_to_cpu(d.bytes)));
	d.csum = cpu_to_le32(redo_crc32c(&d, head - 4));
	memcpy(s.data + at, &d, head);
	s.at = 0;
	assert_int_equal(apply(&s, NULL, NULL), -EBADMSG);
	assert_non_null(strstr(redo_last_error(), "sum of the whole"));
	free(s.data);
	free(disk);
}

static void seal(struct redo_disk_backup_header *d)
{
	d->csum = cpu_to_le32(redo_crc32c(d, sizeof(*d) - 4));
}

static void headers(void **state __unused)
{
	struct redo_disk_backup_header good, d;
	struct redo_backup_info i = info(true), got;

	assert_int_equal(redo_backup_pack_header(&i, &good), 0);
	assert_int_equal(redo_backup_unpack_header(&good, &got), 0);
#define TRY(change, result) do { \
	d = good; \
	change; \
	seal(&d); \
	assert_int_equal(redo_backup_unpack_header(&d, &got), result); \
} while (0)
	TRY(, 0);
	TRY(d.version = cpu_to_le32(2), -EPROTONOSUPPORT);
	TRY(d.header_bytes = cpu_to_le32(2048), -EPROTONOSUPPORT);
	TRY(d.flags = cpu_to_le32(3), -EPROTONOSUPPORT);
	TRY(d.flags = 0, -EBADMSG);
	TRY(d.disk_bytes = 0, -EBADMSG);
	TRY(d.disk_bytes = cpu_to_le64(DISK + 1), -EBADMSG);
	TRY(d.disk_bytes = cpu_to_le64(-512), -EBADMSG);
	TRY(d.block_bytes = cpu_to_le32(65537), -EBADMSG);
	TRY(d.epoch = 0, -EBADMSG);
	TRY(d.since_epoch = 0, -EBADMSG);
	TRY(d.since_epoch = cpu_to_le64(-1), -EBADMSG);
	TRY(memset(d.tracker_uuid, 0, 16), -EBADMSG);
	TRY(memset(d.chain, 'x', sizeof(d.chain)), 0);
	assert_int_equal(strlen(got.chain), REDO_NAME_MAX - 1);
	TRY(memcpy(d.snapshot, "a\033[2J", 6), 0);
	assert_string_equal(got.snapshot, "a?[2J");
#undef TRY
	i.incremental = false;
	assert_int_equal(redo_backup_pack_header(&i, &d), -EINVAL);
	i = info(true);
	strcpy(i.id, "x/1");
	assert_int_equal(redo_backup_pack_header(&i, &d), -EINVAL);
}

static void order(void **state __unused)
{
	struct redo_backup_info i = info(true), full = info(false);

	assert_int_equal(redo_backup_follows(UUID_1 "/7", &i), 0);
	assert_int_equal(redo_backup_follows(UUID_1 "/6", &i), -ESTALE);
	/* it overlaps, or has been applied already */
	assert_int_equal(redo_backup_follows(UUID_1 "/8", &i), 0);
	assert_int_equal(redo_backup_follows(UUID_1 "/9", &i), 0);
	assert_int_equal(redo_backup_follows(UUID_1 "/10", &i), -ESTALE);
	assert_int_equal(redo_backup_follows(UUID_1 "/77", &i), -ESTALE);
	assert_int_equal(redo_backup_follows(UUID_2 "/7", &i), -EXDEV);
	assert_int_equal(redo_backup_follows("", &i), -ENODATA);
	assert_int_equal(redo_backup_follows("4E" UUID_1_REST "/7", &i), 0);
	assert_int_equal(redo_backup_follows(UUID_1 "/7", &full), -EINVAL);
}

/* The writer refuses what a reader would. */
static void wrong_writers(void **state __unused)
{
	static u8 buf[8192] = { 1 };
	struct redo_backup_info i = info(false), inc = info(true);
	struct redo_backup_writer *w;
	struct stream s = { 0 };

#define WRONG(of, call) do { \
	s.len = 0; \
	assert_int_equal(redo_backup_begin(&(of), put, &s, &w), 0); \
	assert_int_equal(call, -EINVAL); \
	assert_int_not_equal(redo_backup_end(w, NULL), 0); \
	redo_backup_writer_free(w); \
} while (0)
	WRONG(i, redo_backup_end(w, NULL));
	WRONG(i, redo_backup_zero(w, 4096, 4096));
	WRONG(i, redo_backup_data(w, 512, buf, 512));
	WRONG(i, redo_backup_zero(w, 0, DISK + 512));
	WRONG(inc, redo_backup_data(w, 0, buf, 100));
	WRONG(inc, redo_backup_data(w, 0, buf, 0));
	WRONG(inc, redo_backup_data(w, DISK - 4096, buf, 8192));
	WRONG(inc, redo_backup_zero(w, -512ULL, 1024));
	WRONG(inc, (redo_backup_data(w, 8192, buf, 8192), redo_backup_data(w, 8192, buf, 512)));
#undef WRONG
	/* a failure stays one, and nothing more is written */
	s = (struct stream){ .data = s.data, .cap = s.cap, .fail_at = 2000 };
	assert_int_equal(redo_backup_begin(&inc, put, &s, &w), 0);
	assert_int_equal(redo_backup_data(w, 0, buf, 4096), -ENOSPC);
	s.fail_at = 0;
	assert_int_equal(redo_backup_data(w, 8192, buf, 4096), -ENOSPC);
	assert_int_equal(redo_backup_end(w, NULL), -ENOSPC);
	assert_int_equal(s.len, 1024 + 32);
	redo_backup_writer_free(w);
	free(s.data);
}

/* Random ranges of a random disk, against a plain copy. */
static void random_streams(void **state __unused)
{
	u8 *disk = malloc(DISK), *got = malloc(DISK);

	srandom(3);
	for (int round = 0; round < 300; round++) {
		struct redo_backup_info i = info(true);
		struct redo_backup_writer *w;
		struct stream s = { 0 };
		u64 at = 0;

		fill(disk, DISK, (u32)round);
		for (int n = random() % 30; n; n--) {
			u64 from = random() % DISK & ~511ULL;
			size_t len = random() % (DISK - from);

			memset(disk + from, 0, len < 30000 ? len : 30000);
		}
		memset(got, 0xee, DISK);
		assert_int_equal(redo_backup_begin(&i, put, &s, &w), 0);
		while (at < DISK) {
			u64 len = (1 + random() % 40) * 512;

			if (len > DISK - at)
				len = DISK - at;
			if (random() % 3)
				assert_int_equal(redo_backup_data(w, at, disk + at, len), 0);
			else	/* has not changed */
				memcpy(got + at, disk + at, len);
			at += len;
		}
		assert_int_equal(redo_backup_end(w, NULL), 0);
		redo_backup_writer_free(w);
		assert_int_equal(apply(&s, got, NULL), 0);
		assert_memory_equal(got, disk, DISK);
		free(s.data);
	}
	free(disk);
	free(got);
}

/* The published values, and pieces of any size. */
static void sums(void **state __unused)
{
	u8 buf[1000];
	struct redo_xxh64 x;
	u64 whole;

	redo_xxh64_init(&x);
	assert_int_equal(redo_xxh64_sum(&x), 0xef46db3751d8e999ULL);
	redo_xxh64_add(&x, "abc", 3);
	assert_int_equal(redo_xxh64_sum(&x), 0x44bc2cf5ad770999ULL);
	redo_xxh64_init(&x);
	redo_xxh64_add(&x, "Nobody inspects the spammish repetition", 39);
	assert_int_equal(redo_xxh64_sum(&x), 0xfbcea83c8a378bf1ULL);
	fill(buf, sizeof(buf), 4);
	redo_xxh64_init(&x);
	redo_xxh64_add(&x, buf, sizeof(buf));
	whole = redo_xxh64_sum(&x);
	for (size_t step = 1; step < 100; step++) {
		redo_xxh64_init(&x);
		for (size_t at = 0; at < sizeof(buf); at += step)
			redo_xxh64_add(&x, buf + at,
				       sizeof(buf) - at < step ? sizeof(buf) - at : step);
		assert_int_equal(redo_xxh64_sum(&x), whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(one_after_the_other),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(every_bit),
		cmocka_unit_test(other_records),
		cmocka_unit_test(one_thing_wrong),
		cmocka_unit_test(headers),
		cmocka_unit_test(order),
		cmocka_unit_test(wrong_writers),
		cmocka_unit_test(random_streams),
	};

	return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
