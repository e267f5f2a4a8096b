// SPDX-License-Identifier: GPL-2.0
/*
 * The tracking store against plain bitmaps, on a disk whose power fails.
 *
 * For each epoch two bitmaps are kept: what has to be in an answer, and what may be in it.
 * They differ by marks whose bios never got through, and after joins. The test is the chain,
 * too: it remembers what it has written under an implied epoch, as a delta's map would, and
 * rebuilds from that after a crash.
 */
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/moduleparam.h>
#include <linux/vmalloc.h>
#include "delta_disk.h"
#include "redo-test.h"
#include "../../kernel/redo-cbt-priv.h"

static unsigned int cbt_scale = 1;
module_param(cbt_scale, uint, 0444);

static u64 cbt_seed = 1;
module_param(cbt_seed, ullong, 0444);

static char *cbt_case;
module_param(cbt_case, charp, 0444);
MODULE_PARM_DESC(cbt_case, "Run this case of the model only");

#define EPOCHS	400	/* of one test */

struct params {
	const char *name;
	u64 bits;
	u32 block_sectors;
	u64 room;		/* blocks of the store beyond the least */
	u32 budget;		/* pages; 0: the module's */
	u32 over;		/* pages */
	u32 spots;		/* writes go near that many places; 0: anywhere */
	u32 ops;
	bool crashes;
	bool grows;
};

struct epoch {
	unsigned long *must, *may;
	unsigned long *map;	/* what the delta of an implied epoch holds; NULL: explicit */
	u64 back_to;
	bool joined;		/* asked for in vain already: it need not be exact */
};

struct ctx {
	struct kunit *test;
	const struct params *p;
	struct rnd_state rnd;
	struct redo_test_disk *disk;
	struct redo_cbt *cbt;
	u64 bits;		/* of the device now */
	u64 bits_max;
	struct epoch epoch[EPOCHS + 1];
	u64 now;		/* current epoch */
	u64 first;		/* ids below it are stale */
	unsigned long *got, *must, *may, *diff;
	spinlock_t lock;
	struct bio_list released;
	struct completion done;
	u32 broken;		/* calls of ops->broken */
	bool recorded;
	bool maybe_next;	/* an epoch may have begun when the power failed */
	struct epoch next;
	bool maybe_drop;
	bool crashed;		/* since the current epoch began */
	bool tight;		/* epochs may be joined or dropped for space */
	u64 st_holds, st_admits, st_queries, st_crashes, st_stale, st_lost;
};

static u32 rnd(struct ctx *c, u32 below)
{
	return prandom_u32_state(&c->rnd) % below;
}

