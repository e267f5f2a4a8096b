// SPDX-License-Identifier: GPL-2.0
/*
 * Marks that no held bio waits for: ranges that change otherwise, a device that has grown,
 * and what an epoch is rebuilt with.
 */
#include "redo-cbt-priv.h"

static bool needs_fold(int r)
{
	return r == -EAGAIN || r == -ENOSPC;
}

static void unstick(struct redo_cbt_store *st)
{
	mutex_lock(&st->jmutex);
	st->stuck = false;
	mutex_unlock(&st->jmutex);
}

/*
 * The end of the part of a long range that is marked at once: its pages have to be in memory
 * together, and so many are, whatever the budget.
 */
static u64 piece_end(u64 first, u64 last)
{
	u64 page = first / REDO_CBT_PAGE_BITS + max(1U, redo_cbt_pages_over / 2);

	return min(last, page * REDO_CBT_PAGE_BITS - 1);
}

static int mark_piece(struct redo_cbt_store *st, u64 first, u64 last)
{
	int r;

	lockdep_assert_held(&st->fold_mutex);
	for (;;) {
		mutex_lock(&st->jmutex);
		r = st->cur ? redo_cbt_journal_range(st, st->cur, first, last) : 0;
		mutex_unlock(&st->jmutex);
		if (!needs_fold(r))
			break;
		r = redo_cbt_fold(st, false);
		if (r)
			break;
		unstick(st);
	}
	return r;
}

/* Durably, in the current epoch's. fold_mutex held. */
static int __mark(struct redo_cbt_store *st, u64 first, u64 last)
{
	u64 end;
	int r = 0;

	for (; !r && first <= last; first = end + 1) {
		end = piece_end(first, last);
		r = mark_piece(st, first, end);
	}
	if (r)
		redo_cbt_break(&st->c, redo_cbt_reason_of(r));
	return r;
}

int redo_cbt_mark_range(struct redo_cbt *cbt, sector_t start, sector_t end)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	u64 last;
	int r = 0;

	mutex_lock(&st->fold_mutex);
	last = min((u64)(end - 1) >> cbt->shift, cbt->nr_bits - 1);
	if (redo_cbt_over(st) || !st->started)
		r = -EUCLEAN;
	else if (start < end && start >> cbt->shift <= last)
		r = __mark(st, start >> cbt->shift, last);
	mutex_unlock(&st->fold_mutex);
	return r;
}

/* Growth -------------------------------------------------------------------- */

/* All that is in @from goes to @to. Nobody reads: writes are closed, readers are out. */
static void move_map(struct redo_cbt_store *st, struct redo_cbt_map *from,
		     struct redo_cbt_map *to)
{
	struct redo_cbt_page *page;
	u32 i;

	lockdep_assert_held(&st->jmutex);
	for (i = 0; i < from->nr_pages; i++) {
		page = rcu_dereference_protected(from->page[i], true);
		if (page && !redo_cbt_is_ones(page))
			page->map = to;
		RCU_INIT_POINTER(from->page[i], NULL);
		rcu_assign_pointer(to->page[i], page);
	}
	bitmap_copy(to->dirty, from->dirty, from->nr_pages);
	memcpy(to->dir, from->dir, sizeof(to->dir));
	memset(from->dir, 0, sizeof(from->dir));
	swap(to->root, from->root);
	to->number = from->number;
	to->rebuild = from->rebuild;
	list_replace_init(&from->list, &to->list);
}

static int enlarge_current(struct redo_cbt_store *st, u64 nr_bits)
{
	struct redo_cbt_map *map = NULL, *old;

	if (st->cur) {
		map = redo_cbt_map_new(0, nr_bits);
		if (!map)
			return -ENOMEM;
	}
	down_write(&st->readers);
	mutex_lock(&st->mutex);
	mutex_lock(&st->jmutex);
	old = st->cur;
	if (old) {
		move_map(st, old, map);
		st->cur = map;
		rcu_assign_pointer(st->c.map, map);
	}
	spin_lock_irq(&st->lock);
	st->c.nr_bits = nr_bits;
	spin_unlock_irq(&st->lock);
	mutex_unlock(&st->jmutex);
	mutex_unlock(&st->mutex);
	up_write(&st->readers);
	if (old) {
		synchronize_rcu();
		redo_cbt_map_put(old);
	}
	return 0;
}

static int set_size(struct redo_cbt_store *st, u64 virtual_sectors)
{
	struct redo_cbt_super sb;
	int r;

	mutex_lock(&st->mutex);
	sb = st->sb;
	sb.virtual_sectors = virtual_sectors;
	r = redo_cbt_switch(st, &sb, false);
	mutex_unlock(&st->mutex);
	return r;
}

