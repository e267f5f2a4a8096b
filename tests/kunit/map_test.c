// SPDX-License-Identifier: GPL-2.0
/* The merged map: words, look-up, runs, leaves and their compact form. */
#include <linux/rcupdate.h>
#include "redo-test.h"
#include "../../kernel/redo-map.h"

#define GRAINS	(REDO_FANOUT * 600ULL)	/* more leaves than one directory page has */

static int redo_test_map_init(struct kunit *test)
{
	struct redo_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	KUNIT_ASSERT_EQ(test, redo_map_init(map, GRAINS), 0);
	test->priv = map;
	return 0;
}

static void redo_test_map_exit(struct kunit *test)
{
	if (test->priv)
		redo_map_exit(test->priv);
}

static void put_word(struct kunit *test, u64 leaf, u64 word)
{
	u64 *slot = redo_map_make_slot(test->priv, leaf, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, slot);
	*slot = word | REDO_W_TAG;
}

static struct redo_leaf *put_leaf(struct kunit *test, u64 leaf, u64 word)
{
	u64 *slot = redo_map_make_slot(test->priv, leaf, GFP_KERNEL);
	struct redo_leaf *l = redo_leaf_alloc(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, slot);
	KUNIT_ASSERT_NOT_NULL(test, l);
	l->index = leaf;
	redo_leaf_expand(l, word);
	*slot = (u64)(unsigned long)l;
	return l;
}

static u64 word_at(struct kunit *test, u64 grain)
{
	u64 w;

	rcu_read_lock();
	w = redo_map_word(test->priv, grain);
	rcu_read_unlock();
	return w;
}

static u32 run_at(struct kunit *test, u64 grain, u32 max)
{
	u32 n;

	rcu_read_lock();
	n = redo_map_run(test->priv, grain, redo_map_word(test->priv, grain), max);
	rcu_read_unlock();
	return n;
}

/* --- words --- */

static void redo_map_words(struct kunit *test)
{
	u64 w = redo_word(REDO_W_MAPPED, 256, REDO_W_PHYS_MAX - 1);

	KUNIT_EXPECT_EQ(test, (int)redo_word_state(w), (int)REDO_W_MAPPED);
	KUNIT_EXPECT_EQ(test, redo_word_slot(w), 256U);
	KUNIT_EXPECT_EQ(test, redo_word_phys(w), REDO_W_PHYS_MAX - 1);
	KUNIT_EXPECT_FALSE(test, redo_word_is_tagged(w));
	KUNIT_EXPECT_TRUE(test, redo_word_is_tagged(w | REDO_W_TAG));
	KUNIT_EXPECT_EQ(test, redo_word_untag(w | REDO_W_TAG), w);
	/* the largest that there is, one step on */
	KUNIT_EXPECT_EQ(test, redo_word_phys(redo_word_step(w, 1)), REDO_W_PHYS_MAX);
	KUNIT_EXPECT_EQ(test, redo_word_slot(redo_word_step(w, 1)), 256U);
	KUNIT_EXPECT_EQ(test, redo_word_slot(redo_word(REDO_W_MAPPED, REDO_W_SLOT_MASK, 0)),
			(u32)REDO_W_SLOT_MASK);
}

/* Only what is mapped goes on to the next physical grain. */
static void redo_map_step(struct kunit *test)
{
	u64 zero = redo_word(REDO_W_ZERO, 0, 0), base = redo_word(REDO_W_BASE, 0, 0);
	u64 mapped = redo_word(REDO_W_MAPPED, 3, 100);

	KUNIT_EXPECT_EQ(test, redo_word_step(zero, 7), zero);
	KUNIT_EXPECT_EQ(test, redo_word_step(base, 7), base);
	KUNIT_EXPECT_EQ(test, redo_word_step(mapped, 7), redo_word(REDO_W_MAPPED, 3, 107));
	KUNIT_EXPECT_EQ(test, redo_word_step(mapped, 0), mapped);
}

/* What is being merged reads as if it were mapped, but is nobody's to write to. */
static void redo_map_merging(struct kunit *test)
{
	u64 merging = redo_word(REDO_W_MERGING, 3, 100);
	enum redo_word_state state;

	KUNIT_EXPECT_EQ(test, redo_word_step(merging, 7), redo_word(REDO_W_MERGING, 3, 107));
	KUNIT_EXPECT_FALSE(test, redo_word_is_own(merging, 3));
	KUNIT_EXPECT_FALSE(test, redo_word_is_below(merging, 3));
	KUNIT_EXPECT_FALSE(test, redo_word_is_below(merging, 4));
	for (state = REDO_W_NONE; state <= REDO_W_MERGING; state++) {
		KUNIT_EXPECT_EQ(test, redo_word_has_place(redo_word(state, 1, 2)),
				state == REDO_W_MAPPED || state == REDO_W_MERGING);
		KUNIT_EXPECT_EQ(test, redo_word_is_closed(redo_word(state, 1, 2)),
				state == REDO_W_PENDING || state == REDO_W_MERGING);
	}
}

