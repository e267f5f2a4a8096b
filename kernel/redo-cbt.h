/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changed block tracking: the store, as the chain sees it. It knows nothing of chains,
 * tables or deltas: whose bios it holds, and which delta is the active one, it is told.
 *
 * Calling contexts. "Process": process context, may block on the store's I/O, allocates
 * with GFP_NOIO only and so may be called while the device is suspended; never from map()
 * or end_io. "Any": any context, interrupts included. Whoever may call while another call
 * is under way: all functions lock for themselves, unless it says otherwise.
 *
 * Errors: -EUCLEAN once tracking is broken (redo_cbt_break()); -EAGAIN while a bitmap that
 * is needed is being rebuilt; others as each function says. A function that could not make
 * durable what it promises has broken the tracking itself: then the caller may ignore its
 * error, since nothing untracked is let go before the break is durable.
 *
 * The life of a store: redo_cbt_open() .. redo_cbt_start() .. redo_cbt_next_epoch() if
 * there is none .. redo_cbt_open_writes() .. [writes] .. redo_cbt_close_writes() .. drain ..
 * redo_cbt_settle(false) .. redo_cbt_close() .. redo_cbt_free(). Writes are closed from open
 * to the first redo_cbt_open_writes().
 */
#ifndef REDO_CBT_H
#define REDO_CBT_H

#include <linux/bio.h>
#include <linux/rcupdate.h>
#include "redo-cbt-format.h"

/* How a write finds the tracking. */
enum redo_cbt_mode {
	REDO_CBT_OFF		= 0,	/* broken, durably so: writes go on */
	REDO_CBT_CLOSED		= 1,	/* writes wait */
	REDO_CBT_EXPLICIT	= 2,	/* a bit is in the journal before its write is sent */
	REDO_CBT_IMPLIED	= 3,	/* the active delta's map implies the bits; kept in memory */
};

/*
 * A bitmap page in memory. 4 KiB with its book-keeping, which lies where the header is on
 * disk. Bits are set and never cleared, little-endian as on disk.
 */
struct redo_cbt_page {
	struct list_head list;		/* by age; jmutex */
	struct redo_cbt_map *map;	/* constant, but for a growth of the device */
	u32 index;			/* of the page; constant */
	u32 weight;			/* bits set when it was last read or written; jmutex, fold_mutex */
	u32 batch;			/* that needs it to stay; jmutex */
	bool used;			/* since it was last looked at; racy, a hint */
	u8 pad[64 - 37];
	unsigned long bits[REDO_CBT_PAGE_WORDS];
};

/* A bitmap in memory; which pages are there is under RCU for readers. */
struct redo_cbt_map;

/* What admit looks at, at the head of struct redo_cbt. */
struct redo_cbt {
	u8 mode;			/* enum redo_cbt_mode; written under lock, read without */
	u8 shift;			/* log2 of the sectors of a block */
	u64 nr_bits;			/* changes while suspended only */
	struct redo_cbt_map __rcu *map;	/* of the current epoch */
};

struct redo_cbt_ops {
	/*
	 * Bios that were held may try again: they come by admit once more. Any context, no
	 * locks held; takes over the list's content.
	 */
	void (*release)(void *owner, struct bio_list *bios);
	/*
	 * Tracking has ended; writes are still held. @recorded: the store says so, durably. If
	 * not, it could not be written, and the callee makes it durable elsewhere (the active
	 * delta's superblock) before it returns: then writes go on. Process context, in a
	 * worker of the store's, none of its locks held; may call redo_cbt_info(), nothing
	 * else of this header. Called once, also where the break was found by redo_cbt_open()
	 * (then at redo_cbt_start()).
	 */
	void (*broken)(void *owner, u32 reason, bool recorded);
};

/* --- Opening, closing: process --- */

enum redo_cbt_probe {
	REDO_CBT_PROBE_STORE,		/* has a magic of ours */
	REDO_CBT_PROBE_BLANK,		/* may be formatted */
	REDO_CBT_PROBE_FOREIGN,
};

/* enum redo_cbt_probe, or -errno if it cannot be read. Allocates, reads three blocks. */
int redo_cbt_probe(struct block_device *bdev);
/*
 * Formats, with a new uuid. -EINVAL: geometry; -ENOSPC: too small. Logs (with the size
 * that is needed). May be called by a constructor: nothing is begun.
 */
int redo_cbt_format(struct block_device *bdev, u32 block_sectors, u64 virtual_sectors);

/*
 * Reads superblock, table and journal; writes nothing, and may be called while the device
 * is suspended. ERR_PTR only where there is no object to be had: -ENOMEM. A damaged store, an
 * unreadable one, or one of a newer format gives an object that is broken (redo_cbt_info()),
 * whose uuid is zero if it could not be found out.
 */
struct redo_cbt *redo_cbt_open(struct block_device *bdev, const struct redo_cbt_ops *ops,
			       void *owner);
