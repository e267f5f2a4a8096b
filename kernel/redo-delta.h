/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A delta: one redo-log device with its superblock, journal, two trees and
 * allocator. Knows nothing of bios, tables or chains; the chain (redo-chain.h)
 * drives it.
 *
 * There is one object per delta device in the whole module, whoever uses it
 * (registry, keyed by dev_t). It lives as long as somebody holds a reference;
 * each holder also keeps the block device open (dm_get_device).
 *
 * Calling context, unless a prototype says otherwise: process context, may
 * block, GFP_NOIO (callers may be suspended). "Mutator": commit, apply,
 * checkpoint, activate, seal, mark_shared, refill are serialised by the delta's
 * own mutex; readers of leaves run beside them.
 */
#ifndef REDO_DELTA_H
#define REDO_DELTA_H

#include <linux/blkdev.h>
#include <linux/list.h>
#include "redo-format.h"

struct redo_delta;
struct redo_inflight;

/* Returned by redo_delta_probe(). */
enum redo_probe {
	REDO_PROBE_BLANK,	/* no magic at either superblock or the unit header, first 4 KiB zero */
	REDO_PROBE_FOREIGN,	/* something else is on it: refuse */
	REDO_PROBE_DELTA,	/* a magic of ours somewhere: never format it */
};

/* What is on @bdev? Returns enum redo_probe or -errno (a read error). */
int redo_delta_probe(struct block_device *bdev);

/*
 * Write an empty delta of state NEW: unit header, label, superblock (last, FUA).
 * @sb: uuid, parent_uuid, tree_uuid, virtual_sectors, base_sectors,
 * grain_sectors, depth and chain_seq are taken from it, the rest is set here.
 * @label may be NULL. Logs and returns -errno: -EINVAL for a device that is too
 * small (less than one unit).
 */
int redo_delta_format(struct block_device *bdev, const struct redo_super *sb,
		      const struct redo_label *label);

/*
 * Find or make the object for @bdev; the first one reads and checks the
 * superblock. Logs why it refuses, naming the device. ERR_PTR: -EUCLEAN corrupt,
 * -EINVAL no delta there, -EOPNOTSUPP unknown features, -EIO.
 */
struct redo_delta *redo_delta_get(struct block_device *bdev);
/* One more reference for somebody who holds one. */
void redo_delta_ref(struct redo_delta *d);
/* The last put forgets everything; nothing is written. May block. */
void redo_delta_put(struct redo_delta *d);

/* A consistent copy of the in-core superblock. Any context but hard irq. */
void redo_delta_super(struct redo_delta *d, struct redo_super *sb);
struct block_device *redo_delta_bdev(const struct redo_delta *d);
/* "8:16 (uuid...)" style name for messages; lives as long as @d. */
const char *redo_delta_name(const struct redo_delta *d);

/*
 * Ownership: the one chain that may change this delta's metadata. A sealed delta
 * is owned too while its last checkpoint is outstanding. @owner is an opaque
 * cookie, @inflight the owner's in-flight counter that decides when a freed
 * grain can be used again. -EBUSY: somebody else owns it.
 */
int redo_delta_claim(struct redo_delta *d, void *owner, struct redo_inflight *inflight,
		     bool discard_passdown);
/*
 * Discards that are due are passed down first, unless the last claim asked for
 * none. No-op when @owner does not own it.
 */
void redo_delta_release(struct redo_delta *d, void *owner);

/*
 * Read the journal and apply it in memory, once per object; writes nothing.
 * Must precede read_leaf, activate, seal.
 */
int redo_delta_load(struct redo_delta *d);
/* True while committed records are not covered by the trees on disk. */
bool redo_delta_dirty(struct redo_delta *d);

/* What a delta says of the store that tracks it; see on-disk-format.rst. */
struct redo_tracked {
	const u8 *uuid;		/* NULL: it is not tracked */
	u64 generation;		/* of the store's superblock, durable */
	u64 epoch;		/* that began with it; to redo_delta_seal(): with its seal. 0: none */
};

struct redo_takeover {
	u64 parent_content;	/* the parent's content_generation; 0 for the base */
	bool fingerprint;	/* base_fp_* are to be recorded */
	u32 base_fp_head, base_fp_tail;
	const struct redo_tracked *track;	/* NULL: as it is */
};