static void redo_map_own(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, redo_word_is_own(redo_word(REDO_W_MAPPED, 3, 9), 3));
	KUNIT_EXPECT_FALSE(test, redo_word_is_own(redo_word(REDO_W_MAPPED, 2, 9), 3));
	KUNIT_EXPECT_FALSE(test, redo_word_is_own(redo_word(REDO_W_MAPPED, 0x103, 9), 3));
	KUNIT_EXPECT_FALSE(test, redo_word_is_own(redo_word(REDO_W_PENDING, 3, 9), 3));
	KUNIT_EXPECT_FALSE(test, redo_word_is_own(redo_word(REDO_W_ZERO, 3, 0), 3));
	KUNIT_EXPECT_FALSE(test, redo_word_is_own(0, 0));

	KUNIT_EXPECT_FALSE(test, redo_word_is_below(redo_word(REDO_W_MAPPED, 3, 9), 3));
	KUNIT_EXPECT_TRUE(test, redo_word_is_below(redo_word(REDO_W_MAPPED, 2, 9), 3));
	KUNIT_EXPECT_TRUE(test, redo_word_is_below(redo_word(REDO_W_BASE, 0, 0), 3));
	KUNIT_EXPECT_TRUE(test, redo_word_is_below(redo_word(REDO_W_ZERO, 0, 0), 3));
	KUNIT_EXPECT_FALSE(test, redo_word_is_below(redo_word(REDO_W_PENDING, 0, 0), 3));
	KUNIT_EXPECT_FALSE(test, redo_word_is_below(redo_word(REDO_W_LOST, 0, 0), 3));
	KUNIT_EXPECT_FALSE(test, redo_word_is_below(0, 3));
}

/* --- look-up --- */

static void redo_map_empty(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, word_at(test, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, word_at(test, GRAINS - 1), 0ULL);
	/* a directory without anything in it */
	redo_map_make_slot(test->priv, 0, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, word_at(test, 0), 0ULL);
}

static void redo_map_lookup(struct kunit *test)
{
	struct redo_leaf *l;

	put_word(test, 1, redo_word(REDO_W_MAPPED, 2, 1000));
	l = put_leaf(test, 599, redo_word(REDO_W_BASE, 0, 0));
	l->word[REDO_FANOUT - 1] = redo_word(REDO_W_MAPPED, 1, 77);

	KUNIT_EXPECT_EQ(test, word_at(test, REDO_FANOUT - 1), 0ULL);
	KUNIT_EXPECT_EQ(test, word_at(test, REDO_FANOUT), redo_word(REDO_W_MAPPED, 2, 1000));
	KUNIT_EXPECT_EQ(test, word_at(test, 2 * REDO_FANOUT - 1),
			redo_word(REDO_W_MAPPED, 2, 1000 + REDO_FANOUT - 1));
	KUNIT_EXPECT_EQ(test, word_at(test, 2 * REDO_FANOUT), 0ULL);
	KUNIT_EXPECT_EQ(test, word_at(test, GRAINS - 1), redo_word(REDO_W_MAPPED, 1, 77));
	KUNIT_EXPECT_EQ(test, word_at(test, GRAINS - 2), redo_word(REDO_W_BASE, 0, 0));
}

/* --- runs --- */

static void redo_map_run_within(struct kunit *test)
{
	struct redo_leaf *l = put_leaf(test, 0, redo_word(REDO_W_BASE, 0, 0));
	int i;

	for (i = 10; i < 20; i++)
		l->word[i] = redo_word(REDO_W_MAPPED, 1, 490 + i);
	l->word[20] = redo_word(REDO_W_MAPPED, 1, 511);	/* not the one that follows */
	l->word[21] = redo_word(REDO_W_MAPPED, 2, 512);	/* follows, of another delta */
	l->word[22] = redo_word(REDO_W_ZERO, 0, 0);
	l->word[23] = redo_word(REDO_W_PENDING, 0, 0);

	KUNIT_EXPECT_EQ(test, run_at(test, 0, 1000), 10U);
	KUNIT_EXPECT_EQ(test, run_at(test, 0, 10), 10U);
	KUNIT_EXPECT_EQ(test, run_at(test, 0, 9), 9U);
	KUNIT_EXPECT_EQ(test, run_at(test, 9, 1000), 1U);
	KUNIT_EXPECT_EQ(test, run_at(test, 10, 1000), 10U);
	KUNIT_EXPECT_EQ(test, run_at(test, 15, 1000), 5U);
	KUNIT_EXPECT_EQ(test, run_at(test, 19, 1000), 1U);
	KUNIT_EXPECT_EQ(test, run_at(test, 20, 1000), 1U);
	KUNIT_EXPECT_EQ(test, run_at(test, 21, 1000), 1U);
	KUNIT_EXPECT_EQ(test, run_at(test, 22, 1000), 1U);
	KUNIT_EXPECT_EQ(test, run_at(test, 0, 1), 1U);
}

