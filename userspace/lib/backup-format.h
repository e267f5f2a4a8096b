/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A backup stream, version 1: a header, records in ascending order of place, a trailer.
 * Little-endian. Documentation/backup-stream.rst tells the story. Pure: no device, no
 * file, nothing allocated.
 */
#ifndef REDO_BACKUP_FORMAT_H
#define REDO_BACKUP_FORMAT_H

#include "../../kernel/redo-format.h"
#include "redo-backup.h"

#define REDO_BACKUP_VERSION	1
#define REDO_BACKUP_MAGIC	REDO_MAGIC('R', 'D', 'B', 'S')
#define REDO_BACKUP_MAGIC_DATA	REDO_MAGIC('R', 'D', 'B', 'D')
#define REDO_BACKUP_MAGIC_ZERO	REDO_MAGIC('R', 'D', 'B', 'Z')
#define REDO_BACKUP_MAGIC_END	REDO_MAGIC('R', 'D', 'B', 'E')

#define REDO_BACKUP_INCREMENTAL	1	/* in flags */

#define REDO_BACKUP_DATA_MAX	4194304	/* bytes of one record; a reader has a buffer for it */

struct redo_disk_backup_header {
	__le32 magic;			/* 4 */
	__le32 version;			/* 8 */
	__le32 header_bytes;		/* 12: of this */
	__le32 flags;			/* 16: others than those known are refused */
	__le64 disk_bytes;		/* 24 */
	__le32 block_bytes;		/* 28 */
	__le32 reserved0;		/* 32 */
	__le64 time;			/* 40 */
	u8 uuid[REDO_UUID_SIZE];	/* 56 */
	u8 tracker_uuid[REDO_UUID_SIZE];	/* 72 */
	__le64 epoch;			/* 80 */
	u8 since_uuid[REDO_UUID_SIZE];	/* 96 */
	__le64 since_epoch;		/* 104 */
	u8 reserved1[24];		/* 128 */
	char chain[REDO_NAME_SIZE];	/* 256 */
	char snapshot[REDO_NAME_SIZE];	/* 384 */
	char since_snapshot[REDO_NAME_SIZE];	/* 512 */
	char host[REDO_NAME_SIZE];	/* 640 */
	u8 reserved2[380];		/* 1020 */
	__le32 csum;			/* 1024: of all before it */
};

struct redo_disk_backup_record {
	__le32 magic;			/* 4: data or zeroes */
	__le32 data_csum;		/* 8: 0 for zeroes */
	__le64 offset;			/* 16: bytes on the disk */
	__le64 bytes;			/* 24 */
	__le32 sequence;		/* 28: counted from 0; the low 32 bits */
	__le32 csum;			/* 32: of all before it */
};

struct redo_disk_backup_trailer {
	__le32 magic;			/* 4 */
	__le32 reserved;		/* 8 */
	__le64 records;			/* 16 */
	__le64 data_bytes;		/* 24 */
	__le64 zero_bytes;		/* 32 */
	u8 uuid[REDO_UUID_SIZE];	/* 48: the stream's, again */
	__le64 sum;			/* 56: XXH64 of the whole stream before this field */
	__le32 reserved1;		/* 60 */
	__le32 csum;			/* 64: of all before it */
};

static_assert(sizeof(struct redo_disk_backup_header) == 1024, "backup header");
static_assert(sizeof(struct redo_disk_backup_record) == 32, "backup record");
static_assert(sizeof(struct redo_disk_backup_trailer) == 64, "backup trailer");

/* A record's head, or the trailer, by its magic. */
struct redo_backup_head {
	u32 magic;
	u32 data_csum;
	u32 sequence;
	u64 offset, bytes;
};

struct redo_backup_tail {
	u64 records, data_bytes, zero_bytes;
	u8 uuid[REDO_UUID_SIZE];
	u64 sum;
};

/* -EINVAL with a text for what a stream cannot say. */
int redo_backup_pack_header(const struct redo_backup_info *i, struct redo_disk_backup_header *d);
/* -EBADMSG or -EPROTONOSUPPORT with a text. */
int redo_backup_unpack_header(const struct redo_disk_backup_header *d,
			      struct redo_backup_info *i);
void redo_backup_pack_head(const struct redo_backup_head *h, struct redo_disk_backup_record *d);
/* Its own checksum, magic and numbers; -EBADMSG without a text. Not for a trailer. */
int redo_backup_unpack_head(const struct redo_disk_backup_record *d, struct redo_backup_head *h);
void redo_backup_pack_tail(const struct redo_backup_tail *t, struct redo_disk_backup_trailer *d);
int redo_backup_unpack_tail(const struct redo_disk_backup_trailer *d, struct redo_backup_tail *t);
/* May the range stand there, after what ends at @done? The reader's rule and the writer's. */
bool redo_backup_place_ok(const struct redo_backup_info *i, u64 done, u64 offset, u64 bytes);
/* May it end there? */
bool redo_backup_end_ok(const struct redo_backup_info *i, u64 done);

#endif /* REDO_BACKUP_FORMAT_H */
