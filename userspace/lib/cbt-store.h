/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tracking store as it is on a device; not installed. */
#ifndef REDO_CBT_STORE_H
#define REDO_CBT_STORE_H

#include "redo-int.h"
#include "../../kernel/redo-cbt-format.h"

struct redo_cbt_supers {
	struct redo_cbt_super sb[2];
	enum redo_bad bad[2];
	int err[2];		/* -errno of a slot that cannot be read: bad is REDO_BAD_CSUM */
	int cur;		/* the one that counts; -1: none, or one is refused */
};

/* 0 also without a valid superblock; -errno where a read error may be why there is none. */
int redo_cbt_read_supers(const struct redo_io *io, struct redo_cbt_supers *s);
const char *redo_cbt_slot_str(const struct redo_cbt_supers *s, int slot);
/*
 * The valid one or -errno with a text that names @path: -ENODATA: not a store; -EUCLEAN: a
 * damaged one.
 */
int redo_cbt_read_super(const struct redo_io *io, const char *path, struct redo_cbt_super *sb);

/*
 * Store sizes, in bytes. @least: what a format wants; @good: with room for REDO_CBT_GOOD
 * epochs in which everything has changed.
 */
#define REDO_CBT_GOOD	16
int redo_cbt_sizes(u64 virtual_sectors, u32 block_sectors, u64 *least, u64 *good);
/* An empty store with a new uuid, durable. Whatever is there is gone. */
int redo_cbt_format_file(struct redo_file *f, u32 block_sectors, u64 virtual_sectors,
			 struct redo_cbt_super *sb);
/* It is no store any more. */
int redo_cbt_wipe(const char *path);

/* Reading ------------------------------------------------------------------------ */

struct redo_cbt_walk {
	const struct redo_io *io;
	const struct redo_cbt_super *sb;
	void *ctx;
	/* Before a block is read: false = do not go there. NULL: refuse only what is outside. */
	bool (*enter)(void *ctx, u64 blocknr, u32 level);
	/* Words of a page, in order; its first bit is @page * REDO_CBT_PAGE_BITS. Other than 0 ends it. */
	int (*page)(void *ctx, u64 page, const __le64 *word);
	/* @pages pages from @page on have every bit set. */
	int (*ones)(void *ctx, u64 page, u64 pages);
	void (*bad)(void *ctx, u64 blocknr, u32 level, u64 index, const char *why);
};

/* The bitmap under @root, in order. 0, what a callback returned, or -ENOMEM. */
int redo_cbt_walk_bitmap(const struct redo_cbt_walk *w, const struct redo_ptr *root);

struct redo_cbt_table {
	struct redo_cbt_record *record;	/* the oldest first; malloc'ed */
	u32 nr;
};

/* Every record that can be read; what cannot is told to w->bad. -ENOMEM. */
int redo_cbt_read_table(const struct redo_cbt_walk *w, struct redo_cbt_table *t);

struct redo_cbt_replay {
	void *ctx;
	/* A valid block that counts, and its marks. May be NULL. */
	void (*block)(void *ctx, const struct redo_cbt_journal_header *jh);
	void (*mark)(void *ctx, const struct redo_cbt_journal_header *jh,
		     const struct redo_cbt_mark *m);
	void (*bad)(void *ctx, u64 seq, const char *why);
	/* Filled in: */
	u64 blocks, marks;
	u64 next_seq;
};

/* As the kernel does. -errno for a read error. */
int redo_cbt_replay_journal(const struct redo_io *io, const struct redo_cbt_super *sb,
			    struct redo_cbt_replay *r);

/* Checking --------------------------------------------------------------------------- */

struct redo_cbt_check_result {
	u64 problems, notes;
	u64 records, blocks, journal_blocks, marks;
	const char *ended;	/* why tracking has; NULL: it has not */
};

int redo_cbt_check(const struct redo_io *io, const struct redo_check_ops *ops,
		   struct redo_cbt_check_result *result);

#endif /* REDO_CBT_STORE_H */
