// SPDX-License-Identifier: GPL-2.0
/* Units: what is known of them, and their way from free to in use and back. */
#include "redo-tree.h"
#include "redo-units.h"

#define DM_MSG_PREFIX "redo"

#define REDO_SCAN_WORK_LEAVES	4	/* at a time, in the background: the mutex is held */
#define REDO_SCAN_INTERVAL	msecs_to_jiffies(20)
#define REDO_SCAN_START		(2 * HZ)

/* Bitmaps: on the disk little-endian words, as many as in memory ---------- */

#define for_each_span(w, bit, n, start, len)					\
	for (u32 __at = (start), __end = (start) + (len);			\
	     __at < __end && ((w) = __at / 64, (bit) = __at % 64,		\
			      (n) = min(64 - (bit), __end - __at), true);	\
	     __at += (n))

u32 redo_disk_count(const struct redo_disk_unit *du, u32 start, u32 len)
{
	const __le64 *map = (const __le64 *)du->bitmap;
	u32 w, bit, n, count = 0;

	for_each_span(w, bit, n, start, len)
		count += hweight64(le64_to_cpu(map[w]) & redo_mask(bit, n));
	return count;
}

void redo_disk_set(struct redo_disk_unit *du, u32 start, u32 len, bool set)
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

void redo_disk_to_bits(unsigned long *to, const struct redo_disk_unit *du)
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
	return redo_data_run_ok(phys, len, d->gpu, READ_ONCE(d->nr_units));
}

static u32 redo_unit_slots(const struct redo_delta *d, u32 type)
{
	return type == REDO_UNIT_DATA ? d->gpu : REDO_UNIT_BLOCKS;
}

static bool redo_unit_record_ok(const struct redo_delta *d, const struct redo_disk_unit *du,
				u64 nr)
{
	u32 type = le32_to_cpu(du->type), used = le32_to_cpu(du->used);

	/* What replay has raised is in memory only. */
	if (nr >= d->sb.nr_units)
		return !memchr_inv(du, 0, sizeof(*du));
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

u16 redo_sum_get(struct redo_delta *d, u64 nr)
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
		WRITE_ONCE(d->n_meta, d->n_meta + by);
		d->meta_free += by * (s64)(REDO_UNIT_BLOCKS - SUM_USED(s));
		break;
	case REDO_UNIT_DATA:
		WRITE_ONCE(d->n_data, d->n_data + by);
		break;
	}
}

/* Without memory (replay only) the unit stays unknown; a later scan finds it. */
void redo_sum_set(struct redo_delta *d, u64 nr, u32 type, u32 used)
{
	u16 *s = redo_sum_slot(d, nr, true);

	if (!s)
		return;
	redo_sum_count(d, *s, -1);
	*s = SUM_MAKE(type, used);
	redo_sum_count(d, *s, 1);
}

void redo_sum_note(struct redo_delta *d, u64 nr, const struct redo_disk_unit *du)
{
	redo_sum_set(d, nr, le32_to_cpu(du->type), le32_to_cpu(du->used));
}

/*
 * A copy of a unit's record as the tree has it. A unit that the tree does not
 * know is free.
 */
int redo_unit_read(struct redo_delta *d, u64 nr, struct redo_disk_unit *du)
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
struct redo_disk_unit *redo_unit_dirty(struct redo_delta *d, u64 nr)
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

/* The same; NULL where replay does without. */
struct redo_disk_unit *redo_unit_follow(struct redo_delta *d, u64 nr)
{
	struct redo_disk_unit *du;

	if (d->blind)
		return NULL;
	du = redo_unit_dirty(d, nr);
	return IS_ERR(du) && !redo_replay_pass(d, PTR_ERR(du)) ? NULL : du;
}

/*
 * Where the record of the unit that would be taken next cannot be read, it and the
 * others of its leaf count as taken, and as full.
 */
void redo_units_pass_bad(struct redo_delta *d)
{
	struct redo_disk_unit *du = d->leaf_buf;
	u64 units = redo_io_units(d->bdev), nr = d->nr_units;

	while (nr < units && redo_unit_read(d, nr, du)) {
		do {
			redo_sum_set(d, nr, REDO_UNIT_META, REDO_UNIT_BLOCKS);
		} while (++nr < units && nr % REDO_UNITS_PER_LEAF);
	}
	if (nr != d->nr_units)
		DMWARN("%s: units %llu to %llu cannot be used", d->name, d->nr_units, nr - 1);
	WRITE_ONCE(d->nr_units, nr);
}

/*
 * Look at up to @leaves allocation leaves not seen yet. The units of a leaf that
 * cannot be read count as full: they are never handed out.
 */
