// SPDX-License-Identifier: LGPL-2.1-or-later
/* Header, records and trailer of a backup stream, packed and unpacked. Pure. */
#include <ctype.h>
#include <stdlib.h>
#include "redo-int.h"
#include "backup-format.h"

/* @d: a struct that ends in its csum. */
#define SUM(d)	redo_crc32c(d, sizeof(*(d)) - sizeof((d)->csum))

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Of a text that redo_change_id_parse() has let through. */
static void uuid_of(const char *text, u8 *uuid)
{
	for (int i = 0; i < REDO_UUID_SIZE; i++, text += 2) {
		text += *text == '-';
		uuid[i] = (u8)(hex(text[0]) << 4 | hex(text[1]));
	}
}

static int pack_id(const char *id, u8 *uuid, __le64 *epoch)
{
	char text[REDO_UUID_STR_SIZE];
	uint64_t n;

	if (!*id)
		return 0;
	if (redo_change_id_parse(id, text, &n) || !n)
		return redo_err(EINVAL, "%s: not a change id", id);
	uuid_of(text, uuid);
	*epoch = cpu_to_le64(n);
	return 0;
}

static int unpack_id(const u8 *uuid, __le64 epoch, char *id)
{
	char text[REDO_UUID_STR_SIZE];
	u64 n = le64_to_cpu(epoch);

	*id = '\0';
	if (redo_uuid_nil(uuid) != !n || n > REDO_NUMBER_MAX)
		return -EBADMSG;
	if (!n)
		return 0;
	redo_uuid_str(uuid, text);
	snprintf(id, REDO_CHANGE_ID_SIZE, "%s/%llu", text, (unsigned long long)n);
	return 0;
}

/* The same rules for who writes and who reads. */
static bool info_ok(const struct redo_backup_info *i)
{
	u32 b = i->block_bytes;

	return i->disk_bytes && i->disk_bytes <= REDO_NUMBER_MAX && i->disk_bytes % 512 == 0 &&
	       !(b & (b - 1)) && (!b || b >= 512) && i->incremental == !!i->since[0] &&
	       (!i->incremental || i->id[0]);
}

int redo_backup_pack_header(const struct redo_backup_info *i, struct redo_disk_backup_header *d)
{
	int r;

	if (!info_ok(i))
		return redo_err(EINVAL, "a backup of %llu bytes, blocks of %u, of change id '%s' since '%s' makes no sense",
				(unsigned long long)i->disk_bytes, i->block_bytes, i->id, i->since);
	*d = (struct redo_disk_backup_header){
		.magic = cpu_to_le32(REDO_BACKUP_MAGIC),
		.version = cpu_to_le32(REDO_BACKUP_VERSION),
		.header_bytes = cpu_to_le32(sizeof(*d)),
		.flags = cpu_to_le32(i->incremental ? REDO_BACKUP_INCREMENTAL : 0),
		.disk_bytes = cpu_to_le64(i->disk_bytes),
		.block_bytes = cpu_to_le32(i->block_bytes),
		.time = cpu_to_le64(i->time),
	};
	if (i->uuid[0])
		uuid_of(i->uuid, d->uuid);
	redo_copy(d->chain, i->chain, sizeof(d->chain));
	redo_copy(d->snapshot, i->snapshot, sizeof(d->snapshot));
	redo_copy(d->since_snapshot, i->since_snapshot, sizeof(d->since_snapshot));
	redo_copy(d->host, i->host, sizeof(d->host));
	r = pack_id(i->id, d->tracker_uuid, &d->epoch);
	if (!r)
		r = pack_id(i->since, d->since_uuid, &d->since_epoch);
	d->csum = cpu_to_le32(SUM(d));
	return r;
}

static int refuse(const struct redo_disk_backup_header *d)
{
	u32 version = le32_to_cpu(d->version);
	u32 unknown = le32_to_cpu(d->flags) & ~(u32)REDO_BACKUP_INCREMENTAL;

	if (le32_to_cpu(d->magic) != REDO_BACKUP_MAGIC)
		return redo_err(EBADMSG, "not a backup stream");
	/* In every version the first 1024 bytes end in their checksum. */
	if (le32_to_cpu(d->csum) != SUM(d))
		return redo_err(EBADMSG, "the header of the backup stream is damaged");
	if (version != REDO_BACKUP_VERSION || le32_to_cpu(d->header_bytes) != sizeof(*d))
		return redo_err(EPROTONOSUPPORT, "a backup stream of version %u; this program knows %u",
				version, REDO_BACKUP_VERSION);
	if (unknown)
		return redo_err(EPROTONOSUPPORT, "the backup stream has features that this program does not know (%#x)",
				unknown);
	return 0;
}

static void unpack_name(const char *from, char *to)
{
	char text[REDO_NAME_SIZE + 1];

	/* May fill its field. */
	memcpy(text, from, REDO_NAME_SIZE);
	text[REDO_NAME_SIZE] = '\0';
	redo_copy_clean(to, text, REDO_NAME_MAX);
}

