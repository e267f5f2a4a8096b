/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A chain at work: the base, its deltas, the merged map and everything that is
 * under way. Made by a table's constructor; a table that only adds deltas takes
 * over the chain of the table it replaces, map and all.
 *
 * Locking (outermost first; design.rst has the table with the reasons)
 *   redo_chains_mutex     registry and hand-over; process context
 *   redo_delta's mutex    one mutator of a delta; process context
 *   building              read: a leaf is built; write: directories are evicted
 *   build_lock[]          one builder of a leaf; process context
 *   chain->lock           lists, flags and counters below; irqsave
 *   waiters[].lock        bios behind a pending word; irqsave
 * Map words are not under any lock (redo-map.h).
 */
#ifndef REDO_CHAIN_H
#define REDO_CHAIN_H

#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/dm-kcopyd.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "redo-delta.h"
#include "redo-inflight.h"
#include "redo-map.h"
#include "redo-merge.h"
#include "redo-mutate.h"
#include "redo-track.h"

#define DM_MSG_PREFIX "redo"

/* What the table line asks for. */
struct redo_features {
	bool error_if_no_space;
	u32 no_space_timeout;	/* seconds; 0: for ever */
	u64 low_water;		/* units */
	bool ignore_discard;
	bool no_discard_passdown;
	bool force_base;
	bool hold_merge;
	bool cbt;
	bool no_cbt;		/* whoever tracked it before: no more */
	u32 nr_given;		/* arguments as given, for the table line */
};

/* Only ever gets worse; redo_chain_set_mode() is the one setter. */
enum redo_mode {
	REDO_MODE_RW,
	REDO_MODE_RO,		/* metadata cannot be written: reads go on */
	REDO_MODE_FAILED,
};

enum redo_space {
	REDO_SP_OK,
	REDO_SP_LOW,
	REDO_SP_QUEUEING,
	REDO_SP_ERRORING,
};

struct redo_slot {
	struct block_device *bdev;
	struct redo_delta *delta;	/* NULL: the base */
	bool owned;			/* we may change its metadata */
	bool merged;			/* what it holds is in what was below it; read without a lock */
};

#define REDO_WAIT_BUCKETS	64
#define REDO_BUILD_LOCKS	64
#define REDO_WORKERS		8
#define REDO_CHANGES_MAX	16384	/* of one commit, before new ones wait */

struct redo_waiters {
	spinlock_t lock;
	struct bio_list bios;		/* behind a pending word of this bucket */
};

struct redo_chain;

struct redo_worker {
	struct work_struct work;
	struct redo_chain *chain;
	bool awake;			/* will look at the queue again; the chain's lock */
};

struct redo_chain {
	/* Set before the chain is used, then constant. */
	struct mapped_device *md;
	sector_t begin;			/* of the target in its device */
	sector_t len;
	u32 grain_sectors;
	u32 grain_shift;		/* log2(grain_sectors) */
	u64 nr_grains;
	bool writable;

	/* Change only while suspended, under redo_chains_mutex. */
	struct list_head registry;	/* redo_chains; empty: not attached */
	struct dm_target *ti;		/* of the table in force */
	struct block_device *store;	/* that the table names for tracking, or NULL */
	struct redo_features features;
	u32 nr_deltas;
	u32 top;			/* last slot that is not merged; 0: passthrough */
	/* The same, and at the ends of an active merge (redo-gate.c). */
	u32 active_slot;		/* 0: none (view, passthrough) */
	struct redo_delta *active;	/* that of active_slot */
	u32 home;			/* slot for new grains: active_slot, or its merge's target */
	struct redo_delta *alloc;	/* that of home; NULL: the base */
	bool gate;			/* closed: writes wait */
	struct redo_cbt *cbt;		/* NULL: not tracked; changes only while suspended */
	struct redo_slot slot[REDO_MAX_DELTAS + 1];

	struct redo_map map;
	struct redo_inflight inflight;
	struct redo_inflight at_work;	/* workers with a bio in hand that is no read */
	struct redo_waiters waiters[REDO_WAIT_BUCKETS];
	atomic_t nr_waiting;		/* bios in all buckets; lets completions skip the lock */
	struct rw_semaphore building;	/* write: to take directories out of the map */
	struct mutex build_lock[REDO_BUILD_LOCKS];

