/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two trees: blocks on the disk below dirty nodes in memory. Context of
 * everything here: the delta's mutex is held; for what is marked "reader" its
 * sem, held for reading, will do (map tree only).
 */
#ifndef REDO_TREE_H
#define REDO_TREE_H

#include "redo-delta-priv.h"

void redo_tree_init(struct redo_tree *t, enum redo_tree_id id);
/* Forget the dirty nodes. */
void redo_tree_exit(struct redo_delta *d, struct redo_tree *t);

/*
 * Find the node at @level, @index: *@node when it is dirty; else *@ptr is what
 * stands for it on the disk (a HOLE or ZERO may stand higher up). Reader.
 */
int redo_tree_find(struct redo_delta *d, struct redo_tree *t, u32 level, u64 index,
		   struct redo_node **node, struct redo_ptr *ptr);
/*
 * Read the block behind a BLOCK pointer through the cache and check it, its
 * contents included. Returns the data or an ERR_PTR; release *@b. Reader.
 */
const void *redo_tree_get(struct redo_delta *d, struct redo_tree *t,
			  const struct redo_ptr *ptr, u32 level, u64 index,
			  struct dm_buffer **b);
/* The dirty node there, made from what stands for it if need be. ERR_PTR. */
struct redo_node *redo_tree_dirty(struct redo_delta *d, struct redo_tree *t,
				  u32 level, u64 index);
/*
 * Let @kind (HOLE or ZERO) stand for a leaf; a dirty node there goes, and so
 * does its block.
 */
int redo_tree_collapse(struct redo_delta *d, struct redo_tree *t, u64 leaf,
		       enum redo_ptr_kind kind);
/* What that will need of a leaf as redo_tree_find() found it is dirty after this. */
int redo_tree_may_collapse(struct redo_delta *d, struct redo_tree *t, u64 leaf,
			   const struct redo_node *n, const struct redo_ptr *ptr);
/* Make the allocation tree high enough for @leaf. */
int redo_tree_grow(struct redo_delta *d, struct redo_tree *t, u64 leaf);
/* All nodes of @t have been written at their new_block: the disk has them. */
void redo_tree_clean(struct redo_delta *d, struct redo_tree *t, u64 generation);
/* The root as it is after writing the dirty nodes. */
struct redo_ptr redo_tree_new_root(struct redo_tree *t, u64 generation);

void redo_node_free(struct redo_node *n);

/*
 * redo-kept.c: nodes that have been written and are not dirty any more. Mutex.
 */
void redo_kept_init(struct redo_tree *t);
void redo_kept_drop(struct redo_tree *t);
/* @n nodes will be added: the older ones go if there would be too many. */
void redo_kept_room(struct redo_tree *t, u64 n);
/* @n is as on the disk at its pointer @n->old. It is kept, or freed. */
void redo_kept_add(struct redo_tree *t, struct redo_node *n);
/* The node, if @ptr says that it still stands there; kept no longer, whatever it was. */
struct redo_node *redo_kept_take(struct redo_tree *t, u32 level, u64 index,
				 const struct redo_ptr *ptr);

static inline struct redo_disk_node *redo_node_words(struct redo_node *n)
{
	return n->data;
}

#endif /* REDO_TREE_H */