static unsigned long *bits_new(struct ctx *c)
{
	unsigned long *p = kvcalloc(BITS_TO_LONGS(c->bits_max), sizeof(long), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(c->test, p);
	return p;
}

static void epoch_free(struct epoch *e)
{
	kvfree(e->must);
	kvfree(e->may);
	kvfree(e->map);
	memset(e, 0, sizeof(*e));
}

static u64 sectors_of(struct ctx *c)
{
	return c->bits * c->p->block_sectors - c->p->block_sectors / 2;
}

/* The chain's side ------------------------------------------------------------ */

static void on_release(void *owner, struct bio_list *bios)
{
	struct ctx *c = owner;
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	bio_list_merge(&c->released, bios);
	bio_list_init(bios);
	spin_unlock_irqrestore(&c->lock, flags);
	complete(&c->done);
}

static void on_broken(void *owner, u32 reason, bool recorded)
{
	struct ctx *c = owner;

	c->broken++;
	c->recorded = recorded;
}

static const struct redo_cbt_ops test_ops = {
	.release = on_release,
	.broken = on_broken,
};

/* Waits for one of the bios that are held. */
static struct bio *next_released(struct ctx *c)
{
	struct bio *bio;

	for (;;) {
		spin_lock_irq(&c->lock);
		bio = bio_list_pop(&c->released);
		spin_unlock_irq(&c->lock);
		if (bio)
			return bio;
		if (!wait_for_completion_timeout(&c->done, 20 * HZ))
			return NULL;
	}
}

static bool is_broken(struct ctx *c)
{
	struct redo_cbt_info info;

	redo_cbt_info(c->cbt, &info);
	return info.state == REDO_CBT_ST_BROKEN;
}

struct write {
	struct bio bio;
	u64 first, n;
};

static void pick_range(struct ctx *c, struct write *w)
{
	u64 at;

	if (c->p->spots)
		at = c->bits / c->p->spots * rnd(c, c->p->spots) + rnd(c, 300);
	else
		at = rnd(c, c->bits);
	w->first = min(at, c->bits - 1);
	switch (rnd(c, 40)) {
	case 0:
		w->n = 1 + rnd(c, 3 * REDO_CBT_PAGE_BITS);	/* as discards are */
		break;
	case 1:
		w->n = 1 + rnd(c, 500);
		break;
	default:
		w->n = 1 + rnd(c, 3);
	}
	w->n = min(w->n, c->bits - w->first);
}

static bool admit(struct ctx *c, const struct write *w, sector_t *start, sector_t *end)
{
	u32 bs = c->p->block_sectors;

	*start = w->first * bs + (bs > 8 ? 3 : 0);
	*end = min((w->first + w->n) * bs, sectors_of(c));
	*start = min(*start, *end - 1);
	return redo_cbt_admit(c->cbt, *start, *end);
}

/* It gets through: it has to be in every answer from now on. */
static void wrote(struct ctx *c, const struct write *w)
{
	struct epoch *e = &c->epoch[c->now];

	if (is_broken(c))
		return;
	bitmap_set(e->must, w->first, w->n);
	if (e->map)
		bitmap_set(e->map, w->first, w->n);
}

/* A few writes at once, until all have got through. false: a bio was forgotten. */
static bool do_writes(struct ctx *c, u32 n)
{
	struct epoch *e = &c->epoch[c->now];
	struct write *w = kcalloc(n, sizeof(*w), GFP_KERNEL | __GFP_NOFAIL);
	u32 i, held = 0, rounds = 0;
	sector_t start, end;
	bool ok = true;

	for (i = 0; i < n; i++) {
		pick_range(c, &w[i]);
		bio_init(&w[i].bio, NULL, NULL, 0, REQ_OP_WRITE);
		bitmap_set(e->may, w[i].first, w[i].n);
		c->st_admits++;
		if (admit(c, &w[i], &start, &end)) {
			wrote(c, &w[i]);
			continue;
		}
		held++;
		c->st_holds++;
		redo_cbt_hold(c->cbt, &w[i].bio, start, end);
	}
	while (held) {
		struct bio *bio = next_released(c);
		struct write *one;

		if (!bio) {
			KUNIT_FAIL(c->test, "%u bios were forgotten", held);
			ok = false;
			break;	/* w is leaked: the store may still have it */
		}
		one = container_of(bio, struct write, bio);
		if (admit(c, one, &start, &end)) {
			wrote(c, one);
			held--;
		} else {
			/* All come again after each batch, and not all find their page. */
			if (++rounds == 2000 + 50 * n)
				KUNIT_FAIL(c->test, "%u of %u bios do not get through", held, n);
			redo_cbt_hold(c->cbt, bio, start, end);
		}
	}
	if (ok)
		kfree(w);
	return ok;
}

/* Opening --------------------------------------------------------------------- */

static void epoch_begin(struct ctx *c, struct epoch *e, bool implied)
{
	e->must = bits_new(c);
	e->may = bits_new(c);
	e->map = implied ? bits_new(c) : NULL;
}

/* As a delta's uuid: the number of the epoch that it was made for. */
static void delta_uuid(u8 *uuid, u64 number)
{
	memset(uuid, 0x40, REDO_UUID_SIZE);
	memcpy(uuid, &number, sizeof(number));
}

/* false: the power has failed. */
static bool next_epoch(struct ctx *c, enum redo_cbt_kind kind, bool implied, u64 back_to,
		       bool forget)
{
	struct redo_cbt_begin b = {
		.kind = kind, .implied = implied, .back_to = back_to, .forget = forget,
		.label = "label",
	};
	u64 number;
	int r;

	KUNIT_ASSERT_LT(c->test, c->now, (u64)EPOCHS);
	delta_uuid(b.delta_uuid, c->now + 1);
	epoch_begin(c, &c->next, implied);
	r = redo_cbt_next_epoch(c->cbt, &b, &number);
	if (r) {
		KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "next_epoch: %d", r);
		c->maybe_next = true;
		c->next.back_to = back_to;
		c->next.joined = forget;
		return false;
	}
	KUNIT_EXPECT_EQ(c->test, number, c->now + 1);
	c->epoch[c->now].back_to = back_to;
	c->now++;
	c->epoch[c->now] = c->next;
	memset(&c->next, 0, sizeof(c->next));
	if (forget)
		c->first = c->now;
	return true;
}

static void open_it(struct ctx *c)
{
	c->broken = 0;
	c->cbt = redo_cbt_open(redo_test_bdev(c->disk), &test_ops, c);
	KUNIT_ASSERT_FALSE(c->test, IS_ERR(c->cbt));
}

/* As the module would from a delta's map. */
static bool rebuild(struct ctx *c)
{
	struct redo_cbt_unsettled list[8];
	u64 number;
	int n, r;

	n = redo_cbt_unsettled(c->cbt, list, ARRAY_SIZE(list));
	while (n--) {
		unsigned long from, to;
		struct epoch *e;

		memcpy(&number, list[n].delta_uuid, sizeof(number));
		KUNIT_ASSERT_EQ(c->test, number, list[n].epoch);
		e = &c->epoch[list[n].epoch];
		KUNIT_ASSERT_NOT_NULL(c->test, e->map);
		for_each_set_bitrange(from, to, e->map, c->bits) {
			r = redo_cbt_rebuild_mark(c->cbt, number, from * c->p->block_sectors,
						  to * c->p->block_sectors);
			if (r) {
				KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "rebuild: %d", r);
				return false;
			}
		}
		KUNIT_EXPECT_EQ(c->test, redo_cbt_rebuild_done(c->cbt, number), 0);
	}
	return true;
}

static bool start_it(struct ctx *c, bool dirty)
{
	struct redo_cbt_info info;
	int r;

	redo_cbt_info(c->cbt, &info);
	KUNIT_EXPECT_EQ_MSG(c->test, (int)info.state, (int)REDO_CBT_ST_OK, "reason %u",
			    info.reason);
	if (info.state == REDO_CBT_ST_BROKEN)
		return false;
	if (c->maybe_next && info.epoch == c->now + 1) {
		c->epoch[c->now].back_to = c->next.back_to;
		c->now++;
		if (c->next.joined)
			c->first = c->now;
		c->next.joined = false;
		c->next.back_to = 0;	/* that was of the one that has ended */
		c->epoch[c->now] = c->next;
		memset(&c->next, 0, sizeof(c->next));
	}
	epoch_free(&c->next);
	c->maybe_next = false;
	KUNIT_EXPECT_EQ(c->test, info.epoch, c->now);
	c->first = max(c->first, info.first_epoch);
	r = redo_cbt_start(c->cbt, dirty);
	if (r) {
		KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "start: %d", r);
		return false;
	}
	if (!rebuild(c))
		return false;
	if (!c->now && !next_epoch(c, REDO_CBT_ENABLE, rnd(c, 2), 0, false))
		return false;
	redo_cbt_open_writes(c->cbt);
	return true;
}

