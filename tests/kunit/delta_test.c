// SPDX-License-Identifier: GPL-2.0
/*
 * A delta against a model: random changes, commits and checkpoints, the power
 * failing anywhere, and after each return every leaf and every bitmap compared.
 * Grains carry a stamp of who wrote them last, so that one that was handed out
 * while something recoverable still mapped it is noticed.
 */
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/vmalloc.h>
#include "delta_disk.h"
#include "redo-test.h"
#include "../../kernel/redo-delta-priv.h"
#include "../../kernel/redo-space.h"
#include "../../kernel/redo-tree.h"
#include "../../kernel/redo-units.h"

static unsigned int delta_scale = 1;
module_param(delta_scale, uint, 0444);
MODULE_PARM_DESC(delta_scale, "How many times as many rounds");

static char *delta_case;
module_param(delta_case, charp, 0444);
MODULE_PARM_DESC(delta_case, "Run this case of the model only");

struct cell {
	u64 phys;
	u32 stamp;
	u8 state;
};

struct params {
	const char *name;
	u32 n;			/* cells of the model */
	u32 grain_sectors;
	u32 cluster;		/* cells that lie together; 0: all */
	u64 stride;		/* grains from one cluster to the next */
	u32 units;		/* of the device */
	u32 rounds, steps;
	u32 power;		/* writes until the power fails, at most; 0: never */
	u32 max_run;
	bool inflight;
	bool beside;		/* readers and allocators run beside the mutators */
};

struct ctx {
	struct kunit *test;
	const struct params *p;
	struct rnd_state rnd;
	struct redo_test_disk *disk;
	struct redo_delta *d;
	struct redo_inflight inflight;
	struct redo_super sb;
	struct cell *now;	/* all changes made */
	struct cell *acked;	/* as of the last commit that succeeded */
	u32 *stamp;		/* by physical grain */
	u64 n_phys;
	u32 next_stamp;
	u32 gpu;
	struct list_head changes;
	u32 n_changes, batch;
	u32 reserved;
	bool maybe;		/* a commit failed: now may have become durable */
	int held;		/* in-flight generation held, or -1 */
	unsigned long *seen;	/* grains that the I/O in flight may have looked up */
	u64 place[16];		/* for streams; several leaves share one, so that it is stale */
	unsigned long long st_commits, st_ckpts, st_enospc, st_crash, st_seals;
};

static u32 rnd(struct ctx *c, u32 below)
{
	return prandom_u32_state(&c->rnd) % below;
}

static u64 logical_of(const struct ctx *c, u32 i)
{
	if (!c->p->cluster)
		return i;
	return i / c->p->cluster * c->p->stride + i % c->p->cluster;
}

static u32 room_of(const struct ctx *c, u32 i)
{
	u32 n = c->p->n - i;

	return c->p->cluster ? min(n, c->p->cluster - i % c->p->cluster) : n;
}

static void on_discard(void *ctx, sector_t sector, sector_t len)
{
	struct ctx *c = ctx;
	u64 g = sector / c->p->grain_sectors, n = len / c->p->grain_sectors;

	while (n--)
		c->stamp[g++] = 0;
}

static void change_add(struct ctx *c, u8 type, u64 logical, u64 phys, u32 len)
{
	struct redo_change *ch = kzalloc(sizeof(*ch), GFP_KERNEL | __GFP_NOFAIL);

	ch->e.type = type;
	ch->e.logical = logical;
	ch->e.phys = phys;
	ch->e.len = len;
	list_add_tail(&ch->list, &c->changes);
	c->n_changes++;
}

static void changes_drop(struct ctx *c)
{
	struct redo_change *ch, *next;

	list_for_each_entry_safe(ch, next, &c->changes, list)
		kfree(ch);
	INIT_LIST_HEAD(&c->changes);
	c->n_changes = 0;
}

/* Returns false when the power has failed. */
static bool do_commit(struct ctx *c)
{
	struct redo_change *ch;
	int r;

	r = redo_delta_commit(c->d, &c->changes);
	if (r) {
		KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "commit: %d", r);
		c->maybe = true;
		return false;
	}
	c->st_commits++;
	memcpy(c->acked, c->now, c->p->n * sizeof(*c->now));
	list_for_each_entry(ch, &c->changes, list) {
		r = redo_delta_apply(c->d, &ch->e);
		if (r) {
			KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "apply: %d", r);
			return false;
		}
	}
	redo_delta_unreserve(c->d, c->reserved);
	c->reserved = 0;
	changes_drop(c);
	return true;
}

static bool do_checkpoint(struct ctx *c, bool clean)
{
	int r = redo_delta_checkpoint(c->d, clean);

	c->st_ckpts++;
	if (r)
		KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "checkpoint: %d", r);
	return !r;
}

static void let_go(struct ctx *c)
{
	if (c->held >= 0)
		redo_inflight_leave(&c->inflight, c->held);
	c->held = -1;
}

/* 1: there is room; 0: none; -1: power failed */
static int make_room(struct ctx *c)
{
	int i, r;

	r = redo_delta_refill(c->d);
	for (i = 0; r == -ENOSPC && i < 8; i++) {
		let_go(c);
		if (!do_commit(c) || !do_checkpoint(c, false))
			return -1;
		r = redo_delta_refill(c->d);
		if (r == -ENOSPC && !redo_delta_reclaiming(c->d))
			break;
	}
	if (r == -ENOSPC) {
		c->st_enospc++;
		return 0;
	}
	if (r) {
		KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "refill: %d", r);
		return -1;
	}
	return 1;
}

static u64 mapped(struct ctx *c)
{
	u64 n = 0;
	u32 i;

	for (i = 0; i < c->p->n; i++)
		n += c->now[i].state == REDO_GRAIN_MAPPED;
	return n;
}

/* An I/O that may use any grain that is mapped now. */
static void hold(struct ctx *c)
{
	u32 i;

	c->held = redo_inflight_enter(&c->inflight);
	bitmap_zero(c->seen, c->n_phys);
	for (i = 0; i < c->p->n; i++)
		if (c->now[i].state == REDO_GRAIN_MAPPED)
			__set_bit(c->now[i].phys, c->seen);
}

