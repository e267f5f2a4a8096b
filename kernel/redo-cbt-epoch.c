// SPDX-License-Identifier: GPL-2.0
/*
 * Epochs: the table's records, and what begins, ends, joins and forgets them.
 *
 * Records are kept by number, each at a place in the table that it never leaves, so that
 * what changes about one costs one table block. They follow one another without a gap;
 * the last one is the current epoch. When one begins, the blocks of the record that ends
 * and of the new one are written to their other places, then the directory, and the
 * superblock switches to all of it: no space is looked for, no bitmap is touched.
 */
#include <linux/ktime.h>
#include "redo-cbt-priv.h"

/* Records; mutex held ------------------------------------------------------- */

struct redo_cbt_rec *redo_cbt_rec_find(struct redo_cbt_store *st, u64 id)
{
	u32 lo = 0, hi = st->nr_rec;

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (st->rec[mid].r.number < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < st->nr_rec && st->rec[lo].r.first <= id ? &st->rec[lo] : NULL;
}

static void touch_slot(struct redo_cbt_store *st, u32 slot)
{
	__set_bit(slot / REDO_CBT_RECORDS_PER_BLOCK, st->table_dirty);
}

void redo_cbt_rec_touch(struct redo_cbt_store *st, const struct redo_cbt_rec *rec)
{
	touch_slot(st, rec->slot);
}

void redo_cbt_rec_remove(struct redo_cbt_store *st, struct redo_cbt_rec *rec)
{
	u32 i = rec - st->rec;

	touch_slot(st, rec->slot);
	__clear_bit(rec->slot, st->slots);
	st->nr_rec--;
	memmove(rec, rec + 1, (st->nr_rec - i) * sizeof(*rec));
}

struct redo_cbt_rec *redo_cbt_rec_add(struct redo_cbt_store *st)
{
	struct redo_cbt_rec *rec = &st->rec[st->nr_rec++];

	memset(rec, 0, sizeof(*rec));
	rec->slot = find_first_zero_bit(st->slots, REDO_CBT_RECORDS_MAX);
	__set_bit(rec->slot, st->slots);
	touch_slot(st, rec->slot);
	return rec;
}

void redo_cbt_rec_drop_oldest(struct redo_cbt_store *st, struct redo_cbt_super *sb)
{
	sb->first_epoch = max(sb->first_epoch, st->rec[0].r.number + 1);
	redo_cbt_rec_remove(st, &st->rec[0]);
	/* What it held is free, when the superblock says so. */
	WRITE_ONCE(st->walk, true);
}

/* Beginning ---------------------------------------------------------------- */

/* The epoch that ends. */
static void end_record(struct redo_cbt_store *st, const struct redo_cbt_begin *begin,
		       struct redo_cbt_super *sb)
{
	struct redo_cbt_rec *rec;

	if (!st->nr_rec)
		return;
	rec = &st->rec[st->nr_rec - 1];
	if (rec->r.flags & REDO_CBT_REC_IMPLIED)
		rec->r.flags |= redo_unless(cbt_unsettled_lost, REDO_CBT_REC_UNSETTLED);
	rec->r.back_to = min(begin->back_to, rec->r.number);
	redo_cbt_rec_touch(st, rec);
	if (!begin->forget)
		return;
	sb->first_epoch = sb->epoch + 1;
	while (st->nr_rec)
		redo_cbt_rec_drop_oldest(st, sb);
}

static void begin_record(struct redo_cbt_store *st, const struct redo_cbt_begin *begin,
			 struct redo_cbt_super *sb)
{
	struct redo_cbt_rec *rec;

	if (st->nr_rec == REDO_CBT_RECORDS_MAX)
		redo_cbt_rec_drop_oldest(st, sb);
	rec = redo_cbt_rec_add(st);
	sb->epoch++;
	rec->r.number = sb->epoch;
	rec->r.first = sb->epoch;
	rec->r.soft = sb->epoch;
	rec->r.begin_time = ktime_get_real_seconds();
	rec->r.kind = begin->kind;
	rec->r.root.kind = REDO_PTR_HOLE;
	if (begin->label && redo_cbt_label_valid(begin->label))
		strscpy(rec->r.label, begin->label, sizeof(rec->r.label));
	if (begin->implied) {
		rec->r.flags = REDO_CBT_REC_IMPLIED;
		memcpy(rec->r.delta_uuid, begin->delta_uuid, REDO_UUID_SIZE);
	}
	if (begin->base)
		sb->base_epoch = sb->epoch;
}

static void begin_link(const struct redo_cbt_begin *begin, struct redo_cbt_super *sb)
{
	if (begin->set_link) {
		memcpy(sb->link_uuid, begin->alt_uuid, REDO_UUID_SIZE);
		sb->link_generation = 0;
		memset(sb->alt_uuid, 0, REDO_UUID_SIZE);
		sb->flags &= ~REDO_CBT_ALT;
	} else if (begin->set_alt) {
		memcpy(sb->alt_uuid, begin->alt_uuid, REDO_UUID_SIZE);
		sb->flags |= REDO_CBT_ALT;
	}
}

/* A map for the epoch to come. mutex held. */
static struct redo_cbt_map *take_spare(struct redo_cbt_store *st)
{
	struct redo_cbt_map *map = NULL;

