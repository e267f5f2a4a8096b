// SPDX-License-Identifier: GPL-2.0
/*
 * Space in the store. What is in use is not on the disk: it is what the bitmaps in the
 * table reach, found by walking their roots and directories before the first fold, in the
 * background. After records were dropped the walk is simply made again.
 *
 * What a fold or a join replaces stays as it is until the superblock that no longer
 * reaches it is durable; and until no query is under way that may have looked before.
 *
 * Space for a fold is made by joining the two oldest records as often as it takes, or, if
 * that does not go, by dropping the oldest. The current one always fits: the least size of
 * a store is four full bitmaps, and a fold needs two at most.
 */
#include "redo-cbt-priv.h"

int redo_cbt_space_init(struct redo_cbt_store *st)
{
	u64 n = min(redo_io_blocks(st->bdev), REDO_CBT_BLOCKS_MAX);
	size_t size = BITS_TO_LONGS(n) * sizeof(long);

	st->used = redo_cbt_kvzalloc(size);
	st->pend = redo_cbt_kvzalloc(size);
	st->walked = redo_cbt_kvzalloc(size);
	st->nr_space = n;
	st->nr_total = n;
	st->walk = true;
	return st->used && st->pend && st->walked ? 0 : -ENOMEM;
}

void redo_cbt_space_exit(struct redo_cbt_store *st)
{
	kvfree(st->used);
	kvfree(st->pend);
	kvfree(st->walked);
}

static void tell(struct redo_cbt_store *st)
{
	spin_lock_irq(&st->lock);
	st->nr_used = st->nr_space - st->nr_free;
	st->nr_total = st->nr_space;
	spin_unlock_irq(&st->lock);
}

static unsigned long *enlarge(const unsigned long *from, u64 was, u64 n)
{
	unsigned long *p = redo_cbt_kvzalloc(BITS_TO_LONGS(n) * sizeof(long));

	if (p && from)
		memcpy(p, from, BITS_TO_LONGS(was) * sizeof(long));
	return p;
}

/* The device may have been extended. Without memory it will be noticed later. */
static void look_at_size(struct redo_cbt_store *st)
{
	u64 n = min(redo_io_blocks(st->bdev), REDO_CBT_BLOCKS_MAX);
	unsigned long *used, *pend, *walked;

	if (n <= st->nr_space)
		return;
	used = enlarge(st->used, st->nr_space, n);
	pend = enlarge(st->pend, st->nr_space, n);
	walked = enlarge(NULL, 0, n);
	if (!used || !pend || !walked) {
		kvfree(used);
		kvfree(pend);
		kvfree(walked);
		return;
	}
	redo_cbt_space_exit(st);
	st->used = used;
	st->pend = pend;
	st->walked = walked;
	st->nr_free += n - st->nr_space;
	st->nr_space = n;
	tell(st);
}

/* Walk -------------------------------------------------------------------- */

/* In use by two is damage: one of them would be freed under the other one. */
static int walk_use(struct redo_cbt_store *st, const struct redo_ptr *ptr)
{
	if (ptr->blocknr < REDO_CBT_DATA_START || ptr->blocknr >= st->nr_space)
		return -EUCLEAN;
	return __test_and_set_bit(ptr->blocknr, st->walked) ? -EUCLEAN : 0;
}

static int walk_words(struct redo_cbt_store *st, const __le64 *words)
{
	struct redo_ptr ptr;
	u32 i;

	for (i = 0; i < REDO_FANOUT; i++) {
		if (redo_unpack_ptr(words[i], &ptr))
			return -EUCLEAN;
		if (ptr.kind == REDO_PTR_BLOCK && walk_use(st, &ptr))
			return -EUCLEAN;
	}
	return 0;
}