/* Half of what would be a stream's is, so that what is kept is not always taken. */
static u32 take(struct ctx *c, u32 i, u32 want, u64 *phys)
{
	u64 leaf = logical_of(c, i) / REDO_FANOUT;
	u32 off = logical_of(c, i) % REDO_FANOUT;

	if (rnd(c, 2))
		return redo_delta_alloc(c->d, want, phys);
	return redo_delta_alloc_stream(c->d, min_t(u32, want, REDO_FANOUT - off), off, REDO_FANOUT,
				       &c->place[leaf % ARRAY_SIZE(c->place)], phys);
}

static bool do_write(struct ctx *c)
{
	u32 i = rnd(c, c->p->n), want = 1 + rnd(c, rnd(c, 4) ? 16 : c->p->max_run), got, k;
	u64 phys;

	want = min(want, room_of(c, i));
	while (want) {
		got = take(c, i, want, &phys);
		if (!got) {
			int r = make_room(c);

			if (r < 0)
				return false;
			if (!r)
				return true;
			continue;
		}
		KUNIT_ASSERT_LE(c->test, got, want);
		KUNIT_ASSERT_NE(c->test, phys % c->gpu, 0ULL);
		KUNIT_ASSERT_LE(c->test, phys + got, c->n_phys);
		KUNIT_ASSERT_EQ(c->test, phys / c->gpu, (phys + got - 1) / c->gpu);
		if (!rnd(c, 16)) {
			redo_delta_unalloc(c->d, phys, got);
			want -= got;
			i += got;
			continue;
		}
		if (got > 1 && !rnd(c, 16)) {
			redo_delta_unalloc(c->d, phys + got / 2, got - got / 2);
			got /= 2;
		}
		change_add(c, REDO_REC_MAP, logical_of(c, i), phys, got);
		c->next_stamp++;
		for (k = 0; k < got; k++) {
			if (c->held >= 0)
				KUNIT_EXPECT_FALSE(c->test, test_bit(phys + k, c->seen));
			c->stamp[phys + k] = c->next_stamp;
			c->now[i + k] = (struct cell) {
				.phys = phys + k, .state = REDO_GRAIN_MAPPED,
				.stamp = c->next_stamp,
			};
		}
		i += got;
		want -= got;
	}
	return true;
}

static bool do_clear(struct ctx *c)
{
	static const u8 types[] = { REDO_REC_ZERO, REDO_REC_ZERO, REDO_REC_UNMAP, REDO_REC_BASE };
	static const u8 states[] = { REDO_GRAIN_ZERO, REDO_GRAIN_ZERO, REDO_GRAIN_UNMAPPED,
				     REDO_GRAIN_BASE };
	u32 i = rnd(c, c->p->n), t = rnd(c, 4), k;
	u32 len = 1 + rnd(c, rnd(c, 3) ? 40 : rnd(c, 10) ? 1600 : c->p->n);
	u32 leaves;

	if (!rnd(c, 4))
		i -= i % REDO_FANOUT;
	len = min(len, room_of(c, i));
	leaves = len / REDO_FANOUT + 2;
	if (redo_delta_reserve(c->d, leaves)) {
		int r = make_room(c);

		if (r < 0)
			return false;
		if (redo_delta_reserve(c->d, leaves))
			return true;
	}
	c->reserved += leaves;
	change_add(c, types[t], logical_of(c, i), 0, len);
	for (k = 0; k < len; k++)
		c->now[i + k] = (struct cell) { .state = states[t] };
	return true;
}

static bool cells_match(struct ctx *c, const struct cell *m, u32 i, const __le64 *words,
			u32 slot, u32 n, bool say)
{
	struct redo_grain g;
	u32 k;

	for (k = 0; k < n; k++) {
		if (redo_unpack_grain(words[slot + k], &g) || g.state != m[i + k].state ||
		    g.phys != m[i + k].phys) {
			if (say)
				kunit_err(c->test, "cell %u: %u/%llu found, %u/%llu expected",
					  i + k, g.state, g.phys, m[i + k].state, m[i + k].phys);
			return false;
		}
		if (g.state == REDO_GRAIN_MAPPED && c->stamp[g.phys] != m[i + k].stamp) {
			if (say)
				kunit_err(c->test, "cell %u at %llu: overwritten: stamp %u, expected %u",
					  i + k, g.phys, c->stamp[g.phys], m[i + k].stamp);
			return false;
		}
	}
	return true;
}

static bool map_matches(struct ctx *c, const struct cell *m, bool say)
{
	__le64 *words = kmalloc(REDO_BLOCK_SIZE, GFP_KERNEL | __GFP_NOFAIL);
	struct redo_grain zero = { .state = REDO_GRAIN_ZERO };
	bool ok = true;
	u32 i, n, k;
	int r;

	for (i = 0; ok && i < c->p->n; i += n) {
		u64 l = logical_of(c, i);
		u32 slot = l % REDO_FANOUT;

		n = min3(room_of(c, i), REDO_FANOUT - slot, c->p->n - i);
		r = redo_delta_read_leaf(c->d, l / REDO_FANOUT, words);
		if (r < 0) {
			kunit_err(c->test, "read_leaf %llu: %d", l / REDO_FANOUT, r);
			ok = false;
			break;
		}
		if (r != REDO_LEAF_NODE)
			for (k = 0; k < REDO_FANOUT; k++)
				words[k] = r == REDO_LEAF_ZERO ? redo_pack_grain(&zero) : 0;
		ok = cells_match(c, m, i, words, slot, n, say);
	}
	kfree(words);
	return ok;
}