static void close_it(struct ctx *c)
{
	redo_cbt_close_writes(c->cbt);
	redo_cbt_free(c->cbt);
	c->cbt = NULL;
}

static bool close_clean(struct ctx *c)
{
	int r;

	redo_cbt_close_writes(c->cbt);
	r = redo_cbt_settle(c->cbt, false) ?: redo_cbt_close(c->cbt, 7);
	redo_cbt_free(c->cbt);
	c->cbt = NULL;
	if (r)
		KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "close: %d", r);
	return !r;
}

/* Asking ----------------------------------------------------------------------- */

struct answer {
	struct ctx *c;
	u32 left;		/* items to be taken */
	sector_t last;		/* end of the last one */
	bool any;
};

static int on_run(void *ctx, sector_t start, sector_t sectors)
{
	struct answer *a = ctx;
	struct ctx *c = a->c;
	u32 bs = c->p->block_sectors;

	if (!a->left)
		return 1;
	a->left--;
	KUNIT_EXPECT_GT(c->test, sectors, (sector_t)0);
	if (a->any)
		KUNIT_EXPECT_GT(c->test, start, a->last);
	a->any = true;
	a->last = start + sectors;
	KUNIT_EXPECT_LE(c->test, a->last, sectors_of(c));
	bitmap_set(c->got, start / bs, DIV_ROUND_UP(start + sectors, bs) - start / bs);
	return 0;
}

/* The whole answer, or -errno. */
static int ask(struct ctx *c, u64 from, u64 to, sector_t start, sector_t end)
{
	struct answer a = { .c = c };
	sector_t next;
	int r, rounds = 0;

	bitmap_zero(c->got, c->bits_max);
	c->st_queries++;
	do {
		next = ~0ULL;
		a.left = rnd(c, 4) ? UINT_MAX : 1 + rnd(c, 20);
		a.any = false;
		r = redo_cbt_query(c->cbt, from, to, start, end, on_run, &a, &next);
		if (r == 1) {
			KUNIT_EXPECT_GT(c->test, next, start);
			KUNIT_EXPECT_LT(c->test, next, end);
			if (next <= start || next >= end)
				return -EINVAL;
			start = next;
		} else if (r == -EAGAIN) {
			KUNIT_EXPECT_LT(c->test, ++rounds, 1000);
			msleep(1);
			r = rounds < 1000 ? 1 : r;
		}
	} while (r == 1);
	return r;
}

/* Blocks @lo..@hi of the epochs from..to (exclusive; 0: now), reverts included. */
static bool expect(struct ctx *c, u64 from, u64 to, u64 *low)
{
	u64 e;
	bool exact = true;

	bitmap_zero(c->must, c->bits_max);
	bitmap_zero(c->may, c->bits_max);
	if (!to)
		to = c->now + 1;
	*low = from;
	for (e = to - 1; e >= *low && from < to; e--) {
		if (e < c->first)
			break;
		bitmap_or(c->must, c->must, c->epoch[e].must, c->bits_max);
		bitmap_or(c->may, c->may, c->epoch[e].may, c->bits_max);
		if (c->epoch[e].back_to)
			*low = min(*low, c->epoch[e].back_to);
		exact &= !c->epoch[e].joined;
	}
	return exact;
}

static void check_answer(struct ctx *c, u64 from, u64 to, u64 lo, u64 hi, bool exact)
{
	unsigned long bit;

	bitmap_andnot(c->diff, c->must, c->got, c->bits_max);
	bit = find_next_bit(c->diff, hi, lo);
	if (bit < hi)
		KUNIT_FAIL(c->test, "%llu..%llu of %llu: block %lu is missing (%s)", from, to,
			   c->now, bit, c->p->name);
	bitmap_andnot(c->diff, c->got, c->may, c->bits_max);
	bit = find_next_bit(c->diff, hi, lo);
	if (exact && bit < hi)
		KUNIT_FAIL(c->test, "%llu..%llu of %llu: block %lu has not changed (%s)", from, to,
			   c->now, bit, c->p->name);
	if (find_first_bit(c->got, c->bits_max) < lo ||
	    find_next_bit(c->got, c->bits_max, hi) < c->bits_max)
		KUNIT_FAIL(c->test, "more than blocks %llu..%llu in the answer", lo, hi);
}

static void query_range(struct ctx *c, u64 from, u64 to, u64 lo, u64 hi)
{
	u32 bs = c->p->block_sectors;
	bool exact;
	u64 low;
	int r;

	exact = expect(c, from, to, &low);
	r = ask(c, from, to, lo * bs, min(hi * bs, sectors_of(c)));
	if (r && c->disk->off)
		return;
	if (r == -ESTALE) {
		c->st_stale++;
		/* Never without a reason, and never the newest. */
		KUNIT_EXPECT_TRUE_MSG(c->test, c->tight || low < c->first || c->maybe_drop ||
				      c->epoch[from].joined || (to && c->epoch[to].joined),
				      "%llu..%llu of %llu is stale (from %llu on, back to %llu)",
				      from, to, c->now, c->first, low);
		KUNIT_EXPECT_FALSE(c->test, from == c->now);
		return;
	}
	KUNIT_EXPECT_EQ_MSG(c->test, r, 0, "query %llu..%llu of %llu (%s)", from, to, c->now,
			    c->p->name);
	if (!r)
		check_answer(c, from, to, lo, hi, exact && !c->tight);
}