int redo_backup_unpack_header(const struct redo_disk_backup_header *d, struct redo_backup_info *i)
{
	int r = refuse(d);

	if (r)
		return r;
	*i = (struct redo_backup_info){
		.disk_bytes = le64_to_cpu(d->disk_bytes),
		.block_bytes = le32_to_cpu(d->block_bytes),
		.incremental = le32_to_cpu(d->flags) & REDO_BACKUP_INCREMENTAL,
		.time = le64_to_cpu(d->time),
	};
	redo_uuid_str(d->uuid, i->uuid);
	unpack_name(d->chain, i->chain);
	unpack_name(d->snapshot, i->snapshot);
	unpack_name(d->since_snapshot, i->since_snapshot);
	unpack_name(d->host, i->host);
	if (unpack_id(d->tracker_uuid, d->epoch, i->id) ||
	    unpack_id(d->since_uuid, d->since_epoch, i->since) || !info_ok(i))
		return redo_err(EBADMSG, "the header of the backup stream makes no sense");
	return 0;
}

void redo_backup_pack_head(const struct redo_backup_head *h, struct redo_disk_backup_record *d)
{
	*d = (struct redo_disk_backup_record){
		.magic = cpu_to_le32(h->magic),
		.data_csum = cpu_to_le32(h->data_csum),
		.offset = cpu_to_le64(h->offset),
		.bytes = cpu_to_le64(h->bytes),
		.sequence = cpu_to_le32(h->sequence),
	};
	d->csum = cpu_to_le32(SUM(d));
}

int redo_backup_unpack_head(const struct redo_disk_backup_record *d, struct redo_backup_head *h)
{
	if (le32_to_cpu(d->csum) != SUM(d))
		return -EBADMSG;
	*h = (struct redo_backup_head){
		.magic = le32_to_cpu(d->magic),
		.data_csum = le32_to_cpu(d->data_csum),
		.offset = le64_to_cpu(d->offset),
		.bytes = le64_to_cpu(d->bytes),
		.sequence = le32_to_cpu(d->sequence),
	};
	if (h->magic == REDO_BACKUP_MAGIC_DATA)
		return h->bytes <= REDO_BACKUP_DATA_MAX ? 0 : -EBADMSG;
	return h->magic == REDO_BACKUP_MAGIC_ZERO && !h->data_csum ? 0 : -EBADMSG;
}

void redo_backup_pack_tail(const struct redo_backup_tail *t, struct redo_disk_backup_trailer *d)
{
	*d = (struct redo_disk_backup_trailer){
		.magic = cpu_to_le32(REDO_BACKUP_MAGIC_END),
		.records = cpu_to_le64(t->records),
		.data_bytes = cpu_to_le64(t->data_bytes),
		.zero_bytes = cpu_to_le64(t->zero_bytes),
		.sum = cpu_to_le64(t->sum),
	};
	memcpy(d->uuid, t->uuid, REDO_UUID_SIZE);
	d->csum = cpu_to_le32(SUM(d));
}

int redo_backup_unpack_tail(const struct redo_disk_backup_trailer *d, struct redo_backup_tail *t)
{
	if (le32_to_cpu(d->magic) != REDO_BACKUP_MAGIC_END || le32_to_cpu(d->csum) != SUM(d))
		return -EBADMSG;
	*t = (struct redo_backup_tail){
		.records = le64_to_cpu(d->records),
		.data_bytes = le64_to_cpu(d->data_bytes),
		.zero_bytes = le64_to_cpu(d->zero_bytes),
		.sum = le64_to_cpu(d->sum),
	};
	memcpy(t->uuid, d->uuid, REDO_UUID_SIZE);
	return 0;
}

bool redo_backup_place_ok(const struct redo_backup_info *i, u64 done, u64 offset, u64 bytes)
{
	return bytes && offset % 512 == 0 && bytes % 512 == 0 && offset >= done &&
	       (i->incremental || offset == done) && offset <= i->disk_bytes &&
	       bytes <= i->disk_bytes - offset;
}

bool redo_backup_end_ok(const struct redo_backup_info *i, u64 done)
{
	return i->incremental || done == i->disk_bytes;
}

/*
 * What has changed from an earlier point on contains what has from a later one on. So an
 * increment may begin before what is there, but neither after it, nor end before it.
 */
int redo_backup_follows(const char *held, const struct redo_backup_info *next)
{
	char tracker[REDO_UUID_STR_SIZE], uuid[REDO_UUID_STR_SIZE];
	uint64_t has, since, until;

	if (!next->incremental)
		return redo_err(EINVAL, "is a full backup, not an increment");
	if (!*held)
		return redo_err(ENODATA, "is an increment since %s, but the backup before it has no change id",
				next->since);
	if (redo_change_id_parse(held, tracker, &has) ||
	    redo_change_id_parse(next->since, uuid, &since) || strcmp(tracker, uuid) ||
	    redo_change_id_parse(next->id, uuid, &until) || strcmp(tracker, uuid))
		return redo_err(EXDEV, "is an increment since %s, which is of another tracker than %s before it",
				next->since, held);
	if (since > has)
		return redo_err(ESTALE, "is an increment since %s, but what is before it ends at %s: the order is wrong, or one is missing",
				next->since, held);
	if (until < has)
		return redo_err(ESTALE, "is an increment up to %s, which is before %s that is there: the order is wrong",
				next->id, held);
	return 0;
}
