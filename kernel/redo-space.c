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
#include "redo-space.h"
#include "redo-tree.h"

#define DM_MSG_PREFIX "redo"

/* Summary of a unit: known, type, blocks in use. */
#define SUM_KNOWN	0x8000U
#define SUM_TYPE(s)	(((s) >> 13) & 3)
#define SUM_USED(s)	((s) & 0x1fffU)
#define SUM_MAKE(t, u)	(SUM_KNOWN | (t) << 13 | (u))

#define REDO_SCAN_LEAVES	16	/* of one refill */
#define REDO_SCAN_ALL		U64_MAX
#define REDO_CREDIT_MIN		16	/* fewer are not worth a unit */
#define REDO_META_SLACK		64
#define REDO_FILL_WAITS		3	/* times 1 to 2 ms: for I/O in flight to drain */
#define REDO_DISCARD_POLL	msecs_to_jiffies(5)

/* Bitmaps: on the disk little-endian words, as many as in memory ---------- */

static u64 redo_mask(u32 bit, u32 n)
{
	return (n == 64 ? ~0ULL : (1ULL << n) - 1) << bit;
}

#define for_each_span(w, bit, n, start, len)					\
	for (u32 __at = (start), __end = (start) + (len);			\
	     __at < __end && ((w) = __at / 64, (bit) = __at % 64,		\
			      (n) = min(64 - (bit), __end - __at), true);	\
	     __at += (n))

static u32 redo_disk_count(const struct redo_disk_unit *du, u32 start, u32 len)
{
	const __le64 *map = (const __le64 *)du->bitmap;
	u32 w, bit, n, count = 0;

	for_each_span(w, bit, n, start, len)
		count += hweight64(le64_to_cpu(map[w]) & redo_mask(bit, n));
	return count;
}

static void redo_disk_set(struct redo_disk_unit *du, u32 start, u32 len, bool set)
{
	__le64 *map = (__le64 *)du->bitmap;
	u32 w, bit, n;

	for_each_span(w, bit, n, start, len) {
		if (set)
			map[w] |= cpu_to_le64(redo_mask(bit, n));
		else
			map[w] &= ~cpu_to_le64(redo_mask(bit, n));
	}
}

static void redo_disk_to_bits(unsigned long *to, const struct redo_disk_unit *du)
{
	const __le64 *map = (const __le64 *)du->bitmap;
	int i;

	for (i = 0; i < REDO_UNIT_WORDS; i++)
		to[i] = le64_to_cpu(map[i]);
}

/* What an address may be -------------------------------------------------- */

bool redo_space_meta_ok(const struct redo_delta *d, u64 blocknr)
{
	u64 unit = blocknr / REDO_UNIT_BLOCKS;

	return unit < READ_ONCE(d->nr_units) && blocknr % REDO_UNIT_BLOCKS &&
	       (unit || blocknr >= REDO_META_START);
}

bool redo_space_data_ok(const struct redo_delta *d, u64 phys, u64 len)
{
	u64 unit = phys / d->gpu;
	u32 slot = phys % d->gpu;

	return unit && unit < READ_ONCE(d->nr_units) && slot && len && len <= d->gpu - slot;
}

static u32 redo_unit_slots(const struct redo_delta *d, u32 type)
{
	return type == REDO_UNIT_DATA ? d->gpu : REDO_UNIT_BLOCKS;
}

static bool redo_unit_record_ok(const struct redo_delta *d, const struct redo_disk_unit *du,
				u64 nr)
{
	u32 type = le32_to_cpu(du->type), used = le32_to_cpu(du->used);

	if (type > REDO_UNIT_DATA || used != redo_disk_count(du, 0, REDO_UNIT_BLOCKS))
		return false;
	if (type == REDO_UNIT_FREE)
		return !used && nr;
	if (!redo_disk_count(du, 0, 1) || used != redo_disk_count(du, 0, redo_unit_slots(d, type)))
		return false;
	if (!nr)
		return type == REDO_UNIT_META &&
		       redo_disk_count(du, 0, REDO_META_START) == REDO_META_START;
	return true;
}

int redo_space_leaf_check(const struct redo_delta *d, const struct redo_disk_alloc *da,
			  u64 index)
{
	int i;

	for (i = 0; i < REDO_UNITS_PER_LEAF; i++)
		if (!redo_unit_record_ok(d, &da->unit[i], index * REDO_UNITS_PER_LEAF + i))
			return -EUCLEAN;
	return 0;
}