static void do_query(struct ctx *c)
{
	u64 from = c->first + rnd(c, c->now - c->first + 1);
	u64 to = rnd(c, 3) ? 0 : from + rnd(c, c->now - from + 1);
	u64 lo = 0, hi = c->bits;

	if (!rnd(c, 3)) {
		lo = rnd(c, c->bits);
		hi = lo + 1 + rnd(c, c->bits - lo);
	}
	query_range(c, from, to, lo, hi);
}

/* Everything that can be asked for. */
static void check_all(struct ctx *c)
{
	u64 from;

	for (from = c->first; from <= c->now; from++)
		query_range(c, from, 0, 0, c->bits);
	for (from = c->first; from < c->now; from++)
		query_range(c, from, from + 1, 0, c->bits);
}

/* Doing ------------------------------------------------------------------------ */

static bool do_drop(struct ctx *c)
{
	u64 id = c->first + rnd(c, c->now - c->first + 1);
	int r = redo_cbt_drop(c->cbt, id);

	if (c->disk->off) {
		c->maybe_drop = true;
		c->epoch[id].joined = true;
		if (id > 1)
			c->epoch[id - 1].joined = true;
		return r == 0;
	}
	if (id == c->now) {
		KUNIT_EXPECT_EQ(c->test, r, -EBUSY);
		return true;
	}
	if (r == -ESTALE) {
		KUNIT_EXPECT_TRUE(c->test, c->tight || c->epoch[id].joined || c->maybe_drop);
		return true;
	}
	if (r == -EAGAIN || (r == -ENOSPC && c->tight))
		return true;
	KUNIT_EXPECT_EQ_MSG(c->test, r, 0, "drop %llu of %llu", id, c->now);
	if (r)
		return true;
	/* It answers no more; and whoever ends or begins there gets more than he needs. */
	c->epoch[id].joined = true;
	if (id == c->first || !c->tight) {
		r = ask(c, id, 0, 0, sectors_of(c));
		KUNIT_EXPECT_TRUE_MSG(c->test, r == -ESTALE || is_broken(c), "dropped: %d", r);
	}
	if (id == c->first) {
		struct redo_cbt_info info;

		/* With those that had been dropped out of the same record before. */
		redo_cbt_info(c->cbt, &info);
		for (c->first++; c->first < info.first_epoch && c->epoch[c->first].joined; )
			c->first++;
	}
	return true;
}

/* false: the power has failed. */
static bool do_mark(struct ctx *c)
{
	int r;

	redo_cbt_close_writes(c->cbt);
	do {
		r = redo_cbt_settle(c->cbt, true);
	} while (r == -EAGAIN);
	if (r) {
		KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "settle: %d", r);
		return false;
	}
	if (!next_epoch(c, REDO_CBT_MARK, false, 0, false))
		return false;
	redo_cbt_open_writes(c->cbt);
	return true;
}

static bool do_snapshot(struct ctx *c)
{
	u64 back_to = rnd(c, 4) ? 0 : c->first + rnd(c, c->now - c->first + 1);
	bool forget = !rnd(c, 25);

	redo_cbt_close_writes(c->cbt);
	if (!next_epoch(c, back_to ? REDO_CBT_REVERT : REDO_CBT_SNAPSHOT, rnd(c, 8), back_to, forget))
		return false;
	redo_cbt_open_writes(c->cbt);
	redo_cbt_kick(c->cbt);
	return true;
}

static bool do_settle(struct ctx *c)
{
	bool explicit = !rnd(c, 4);
	int r;

	if (explicit)
		redo_cbt_close_writes(c->cbt);
	r = redo_cbt_settle(c->cbt, explicit);
	if (r && r != -EAGAIN) {
		KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "settle: %d", r);
		return false;
	}
	if (explicit) {
		/* From now on the delta says nothing any more. */
		if (!r) {
			kvfree(c->epoch[c->now].map);
			c->epoch[c->now].map = NULL;
		}
		redo_cbt_open_writes(c->cbt);
	}
	return true;
}

static bool do_range(struct ctx *c)
{
	struct epoch *e = &c->epoch[c->now];
	struct write w;
	int r;

	pick_range(c, &w);
	bitmap_set(e->may, w.first, w.n);
	r = redo_cbt_mark_range(c->cbt, w.first * c->p->block_sectors,
				min((w.first + w.n) * c->p->block_sectors, sectors_of(c)));
	if (r) {
		KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "mark_range: %d", r);
		return false;
	}
	bitmap_set(e->must, w.first, w.n);
	return true;
}

static bool do_grow(struct ctx *c)
{
	u64 was = c->bits, more = min(c->bits_max - c->bits, 1ULL + rnd(c, 50000));
	int r;

	if (!c->p->grows || !more)
		return true;
	redo_cbt_close_writes(c->cbt);
	c->bits += more;
	bitmap_set(c->epoch[c->now].may, was - 1, more + 1);
	r = redo_cbt_resize(c->cbt, sectors_of(c));
	if (r) {
		KUNIT_EXPECT_TRUE_MSG(c->test, c->disk->off, "resize: %d", r);
		return false;
	}
	bitmap_set(c->epoch[c->now].must, was - 1, more + 1);
	redo_cbt_open_writes(c->cbt);
	return true;
}

