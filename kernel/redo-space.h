/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Units and what is free in them. The truth is the allocation tree; it says
 * what is in use by all that has been applied. On top of it, in memory only:
 * grains handed out but not applied, and what was freed but must not be used
 * yet. Context: the delta's mutex is held, unless marked "any".
 */
#ifndef REDO_SPACE_H
#define REDO_SPACE_H

#include "redo-delta-priv.h"

void redo_space_init(struct redo_delta *d);
/* Nothing runs any more. */
void redo_space_exit(struct redo_delta *d);
/* The superblock has been read: unit counters start from it. */
void redo_space_start(struct redo_delta *d);
/* The delta is active now: get to know its units in the background. */
void redo_space_activate(struct redo_delta *d);
/* The owner goes; its I/O has drained. Waits for discards: mutex not held. */
void redo_space_release(struct redo_delta *d);

/* Is it the address of a metadata block (grains) in a unit that was taken? Any. */
bool redo_space_meta_ok(const struct redo_delta *d, u64 blocknr);
bool redo_space_data_ok(const struct redo_delta *d, u64 phys, u64 len);
/* Check the records of an allocation leaf; make those of a new one. Any. */
int redo_space_leaf_check(const struct redo_delta *d, const struct redo_disk_alloc *da,
			  u64 index);
void redo_space_leaf_init(const struct redo_delta *d, struct redo_disk_alloc *da, u64 index);

/* A MAP names these grains; -EUCLEAN where they are in use, or cannot be. */
int redo_space_use(struct redo_delta *d, u64 phys, u32 len);
/* The grains lost their mapping: free them after the quarantine. */
int redo_space_free(struct redo_delta *d, u64 phys, u32 len);
/* Would they do it? After 0 nothing has to be read for it before the next checkpoint. */
int redo_space_may_use(struct redo_delta *d, u64 phys, u32 len);
int redo_space_may_free(struct redo_delta *d, u64 phys, u32 len);

int redo_space_meta_alloc(struct redo_delta *d, u64 *blocknr);
int redo_space_meta_free(struct redo_delta *d, u64 blocknr);
int redo_space_meta_may_free(struct redo_delta *d, u64 blocknr); /* as may_free */

/* A checkpoint is durable: what was freed before it moves on in its quarantine. */
void redo_space_checkpointed(struct redo_delta *d);

#endif /* REDO_SPACE_H */
