// SPDX-License-Identifier: GPL-2.0
/*
 * What changed between two moments: the OR of the bitmaps of the epochs between them.
 *
 * Which epochs, and where their bitmaps are, is taken down at once under mutex; after that
 * no lock is held but the readers' semaphore, which keeps the blocks that we may read from
 * being given out again. A bitmap in memory is looked at page by page: its page if there is
 * one, else the block that its directory names. A page leaves memory only after its
 * directory names a block that has all of it, so in this order nothing is missed.
 *
 * The bitmaps are gone through in windows of a few pages, all epochs of a window at once,
 * each epoch's blocks in one batch of reads. Holes are skipped where they begin: in the
 * root, in the directory.
 */
#include <linux/ktime.h>
#include "redo-cbt-priv.h"

#define WINDOW		CBT_BUFS	/* pages */
#define TIME_LIMIT	(100 * NSEC_PER_MSEC)

struct q_epoch {
	u64 number;
	struct redo_cbt_map *map;	/* in memory: with a reference; NULL: on disk only */
	struct redo_ptr root;		/* on disk */
	struct redo_disk_node *root_node, *dir_node;	/* read when they are needed */
	struct redo_ptr dir;		/* of the directory that the query is in */
	bool empty;			/* nothing in it */
};

struct query {
	struct redo_cbt_store *st;
	struct q_epoch *epoch;
	u32 nr;
	u64 current_epoch;
	u64 *acc;			/* WINDOW pages of words */
	DECLARE_BITMAP(touched, WINDOW);
	u16 first[WINDOW], last[WINDOW];	/* of a page's words those that are not zero lie between */
	void *buf[WINDOW];		/* pages being read */
	u32 place[WINDOW];
	redo_cbt_emit_fn emit;
	void *ctx;
	sector_t start, end;
	u64 run, run_end;		/* blocks of a run that may go on; equal: none */
};

/* Which epochs --------------------------------------------------------------- */

/* An id that may be asked for; its record. mutex held. */
static int id_record(struct redo_cbt_store *st, u64 id, struct redo_cbt_rec **rec)
{
	if (!id || id > st->sb.epoch)
		return -ENOENT;
	if (id < st->sb.first_epoch)
		return -ESTALE;
	*rec = redo_cbt_rec_find(st, id);
	if (!*rec)
		return -ESTALE;
	return id == (*rec)->r.first || id <= (*rec)->r.soft ? 0 : -ESTALE;
}

/*
 * Records @lo..@hi (exclusive) of the table, those that reverts bring in included. Inside of
 * a joined record all of it counts.
 */
static int id_range(struct redo_cbt_store *st, u64 from, u64 to, u32 *lo, u32 *hi)
{
	struct redo_cbt_rec *rec, *upto;
	u64 low = from;
	int r;
	u32 i;

	r = id_record(st, from, &rec);
	if (r)
		return r;
	*hi = st->nr_rec;
	if (to) {
		r = id_record(st, to, &upto);
		if (r)
			return r;
		if (to < from)
			return -EINVAL;
		*hi = upto - st->rec + (to != upto->r.first);
	}
	*lo = *hi;
	if (from == to)
		return 0;
	for (i = *hi; i && st->rec[i - 1].r.number >= low; i--)
		if (st->rec[i - 1].r.back_to)
			low = min(low, st->rec[i - 1].r.back_to);
	*lo = i;
	return low < st->rec[0].r.first ? -ESTALE : 0;
}

/* mutex held. */
static int take_epochs(struct query *q, u32 lo, u32 hi)
{
	struct redo_cbt_store *st = q->st;
	u32 i;

	if (lo == hi)
		return 0;
	q->epoch = redo_cbt_kvzalloc((hi - lo) * sizeof(*q->epoch));
	if (!q->epoch)
		return -ENOMEM;
	mutex_lock(&st->jmutex);
	for (i = lo; i < hi; i++) {
		struct q_epoch *e = &q->epoch[q->nr++];

		e->number = st->rec[i].r.number;
		e->root = st->rec[i].r.root;
		e->map = redo_cbt_map_find(st, e->number);
		if (e->map)
			kref_get(&e->map->ref);
	}
	mutex_unlock(&st->jmutex);
	return 0;
}