static bool one_op(struct ctx *c)
{
	u32 i;

	switch (rnd(c, 40)) {
	case 0:
		return c->now >= EPOCHS - 1 || do_mark(c);
	case 1:
	case 2:
		return c->now >= EPOCHS - 1 || do_snapshot(c);
	case 3:
		return do_drop(c);
	case 4:
		return do_settle(c);
	case 5:
		redo_cbt_kick(c->cbt);
		return true;
	case 6:
		return do_range(c);
	case 7:
		return do_grow(c);
	case 8:
	case 9:
	case 10:
		do_query(c);
		return !c->disk->off;
	default:
		for (i = 1 + rnd(c, 4); i; i--)
			if (!do_writes(c, 1 + rnd(c, rnd(c, 20) ? 8 : 600)))
				return false;
		return !is_broken(c);
	}
}

/* The store after the power has come back; twice if it fails again. */
static void crash(struct ctx *c)
{
	struct redo_cbt_info info;

	close_it(c);
	redo_test_disk_cycle(c->disk);
	c->st_crashes++;
	if (!rnd(c, 4))
		c->disk->writes_left = 1 + rnd(c, 30);
	for (;;) {
		bool up;

		open_it(c);
		redo_cbt_info(c->cbt, &info);
		/* A break of an earlier life may have got there after all. */
		if (info.state == REDO_CBT_ST_BROKEN && info.reason == REDO_CBT_BREAK_IO) {
			c->st_lost++;
			return;
		}
		/* The size may be the old one; a growth that was not acknowledged is made again. */
		up = start_it(c, true);
		if (up && info.virtual_sectors != sectors_of(c)) {
			int r;

			redo_cbt_close_writes(c->cbt);
			r = redo_cbt_resize(c->cbt, sectors_of(c));
			redo_cbt_open_writes(c->cbt);
			up = !r;
		}
		if (up && redo_test_disk_steady(c->disk))
			break;
		KUNIT_ASSERT_TRUE(c->test, c->disk->off || !up);
		close_it(c);
		redo_test_disk_cycle(c->disk);
	}
	check_all(c);
}

static void setup(struct ctx *c, struct kunit *test, const struct params *p)
{
	u64 blocks, sectors;

	c->test = test;
	c->p = p;
	c->bits = p->bits;
	c->bits_max = p->bits + (p->grows ? 200000 : 0);
	c->first = 1;
	c->tight = p->room < 100;
	spin_lock_init(&c->lock);
	bio_list_init(&c->released);
	init_completion(&c->done);
	prandom_seed_state(&c->rnd, cbt_seed);
	c->got = bits_new(c);
	c->must = bits_new(c);
	c->may = bits_new(c);
	c->diff = bits_new(c);
	sectors = sectors_of(c);
	blocks = redo_cbt_min_blocks(sectors, p->block_sectors) + p->room;
	c->disk = redo_test_disk_new(blocks * REDO_BLOCK_SECTORS, &c->rnd);
	KUNIT_ASSERT_NOT_NULL(test, c->disk);
	redo_cbt_budget_forced = p->budget;
	if (p->over)
		redo_cbt_pages_over = p->over;
	KUNIT_ASSERT_EQ(test, redo_cbt_format(redo_test_bdev(c->disk), p->block_sectors, sectors), 0);
	KUNIT_ASSERT_EQ(test, redo_cbt_probe(redo_test_bdev(c->disk)), (int)REDO_CBT_PROBE_STORE);
}

static struct ctx *new_ctx(struct kunit *test, const struct params *p)
{
	struct ctx *c = vzalloc(sizeof(*c));

	KUNIT_ASSERT_NOT_NULL(test, c);
	test->priv = c;
	setup(c, test, p);
	return c;
}

static void free_oracle(struct ctx *c)
{
	u64 e;

	for (e = 0; e <= EPOCHS; e++)
		epoch_free(&c->epoch[e]);
	epoch_free(&c->next);
	c->now = 0;
	c->first = 1;
	c->maybe_next = false;
	c->maybe_drop = false;
}

static void free_ctx(struct kunit *test)
{
	struct ctx *c = test->priv;

	if (!c)
		return;
	test->priv = NULL;
	if (c->cbt)
		close_it(c);
	redo_cbt_budget_forced = 0;
	redo_cbt_pages_over = 2 * CBT_WANTS + 8;
	if (c->disk)
		redo_test_disk_free(c->disk);
	free_oracle(c);
	kvfree(c->got);
	kvfree(c->must);
	kvfree(c->may);
	kvfree(c->diff);
	vfree(c);
}

/* Random operations ------------------------------------------------------------- */

static const struct params models[] = {
	{ .name = "roomy", .bits = 100000, .block_sectors = 8, .room = 4000, .ops = 800 },
	{ .name = "crashes", .bits = 70000, .block_sectors = 128, .room = 4000, .ops = 1200,
	  .crashes = true },
	{ .name = "full", .bits = 200000, .block_sectors = 64, .room = 0, .ops = 800 },
	{ .name = "full and crashes", .bits = 130000, .block_sectors = 8, .room = 3, .ops = 2000,
	  .crashes = true },
	{ .name = "little memory", .bits = 40 * 32256, .block_sectors = 2048, .room = 4000,
	  .ops = 300, .budget = 4, .over = 3 },
	{ .name = "little memory and crashes", .bits = 20 * 32256, .block_sectors = 8,
	  .room = 1000, .ops = 300, .budget = 6, .over = 4, .crashes = true },
	{ .name = "directories", .bits = 520 * 32256ULL, .block_sectors = 8, .room = 9000,
	  .ops = 80, .budget = 40, .over = 40, .spots = 60, .crashes = true },
	{ .name = "growth", .bits = 30000, .block_sectors = 8, .room = 4000, .ops = 800,
	  .grows = true, .crashes = true },
};

