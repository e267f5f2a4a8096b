/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The merged map of a chain: one word a grain, whatever the depth.
 *
 * Leaves of REDO_FANOUT words hang off directory pages, these off a flat top.
 * A directory slot holds nothing, a leaf, or - tagged - one word that stands for
 * the whole leaf (one run, all base, all zero). The map is a cache: what is not
 * there is built from the deltas' own leaves (redo-build.c) and may be evicted.
 *
 * Look-ups are lock-free under rcu_read_lock(). Words change by cmpxchg to
 * PENDING; only he who set PENDING may store the next word. Slots go
 * empty -> word or leaf (build stripe held), word -> leaf (cmpxchg), leaf -> empty
 * (eviction: frozen, grace period, not busy), word -> empty (eviction of a whole
 * directory: no build under way, cmpxchg; after a grace period it is freed).
 *
 * Geometry is in grains. Nothing here sleeps unless it says so.
 */
#ifndef REDO_MAP_H
#define REDO_MAP_H

#include <linux/atomic.h>
#include <linux/rcupdate.h>
#include "redo-entry.h"
#include "redo-format.h"

struct redo_leaf {
	struct rcu_head rcu;
	u64 index;
	atomic_t busy;		/* changes not yet applied: keeps it resident */
	bool frozen;		/* on its way out: no new change may begin */
	bool referenced;	/* second chance for eviction */
	u64 place;		/* for redo_delta_alloc_stream() */
	u64 word[REDO_FANOUT];
};

#define REDO_DIR_SLOTS	512

struct redo_dir {
	u64 slot[REDO_DIR_SLOTS];	/* 0, tagged word, or struct redo_leaf * */
};

struct redo_map {
	u64 nr_grains;
	u64 nr_leaves;
	u64 nr_dirs;
	u64 hand;		/* next leaf for the evictor; evictor only */
	atomic_long_t resident;	/* leaves in memory */
	u64 dir_hand;		/* next directory for the evictor; evictor only */
	atomic_long_t dirs;	/* directories in memory */
	struct redo_dir **top;	/* nr_dirs */
	atomic_t *dir_leaves;	/* nr_dirs: leaves that hang off each directory */
};

int redo_map_module_init(void);
void redo_map_module_exit(void);

/* May block (GFP_NOIO). */
int redo_map_init(struct redo_map *map, u64 nr_grains);
/* Nobody uses it any more. May block. */
void redo_map_exit(struct redo_map *map);

static inline u64 redo_leaf_index(u64 grain)
{
	return grain / REDO_FANOUT;
}

static inline u32 redo_leaf_offset(u64 grain)
{
	return grain % REDO_FANOUT;
}

/*
 * The slot of @leaf, or NULL where its directory is not there. Any context. For use
 * within the caller's RCU read section, or while no directory can go: in the
 * evictor, while building, and while the slot holds a leaf or is pending.
 */
static inline u64 *redo_map_slot(struct redo_map *map, u64 leaf)
{
	struct redo_dir *dir = READ_ONCE(map->top[leaf / REDO_DIR_SLOTS]);

	return dir ? &dir->slot[leaf % REDO_DIR_SLOTS] : NULL;
}

static inline struct redo_leaf *redo_slot_leaf(u64 v)
{
	return (struct redo_leaf *)(unsigned long)v;
}

/* What the slot of @leaf holds; 0: nothing. Any context. */
u64 redo_map_slot_value(struct redo_map *map, u64 leaf);

/* Leaf @leaf has come (1) or gone (-1). Any context. */
static inline void redo_map_count_leaf(struct redo_map *map, u64 leaf, int by)
{
	atomic_long_add(by, &map->resident);
	atomic_add(by, &map->dir_leaves[leaf / REDO_DIR_SLOTS]);
}

/* The word of @grain; 0: not built. rcu_read_lock() held. */
u64 redo_map_word(struct redo_map *map, u64 grain);

/*
 * How many grains from @grain on, at most @max, continue @word: the same state,
 * slot and, where mapped, physically contiguous. Crosses leaves. At least 1.
 * rcu_read_lock() held.
 */
u32 redo_map_run(struct redo_map *map, u64 grain, u64 word, u32 max);

/* As redo_map_slot(), but makes the directory. While building. */
u64 *redo_map_make_slot(struct redo_map *map, u64 leaf, gfp_t gfp);

void redo_dir_free(struct redo_dir *dir);	/* without leaves */

struct redo_leaf *redo_leaf_alloc(gfp_t gfp);
void redo_leaf_free(struct redo_leaf *leaf);	/* never published */
void redo_leaf_free_rcu(struct redo_leaf *leaf);

/* Fill @leaf with what the tagged word stands for. */
void redo_leaf_expand(struct redo_leaf *leaf, u64 word);

/* If all words of @leaf are one run, that word tagged; else 0. */
u64 redo_leaf_compact(const struct redo_leaf *leaf);

#endif /* REDO_MAP_H */