static int check_epochs(struct redo_cbt_store *st, u32 lo, u32 hi)
{
	struct redo_cbt_map *map;
	int r = 0;
	u32 i;

	mutex_lock(&st->jmutex);
	for (i = lo; i < hi && !r; i++) {
		map = redo_cbt_map_find(st, st->rec[i].r.number);
		if (st->rec[i].r.flags & REDO_CBT_REC_DAMAGED)
			r = -EUCLEAN;
		else if (map && map->rebuild)
			r = -EAGAIN;
	}
	mutex_unlock(&st->jmutex);
	return r;
}

static int take_down(struct query *q, u64 from, u64 to)
{
	struct redo_cbt_store *st = q->st;
	u32 lo, hi;
	int r;

	mutex_lock(&st->mutex);
	if (redo_cbt_over(st))
		r = -EUCLEAN;
	else
		r = id_range(st, from, to, &lo, &hi);
	if (!r && q->end > st->sb.virtual_sectors)
		r = -ERANGE;
	r = r ?: check_epochs(st, lo, hi);
	r = r ?: take_epochs(q, lo, hi);
	q->current_epoch = st->sb.epoch;
	mutex_unlock(&st->mutex);
	return r;
}

/* Reading --------------------------------------------------------------------- */

static int bad_block(struct query *q, const struct q_epoch *e, const struct redo_ptr *ptr,
		     enum redo_bad bad)
{
	DMERR("%pg: block %llu of epoch %llu: %s", q->st->bdev, ptr->blocknr, e->number,
	      redo_bad_str(bad));
	if (e->number == q->current_epoch)
		redo_cbt_break(&q->st->c, REDO_CBT_BREAK_DAMAGE);
	return -EUCLEAN;
}

static int check(struct query *q, const struct q_epoch *e, const void *block, u16 level,
		 u64 place, const struct redo_ptr *ptr)
{
	enum redo_bad bad = redo_cbt_check_node(block, redo_cbt_node_magic(level),
						q->st->sb.uuid, ptr, level, place);

	return bad ? bad_block(q, e, ptr, bad) : 0;
}

/* Roots, or with @d directories, of all epochs that are on disk only. */
static int read_nodes(struct query *q, bool roots, u32 d)
{
	struct redo_batch b;
	u32 i;
	int r;

	redo_batch_start(&b, q->st->bdev, &q->st->bs, REQ_OP_READ);
	for (i = 0; i < q->nr; i++) {
		struct q_epoch *e = &q->epoch[i];
		const struct redo_ptr *ptr = roots ? &e->root : &e->dir;

		if (!e->map && ptr->kind == REDO_PTR_BLOCK)
			redo_batch_add(&b, ptr->blocknr, roots ? e->root_node : e->dir_node);
	}
	r = redo_batch_wait(&b);
	for (i = 0; !r && i < q->nr; i++) {
		struct q_epoch *e = &q->epoch[i];

		if (e->map)
			continue;
		if (roots && e->root.kind == REDO_PTR_BLOCK)
			r = check(q, e, e->root_node, REDO_CBT_LEVEL_ROOT, 0, &e->root);
		else if (!roots && e->dir.kind == REDO_PTR_BLOCK)
			r = check(q, e, e->dir_node, REDO_CBT_LEVEL_DIR, d, &e->dir);
	}
	return r;
}

static int alloc_nodes(struct query *q)
{
	u32 i;

	for (i = 0; i < q->nr; i++) {
		struct q_epoch *e = &q->epoch[i];

		if (e->map || e->root.kind != REDO_PTR_BLOCK)
			continue;
		e->root_node = kmalloc(REDO_BLOCK_SIZE, GFP_NOIO);
		e->dir_node = kmalloc(REDO_BLOCK_SIZE, GFP_NOIO);
		if (!e->root_node || !e->dir_node)
			return -ENOMEM;
	}
	return 0;
}

