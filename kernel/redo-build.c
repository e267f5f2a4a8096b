// SPDX-License-Identifier: GPL-2.0
/*
 * Building leaves of the merged map: the deltas' own leaves laid over one
 * another, the topmost first. A region that is not resident has no change under
 * way (its leaf would be busy), so what the deltas say is the whole truth.
 */
#include <linux/slab.h>
#include "redo-chain.h"

/* A mapped grain must lie inside its delta's device. */
static bool phys_ok(struct redo_chain *c, u32 slot, u64 phys)
{
	u64 grains = bdev_nr_sectors(c->slot[slot].bdev) >> c->grain_shift;

	return phys < grains && phys <= REDO_W_PHYS_MAX;
}

static int to_word(struct redo_chain *c, u32 slot, __le64 disk, u64 *word)
{
	struct redo_grain g;

	if (!disk) { /* unmapped: most words of most deltas */
		*word = 0;
		return 0;
	}
	if (redo_unpack_grain(disk, &g))
		return -EUCLEAN;
	switch (g.state) {
	case REDO_GRAIN_MAPPED:
		if (!phys_ok(c, slot, g.phys))
			return -EUCLEAN;
		*word = redo_word(REDO_W_MAPPED, slot, g.phys);
		break;
	case REDO_GRAIN_ZERO:
		*word = redo_word(REDO_W_ZERO, 0, 0);
		break;
	case REDO_GRAIN_BASE:
		*word = redo_word(REDO_W_BASE, 0, 0);
		break;
	default:
		*word = 0;
	}
	return 0;
}

/* Words still 0 take what this delta has; returns how many are still 0, or -errno. */
static int overlay(struct redo_chain *c, u32 slot, const __le64 *disk, u64 *words)
{
	int i, r, left = 0;

	for (i = 0; i < REDO_FANOUT; i++) {
		if (words[i])
			continue;
		r = to_word(c, slot, disk[i], &words[i]);
		if (r) {
			DMERR_LIMIT("%s: bad map entry in leaf", redo_delta_name(c->slot[slot].delta));
			return r;
		}
		if (!words[i])
			left++;
	}
	return left;
}

static void fill_rest(u64 *words, u64 word)
{
	int i;

	for (i = 0; i < REDO_FANOUT; i++)
		if (!words[i])
			words[i] = word;
}

static void prefetch_slots(struct redo_chain *c, u64 leaf, u32 hi, u32 lo)
{
	u32 slot;

	for (slot = hi; slot >= lo; slot--)
		if (!READ_ONCE(c->slot[slot].merged))
			redo_delta_prefetch_leaf(c->slot[slot].delta, leaf);
}

int redo_build_range(struct redo_chain *c, u64 leaf, u32 hi, u32 lo, u64 *words, __le64 *disk)
{
	u32 slot;
	int r;

	memset(words, 0, REDO_FANOUT * sizeof(*words));
	if (hi > lo)
		prefetch_slots(c, leaf, hi, lo);
	for (slot = hi; slot >= lo; slot--) {
		if (smp_load_acquire(&c->slot[slot].merged)) /* see redo_merge_drop_slots() */
			continue;
		r = redo_delta_read_leaf(c->slot[slot].delta, leaf, disk);
		if (r < 0)
			return r;
		if (r == REDO_LEAF_ZERO) {
			fill_rest(words, redo_word(REDO_W_ZERO, 0, 0));
			return 0;
		}
		if (r == REDO_LEAF_HOLE)
			continue;
		r = overlay(c, slot, disk, words);
		if (r <= 0)
			return r;
	}
	return 0;
}

static int build(struct redo_chain *c, u64 leaf, u64 *words, __le64 *disk)
{
	int r = redo_build_range(c, leaf, c->nr_deltas, 1, words, disk);

	if (!r)
		fill_rest(words, redo_word(REDO_W_BASE, 0, 0));
	return r;
}

static int build_slot(struct redo_chain *c, u64 index, u64 *slot)
{
	struct redo_leaf *leaf = redo_leaf_alloc(GFP_NOIO);
	__le64 *disk = kmalloc_array(REDO_FANOUT, sizeof(*disk), GFP_NOIO);
	int r = -ENOMEM;
	u64 v;

	if (leaf && disk)
		r = build(c, index, leaf->word, disk);
	kfree(disk);
	if (r) {
		if (leaf)
			redo_leaf_free(leaf);
		return r;
	}
	leaf->index = index;
	v = redo_leaf_compact(leaf);
	if (v) {
		redo_leaf_free(leaf);
	} else {
		v = (u64)(unsigned long)leaf;
		redo_map_count_leaf(&c->map, index, 1);
	}
	smp_store_release(slot, v); /* pairs with redo_map_word() */
	return 0;
}

int redo_build_leaf(struct redo_chain *c, u64 index)
{
	struct mutex *lock = &c->build_lock[index % REDO_BUILD_LOCKS];
	u64 *slot;
	int r = 0;

	down_read(&c->building); /* no directory goes */
	mutex_lock(lock);
	slot = redo_map_make_slot(&c->map, index, GFP_NOIO);
	if (!slot)
		r = -ENOMEM;
	else if (!READ_ONCE(*slot))
		r = build_slot(c, index, slot);
	mutex_unlock(lock);
	up_read(&c->building);
	redo_evict_check(c);
	return r;
}

int redo_build_words(struct redo_chain *c, u64 grain, u32 len, u64 *words)
{
	u64 *all = kmalloc_array(REDO_FANOUT, sizeof(*all), GFP_NOIO);
	__le64 *disk = kmalloc_array(REDO_FANOUT, sizeof(*disk), GFP_NOIO);
	int r = -ENOMEM;

	if (all && disk)
		r = build(c, redo_leaf_index(grain), all, disk);
	if (!r)
		memcpy(words, all + redo_leaf_offset(grain), len * sizeof(*words));
	kfree(disk);
	kfree(all);
	return r;
}