/* Marked first: a size that is too small in the store is noticed, a mark that is missing is not. */
static int resize(struct redo_cbt_store *st, u64 was, u64 now)
{
	u64 nr_bits = redo_cbt_nr_bits(now, st->sb.block_sectors);
	int r = 0;

	if (nr_bits > st->c.nr_bits)
		r = enlarge_current(st, nr_bits);
	if (!r && now > was)
		r = __mark(st, was >> st->c.shift, nr_bits - 1);
	return r ?: set_size(st, now);
}

int redo_cbt_resize(struct redo_cbt *cbt, u64 virtual_sectors)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	u64 was;
	int r = 0;

	mutex_lock(&st->fold_mutex);
	was = st->sb.virtual_sectors;
	if (redo_cbt_over(st) || !st->started)
		r = -EUCLEAN;
	else if (!virtual_sectors || virtual_sectors > REDO_ADDR_MASK ||
		 redo_cbt_nr_bits(virtual_sectors, st->sb.block_sectors) > REDO_CBT_BITS_MAX)
		r = -EFBIG;
	else if (virtual_sectors != was)
		r = resize(st, was, virtual_sectors);
	mutex_unlock(&st->fold_mutex);
	return r;
}

/* Rebuilding ---------------------------------------------------------------- */

int redo_cbt_unsettled(struct redo_cbt *cbt, struct redo_cbt_unsettled *list, int max)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	struct redo_cbt_map *map;
	struct redo_cbt_rec *rec;
	int n = 0;

	mutex_lock(&st->mutex);
	mutex_lock(&st->jmutex);
	list_for_each_entry(map, &st->maps, list) {
		rec = map->rebuild ? redo_cbt_rec_find(st, map->number) : NULL;
		if (!rec || n == max || redo_cbt_over(st))
			continue;
		list[n].epoch = map->number;
		memcpy(list[n++].delta_uuid, rec->r.delta_uuid, REDO_UUID_SIZE);
	}
	mutex_unlock(&st->jmutex);
	mutex_unlock(&st->mutex);
	return n;
}

/* jmutex held. In memory only: its delta's map still says so, should we crash. */
static int rebuild_mark(struct redo_cbt_store *st, u64 epoch, u64 first, u64 last)
{
	struct redo_cbt_map *map = redo_cbt_map_find(st, epoch);
	int r;

	if (!map || !map->rebuild)
		return -ENOENT;
	if (first >= map->nr_bits)
		return 0;
	last = min(last, map->nr_bits - 1);
	st->batch++;
	r = redo_cbt_need(st, map, first, last);
	if (!r)
		redo_cbt_set(st, map, first, last);
	return r;
}

static int rebuild_piece(struct redo_cbt *cbt, u64 epoch, u64 first, u64 last)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	int r;

	for (;;) {
		if (redo_cbt_over(st))
			return -EUCLEAN;
		mutex_lock(&st->jmutex);
		r = rebuild_mark(st, epoch, first, last);
		mutex_unlock(&st->jmutex);
		if (!needs_fold(r))
			break;
		r = redo_cbt_settle(cbt, false);
		if (r && r != -EAGAIN)
			break;
	}
	return r;
}

int redo_cbt_rebuild_mark(struct redo_cbt *cbt, u64 epoch, sector_t start, sector_t end)
{
	u64 first = start >> cbt->shift, last = (end - 1) >> cbt->shift, to;
	int r = 0;

	if (start >= end)
		return 0;
	for (; !r && first <= last; first = to + 1) {
		to = piece_end(first, last);
		r = rebuild_piece(cbt, epoch, first, to);
	}
	if (r && r != -ENOENT)
		redo_cbt_break(cbt, redo_cbt_reason_of(r));
	return r;
}

int redo_cbt_rebuild_done(struct redo_cbt *cbt, u64 epoch)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	struct redo_cbt_map *map;
	unsigned long flags;
	int r = -ENOENT;

	mutex_lock(&st->jmutex);
	map = redo_cbt_map_find(st, epoch);
	if (map && map->rebuild) {
		spin_lock_irqsave(&st->lock, flags);
		WRITE_ONCE(map->rebuild, false);
		st->nr_rebuild--;
		spin_unlock_irqrestore(&st->lock, flags);
		r = 0;
	}
	mutex_unlock(&st->jmutex);
	if (!r)
		redo_cbt_fold_kick(st);
	return r;
}