/*
 * Takes the store: new incarnation, CLEAN cleared, durable at return; background work
 * begins. @rebuild: what the record of the current epoch says may lack what its delta holds
 * (no clean end, or the delta has moved on): the epoch is to be rebuilt (see below) if it is
 * IMPLIED. It is forced to true where the store was not CLEAN. On a broken store: makes that
 * durable, calls ops->broken and returns -EUCLEAN.
 */
int redo_cbt_start(struct redo_cbt *cbt, bool rebuild);
/*
 * The clean end; writes are closed and drained, redo_cbt_settle() was called, the link is
 * the active delta's with the generation given (its superblock is CLEAN). One superblock
 * write. If an epoch is still not settled the store does not become CLEAN, which is no error.
 */
int redo_cbt_close(struct redo_cbt *cbt, u64 link_generation);
/* Ends the work and frees; no bio is held any more. Writes nothing. NULL is fine. */
void redo_cbt_free(struct redo_cbt *cbt);
/*
 * After a hand-over; writes are closed and none is held. Process. At return the owner before
 * has been told of a break that he is told of, and will not be called any more.
 */
void redo_cbt_set_owner(struct redo_cbt *cbt, void *owner);

/* --- Writes: any context --- */

/* Not inline: more than one bit, a page's border, bits to be set. RCU read lock held. */
bool redo_cbt_admit_slow(struct redo_cbt *cbt, u64 first, u64 last);
/*
 * May a write of sectors @start to @end (exclusive, of the virtual device, end > start) be sent? The
 * caller has entered its in-flight count (or at_work) before, and the count has a full
 * barrier. If not, he leaves it and calls redo_cbt_hold().
 */
static inline bool redo_cbt_admit(struct redo_cbt *cbt, sector_t start, sector_t end)
{
	bool ok;

	switch (READ_ONCE(cbt->mode)) {
	case REDO_CBT_OFF:
		return true;
	case REDO_CBT_CLOSED:
		return false;
	}
	rcu_read_lock();
	ok = redo_cbt_admit_slow(cbt, start >> cbt->shift, (end - 1) >> cbt->shift);
	rcu_read_unlock();
	return ok;
}

/*
 * Keeps @bio until its blocks are marked, or writes are open again, or tracking is broken;
 * then it goes to ops->release, possibly before this returns. Uses bi_next; allocates
 * nothing; never waits.
 */
void redo_cbt_hold(struct redo_cbt *cbt, struct bio *bio, sector_t start, sector_t end);

/*
 * Admit says no to every write from now on. Does not wait: the caller drains his in-flight
 * counts (at_work first). Not nested: one closer at a time. In broken tracking both do nothing.
 */
void redo_cbt_close_writes(struct redo_cbt *cbt);
/* Held bios are released. */
void redo_cbt_open_writes(struct redo_cbt *cbt);
/* Gives back the bios that are held, to be requeued (noflush suspend). */
void redo_cbt_take_held(struct redo_cbt *cbt, struct bio_list *bios);

/* --- Epochs: process --- */

struct redo_cbt_begin {
	enum redo_cbt_kind kind;
	const char *label;		/* NULL: none; valid (redo_cbt_label_valid()) or it is left out */
	bool implied;			/* begins with a delta that is empty: delta_uuid */
	u8 delta_uuid[REDO_UUID_SIZE];
	u64 back_to;			/* a revert: of the epoch that ends; 0: none */
	bool forget;			/* all ids up to that of the epoch that ends */
	bool base;			/* the base was sealed at this moment: base_epoch */
	bool set_alt;			/* alt_uuid is the active delta to come (zeroes: none) */
	u8 alt_uuid[REDO_UUID_SIZE];
	bool set_link;			/* the link is alt_uuid at once, generation 0, and there is no alt */
};

/*
 * Ends the current epoch, if any, and begins the next one, whose number is returned in
 * @number; durable at return: two or three blocks and the superblock, whatever the size. The caller has
 * closed and drained writes, or the device is suspended. If the epoch that ends is IMPLIED it
 * becomes UNSETTLED; its delta has to be sealed or else redo_cbt_settle() be called before.
 * Waits for a superblock write under way, not for a fold.
 */
int redo_cbt_next_epoch(struct redo_cbt *cbt, const struct redo_cbt_begin *begin, u64 *number);

/*
 * Folds: whatever is marked gets into the bitmaps on disk, and epochs that have ended are
 * settled, durably. May take as long as it takes to write all dirty pages: call it once
 * before closing writes to make the second one short. @explicit: the current epoch stops being IMPLIED in
 * the same step (writes are closed and drained by the caller). -EAGAIN: one of them is
 * being rebuilt (with @explicit, or if it has ended; everything else has been folded).
 */
int redo_cbt_settle(struct redo_cbt *cbt, bool explicit);
/* In the background. Any context. To be called after the resume that follows a snapshot. */
void redo_cbt_kick(struct redo_cbt *cbt);

