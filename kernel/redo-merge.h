/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A chain's merge: what neighbouring deltas (the source, slots lo to hi) hold is carried
 * into what is below them (the target: a delta, or slot 0, the base). design.rst,
 * "Merging", has the two ways it is done, sealed and active, and what is on the disks
 * meanwhile. One worker does it, a batch at each run.
 *
 *   redo-merge.c         state, worker, throttle, progress; what is on the disks at the start
 *   redo-merge-begin.c   messages: may it begin; found again at the activation
 *   redo-merge-copy.c    copies under way: one batch of them
 *   redo-merge-sealed.c  batches of a sealed source, and its end
 *   redo-merge-active.c  batches of the active delta, and its beginning and end
 *   redo-merge-commit.c  commits meanwhile: target first, then source
 */
#ifndef REDO_MERGE_H
#define REDO_MERGE_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/dm-io.h>
#include <linux/workqueue.h>
#include "redo-delta.h"
#include "redo-format.h"

struct redo_chain;

enum redo_merge_run {
	REDO_MERGE_IDLE,	/* there is none */
	REDO_MERGE_RUNNING,
	REDO_MERGE_PAUSED,
	REDO_MERGE_HELD,	/* found on the disks; the table says to wait */
	REDO_MERGE_FULL,	/* no space in the target: tries again */
	REDO_MERGE_FAILED,
	REDO_MERGE_DONE,
};

#define REDO_MERGE_COPIES	528	/* of one batch: more than a leaf has words */
#define REDO_MERGE_PAGES	(SZ_4M / PAGE_SIZE)	/* what copies under way may hold */

struct redo_merge_copies;

/* One copy: a write, and what is read for it. */
struct redo_merge_copy {
	struct redo_merge_copies *k;
	struct list_head list;		/* k->ended */
	struct bio *bio;		/* the write; it has the pages */
	u32 reads;			/* that are not over; k->lock */
	bool failed;			/* one of them has; k->lock */
	bool writes;			/* the reads are over */
	u64 grain, len;
};

struct redo_merge_read {
	struct redo_merge_copy *copy;
	struct dm_io_region from;
	u64 grain, len;
};

/* Runs of copies under way, all of one batch; the merge worker's alone, but for what end_io adds. */
struct redo_merge_copies {
	struct redo_chain *c;
	spinlock_t lock;
	struct list_head ended;		/* reads or writes that are over; lock */
	wait_queue_head_t wait;
	u32 pending;
	int error;			/* of one that failed, and its range; lock */
	u64 error_grain, error_len;
	struct dm_io_region to;		/* gathered, not sent yet: where it goes, ... */
	u32 first, n;			/* ... and its reads; those before have been sent */
	u32 nr_copies;			/* sent */
	struct blk_plug plug;
	struct bio_set reads, writes;
	struct page *page[REDO_MERGE_PAGES];	/* those that no copy has */
	u32 nr_free;
};

/* The worker's memory, taken before it begins: it may be memory that somebody writes for. */
struct redo_merge_buf {
	struct redo_merge_copies copies;
	struct redo_merge_copy copy[REDO_MERGE_COPIES];
	struct redo_merge_read read[REDO_MERGE_COPIES];
	struct redo_change change[REDO_MERGE_COPIES];
	u32 n_changes;
	u64 source[REDO_FANOUT];	/* words of a leaf */
	u64 target[REDO_FANOUT];
	__le64 disk[REDO_FANOUT];
	/* active: */
	u64 closed[REDO_FANOUT];	/* what the words were; 0: not closed */
	u64 place[REDO_FANOUT];	/* new ones in the target, at the beginning of a run */
	u32 run[REDO_FANOUT];		/* grains of the run that begins there */
};

struct redo_merge {
	struct delayed_work work;

	/* Under the chain's lock; read without it, too. */
	enum redo_merge_run run;
	bool stopped;			/* the device is being suspended, or goes */
	u32 percent;			/* throttle; of the time */
	u32 mib;			/* or MiB a second; 0: percent counts */
	int error;
	u64 error_grain, error_len;

	/* Written while there is none or nothing runs; redo_chains_mutex or suspended. */
	bool was_paused;		/* in the chain before this one, of the same device */
	bool all;			/* merge_all */
	bool goes_on;			/* its first step: the next one goes into the base, too */
	bool active;			/* the source is the active delta */
	u32 lo, hi;			/* source slots */
	u32 target;			/* slot; 0: the base */
	u8 source[REDO_UUID_SIZE];	/* of hi */