void redo_space_scan(struct redo_delta *d, u64 leaves)
{
	struct redo_disk_unit *du = d->leaf_buf;
	u64 nr, end;

	redo_units_pass_bad(d);
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

bool redo_space_scanned(const struct redo_delta *d)
{
	return d->scan_next >= d->scan_end;
}

/*
 * Activation does not read the allocation tree. Refills look at a few leaves and
 * this does in the background, so that the day on which the delta is full does
 * not begin with reading them all.
 */
static void redo_scan_work(struct work_struct *work)
{
	struct redo_delta *d = container_of(to_delayed_work(work), struct redo_delta, scan_work);
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&d->mutex);
	if (d->active && !d->failed) {
		redo_space_scan(d, REDO_SCAN_WORK_LEAVES);
		if (!redo_space_scanned(d))
			queue_delayed_work(redo_delta_wq, &d->scan_work, REDO_SCAN_INTERVAL);
	}
	mutex_unlock(&d->mutex);
	memalloc_noio_restore(noio);
}

void redo_scan_init(struct redo_delta *d)
{
	INIT_DELAYED_WORK(&d->scan_work, redo_scan_work);
}

void redo_space_activate(struct redo_delta *d)
{
	mod_delayed_work(redo_delta_wq, &d->scan_work, REDO_SCAN_START);
}

/* Units about which there is more to know -------------------------------- */

struct redo_unit *redo_unit_get(struct redo_delta *d, u64 nr)
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

int redo_unit_need_bits(struct redo_delta *d, struct redo_unit *u)
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
bool redo_unit_settled(struct redo_delta *d, struct redo_unit *u)
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

/* alloc_lock held */
static void __redo_unit_keep_nothing(struct redo_unit *u)
{
	if (u->kept)
		bitmap_zero(u->bits->kept, REDO_UNIT_BLOCKS);
	u->kept = 0;
}

/*
 * Is something in it still kept for streams? What they do not take soon they will not
 * take any more. alloc_lock held; what is kept is nobody's as soon as this says no.
 */
static bool __redo_unit_keeps(struct redo_delta *d, struct redo_unit *u)
{
	lockdep_assert_held(&d->alloc_lock);
	if (u->kept && time_before(jiffies, u->kept_since + REDO_KEEP_TIME))
		return true;
	__redo_unit_keep_nothing(u);
	return false;
}

void redo_units_keep_nothing(struct redo_delta *d)
{
	struct redo_unit *u;
	unsigned long nr, flags;

	spin_lock_irqsave(&d->alloc_lock, flags);
	xa_for_each(&d->units, nr, u)
		__redo_unit_keep_nothing(u);
	spin_unlock_irqrestore(&d->alloc_lock, flags);
}

/*
 * Forget a unit about which there is nothing to know. unalloc may be looking at
 * the array (never for this unit: nothing of it is handed out), hence RCU.
 */
void redo_unit_gc(struct redo_delta *d, struct redo_unit *u)
{
	struct redo_unit_bits *bits = NULL;
	unsigned long flags;
	bool idle;

	if (!redo_unit_settled(d, u))
		return;
	spin_lock_irqsave(&d->alloc_lock, flags);
	idle = u->role == REDO_ROLE_NONE && !u->pending && !__redo_unit_keeps(d, u);
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

void redo_units_gc(struct redo_delta *d)
{
	struct redo_unit *u;
	unsigned long nr;

	xa_for_each(&d->units, nr, u)
		redo_unit_gc(d, u);
}

/* Is something held back that time alone will set free? */
bool redo_units_waiting(struct redo_delta *d)
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

/* May the (empty) unit get another type, or a role? */
bool redo_unit_idle(struct redo_delta *d, u64 nr)
{
	struct redo_unit *u = xa_load(&d->units, nr);
	unsigned long flags;
	bool r;

	if (!u)
		return true;
	if (!redo_unit_settled(d, u))
		return false;
	spin_lock_irqsave(&d->alloc_lock, flags);
	r = u->role == REDO_ROLE_NONE && !__redo_unit_keeps(d, u);
	spin_unlock_irqrestore(&d->alloc_lock, flags);
	return r;
}

bool redo_unit_unused(struct redo_delta *d, u64 nr)
{
	struct redo_unit *u = xa_load(&d->units, nr);

	return redo_unit_idle(d, nr) && !(u && READ_ONCE(u->pending));
}

/* Units on their way from free to in use and back ------------------------- */

static struct redo_disk_unit *redo_space_bad(struct redo_delta *d, u64 phys, u32 len,
					     const char *what)
{
	DMERR("%s: grains %llu+%u: %s", d->name, phys, len, what);
	return ERR_PTR(-EUCLEAN);
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

int redo_unit_write_header(struct redo_delta *d, u64 nr, enum redo_unit_type type)
{
	int r;

	if (d->failed)
		return -EIO;
	if (redo_mutant(no_unit_header))
		return 0;
	redo_pack_unit_header(d->buf, d->uuid, nr, type, d->grain_sectors);
	r = redo_io_write(d->bdev, nr * REDO_UNIT_BLOCKS, d->buf, 0);
	if (r)
		DMERR("%s: header of unit %llu: write error %d", d->name, nr, r);
	return r ? -EIO : 0;
}

void redo_unit_reset(struct redo_disk_unit *du, enum redo_unit_type type)
{
	memset(du, 0, sizeof(*du));
	du->type = cpu_to_le32(type);
	du->used = cpu_to_le32(1);
	redo_disk_set(du, 0, 1, true);
}

bool redo_unit_empty(const struct redo_disk_unit *du)
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
			WRITE_ONCE(u->pending, u->pending - 1);
			d->out_grains--;
		}
	}
	spin_unlock_irqrestore(&d->alloc_lock, flags);
}