/*
 * Owner only. Make a NEW or ACTIVE delta ready for writes: checkpoint what was
 * replayed, then one FUA superblock write with state ACTIVE and a new random
 * journal incarnation. -EROFS for a sealed or retired delta.
 */
int redo_delta_activate(struct redo_delta *d, const struct redo_takeover *t);
/*
 * Owner only. Write the superblock again, durably, with nothing changed: it can
 * be written. -errno: it cannot, and nothing has happened.
 */
int redo_delta_prove(struct redo_delta *d);
/*
 * Owner only, after the last commit, all I/O to it drained: one PREFLUSH|FUA
 * superblock write sets SEALED, content_generation (random, not 0) and
 * seal_time. The journal may still hold records; a later checkpoint covers them.
 * @track: what it says of its tracker from now on, or NULL: as it is.
 */
int redo_delta_seal(struct redo_delta *d, const struct redo_tracked *track);
/*
 * Owner only. Durable at return; nothing is written if it says so already. An error fails
 * the delta: nothing more is written to it.
 */
int redo_delta_set_tracker(struct redo_delta *d, const struct redo_tracked *track);
/* Its tracker's store is at @generation, durably: so much is said with the next write. Any context. */
void redo_delta_note_tracker(struct redo_delta *d, u64 generation);
/* Set the dependants mark; durable at return. Owner, or nobody owns it. */
int redo_delta_mark_shared(struct redo_delta *d);

/* --- merging: redo-mark.c; each is one superblock write, durable at return --- */

/*
 * Owner only. The sealed delta takes commits, and is INTO @source, from now on: as
 * redo_delta_activate(), without becoming active. What had been merged of @source before
 * is still counted as such.
 */
int redo_delta_open_target(struct redo_delta *d, const u8 *source);
/* Grains below @pos are in the target: goes to the disk with the next checkpoint. */
void redo_delta_note_merged(struct redo_delta *d, u64 pos);
/* The bottom delta's mark for what goes into the base; its fingerprint is void. */
int redo_delta_mark_base(struct redo_delta *d, enum redo_merge_state state, const u8 *source,
			 u64 pos);
/*
 * The target, checkpointed, holds all that @source held, and takes no more commits; or, if
 * @source was active, is the active delta now.
 */
int redo_delta_mark_taken(struct redo_delta *d, const struct redo_super *source);
int redo_delta_mark_none(struct redo_delta *d);

struct redo_reparent {
	const u8 *parent_uuid;	/* NULL: the base */
	u32 depth;
	struct redo_takeover to;
	bool goes_on;		/* it goes into the base itself, next */
};

int redo_delta_reparent(struct redo_delta *d, const struct redo_reparent *to);
/* RETIRED and GONE. It takes no more commits. */
int redo_delta_retire_merged(struct redo_delta *d);
/* The first leaf from @leaf on that may say something; U64_MAX: none. -errno in *@error. */
u64 redo_delta_next_leaf(struct redo_delta *d, u64 leaf, int *error);

enum redo_leaf_kind {
	REDO_LEAF_HOLE,		/* nothing here: look below */
	REDO_LEAF_ZERO,		/* every grain is zero */
	REDO_LEAF_NODE,		/* see the words */
};

/*
 * This delta's own mapping of the grains [@leaf * REDO_FANOUT, +REDO_FANOUT),
 * everything applied so far included. @words has room for REDO_FANOUT words in
 * the packed form of redo_unpack_grain(). Returns enum redo_leaf_kind, or
 * -errno: -EUCLEAN for a corrupt block (logged), -EIO. Concurrent callers fine.
 */
int redo_delta_read_leaf(struct redo_delta *d, u64 leaf, __le64 *words);
/* Start reading what read_leaf will need. Never blocks for long, may do nothing. */
void redo_delta_prefetch_leaf(struct redo_delta *d, u64 leaf);

/* A completed change on its way to the disk. The list owns it. */
struct redo_change {
	struct list_head list;
	struct redo_extent e;
	void *cookie;		/* the caller's own */
	u32 reserved;		/* leaves reserved for it: the caller's own, too */
	u32 reserved_top;	/* in an active merge: in the source; likewise */
	u8 via;			/* in an active merge: REDO_VIA_*; likewise */
};

