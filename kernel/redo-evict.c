// SPDX-License-Identifier: GPL-2.0
/*
 * Keeping the merged maps of all chains within a budget. A leaf goes when it has
 * no change under way: freeze it, let a grace period pass so that everybody who
 * saw it unfrozen has counted himself, look again, unlink. A directory without
 * leaves goes when directories take more than a quarter of the budget: on a very large
 * disk with scattered accesses they are what fills it.
 */
#include <linux/module.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include "redo-chain.h"

static unsigned int budget = 64;
module_param(budget, uint, 0644);
MODULE_PARM_DESC(budget, "MiB of memory for the maps of all chains");

#define EVICT_BATCH	256

/* Bytes. */
static u64 budget_of_chain(void)
{
	return ((u64)READ_ONCE(budget) << 20) / max(1U, redo_chains_attached());
}

u64 redo_evict_eighth(void)
{
	return budget_of_chain() / 8 / REDO_BLOCK_SIZE;
}

/* Metadata that waits for a checkpoint: in memory, too. Bytes. */
static u64 dirty_bytes(struct redo_chain *c)
{
	/* Who builds a leaf asks, too, while a merge exchanges them. */
	struct redo_delta *active = READ_ONCE(c->active), *alloc = READ_ONCE(c->alloc);
	struct redo_usage u;
	u64 dirty = 0;

	if (active) {
		redo_delta_usage(active, &u);
		dirty = u.dirty_nodes;
	}
	if (alloc && alloc != active) {
		redo_delta_usage(alloc, &u);
		dirty += u.dirty_nodes;
	}
	return dirty * REDO_BLOCK_SIZE;
}

static u64 dirs_over_budget(struct redo_chain *c)
{
	u64 max = max(1ULL, 2 * redo_evict_eighth());
	u64 have = atomic_long_read(&c->map.dirs);

	return have > max ? have - max + max / 16 : 0;
}

static u64 leaves_over_budget(struct redo_chain *c)
{
	u64 others = atomic_long_read(&c->map.dirs) * sizeof(struct redo_dir) + dirty_bytes(c);
	u64 have = atomic_long_read(&c->map.resident), bytes = budget_of_chain(), max;

	max = max(1ULL, (bytes - min(bytes, others)) / sizeof(struct redo_leaf));

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
		redo_map_count_leaf(map, leaf->index, -1);
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

/*
 * May what the slot holds be forgotten, to be built again from the deltas? A leaf
 * that was zeroed as a whole is one word, and its change may still be listed. It
 * was listed before the word could be seen: if nothing is listed after we saw the
 * word, the change has been applied, since this is the commit worker. (What could
 * not be applied never will be; the mode says so.)
 */
static bool slot_can_go(struct redo_chain *c, u64 v)
{
	if (!redo_word_is_tagged(v))
		return false;
	switch (redo_word_state(v)) {
	case REDO_W_BASE:
	case REDO_W_MAPPED:
		return true;
	case REDO_W_ZERO:
		return !READ_ONCE(c->nr_changes) &&
		       (READ_ONCE(c->mode) == REDO_MODE_RW || !c->active);
	default:
		return false;
	}
}

/* No leaf is being built. NULL: it stays. */
static struct redo_dir *take_dir(struct redo_chain *c, u64 n)
{
	struct redo_dir *dir = c->map.top[n];
	u32 i;

	/* Only saves the look: what has to stay is found below. */
	if (!dir || atomic_read(&c->map.dir_leaves[n]))
		return NULL;
	for (i = 0; i < REDO_DIR_SLOTS; i++) {
		u64 v = smp_load_acquire(&dir->slot[i]); /* the change before the word */

		if (!v) /* nothing comes without being built */
			continue;
		/* If one has to stay, those before it are built again when needed. */
		if (!slot_can_go(c, v) || cmpxchg(&dir->slot[i], v, 0) != v)
			return NULL;
	}
	WRITE_ONCE(c->map.top[n], NULL);
	atomic_long_dec(&c->map.dirs);
	return dir;
}

/*
 * Never waits for a builder: he may wait for memory, and memory for a flush, that is
 * for this worker. Whoever has built looks at the budget when he is done.
 */
static u32 evict_dirs(struct redo_chain *c, struct redo_dir **batch, u64 want, u64 *left)
{
	struct redo_map *map = &c->map;
	u32 n = 0, i;

	if (!down_write_trylock(&c->building)) {
		*left = 0;
		return 0;
	}
	want = min_t(u64, want, EVICT_BATCH);
	for (; n < want && *left; (*left)--) {
		if (++map->dir_hand >= map->nr_dirs)
			map->dir_hand = 0;
		batch[n] = take_dir(c, map->dir_hand);
		if (batch[n])
			n++;
	}
	up_write(&c->building);
	if (n)
		synchronize_rcu();
	for (i = 0; i < n; i++)
		redo_dir_free(batch[i]);
	return n;
}

static void run_dirs(struct redo_chain *c, void *batch)
{
	u64 want = dirs_over_budget(c), left = c->map.nr_dirs;

	while (want && left) {
		want -= min_t(u64, want, evict_dirs(c, batch, want, &left));
		cond_resched();
	}
}

static void run_leaves(struct redo_chain *c, void *batch, u64 want)
{
	u64 left = 2 * c->map.nr_leaves;	/* two rounds: the first takes second chances */

	while (want && left) {
		want -= min_t(u64, want, evict_batch(c, batch, want, &left));
		cond_resched();
	}
}

void redo_evict_run(struct redo_chain *c)
{
	u64 want = max_t(u64, leaves_over_budget(c), atomic_xchg(&c->evict_want, 0));
	void *batch;

	if (!want && !dirs_over_budget(c))
		return;
	batch = kmalloc_array(EVICT_BATCH, sizeof(void *), GFP_NOIO);
	if (!batch)
		return;
	run_leaves(c, batch, want);
	run_dirs(c, batch);
	kfree(batch);
}

void redo_evict_check(struct redo_chain *c)
{
	if (leaves_over_budget(c) || dirs_over_budget(c))
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