/* Directories @from.. of a root, as many as one batch of reads takes. */
static int walk_dirs(struct redo_cbt_store *st, const __le64 *root, u32 *from)
{
	u32 place[CBT_BUFS], n = 0, i, d;
	struct redo_batch b;
	struct redo_ptr ptr;
	int r;

	redo_batch_start(&b, st->bdev, &st->bs, REQ_OP_READ);
	for (d = *from; d < REDO_FANOUT && n < CBT_BUFS; d++) {
		redo_unpack_ptr(root[d], &ptr);
		if (ptr.kind != REDO_PTR_BLOCK)
			continue;
		place[n] = d;
		redo_batch_add(&b, ptr.blocknr, st->buf[n++]);
	}
	*from = d;
	r = redo_batch_wait(&b);
	for (i = 0; !r && i < n; i++) {
		const struct redo_disk_node *node = st->buf[i];

		redo_unpack_ptr(root[place[i]], &ptr);
		if (redo_cbt_check_node(node, REDO_MAGIC_CBT_DIR, st->sb.uuid, &ptr,
					REDO_CBT_LEVEL_DIR, place[i]))
			r = -EUCLEAN;
		else
			r = walk_words(st, node->word);
	}
	return r;
}

static int walk_root(struct redo_cbt_store *st, const struct redo_ptr *root,
		     struct redo_disk_node *node)
{
	u32 d = 0;
	int r;

	if (root->kind != REDO_PTR_BLOCK)
		return 0;
	r = walk_use(st, root) ?: redo_cbt_read_node(st, root, REDO_CBT_LEVEL_ROOT, 0, node);
	if (!r)
		r = walk_words(st, node->word);
	while (!r && d < REDO_FANOUT)
		r = walk_dirs(st, node->word, &d);
	return r;
}

/*
 * What a bitmap holds cannot be found out: queries that need it get an error from now on,
 * and whatever it held is free. Its blocks that are used by nobody else may be written
 * over, so the record must not name them any more.
 */
static int give_up(struct redo_cbt_store *st, u64 number, int error)
{
	struct redo_cbt_super sb;
	struct redo_cbt_rec *rec;
	int r = 0;

	mutex_lock(&st->mutex);
	rec = redo_cbt_rec_find(st, number);
	if (rec && (rec->r.number == st->sb.epoch || (rec->r.flags & REDO_CBT_REC_IMPLIED))) {
		redo_cbt_break(&st->c, redo_cbt_reason_of(error));
		r = -EUCLEAN;
	} else if (rec) {
		DMERR("%pg: bitmap of epoch %llu: error %d: given up", st->bdev, number, error);
		rec->r.root = (struct redo_ptr){ .kind = REDO_PTR_HOLE };
		rec->r.flags |= REDO_CBT_REC_DAMAGED;
		redo_cbt_rec_touch(st, rec);
		sb = st->sb;
		r = redo_cbt_switch(st, &sb, true);
	}
	mutex_unlock(&st->mutex);
	return r;
}

/* The record that comes at or after @number, in a copy. */
static bool next_record(struct redo_cbt_store *st, u64 number, struct redo_cbt_record *out)
{
	bool found = false;
	u32 i;

	mutex_lock(&st->mutex);
	for (i = 0; i < st->nr_rec && !found; i++)
		if (st->rec[i].r.number >= number) {
			*out = st->rec[i].r;
			found = true;
		}
	mutex_unlock(&st->mutex);
	return found;
}

static int walk_all(struct redo_cbt_store *st, struct redo_disk_node *node)
{
	struct redo_cbt_record rec;
	u64 number = 0;
	int r;

	bitmap_zero(st->walked, st->nr_space);
	while (next_record(st, number, &rec)) {
		if (redo_cbt_over(st))
			return -EUCLEAN;
		r = walk_root(st, &rec.root, node);
		if (r) {
			r = give_up(st, rec.number, r);
			return r ?: -EAGAIN;	/* what it had used is not known: once more */
		}
		number = rec.number + 1;
		cond_resched();
	}
	bitmap_set(st->walked, 0, REDO_CBT_DATA_START);
	return 0;
}