static bool any_page(struct redo_cbt_map *map, u32 d)
{
	u32 index = d * REDO_FANOUT, end = min(map->nr_pages, index + REDO_FANOUT);

	for (; index < end; index++)
		if (rcu_access_pointer(map->page[index]))
			return true;
	return false;
}

/* In memory: which pages are there is looked at before what the root says. */
static int enter_dir_of_map(struct query *q, struct q_epoch *e, u32 d)
{
	struct redo_ptr ptr;
	bool any = any_page(e->map, d);
	int r = 0;

	/* Pairs with rcu_assign_pointer() in eviction: the words first, then no page. */
	smp_rmb();
	if (redo_unpack_ptr(READ_ONCE(e->map->root[d]), &e->dir))
		return -EUCLEAN;
	/* A directory that no fold has written yet is in memory only. */
	if (e->dir.kind == REDO_PTR_BLOCK && !smp_load_acquire(&e->map->dir[d])) {
		mutex_lock(&q->st->jmutex);
		r = redo_cbt_page_ptr(q->st, e->map, d * REDO_FANOUT, &ptr);
		mutex_unlock(&q->st->jmutex);
	}
	e->empty = !any && e->dir.kind == REDO_PTR_HOLE && !smp_load_acquire(&e->map->dir[d]);
	return r;
}

/* Returns whether it holds anything: 1, 0 or -errno. */
static int enter_dir(struct query *q, u32 d)
{
	bool any = false;
	int r = 0;
	u32 i;

	for (i = 0; !r && i < q->nr; i++) {
		struct q_epoch *e = &q->epoch[i];

		if (e->map) {
			r = d * REDO_FANOUT < e->map->nr_pages ? enter_dir_of_map(q, e, d) : 0;
			if (d * REDO_FANOUT >= e->map->nr_pages)
				e->empty = true;
		} else {
			e->dir = e->root;
			if (e->root.kind == REDO_PTR_BLOCK &&
			    redo_unpack_ptr(e->root_node->word[d], &e->dir))
				r = -EUCLEAN;
			e->empty = e->dir.kind == REDO_PTR_HOLE;
		}
		any |= !e->empty;
	}
	if (!r && any)
		r = read_nodes(q, false, d);
	return r ?: any;
}

/* Gathering ------------------------------------------------------------------- */

static u64 *acc_of(struct query *q, u32 i)
{
	return q->acc + i * REDO_CBT_PAGE_WORDS;
}

/* Most pages of a large device have a few runs: what is around them is looked at once, here. */
static void note_words(struct query *q, u32 i, u32 first, u32 last)
{
	q->first[i] = min_t(u32, q->first[i], first);
	q->last[i] = max_t(u32, q->last[i], last);
}

/* True: nothing has been put there yet. */
static bool touch(struct query *q, u32 i)
{
	if (__test_and_set_bit(i, q->touched))
		return false;
	q->first[i] = REDO_CBT_PAGE_WORDS;
	q->last[i] = 0;
	return true;
}

static void or_words(struct query *q, u32 i, const __le64 *from)
{
	u32 first = REDO_CBT_PAGE_WORDS, last = 0, n;
	bool fresh = touch(q, i);
	u64 *to = acc_of(q, i), word;

	for (n = 0; n < REDO_CBT_PAGE_WORDS; n++) {
		word = le64_to_cpu(READ_ONCE(from[n]));
		if (word) {
			if (!last)
				first = n;
			last = n + 1;
		}
		to[n] = fresh ? word : to[n] | word;
	}
	note_words(q, i, first, last);
}

static void set_words(struct query *q, u32 i)
{
	touch(q, i);
	memset(acc_of(q, i), 0xff, REDO_CBT_PAGE_WORDS * sizeof(u64));
	note_words(q, i, 0, REDO_CBT_PAGE_WORDS);
}