void redo_space_leaf_init(const struct redo_delta *d, struct redo_disk_alloc *da, u64 index)
{
	struct redo_disk_unit *du = &da->unit[0];

	if (index)
		return;
	du->type = cpu_to_le32(REDO_UNIT_META);
	du->used = cpu_to_le32(REDO_META_START);
	redo_disk_set(du, 0, REDO_META_START, true);
}

/* Summary: a cache of type and use of every unit seen --------------------- */

static u16 *redo_sum_slot(struct redo_delta *d, u64 nr, bool make)
{
	u16 *chunk = xa_load(&d->sums, nr / REDO_SUM_UNITS);

	if (!chunk && make) {
		chunk = kcalloc(REDO_SUM_UNITS, sizeof(*chunk), redo_gfp(d));
		if (!chunk)
			return NULL;
		if (xa_err(xa_store(&d->sums, nr / REDO_SUM_UNITS, chunk, redo_gfp(d)))) {
			kfree(chunk);
			return NULL;
		}
	}
	return chunk ? chunk + nr % REDO_SUM_UNITS : NULL;
}

static u16 redo_sum_get(struct redo_delta *d, u64 nr)
{
	u16 *s = redo_sum_slot(d, nr, false);

	return s ? *s : 0;
}

static void redo_sum_count(struct redo_delta *d, u16 s, int by)
{
	if (!(s & SUM_KNOWN))
		return;
	d->n_known += by;
	switch (SUM_TYPE(s)) {
	case REDO_UNIT_FREE:
		d->n_free += by;
		break;
	case REDO_UNIT_META:
		d->n_meta += by;
		d->meta_free += by * (s64)(REDO_UNIT_BLOCKS - SUM_USED(s));
		break;
	case REDO_UNIT_DATA:
		d->n_data += by;
		break;
	}
}

/* Without memory (replay only) the unit stays unknown; a later scan finds it. */
static void redo_sum_set(struct redo_delta *d, u64 nr, u32 type, u32 used)
{
	u16 *s = redo_sum_slot(d, nr, true);

	if (!s)
		return;
	redo_sum_count(d, *s, -1);
	*s = SUM_MAKE(type, used);
	redo_sum_count(d, *s, 1);
}

static void redo_sum_note(struct redo_delta *d, u64 nr, const struct redo_disk_unit *du)
{
	redo_sum_set(d, nr, le32_to_cpu(du->type), le32_to_cpu(du->used));
}

/*
 * A copy of a unit's record as the tree has it. A unit that the tree does not
 * know is free.
 */
static int redo_unit_read(struct redo_delta *d, u64 nr, struct redo_disk_unit *du)
{
	u64 leaf = nr / REDO_UNITS_PER_LEAF, span = 1;
	struct redo_disk_alloc *da;
	const struct redo_disk_alloc *cda;
	struct redo_node *n;
	struct redo_ptr ptr;
	struct dm_buffer *b;
	u32 l;
	int r;

	for (l = 0; l < d->alloc.height; l++)
		span *= REDO_FANOUT;
	memset(du, 0, sizeof(*du));
	if (leaf >= span)
		return 0;
	r = redo_tree_find(d, &d->alloc, 0, leaf, &n, &ptr);
	if (r)
		return r;
	if (n) {
		da = n->data;
		*du = da->unit[nr % REDO_UNITS_PER_LEAF];
		return 0;
	}
	if (ptr.kind != REDO_PTR_BLOCK) {
		if (!nr) {
			du->type = cpu_to_le32(REDO_UNIT_META);
			du->used = cpu_to_le32(REDO_META_START);
			redo_disk_set(du, 0, REDO_META_START, true);
		}
		return 0;
	}
	cda = redo_tree_get(d, &d->alloc, &ptr, 0, leaf, &b);
	if (IS_ERR(cda))
		return PTR_ERR(cda);
	*du = cda->unit[nr % REDO_UNITS_PER_LEAF];
	dm_bufio_release(b);
	return 0;
}

/* The record to change, in a dirty leaf. */
static struct redo_disk_unit *redo_unit_dirty(struct redo_delta *d, u64 nr)
{
	u64 leaf = nr / REDO_UNITS_PER_LEAF;
	struct redo_disk_alloc *da;
	struct redo_node *n;
	int r;

