/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The words of the merged map. Pure; also compiled into KUnit.
 *
 *   bits  0.. 1  tag: 1 in a directory slot that holds a word instead of a leaf
 *   bits  2..47  physical grain
 *   bits 48..59  slot: 0 = base, n = the n-th delta from the bottom
 *   bits 60..63  state
 *
 * A word of 0 means "not built". In a tagged word the physical grain is that of
 * the leaf's first grain, and the others follow it.
 */
#ifndef REDO_ENTRY_H
#define REDO_ENTRY_H

#include "redo-port.h"

enum redo_word_state {
	REDO_W_NONE	= 0,	/* not built */
	REDO_W_BASE	= 1,	/* same place on the base */
	REDO_W_MAPPED	= 2,	/* in the delta of that slot */
	REDO_W_ZERO	= 3,
	REDO_W_PENDING	= 4,	/* being changed: whoever meets it waits */
	REDO_W_LOST	= 5,	/* its mapping could not be read back after a failed write */
	REDO_W_MERGING	= 6,	/* as MAPPED, but being merged: reads go on, writes wait */
};

#define REDO_W_TAG		1ULL
#define REDO_W_PHYS_SHIFT	2
#define REDO_W_PHYS_BITS	46
#define REDO_W_PHYS_MAX		((1ULL << REDO_W_PHYS_BITS) - 1)
#define REDO_W_SLOT_SHIFT	48
#define REDO_W_SLOT_MASK	0xfffULL
#define REDO_W_STATE_SHIFT	60

static inline u64 redo_word(enum redo_word_state state, u32 slot, u64 phys)
{
	return (u64)state << REDO_W_STATE_SHIFT | (u64)slot << REDO_W_SLOT_SHIFT |
	       phys << REDO_W_PHYS_SHIFT;
}

static inline enum redo_word_state redo_word_state(u64 w)
{
	return w >> REDO_W_STATE_SHIFT;
}

static inline u32 redo_word_slot(u64 w)
{
	return (w >> REDO_W_SLOT_SHIFT) & REDO_W_SLOT_MASK;
}

static inline u64 redo_word_phys(u64 w)
{
	return (w >> REDO_W_PHYS_SHIFT) & REDO_W_PHYS_MAX;
}

/* MAPPED or MERGING: it names a physical grain. */
static inline bool redo_word_has_place(u64 w)
{
	return (redo_word_state(w) & 3) == REDO_W_MAPPED;
}

/* Whoever wants to change it has to wait. */
static inline bool redo_word_is_closed(u64 w)
{
	return redo_word_state(w) == REDO_W_PENDING || redo_word_state(w) == REDO_W_MERGING;
}

/* The word of the grain @n places further on in the same run. */
static inline u64 redo_word_step(u64 w, u64 n)
{
	if (redo_word_has_place(w))
		return w + (n << REDO_W_PHYS_SHIFT);
	return w;
}

static inline bool redo_word_is_tagged(u64 w)
{
	return w & REDO_W_TAG;
}

static inline u64 redo_word_untag(u64 w)
{
	return w & ~REDO_W_TAG;
}

/* Mapped in the delta that takes writes? */
static inline bool redo_word_is_own(u64 w, u32 active_slot)
{
	return (w >> REDO_W_SLOT_SHIFT) ==
	       ((u64)REDO_W_MAPPED << (REDO_W_STATE_SHIFT - REDO_W_SLOT_SHIFT) | active_slot);
}

/* A write to it needs a new grain? */
static inline bool redo_word_is_below(u64 w, u32 active_slot)
{
	switch (redo_word_state(w)) {
	case REDO_W_BASE:
	case REDO_W_ZERO:
		return true;
	case REDO_W_MAPPED:
		return redo_word_slot(w) != active_slot;
	default:
		return false;
	}
}

#endif /* REDO_ENTRY_H */
