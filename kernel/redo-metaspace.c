// SPDX-License-Identifier: GPL-2.0
/* Blocks for metadata, and the reserve that sees to it that there are some. */
#include "redo-tree.h"
#include "redo-units.h"

#define DM_MSG_PREFIX "redo"

#define REDO_META_SLACK		64

/* Metadata blocks --------------------------------------------------------- */

/* The record of the unit in which that metadata block is in use. ERR_PTR. */
static struct redo_disk_unit *redo_meta_to_free(struct redo_delta *d, u64 blocknr)
{
	struct redo_disk_unit *du;

	if (!redo_space_meta_ok(d, blocknr))
		goto bad;
	du = redo_unit_follow(d, blocknr / REDO_UNIT_BLOCKS);
	if (IS_ERR_OR_NULL(du))
		return du;
	if (le32_to_cpu(du->type) == REDO_UNIT_META &&
	    redo_disk_count(du, blocknr % REDO_UNIT_BLOCKS, 1))
		return du;
bad:
	DMERR("%s: block %llu: freed, but not a metadata block in use", d->name, blocknr);
	return ERR_PTR(-EUCLEAN);
}

int redo_space_meta_may_free(struct redo_delta *d, u64 blocknr)
{
	return PTR_ERR_OR_ZERO(redo_meta_to_free(d, blocknr));
}

int redo_space_meta_free(struct redo_delta *d, u64 blocknr)
{
	u64 nr = blocknr / REDO_UNIT_BLOCKS;
	u32 slot = blocknr % REDO_UNIT_BLOCKS;
	struct redo_disk_unit *du;
	struct redo_unit *u;

	du = redo_meta_to_free(d, blocknr);
	if (IS_ERR_OR_NULL(du))
		return PTR_ERR_OR_ZERO(du);
	u = redo_unit_get(d, nr);
	if (!u || redo_unit_need_bits(d, u))
		return -ENOMEM;
	u->fresh = true;
	__set_bit(slot, u->bits->out);
	redo_disk_set(du, slot, 1, false);
	le32_add_cpu(&du->used, -1);
	WRITE_ONCE(d->meta_used, d->meta_used - 1);
	d->meta_quar++;
	redo_sum_note(d, nr, du);
	return 0;
}

/* A clear block of unit @nr at or after @from; 0: none. */
static u32 redo_meta_find(struct redo_delta *d, u64 nr, const struct redo_disk_unit *du, u32 from)
{
	const __le64 *map = (const __le64 *)du->bitmap;
	struct redo_unit *u = xa_load(&d->units, nr);
	u32 w;

	for (w = from / 64; w < REDO_UNIT_WORDS; w++) {
		u64 used = le64_to_cpu(map[w]);

		if (u && u->bits && !redo_mutant(node_reused_early))
			used |= u->bits->out[w];
		if (w == from / 64 && from % 64)
			used |= redo_mask(0, from % 64);
		if (~used)
			return w * 64 + __ffs64(~used);
	}
	return 0;
}

/*
 * A block of unit @nr; 0: none is free. The leaf is made dirty only when there
 * is one.
 */
static int redo_meta_take(struct redo_delta *d, u64 nr, u32 from, u32 *slot)
{
	struct redo_disk_unit *du;

	du = redo_unit_dirty(d, nr);
	if (IS_ERR(du))
		return PTR_ERR(du);
	*slot = 0;
	if (le32_to_cpu(du->type) != REDO_UNIT_META)
		return 0;
	*slot = redo_meta_find(d, nr, du, redo_unless(node_reused_early, from));
	if (!*slot && from)
		*slot = redo_meta_find(d, nr, du, 0);
	if (!*slot)
		return 0;
	redo_disk_set(du, *slot, 1, true);
	le32_add_cpu(&du->used, 1);
	WRITE_ONCE(d->meta_used, d->meta_used + 1);
	redo_sum_note(d, nr, du);
	return 0;
}

