/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of a delta; only the files behind redo-delta.h include this.
 *
 * Locks, outermost first:
 *
 *   registry mutex     the list of deltas and their user counts. Nothing is
 *                      taken inside it.
 *   delta->mutex       serialises everything that changes the delta: commit,
 *                      apply, checkpoint, activate, seal, refill ... Held over
 *                      I/O.
 *   delta->sem         the map tree as readers see it: its root, its dirty
 *                      nodes and their words. Held for reading while a leaf is
 *                      looked up, I/O included; for writing only for changes
 *                      in memory. The mutex's holder reads the tree without it:
 *                      nobody else changes it. The allocation tree has no
 *                      readers but the mutex's holder.
 *   delta->alloc_lock  irqsave: what alloc and unalloc touch. Nothing is taken
 *                      inside it.
 *   delta->sb_lock     irqsave: the copy of the superblock; written with the
 *                      mutex held as well, so that its holder reads it bare.
 *   delta->discard_lock  irqsave: the lists of extents to discard.
 *
 * A pointer is checked against the device and the units taken before it is
 * followed, a block against its own address, place, level and the generation in
 * its pointer. Levels fall strictly on the way down: no walk can go round.
 */
#ifndef REDO_DELTA_PRIV_H
#define REDO_DELTA_PRIV_H

#include <linux/bitops.h>
#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/dm-bufio.h>
#include <linux/math64.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "redo-delta.h"
#include "redo-inflight.h"
#include "redo-io.h"
#include "redo-mutate.h"

#define REDO_LEVELS_MAX		8	/* 504^7 leaves: more than 48 bits of grains */
#define REDO_DIRTY_CAP		4096	/* dirty nodes at which a checkpoint is due */
#define REDO_COMMIT_BLOCKS	32	/* journal blocks of one commit, at most */
#define REDO_UNIT_WORDS		(REDO_UNIT_BLOCKS / 64)
#define REDO_SUM_UNITS		2048	/* units in one chunk of the summary */
#define REDO_DISCARDS_MAX	8192	/* freed extents remembered for discard */

static_assert(BITS_PER_LONG == 64);

/*
 * A tree block that differs from the disk. Its words are protected as the
 * comment on top says; the rest is touched by the mutex's holder only.
 */
struct redo_node {
	struct list_head list;		/* checkpoint's write list */
	struct redo_ptr old;		/* where it stands on the disk */
	u64 new_block;			/* where the next checkpoint writes it; 0: not chosen */
	u64 index;
	u8 tree;			/* enum redo_tree_id */
	u8 level;
	bool old_freed;			/* by a checkpoint that did not get through */
	void *data;			/* struct redo_disk_node or redo_disk_alloc */
};

struct redo_tree {
	enum redo_tree_id id;
	u32 height;			/* level of the root */
	struct redo_ptr root;		/* of what is on the disk, or HOLE or ZERO */
	struct xarray dirty[REDO_LEVELS_MAX];	/* struct redo_node by index */
	struct xarray kept[REDO_LEVELS_MAX];	/* mutex: the same, written and unchanged since */
	u32 n_kept;				/* mutex */
};

/* Bitmaps of a unit that is being handed out, or has been of late. */
struct redo_unit_bits {
	unsigned long work[REDO_UNIT_WORDS];	/* clear: may be handed out; while it has a role */
	unsigned long out[REDO_UNIT_WORDS];	/* handed out, not applied (data); freed since the last checkpoint (metadata) */
	unsigned long kept[REDO_UNIT_WORDS];	/* kept for a stream; set in work, too */
};

enum redo_unit_role {
	REDO_ROLE_NONE,
	REDO_ROLE_CURRENT,
	REDO_ROLE_SPARE,
};

/*
 * A unit about which more is to be known than its record in the allocation tree
 * says: it is being handed out, or something in it was freed and may not be
 * used again yet.
 */
struct redo_unit {
	struct rcu_head rcu;
	u64 nr;
	struct redo_unit_bits *bits;	/* set and freed under mutex + alloc_lock */
	u32 pending;			/* alloc_lock to write: bits set in out (data) */
	u32 free;			/* alloc_lock: bits clear in work */
	u32 cursor;			/* alloc_lock: where to look next in work */
	u32 kept;			/* alloc_lock: bits set in kept */
	unsigned long kept_since;	/* alloc_lock: jiffies */
	u32 discards;			/* alloc_lock: freed extents not yet discarded */
	u8 role;			/* alloc_lock to change, with the mutex but for alloc() */
	bool fresh;			/* mutex: freed something since the last checkpoint */
	bool waiting;			/* mutex: for cookie */
	u64 cookie;			/* mutex: I/O of before it may still be in flight */
};

/* A freed extent to be passed down. */
struct redo_discard {
	struct list_head list;
	u64 phys;
	u32 len;
};

struct redo_delta {
	struct list_head list;		/* registry mutex */
	unsigned int users;		/* registry mutex */
	dev_t dev;
	struct block_device *bdev;
	char name[64];
	u8 uuid[REDO_UUID_SIZE];	/* constant once it is ready */

	struct mutex mutex;
	struct rw_semaphore sem;
	spinlock_t sb_lock;
	struct redo_super sb;		/* what is on the disk: mutex + sb_lock to write */
	u64 tracker_generation;		/* for the next superblock; no lock */

