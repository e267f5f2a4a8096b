/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of redosetup restore share. */
#ifndef RESTORE_H
#define RESTORE_H

#include "../lib/redo-backup.h"
#include "tool.h"

/* One stream, at the place to which it has been read. restore-stream.c */
struct stream {
	const char *name;		/* of the file */
	FILE *file;
	bool regular;
	u64 start;			/* of the stream in the file */
	struct redo_backup_reader *reader;	/* NULL: its end was right */
	struct redo_backup_info info;
	struct redo_backup_extent at;	/* bytes 0: none yet, or none any more */
	u64 before;			/* bytes of the disk that it is applied to */
	u64 covered;			/* of what the disk has grown by */
};

/* Open @name ("-": standard input) at byte @start, and read the header. -ENODATA: nothing there. */
int stream_open(struct stream *s, const char *name, u64 start);
/* The next stream of the same file. -ENODATA: there is none. */
int stream_again(struct stream *s);
/* The next extent: 1; 0: the end, and all of it was right. */
int stream_next(struct stream *s);
void stream_close(struct stream *s);

/* What is written, or compared. restore-target.c */
struct target {
	const char *name;
	int fd;
	bool block;
	bool blank;			/* a file that is all hole */
	u64 bytes;			/* a device's; of a file no matter */
	u8 *buf;			/* to compare */
	bool touched;			/* something was written */
};

/* Nothing is written by this. */
int target_open(struct target *t, const char *name, bool only_read);
/* From now on it is written to. @bytes: of the disk; @anew: nothing in it counts. */
int target_begin(struct target *t, u64 bytes, bool anew);
/* @data NULL: zeroes. */
int target_write(struct target *t, u64 offset, const void *data, u64 bytes);
/* -EILSEQ: it differs. */
int target_compare(struct target *t, u64 offset, const void *data, u64 bytes);
int target_sync(struct target *t);
void target_close(struct target *t);

#endif /* RESTORE_H */