	struct workqueue_struct *wq;		/* deferred bios, WQ_MEM_RECLAIM */
	struct workqueue_struct *commit_wq;	/* commit and housekeeping; see init_queues() */
	struct redo_worker worker[REDO_WORKERS];
	unsigned int next_worker;		/* round robin; lock */
	struct work_struct commit_work;
	struct delayed_work tick;	/* commit timer */
	struct redo_visit *visitor;	/* waits for the commit worker to let him in */
	struct delayed_work idle;	/* checkpoint when nothing else happens */
	unsigned long last_commit;	/* jiffies; commit worker only */
	int commit_error;		/* of the last commit; commit worker to write */
	unsigned long resumed;		/* jiffies */
	struct work_struct event_work;
	struct dm_kcopyd_client *kcopyd;
	mempool_t change_pool;			/* struct redo_change, for workers */

	spinlock_t lock;
	/* Under lock. */
	enum redo_mode mode;		/* read without it, too */
	enum redo_space space;		/* read without it, too; commit worker to write */
	bool committing;		/* a commit is in flight */
	bool suspending;		/* read without it, too */
	bool parked;			/* suspended: nothing may be started */
	bool event_pending;
	bool lost;			/* what was acknowledged could not be committed */
	unsigned long no_space_since;	/* jiffies */
	struct list_head changes;	/* of the next commit, in the order they happened */
	u32 nr_changes;			/* read without it, too */
	bool force_commit;		/* drain: flush even if nothing is listed */
	bool idle_expired;		/* a checkpoint now disturbs nobody */
	bool timer_expired;		/* what is listed has waited long enough */
	struct bio_list commit_waiters;	/* flushes and FUA writes */
	struct bio_list deferred;	/* for the workers */
	struct bio_list no_space;	/* wait for a unit */
	struct bio_list failed;		/* failed first writes: mapping to be read back */
	struct bio_list held;		/* at the closed gate */
	struct list_head commit_waits;	/* struct redo_commit_wait */

	wait_queue_head_t throttle;	/* workers, while too many changes are outstanding */
	atomic_t evict_want;		/* leaves that the shrinker asked for */

	/* Statistics, approximate. */
	atomic64_t nr_commits, nr_checkpoints;

	sector_t stream_end;	/* of the last long write; a hint, without lock */

	struct redo_merge merge;
	struct redo_track track;
};

/* What a bio is going through: per-bio data. */
enum redo_io_state {
	REDO_IO_NEW = 0,	/* nothing is under way */
	REDO_IO_PASS,		/* sent on, nothing to do at its end */
	REDO_IO_COUNTED,	/* the same, but counted in flight: tracked passthrough */
	REDO_IO_MAPPED,		/* read, or overwrite in place; counted in flight */
	REDO_IO_FIRST,		/* first write: entries are pending, counted in flight */
	REDO_IO_ZEROING,	/* write-zeroes of a part of an own grain; counted in flight */
	REDO_IO_DONE,		/* everything is over: let it end */
};

struct redo_io {
	u8 state;		/* enum redo_io_state */
	u8 gen;			/* for redo_inflight_leave() */
	bool fua;
	bool has_rest;		/* more pieces follow, see rest */
	bool stream;		/* write: follows the one before */
	u32 len;		/* FIRST: grains */
	u64 grain;		/* FIRST: first logical grain */
	u64 phys;		/* FIRST: first physical grain */
	u64 old;		/* FIRST: the word that the first grain had */
	struct redo_leaf *leaf;	/* FIRST: kept resident by its busy count */
	struct redo_change *change;	/* FIRST: to join the next commit */
	struct redo_chain *chain;
	struct bvec_iter rest;
	atomic_t copies;	/* copy-up: jobs outstanding */
	blk_status_t copy_error;
	/* copy-up: the part of the grain that the bio covers, sectors of the chain */
	sector_t part_start, part_end;
};

static inline struct redo_io *redo_io(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct redo_io));
}

static inline u64 redo_sector_to_grain(const struct redo_chain *c, sector_t sector)
{
	return sector >> c->grain_shift;
}

static inline sector_t redo_grain_to_sector(const struct redo_chain *c, u64 grain)
{
	return (sector_t)grain << c->grain_shift;
}

static inline bool redo_chain_is_passthrough(const struct redo_chain *c)
{
	return !READ_ONCE(c->top);
}

/*
 * An active merge is at work: new grains go to another slot than that of the active delta.
 * Changes only while the gate is closed.
 */
static inline bool redo_chain_goes_down(const struct redo_chain *c)
{
	return unlikely(c->home != c->active_slot);
}

/* What an active merge's target has is written to in place. */
static inline bool redo_home_owns(const struct redo_chain *c, u64 word)
{
	return c->home ? redo_word_is_own(word, c->home) : redo_word_state(word) == REDO_W_BASE;
}

