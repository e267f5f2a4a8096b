/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changed block tracking, the chain's side of it: which delta goes with which store, and
 * when an epoch begins. What is in a store is redo-cbt.h's. design.rst, "Changed block
 * tracking: the chain", has the orders of writes and why they are right.
 *
 *   redo-track.c          a chain's tracking at work: marks, merges, breaks, the end
 *   redo-track-begin.c    the hand-over: do store and deltas belong together; the new epoch
 *   redo-track-rebuild.c  after a crash: an epoch's bitmap from the map that implies it
 *   redo-track-message.c  messages
 */
#ifndef REDO_TRACK_H
#define REDO_TRACK_H

#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>
#include "redo-cbt.h"
#include "redo-delta.h"

struct redo_chain;

struct redo_track {
	/* Change only while suspended; the store itself is the chain's @cbt. */
	struct block_device *bdev;	/* of the store that @cbt is; NULL: none is open */
	u64 epoch;			/* that the hand-over under way has begun; 0: none */
	bool reverts;			/* and it leaves out what was active */

	/*
	 * What deltas' superblocks say of the store, and which delta is the active one: whoever
	 * changes that under writes holds it, so that a break finds the right one. The store's
	 * functions are not called with it: they may wait for a break.
	 */
	struct mutex records;
	bool broken;			/* records: and no superblock says otherwise */
	struct completion broke;

	/* One at a time: whoever closes the store's writes, or moves its link. Outside the gate. */
	struct mutex slow;
	bool link_due;			/* slow, or suspended: the store names another delta yet */

	struct delayed_work work;	/* what can wait for the resume: link, folds, rebuilding */
	bool stopped;			/* the chain's lock */
	/* The worker's: an epoch being rebuilt. */
	u64 rebuild_epoch;		/* 0: none */
	u64 rebuild_leaf;		/* goes on there */
};

/* --- redo-track.c --- */

void redo_track_init(struct redo_chain *c);
/* No bios any more: the store is closed as after a crash, if it was not closed before. */
void redo_track_exit(struct redo_chain *c);
/* Suspend or end: no work runs at return. May block. */
void redo_track_stop(struct redo_chain *c);
/* Resume, or the suspend was given up. Any context. */
void redo_track_go(struct redo_chain *c);

/* The work is to end soon: a suspend waits for it. Process context. */
bool redo_track_is_stopped(struct redo_chain *c);

/* What admit has refused. Any context; the bio is not counted as in flight. */
void redo_track_hold(struct redo_chain *c, struct bio *bio, sector_t start, sector_t end);
/* noflush suspend: what waits for the store is given back. Any context. */
void redo_track_requeue(struct redo_chain *c);

/* Process context, may block, in all that follows. */

/* A store to be tracked with is open, and tracking has not ended. Any context. */
bool redo_track_works(struct redo_chain *c);
/*
 * Ends the epoch and begins another one, under writes. @label may be NULL. 0, *@number:
 * the new one's; -ENODATA: there is no tracking; -EUCLEAN, -EAGAIN: see redo-cbt.h; -EIO:
 * what was written cannot be made durable. Message.
 */
int redo_track_mark(struct redo_chain *c, const char *label, u64 *number);
/*
 * Merge worker, before anything of it is on the disks: what maps imply is on the store.
 * @active: the active delta is a source. 0 also if there is no tracking; -EAGAIN: later.
 */
int redo_track_settle(struct redo_chain *c, bool active);
/* Merge worker, before the active delta changes: slot @slot (0: the base) is to be next. */
void redo_track_next_active(struct redo_chain *c, u32 slot);
/* Merge worker: it has changed. */
void redo_track_relink(struct redo_chain *c);
/* Merge worker: the base is now what the delta of slot @slot was. */
void redo_track_base_became(struct redo_chain *c, u32 slot);
/* The delta's next superblock says how far the store is. Any context. */
void redo_track_note(struct redo_chain *c, struct redo_delta *d);

/* The clean end: before the deltas' last checkpoints, and after them. Quiesced. */
void redo_track_end(struct redo_chain *c);
/* @generation: of the active delta's superblock, which is CLEAN. */
void redo_track_close(struct redo_chain *c, u64 generation);
/* It has another one, or none (NULL), from now on. Returns the one it had. */
struct redo_cbt *redo_track_set_store(struct redo_chain *c, struct redo_cbt *cbt,
				      struct block_device *bdev);
/* Tell the store which delta is the active one, if it has not been told. slow held, or suspended. */
void __redo_track_link(struct redo_chain *c);
/* What the active delta is to say of the store. *@uuid is where it is kept. */
struct redo_tracked redo_track_record(struct redo_chain *c, u8 *uuid, u64 epoch);
extern const struct redo_cbt_ops redo_track_ops;

/* --- redo-track-begin.c: hand-over --- */

/* @to goes on where @from, which is quiesced and not released yet, was. */
void redo_track_move(struct redo_chain *to, struct redo_chain *from);
/*
 * preresume, deltas claimed and loaded, nothing sealed or activated yet: store open, belongs
 * to the deltas or broken, and the epoch of a new top delta begun. -errno: the hand-over
 * has to fail.
 */
int redo_track_begin(struct redo_chain *c);
/* preresume, the new top delta is the active one: what must not wait for the resume. */
void redo_track_began(struct redo_chain *c);
/* A writable line without a store: is there one that it leaves out? Logs; -EINVAL. */
struct redo_target;
int redo_track_check_line(struct redo_target *t);

/* --- redo-track-rebuild.c --- */

/* All of the epoch counts as changed: nobody can say what did. */
void redo_track_rebuild_all(struct redo_chain *c, u64 epoch);
/* Worker: one epoch or a part of it. True: there is more to be done. */
bool redo_track_rebuild(struct redo_chain *c);

/* --- redo-track-message.c --- */

bool redo_track_is_message(const char *word);
int redo_track_message(struct redo_chain *c, unsigned int argc, char **argv, char *result,
		       unsigned int maxlen);
unsigned int redo_track_status(struct redo_chain *c, char *result, unsigned int maxlen);

#endif /* REDO_TRACK_H */