/* Those leaves of which the delta says something are found, and no others, dirty or not. */
static void check_next_leaf(struct ctx *c)
{
	int error = 0;
	u64 leaf, next = redo_delta_next_leaf(c->d, 0, &error);
	bool any;
	u32 i = 0;

	while (i < c->p->n && !error) {
		leaf = logical_of(c, i) / REDO_FANOUT;
		for (any = false; i < c->p->n && logical_of(c, i) / REDO_FANOUT == leaf; i++)
			any |= c->now[i].state != REDO_GRAIN_UNMAPPED;
		if (any ? next != leaf : next <= leaf) {
			KUNIT_FAIL(c->test, "leaf %llu %s: the next one is %llu", leaf,
				   any ? "is used" : "is not", next);
			return;
		}
		if (any)
			next = redo_delta_next_leaf(c->d, leaf + 1, &error);
	}
	KUNIT_EXPECT_EQ(c->test, error, 0);
	KUNIT_EXPECT_EQ(c->test, next, U64_MAX);
}

/* Mark the blocks of a clean tree in @used; counts leaves. */
static void walk(struct ctx *c, struct redo_tree *t, const struct redo_ptr *ptr, u32 level,
		 u64 index, unsigned long *used, u64 *leaves)
{
	const struct redo_disk_node *dn;
	struct redo_disk_node *copy;
	struct redo_ptr child;
	struct dm_buffer *b;
	u32 i;

	if (ptr->kind != REDO_PTR_BLOCK)
		return;
	KUNIT_EXPECT_FALSE(c->test, test_bit(ptr->blocknr, used));
	__set_bit(ptr->blocknr, used);
	if (!level) {
		(*leaves)++;
		return;
	}
	dn = redo_tree_get(c->d, t, ptr, level, index, &b);
	KUNIT_ASSERT_FALSE(c->test, IS_ERR(dn));
	copy = kmemdup(dn, sizeof(*dn), GFP_KERNEL | __GFP_NOFAIL);
	dm_bufio_release(b);
	for (i = 0; i < REDO_FANOUT; i++) {
		KUNIT_EXPECT_EQ(c->test, (int)redo_unpack_ptr(copy->word[i], &child), 0);
		walk(c, t, &child, level - 1, index * REDO_FANOUT + i, used, leaves);
	}
	kfree(copy);
}

/* A unit that holds something has the header of its type. Mutex held. */
static void check_header(struct ctx *c, u64 nr, const struct redo_disk_unit *du)
{
	enum redo_unit_type type;
	u32 grain;

	if (redo_unit_empty(du))
		return;
	KUNIT_EXPECT_EQ(c->test, redo_io_read(c->d->bdev, nr * REDO_UNIT_BLOCKS, c->d->buf), 0);
	REDO_EXPECT_BAD(c->test, REDO_OK,
			redo_unpack_unit_header(c->d->buf, c->d->uuid, nr, &type, &grain));
	KUNIT_EXPECT_EQ_MSG(c->test, (u32)type, le32_to_cpu(du->type), "unit %llu", nr);
}

/* After a checkpoint: bitmaps say what the trees use, and nothing else. */
static void check_bitmaps(struct ctx *c)
{
	struct redo_delta *d = c->d;
	u64 nblocks = (u64)c->p->units * REDO_UNIT_BLOCKS, leaves = 0, dummy = 0, b, data = 0;
	unsigned long *used, *grains;
	struct redo_disk_alloc *da;
	struct redo_super sb;
	u64 nr, meta = 0;
	u32 i;

	if (!redo_test_disk_steady(c->disk))
		return;
	used = vzalloc(BITS_TO_LONGS(nblocks) * sizeof(long));
	grains = vzalloc(BITS_TO_LONGS(c->n_phys) * sizeof(long));
	KUNIT_ASSERT_TRUE(c->test, used && grains);
	redo_delta_super(d, &sb);
	mutex_lock(&d->mutex);
	KUNIT_ASSERT_EQ(c->test, d->n_dirty, 0ULL);
	walk(c, &d->map, &sb.map_root, sb.map_height, 0, used, &leaves);
	walk(c, &d->alloc, &sb.alloc_root, sb.alloc_height, 0, used, &dummy);
	for (i = 0; i < c->p->n; i++)
		if (c->now[i].state == REDO_GRAIN_MAPPED)
			__set_bit(c->now[i].phys, grains);
	for (nr = 0; nr < sb.nr_units; nr++) {
		struct redo_node *n;
		struct redo_ptr ptr;
		struct dm_buffer *buf;
		struct redo_disk_unit *du;

		if (redo_tree_find(d, &d->alloc, 0, nr / REDO_UNITS_PER_LEAF, &n, &ptr) ||
		    ptr.kind != REDO_PTR_BLOCK)
			continue;
		da = (void *)redo_tree_get(d, &d->alloc, &ptr, 0, nr / REDO_UNITS_PER_LEAF, &buf);
		KUNIT_ASSERT_FALSE(c->test, IS_ERR(da));
		du = &da->unit[nr % REDO_UNITS_PER_LEAF];
		check_header(c, nr, du);
		for (i = 1; i < REDO_UNIT_BLOCKS; i++) {
			bool set = du->bitmap[i / 8] & (1 << i % 8);

			b = nr * REDO_UNIT_BLOCKS + i;
			switch (le32_to_cpu(du->type)) {
			case REDO_UNIT_META:
				if (b < REDO_META_START)
					continue;
				meta += set;
				if (set != test_bit(b, used)) {
					KUNIT_FAIL(c->test, "block %llu: bitmap %d", b, set);
					goto out;
				}
				__clear_bit(b, used);
				break;
			case REDO_UNIT_DATA:
				if (i >= c->gpu)
					continue;
				data += set;
				if (set != test_bit(nr * c->gpu + i, grains)) {
					KUNIT_FAIL(c->test, "grain %llu: bitmap %d",
						   nr * c->gpu + i, set);
					goto out;
				}
				__clear_bit(nr * c->gpu + i, grains);
				break;
			default:
				KUNIT_EXPECT_FALSE(c->test, set);
			}
		}
out:
		dm_bufio_release(buf);
	}
	KUNIT_EXPECT_TRUE(c->test, bitmap_empty(used, nblocks));
	KUNIT_EXPECT_TRUE(c->test, bitmap_empty(grains, c->n_phys));
	KUNIT_EXPECT_EQ(c->test, meta, sb.meta_used);
	KUNIT_EXPECT_EQ(c->test, data, sb.data_used);
	KUNIT_EXPECT_EQ(c->test, leaves, sb.nr_leaves);
	mutex_unlock(&d->mutex);
	vfree(used);
	vfree(grains);
}