/* A write goes where it is? */
static inline bool redo_chain_owns(const struct redo_chain *c, u64 word)
{
	return redo_word_is_own(word, c->active_slot) ||
	       (redo_chain_goes_down(c) && redo_home_owns(c, word));
}

/* A write needs a new place? */
static inline bool redo_chain_is_new(const struct redo_chain *c, u64 word)
{
	return redo_word_is_below(word, c->active_slot) &&
	       !(redo_chain_goes_down(c) && redo_home_owns(c, word));
}

/* In an active merge: after such a write the source must be told that it has it no more. */
static inline bool redo_home_unmaps(const struct redo_chain *c, u64 word)
{
	return !c->home || redo_word_state(word) == REDO_W_ZERO;
}

/* The word of a grain that is at @phys of home. */
static inline u64 redo_home_word(const struct redo_chain *c, u64 phys)
{
	return c->home ? redo_word(REDO_W_MAPPED, c->home, phys) : redo_word(REDO_W_BASE, 0, 0);
}

/*
 * Has tracking taken note of a write to come? If not: leave the in-flight count, and
 * redo_track_hold(). Any context, counted in inflight or at_work.
 */
static inline bool redo_track_admit(struct redo_chain *c, sector_t start, sector_t end)
{
	return likely(!c->cbt) || redo_cbt_admit(c->cbt, start, end);
}

/* --- redo-chain.c: life, registry, hand-over. Process context, may block. --- */

extern struct mutex redo_chains_mutex;

struct redo_chain *redo_chain_create(sector_t len, u32 grain_sectors, bool writable);
/* Not attached, nothing in flight. Puts the deltas. */
void redo_chain_destroy(struct redo_chain *c);
/* The next slot below @slot that is not merged; 0: the base. Any context. */
u32 redo_chain_below(const struct redo_chain *c, u32 slot);
/* Slots have been marked as merged: find the last that is not. */
void redo_chain_find_top(struct redo_chain *c);
/* Deltas below @slot that are not merged. Any context. */
u32 redo_chain_depth(const struct redo_chain *c, u32 slot);
/* Does the chain have that device, as base, delta or store? Any context. */
bool redo_chain_has(const struct redo_chain *c, const struct block_device *bdev);
/*
 * Under redo_chains_mutex: names (in the log) each other chain at work that has @bdev.
 * True if there is one.
 */
bool redo_chain_others_have(struct redo_chain *c, const struct block_device *bdev);
/* Takes over the caller's reference on @delta (NULL for the base). */
void redo_chain_add_slot(struct redo_chain *c, struct block_device *bdev,
			 struct redo_delta *delta);
/* Under redo_chains_mutex. The attached chain of that device and offset, or NULL. */
struct redo_chain *redo_chain_find(struct mapped_device *md, sector_t begin);
/*
 * Under redo_chains_mutex: refuse what would let two chains change one device,
 * or one change what another shows. @pred is about to go and does not count.
 * Logs; -EBUSY.
 */
int redo_chain_check_sharing(struct redo_chain *c, struct redo_chain *pred);
/* Does a chain that is at work use @bdev, as base, delta or store? Takes redo_chains_mutex. */
bool redo_chains_use(const struct block_device *bdev);
void redo_chain_attach(struct redo_chain *c);
/* Under redo_chains_mutex. Off the registry; no-op if it is not on it. */
void redo_chain_unlist(struct redo_chain *c);
/*
 * Unlisted and quiesced: ownership of all its deltas ends; @clean: after a last
 * checkpoint.
 */
void redo_chain_release(struct redo_chain *c, bool clean);

/* Over all attached chains; never block. */
unsigned int redo_chains_attached(void);
unsigned long redo_chains_resident(void);	/* leaves in memory */
void redo_chains_shrink(unsigned long leaves);

/* All queues run dry, everything that completed is durable. Device suspended. */
int redo_chain_quiesce(struct redo_chain *c);

/* Any context. */
void redo_chain_set_mode(struct redo_chain *c, enum redo_mode mode, const char *why);
void redo_chain_event(struct redo_chain *c);

/* --- redo-build.c --- */

/*
 * The leaf's slot value, built if necessary from the deltas. May block; -errno
 * for a region that cannot be read (-EUCLEAN, -EIO).
 */
int redo_build_leaf(struct redo_chain *c, u64 leaf);
/*
 * What the deltas of slots @hi down to @lo say of a leaf, laid over one another; 0 where
 * none of them says anything. May block; -errno.
 */