/* The page in memory, if there is one. */
static bool or_resident(struct query *q, struct redo_cbt_map *map, u32 index, u32 i)
{
	struct redo_cbt_page *page;

	if (!rcu_access_pointer(map->page[index]))
		return false;
	rcu_read_lock();
	page = rcu_dereference(map->page[index]);
	if (page)
		or_words(q, i, (const __le64 *)page->bits);
	rcu_read_unlock();
	return page;
}

/* HOLE: nothing (more) is to be added. */
static int page_ptr(struct query *q, struct q_epoch *e, u32 index, u32 i, struct redo_ptr *ptr)
{
	u32 d = index / REDO_FANOUT;
	const __le64 *words;

	ptr->kind = REDO_PTR_HOLE;
	if (!e->map) {
		*ptr = e->dir;
		words = e->dir.kind == REDO_PTR_BLOCK ? e->dir_node->word : NULL;
	} else {
		if (index >= e->map->nr_pages || or_resident(q, e->map, index, i))
			return 0;
		smp_rmb(); /* as in enter_dir_of_map() */
		words = smp_load_acquire(&e->map->dir[d]); /* pairs with load_dir() */
		if (!words)
			*ptr = e->dir;
	}
	return words && redo_unpack_ptr(READ_ONCE(words[index % REDO_FANOUT]), ptr) ? -EUCLEAN : 0;
}

/* Pages @index..@index+@n of one epoch, in one batch. */
static int gather_epoch(struct query *q, struct q_epoch *e, u32 index, u32 n)
{
	struct redo_ptr ptr[WINDOW];
	struct redo_batch b;
	u32 i, nr = 0;
	int r = 0, err;

	redo_batch_start(&b, q->st->bdev, &q->st->bs, REQ_OP_READ);
	for (i = 0; !r && i < n; i++) {
		r = page_ptr(q, e, index + i, i, &ptr[nr]);
		if (r || ptr[nr].kind == REDO_PTR_HOLE)
			continue;
		if (ptr[nr].kind == REDO_PTR_ONES) {
			set_words(q, i);
			continue;
		}
		if (!q->buf[nr])
			q->buf[nr] = kmalloc(REDO_BLOCK_SIZE, GFP_NOIO);
		if (!q->buf[nr]) {
			r = -ENOMEM;
			continue;
		}
		redo_batch_add(&b, ptr[nr].blocknr, q->buf[nr]);
		q->place[nr++] = i;
	}
	err = redo_batch_wait(&b);
	r = r ?: err;
	for (i = 0; !r && i < nr; i++) {
		const struct redo_disk_node *node = q->buf[i];

		r = check(q, e, node, REDO_CBT_LEVEL_PAGE, index + q->place[i], &ptr[i]);
		if (!r)
			or_words(q, q->place[i], node->word);
	}
	return r;
}

static int gather(struct query *q, u32 index, u32 n)
{
	u32 i;
	int r = 0;

	bitmap_zero(q->touched, WINDOW);
	for (i = 0; !r && i < q->nr; i++)
		if (!q->epoch[i].empty)
			r = gather_epoch(q, &q->epoch[i], index, n);
	return r;
}

/* Answering ------------------------------------------------------------------- */

static sector_t run_start(struct query *q)
{
	return max_t(sector_t, q->start, q->run << q->st->c.shift);
}

/* Nonzero: it was not taken. */
static int flush_run(struct query *q)
{
	sector_t s = run_start(q);
	sector_t e = min_t(sector_t, q->end, q->run_end << q->st->c.shift);
	int r;

	if (q->run == q->run_end)
		return 0;
	r = q->emit(q->ctx, s, e - s);
	if (!r)
		q->run = q->run_end;
	return r;
}

static int add_run(struct query *q, u64 from, u64 to)
{
	if (q->run != q->run_end && q->run_end == from) {
		q->run_end = to;
		return 0;
	}
	if (flush_run(q))
		return 1;
	q->run = from;
	q->run_end = to;
	return 0;
}