static void format_it(struct ctx *c)
{
	u64 grains = logical_of(c, c->p->n - 1) + 1;
	struct redo_super from = {
		.grain_sectors = c->p->grain_sectors,
		.virtual_sectors = grains * c->p->grain_sectors,
		.base_sectors = 1024, .chain_seq = 1,
	};

	redo_test_uuid(from.uuid, 0x10);
	redo_test_uuid(from.tree_uuid, 0x30);
	KUNIT_ASSERT_EQ(c->test, redo_delta_probe(redo_test_bdev(c->disk)), REDO_PROBE_BLANK);
	KUNIT_ASSERT_EQ(c->test, redo_delta_format(redo_test_bdev(c->disk), &from, NULL), 0);
	KUNIT_ASSERT_EQ(c->test, redo_delta_probe(redo_test_bdev(c->disk)), REDO_PROBE_DELTA);
}

static void open_it(struct ctx *c)
{
	c->d = redo_delta_get(redo_test_bdev(c->disk));
	KUNIT_ASSERT_FALSE(c->test, IS_ERR(c->d));
	KUNIT_ASSERT_EQ(c->test, redo_delta_claim(c->d, c, &c->inflight, rnd(c, 2)), 0);
	KUNIT_ASSERT_EQ(c->test, redo_delta_load(c->d), 0);
}

/* Which state came back? Before and after activation it must be the same. */
static void settle_state(struct ctx *c)
{
	if (map_matches(c, c->acked, !c->maybe))
		memcpy(c->now, c->acked, c->p->n * sizeof(*c->now));
	else if (c->maybe && map_matches(c, c->now, true))
		memcpy(c->acked, c->now, c->p->n * sizeof(*c->now));
	else
		KUNIT_FAIL(c->test, "neither the last commit nor the one in flight came back");
	c->maybe = false;
	check_next_leaf(c);
}

static bool activate(struct ctx *c)
{
	static const struct redo_takeover to;
	int r = redo_delta_activate(c->d, &to);

	if (r)
		KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "activate: %d", r);
	return !r;
}

static void close_it(struct ctx *c)
{
	let_go(c);
	changes_drop(c);
	c->reserved = 0;
	redo_delta_release(c->d, c);
	redo_delta_put(c->d);
	c->d = NULL;
}

static bool one_step(struct ctx *c)
{
	bool ok = true;

	if (c->p->inflight && !rnd(c, 8)) {
		if (c->held >= 0)
			let_go(c);
		else
			hold(c);
	}
	switch (c->batch > 200 ? rnd(c, 13) : rnd(c, 16)) {
	case 0 ... 8:
		ok = do_write(c);
		break;
	case 9 ... 12:
		ok = do_clear(c);
		break;
	case 13 ... 14:
		ok = do_commit(c);
		break;
	case 15:
		ok = do_commit(c);
		if (ok && !rnd(c, 4))
			ok = do_checkpoint(c, false);
		break;
	}
	if (ok && c->n_changes > c->batch)
		ok = do_commit(c);
	if (ok && redo_delta_wants_checkpoint(c->d, U64_MAX)) {
		ok = do_commit(c);
		if (ok)
			ok = do_checkpoint(c, false);
	}
	return ok;
}

/* What map() and end_io do meanwhile: look up, read ahead, take grains and give back. */
static int beside(void *data)
{
	struct ctx *c = data;
	__le64 *words = kmalloc(REDO_BLOCK_SIZE, GFP_KERNEL | __GFP_NOFAIL);
	struct rnd_state r;
	u64 leaf, phys;
	u32 n;
	int kind;

	prandom_seed_state(&r, c->d->head_seq + 77);
	while (!kthread_should_stop()) {
		leaf = logical_of(c, prandom_u32_state(&r) % c->p->n) / REDO_FANOUT;
		kind = redo_delta_read_leaf(c->d, leaf, words);
		if (kind < 0 && !c->disk->off)
			KUNIT_FAIL(c->test, "leaf %llu beside: %d", leaf, kind);
		redo_delta_prefetch_leaf(c->d, prandom_u32_state(&r) % c->d->nr_leaves_max);
		redo_delta_low(c->d);
		n = redo_delta_alloc(c->d, 1 + prandom_u32_state(&r) % 20, &phys);
		cond_resched();
		if (n)
			redo_delta_unalloc(c->d, phys, n);
		if (!(prandom_u32_state(&r) % 32))
			schedule_timeout_interruptible(1);
	}
	kfree(words);
	return 0;
}

static void one_round(struct ctx *c)
{
	struct task_struct *task = NULL;
	bool ok = true;
	u32 i;

	open_it(c);
	settle_state(c);
	if (c->p->power)
		c->disk->writes_left = 1 + rnd(c, rnd(c, 3) ? c->p->power : 40);
	c->batch = rnd(c, 2) ? 200 : 1000;
	ok = activate(c);
	if (c->p->beside)
		task = kthread_run(beside, c, "redo-beside");
	for (i = 0; ok && i < c->p->steps; i++) {
		ok = one_step(c);
		if (ok && !rnd(c, 500)) {
			ok = do_commit(c);
			if (ok && !c->p->power) {
				KUNIT_EXPECT_TRUE(c->test, map_matches(c, c->now, true));
				check_next_leaf(c);
			}
		}
		cond_resched();
	}
	if (!IS_ERR_OR_NULL(task))
		kthread_stop(task);
	if (ok)
		ok = do_commit(c);
	if (ok && redo_test_disk_steady(c->disk)) {
		KUNIT_EXPECT_TRUE(c->test, map_matches(c, c->now, true));
		check_next_leaf(c);
	}
	if (ok && rnd(c, 2)) {
		ok = do_checkpoint(c, rnd(c, 2));
		if (ok) {
			struct redo_usage u;

			redo_delta_usage(c->d, &u);
			KUNIT_EXPECT_EQ(c->test, u.grains_used, mapped(c));
			KUNIT_EXPECT_LE(c->test, u.units_data,
					DIV_ROUND_UP(c->d->nr_grains, c->gpu - 1) + 2);
			check_bitmaps(c);
		}
	}
	if (!ok)
		c->st_crash++;
	close_it(c);
	redo_test_disk_cycle(c->disk);
}