int redo_build_range(struct redo_chain *c, u64 leaf, u32 hi, u32 lo, u64 *words, __le64 *disk);
/* Read the mapping of grains of one leaf back from the deltas into @words[0..len). */
int redo_build_words(struct redo_chain *c, u64 grain, u32 len, u64 *words);

/* --- redo-bio.c: the data path --- */

/* target's map and end_io */
int redo_bio_map(struct redo_chain *c, struct bio *bio);
int redo_bio_end_io(struct redo_chain *c, struct bio *bio, blk_status_t *error);
/* Worker: do the next piece of @bio. May block. */
void redo_bio_process(struct redo_chain *c, struct bio *bio);

/*
 * Entries [grain, grain + len) of one leaf, all below the active delta, become
 * pending. Returns how many; 0: lost a race. *@first: what the first one was.
 * In an RCU read section.
 */
u32 redo_entries_begin(struct redo_chain *c, struct redo_leaf *leaf, u64 grain, u32 len,
		       u64 *first);
/* Pending entries become @word (and its steps); wakes who waits behind them. */
void redo_entries_publish(struct redo_chain *c, struct redo_leaf *leaf, u64 grain, u32 len,
			  u64 word);
/* A reader's way to hold on to the leaf of @grain for a change. NULL: defer. */
struct redo_leaf *redo_leaf_for_change(struct redo_chain *c, u64 grain, gfp_t gfp);
void redo_leaf_unbusy(struct redo_leaf *leaf);

/* The data of a first write is in its place (not yet durable). Any context. */
void redo_first_write_done(struct redo_chain *c, struct redo_io *io);
/* Worker: make the bio's first leaf one that can be changed. False: bio has ended. */
bool redo_prepare_leaf(struct redo_chain *c, struct bio *bio);
/* Worker: the io has a change with all that it needs. False: the bio went elsewhere. */
bool redo_prepare_change(struct redo_chain *c, struct bio *bio);
/* Worker: copy-up of the bio's one grain, from the look-up on. */
void redo_bio_copyup(struct redo_chain *c, struct bio *bio);

/* Gives back what was taken for the next piece, the change included. Any context. */
void redo_io_release(struct redo_io *io);
/* The bio is over as far as we are concerned. Any context. */
void redo_bio_finish(struct bio *bio, blk_status_t status);
/* After a piece: the rest, the commit that FUA waits for, or the end. Any context. */
void redo_bio_piece_done(struct redo_chain *c, struct bio *bio, blk_status_t status);
/* Cut to @sectors from its start; the rest follows. In a worker. */
void redo_bio_cut(struct bio *bio, sector_t sectors);
/* Takes that back; nothing of the piece has been sent. */
void redo_bio_uncut(struct bio *bio);
void redo_bio_send(struct redo_chain *c, struct bio *bio, u32 slot, sector_t sector);

/* --- redo-defer.c: queues of bios. Any context unless said otherwise. --- */

void redo_defer_init(struct redo_chain *c);
void redo_defer(struct redo_chain *c, struct bio *bio);
void redo_defer_list(struct redo_chain *c, struct bio_list *bios);
/* Behind a pending word at @grain, or deferred at once if it no longer is. */
void redo_wait_pending(struct redo_chain *c, struct bio *bio, u64 grain);
void redo_wake_pending(struct redo_chain *c, u64 leaf);

/* --- redo-copyup.c, redo-discard.c: workers, may block --- */

/*
 * A write or write-zeroes that covers one grain in part: the io is in state
 * FIRST (grain pending, place taken); the rest of the grain is copied from what
 * io->old says, then the bio is sent. Without a payload the part is zeroed.
 */
void redo_copyup(struct redo_chain *c, struct bio *bio);
/* Zero the part of an own grain that the bio covers, where @word says; state ZEROING. */
void redo_zero_part(struct redo_chain *c, struct bio *bio, u64 word);
int redo_copyup_init(struct redo_chain *c);
void redo_copyup_exit(struct redo_chain *c);
void redo_discard(struct redo_chain *c, struct bio *bio);

/* An eighth of a chain's share of the budget, in blocks or leaves of 4 KiB. Any context. */
u64 redo_evict_eighth(void);

/* --- redo-commit.c --- */

int redo_commit_module_init(void);
void redo_commit_module_exit(void);
int redo_commit_init(struct redo_chain *c);
void redo_commit_exit(struct redo_chain *c);
/*
 * The change joins the next commit; must precede the publishing of its words.
 * Its cookie is the leaf that it keeps resident, or NULL. Any context. True if
 * it was merged into the one before: then it is free and the leaf's busy count
 * is the caller's to drop once the words are published.
 */
