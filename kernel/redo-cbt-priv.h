/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside of the tracking store: what its files share. The border is redo-cbt.h.
 *
 * Locking (outermost first)
 *   fold_mutex	one fold, join, drop or walk at a time: everything that takes or gives
 *		back blocks. Held over long I/O; never taken where writers or a hand-over wait.
 *   readers	read: a query, so that the blocks that it may still read are not given out
 *		again; write: when freed blocks become free
 *   mutex	records, superblock. Held over a few writes.
 *   jmutex	journal, pages coming and going, list of maps. Held over a few block I/Os.
 *   lock	mode, held bios, what info tells; irqsave, innermost
 * Bits of pages and of map->dirty are set under RCU only (redo-cbt-pages.c).
 */
#ifndef REDO_CBT_PRIV_H
#define REDO_CBT_PRIV_H

#include <linux/bitmap.h>
#include <linux/device-mapper.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "redo-cbt.h"
#include "redo-io.h"
#include "redo-mutate.h"

#define DM_MSG_PREFIX "redo"

#define CBT_WANTS	REDO_CBT_MARKS_PER_BLOCK	/* ranges of a batch; one block of the journal */
#define CBT_BUFS	64				/* blocks of one batch of I/O */
#define CBT_NODES	8
#define CBT_RESERVE	64				/* pages for when memory is short */
#define CBT_FOLD_AT	(REDO_CBT_JOURNAL_BLOCKS / 2)	/* journal blocks used */
#define CBT_RECORDS_SOFT (REDO_CBT_RECORDS_MAX - 64)	/* beyond it the oldest are joined */

struct redo_cbt_map {
	struct kref ref;
	struct list_head list;		/* st->maps, oldest first; jmutex, entries go under fold_mutex */
	u64 number;			/* epoch; constant */
	u64 nr_bits;
	u32 nr_pages;
	bool rebuild;			/* lacks what its delta's map says; lock */
	bool picked;			/* by the fold under way; fold_mutex */
	struct redo_ptr new_root;	/* likewise */
	s64 gained;			/* likewise: bits that its pages have gained */
	DECLARE_BITMAP(dir_dirty, REDO_FANOUT);	/* likewise: directories to be written */
	__le64 *root;			/* REDO_FANOUT words; jmutex or fold_mutex to change */
	/*
	 * Words of a directory; NULL: not loaded, the root's word says what is there. Published
	 * under jmutex, freed with the map; words are changed by folds only.
	 */
	__le64 *dir[REDO_FANOUT];
	unsigned long *dirty;		/* by page; set by anybody, cleared by the fold */
	unsigned long *folding;		/* by page: being written; fold_mutex and jmutex */
	struct redo_cbt_page __rcu *page[];	/* published and taken away under jmutex */
};

struct redo_cbt_want {
	u64 first, last;
};

/* A record in memory, with its place in the table. */
struct redo_cbt_rec {
	struct redo_cbt_record r;
	u32 slot;
};

struct redo_cbt_store {
	struct redo_cbt c;		/* first */
	struct block_device *bdev;
	const struct redo_cbt_ops *ops;
	void *owner;			/* lock */
	struct workqueue_struct *journal_wq, *fold_wq;	/* each with a rescuer of its own */
	struct work_struct journal_work, fold_work, break_work;
	struct bio_set bs;

	struct mutex fold_mutex;
	struct rw_semaphore readers;
	struct mutex mutex;
	struct mutex jmutex;
	spinlock_t lock;

	/* mutex; sb also lock, to change */
	struct redo_cbt_super sb;	/* as it is durable */
	struct redo_cbt_rec *rec;	/* by number */
	u32 nr_rec;
	unsigned long *slots;		/* in use, REDO_CBT_RECORDS_MAX */
	DECLARE_BITMAP(table_dirty, REDO_CBT_TABLE_BLOCKS);
	struct redo_ptr table[REDO_CBT_TABLE_BLOCKS];
	void *sbuf;			/* superblock and table are packed here */
	bool was_clean;			/* when it was opened; constant */
	bool started;

	/* jmutex */
	struct list_head maps;
	struct redo_cbt_map *cur;	/* that of the current epoch */
	u64 next_seq;
	void *jbuf;
	u32 jbuf_used;
	struct list_head pages;		/* resident, oldest first */
	u32 nr_pages;			/* of them */
	bool stuck;			/* no page can go before a fold has been made */
	u32 batch;			/* pages that it needs stay */
	struct redo_cbt_want busy[CBT_WANTS];
	u32 nr_busy;
	struct bio_list busy_bios;