	bool ready;			/* mutex: superblock read */
	bool loaded;			/* mutex to write */
	bool torn;			/* mutex: the other superblock slot is corrupt */
	bool loading;			/* mutex: replay; allocations may fail */
	bool active;			/* mutex to write: takes commits */
	int load_error;			/* mutex to write */
	int blind;			/* mutex: why replay gave up the allocation tree, or 0 */
	struct xarray bad_leaves;	/* of the map, that replay could not follow; until loaded */
	bool failed;			/* mutex to write: nothing is written any more */

	/* Geometry; constant. */
	u32 grain_sectors;
	u32 gpu;			/* grain slots of a unit */
	u64 nr_grains;
	u64 nr_leaves_max;

	/* The state with all that has been applied; mutex to write. */
	struct redo_tree map, alloc;
	u64 nr_units;
	u64 nr_leaves;
	u64 meta_used;
	u64 data_used;
	u64 n_dirty;			/* dirty nodes */
	u64 n_new;			/* of them without a block on the disk */
	u64 checkpoints;		/* done since load */
	u64 merge_pos;			/* for the next checkpoint's superblock */

	/* Journal; mutex to write. */
	u64 head_seq;			/* next block to be written */
	u64 head_commit;		/* number of the next commit */
	u64 unapplied;			/* grains committed and not applied */
	void *jbuf[REDO_COMMIT_BLOCKS];
	u32 jbuf_used[REDO_COMMIT_BLOCKS];	/* bytes; zero behind */
	void *buf;			/* superblock, unit header; mutex */
	void *leaf_buf;			/* apply; mutex */

	struct dm_bufio_client *bufio;
	struct bio_set bs;

	/* Ownership; mutex to write. */
	void *owner;
	struct redo_inflight *inflight;
	bool passdown;

	/* Space. */
	spinlock_t alloc_lock;
	struct redo_unit *cur, *spare;	/* alloc_lock */
	u64 out_grains;			/* alloc_lock: sum of pending */
	u64 reserved;			/* alloc_lock: leaves */
	u64 credit;			/* alloc_lock: grains or leaves that metadata space allows */
	bool starved;			/* refill found nothing; alloc_lock */
	struct xarray units;		/* struct redo_unit by number; mutex to change */
	struct xarray sums;		/* u16[REDO_SUM_UNITS]; mutex */
	u64 scan_next, scan_end;	/* mutex: allocation leaves still to be looked at */
	struct delayed_work scan_work;	/* goes on with the scan while active */
	u64 pick_next;			/* mutex: where to look for a unit to reuse */
	u64 n_known;			/* mutex: units in the summary */
	u64 n_free, n_meta, n_data;	/* mutex to write: of them */
	u64 meta_free;			/* mutex: clear bits of the known metadata units ... */
	u64 meta_quar;			/* ... of which these wait for the next checkpoint */
	u64 meta_unit, meta_next;	/* mutex: where metadata blocks come from */

	/* Passed-down discards. */
	spinlock_t discard_lock;
	struct list_head discard_new;	/* discard_lock: freed since the last checkpoint */
	struct list_head discard_ready;	/* discard_lock: durable, waiting for the cookie */
	u32 n_discards;			/* discard_lock */
	u64 discard_cookie;		/* discard_lock */
	struct delayed_work discard_work;

	atomic_t prefetches;
	wait_queue_head_t prefetch_wait;
};

extern struct workqueue_struct *redo_delta_wq;

/* Allocation in replay may fail; afterwards it would lose committed state. */
static inline gfp_t redo_gfp(const struct redo_delta *d)
{
	return d->loading ? GFP_NOIO | __GFP_NOWARN : GFP_NOIO | __GFP_NOFAIL;
}

/* May its superblock be written (_switch); the rest, too? 0 or -errno. Mutex held. */
int __redo_may_switch(struct redo_delta *d);
int __redo_may_write(struct redo_delta *d);

/* After this nothing is written any more. Mutex held. */
void redo_delta_fail(struct redo_delta *d, const char *what, int error);

static inline bool redo_delta_failed(const struct redo_delta *d)
{
	return READ_ONCE(d->failed);
}

/* redo-journal.c; mutex held */
int redo_journal_init(struct redo_delta *d);
void redo_journal_exit(struct redo_delta *d);
int redo_journal_replay(struct redo_delta *d);
int redo_journal_commit(struct redo_delta *d, struct list_head *changes);
u64 redo_journal_used(struct redo_delta *d);

/* redo-apply.c; mutex held */
int redo_apply_extent(struct redo_delta *d, const struct redo_extent *e);
/* Replay: @error, in reading a block, is no reason not to load. 0: so it is. */
int redo_replay_pass(struct redo_delta *d, int error);
/* Have at hand, and check, what applying it will change; until the next checkpoint. */
int redo_apply_prepare(struct redo_delta *d, const struct redo_extent *e);

/* redo-checkpoint.c; mutex held */
struct redo_switch {
	const struct redo_takeover *activate;	/* NULL: not an activation */
	const u8 *into;		/* the delta that is merged into this one; NULL: none */
	bool clean;
};

bool redo_checkpoint_needed(const struct redo_delta *d);
int redo_checkpoint_write(struct redo_delta *d, const struct redo_switch *sw);

#endif /* REDO_DELTA_PRIV_H */