/* Bits @lo..@hi (exclusive) of the device that are in this page. */
static int emit_page(struct query *q, u32 index, u32 i, u64 lo, u64 hi)
{
	unsigned long *bits = (unsigned long *)acc_of(q, i);
	u64 begin = (u64)index * REDO_CBT_PAGE_BITS;
	unsigned long from = max_t(u64, lo > begin ? lo - begin : 0, q->first[i] * 64U);
	unsigned long end = min_t(u64, hi - begin, q->last[i] * 64U), to;

	BUILD_BUG_ON(sizeof(unsigned long) != sizeof(u64));
	for (from = find_next_bit(bits, end, from); from < end;
	     from = find_next_bit(bits, end, to)) {
		to = find_next_zero_bit(bits, end, from);
		if (add_run(q, begin + from, begin + to))
			return 1;
	}
	return 0;
}

static int emit_window(struct query *q, u32 index, u64 lo, u64 hi)
{
	u32 i;

	for_each_set_bit(i, q->touched, WINDOW)
		if (emit_page(q, index + i, i, lo, hi))
			return 1;
	return 0;
}

/* 1: cut, at *@next. */
static int run_query(struct query *q, sector_t *next)
{
	u8 shift = q->st->c.shift;
	u64 lo = q->start >> shift, hi = ((q->end - 1) >> shift) + 1;
	u32 index = lo / REDO_CBT_PAGE_BITS, end = redo_cbt_nr_pages(hi), d, n;
	u64 limit = ktime_get_ns() + TIME_LIMIT;
	u32 entered = REDO_FANOUT;	/* none */
	int r;

	for (; index < end; index += n) {
		d = index / REDO_FANOUT;
		n = min(end, (d + 1) * REDO_FANOUT) - index;
		if (d != entered) {
			r = enter_dir(q, d);
			if (r < 0)
				return r;
			if (!r)
				continue;
			entered = d;
		}
		n = min_t(u32, n, WINDOW);
		r = gather(q, index, n);
		if (r)
			return r;
		if (emit_window(q, index, lo, hi)) {
			*next = run_start(q);
			return 1;
		}
		if (index + n < end && ktime_get_ns() > limit) {
			*next = (u64)(index + n) * REDO_CBT_PAGE_BITS << shift;
			if (flush_run(q))
				*next = run_start(q);
			return 1;
		}
		cond_resched();
	}
	if (flush_run(q)) {
		*next = run_start(q);
		return 1;
	}
	return 0;
}

static void end_query(struct query *q)
{
	u32 i;

	for (i = 0; i < q->nr; i++) {
		redo_cbt_map_put(q->epoch[i].map);
		kfree(q->epoch[i].root_node);
		kfree(q->epoch[i].dir_node);
	}
	for (i = 0; i < WINDOW; i++)
		kfree(q->buf[i]);
	kvfree(q->epoch);
	kvfree(q->acc);
	kfree(q);
}

int redo_cbt_query(struct redo_cbt *cbt, u64 from, u64 to, sector_t start, sector_t end,
		   redo_cbt_emit_fn emit, void *ctx, sector_t *next)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	struct query *q;
	int r;

	if (start > end)
		return -EINVAL;
	q = kzalloc(sizeof(*q), GFP_NOIO);
	if (!q)
		return -ENOMEM;
	q->st = st;
	q->emit = emit;
	q->ctx = ctx;
	q->start = start;
	q->end = end;
	down_read(&st->readers);
	r = take_down(q, from, to);
	if (!r && q->nr && start < end) {
		q->acc = redo_cbt_kvzalloc(WINDOW * REDO_CBT_PAGE_WORDS * sizeof(u64));
		r = q->acc ? alloc_nodes(q) : -ENOMEM;
		r = r ?: read_nodes(q, true, 0);
		r = r ?: run_query(q, next);
	}
	up_read(&st->readers);
	end_query(q);
	return r;
}
