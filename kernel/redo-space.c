// SPDX-License-Identifier: GPL-2.0
/*
 * Space: units, data grains, metadata blocks, quarantine, reserve.
 *
 * A grain that loses its mapping is clear in the allocation leaf at once (that is
 * what the next checkpoint writes), but it must not be handed out again before
 *   - the checkpoint that no longer maps it is durable: until then a crash
 *     brings the old mapping back;
 *   - no I/O that looked it up before is in flight: the owner's in-flight cookie,
 *     taken after that checkpoint, has passed;
 *   - its passed-down discard has completed.
 * The smallest thing that waits is the unit: data grains come from a private
 * copy of a unit's bitmap (struct redo_unit_bits.work), made when the unit is
 * picked, and a unit with something fresh, waiting or being discarded is not
 * picked. Frees in a unit that is being handed out do not touch its copy.
 *
 * Metadata blocks are freed by the checkpoint that writes their successors (or
 * by the change that drops their leaf) and may be handed out only after that
 * checkpoint's superblock: until then they are set in redo_unit_bits.out.
 *
 * A unit is taken by writing its header and counting it in nr_units. Neither is
 * flushed here. For data, the PREFLUSH of the first commit that names a grain in
 * it makes the header durable before the record; replay finds the unit through
 * the record and checks the header. For metadata, the PREFLUSH of the superblock
 * that names it does. After a crash in between the unit is simply not taken, and
 * gets its header again when it is.
 *
 * An empty unit may change its type. It is picked only when its quarantine is
 * over, so that no superblock in force and no record of the journal refers into
 * it; then its header is rewritten. Should we crash before the allocation tree
 * says so as well, the tree still calls it empty and the same rule holds.
 */
#include <linux/delay.h>
#include "redo-units.h"

#define REDO_SEARCH_UNITS	4096	/* looked at before a new unit is taken */
#define REDO_CREDIT_MIN		16	/* fewer are not worth a unit */
#define REDO_FILL_UNITS		4	/* picked at a time: two are enough, if as good as they look */
#define REDO_FILL_WAITS		3	/* times 1 to 2 ms: for I/O in flight to drain */

/* Picking a unit for data -------------------------------------------------- */

/* Most data units that the delta may have: never more data than the base. */
static u64 redo_data_units_max(const struct redo_delta *d)
{
	return DIV_ROUND_UP(d->nr_grains, d->gpu - 1) + 2;
}

/* Does metadata keep its room when data takes one more whole unit? */
static bool redo_data_unit_fits(struct redo_delta *d)
{
	u64 held;
	unsigned long flags;

	spin_lock_irqsave(&d->alloc_lock, flags);
	held = d->out_grains + d->reserved;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return redo_meta_room_for(d, redo_io_units(d->bdev), 1, held + REDO_CREDIT_MIN) >=
	       held + REDO_CREDIT_MIN;
}

/* Free grains of unit @nr if it can be picked; 0 if not. */
static u32 redo_data_room(struct redo_delta *d, u64 nr)
{
	u16 s = redo_sum_get(d, nr);
	struct redo_unit *u;
	u32 used = SUM_USED(s);

	if (!(s & SUM_KNOWN))
		return 0;
	if (SUM_TYPE(s) != REDO_UNIT_DATA) {
		/* One that metadata could use as well. */
		if (used > 1 || !nr || nr == d->meta_unit)
			return 0;
		return redo_unit_unused(d, nr) && redo_data_unit_fits(d) ? d->gpu - 1 : 0;
	}
	if (used >= d->gpu || !redo_unit_idle(d, nr))
		return 0;
	u = xa_load(&d->units, nr);
	if (u)
		used += READ_ONCE(u->pending);
	return d->gpu - min(used, d->gpu);
}

/*
 * A unit with at least @least free grains, round robin, among the next @n units;
 * 0: none.
 */