static void seal_at_last(struct ctx *c)
{
	struct redo_super sb;
	bool any;

	open_it(c);
	settle_state(c);
	KUNIT_ASSERT_TRUE(c->test, activate(c));
	KUNIT_EXPECT_TRUE(c->test, do_write(c));
	any = c->n_changes;
	KUNIT_EXPECT_TRUE(c->test, do_commit(c));
	KUNIT_EXPECT_EQ(c->test, redo_delta_seal(c->d, NULL), 0);
	KUNIT_EXPECT_EQ(c->test, redo_delta_commit(c->d, &c->changes), -EROFS);
	close_it(c);
	redo_test_disk_cycle(c->disk);
	open_it(c);
	settle_state(c);
	KUNIT_EXPECT_EQ(c->test, redo_delta_dirty(c->d), any);
	KUNIT_EXPECT_TRUE(c->test, do_checkpoint(c, true));
	KUNIT_EXPECT_FALSE(c->test, redo_delta_dirty(c->d));
	redo_delta_super(c->d, &sb);
	KUNIT_EXPECT_TRUE(c->test, sb.flags & REDO_SB_CLEAN);
	check_bitmaps(c);
	close_it(c);
	redo_test_disk_cycle(c->disk);
	open_it(c);
	settle_state(c);
	close_it(c);
}

static struct ctx *setup(struct kunit *test, const struct params *p)
{
	struct ctx *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->test = test;
	c->p = p;
	c->held = -1;
	INIT_LIST_HEAD(&c->changes);
	prandom_seed_state(&c->rnd, 0x5eed + p->n + p->power + delta_scale);
	c->gpu = REDO_UNIT_SECTORS / p->grain_sectors;
	c->n_phys = (u64)p->units * c->gpu;
	c->now = vzalloc(p->n * sizeof(*c->now));
	c->acked = vzalloc(p->n * sizeof(*c->now));
	c->stamp = vzalloc(c->n_phys * sizeof(*c->stamp));
	c->seen = vzalloc(BITS_TO_LONGS(c->n_phys) * sizeof(long));
	KUNIT_ASSERT_TRUE(test, c->now && c->acked && c->stamp && c->seen);
	KUNIT_ASSERT_EQ(test, redo_inflight_init(&c->inflight), 0);
	c->disk = redo_test_disk_new((u64)p->units * REDO_UNIT_SECTORS, &c->rnd);
	KUNIT_ASSERT_NOT_NULL(test, c->disk);
	c->disk->discarded = on_discard;
	c->disk->ctx = c;
	format_it(c);
	return c;
}

static void teardown(struct ctx *c)
{
	redo_test_disk_free(c->disk);
	redo_inflight_exit(&c->inflight);
	vfree(c->now);
	vfree(c->acked);
	vfree(c->stamp);
	vfree(c->seen);
}

static void run(struct kunit *test, const struct params *p)
{
	struct ctx *c = setup(test, p);
	u32 i;

	for (i = 0; i < p->rounds * delta_scale && test->status != KUNIT_FAILURE; i++) {
		one_round(c);
		/* A console that stays silent is taken for a guest that is stuck. */
		if (!(i & 3))
			kunit_info(test, "%s: round %u", p->name, i);
	}
	if (test->status != KUNIT_FAILURE)
		seal_at_last(c);
	kunit_info(test, "%s: %u rounds, %llu commits, %llu checkpoints, %llu full, %llu power cuts, %llu discards, %llu writes, %llu grains",
		   p->name, i, c->st_commits, c->st_ckpts, c->st_enospc, c->st_crash,
		   c->disk->discards, c->disk->writes, mapped(c));
	teardown(c);
}

static const struct params cases[] = {
	{ .name = "plain", .n = 40000, .grain_sectors = 8, .units = 16, .rounds = 2,
	  .steps = 1500, .max_run = 1500 },
	{ .name = "full", .n = 40000, .grain_sectors = 8, .units = 5, .rounds = 2,
	  .steps = 1500, .max_run = 1500, .inflight = true },
	{ .name = "beside", .n = 20000, .grain_sectors = 8, .units = 6, .rounds = 2,
	  .steps = 600, .max_run = 800, .inflight = true, .beside = true },
	{ .name = "beside, power", .n = 20000, .grain_sectors = 8, .units = 6, .rounds = 12,
	  .steps = 300, .max_run = 800, .power = 900, .inflight = true, .beside = true },
	{ .name = "sparse", .n = 40320, .grain_sectors = 8, .units = 8, .rounds = 2,
	  .steps = 1500, .max_run = 300, .cluster = 2016, .stride = 504 * 504 * 7, .inflight = true },
	{ .name = "large grains", .n = 300, .grain_sectors = 2048, .units = 20, .rounds = 8,
	  .steps = 500, .max_run = 20, .inflight = true },
	{ .name = "power", .n = 40000, .grain_sectors = 8, .units = 8, .rounds = 20,
	  .steps = 400, .max_run = 1500, .power = 900, .inflight = true },
	{ .name = "power, full", .n = 40000, .grain_sectors = 8, .units = 5, .rounds = 20,
	  .steps = 400, .max_run = 1500, .power = 900, .inflight = true },
	{ .name = "power, sparse", .n = 40320, .grain_sectors = 8, .units = 6, .rounds = 20,
	  .steps = 400, .max_run = 100, .cluster = 2016, .stride = 504 * 504 * 7, .power = 600 },
	/* Each grain in a leaf of its own: metadata fills the device, and must not. */
	{ .name = "tight", .n = 12000, .grain_sectors = 8, .units = 2, .rounds = 4,
	  .steps = 1200, .max_run = 1, .cluster = 1, .stride = 504 * 3, .inflight = true },
	{ .name = "power, tight", .n = 12000, .grain_sectors = 8, .units = 2, .rounds = 12,
	  .steps = 1200, .max_run = 1, .cluster = 1, .stride = 504 * 3, .power = 6000 },
};

