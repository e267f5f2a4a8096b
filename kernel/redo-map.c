// SPDX-License-Identifier: GPL-2.0
/* The merged map: look-up and memory; see redo-map.h. */
#include <linux/mm.h>
#include <linux/slab.h>
#include "redo-map.h"

static struct kmem_cache *leaf_cache;

int redo_map_module_init(void)
{
	static_assert(sizeof(struct redo_leaf) <= 4096);
	static_assert(sizeof(unsigned long) == sizeof(u64), "64-bit kernels only");

	leaf_cache = kmem_cache_create("redo_leaf", sizeof(struct redo_leaf), 64,
				       SLAB_RECLAIM_ACCOUNT, NULL);
	return leaf_cache ? 0 : -ENOMEM;
}

void redo_map_module_exit(void)
{
	rcu_barrier();	/* leaves on their way to the cache */
	kmem_cache_destroy(leaf_cache);
}

int redo_map_init(struct redo_map *map, u64 nr_grains)
{
	map->nr_grains = nr_grains;
	map->nr_leaves = DIV_ROUND_UP(nr_grains, REDO_FANOUT);
	map->nr_dirs = DIV_ROUND_UP(map->nr_leaves, REDO_DIR_SLOTS);
	map->hand = 0;
	map->dir_hand = 0;
	atomic_long_set(&map->resident, 0);
	atomic_long_set(&map->dirs, 0);
	map->top = kvcalloc(map->nr_dirs, sizeof(*map->top), GFP_KERNEL);
	map->dir_leaves = kvcalloc(map->nr_dirs, sizeof(*map->dir_leaves), GFP_KERNEL);
	if (map->top && map->dir_leaves)
		return 0;
	redo_map_exit(map);
	return -ENOMEM;
}

void redo_dir_free(struct redo_dir *dir)
{
	free_page((unsigned long)dir);
}

static void dir_free_with_leaves(struct redo_dir *dir)
{
	u32 i;

	for (i = 0; i < REDO_DIR_SLOTS; i++)
		if (dir->slot[i] && !redo_word_is_tagged(dir->slot[i]))
			redo_leaf_free(redo_slot_leaf(dir->slot[i]));
	redo_dir_free(dir);
}

void redo_map_exit(struct redo_map *map)
{
	u64 i;

	for (i = 0; map->top && i < map->nr_dirs; i++) {
		if (map->top[i])
			dir_free_with_leaves(map->top[i]);
		cond_resched();
	}
	kvfree(map->top);
	map->top = NULL;
	kvfree(map->dir_leaves);
	map->dir_leaves = NULL;
}

u64 redo_map_slot_value(struct redo_map *map, u64 leaf)
{
	u64 *slot, v;

	rcu_read_lock();
	slot = redo_map_slot(map, leaf);
	v = slot ? READ_ONCE(*slot) : 0;
	rcu_read_unlock();
	return v;
}

u64 redo_map_word(struct redo_map *map, u64 grain)
{
	u64 *slot = redo_map_slot(map, redo_leaf_index(grain));
	u64 v;

	if (unlikely(!slot))
		return 0;
	v = smp_load_acquire(slot); /* pairs with the release or cmpxchg that published it */
	if (redo_word_is_tagged(v))
		return redo_word_step(redo_word_untag(v), redo_leaf_offset(grain));
	if (unlikely(!v))
		return 0;
	if (!READ_ONCE(redo_slot_leaf(v)->referenced))
		WRITE_ONCE(redo_slot_leaf(v)->referenced, true);
	return READ_ONCE(redo_slot_leaf(v)->word[redo_leaf_offset(grain)]);
}

/* Grains of one leaf, from word @off on, that continue @word; at most @max. */
static u32 leaf_run(const struct redo_leaf *leaf, u32 off, u64 word, u32 max)
{
	u32 n;

	max = min_t(u32, max, REDO_FANOUT - off);
	for (n = 0; n < max; n++) {
		if (READ_ONCE(leaf->word[off + n]) != word)
			break;
		word = redo_word_step(word, 1);
	}
	return n;
}

static u32 slot_run(u64 v, u32 off, u64 word, u32 max)
{
	if (!redo_word_is_tagged(v))
		return v ? leaf_run(redo_slot_leaf(v), off, word, max) : 0;
	if (redo_word_step(redo_word_untag(v), off) != word)
		return 0;
	return min_t(u32, max, REDO_FANOUT - off);
}

u32 redo_map_run(struct redo_map *map, u64 grain, u64 word, u32 max)
{
	u32 done = 1, n, off;

	while (done < max) {
		u64 *slot = redo_map_slot(map, redo_leaf_index(grain + done));

		if (!slot)
			break;
		off = redo_leaf_offset(grain + done);
		/* as in redo_map_word() */
		n = slot_run(smp_load_acquire(slot), off, redo_word_step(word, done), max - done);
		done += n;
		if (!n || (off + n < REDO_FANOUT))
			break;
	}
	return done;
}

u64 *redo_map_make_slot(struct redo_map *map, u64 leaf, gfp_t gfp)
{
	struct redo_dir **pos = &map->top[leaf / REDO_DIR_SLOTS];
	struct redo_dir *dir;

	if (!READ_ONCE(*pos)) {
		dir = (struct redo_dir *)get_zeroed_page(gfp);
		if (!dir)
			return NULL;
		if (cmpxchg(pos, NULL, dir))
			redo_dir_free(dir);
		else
			atomic_long_inc(&map->dirs);
	}
	return redo_map_slot(map, leaf);
}

struct redo_leaf *redo_leaf_alloc(gfp_t gfp)
{
	struct redo_leaf *leaf = kmem_cache_alloc(leaf_cache, gfp);

	if (leaf) {
		atomic_set(&leaf->busy, 0);
		leaf->frozen = false;
		leaf->referenced = true;
	}
	return leaf;
}

void redo_leaf_free(struct redo_leaf *leaf)
{
	kmem_cache_free(leaf_cache, leaf);
}

static void leaf_free_cb(struct rcu_head *rcu)
{
	redo_leaf_free(container_of(rcu, struct redo_leaf, rcu));
}

void redo_leaf_free_rcu(struct redo_leaf *leaf)
{
	call_rcu(&leaf->rcu, leaf_free_cb);
}

void redo_leaf_expand(struct redo_leaf *leaf, u64 word)
{
	u32 i;

	word = redo_word_untag(word);
	for (i = 0; i < REDO_FANOUT; i++)
		leaf->word[i] = redo_word_step(word, i);
}

u64 redo_leaf_compact(const struct redo_leaf *leaf)
{
	if (leaf_run(leaf, 0, leaf->word[0], REDO_FANOUT) != REDO_FANOUT)
		return 0;
	return leaf->word[0] | REDO_W_TAG;
}