static u64 redo_data_search(struct redo_delta *d, u32 least, u64 n)
{
	u64 nr;

	for (n = min(n, d->nr_units); n; n--) {
		nr = d->pick_next;
		if (nr >= d->nr_units)
			nr = 1;
		d->pick_next = nr + 1;
		if (nr < d->nr_units && redo_data_room(d, nr) >= least)
			return nr;
	}
	return 0;
}

/* The unit after the last, if the device, the cap and the reserve allow. */
static u64 redo_data_new_unit(struct redo_delta *d)
{
	u64 unknown;

	if (d->nr_units >= redo_io_units(d->bdev))
		return 0;
	unknown = d->nr_units - d->n_known;
	if (d->n_data + unknown >= redo_data_units_max(d) && unknown)
		redo_space_scan(d, REDO_SCAN_ALL);
	if (d->n_data >= redo_data_units_max(d) || !redo_data_unit_fits(d))
		return 0;
	return d->nr_units;
}

/* Fewer free grains in a unit are a scrap: worth having only when there is no more. */
static u32 redo_scrap(const struct redo_delta *d)
{
	return max(d->gpu / 8, 1U);
}

/*
 * Reuse comes first where it gives a good run, so that a delta does not grow while
 * it has room; then growth; then, if @any, whatever there is.
 */
static u64 redo_data_pick(struct redo_delta *d, bool any)
{
	u64 nr;

	redo_space_scan(d, REDO_SCAN_LEAVES);
	nr = redo_data_search(d, redo_scrap(d), REDO_SEARCH_UNITS);
	if (!nr)
		nr = redo_data_new_unit(d);
	if (!nr && any) {
		redo_space_scan(d, REDO_SCAN_ALL);
		redo_units_keep_nothing(d);
		nr = redo_data_search(d, 1, d->nr_units);
	}
	return nr;
}

/*
 * Hand unit @nr to alloc(). Its private bitmap is what the applied state uses
 * plus what is handed out still.
 */
static void redo_unit_install(struct redo_delta *d, struct redo_unit *u,
			      const struct redo_disk_unit *du)
{
	struct redo_unit_bits *bits = u->bits;
	unsigned long flags;

	spin_lock_irqsave(&d->alloc_lock, flags);
	redo_disk_to_bits(bits->work, du);
	bitmap_or(bits->work, bits->work, bits->out, REDO_UNIT_BLOCKS);
	bitmap_zero(bits->kept, REDO_UNIT_BLOCKS);
	u->kept = 0;
	__set_bit(0, bits->work);
	u->free = d->gpu - bitmap_weight(bits->work, d->gpu);
	u->cursor = 1;
	if (d->cur && !d->cur->free) {
		d->cur->role = REDO_ROLE_NONE;
		d->cur = NULL;
	}
	if (!d->cur) {
		d->cur = u;
		u->role = REDO_ROLE_CURRENT;
	} else {
		d->spare = u;
		u->role = REDO_ROLE_SPARE;
	}
	spin_unlock_irqrestore(&d->alloc_lock, flags);
}

static int redo_data_take(struct redo_delta *d, u64 nr)
{
	struct redo_disk_unit *du = d->leaf_buf;
	struct redo_unit *u;
	int r;

	if (redo_unit_read(d, nr, du)) { /* it could once */
		redo_sum_set(d, nr, REDO_UNIT_DATA, d->gpu);
		return 0;
	}
	u = redo_unit_get(d, nr);
	if (!u || redo_unit_need_bits(d, u))
		return -ENOMEM;
	/* An empty unit may bear the header of another life. */
	if (redo_unit_empty(du) && !READ_ONCE(u->pending)) {
		r = redo_unit_write_header(d, nr, REDO_UNIT_DATA);
		if (r)
			return r;
		memset(du, 0, sizeof(*du));
		if (nr >= d->nr_units)
			WRITE_ONCE(d->nr_units, nr + 1);
		redo_sum_set(d, nr, REDO_UNIT_DATA, 1);
	}
	redo_unit_install(d, u, du);
	return 0;
}

