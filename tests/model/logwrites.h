/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading what dm-log-writes recorded. Its order matters for what a power cut
 * can leave behind:
 *
 *  - a FUA write is logged when it completes;
 *  - any other write is held back until a flush that was sent after its
 *    completion completes, and then logged right before that flush;
 *  - a device without a write cache gets no flushes at all: then everything is
 *    logged when the device is removed, in order of completion.
 */
#ifndef TEST_LOGWRITES_H
#define TEST_LOGWRITES_H

#include "util.h"

#define LW_FLUSH	0x1
#define LW_FUA		0x2
#define LW_DISCARD	0x4
#define LW_MARK		0x8
#define LW_METADATA	0x10

struct lw_entry {
	u64 sector, sectors;
	u64 flags;
	const u8 *data;		/* NULL for discards and what has no sectors */
};

struct lw_log {
	struct lw_entry *entry;
	u64 nr;
};

/* @log: the log device's content; it stays in use. Dies when it is not a whole log. */
void lw_parse(struct lw_log *l, const void *log, u64 bytes);
void lw_free(struct lw_log *l);
/* Bytes of the log device that are in use. */
u64 lw_bytes(const struct lw_log *l, const void *log);
/* For messages; static. */
const char *lw_describe(const struct lw_log *l, u64 nr);

#endif /* TEST_LOGWRITES_H */