	/* lock */
	struct redo_cbt_want want[CBT_WANTS];
	u32 nr_want;
	struct bio_list held;		/* their ranges are in want */
	struct bio_list late;		/* no room was left for theirs: they come again */
	bool closed;			/* by redo_cbt_close_writes() */
	bool implied;			/* the current epoch is; also jmutex, to change */
	u8 implied_uuid[REDO_UUID_SIZE];	/* its delta; zeroes: none */
	u32 nr_rebuild;			/* maps to be rebuilt */
	u32 reason;			/* tracking is ending, or has ended; read without it */
	bool broken;			/* has ended */
	u64 nr_used;			/* blocks, for info */
	u64 nr_total;
	struct list_head reserve;	/* struct redo_cbt_page.list */
	u32 nr_reserve;

	/* fold_mutex */
	unsigned long *used;		/* bitmap of the store's blocks */
	unsigned long *pend;		/* freed by a switch, but not seen as free yet */
	unsigned long *walked;		/* scratch */
	u64 nr_space;			/* blocks that those three are for */
	u64 nr_free, nr_pend;
	u64 cursor;
	bool walk;			/* used is not known: walk the trees first */
	void *node[CBT_NODES];		/* of joins and walks */
	void *buf[CBT_BUFS];
	__le64 *word[CBT_BUFS];		/* what the blocks in buf are to be named in */
	u64 blocknr[CBT_BUFS];
	u64 write_gen;			/* generation of what is written */
	u32 nr_buf;
	bool fold_wanted;		/* lock */
	struct redo_cbt_map *spare;	/* for the next epoch; mutex */
};

static inline struct redo_cbt_store *redo_cbt_store(struct redo_cbt *cbt)
{
	return container_of(cbt, struct redo_cbt_store, c);
}

/* Tracking is ending or has ended: nothing is written any more. Any context. */
static inline bool redo_cbt_over(struct redo_cbt_store *st)
{
	return READ_ONCE(st->reason);
}

static inline bool redo_cbt_root_blocknr_ok(u64 blocknr)
{
	return blocknr >= REDO_CBT_DATA_START && blocknr < REDO_CBT_BLOCKS_MAX;
}

/* kvcalloc() that does no I/O. Process. */
static inline void *redo_cbt_kvzalloc(size_t size)
{
	unsigned int noio = memalloc_noio_save();
	void *p = kvzalloc(size, GFP_KERNEL | __GFP_NOWARN);

	memalloc_noio_restore(noio);
	return p;
}

/* --- redo-cbt-store.c --- */

/*
 * Make @sb the superblock, with the table blocks that are dirty if @table; mutex held.
 * -EIO: tracking is broken.
 */
int redo_cbt_switch(struct redo_cbt_store *st, struct redo_cbt_super *sb, bool table);
/* Read a node and check it. -EUCLEAN or the read's error; logs. Blocks. */
int redo_cbt_read_node(struct redo_cbt_store *st, const struct redo_ptr *ptr, u16 level,
		       u64 place, void *buf);
/* What an error of the current epoch's blocks, or of writing, is called. */
enum redo_cbt_reason redo_cbt_reason_of(int error);

/* --- redo-cbt-pages.c; jmutex held unless it says otherwise --- */

/* No lock. NULL: no memory. With @root a hole. */
struct redo_cbt_map *redo_cbt_map_new(u64 number, u64 nr_bits);
void redo_cbt_map_put(struct redo_cbt_map *map);
/* Root words from what the record says. */
int redo_cbt_map_load_root(struct redo_cbt_store *st, struct redo_cbt_map *map,
			   const struct redo_ptr *root);
struct redo_cbt_map *redo_cbt_map_find(struct redo_cbt_store *st, u64 number);
/*
 * Bring in what marking @first..@last needs; it stays until st->batch is another one. -EAGAIN:
 * no memory before a fold, which has been kicked; else an error of the store.
 */
int redo_cbt_need(struct redo_cbt_store *st, struct redo_cbt_map *map, u64 first, u64 last);
/* Narrow it to what is not marked; false: all is. Pages are there. */
bool redo_cbt_unmarked(struct redo_cbt_map *map, u64 *first, u64 *last);
/* Mark; pages are there. */
void redo_cbt_set(struct redo_cbt_store *st, struct redo_cbt_map *map, u64 first, u64 last);
/* How a page is named on disk. Loads its directory. */
int redo_cbt_page_ptr(struct redo_cbt_store *st, struct redo_cbt_map *map, u32 index,
		      struct redo_ptr *ptr);
/* Take all pages of @map away, which is in no list any more; who reads it finds the disk's. */
void redo_cbt_map_take_pages(struct redo_cbt_store *st, struct redo_cbt_map *map,
			     struct list_head *out);