/* The link becomes @uuid (zeroes: the base), alt is cleared; durable. */
int redo_cbt_set_link(struct redo_cbt *cbt, const u8 *uuid, u64 generation);
/* NULL: no alt; durable. */
int redo_cbt_set_alt(struct redo_cbt *cbt, const u8 *uuid);
/* The epoch whose beginning the base's content is; 0: not known. Durable. */
int redo_cbt_set_base_epoch(struct redo_cbt *cbt, u64 epoch);
/* Ids up to @upto, which is not the current one, are stale from now on; durable. */
int redo_cbt_forget(struct redo_cbt *cbt, u64 upto);
/*
 * The device has another size. A new range is marked in the current epoch (if there is
 * one), durably. Writes are closed and drained. -EFBIG: too large for the size of a block
 * (tracking is not broken by that).
 */
int redo_cbt_resize(struct redo_cbt *cbt, u64 virtual_sectors);
/*
 * Bits of the current epoch, durably: what changes other than by writes. Writes may be
 * open. -EAGAIN never.
 */
int redo_cbt_mark_range(struct redo_cbt *cbt, sector_t start, sector_t end);

/* --- Rebuilding: process, in the background --- */

struct redo_cbt_unsettled {
	u64 epoch;
	u8 delta_uuid[REDO_UUID_SIZE];
};

/* Epochs to be rebuilt, oldest first; at most @max of them. Returns their number. */
int redo_cbt_unsettled(struct redo_cbt *cbt, struct redo_cbt_unsettled *list, int max);
/*
 * The delta's map holds something there. -ENOENT: the epoch is none of those to be rebuilt
 * (any more): stop. Other errors: tracking is broken, stop.
 */
int redo_cbt_rebuild_mark(struct redo_cbt *cbt, u64 epoch, sector_t start, sector_t end);
/* All is marked. It is settled by the next fold, which is kicked. */
int redo_cbt_rebuild_done(struct redo_cbt *cbt, u64 epoch);

/* --- Questions: process --- */

/*
 * Sectors that changed. Runs are whole blocks, cut to @start..@end, ascending, not adjacent.
 * Nonzero: this one was not taken, the answer ends before it.
 */
typedef int (*redo_cbt_emit_fn)(void *ctx, sector_t start, sector_t sectors);

/*
 * What changed between the moments @from and @to (0: now) in sectors @start..@end. Returns 0: complete; 1: cut,
 * by @emit or after 100 ms: go on at *@next, which is more than @start unless @emit refused the first; or -errno:
 * -ENOENT number never given, -ESTALE dropped or forgotten, -EUCLEAN damaged or broken,
 * -EAGAIN being rebuilt, -EINVAL from later than to, -ERANGE beyond the device, -ENOMEM, -EIO.
 * On an error nothing that was emitted counts. No epoch may begin between parts of one
 * answer to `now` (a caller that cares asks for a number).
 */
int redo_cbt_query(struct redo_cbt *cbt, u64 from, u64 to, sector_t start, sector_t end,
		   redo_cbt_emit_fn emit, void *ctx, sector_t *next);

/* Records from number @from on, oldest first, until @item returns nonzero. -errno or 0. */
typedef int (*redo_cbt_item_fn)(void *ctx, const struct redo_cbt_record *r);
int redo_cbt_list(struct redo_cbt *cbt, u64 from, redo_cbt_item_fn item, void *ctx);

/*
 * Nobody will ask for @id any more. -ENOENT, -ESTALE as in a query; -EBUSY: the current
 * epoch's; -EAGAIN. May take some I/O.
 */
int redo_cbt_drop(struct redo_cbt *cbt, u64 id);

enum redo_cbt_state {
	REDO_CBT_ST_OK,
	REDO_CBT_ST_REBUILDING,
	REDO_CBT_ST_BROKEN,
};

struct redo_cbt_info {
	enum redo_cbt_state state;
	u32 reason;			/* enum redo_cbt_reason, if broken */
	bool clean;			/* as it was opened */
	bool implied;			/* the current epoch is: delta_uuid */
	bool has_alt;
	u8 uuid[REDO_UUID_SIZE];
	u64 generation;			/* of the superblock, durable */
	u64 epoch;			/* current; 0: none has begun */
	u64 first_epoch, base_epoch;
	u32 block_sectors;
	u64 virtual_sectors;
	u64 used, total;		/* blocks of the store */
	u8 link_uuid[REDO_UUID_SIZE];
	u64 link_generation;
	u8 alt_uuid[REDO_UUID_SIZE];
	u8 delta_uuid[REDO_UUID_SIZE];
};

/* Any context. */
void redo_cbt_info(struct redo_cbt *cbt, struct redo_cbt_info *info);
/* The superblock's generation that is durable; for tracker_generation. Any context. */
u64 redo_cbt_generation(struct redo_cbt *cbt);

/*
 * Tracking ends: writes are held until that is durable (in a worker, which then calls
 * ops->broken), and go on afterwards. Any context.
 */
void redo_cbt_break(struct redo_cbt *cbt, enum redo_cbt_reason reason);

/* --- Module --- */

int redo_cbt_module_init(void);	/* may block; -ENOMEM */
void redo_cbt_module_exit(void);

#endif /* REDO_CBT_H */