	r = redo_tree_grow(d, &d->alloc, leaf);
	if (r)
		return ERR_PTR(r);
	n = redo_tree_dirty(d, &d->alloc, 0, leaf);
	if (IS_ERR(n))
		return ERR_CAST(n);
	da = n->data;
	return &da->unit[nr % REDO_UNITS_PER_LEAF];
}

/*
 * Look at up to @leaves allocation leaves not seen yet. The units of a leaf that
 * cannot be read count as full: they are never handed out.
 */
static void redo_space_scan(struct redo_delta *d, u64 leaves)
{
	struct redo_disk_unit *du = d->leaf_buf;
	u64 nr, end;

	for (; leaves && d->scan_next < d->scan_end; leaves--, d->scan_next++) {
		nr = d->scan_next * REDO_UNITS_PER_LEAF;
		end = min(nr + REDO_UNITS_PER_LEAF, d->nr_units);
		for (; nr < end; nr++) {
			if (redo_sum_get(d, nr) & SUM_KNOWN)
				continue;
			if (redo_unit_read(d, nr, du))
				redo_sum_set(d, nr, REDO_UNIT_DATA, d->gpu);
			else
				redo_sum_note(d, nr, du);
		}
		cond_resched();
	}
}

static bool redo_space_scanned(const struct redo_delta *d)
{
	return d->scan_next >= d->scan_end;
}

/* Units about which there is more to know -------------------------------- */

static struct redo_unit *redo_unit_get(struct redo_delta *d, u64 nr)
{
	struct redo_unit *u = xa_load(&d->units, nr);

	if (u)
		return u;
	u = kzalloc(sizeof(*u), redo_gfp(d));
	if (!u)
		return NULL;
	u->nr = nr;
	if (xa_err(xa_store(&d->units, nr, u, redo_gfp(d)))) {
		kfree(u);
		return NULL;
	}
	return u;
}

static int redo_unit_need_bits(struct redo_delta *d, struct redo_unit *u)
{
	struct redo_unit_bits *bits;
	unsigned long flags;

	if (u->bits)
		return 0;
	bits = kzalloc(sizeof(*bits), redo_gfp(d));
	if (!bits)
		return -ENOMEM;
	spin_lock_irqsave(&d->alloc_lock, flags);
	u->bits = bits;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return 0;
}

/* Is the quarantine of what was freed in it over? */
static bool redo_unit_settled(struct redo_delta *d, struct redo_unit *u)
{
	unsigned long flags;
	bool r;

	if (u->fresh)
		return false;
	if (u->waiting && (!d->inflight || redo_inflight_passed(d->inflight, u->cookie)))
		u->waiting = false;
	spin_lock_irqsave(&d->alloc_lock, flags);
	r = !u->waiting && !u->discards;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return r;
}

/*
 * Forget a unit about which there is nothing to know. unalloc may be looking at
 * the array (never for this unit: nothing of it is handed out), hence RCU.
 */
static void redo_unit_gc(struct redo_delta *d, struct redo_unit *u)
{
	struct redo_unit_bits *bits = NULL;
	unsigned long flags;
	bool idle;

	if (!redo_unit_settled(d, u))
		return;
	spin_lock_irqsave(&d->alloc_lock, flags);
	idle = u->role == REDO_ROLE_NONE && !u->pending;
	if (idle) {
		bits = u->bits;
		u->bits = NULL;
	}
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	kfree(bits);
	if (idle) {
		xa_erase(&d->units, u->nr);
		kfree_rcu(u, rcu);
	}
}

static void redo_units_gc(struct redo_delta *d)
{
	struct redo_unit *u;
	unsigned long nr;

	xa_for_each(&d->units, nr, u)
		redo_unit_gc(d, u);
}

/* Is something held back that time alone will set free? */
static bool redo_units_waiting(struct redo_delta *d)
{
	struct redo_unit *u;
	unsigned long nr;

	xa_for_each(&d->units, nr, u)
		if (!u->fresh && !redo_unit_settled(d, u))
			return true;
	return false;
}

void redo_space_start(struct redo_delta *d)
{
	d->scan_next = 0;
	d->scan_end = DIV_ROUND_UP(d->nr_units, REDO_UNITS_PER_LEAF);
	d->pick_next = 1;
}

/* Units on their way from free to in use and back ------------------------- */