/* Metadata blocks of @nr that are clear and not held back. */
static u32 redo_meta_room(struct redo_delta *d, u64 nr, u16 s)
{
	struct redo_unit *u = xa_load(&d->units, nr);
	u32 n = REDO_UNIT_BLOCKS - SUM_USED(s);

	if (u && u->bits)
		n -= min_t(u32, n, bitmap_weight(u->bits->out, REDO_UNIT_BLOCKS));
	return n;
}

enum redo_pick {
	REDO_PICK_META_ROOM,	/* metadata unit with a clear block */
	REDO_PICK_EMPTY,	/* unit that may become metadata */
};

static bool redo_meta_fits(struct redo_delta *d, u64 nr, enum redo_pick how)
{
	u16 s = redo_sum_get(d, nr);

	if (!(s & SUM_KNOWN))
		return false;
	if (how == REDO_PICK_META_ROOM)
		return SUM_TYPE(s) == REDO_UNIT_META && redo_meta_room(d, nr, s);
	return nr && SUM_TYPE(s) != REDO_UNIT_META && SUM_USED(s) <= 1 && redo_unit_unused(d, nr);
}

static u64 redo_meta_search(struct redo_delta *d, enum redo_pick how)
{
	u64 nr;

	for (nr = 0; nr < d->nr_units; nr++)
		if (redo_meta_fits(d, nr, how))
			return nr;
	return d->nr_units;
}

/* Make unit @nr one of metadata; it may be the one after the last. */
static int redo_meta_convert(struct redo_delta *d, u64 nr)
{
	struct redo_disk_unit *du;
	int r;

	r = redo_unit_write_header(d, nr, REDO_UNIT_META);
	if (r)
		return r;
	du = redo_unit_dirty(d, nr);
	if (IS_ERR(du))
		return PTR_ERR(du);
	redo_unit_reset(du, REDO_UNIT_META);
	if (nr >= d->nr_units)
		WRITE_ONCE(d->nr_units, nr + 1);
	redo_sum_note(d, nr, du);
	return 0;
}

/* Find the next unit for metadata blocks, the cheapest way first. */
static int redo_meta_next_unit(struct redo_delta *d)
{
	u64 nr, scan;
	int r;

	for (scan = REDO_SCAN_LEAVES; ; scan = REDO_SCAN_ALL) {
		redo_space_scan(d, scan);
		nr = redo_meta_search(d, REDO_PICK_META_ROOM);
		if (nr < d->nr_units)
			goto found;
		redo_units_keep_nothing(d);
		nr = redo_meta_search(d, REDO_PICK_EMPTY);
		if (nr == d->nr_units && nr >= redo_io_units(d->bdev)) {
			if (!redo_space_scanned(d))
				continue;
			DMERR("%s: no room for metadata", d->name);
			return -ENOSPC;
		}
		break;
	}
	r = redo_meta_convert(d, nr);
	if (r)
		return r;
found:
	/* Emptied, it may have got the header of a data unit, and no data after all. */
	if (SUM_USED(redo_sum_get(d, nr)) <= 1) {
		r = redo_unit_write_header(d, nr, REDO_UNIT_META);
		if (r)
			return r;
	}
	d->meta_unit = nr;
	d->meta_next = 1;
	return 0;
}

int redo_space_meta_alloc(struct redo_delta *d, u64 *blocknr)
{
	u32 slot;
	int r;

	for (;;) {
		r = redo_meta_take(d, d->meta_unit, d->meta_next, &slot);
		if (r)
			return r;
		if (slot)
			break;
		r = redo_meta_next_unit(d);
		if (r)
			return r;
	}
	d->meta_next = slot + 1 < REDO_UNIT_BLOCKS ? slot + 1 : 0;
	*blocknr = d->meta_unit * REDO_UNIT_BLOCKS + slot;
	/* Its former life may still be in the cache; see redo-tree.c. */
	dm_bufio_forget(d->bufio, *blocknr);
	return 0;
}

/* The reserve: metadata must always have room to follow the data ----------- */