/* After a grace period; no lock. */
void redo_cbt_free_pages(struct redo_cbt_store *st, struct list_head *pages);
/* Let go of clean pages until at most @keep are left. Returns how many went. */
u32 redo_cbt_evict(struct redo_cbt_store *st, u32 keep);
void redo_cbt_fill_reserve(struct redo_cbt_store *st);	/* no lock */
void redo_cbt_free_reserve(struct redo_cbt_store *st);	/* no lock */
u32 redo_cbt_budget(void);				/* pages */
extern u32 redo_cbt_budget_forced, redo_cbt_pages_over;
bool redo_cbt_is_ones(const struct redo_cbt_page *page);
/* @words: 504; as a page or directory may be named without being written. */
enum redo_ptr_kind redo_cbt_words_kind(const __le64 *words);
enum redo_ptr_kind redo_cbt_dir_kind(const __le64 *words);

/* --- redo-cbt-journal.c --- */

void redo_cbt_journal_work(struct work_struct *work);
/* Replay; at open. 0, -EUCLEAN, -EIO, -ENOMEM. */
int redo_cbt_replay(struct redo_cbt_store *st);
/* Mark durably in @map, in the journal. jmutex held. -ENOSPC: fold first; -EAGAIN likewise. */
int redo_cbt_journal_range(struct redo_cbt_store *st, struct redo_cbt_map *map,
			   u64 first, u64 last);
void redo_cbt_break_work(struct work_struct *work);
/* The mode as it should be. lock held. */
void __redo_cbt_set_mode(struct redo_cbt_store *st);

/* --- redo-cbt-fold.c; fold_mutex held --- */

int redo_cbt_fold(struct redo_cbt_store *st, bool explicit);
void redo_cbt_fold_work(struct work_struct *work);
/* No lock; any context. */
void redo_cbt_fold_kick(struct redo_cbt_store *st);
/*
 * Write blocks in batches, each named by a word that is set when it is there. @block: a
 * buffer to be filled, then sealed and queued by put().
 */
void redo_cbt_write_begin(struct redo_cbt_store *st);
int redo_cbt_write_get(struct redo_cbt_store *st, void **block);
void redo_cbt_write_put(struct redo_cbt_store *st, u16 level, u64 place, u64 blocknr,
			__le64 *word);
int redo_cbt_write_end(struct redo_cbt_store *st);
/* Set a word; what it named is freed by the next switch. */
void redo_cbt_set_word(struct redo_cbt_store *st, __le64 *word, const struct redo_ptr *ptr);

/* --- redo-cbt-space.c; fold_mutex held --- */

int redo_cbt_space_init(struct redo_cbt_store *st);	/* no lock; -ENOMEM */
void redo_cbt_space_exit(struct redo_cbt_store *st);	/* no lock */
/* Make sure that it is known what is free. */
int redo_cbt_space_know(struct redo_cbt_store *st);
/* Are so many free? redo_cbt_space_know() was called. */
bool redo_cbt_space_has(struct redo_cbt_store *st, u64 blocks);
/* Join the two oldest records, or drop the oldest. -ENOSPC: there is only the current one. */
int redo_cbt_space_give(struct redo_cbt_store *st);
/* 0: none is free. */
u64 redo_cbt_space_alloc(struct redo_cbt_store *st);
/* The oldest record's number; 0: there is none. Takes mutex. */
u64 redo_cbt_oldest(struct redo_cbt_store *st);
/* By the switch that comes next. */
void redo_cbt_space_free(struct redo_cbt_store *st, const struct redo_ptr *ptr);

/* --- redo-cbt-join.c; fold_mutex held --- */

/*
 * Record @number and the one after it become one. @for_space: the id between them answers for
 * all of it; else it is stale. -EAGAIN: they cannot be joined (now); -ENOSPC; -EUCLEAN or an
 * error of reading. After a failure what is free has to be found out anew, and will be.
 */
int redo_cbt_join(struct redo_cbt_store *st, u64 number, bool for_space);

/* --- redo-cbt-epoch.c; mutex held --- */

struct redo_cbt_rec *redo_cbt_rec_find(struct redo_cbt_store *st, u64 id);
/* It has been changed. */
void redo_cbt_rec_touch(struct redo_cbt_store *st, const struct redo_cbt_rec *rec);
void redo_cbt_rec_remove(struct redo_cbt_store *st, struct redo_cbt_rec *rec);
/* A free slot at the end; there is one. */
struct redo_cbt_rec *redo_cbt_rec_add(struct redo_cbt_store *st);
/* Drop the oldest, which is not the current one, in @sb; the caller switches. */
void redo_cbt_rec_drop_oldest(struct redo_cbt_store *st, struct redo_cbt_super *sb);

#endif /* REDO_CBT_PRIV_H */