static int redo_space_bad(struct redo_delta *d, u64 phys, u32 len, const char *what)
{
	DMERR("%s: grains %llu+%u: %s", d->name, phys, len, what);
	return -EUCLEAN;
}

/* Replay only: a record names grains of a unit that was empty. Is it data? */
static int redo_unit_check_header(struct redo_delta *d, u64 nr)
{
	enum redo_unit_type type;
	enum redo_bad bad;
	u32 grain;
	int r;

	r = redo_io_read(d->bdev, nr * REDO_UNIT_BLOCKS, d->buf);
	if (r) {
		DMERR("%s: header of unit %llu: read error %d", d->name, nr, r);
		return -EIO;
	}
	bad = redo_unpack_unit_header(d->buf, d->uuid, nr, &type, &grain);
	if (bad) {
		DMERR("%s: header of unit %llu: %s", d->name, nr, redo_bad_str(bad));
		return -EUCLEAN;
	}
	if (type != REDO_UNIT_DATA || grain != d->grain_sectors) {
		DMERR("%s: header of unit %llu: type %u, grains of %u; expected %u, %u", d->name,
		      nr, type, grain, REDO_UNIT_DATA, d->grain_sectors);
		return -EUCLEAN;
	}
	return 0;
}

static int redo_unit_write_header(struct redo_delta *d, u64 nr, enum redo_unit_type type)
{
	int r;

	if (d->failed)
		return -EIO;
	redo_pack_unit_header(d->buf, d->uuid, nr, type, d->grain_sectors);
	r = redo_io_write(d->bdev, nr * REDO_UNIT_BLOCKS, d->buf, 0);
	if (r)
		DMERR("%s: header of unit %llu: write error %d", d->name, nr, r);
	return r ? -EIO : 0;
}

static void redo_unit_reset(struct redo_disk_unit *du, enum redo_unit_type type)
{
	memset(du, 0, sizeof(*du));
	du->type = cpu_to_le32(type);
	du->used = cpu_to_le32(1);
	redo_disk_set(du, 0, 1, true);
}

static bool redo_unit_empty(const struct redo_disk_unit *du)
{
	return le32_to_cpu(du->used) <= 1;
}

/* The first grain of a unit comes into use: its record becomes one of data. */
static int redo_unit_become_data(struct redo_delta *d, u64 nr, struct redo_disk_unit *du)
{
	int r;

	if (d->loading) {
		r = redo_unit_check_header(d, nr);
		if (r)
			return r;
	}
	if (le32_to_cpu(du->type) != REDO_UNIT_DATA)
		redo_unit_reset(du, REDO_UNIT_DATA);
	return 0;
}

/* The run is applied: no longer handed out. */
static void redo_space_settle(struct redo_delta *d, u64 nr, u32 slot, u32 len)
{
	struct redo_unit *u = xa_load(&d->units, nr);
	unsigned long flags;
	u32 i;

	if (!u)
		return;
	spin_lock_irqsave(&d->alloc_lock, flags);
	for (i = slot; u->bits && i < slot + len; i++) {
		if (__test_and_clear_bit(i, u->bits->out)) {
			u->pending--;
			d->out_grains--;
		}
	}
	spin_unlock_irqrestore(&d->alloc_lock, flags);
}

int redo_space_use(struct redo_delta *d, u64 phys, u32 len)
{
	u64 nr = phys / d->gpu;
	u32 slot = phys % d->gpu;
	struct redo_disk_unit *du;
	int r;

	if (!nr || !slot || !len || len > d->gpu - slot || nr >= redo_io_units(d->bdev))
		return redo_space_bad(d, phys, len, "mapped outside of any data unit");
	if (nr >= d->nr_units) {
		if (!d->loading)
			return redo_space_bad(d, phys, len, "mapped in a unit never taken");
		WRITE_ONCE(d->nr_units, nr + 1);
	}
	du = redo_unit_dirty(d, nr);
	if (IS_ERR(du))
		return PTR_ERR(du);
	if (le32_to_cpu(du->type) != REDO_UNIT_DATA && !redo_unit_empty(du))
		return redo_space_bad(d, phys, len, "mapped in a metadata unit");
	if (redo_unit_empty(du)) {
		r = redo_unit_become_data(d, nr, du);
		if (r)
			return r;
	}
	if (redo_disk_count(du, slot, len))
		return redo_space_bad(d, phys, len, "mapped, but in use already");
	redo_disk_set(du, slot, len, true);
	le32_add_cpu(&du->used, len);
	WRITE_ONCE(d->data_used, d->data_used + len);
	redo_sum_note(d, nr, du);
	if (!d->loading)
		redo_space_settle(d, nr, slot, len);
	return 0;
}

