/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libredo: backup streams, written and read. Documentation/backup-stream.rst has the
 * format. Nothing here knows a device: bytes go through the caller's functions.
 *
 * As in libredo.h: 0 or -errno, and redo_last_error() has the text.
 */
#ifndef REDO_BACKUP_H
#define REDO_BACKUP_H

#include "libredo.h"

#ifdef __cplusplus
extern "C" {
#endif

struct redo_backup_info {
	uint64_t disk_bytes;		/* of the point; a multiple of 512 */
	uint32_t block_bytes;		/* what changes are tracked by; 0: not tracked */
	bool incremental;
	char id[REDO_CHANGE_ID_SIZE];	/* of the point; "": not tracked */
	char since[REDO_CHANGE_ID_SIZE];	/* of the point it is based on; "" in a full one */
	char chain[REDO_NAME_MAX];
	char snapshot[REDO_NAME_MAX];
	char since_snapshot[REDO_NAME_MAX];	/* "": only the id is known */
	char host[REDO_NAME_MAX];
	uint64_t time;			/* when it was made; seconds since the epoch */
	char uuid[REDO_UUID_STR_SIZE];	/* of the stream; the writer makes it */
};

struct redo_backup_totals {
	uint64_t records;		/* without the trailer */
	uint64_t data_bytes;
	uint64_t zero_bytes;
	uint64_t stream_bytes;
};

/*
 * Does a disk that holds the point @held become the point of the increment @next by it?
 * It does if that is based on this point or an earlier one, and is of a later one. Pure.
 * -EINVAL: @next is in full; -ENODATA: @held is of a point without a change id; -EXDEV:
 * another tracker's; -ESTALE: the order is wrong, or one is missing.
 */
int redo_backup_follows(const char *held, const struct redo_backup_info *next);

/* Writing -------------------------------------------------------------------- */

struct redo_backup_writer;

/* All of it, or -errno, which then is what the function that called it returns. */
typedef int (*redo_backup_write_fn)(void *ctx, const void *buf, size_t len);

/* Writes the header. @info is copied. */
int redo_backup_begin(const struct redo_backup_info *info, redo_backup_write_fn fn, void *ctx,
		      struct redo_backup_writer **writer);
/*
 * Ranges in ascending order, in bytes, multiples of 512. What is zeroes in the data is
 * told as such. In a full backup no byte may be left out; in an increment what is left
 * out has not changed.
 */
int redo_backup_data(struct redo_backup_writer *writer, uint64_t offset, const void *buf,
		     size_t len);
int redo_backup_zero(struct redo_backup_writer *writer, uint64_t offset, uint64_t bytes);
/* The trailer; without it the stream is nothing. @totals may be NULL. */
int redo_backup_end(struct redo_backup_writer *writer, struct redo_backup_totals *totals);
void redo_backup_writer_free(struct redo_backup_writer *writer);

/* Reading -------------------------------------------------------------------- */

struct redo_backup_reader;

/* Fills @buf, unless the end comes before: *@got says how far. 0 or -errno. */
typedef int (*redo_backup_read_fn)(void *ctx, void *buf, size_t len, size_t *got);

/*
 * Reads the header. -ENODATA: there is nothing more (not one byte). -EBADMSG: not a
 * stream, or damaged; -EPROTONOSUPPORT: of a version or with features not known here.
 */
int redo_backup_open(redo_backup_read_fn fn, void *ctx, struct redo_backup_reader **reader);
const struct redo_backup_info *redo_backup_get_info(const struct redo_backup_reader *reader);

enum redo_backup_kind { REDO_BACKUP_DATA = 1, REDO_BACKUP_ZERO = 2 };

struct redo_backup_extent {
	enum redo_backup_kind kind;
	uint64_t offset, bytes;
	const void *data;	/* its checksum was right; until the next call. NULL for zeroes */
};

/*
 * The next one: 1. At the end, the trailer being right: 0, and after that the next stream
 * may follow. -EBADMSG: damaged, -ENODATA: cut off.
 */
int redo_backup_next(struct redo_backup_reader *reader, struct redo_backup_extent *extent);
/* So far. */
const struct redo_backup_totals *redo_backup_get_totals(const struct redo_backup_reader *reader);
void redo_backup_close(struct redo_backup_reader *reader);

#ifdef __cplusplus
}
#endif
#endif /* REDO_BACKUP_H */