static void case_desc(const struct params *p, char *desc)
{
	strscpy(desc, p->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(redo_delta, cases, case_desc);

static void redo_delta_model(struct kunit *test)
{
	const struct params *p = test->param_value;

	if (delta_case && strcmp(delta_case, p->name))
		kunit_skip(test, "not %s", delta_case);
	run(test, p);
}

/*
 * Full, then the device grows under it: no reload is needed. Then all is
 * rewritten and discarded over and over: no growth beyond the size of the base.
 */
static void redo_delta_growth(struct kunit *test)
{
	static const struct params p = {
		.name = "growth", .n = 8000, .grain_sectors = 8, .units = 8, .max_run = 1000,
	};
	struct ctx *c = setup(test, &p);
	struct redo_usage u;
	u32 i, k;

	set_capacity(c->disk->disk, 2 * REDO_UNIT_SECTORS);
	open_it(c);
	KUNIT_ASSERT_TRUE(test, activate(c));
	for (i = 0; i < 2000 && !c->st_enospc; i++)
		KUNIT_ASSERT_TRUE(test, do_write(c));
	KUNIT_EXPECT_GT(test, c->st_enospc, 0ULL);
	KUNIT_EXPECT_TRUE(test, do_commit(c));
	KUNIT_EXPECT_EQ(test, redo_delta_refill(c->d), -ENOSPC);
	KUNIT_EXPECT_FALSE(test, redo_delta_low(c->d));
	set_capacity(c->disk->disk, 8 * REDO_UNIT_SECTORS);
	KUNIT_EXPECT_EQ(test, redo_delta_refill(c->d), 0);
	for (k = 0; k < 20; k++) {
		for (i = 0; i < 40; i++)
			KUNIT_ASSERT_TRUE(test, do_write(c));
		KUNIT_ASSERT_EQ(test, redo_delta_reserve(c->d, 2), 0);
		c->reserved += 2;
		change_add(c, REDO_REC_ZERO, 0, 0, p.n);
		for (i = 0; i < p.n; i++)
			c->now[i] = (struct cell) { .state = REDO_GRAIN_ZERO };
		KUNIT_ASSERT_TRUE(test, do_commit(c));
		if (k & 1)
			KUNIT_ASSERT_TRUE(test, do_checkpoint(c, false));
	}
	redo_delta_usage(c->d, &u);
	KUNIT_EXPECT_EQ(test, u.grains_used, 0ULL);
	KUNIT_EXPECT_LE(test, u.units_data, 4ULL);
	KUNIT_EXPECT_LE(test, u.units_taken, 6ULL);
	KUNIT_EXPECT_TRUE(test, map_matches(c, c->now, true));
	KUNIT_EXPECT_TRUE(test, do_checkpoint(c, true));
	check_bitmaps(c);
	close_it(c);
	teardown(c);
}

/* Map cells [@from, @to), none of them mapped before. */
static void fill(struct ctx *c, u32 from, u32 to)
{
	u64 phys;

	for (; from < to; from++) {
		if (!redo_delta_alloc(c->d, 1, &phys)) {
			KUNIT_ASSERT_EQ(c->test, make_room(c), 1);
			KUNIT_ASSERT_EQ(c->test, redo_delta_alloc(c->d, 1, &phys), 1U);
		}
		change_add(c, REDO_REC_MAP, logical_of(c, from), phys, 1);
		c->stamp[phys] = ++c->next_stamp;
		c->now[from] = (struct cell) {
			.phys = phys, .state = REDO_GRAIN_MAPPED, .stamp = c->next_stamp,
		};
	}
	KUNIT_ASSERT_TRUE(c->test, do_commit(c));
}

static void expect_tracker(struct ctx *c, const u8 *uuid, u64 generation, u64 epoch, u64 sealed)
{
	struct redo_super sb;

	redo_delta_super(c->d, &sb);
	KUNIT_EXPECT_EQ(c->test, !!(sb.compat_ro & REDO_COMPAT_RO_TRACKER), !!uuid);
	if (uuid)
		KUNIT_EXPECT_EQ(c->test, memcmp(sb.tracker_uuid, uuid, REDO_UUID_SIZE), 0);
	KUNIT_EXPECT_EQ(c->test, sb.tracker_generation, generation);
	KUNIT_EXPECT_EQ(c->test, sb.tracker_epoch, epoch);
	KUNIT_EXPECT_EQ(c->test, sb.tracker_sealed, sealed);
}

/* What a delta says of its tracker: durable with the write that it goes along with. */
static void redo_delta_tracker(struct kunit *test)
{
	static const struct params p = {
		.name = "tracker", .n = 8000, .grain_sectors = 8, .units = 4, .max_run = 100,
	};
	struct redo_tracked track = { .generation = 7, .epoch = 3 }, none = { 0 };
	struct redo_takeover to = { .track = &track };
	u8 uuid[REDO_UUID_SIZE], other[REDO_UUID_SIZE];
	struct ctx *c = setup(test, &p);
	u64 writes;

	redo_test_uuid(uuid, 0xc0);
	redo_test_uuid(other, 0xe0);
	track.uuid = uuid;
	open_it(c);
	expect_tracker(c, NULL, 0, 0, 0);
	KUNIT_ASSERT_EQ(test, redo_delta_activate(c->d, &to), 0);
	expect_tracker(c, uuid, 7, 3, 0);
	/* further with what is written anyway, and never back */
	redo_delta_note_tracker(c->d, 9);
	expect_tracker(c, uuid, 7, 3, 0);
	KUNIT_EXPECT_TRUE(test, do_write(c));
	KUNIT_EXPECT_TRUE(test, do_commit(c));
	KUNIT_EXPECT_TRUE(test, do_checkpoint(c, false));
	expect_tracker(c, uuid, 9, 3, 0);
	/* says so already: no write */
	writes = c->disk->writes;
	KUNIT_EXPECT_EQ(test, redo_delta_set_tracker(c->d, &track), 0);
	KUNIT_EXPECT_EQ(test, c->disk->writes, writes);
	/* no more; another one, to which what was noted of the first means nothing */
	KUNIT_EXPECT_EQ(test, redo_delta_set_tracker(c->d, &none), 0);
	expect_tracker(c, NULL, 0, 0, 0);
	track = (struct redo_tracked) { .uuid = other, .generation = 2 };
	KUNIT_EXPECT_EQ(test, redo_delta_set_tracker(c->d, &track), 0);
	expect_tracker(c, other, 2, 0, 0);
	track.generation = 4;
	track.epoch = 5;
	KUNIT_EXPECT_EQ(test, redo_delta_seal(c->d, &track), 0);
	expect_tracker(c, other, 4, 0, 5);
	close_it(c);
	redo_test_disk_cycle(c->disk);
	open_it(c);
	expect_tracker(c, other, 4, 0, 5);
	close_it(c);
	teardown(c);
}

static void reopen_clean(struct ctx *c)
{
	KUNIT_ASSERT_TRUE(c->test, do_checkpoint(c, true));
	check_bitmaps(c);
	close_it(c);
	open_it(c);
	KUNIT_ASSERT_TRUE(c->test, activate(c));
}

/* The block of an allocation leaf of a clean delta. */
static u8 *alloc_leaf(struct ctx *c, u64 leaf)
{
	struct redo_node *n;
	struct redo_ptr ptr = { };

	mutex_lock(&c->d->mutex);
	KUNIT_EXPECT_EQ(c->test, redo_tree_find(c->d, &c->d->alloc, 0, leaf, &n, &ptr), 0);
	mutex_unlock(&c->d->mutex);
	KUNIT_ASSERT_EQ(c->test, ptr.kind, REDO_PTR_BLOCK);
	return xa_load(&c->disk->durable, ptr.blocknr);
}

/*
 * The allocation leaf of the unit that is to be taken next is corrupt: its units are
 * full, and the delta grows behind them.
 */
static void redo_delta_bad_leaf(struct kunit *test)
{
	static const struct params p = {
		.name = "bad leaf", .n = 300, .grain_sectors = 2048, .units = 20, .max_run = 1,
	};
	struct redo_disk_unit extra = { .type = cpu_to_le32(REDO_UNIT_META),
					.used = cpu_to_le32(1), .bitmap = { 1 } };
	struct ctx *c;
	u64 taken;
	u32 i, k;
	u8 *leaf;

	for (k = 0; k < 2; k++) {
		c = setup(test, &p);
		open_it(c);
		KUNIT_ASSERT_TRUE(test, activate(c));
		fill(c, 0, 8 * 15 - 10);
		KUNIT_ASSERT_TRUE(test, do_checkpoint(c, true));
		taken = c->d->nr_units;
		KUNIT_ASSERT_GE(test, taken, 8ULL);
		KUNIT_ASSERT_LT(test, taken, 13ULL);
		leaf = alloc_leaf(c, 1);
		close_it(c);
		if (k) {	/* a record of a unit that was not taken */
			memcpy(leaf + offsetof(struct redo_disk_alloc, unit[6]), &extra,
			       sizeof(extra));
			redo_test_mend(leaf, REDO_BLOCK_SIZE);
		} else {
			leaf[3000] ^= 1;
		}
		open_it(c);
		KUNIT_ASSERT_TRUE(test, activate(c));
		fill(c, 120, 180);
		for (i = 120; i < 180; i++)
			KUNIT_EXPECT_NE(test, c->now[i].phys / c->gpu / REDO_UNITS_PER_LEAF, 1ULL);
		KUNIT_EXPECT_TRUE(test, do_checkpoint(c, true));
		close_it(c);
		open_it(c);
		KUNIT_EXPECT_TRUE(test, map_matches(c, c->now, true));
		close_it(c);
		teardown(c);
	}
}

static void unmap_all(struct ctx *c)
{
	u32 i;

	for (i = 0; i < c->p->n; i++) {
		change_add(c, REDO_REC_UNMAP, logical_of(c, i), 0, 1);
		c->now[i] = (struct cell) { };
		if (c->n_changes == 4000)
			KUNIT_ASSERT_TRUE(c->test, do_commit(c));
	}
	KUNIT_ASSERT_TRUE(c->test, do_commit(c));
	KUNIT_ASSERT_TRUE(c->test, do_checkpoint(c, false));
}

/* A metadata unit is emptied, picked for data, not used, and is one of metadata again. */
static void redo_delta_empty_meta(struct kunit *test)
{
	static const struct params p = {
		.name = "empty meta", .n = 5000, .grain_sectors = 8, .units = 12, .max_run = 1,
		.cluster = 1, .stride = REDO_FANOUT,
	};
	struct ctx *c = setup(test, &p);
	struct redo_disk_unit du;
	u32 i, picked = 0;
	u64 nr, phys;

	open_it(c);
	KUNIT_ASSERT_TRUE(test, activate(c));
	fill(c, 0, p.n);
	KUNIT_ASSERT_TRUE(test, do_checkpoint(c, false));
	unmap_all(c);
	reopen_clean(c);	/* metadata begins in unit 0 again */
	for (i = 0; i < p.n; i += REDO_FANOUT)	/* and all directories go there */
		fill(c, i, i + 1);
	unmap_all(c);
	KUNIT_ASSERT_TRUE(test, do_checkpoint(c, false));
	/* All units come into the hands of alloc() once, and nothing of them is used. */
	for (i = 0; i < 20; i++) {
		redo_delta_refill(c->d);
		while (redo_delta_alloc(c->d, 4096, &phys))
			;
	}
	mutex_lock(&c->d->mutex);
	for (nr = 1; nr < c->d->nr_units; nr++) {
		KUNIT_EXPECT_EQ(test, redo_unit_read(c->d, nr, &du), 0);
		picked += le32_to_cpu(du.type) == REDO_UNIT_META &&
			  SUM_TYPE(redo_sum_get(c->d, nr)) == REDO_UNIT_DATA;
	}
	mutex_unlock(&c->d->mutex);
	KUNIT_EXPECT_GE(test, picked, 1U);
	reopen_clean(c);
	fill(c, 0, p.n);
	reopen_clean(c);
	close_it(c);
	teardown(c);
}

/* The nth block that was ever written, to be spoilt. */
static void *some_block(struct ctx *c, u64 *nr)
{
	unsigned long i;
	u32 n = 0, pick;
	void *p;

	xa_for_each(&c->disk->durable, i, p)
		n++;
	pick = rnd(c, n);
	xa_for_each(&c->disk->durable, i, p)
		if (!pick--)
			break;
	*nr = i;
	return p;
}

/* Change a field and mend the checksum: what is checked is all that protects us. */
static void spoil(struct ctx *c)
{
	u64 nr, v;
	u8 *p = some_block(c, &nr);
	bool super = nr == REDO_SUPER_BLOCK_A || nr == REDO_SUPER_BLOCK_B;
	u32 size = 1 << rnd(c, 4), off = rnd(c, super ? 360 : rnd(c, 2) ? 200 : REDO_BLOCK_SIZE);

	off &= ~(size - 1);
	v = redo_test_peek(p, off, size);
	switch (rnd(c, 4)) {
	case 0:
		v ^= 1ULL << rnd(c, 8 * size);
		break;
	case 1:
		v += rnd(c, 5) - 2;
		break;
	case 2:
		v = prandom_u32_state(&c->rnd) | (u64)prandom_u32_state(&c->rnd) << 32;
		break;
	case 3:
		v = rnd(c, 2) ? 0 : ~0ULL;
		break;
	}
	redo_test_poke(p, off, size, v);
	if (rnd(c, 8))
		redo_test_mend(p, super ? REDO_SUPER_SIZE : REDO_BLOCK_SIZE);
}

static void try_spoilt(struct ctx *c)
{
	static const struct redo_takeover to;
	__le64 *words = (void *)c->acked;	/* not used in this test */
	struct redo_delta *d;
	LIST_HEAD(none);
	u64 leaf, phys;
	u32 n;

	d = redo_delta_get(redo_test_bdev(c->disk));
	if (IS_ERR(d))
		return;
	KUNIT_EXPECT_EQ(c->test, redo_delta_claim(d, c, &c->inflight, true), 0);
	if (redo_delta_load(d))
		goto out;
	for (leaf = 0; leaf < min(d->nr_leaves_max, 100ULL); leaf++)
		redo_delta_read_leaf(d, leaf, words);
	if (redo_delta_activate(d, &to))
		goto out;
	redo_delta_refill(d);
	for (n = 0; n < 20; n++) {
		struct redo_change ch = { .e = {
			.type = rnd(c, 2) ? REDO_REC_MAP : REDO_REC_ZERO,
			.logical = rnd(c, 10000), .len = 1 + rnd(c, 900) } };
		LIST_HEAD(one);

		if (ch.e.type == REDO_REC_MAP) {
			ch.e.len = redo_delta_alloc(d, ch.e.len, &phys);
			ch.e.phys = phys;
		}
		if (!ch.e.len || ch.e.logical + ch.e.len > d->nr_grains)
			continue;
		list_add(&ch.list, &one);
		if (redo_delta_commit(d, &one))
			break;
		/* What is in the journal has to be applied by every life to come. */
		KUNIT_EXPECT_EQ(c->test, redo_delta_apply(d, &ch.e), 0);
		if (!rnd(c, 8) && redo_delta_checkpoint(d, false))
			break;
	}
	redo_delta_checkpoint(d, true);
out:
	redo_delta_release(d, c);
	redo_delta_put(d);
}

/* Nothing on the disk can be trusted: errors are fine, anything worse is not. */
static void redo_delta_spoilt(struct kunit *test)
{
	static const struct params p = {
		.name = "spoilt", .n = 40000, .grain_sectors = 8, .units = 6, .max_run = 1000,
	};
	struct ctx *c = setup(test, &p);
	struct xarray saved;
	u32 i, k;

	xa_init(&saved);
	open_it(c);
	KUNIT_ASSERT_TRUE(test, activate(c));
	for (i = 0; i < 300; i++)
		KUNIT_ASSERT_TRUE(test, rnd(c, 3) ? do_write(c) : do_clear(c));
	KUNIT_ASSERT_TRUE(test, do_commit(c));
	KUNIT_ASSERT_TRUE(test, do_checkpoint(c, false));
	for (k = 0; k < 6; k++) {
		for (i = 0; i < 30; i++)
			KUNIT_ASSERT_TRUE(test, rnd(c, 3) ? do_write(c) : do_clear(c));
		KUNIT_ASSERT_TRUE(test, do_commit(c));
	}
	close_it(c);
	redo_test_disk_save(c->disk, &saved);
	for (i = 0; i < 120 * delta_scale; i++) {
		redo_test_disk_restore(c->disk, &saved);
		for (k = 1 + rnd(c, 3); k; k--)
			spoil(c);
		try_spoilt(c);
		cond_resched();
	}
	redo_test_disk_drop(&saved);
	teardown(c);
}

static struct kunit_case redo_delta_cases[] = {
	KUNIT_CASE(redo_delta_growth),
	KUNIT_CASE(redo_delta_tracker),
	KUNIT_CASE(redo_delta_bad_leaf),
	KUNIT_CASE(redo_delta_empty_meta),
	KUNIT_CASE(redo_delta_spoilt),
	KUNIT_CASE_PARAM(redo_delta_model, redo_delta_gen_params),
	{}
};

static struct kunit_suite redo_delta_suite = {
	.name = "redo-delta",
	.test_cases = redo_delta_cases,
};

kunit_test_suite(redo_delta_suite);