/* Grains at hand; *@want: one more unit is wanted. alloc_lock held. */
static u32 __redo_space_at_hand(struct redo_delta *d, bool *want)
{
	u32 n = 0;

	lockdep_assert_held(&d->alloc_lock);
	if (d->cur)
		n += d->cur->free;
	if (d->spare)
		n += d->spare->free;
	*want = n < max(d->gpu / 2, 1U) && !(d->spare && d->spare->free >= redo_scrap(d));
	return n;
}

/*
 * With two units at hand the smaller rest goes, to be picked again once it is idle:
 * what takes its place is more than a scrap, so this comes to an end.
 */
static void redo_space_make_room(struct redo_delta *d)
{
	unsigned long flags;

	spin_lock_irqsave(&d->alloc_lock, flags);
	if (d->cur && d->spare) {
		if (d->cur->free < d->spare->free)
			swap(d->cur, d->spare);
		d->cur->role = REDO_ROLE_CURRENT;
		d->spare->role = REDO_ROLE_NONE;
		d->spare = NULL;
	}
	spin_unlock_irqrestore(&d->alloc_lock, flags);
}

/*
 * A unit that has run dry gives up its role, so that what is freed in it can be
 * picked again: it may be the only one there is.
 */
static void redo_space_retire_dry(struct redo_delta *d)
{
	unsigned long flags;

	spin_lock_irqsave(&d->alloc_lock, flags);
	if (d->cur && !d->cur->free) {
		d->cur->role = REDO_ROLE_NONE;
		d->cur = NULL;
	}
	if (d->spare && !d->spare->free) {
		d->spare->role = REDO_ROLE_NONE;
		d->spare = NULL;
	}
	spin_unlock_irqrestore(&d->alloc_lock, flags);
}

static int redo_space_fill(struct redo_delta *d)
{
	unsigned long flags;
	u64 nr, credit;
	bool want;
	u32 n;
	int i, r;

	redo_space_retire_dry(d);
	redo_units_gc(d);
	for (i = 0; i < REDO_FILL_UNITS; i++) {
		spin_lock_irqsave(&d->alloc_lock, flags);
		__redo_space_at_hand(d, &want);
		spin_unlock_irqrestore(&d->alloc_lock, flags);
		if (!want)
			break;
		nr = redo_data_pick(d, !d->cur || !d->spare);
		if (!nr)
			break;
		redo_space_make_room(d);
		r = redo_data_take(d, nr);
		if (r)
			return r;
	}
	credit = redo_credit_update(d, 0);
	if (!credit && !redo_space_scanned(d)) {
		redo_space_scan(d, REDO_SCAN_ALL);
		credit = redo_credit_update(d, 0);
	}
	spin_lock_irqsave(&d->alloc_lock, flags);
	n = __redo_space_at_hand(d, &want);
	d->starved = want || credit < min(n, d->gpu / 4);
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return n && credit ? 0 : -ENOSPC;
}

/*
 * Where only I/O in flight or a discard stands between us and free grains, wait
 * a little; without the mutex, since that I/O may be waiting for a commit.
 */
int redo_delta_refill(struct redo_delta *d)
{
	int r, tries;

	for (tries = 0; ; tries++) {
		mutex_lock(&d->mutex);
		if (d->failed || !d->active)
			r = -EIO;
		else
			r = redo_space_fill(d);
		if (r != -ENOSPC || tries >= REDO_FILL_WAITS || !redo_units_waiting(d))
			break;
		mutex_unlock(&d->mutex);
		usleep_range(1000, 2000);
	}
	mutex_unlock(&d->mutex);
	return r;
}

/* From map() and end_io ---------------------------------------------------- */