#define REDO_VIA_HOME	1	/* a record of the target ... */
#define REDO_VIA_UNMAP	2	/* ... and then an UNMAP of the source */

/*
 * Make @changes (struct redo_change, in the order in which they happened)
 * durable: journal blocks, the last one PREFLUSH|FUA, all data completed before
 * the call becomes durable with it. The list is not modified. Makes room in the
 * ring by a checkpoint of what has been applied; everything of the previous
 * commit must have been applied before. What applying will need is read first: where it
 * cannot be had nothing is written. An empty list is a plain flush of the device. An
 * error is final: every later commit fails with -EIO too.
 */
int redo_delta_commit(struct redo_delta *d, struct list_head *changes);
/*
 * Apply one committed change to the in-core dirty nodes and bitmaps (the same
 * code as replay). Grains that lose their mapping are quarantined.
 */
int redo_delta_apply(struct redo_delta *d, const struct redo_extent *e);
/* Applied state has reached the cap or the journal is half full. Any context. */
bool redo_delta_wants_checkpoint(struct redo_delta *d, u64 max_dirty);
/* Most changes (records) that one commit call may carry. */
u32 redo_delta_commit_max(struct redo_delta *d);
/*
 * Write the applied state to fresh blocks and switch the superblock; no-op when
 * nothing is dirty. Sets REDO_SB_CLEAN when @clean (last use before release).
 */
int redo_delta_checkpoint(struct redo_delta *d, bool clean);

/* --- space: data grains of the active delta --- */

/*
 * Take a run of up to @want physically contiguous free grains, where all of them are
 * free in a row if there is such a place at hand. Any context, never blocks. Returns
 * how many (the run starts at *@phys), 0 when a refill is needed. The run counts as in
 * use until a change that names it is applied, or until redo_delta_unalloc().
 */
u32 redo_delta_alloc(struct redo_delta *d, u32 want, u64 *phys);
/*
 * The same for a stream of writes, which is to fill a leaf of @len grains and is at the
 * leaf's grain @off now. Places for the whole leaf are kept at *@place (0: nowhere yet;
 * the caller's, with each leaf, but accessed here only, under a lock) for a moment, so
 * that the leaf is one run in whatever order it is written. A hint: it may be stale, even
 * from another delta.
 */
u32 redo_delta_alloc_stream(struct redo_delta *d, u32 want, u32 off, u32 len, u64 *place,
			    u64 *phys);
/* The run was not used after all (error, lost race). Any context. */
void redo_delta_unalloc(struct redo_delta *d, u64 phys, u32 len);
/*
 * As unalloc, but a write to it has failed: else one bad grain would fail every
 * write to come. It gets another chance when its unit is picked again.
 */
void redo_delta_shun(struct redo_delta *d, u64 phys, u32 len);
/* True when a refill now would keep alloc from running dry. Any context. */
bool redo_delta_low(struct redo_delta *d);
/*
 * Make room for alloc: reuse units with free grains, or take a new unit (its
 * header written; durable with the next commit). Looks at the device's present
 * size. 0 or -ENOSPC (try again after commit + apply + checkpoint, or when the
 * device has grown), -EIO.
 */
int redo_delta_refill(struct redo_delta *d);
/* Freed grains are in quarantine and a refill may have better luck soon. */
bool redo_delta_reclaiming(struct redo_delta *d);
/*
 * Reserve metadata for a change that may create up to @leaves new leaves without
 * taking grains (zeroes). The caller gives it back once the change is applied or
 * abandoned. -ENOSPC.
 */
int redo_delta_reserve(struct redo_delta *d, u32 leaves);
void redo_delta_unreserve(struct redo_delta *d, u32 leaves);

struct redo_usage {
	u64 units_total;	/* that the device can hold now */
	u64 units_taken;
	u64 units_meta, units_data;	/* of the taken ones, as far as known since activation */
	u64 grains_used;	/* data grains mapped */
	u64 meta_used;		/* metadata blocks */
	u64 dirty_nodes;
	u64 journal_used;	/* blocks between replay_seq and the head ... */
	u64 journal_blocks;	/* ... of so many */
};
/* Any context but hard irq. */
void redo_delta_usage(struct redo_delta *d, struct redo_usage *u);

int redo_delta_module_init(void);
void redo_delta_module_exit(void);

#endif /* REDO_DELTA_H */