	/* The worker's. */
	bool begun;			/* the disks say so, the target takes commits */
	bool copied;			/* nothing is left to copy */
	u32 rounds;			/* active: how often the source was not empty then */
	u64 pos;			/* grains below it are in the target */
	u64 saved_pos;			/* base: what the bottom delta's superblock says */
	unsigned long saved;		/* jiffies */
	u64 sectors;			/* of the batch: for the throttle */
	struct redo_merge_buf *buf;

	/* Progress; written by the worker, read by the status. */
	u64 done, total;		/* grains */
	u64 rate;			/* KiB a second */
	u64 rate_done;			/* done at ... */
	unsigned long rate_since;	/* ... that time */
};

/* --- redo-merge.c --- */

int redo_merge_module_init(void);
void redo_merge_module_exit(void);
void redo_merge_init(struct redo_chain *c);
void redo_merge_exit(struct redo_chain *c);
/* Suspend or end: no batch runs at return, none begins before redo_merge_go(). May block. */
void redo_merge_stop(struct redo_chain *c);
/* Any context: it may stop between batches now, for redo_merge_stop() will come. */
void redo_merge_stop_soon(struct redo_chain *c);
/* Resume, or the suspend was given up. Any context. */
void redo_merge_go(struct redo_chain *c);
/* Something has changed: let the worker look. Any context. */
void redo_merge_kick(struct redo_chain *c);
/* Is one at work, whatever its state (but done)? Any context. */
bool redo_merge_busy(const struct redo_chain *c);
/* Of a batch, @max where nothing is throttled. Any context. */
u32 redo_merge_batch_sectors(const struct redo_chain *c, u32 max);
/* Any context. */
void redo_merge_set_run(struct redo_chain *c, enum redo_merge_run run);
/*
 * If it is one of @from (bits of enum redo_merge_run) it becomes @to: the worker, or a message,
 * may have been faster. To run again is without the error of before. Any context.
 */
bool redo_merge_change_run(struct redo_chain *c, unsigned long from, enum redo_merge_run to);
/* A range of grains could not be carried down. Worker. */
void redo_merge_note_error(struct redo_chain *c, int error, u64 grain, u64 len);
/* Worker: a source is in its target. Its slots do not count any more. */
void redo_merge_drop_slots(struct redo_chain *c, u32 lo, u32 hi);

/* --- redo-merge-begin.c; process context, may block --- */

int redo_merge_message(struct redo_chain *c, unsigned int argc, char **argv, char *result,
		       unsigned int maxlen);
bool redo_merge_is_message(const char *word);
/* preresume, after the chain was brought up: go on with what the disks say was begun. */
int redo_merge_find(struct redo_chain *c);
/* @c takes the place of @old, which is suspended: what was said of its merge holds on. */
void redo_merge_inherit(struct redo_chain *c, const struct redo_chain *old);
/*
 * Another chain at work uses the target: names it. redo_chains_mutex held.
 * -EBUSY.
 */
int redo_merge_check_holders(struct redo_chain *c, u32 target);
unsigned int redo_merge_status(struct redo_chain *c, char *result, unsigned int maxlen);

/* --- redo-merge-copy.c; the worker, may block --- */

/* @k is zeroed. -ENOMEM: as it was. */
int redo_copies_create(struct redo_merge_copies *k);
void redo_copies_destroy(struct redo_merge_copies *k);
void redo_copies_start(struct redo_merge_copies *copies, struct redo_chain *c);
/* @len grains from @grain on, from where @word says to where they are in @to_slot. */
void redo_copies_add(struct redo_merge_copies *copies, u64 grain, u64 len, u64 word,
		     u32 to_slot, u64 to_phys);
/* No more can be added to this batch. */
bool redo_copies_full(const struct redo_merge_copies *copies);
/* Zeroes to @len grains of the base from @grain on. */
void redo_copies_zero(struct redo_merge_copies *copies, u64 grain, u64 len);
/* 0 or -errno, with the range in it. */
int redo_copies_wait(struct redo_merge_copies *copies);

/* --- redo-merge-sealed.c, redo-merge-active.c; the worker, may block --- */

/* merge_all: the sealed ones are down; what is on top is next. 0: begin, -errno. */
int redo_merge_next(struct redo_chain *c);
/* One batch. 0: there is more; 1: nothing is left; -ENOSPC: the target is full; -errno. */
int redo_merge_sealed_begin(struct redo_chain *c);
int redo_merge_sealed_batch(struct redo_chain *c);
int redo_merge_sealed_end(struct redo_chain *c);
int redo_merge_active_begin(struct redo_chain *c);
int redo_merge_active_batch(struct redo_chain *c);
int redo_merge_active_end(struct redo_chain *c);
/* The device is suspended and drained; the source is going to be sealed. */
void redo_merge_seal_source(struct redo_chain *c);

#endif /* REDO_MERGE_H */