/* alloc_lock held. The unit to take from, the spare promoted if need be. */
static struct redo_unit *__redo_alloc_unit(struct redo_delta *d)
{
	struct redo_unit *u = d->cur;

	lockdep_assert_held(&d->alloc_lock);
	if (u && u->free)
		return u;
	if (!d->spare || !d->spare->free)
		return NULL;
	if (u)
		u->role = REDO_ROLE_NONE;
	d->cur = d->spare;
	d->cur->role = REDO_ROLE_CURRENT;
	d->spare = NULL;
	return d->cur;
}

/* alloc_lock held. Are there @fit free grains in a row, from the cursor on? Goes there. */
static bool __redo_alloc_fits(struct redo_delta *d, struct redo_unit *u, u32 fit)
{
	u32 slot = bitmap_find_next_zero_area(u->bits->work, d->gpu, u->cursor, fit, 0);

	if (slot + fit > d->gpu)
		return false;
	u->cursor = slot;
	return true;
}

/* alloc_lock held. Marks the next free grain, and as many more as follow it; 0: none. */
static u32 __redo_alloc_run(struct redo_delta *d, struct redo_unit *u, u32 want, u32 *first)
{
	u32 start, end, n;

	start = find_next_zero_bit(u->bits->work, d->gpu, u->cursor);
	if (start >= d->gpu)
		start = find_next_zero_bit(u->bits->work, d->gpu, 1);
	if (WARN_ON_ONCE(start >= d->gpu)) {
		u->free = 0;
		return 0;
	}
	end = min(d->gpu, start + want);
	end = find_next_bit(u->bits->work, end, start);
	n = end - start;
	bitmap_set(u->bits->work, start, n);
	u->free -= n;
	u->cursor = end;
	*first = start;
	return n;
}

/* alloc_lock held. The unit at hand where @fit grains fit in a row; NULL: neither. */
static struct redo_unit *__redo_alloc_fitting(struct redo_delta *d, struct redo_unit *u, u32 fit)
{
	if (__redo_alloc_fits(d, u, fit))
		return u;
	if (d->spare && __redo_alloc_fits(d, d->spare, fit))
		return d->spare;
	return NULL;
}

/* alloc_lock held. Handed out: @n grains of @u from @start on. */
static u32 __redo_alloc_done(struct redo_delta *d, struct redo_unit *u, u32 start, u32 n, u64 *phys)
{
	bitmap_set(u->bits->out, start, n);
	WRITE_ONCE(u->pending, u->pending + n);
	d->out_grains += n;
	d->credit -= n;
	*phys = u->nr * d->gpu + start;
	return n;
}

u32 redo_delta_alloc(struct redo_delta *d, u32 want, u64 *phys)
{
	struct redo_unit *u;
	unsigned long flags;
	u32 n = 0, start;

	spin_lock_irqsave(&d->alloc_lock, flags);
	want = min_t(u64, want, d->credit);
	u = want && READ_ONCE(d->active) ? __redo_alloc_unit(d) : NULL;
	if (u) {
		u = __redo_alloc_fitting(d, u, want) ?: u;
		n = __redo_alloc_run(d, u, want, &start);
		n = __redo_alloc_done(d, u, start, n, phys);
	}
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return n;
}

/* alloc_lock held. Keep @len grains in a row; false: they do not fit anywhere at hand. */
static bool __redo_keep(struct redo_delta *d, struct redo_unit *u, u32 len, u64 *place)
{
	u32 start;

	u = __redo_alloc_fitting(d, u, len);
	if (!u || __redo_alloc_run(d, u, len, &start) < len)
		return false;
	bitmap_set(u->bits->kept, start, len);
	u->kept += len;
	u->kept_since = jiffies;
	*place = u->nr * d->gpu + start;
	return true;
}