static void redo_discard_note(struct redo_delta *d, struct redo_unit *u, u64 phys, u32 len)
{
	struct redo_discard *x, *last;
	unsigned long flags;

	if (!d->passdown || d->loading)
		return;
	x = kmalloc(sizeof(*x), GFP_NOIO | __GFP_NOWARN | __GFP_NORETRY);
	if (!x)
		return;	/* only a hint for the device is lost */
	x->phys = phys;
	x->len = len;
	spin_lock_irqsave(&d->discard_lock, flags);
	last = list_empty(&d->discard_new) ? NULL :
	       list_last_entry(&d->discard_new, struct redo_discard, list);
	if (last && last->phys + last->len == phys && last->phys / d->gpu == u->nr) {
		last->len += len;
	} else if (d->n_discards < REDO_DISCARDS_MAX) {
		list_add_tail(&x->list, &d->discard_new);
		d->n_discards++;
		x = NULL;
	}
	spin_unlock_irqrestore(&d->discard_lock, flags);
	if (!x) {
		spin_lock_irqsave(&d->alloc_lock, flags);
		u->discards++;
		spin_unlock_irqrestore(&d->alloc_lock, flags);
	}
	kfree(x);
}

int redo_space_free(struct redo_delta *d, u64 phys, u32 len)
{
	u64 nr = phys / d->gpu;
	u32 slot = phys % d->gpu;
	struct redo_disk_unit *du;
	struct redo_unit *u;

	if (!redo_space_data_ok(d, phys, len))
		return redo_space_bad(d, phys, len, "unmapped outside of any data unit");
	du = redo_unit_dirty(d, nr);
	if (IS_ERR(du))
		return PTR_ERR(du);
	if (le32_to_cpu(du->type) != REDO_UNIT_DATA || redo_disk_count(du, slot, len) != len)
		return redo_space_bad(d, phys, len, "unmapped, but not in use");
	u = redo_unit_get(d, nr);
	if (!u)
		return -ENOMEM;
	u->fresh = true;
	redo_disk_set(du, slot, len, false);
	le32_add_cpu(&du->used, -len);
	WRITE_ONCE(d->data_used, d->data_used - len);
	redo_sum_note(d, nr, du);
	redo_discard_note(d, u, phys, len);
	return 0;
}

/* Metadata blocks --------------------------------------------------------- */

int redo_space_meta_free(struct redo_delta *d, u64 blocknr)
{
	u64 nr = blocknr / REDO_UNIT_BLOCKS;
	u32 slot = blocknr % REDO_UNIT_BLOCKS;
	struct redo_disk_unit *du;
	struct redo_unit *u;

	if (!redo_space_meta_ok(d, blocknr))
		goto bad;
	du = redo_unit_dirty(d, nr);
	if (IS_ERR(du))
		return PTR_ERR(du);
	if (le32_to_cpu(du->type) != REDO_UNIT_META || !redo_disk_count(du, slot, 1))
		goto bad;
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
bad:
	DMERR("%s: block %llu: freed, but not a metadata block in use", d->name, blocknr);
	return -EUCLEAN;
}