/* Epochs that begin meanwhile have no bitmap on disk yet: only folds and joins write any. */
static int walk(struct redo_cbt_store *st)
{
	int r;

	do {
		/* First: a record may be dropped while we walk. */
		WRITE_ONCE(st->walk, false);
		r = walk_all(st, st->node[0]);
	} while (r == -EAGAIN);
	if (r) {
		WRITE_ONCE(st->walk, true);
		return r;
	}
	down_write(&st->readers);
	swap(st->used, st->walked);
	bitmap_zero(st->pend, st->nr_space);
	up_write(&st->readers);
	st->nr_pend = 0;
	st->nr_free = st->nr_space - bitmap_weight(st->used, st->nr_space);
	tell(st);
	return 0;
}

int redo_cbt_space_know(struct redo_cbt_store *st)
{
	lockdep_assert_held(&st->fold_mutex);
	look_at_size(st);
	return READ_ONCE(st->walk) ? walk(st) : 0;
}

/* Allocation --------------------------------------------------------------- */

/* Between two switches nothing is pending that the one before has not let go. */
static void reclaim(struct redo_cbt_store *st)
{
	if (!st->nr_pend)
		return;
	down_write(&st->readers);
	bitmap_andnot(st->used, st->used, st->pend, st->nr_space);
	bitmap_zero(st->pend, st->nr_space);
	up_write(&st->readers);
	st->nr_free += st->nr_pend;
	st->nr_pend = 0;
	tell(st);
}

u64 redo_cbt_space_alloc(struct redo_cbt_store *st)
{
	unsigned long nr;

	lockdep_assert_held(&st->fold_mutex);
	nr = find_next_zero_bit(st->used, st->nr_space, max_t(u64, st->cursor, REDO_CBT_DATA_START));
	if (nr >= st->nr_space)
		nr = find_next_zero_bit(st->used, st->nr_space, REDO_CBT_DATA_START);
	if (nr >= st->nr_space)
		return 0;
	__set_bit(nr, st->used);
	st->cursor = nr + 1;
	st->nr_free--;
	return nr;
}

void redo_cbt_space_free(struct redo_cbt_store *st, const struct redo_ptr *ptr)
{
	lockdep_assert_held(&st->fold_mutex);
	if (ptr->kind != REDO_PTR_BLOCK || ptr->blocknr >= st->nr_space)
		return;
	if (redo_mutant(cbt_reused_early)) {
		__clear_bit(ptr->blocknr, st->used);
		st->nr_free++;
		st->cursor = ptr->blocknr;
		return;
	}
	if (!__test_and_set_bit(ptr->blocknr, st->pend))
		st->nr_pend++;
}

static int drop_oldest(struct redo_cbt_store *st)
{
	struct redo_cbt_super sb;
	int r = -ENOSPC;

	mutex_lock(&st->mutex);
	if (st->nr_rec > 1) {
		sb = st->sb;
		DMWARN("%pg: no space: change ids up to %llu are forgotten", st->bdev,
		       st->rec[0].r.number);
		redo_cbt_rec_drop_oldest(st, &sb);
		r = redo_cbt_switch(st, &sb, true);
	}
	mutex_unlock(&st->mutex);
	return r ?: redo_cbt_space_know(st);
}

u64 redo_cbt_oldest(struct redo_cbt_store *st)
{
	u64 number;

	mutex_lock(&st->mutex);
	number = st->nr_rec ? st->rec[0].r.number : 0;
	mutex_unlock(&st->mutex);
	return number;
}

bool redo_cbt_space_has(struct redo_cbt_store *st, u64 blocks)
{
	lockdep_assert_held(&st->fold_mutex);
	if (st->nr_free < blocks)
		reclaim(st);
	return st->nr_free >= blocks;
}

int redo_cbt_space_give(struct redo_cbt_store *st)
{
	int r;

	lockdep_assert_held(&st->fold_mutex);
	if (redo_cbt_over(st))
		return -EUCLEAN;
	r = redo_cbt_join(st, redo_cbt_oldest(st), true);
	if (r == -EAGAIN || r == -ENOSPC || r == -EUCLEAN || r == -EIO)
		r = drop_oldest(st);
	return r ?: redo_cbt_space_know(st);
}