	swap(st->spare, map);
	if (map && map->nr_bits == st->c.nr_bits)
		return map;
	redo_cbt_map_put(map);
	return redo_cbt_map_new(0, st->c.nr_bits);
}

static bool begin_ok(struct redo_cbt_store *st, const struct redo_cbt_begin *begin)
{
	static const u8 nil[REDO_UUID_SIZE];

	return begin->kind >= REDO_CBT_ENABLE && begin->kind < REDO_CBT_KIND_NR &&
	       (!begin->implied || memcmp(begin->delta_uuid, nil, REDO_UUID_SIZE)) &&
	       st->sb.epoch < REDO_NUMBER_MAX;
}

/* mutex and jmutex held: no batch is under way, and none can begin with the old epoch. */
static int begin_epoch(struct redo_cbt_store *st, const struct redo_cbt_begin *begin,
		       struct redo_cbt_map *map)
{
	struct redo_cbt_super sb = st->sb;
	int r;

	end_record(st, begin, &sb);
	begin_record(st, begin, &sb);
	begin_link(begin, &sb);
	r = redo_cbt_switch(st, &sb, true);
	if (r)
		return r;
	map->number = sb.epoch;
	list_add_tail(&map->list, &st->maps);
	st->cur = map;
	rcu_assign_pointer(st->c.map, map);
	spin_lock_irq(&st->lock);
	st->implied = begin->implied;
	memset(st->implied_uuid, 0, REDO_UUID_SIZE);
	if (begin->implied)
		memcpy(st->implied_uuid, begin->delta_uuid, REDO_UUID_SIZE);
	__redo_cbt_set_mode(st);
	spin_unlock_irq(&st->lock);
	return 0;
}

int redo_cbt_next_epoch(struct redo_cbt *cbt, const struct redo_cbt_begin *begin, u64 *number)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	struct redo_cbt_map *map;
	int r = 0;

	mutex_lock(&st->mutex);
	if (redo_cbt_over(st) || !st->started)
		r = -EUCLEAN;
	else if (!begin_ok(st, begin))
		r = -EINVAL;
	map = r ? NULL : take_spare(st);
	if (!r && !map)
		r = -ENOMEM;
	if (!r) {
		mutex_lock(&st->jmutex);
		r = begin_epoch(st, begin, map);
		mutex_unlock(&st->jmutex);
	}
	if (r)
		redo_cbt_map_put(map);
	else
		*number = st->sb.epoch;
	mutex_unlock(&st->mutex);
	return r;
}

/* Link, alt, base ----------------------------------------------------------- */

static int switch_to(struct redo_cbt_store *st, struct redo_cbt_super *sb, bool table)
{
	lockdep_assert_held(&st->mutex);
	return redo_cbt_over(st) || !st->started ? -EUCLEAN : redo_cbt_switch(st, sb, table);
}

int redo_cbt_set_link(struct redo_cbt *cbt, const u8 *uuid, u64 generation)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	struct redo_cbt_super sb;
	int r;

	mutex_lock(&st->mutex);
	sb = st->sb;
	memcpy(sb.link_uuid, uuid, REDO_UUID_SIZE);
	sb.link_generation = generation;
	memset(sb.alt_uuid, 0, REDO_UUID_SIZE);
	sb.flags &= ~REDO_CBT_ALT;
	r = switch_to(st, &sb, false);
	mutex_unlock(&st->mutex);
	return r;
}

int redo_cbt_set_alt(struct redo_cbt *cbt, const u8 *uuid)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	struct redo_cbt_super sb;
	int r;

	mutex_lock(&st->mutex);
	sb = st->sb;
	memset(sb.alt_uuid, 0, REDO_UUID_SIZE);
	sb.flags &= ~REDO_CBT_ALT;
	if (uuid) {
		memcpy(sb.alt_uuid, uuid, REDO_UUID_SIZE);
		sb.flags |= REDO_CBT_ALT;
	}
	r = switch_to(st, &sb, false);
	mutex_unlock(&st->mutex);
	return r;
}

int redo_cbt_set_base_epoch(struct redo_cbt *cbt, u64 epoch)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	struct redo_cbt_super sb;
	int r = -EINVAL;

	mutex_lock(&st->mutex);
	sb = st->sb;
	sb.base_epoch = epoch;
	if (epoch <= sb.epoch)
		r = switch_to(st, &sb, false);
	mutex_unlock(&st->mutex);
	return r;
}

/* Forgetting ---------------------------------------------------------------- */

int redo_cbt_forget(struct redo_cbt *cbt, u64 upto)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	struct redo_cbt_super sb;
	bool table = false;
	int r = 0;

	mutex_lock(&st->mutex);
	sb = st->sb;
	if (redo_cbt_over(st))
		r = -EUCLEAN;
	else if (upto >= sb.epoch)
		r = -EINVAL;
	else if (upto >= sb.first_epoch) {
		for (; st->rec[0].r.number <= upto; table = true)
			redo_cbt_rec_drop_oldest(st, &sb);
		sb.first_epoch = max(sb.first_epoch, upto + 1);
		r = switch_to(st, &sb, table);
	}
	mutex_unlock(&st->mutex);
	return r;
}