/* A clear block of unit @nr at or after @from; 0: none. */
static u32 redo_meta_find(struct redo_delta *d, u64 nr, const struct redo_disk_unit *du, u32 from)
{
	const __le64 *map = (const __le64 *)du->bitmap;
	struct redo_unit *u = xa_load(&d->units, nr);
	u32 w;

	for (w = from / 64; w < REDO_UNIT_WORDS; w++) {
		u64 used = le64_to_cpu(map[w]);

		if (u && u->bits)
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
	*slot = redo_meta_find(d, nr, du, from);
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

/* May the (empty) unit get another type, or a role? */
static bool redo_unit_idle(struct redo_delta *d, u64 nr)
{
	struct redo_unit *u = xa_load(&d->units, nr);
	unsigned long flags;
	bool r;

	if (!u)
		return true;
	if (!redo_unit_settled(d, u))
		return false;
	spin_lock_irqsave(&d->alloc_lock, flags);
	r = u->role == REDO_ROLE_NONE;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return r;
}

static bool redo_unit_unused(struct redo_delta *d, u64 nr)
{
	struct redo_unit *u = xa_load(&d->units, nr);

	return redo_unit_idle(d, nr) && !(u && READ_ONCE(u->pending));
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

/* Blocks that metadata can still get, if data takes @taken more units. */
static u64 redo_meta_avail(struct redo_delta *d, u64 units, u64 taken)
{
	u64 n_units = units - min(units, d->nr_units) + d->n_free;

	n_units -= min(n_units, taken);
	return d->meta_free - min(d->meta_free, d->meta_quar) +
	       n_units * (REDO_UNIT_BLOCKS - 1);
}

/* The largest number up to @max of grains or leaves for which there is room. */
static u64 redo_meta_room_for(struct redo_delta *d, u64 units, u64 taken, u64 max)
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
static u64 redo_credit_update(struct redo_delta *d, u64 extra)
{
	u64 units = redo_io_units(d->bdev), max, room, held, credit;
	unsigned long flags;

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

/* Picking a unit for data -------------------------------------------------- */

/* Most data units that the delta may have: never more data than the base. */
static u64 redo_data_units_max(const struct redo_delta *d)
{
	return DIV_ROUND_UP(d->nr_grains, d->gpu - 1) + 2;
}

/* Free grains of unit @nr if it can be picked; 0 if not. */
static u32 redo_data_room(struct redo_delta *d, u64 nr)
{
	u16 s = redo_sum_get(d, nr);
	struct redo_unit *u;
	u32 used;

	if (!(s & SUM_KNOWN))
		return 0;
	switch (SUM_TYPE(s)) {
	case REDO_UNIT_FREE:
		return redo_unit_unused(d, nr) ? d->gpu - 1 : 0;
	case REDO_UNIT_META:
		if (SUM_USED(s) != 1 || !nr || nr == d->meta_unit || !redo_unit_unused(d, nr))
			return 0;
		return d->gpu - 1;
	}
	used = SUM_USED(s);
	if (used >= d->gpu || !redo_unit_idle(d, nr))
		return 0;
	u = xa_load(&d->units, nr);
	if (u)
		used += READ_ONCE(u->pending);
	return d->gpu - min(used, d->gpu);
}

/* A unit with at least @least free grains, round robin; 0: none. */
static u64 redo_data_search(struct redo_delta *d, u32 least)
{
	u64 i, nr = d->pick_next;

	for (i = 0; i < d->nr_units; i++, nr++) {
		if (nr >= d->nr_units)
			nr = 1;
		if (nr < d->nr_units && redo_data_room(d, nr) >= least) {
			d->pick_next = nr + 1;
			return nr;
		}
	}
	return 0;
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

static u64 redo_data_pick(struct redo_delta *d)
{
	u64 nr;

	redo_space_scan(d, REDO_SCAN_LEAVES);
	nr = redo_data_search(d, max(d->gpu / 8, 1U));
	if (!nr)
		nr = redo_data_new_unit(d);
	if (!nr) {
		redo_space_scan(d, REDO_SCAN_ALL);
		nr = redo_data_search(d, 1);
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

	r = redo_unit_read(d, nr, du);
	if (r)
		return r;
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

/* Grains at hand; *@want: one more unit is wanted. */
static u32 redo_space_at_hand(struct redo_delta *d, bool *want)
{
	unsigned long flags;
	u32 n = 0;

	spin_lock_irqsave(&d->alloc_lock, flags);
	if (d->cur)
		n += d->cur->free;
	if (d->spare)
		n += d->spare->free;
	*want = !d->spare && n < max(d->gpu / 2, 1U);
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return n;
}

static int redo_space_fill(struct redo_delta *d)
{
	unsigned long flags;
	u64 nr, credit;
	bool want;
	u32 n;
	int r;

	redo_units_gc(d);
	for (;;) {
		redo_space_at_hand(d, &want);
		if (!want)
			break;
		nr = redo_data_pick(d);
		if (!nr)
			break;
		r = redo_data_take(d, nr);
		if (r)
			return r;
	}
	credit = redo_credit_update(d, 0);
	if (!credit && !redo_space_scanned(d)) {
		redo_space_scan(d, REDO_SCAN_ALL);
		credit = redo_credit_update(d, 0);
	}
	n = redo_space_at_hand(d, &want);
	spin_lock_irqsave(&d->alloc_lock, flags);
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

u32 redo_delta_alloc(struct redo_delta *d, u32 want, u64 *phys)
{
	struct redo_unit *u;
	unsigned long flags;
	u32 start, end, n = 0;

	spin_lock_irqsave(&d->alloc_lock, flags);
	want = min_t(u64, want, d->credit);
	u = want && READ_ONCE(d->active) ? __redo_alloc_unit(d) : NULL;
	if (!u)
		goto out;
	start = find_next_zero_bit(u->bits->work, d->gpu, u->cursor);
	if (start >= d->gpu)
		start = find_next_zero_bit(u->bits->work, d->gpu, 1);
	if (WARN_ON_ONCE(start >= d->gpu)) {
		u->free = 0;
		goto out;
	}
	end = min(d->gpu, start + want);
	end = find_next_bit(u->bits->work, end, start);
	n = end - start;
	bitmap_set(u->bits->work, start, n);
	bitmap_set(u->bits->out, start, n);
	u->free -= n;
	u->cursor = end;
	u->pending += n;
	d->out_grains += n;
	d->credit -= n;
	*phys = u->nr * d->gpu + start;
out:
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return n;
}

void redo_delta_unalloc(struct redo_delta *d, u64 phys, u32 len)
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
		u->pending--;
		d->out_grains--;
		d->credit++;
		if (u->role != REDO_ROLE_NONE && __test_and_clear_bit(i, u->bits->work))
			u->free++;
	}
	if (u->role != REDO_ROLE_NONE)
		u->cursor = min(u->cursor, slot);
	d->starved = false;
out:
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	rcu_read_unlock();
}

bool redo_delta_low(struct redo_delta *d)
{
	unsigned long flags;
	bool want;
	u32 n;

	n = redo_space_at_hand(d, &want);
	spin_lock_irqsave(&d->alloc_lock, flags);
	want = (want || d->credit < min(n, d->gpu / 4)) && !d->starved;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return want;
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

/* Quarantine and discards -------------------------------------------------- */

void redo_space_checkpointed(struct redo_delta *d)
{
	u64 cookie = d->inflight ? redo_inflight_cookie(d->inflight) : 0;
	struct redo_unit *u;
	unsigned long nr, flags;
	bool kick;

	xa_for_each(&d->units, nr, u) {
		if (u->fresh) {
			u->fresh = false;
			if (SUM_TYPE(redo_sum_get(d, nr)) == REDO_UNIT_DATA) {
				u->waiting = true;
				u->cookie = cookie;
			} else if (u->bits) {
				bitmap_zero(u->bits->out, REDO_UNIT_BLOCKS);
			}
		}
		redo_unit_gc(d, u);
	}
	d->meta_quar = 0;
	spin_lock_irqsave(&d->discard_lock, flags);
	list_splice_tail_init(&d->discard_new, &d->discard_ready);
	d->discard_cookie = cookie;
	kick = !list_empty(&d->discard_ready);
	spin_unlock_irqrestore(&d->discard_lock, flags);
	if (kick)
		mod_delayed_work(redo_delta_wq, &d->discard_work, 0);
	spin_lock_irqsave(&d->alloc_lock, flags);
	d->starved = false;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
}

static struct redo_discard *redo_discard_next(struct redo_delta *d)
{
	struct redo_discard *x;
	unsigned long flags;

	spin_lock_irqsave(&d->discard_lock, flags);
	x = list_first_entry_or_null(&d->discard_ready, struct redo_discard, list);
	if (x) {
		list_del(&x->list);
		d->n_discards--;
	}
	spin_unlock_irqrestore(&d->discard_lock, flags);
	return x;
}

static void redo_discard_done(struct redo_delta *d, struct redo_discard *x)
{
	struct redo_unit *u;
	unsigned long flags;

	rcu_read_lock();
	u = xa_load(&d->units, x->phys / d->gpu);
	spin_lock_irqsave(&d->alloc_lock, flags);
	if (u && u->discards)
		u->discards--;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	rcu_read_unlock();
	kfree(x);
}

static bool redo_discard_may_start(struct redo_delta *d)
{
	struct redo_inflight *f = READ_ONCE(d->inflight);
	unsigned long flags;
	u64 cookie;

	spin_lock_irqsave(&d->discard_lock, flags);
	cookie = d->discard_cookie;
	spin_unlock_irqrestore(&d->discard_lock, flags);
	return !f || redo_inflight_passed(f, cookie);
}

/* A discard that fails is no loss: it is a hint. */
static void redo_discard_work(struct work_struct *work)
{
	struct redo_delta *d = container_of(to_delayed_work(work), struct redo_delta,
					    discard_work);
	unsigned int noio = memalloc_noio_save();
	struct redo_discard *x;

	for (;;) {
		if (!redo_discard_may_start(d)) {
			queue_delayed_work(redo_delta_wq, &d->discard_work, REDO_DISCARD_POLL);
			break;
		}
		x = redo_discard_next(d);
		if (!x)
			break;
		blkdev_issue_discard(d->bdev, x->phys * d->grain_sectors,
				     (sector_t)x->len * d->grain_sectors, GFP_NOIO);
		redo_discard_done(d, x);
		cond_resched();
	}
	memalloc_noio_restore(noio);
}

/* What was freed since the last checkpoint is not durably free: not discarded. */
static void redo_discard_forget(struct redo_delta *d)
{
	struct redo_discard *x, *next;
	unsigned long flags;
	LIST_HEAD(list);

	spin_lock_irqsave(&d->discard_lock, flags);
	list_splice_init(&d->discard_new, &list);
	list_for_each_entry(x, &list, list)
		d->n_discards--;
	spin_unlock_irqrestore(&d->discard_lock, flags);
	list_for_each_entry_safe(x, next, &list, list)
		redo_discard_done(d, x);
}

static void redo_unit_withdraw(struct redo_delta *d, struct redo_unit *u)
{
	unsigned long flags;

	spin_lock_irqsave(&d->alloc_lock, flags);
	u->role = REDO_ROLE_NONE;
	if (u->pending) {
		bitmap_zero(u->bits->out, REDO_UNIT_BLOCKS);
		u->pending = 0;
	}
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	u->waiting = false;
	redo_unit_gc(d, u);
}

/*
 * What was handed out and never came to a commit was never named on the disk:
 * it is free again.
 */
static void redo_space_withdraw(struct redo_delta *d)
{
	struct redo_unit *u;
	unsigned long nr, flags;

	spin_lock_irqsave(&d->alloc_lock, flags);
	d->cur = NULL;
	d->spare = NULL;
	d->out_grains = 0;
	d->reserved = 0;
	d->credit = 0;
	d->starved = false;
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	xa_for_each(&d->units, nr, u)
		redo_unit_withdraw(d, u);
}

void redo_space_release(struct redo_delta *d)
{
	mutex_lock(&d->mutex);
	d->passdown = false;
	WRITE_ONCE(d->inflight, NULL);	/* all its I/O is over: every cookie has passed */
	mutex_unlock(&d->mutex);
	mod_delayed_work(redo_delta_wq, &d->discard_work, 0);
	flush_delayed_work(&d->discard_work);
	cancel_delayed_work_sync(&d->discard_work);
	mutex_lock(&d->mutex);
	redo_discard_forget(d);
	redo_space_withdraw(d);
	mutex_unlock(&d->mutex);
}

void redo_space_init(struct redo_delta *d)
{
	spin_lock_init(&d->alloc_lock);
	spin_lock_init(&d->discard_lock);
	INIT_LIST_HEAD(&d->discard_new);
	INIT_LIST_HEAD(&d->discard_ready);
	INIT_DELAYED_WORK(&d->discard_work, redo_discard_work);
	xa_init(&d->units);
	xa_init(&d->sums);
}

void redo_space_exit(struct redo_delta *d)
{
	struct redo_discard *x;
	struct redo_unit *u;
	unsigned long i;
	u16 *chunk;

	cancel_delayed_work_sync(&d->discard_work);
	redo_discard_forget(d);
	while ((x = redo_discard_next(d)))
		kfree(x);
	xa_for_each(&d->units, i, u) {
		kfree(u->bits);
		kfree(u);
	}
	xa_destroy(&d->units);
	xa_for_each(&d->sums, i, chunk)
		kfree(chunk);
	xa_destroy(&d->sums);
}

bool redo_delta_reclaiming(struct redo_delta *d)
{
	struct redo_unit *u;
	unsigned long nr;
	bool any = false;

	mutex_lock(&d->mutex);
	xa_for_each(&d->units, nr, u)
		if (u->fresh || u->waiting || u->discards) {
			any = true;
			break;
		}
	mutex_unlock(&d->mutex);
	return any;
}