bool redo_commit_add(struct redo_chain *c, struct redo_change *change);
/* Worker: wait while too much is outstanding. May block. */
void redo_commit_throttle(struct redo_chain *c);
/* Each may pin a leaf, in the batch that is committed and in the list. Any context. */
static inline u32 redo_commit_changes_max(void)
{
	return clamp_t(u64, redo_evict_eighth(), 64, REDO_CHANGES_MAX);
}
/* So many changes are outstanding that new ones should wait. Any context. */
static inline bool redo_commit_is_behind(struct redo_chain *c)
{
	return READ_ONCE(c->nr_changes) > redo_commit_changes_max();
}
/*
 * Flush or completed FUA write: true if there is nothing that it must wait for. (But a
 * flush of the active delta's device.)
 */
bool redo_commit_join(struct redo_chain *c, struct bio *bio);
/* Run everything outstanding now. May block. */
int redo_commit_drain(struct redo_chain *c);
/* The same, on a visit to the commit worker. */
int redo_commit_all(struct redo_chain *c);
/*
 * Wait until all that is listed now has been committed and applied. May block. Also while
 * the chain is parked: then it has been, or never will be (-EIO); and when a merge into the
 * base comes to its end meanwhile.
 */
int redo_commit_wait(struct redo_chain *c);
/*
 * Who waits need not wait on: the chain has just been parked and the commit worker is idle;
 * or it is the commit worker that calls, and the last delta has gone.
 */
void redo_commit_end_waits(struct redo_chain *c);
/* Of @changes, all that were grabbed at one time: target first, then source. Commit worker. */
int redo_commit_down(struct redo_chain *c, struct list_head *changes);
/* It has been applied, or (@error) will never be: what it held is given back. Commit worker. */
void redo_change_over(struct redo_chain *c, struct redo_change *change, int error);
/*
 * @changes are durable in @d (or, with @error, nowhere) and have no further way to go: they
 * are applied, and freed.
 */
int redo_commit_apply(struct redo_chain *c, struct redo_delta *d, struct list_head *changes,
		      int error);
void redo_commit_kick(struct redo_chain *c);
/*
 * Have the commit worker call @fn between two batches. One at a time: the merge worker.
 * Not while the chain is parked; may block.
 */
int redo_commit_visit(struct redo_chain *c, int (*fn)(struct redo_chain *c));
struct redo_visit {
	int (*fn)(struct redo_chain *c);
	int error;
	struct completion done;
};

struct redo_commit_wait {
	struct list_head list;
	struct completion done;
	int error;
};

struct redo_change *redo_change_alloc(struct redo_chain *c, gfp_t gfp);
void redo_change_free(struct redo_chain *c, struct redo_change *change);
/* A first write has failed: its old mapping is read back, then it ends. Any context. */
void redo_commit_failed_write(struct redo_chain *c, struct bio *bio);

/* --- redo-gate.c: writes wait while home and the active delta change --- */

/* Nothing is being written, or waits for a place, at return. Merge worker; may block. */
void redo_gate_close(struct redo_chain *c);
void redo_gate_open(struct redo_chain *c);
/* Any context. The gate was found closed (it may be open again). */
void redo_gate_hold(struct redo_chain *c, struct bio *bio);
/* Worker: the chain has become a passthrough while the bio was under way. */
void redo_gate_pass(struct redo_chain *c, struct bio *bio);

/* --- redo-nospace.c --- */

/* Hold @bio until there is space, or fail it. Any context. */
void redo_nospace_hold(struct redo_chain *c, struct bio *bio);
/* Commit worker: look for space, let go or fail what waits. May block. */
void redo_nospace_run(struct redo_chain *c);
/* Resume or noflush suspend: give bios back. Any context. */
void redo_nospace_requeue(struct redo_chain *c);
/* Let go of all that is held: there is space, or another way. Any context. */
void redo_nospace_requeue_workers(struct redo_chain *c);
bool redo_nospace_pending(struct redo_chain *c);
/*
 * The active delta's usage is that: if its device has grown while nobody wrote, the
 * commit worker renews the word for the space. Any context.
 */
void redo_nospace_refresh(struct redo_chain *c, const struct redo_usage *u);

/* --- redo-evict.c: commit worker, may block --- */

void redo_evict_run(struct redo_chain *c);
/* Any context: have the commit worker look if the budget is exceeded. */
void redo_evict_check(struct redo_chain *c);
int redo_evict_module_init(void);
void redo_evict_module_exit(void);

#endif /* REDO_CHAIN_H */