/*
 * Metadata blocks that may have to be found before anything of theirs comes
 * free, if @n more grains (or leaves) are handed out: those of dirty nodes that
 * have none, of new leaves and the directories above them, of new allocation
 * leaves, and one checkpoint's worth of rewriting, since a node's old block is
 * released only after the switch.
 */
static u64 redo_meta_need(struct redo_delta *d, u64 units, u64 n)
{
	u64 leaves = min(d->nr_leaves_max - min(d->nr_leaves, d->nr_leaves_max), n);
	u64 fresh = d->n_new + leaves, width = d->nr_leaves_max, alloc;
	u32 l;

	for (l = 0; l < d->map.height; l++) {
		width = DIV_ROUND_UP(width, REDO_FANOUT);
		fresh += min(leaves, width);
	}
	alloc = (units - min(units, d->sb.nr_units)) / REDO_UNITS_PER_LEAF;
	fresh += alloc + alloc / REDO_FANOUT + 4;
	return fresh + REDO_META_SLACK +
	       min_t(u64, d->meta_used + fresh,
		     REDO_DIRTY_CAP + 2 * REDO_COMMIT_BLOCKS * REDO_RECORDS_PER_BLOCK);
}

/* Blocks that metadata can still get, if data takes @taken more empty units. */
static u64 redo_meta_avail(struct redo_delta *d, u64 units, u64 taken)
{
	u64 n_units = units - min(units, d->nr_units) + d->n_free, avail;

	avail = d->meta_free - min(d->meta_free, d->meta_quar) +
		n_units * (REDO_UNIT_BLOCKS - 1);
	return avail - min(avail, taken * (REDO_UNIT_BLOCKS - 1));
}

/* The largest number up to @max of grains or leaves for which there is room. */
u64 redo_meta_room_for(struct redo_delta *d, u64 units, u64 taken, u64 max)
{
	u64 avail = redo_meta_avail(d, units, taken), low = 0, high = max + 1;

	if (redo_meta_need(d, units, 0) > avail)
		return 0;
	while (high - low > 1) {
		u64 mid = low + (high - low) / 2;

		if (redo_meta_need(d, units, mid) <= avail)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* Set the credit anew; returns it. */
u64 redo_credit_update(struct redo_delta *d, u64 extra)
{
	u64 units = redo_io_units(d->bdev), max, room, held, credit;
	unsigned long flags;

	redo_units_pass_bad(d);
	spin_lock_irqsave(&d->alloc_lock, flags);
	max = d->out_grains + d->reserved;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	max += 4ULL * d->gpu + extra;
	room = redo_meta_room_for(d, units, 0, max);
	spin_lock_irqsave(&d->alloc_lock, flags);
	held = d->out_grains + d->reserved;
	credit = d->credit = room - min(room, held);
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return credit;
}

static bool redo_reserve_try(struct redo_delta *d, u32 leaves)
{
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&d->alloc_lock, flags);
	ok = d->credit >= leaves;
	if (ok) {
		d->credit -= leaves;
		d->reserved += leaves;
	}
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return ok;
}

int redo_delta_reserve(struct redo_delta *d, u32 leaves)
{
	int r = 0;

	if (redo_reserve_try(d, leaves))
		return 0;
	mutex_lock(&d->mutex);
	if (d->failed || !d->active) {
		r = -EIO;
		goto out;
	}
	redo_credit_update(d, leaves);
	if (redo_reserve_try(d, leaves))
		goto out;
	redo_space_scan(d, REDO_SCAN_ALL);
	redo_credit_update(d, leaves);
	if (!redo_reserve_try(d, leaves))
		r = -ENOSPC;
out:
	mutex_unlock(&d->mutex);
	return r;
}

void redo_delta_unreserve(struct redo_delta *d, u32 leaves)
{
	unsigned long flags;

	spin_lock_irqsave(&d->alloc_lock, flags);
	if (!WARN_ON_ONCE(d->reserved < leaves))
		d->reserved -= leaves;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
}
