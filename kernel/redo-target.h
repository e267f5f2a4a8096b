/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The target: what one table line owns. Its devices stay open as long as the
 * table exists; the chain may be handed on to the table that replaces it.
 */
#ifndef REDO_TARGET_H
#define REDO_TARGET_H

#include "redo-args.h"
#include "redo-chain.h"

struct redo_target {
	struct dm_target *ti;
	struct redo_features features;
	bool writable;
	u32 nr_deltas;
	struct dm_dev *base;
	struct dm_dev **dev;		/* nr_deltas, oldest first */
	struct dm_dev *store;		/* for tracking, or NULL */
	struct redo_delta **delta;	/* likewise, each with a reference */
	bool *merged;			/* likewise: wholly merged, does not count */
	char *feature_line;		/* " <n> <arg> ..." or "" */
	struct redo_chain *chain;	/* NULL once it has been handed on; redo_target_mutex */
	bool up;			/* brought up: the chain is ours; redo_target_mutex */
	bool lost;			/* the table before had lost writes, and nobody was told */
};

/*
 * Between a hand-over and those who look at a target at any time: status and
 * messages. Innermost; never held over I/O.
 */
extern struct mutex redo_target_mutex;

/* Those deltas of the line that the chain does not have yet; takes references. */
void redo_target_add_slots(struct redo_target *t, struct redo_chain *c);

/* What the line has found to be merged, in a chain that has its slots from it. */
void redo_target_note_merged(struct redo_target *t, struct redo_chain *c);
/* A line that would end what its device's chain is merging: refused. Logs; -EBUSY. */
int redo_target_check_merge(struct redo_target *t);

/* --- redo-validate.c: process context, may block, GFP_NOIO --- */

/* Everything that a constructor can check about devices alone. Logs; -errno. */
int redo_validate_devices(struct redo_target *t);
/* Sectors of a grain of the deltas that count; 0 if there are none. */
u32 redo_line_grain(const struct redo_target *t);
/* Deltas of the line below place @i that count. */
u32 redo_line_depth(const struct redo_target *t, u32 i);
/* The store is one, or may become one: then it is formatted. Logs. */
int redo_validate_store(struct redo_target *t);
/* Format the last delta if it is blank and the line is writable. Logs. */
int redo_format_blank(struct redo_target *t, u32 index);
/*
 * The first @nr deltas fit together, over this base, in this order. Logs;
 * -EINVAL etc.
 */
int redo_validate_chain(struct redo_target *t, u32 nr);
/* CRC32C of the first and last 64 KiB. */
int redo_base_fingerprint(struct block_device *bdev, u32 *head, u32 *tail);

/* --- redo-handover.c --- */

/*
 * preresume: the old table is suspended and drained. Take its chain over or put
 * a new one to work; seal parents, activate the top. Takes redo_chains_mutex
 * without doing I/O under it. On failure the disks are such that either line can be loaded.
 */
int redo_handover(struct redo_target *t);

/* --- redo-status.c, redo-message.c --- */

void redo_status(struct dm_target *ti, status_type_t type, unsigned int flags,
		 char *result, unsigned int maxlen);
int redo_message(struct dm_target *ti, unsigned int argc, char **argv,
		 char *result, unsigned int maxlen);

#endif /* REDO_TARGET_H */