/* The record of the unit in which these grains are free. ERR_PTR, NULL: see follow. */
static struct redo_disk_unit *redo_unit_to_use(struct redo_delta *d, u64 phys, u32 len)
{
	u64 nr = phys / d->gpu;
	u32 slot = phys % d->gpu;
	struct redo_disk_unit *du;

	if (!redo_data_run_ok(phys, len, d->gpu, redo_io_units(d->bdev)))
		return redo_space_bad(d, phys, len, "mapped outside of any data unit");
	if (nr >= d->nr_units) {
		if (!d->loading)
			return redo_space_bad(d, phys, len, "mapped in a unit never taken");
		WRITE_ONCE(d->nr_units, nr + 1);
	}
	du = redo_unit_follow(d, nr);
	if (IS_ERR_OR_NULL(du))
		return du;
	if (le32_to_cpu(du->type) != REDO_UNIT_DATA && !redo_unit_empty(du))
		return redo_space_bad(d, phys, len, "mapped in a metadata unit");
	if (redo_disk_count(du, slot, len))
		return redo_space_bad(d, phys, len, "mapped, but in use already");
	return du;
}

int redo_space_may_use(struct redo_delta *d, u64 phys, u32 len)
{
	return PTR_ERR_OR_ZERO(redo_unit_to_use(d, phys, len));
}

int redo_space_use(struct redo_delta *d, u64 phys, u32 len)
{
	u64 nr = phys / d->gpu;
	u32 slot = phys % d->gpu;
	struct redo_disk_unit *du;
	int r;

	du = redo_unit_to_use(d, phys, len);
	if (IS_ERR_OR_NULL(du))
		return PTR_ERR_OR_ZERO(du);
	if (redo_unit_empty(du)) {
		r = redo_unit_become_data(d, nr, du);
		if (r)
			return r;
	}
	redo_disk_set(du, slot, len, true);
	le32_add_cpu(&du->used, len);
	WRITE_ONCE(d->data_used, d->data_used + len);
	redo_sum_note(d, nr, du);
	if (!d->loading)
		redo_space_settle(d, nr, slot, len);
	return 0;
}

/* The record of the unit in which these grains are in use. ERR_PTR, NULL: see follow. */
static struct redo_disk_unit *redo_unit_to_free(struct redo_delta *d, u64 phys, u32 len)
{
	struct redo_disk_unit *du;

	if (!redo_space_data_ok(d, phys, len))
		return redo_space_bad(d, phys, len, "unmapped outside of any data unit");
	du = redo_unit_follow(d, phys / d->gpu);
	if (!IS_ERR_OR_NULL(du) && (le32_to_cpu(du->type) != REDO_UNIT_DATA ||
			    redo_disk_count(du, phys % d->gpu, len) != len))
		return redo_space_bad(d, phys, len, "unmapped, but not in use");
	return du;
}

int redo_space_may_free(struct redo_delta *d, u64 phys, u32 len)
{
	return PTR_ERR_OR_ZERO(redo_unit_to_free(d, phys, len));
}

int redo_space_free(struct redo_delta *d, u64 phys, u32 len)
{
	u64 nr = phys / d->gpu;
	u32 slot = phys % d->gpu;
	struct redo_disk_unit *du;
	struct redo_unit *u;

	du = redo_unit_to_free(d, phys, len);
	if (IS_ERR_OR_NULL(du))
		return PTR_ERR_OR_ZERO(du);
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