/* On from leaf to word to leaf, across a directory's end, to what is not built. */
static void redo_map_run_across(struct kunit *test)
{
	u64 phys = 5000;
	u64 first = REDO_DIR_SLOTS - 2;
	struct redo_leaf *l;

	l = put_leaf(test, first, redo_word(REDO_W_MAPPED, 1, phys));
	put_word(test, first + 1, redo_word(REDO_W_MAPPED, 1, phys + REDO_FANOUT));
	put_leaf(test, first + 2, redo_word(REDO_W_MAPPED, 1, phys + 2 * REDO_FANOUT));
	KUNIT_EXPECT_EQ(test, run_at(test, first * REDO_FANOUT, 100000), 3U * REDO_FANOUT);
	KUNIT_EXPECT_EQ(test, run_at(test, first * REDO_FANOUT + 500, 100000),
			3U * REDO_FANOUT - 500);
	KUNIT_EXPECT_EQ(test, run_at(test, first * REDO_FANOUT + 500, 10), 10U);
	/* it breaks at a leaf's end where the next one starts elsewhere */
	put_word(test, first + 3, redo_word(REDO_W_MAPPED, 1, phys + 3 * REDO_FANOUT + 1));
	KUNIT_EXPECT_EQ(test, run_at(test, first * REDO_FANOUT, 100000), 3U * REDO_FANOUT);
	/* or at its last word */
	l->word[REDO_FANOUT - 1] = redo_word(REDO_W_ZERO, 0, 0);
	KUNIT_EXPECT_EQ(test, run_at(test, first * REDO_FANOUT, 100000), REDO_FANOUT - 1U);
}

static void redo_map_run_same(struct kunit *test)
{
	int i;

	for (i = 0; i < 5; i++)
		put_word(test, i, redo_word(REDO_W_BASE, 0, 0));
	put_word(test, 5, redo_word(REDO_W_ZERO, 0, 0));
	KUNIT_EXPECT_EQ(test, run_at(test, 3, 100000), 5U * REDO_FANOUT - 3);
	KUNIT_EXPECT_EQ(test, run_at(test, 5 * REDO_FANOUT, 100000), (u32)REDO_FANOUT);
}

/* --- leaves --- */

static void redo_map_compact(struct kunit *test)
{
	struct redo_leaf *l = redo_leaf_alloc(GFP_KERNEL);
	u64 w = redo_word(REDO_W_MAPPED, 4, 4242);

	KUNIT_ASSERT_NOT_NULL(test, l);
	redo_leaf_expand(l, w | REDO_W_TAG);
	KUNIT_EXPECT_EQ(test, l->word[0], w);
	KUNIT_EXPECT_EQ(test, l->word[REDO_FANOUT - 1], redo_word_step(w, REDO_FANOUT - 1));
	KUNIT_EXPECT_EQ(test, redo_leaf_compact(l), w | REDO_W_TAG);
	l->word[REDO_FANOUT - 1]++;
	KUNIT_EXPECT_EQ(test, redo_leaf_compact(l), 0ULL);

	redo_leaf_expand(l, redo_word(REDO_W_ZERO, 0, 0));
	KUNIT_EXPECT_EQ(test, redo_leaf_compact(l), redo_word(REDO_W_ZERO, 0, 0) | REDO_W_TAG);
	l->word[250] = redo_word(REDO_W_BASE, 0, 0);
	KUNIT_EXPECT_EQ(test, redo_leaf_compact(l), 0ULL);
	redo_leaf_free(l);
}

static void redo_map_geometry(struct kunit *test)
{
	struct redo_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	KUNIT_ASSERT_EQ(test, redo_map_init(map, REDO_FANOUT * (u64)REDO_DIR_SLOTS), 0);
	KUNIT_EXPECT_EQ(test, map->nr_leaves, (u64)REDO_DIR_SLOTS);
	KUNIT_EXPECT_EQ(test, map->nr_dirs, 1ULL);
	redo_map_exit(map);
	KUNIT_ASSERT_EQ(test, redo_map_init(map, REDO_FANOUT * (u64)REDO_DIR_SLOTS + 1), 0);
	KUNIT_EXPECT_EQ(test, map->nr_leaves, REDO_DIR_SLOTS + 1ULL);
	KUNIT_EXPECT_EQ(test, map->nr_dirs, 2ULL);
	redo_map_exit(map);
	KUNIT_ASSERT_EQ(test, redo_map_init(map, 1), 0);
	KUNIT_EXPECT_EQ(test, map->nr_dirs, 1ULL);
	redo_map_exit(map);
}

static struct kunit_case redo_map_cases[] = {
	KUNIT_CASE(redo_map_words),
	KUNIT_CASE(redo_map_step),
	KUNIT_CASE(redo_map_merging),
	KUNIT_CASE(redo_map_own),
	KUNIT_CASE(redo_map_empty),
	KUNIT_CASE(redo_map_lookup),
	KUNIT_CASE(redo_map_run_within),
	KUNIT_CASE(redo_map_run_across),
	KUNIT_CASE(redo_map_run_same),
	KUNIT_CASE(redo_map_compact),
	KUNIT_CASE(redo_map_geometry),
	{}
};

static struct kunit_suite redo_map_suite = {
	.name = "redo-map",
	.init = redo_test_map_init,
	.exit = redo_test_map_exit,
	.test_cases = redo_map_cases,
};

kunit_test_suite(redo_map_suite);