/* How a record that has @id in it is to be treated. */
enum drop {
	DROP_NOTHING,
	DROP_OLDEST,
	DROP_JOIN,	/* with the one before it: *number */
	DROP_SOFT,	/* the last of those that answer for all of it */
};

static int what_to_drop(struct redo_cbt_store *st, u64 id, enum drop *what, u64 *number)
{
	struct redo_cbt_rec *rec;

	if (!id || id > st->sb.epoch)
		return -ENOENT;
	if (id < st->sb.first_epoch)
		return -ESTALE;
	rec = redo_cbt_rec_find(st, id);
	if (!rec || id > max(rec->r.soft, rec->r.first))
		return -ESTALE;
	if (id == st->sb.epoch)
		return -EBUSY;
	*what = DROP_NOTHING;
	if (id == rec->r.first && rec == st->rec) {
		*what = DROP_OLDEST;
	} else if (id == rec->r.first) {
		*what = DROP_JOIN;
		*number = rec[-1].r.number;
	} else if (id == rec->r.soft) {
		*what = DROP_SOFT;
	}
	return 0;
}

static int drop_now(struct redo_cbt_store *st, u64 id, enum drop what)
{
	struct redo_cbt_super sb = st->sb;
	struct redo_cbt_rec *rec;

	lockdep_assert_held(&st->mutex);
	if (what == DROP_OLDEST) {
		redo_cbt_rec_drop_oldest(st, &sb);
	} else {
		rec = redo_cbt_rec_find(st, id);
		if (--rec->r.soft == rec->r.first)
			rec->r.flags &= ~REDO_CBT_REC_JOINED;
		redo_cbt_rec_touch(st, rec);
	}
	return switch_to(st, &sb, true);
}

int redo_cbt_drop(struct redo_cbt *cbt, u64 id)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	enum drop what = DROP_NOTHING;
	u64 number = 0;
	int r;

	mutex_lock(&st->fold_mutex);
	mutex_lock(&st->mutex);
	r = redo_cbt_over(st) ? -EUCLEAN : what_to_drop(st, id, &what, &number);
	if (!r && (what == DROP_OLDEST || what == DROP_SOFT))
		r = drop_now(st, id, what);
	mutex_unlock(&st->mutex);
	if (!r && what == DROP_JOIN) {
		r = redo_cbt_join(st, number, false);
		if (r == -EAGAIN) {
			/* One of them may still have pages to be written. */
			r = redo_cbt_fold(st, false) ?: redo_cbt_join(st, number, false);
		}
	}
	mutex_unlock(&st->fold_mutex);
	if (!r)
		redo_cbt_fold_kick(st);
	return r;
}

/* Looking ------------------------------------------------------------------- */

int redo_cbt_list(struct redo_cbt *cbt, u64 from, redo_cbt_item_fn item, void *ctx)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	u32 i;
	int r = 0;

	mutex_lock(&st->mutex);
	if (redo_cbt_over(st))
		r = -EUCLEAN;
	for (i = 0; !r && i < st->nr_rec; i++)
		if (st->rec[i].r.number >= from && item(ctx, &st->rec[i].r))
			break;
	mutex_unlock(&st->mutex);
	return r;
}

void redo_cbt_info(struct redo_cbt *cbt, struct redo_cbt_info *info)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	const struct redo_cbt_super *sb = &st->sb;
	unsigned long flags;

	memset(info, 0, sizeof(*info));
	spin_lock_irqsave(&st->lock, flags);
	info->reason = st->reason;
	info->state = st->reason ? REDO_CBT_ST_BROKEN :
		      st->nr_rebuild ? REDO_CBT_ST_REBUILDING : REDO_CBT_ST_OK;
	info->clean = st->was_clean;
	info->implied = st->implied;
	info->has_alt = sb->flags & REDO_CBT_ALT;
	memcpy(info->uuid, sb->uuid, REDO_UUID_SIZE);
	info->generation = sb->generation;
	info->epoch = sb->epoch;
	info->first_epoch = sb->first_epoch;
	info->base_epoch = sb->base_epoch;
	info->block_sectors = sb->block_sectors;
	info->virtual_sectors = sb->virtual_sectors;
	info->used = st->nr_used;
	info->total = st->nr_total;
	memcpy(info->link_uuid, sb->link_uuid, REDO_UUID_SIZE);
	info->link_generation = sb->link_generation;
	memcpy(info->alt_uuid, sb->alt_uuid, REDO_UUID_SIZE);
	memcpy(info->delta_uuid, st->implied_uuid, REDO_UUID_SIZE);
	spin_unlock_irqrestore(&st->lock, flags);
}

u64 redo_cbt_generation(struct redo_cbt *cbt)
{
	return READ_ONCE(redo_cbt_store(cbt)->sb.generation);
}