/* alloc_lock held. Up to @want of the kept grains from @at on. */
static u32 __redo_alloc_kept(struct redo_delta *d, u64 at, u32 want, u64 *phys)
{
	struct redo_unit *u = xa_load(&d->units, at / d->gpu);
	u32 start = at % d->gpu, n;

	if (!u || !u->kept)
		return 0;
	n = find_next_zero_bit(u->bits->kept, min(d->gpu, start + want), start) - start;
	bitmap_clear(u->bits->kept, start, n);
	u->kept -= n;
	return __redo_alloc_done(d, u, start, n, phys);
}

u32 redo_delta_alloc_stream(struct redo_delta *d, u32 want, u32 off, u32 len, u64 *place, u64 *phys)
{
	struct redo_unit *u;
	unsigned long flags;
	u32 n = 0, start;
	bool more;

	if (len >= d->gpu) /* large grains: a leaf is more than a unit */
		return redo_delta_alloc(d, want, phys);
	rcu_read_lock();
	spin_lock_irqsave(&d->alloc_lock, flags);
	want = READ_ONCE(d->active) ? min_t(u64, want, d->credit) : 0;
	if (want && *place)
		n = __redo_alloc_kept(d, *place + off, want, phys);
	u = want && !n ? __redo_alloc_unit(d) : NULL;
	if (u && __redo_keep(d, u, len, place)) {
		n = __redo_alloc_kept(d, *place + off, want, phys);
	} else if (u) {
		__redo_space_at_hand(d, &more);
		if (!more || d->starved) { /* nothing better will come */
			n = __redo_alloc_run(d, u, want, &start);
			n = __redo_alloc_done(d, u, start, n, phys);
		}
	}
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	rcu_read_unlock();
	return n;
}

#ifdef REDO_MUTATE
void redo_mutant_reuse(struct redo_delta *d, u64 phys)
{
	u32 slot = phys % d->gpu;
	struct redo_unit *u;
	unsigned long flags;

	rcu_read_lock();
	u = xa_load(&d->units, phys / d->gpu);
	spin_lock_irqsave(&d->alloc_lock, flags);
	if (u && u->bits && u->role != REDO_ROLE_NONE && !test_bit(slot, u->bits->out) &&
	    __test_and_clear_bit(slot, u->bits->work)) {
		u->free++;
		u->cursor = min(u->cursor, slot);
	}
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	rcu_read_unlock();
}
#endif

/* @again: it may be handed out again at once. */
static void redo_give_back(struct redo_delta *d, u64 phys, u32 len, bool again)
{
	u32 i, slot = phys % d->gpu;
	struct redo_unit *u;
	unsigned long flags;

	rcu_read_lock();
	u = xa_load(&d->units, phys / d->gpu);
	spin_lock_irqsave(&d->alloc_lock, flags);
	if (WARN_ON_ONCE(!u || !u->bits || slot + len > d->gpu))
		goto out;
	for (i = slot; i < slot + len; i++) {
		if (WARN_ON_ONCE(!__test_and_clear_bit(i, u->bits->out)))
			continue;
		WRITE_ONCE(u->pending, u->pending - 1);
		d->out_grains--;
		d->credit++;
		if (again && u->role != REDO_ROLE_NONE && __test_and_clear_bit(i, u->bits->work))
			u->free++;
	}
	if (again && u->role != REDO_ROLE_NONE)
		u->cursor = min(u->cursor, slot);
	d->starved = false;
out:
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	rcu_read_unlock();
}

void redo_delta_unalloc(struct redo_delta *d, u64 phys, u32 len)
{
	redo_give_back(d, phys, len, true);
}

void redo_delta_shun(struct redo_delta *d, u64 phys, u32 len)
{
	redo_give_back(d, phys, len, false);
}

bool redo_delta_low(struct redo_delta *d)
{
	unsigned long flags;
	bool want;
	u32 n;

	spin_lock_irqsave(&d->alloc_lock, flags);
	n = __redo_space_at_hand(d, &want);
	want = (want || d->credit < min(n, d->gpu / 4)) && !d->starved;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return want;
}
