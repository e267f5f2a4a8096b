// SPDX-License-Identifier: GPL-2.0
/*
 * Keeping the merged maps of all chains within a budget. A leaf goes when it has
 * no change under way: freeze it, let a grace period pass so that everybody who
 * saw it unfrozen has counted himself, look again, unlink.
 */
#include <linux/module.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include "redo-chain.h"

static unsigned int budget = 64;
module_param(budget, uint, 0644);
MODULE_PARM_DESC(budget, "MiB of memory for the maps of all chains");

#define EVICT_BATCH	256

static u64 leaves_over_budget(struct redo_chain *c)
{
	u64 max = max(1ULL, ((u64)READ_ONCE(budget) << 20) / sizeof(struct redo_leaf) /
		      max(1U, redo_chains_attached()));
	u64 have = atomic_long_read(&c->map.resident);

	/* A grace period costs the same for one as for many: make some room. */
	return have > max ? have - max + max / 16 : 0;
}

/* The next leaf under the clock's hand that may go; NULL: a round without one. */
static struct redo_leaf *next_victim(struct redo_map *map, u64 *left)
{
	struct redo_leaf *leaf;
	u64 *slot, v;

	while (*left) {
		(*left)--;
		if (++map->hand >= map->nr_leaves)
			map->hand = 0;
		slot = redo_map_slot(map, map->hand);
		if (!slot) { /* to the end of the directory that is not there */
			u64 skip = REDO_DIR_SLOTS - 1 - map->hand % REDO_DIR_SLOTS;

			skip = min(skip, *left);
			map->hand += skip;
			*left -= skip;
			continue;
		}
		v = READ_ONCE(*slot);
		if (!v || redo_word_is_tagged(v))
			continue;
		leaf = redo_slot_leaf(v);
		if (leaf->frozen) /* in this very batch: the hand has been all round */
			continue;
		if (READ_ONCE(leaf->referenced))
			WRITE_ONCE(leaf->referenced, false);
		else if (!atomic_read(&leaf->busy))
			return leaf;
	}
	return NULL;
}

static u32 unlink_batch(struct redo_map *map, struct redo_leaf **batch, u32 n)
{
	u32 i, gone = 0;

	synchronize_rcu();
	for (i = 0; i < n; i++) {
		struct redo_leaf *leaf = batch[i];
		u64 *slot = redo_map_slot(map, leaf->index), v;

		if (atomic_read_acquire(&leaf->busy)) { /* pairs with redo_leaf_unbusy() */
			WRITE_ONCE(leaf->frozen, false);
			continue;
		}
		v = redo_leaf_compact(leaf); /* one run: stays, at next to no cost */
		smp_store_release(slot, v);
		atomic_long_dec(&map->resident);
		redo_leaf_free_rcu(leaf);
		gone++;
	}
	return gone;
}

static u32 evict_batch(struct redo_chain *c, struct redo_leaf **batch, u64 want, u64 *left)
{
	u32 n = 0;

	want = min_t(u64, want, EVICT_BATCH);
	while (n < want) {
		batch[n] = next_victim(&c->map, left);
		if (!batch[n])
			break;
		WRITE_ONCE(batch[n]->frozen, true);
		n++;
	}
	return n ? unlink_batch(&c->map, batch, n) : 0;
}

void redo_evict_run(struct redo_chain *c)
{
	u64 want = max_t(u64, leaves_over_budget(c), atomic_xchg(&c->evict_want, 0));
	u64 left = 2 * c->map.nr_leaves;	/* two rounds: the first takes second chances */
	struct redo_leaf **batch;

	if (!want)
		return;
	batch = kmalloc_array(EVICT_BATCH, sizeof(*batch), GFP_NOIO);
	if (!batch)
		return;
	while (want && left) {
		u32 gone = evict_batch(c, batch, want, &left);

		want -= min_t(u64, want, gone);
		cond_resched();
	}
	kfree(batch);
}

void redo_evict_check(struct redo_chain *c)
{
	if (leaves_over_budget(c))
		redo_commit_kick(c);
}

/* --- memory pressure: only asks the commit workers, does no I/O, takes no lock for long --- */

static unsigned long shrink_count(struct shrinker *s, struct shrink_control *sc)
{
	return redo_chains_resident();
}

static unsigned long shrink_scan(struct shrinker *s, struct shrink_control *sc)
{
	redo_chains_shrink(sc->nr_to_scan);
	return SHRINK_STOP;	/* they go later */
}

#ifdef REDO_HAVE_SHRINKER_ALLOC
static struct shrinker *shrinker;

int redo_evict_module_init(void)
{
	shrinker = shrinker_alloc(0, "dm-redo");
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = shrink_count;
	shrinker->scan_objects = shrink_scan;
	shrinker_register(shrinker);
	return 0;
}

void redo_evict_module_exit(void)
{
	shrinker_free(shrinker);
}
#else
static struct shrinker shrinker = {
	.count_objects = shrink_count,
	.scan_objects = shrink_scan,
	.seeks = DEFAULT_SEEKS,
};

int redo_evict_module_init(void)
{
	return register_shrinker(&shrinker, "dm-redo");
}

void redo_evict_module_exit(void)
{
	unregister_shrinker(&shrinker);
}
#endif