static void params_desc(const struct params *p, char *desc)
{
	strscpy(desc, p->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(models, models, params_desc);

static void renew(struct ctx *c)
{
	close_it(c);
	free_oracle(c);
	c->bits = c->p->bits;
	KUNIT_ASSERT_EQ(c->test, redo_cbt_format(redo_test_bdev(c->disk), c->p->block_sectors,
						 sectors_of(c)), 0);
	open_it(c);
	KUNIT_ASSERT_TRUE(c->test, start_it(c, false));
}

static void cbt_model(struct kunit *test)
{
	const struct params *p = test->param_value;
	struct ctx *c;
	u32 i;

	if (cbt_case && strcmp(cbt_case, p->name))
		kunit_skip(test, "not asked for");
	c = new_ctx(test, p);
	open_it(c);
	KUNIT_ASSERT_TRUE(test, start_it(c, false));
	for (i = 0; i < p->ops * cbt_scale && !test->status; i++) {
		if (p->crashes && !c->disk->writes_left)
			c->disk->writes_left = 1 + rnd(c, rnd(c, 2) ? 40 : 600);
		if (!one_op(c) || c->disk->off) {
			KUNIT_ASSERT_TRUE(test, c->disk->off);
			crash(c);
			if (is_broken(c))
				renew(c);
		} else if (!rnd(c, 100) && !p->crashes) {
			KUNIT_EXPECT_TRUE(test, close_clean(c));
			open_it(c);
			KUNIT_ASSERT_TRUE(test, start_it(c, false));
			check_all(c);
		}
		if (c->now >= EPOCHS - 2) {
			c->disk->writes_left = 0;
			renew(c);
		}
		cond_resched();
	}
	c->disk->writes_left = 0;
	if (!is_broken(c))
		check_all(c);
	kunit_info(test, "%s: epoch %llu, %llu writes, %llu held, %llu queries (%llu stale), %llu crashes (%llu lost)\n",
		   p->name, c->now, c->st_admits, c->st_holds, c->st_queries, c->st_stale,
		   c->st_crashes, c->st_lost);
}

/* Cases by hand ------------------------------------------------------------------ */

static const struct params plain = {
	.name = "plain", .bits = 70000, .block_sectors = 8, .room = 400,
};

static struct ctx *begin_plain(struct kunit *test, bool implied)
{
	struct ctx *c = new_ctx(test, &plain);

	open_it(c);
	KUNIT_ASSERT_EQ(test, redo_cbt_start(c->cbt, false), 0);
	KUNIT_ASSERT_TRUE(test, next_epoch(c, REDO_CBT_ENABLE, implied, 0, false));
	redo_cbt_open_writes(c->cbt);
	flush_work(&redo_cbt_store(c->cbt)->fold_work);	/* what comes is ours */
	return c;
}

static void write_block(struct ctx *c, u64 nr)
{
	struct bio bio;
	sector_t start = nr * 8, end = start + 8;

	bitmap_set(c->epoch[c->now].may, nr, 1);
	bio_init(&bio, NULL, NULL, 0, REQ_OP_WRITE);
	while (!redo_cbt_admit(c->cbt, start, end)) {
		redo_cbt_hold(c->cbt, &bio, start, end);
		KUNIT_ASSERT_PTR_EQ(c->test, next_released(c), &bio);
	}
	if (is_broken(c))
		return;
	bitmap_set(c->epoch[c->now].must, nr, 1);
	if (c->epoch[c->now].map)
		bitmap_set(c->epoch[c->now].map, nr, 1);
}

static u8 *block_on_disk(struct ctx *c, u64 nr)
{
	u8 *p = xa_load(&c->disk->cache, nr) ?: xa_load(&c->disk->durable, nr);

	KUNIT_ASSERT_NOT_NULL(c->test, p);
	return p;
}

static enum redo_cbt_state reopen(struct ctx *c)
{
	struct redo_cbt_info info;

	close_it(c);
	open_it(c);
	redo_cbt_info(c->cbt, &info);
	return info.state;
}

/* Marks that are only in the journal: the last block may be torn, none before it. */
static void cbt_torn_journal(struct kunit *test)
{
	struct ctx *c = begin_plain(test, false);
	struct redo_cbt_store *st = redo_cbt_store(c->cbt);
	u64 first, last;

	KUNIT_ASSERT_EQ(test, redo_cbt_settle(c->cbt, false), 0);
	first = st->next_seq;
	write_block(c, 100);
	write_block(c, 40000);
	write_block(c, 69999);
	last = st->next_seq - 1;
	KUNIT_ASSERT_EQ(test, last, first + 2);
	KUNIT_EXPECT_EQ(test, (int)reopen(c), (int)REDO_CBT_ST_OK);
	KUNIT_EXPECT_EQ(test, redo_cbt_store(c->cbt)->next_seq, last + 1);
	/* As if the power had failed while it was written. */
	block_on_disk(c, redo_cbt_journal_blocknr(last))[70] ^= 1;
	KUNIT_EXPECT_EQ(test, (int)reopen(c), (int)REDO_CBT_ST_OK);
	KUNIT_EXPECT_EQ(test, redo_cbt_store(c->cbt)->next_seq, last);
	block_on_disk(c, redo_cbt_journal_blocknr(last))[70] ^= 1;
	/* But this one had been acknowledged: the one behind it proves it. */
	block_on_disk(c, redo_cbt_journal_blocknr(first))[70] ^= 1;
	KUNIT_EXPECT_EQ(test, (int)reopen(c), (int)REDO_CBT_ST_BROKEN);
	KUNIT_EXPECT_EQ(test, redo_cbt_start(c->cbt, true), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, c->broken, 1U);
	KUNIT_EXPECT_TRUE(test, c->recorded);
	block_on_disk(c, redo_cbt_journal_blocknr(first))[70] ^= 1;
	/* For ever. */
	KUNIT_EXPECT_EQ(test, (int)reopen(c), (int)REDO_CBT_ST_BROKEN);
	KUNIT_EXPECT_EQ(test, ask(c, 1, 0, 0, 800), -EUCLEAN);
}

/* A range of more pages than may be in memory, none of them empty. */
static void cbt_long_range(struct kunit *test)
{
	static const struct params p = {
		.name = "long", .bits = 40 * REDO_CBT_PAGE_BITS, .block_sectors = 8, .room = 400,
		.budget = 4, .over = 4,
	};
	struct ctx *c = new_ctx(test, &p);
	u64 i;

	open_it(c);
	KUNIT_ASSERT_EQ(test, redo_cbt_start(c->cbt, false), 0);
	KUNIT_ASSERT_TRUE(test, next_epoch(c, REDO_CBT_ENABLE, true, 0, false));
	redo_cbt_open_writes(c->cbt);
	for (i = 0; i < 40; i++)
		write_block(c, i * REDO_CBT_PAGE_BITS + 7);
	KUNIT_ASSERT_EQ(test, redo_cbt_settle(c->cbt, false), 0);
	KUNIT_ASSERT_EQ(test, (int)reopen(c), (int)REDO_CBT_ST_OK);
	KUNIT_ASSERT_EQ(test, redo_cbt_start(c->cbt, true), 0);
	KUNIT_EXPECT_EQ(test, redo_cbt_rebuild_mark(c->cbt, 1, 0, p.bits * 8), 0);
	KUNIT_EXPECT_EQ(test, redo_cbt_rebuild_done(c->cbt, 1), 0);
	KUNIT_EXPECT_EQ(test, redo_cbt_settle(c->cbt, true), 0);
	bitmap_fill(c->epoch[1].may, p.bits);
	bitmap_fill(c->epoch[1].must, p.bits);
	check_all(c);
}

/* The one block that an epoch's only page is in, found by its magic and place. */
static u64 find_page(struct ctx *c, u64 place)
{
	unsigned long nr;
	u64 best = 0, generation = 0;
	struct xarray all;
	u8 *p;

	xa_init(&all);
	redo_test_disk_save(c->disk, &all);
	xa_for_each(&all, nr, p)
		if (redo_test_peek(p, 0, 4) == REDO_MAGIC_CBT_PAGE &&
		    redo_test_peek(p, 40, 8) == place && redo_test_peek(p, 32, 8) > generation) {
			best = nr;
			generation = redo_test_peek(p, 32, 8);
		}
	redo_test_disk_drop(&all);
	KUNIT_ASSERT_NE(c->test, best, 0ULL);
	return best;
}

/* A page of an old epoch decays: an error for who needs it, and for nobody else. */
static void cbt_decayed_page(struct kunit *test)
{
	struct ctx *c = begin_plain(test, false);
	u64 page;

	write_block(c, 100);
	KUNIT_ASSERT_TRUE(test, do_mark(c));
	KUNIT_ASSERT_EQ(test, redo_cbt_settle(c->cbt, false), 0);
	page = find_page(c, 0);
	write_block(c, 200);
	KUNIT_ASSERT_TRUE(test, do_mark(c));
	KUNIT_ASSERT_EQ(test, redo_cbt_settle(c->cbt, false), 0);
	query_range(c, 1, 0, 0, c->bits);
	block_on_disk(c, page)[100] ^= 4;
	KUNIT_EXPECT_EQ(test, ask(c, 1, 0, 0, 1600), -EUCLEAN);
	query_range(c, 2, 0, 0, c->bits);
	query_range(c, 1, 0, 40000, 50000);	/* in another page */
	KUNIT_EXPECT_FALSE(test, is_broken(c));
	/* The same in the current one ends tracking. */
	write_block(c, 300);
	KUNIT_ASSERT_TRUE(test, close_clean(c));
	page = find_page(c, 0);
	block_on_disk(c, page)[100] ^= 4;
	open_it(c);
	KUNIT_ASSERT_EQ(test, redo_cbt_start(c->cbt, false), 0);
	redo_cbt_open_writes(c->cbt);
	write_block(c, 400);
	KUNIT_EXPECT_TRUE(test, is_broken(c));
}

static void cbt_ids(struct kunit *test)
{
	struct ctx *c = begin_plain(test, false);
	u64 i;

	for (i = 2; i <= 6; i++) {
		write_block(c, i);
		KUNIT_ASSERT_TRUE(test, do_mark(c));
	}
	KUNIT_EXPECT_EQ(test, ask(c, 0, 0, 0, 800), -ENOENT);
	KUNIT_EXPECT_EQ(test, ask(c, 7, 0, 0, 800), -ENOENT);
	KUNIT_EXPECT_EQ(test, ask(c, 1, 7, 0, 800), -ENOENT);
	KUNIT_EXPECT_EQ(test, ask(c, 3, 2, 0, 800), -EINVAL);
	KUNIT_EXPECT_EQ(test, ask(c, 1, 0, 0, sectors_of(c) + 1), -ERANGE);
	KUNIT_EXPECT_EQ(test, ask(c, 3, 3, 0, 800), 0);
	KUNIT_EXPECT_EQ(test, redo_cbt_forget(c->cbt, 6), -EINVAL);
	KUNIT_EXPECT_EQ(test, redo_cbt_forget(c->cbt, 2), 0);
	c->first = 3;
	KUNIT_EXPECT_EQ(test, ask(c, 2, 0, 0, 800), -ESTALE);
	KUNIT_EXPECT_EQ(test, ask(c, 1, 4, 0, 800), -ESTALE);
	check_all(c);
	KUNIT_EXPECT_EQ(test, redo_cbt_drop(c->cbt, 2), -ESTALE);
	KUNIT_EXPECT_EQ(test, redo_cbt_drop(c->cbt, 6), -EBUSY);
	KUNIT_EXPECT_EQ(test, redo_cbt_drop(c->cbt, 9), -ENOENT);
	KUNIT_EXPECT_EQ(test, redo_cbt_drop(c->cbt, 4), 0);
	KUNIT_EXPECT_EQ(test, ask(c, 4, 0, 0, 800), -ESTALE);
	query_range(c, 3, 5, 0, c->bits);	/* exactly, still */
	query_range(c, 5, 0, 0, c->bits);
	KUNIT_EXPECT_EQ(test, redo_cbt_drop(c->cbt, 4), -ESTALE);
}

/* A revert: what was done since the point and undone counts, too. */
static void cbt_back_to(struct kunit *test)
{
	struct ctx *c = begin_plain(test, true);

	write_block(c, 10);
	KUNIT_ASSERT_TRUE(test, next_epoch(c, REDO_CBT_SNAPSHOT, true, 0, false));
	redo_cbt_open_writes(c->cbt);
	write_block(c, 20);
	KUNIT_ASSERT_TRUE(test, next_epoch(c, REDO_CBT_SNAPSHOT, true, 0, false));
	write_block(c, 30);
	KUNIT_ASSERT_TRUE(test, next_epoch(c, REDO_CBT_REVERT, true, 2, false));
	write_block(c, 40);
	query_range(c, 3, 0, 0, c->bits);
	KUNIT_EXPECT_TRUE(test, test_bit(20, c->got));
	KUNIT_EXPECT_FALSE(test, test_bit(10, c->got));
	query_range(c, 4, 0, 0, c->bits);
	KUNIT_EXPECT_FALSE(test, test_bit(20, c->got));
	/* Without what it refers to there is no answer. */
	KUNIT_EXPECT_EQ(test, redo_cbt_settle(c->cbt, false), 0);
	KUNIT_EXPECT_EQ(test, redo_cbt_drop(c->cbt, 1), 0);
	KUNIT_EXPECT_EQ(test, redo_cbt_drop(c->cbt, 2), 0);
	KUNIT_EXPECT_EQ(test, ask(c, 3, 0, 0, 800), -ESTALE);
	KUNIT_EXPECT_EQ(test, ask(c, 4, 0, 0, 800), 0);
}

/* The store's device is extended under it: nothing is dropped any more. */
static void cbt_extended(struct kunit *test)
{
	static const struct params p = {
		.name = "extended", .bits = 6 * 32256, .block_sectors = 8,
	};
	struct ctx *c = new_ctx(test, &p);
	u32 i, n;
	u64 nr;

	open_it(c);
	KUNIT_ASSERT_EQ(test, redo_cbt_start(c->cbt, false), 0);
	KUNIT_ASSERT_TRUE(test, next_epoch(c, REDO_CBT_ENABLE, false, 0, false));
	redo_cbt_open_writes(c->cbt);
	set_capacity(c->disk->disk, c->disk->sectors + 200 * REDO_BLOCK_SECTORS);
	for (i = 0; i < 12; i++) {
		for (n = 0; n < 60; n++) {
			nr = rnd(c, c->bits - 1);
			write_block(c, nr);
		}
		KUNIT_ASSERT_TRUE(test, do_mark(c));
	}
	check_all(c);
	KUNIT_EXPECT_EQ(test, ask(c, 1, 0, 0, 800), 0);
}

/* Every write of a short life fails once, and nothing that was promised is missing. */
static void cbt_every_write(struct kunit *test)
{
	struct ctx *c = begin_plain(test, true);
	u32 cut, i;

	for (cut = 1; cut < 70; cut++) {
		c->disk->writes_left = 0;
		renew(c);
		c->disk->writes_left = cut;
		for (i = 0; i < 12 && !c->disk->off; i++) {
			write_block(c, rnd(c, 69000));
			if (c->disk->off)
				break;
			if (i % 4 == 1 && !do_mark(c))
				break;
			if (i % 4 == 3 && !do_snapshot(c))
				break;
		}
		if (!c->disk->off && !do_settle(c))
			cond_resched();
		if (c->disk->off)
			crash(c);
		if (test->status)
			break;
	}
	c->disk->writes_left = 0;
}

static struct kunit_case redo_cbt_store_cases[] = {
	KUNIT_CASE(cbt_torn_journal),
	KUNIT_CASE(cbt_long_range),
	KUNIT_CASE(cbt_decayed_page),
	KUNIT_CASE(cbt_ids),
	KUNIT_CASE(cbt_back_to),
	KUNIT_CASE(cbt_extended),
	KUNIT_CASE(cbt_every_write),
	KUNIT_CASE_PARAM_ATTR(cbt_model, models_gen_params, { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite redo_cbt_store_suite = {
	.name = "redo-cbt-store",
	.test_cases = redo_cbt_store_cases,
	.exit = free_ctx,
};

kunit_test_suite(redo_cbt_store_suite);
