// SPDX-License-Identifier: GPL-2.0
/*
 * The tracking store: probe, format, open, start, close; superblock and table on disk.
 *
 * The two superblock slots are written in turns, as a delta's are (redo-super.c), with the
 * same rule: after a write that failed nothing more is written but the news that tracking
 * is broken. Table blocks and the table directory have two places each; which one is next
 * follows from which one the superblock in force reaches.
 *
 * A slot that is torn may also be the one in force that has decayed. What is missing after
 * falling back is noticed: the journal then holds blocks that the older superblock cannot
 * have expected, or the delta knows of a later generation of the store (the link check).
 */
#include <linux/ktime.h>
#include <linux/random.h>
#include <linux/uuid.h>
#include "redo-cbt-priv.h"

static u32 magic_of(const void *block)
{
	const struct redo_disk_header *dh = block;

	return le32_to_cpu(dh->magic);
}

/* Probing and formatting ---------------------------------------------------- */

/*
 * A header that no superblock followed was the last thing before a power cut: formatting
 * writes it after both slots were zeroed, and has not come to an end. Nobody has used that.
 */
static int probe_blocks(struct block_device *bdev, void *buf)
{
	bool blank = true, header = false, no_super = true;
	u64 nr;
	int r;

	if (redo_io_blocks(bdev) <= REDO_CBT_SUPER_BLOCK_B)
		return REDO_CBT_PROBE_FOREIGN;
	for (nr = 0; nr <= REDO_CBT_SUPER_BLOCK_B; nr++) {
		bool zero;

		r = redo_io_read(bdev, nr, buf);
		if (r)
			return r;
		zero = !memchr_inv(buf, 0, REDO_BLOCK_SIZE);
		if (!nr) {
			header = magic_of(buf) == REDO_MAGIC_CBT_HEADER;
			blank = zero;
			continue;
		}
		if (magic_of(buf) == REDO_MAGIC_CBT_SUPER)
			return REDO_CBT_PROBE_STORE;
		no_super &= zero;
		/* A delta whose first block was wiped is still one. */
		blank &= magic_of(buf) != REDO_MAGIC_SUPER;
	}
	if (header)
		return no_super ? REDO_CBT_PROBE_BLANK : REDO_CBT_PROBE_STORE;
	return blank ? REDO_CBT_PROBE_BLANK : REDO_CBT_PROBE_FOREIGN;
}

int redo_cbt_probe(struct block_device *bdev)
{
	void *buf = kmalloc(REDO_BLOCK_SIZE, GFP_NOIO);
	int r;

	if (!buf)
		return -ENOMEM;
	r = probe_blocks(bdev, buf);
	kfree(buf);
	if (r < 0)
		DMERR("%pg: cannot be read: error %d", bdev, r);
	return r;
}

static int check_geometry(struct block_device *bdev, u32 block_sectors, u64 virtual_sectors)
{
	u64 blocks;

	if (!virtual_sectors || virtual_sectors > REDO_ADDR_MASK ||
	    !redo_cbt_block_sectors_ok(block_sectors)) {
		DMERR("%pg: cannot track %llu sectors in blocks of %u", bdev, virtual_sectors,
		      block_sectors);
		return -EINVAL;
	}
	if (redo_cbt_nr_bits(virtual_sectors, block_sectors) > REDO_CBT_BITS_MAX) {
		DMERR("%pg: %llu sectors are too many for blocks of %u: take a larger block size",
		      bdev, virtual_sectors, block_sectors);
		return -EINVAL;
	}
	blocks = redo_cbt_min_blocks(virtual_sectors, block_sectors);
	if (redo_io_blocks(bdev) < blocks) {
		DMERR("%pg: %llu sectors: to track %llu in blocks of %u a store needs at least %llu",
		      bdev, (u64)bdev_nr_sectors(bdev), virtual_sectors, block_sectors,
		      blocks * REDO_BLOCK_SECTORS);
		return -ENOSPC;
	}
	return 0;
}

static u64 random_nonzero(void)
{
	u64 v;

	do {
		v = get_random_u64();
	} while (!v);
	return v;
}

/*
 * The superblock comes last and with a preflush. The journal need not be cleared: what it
 * holds has another uuid. The second slot is, so that nothing of an earlier life is newer.
 */
static int format_write(struct block_device *bdev, void *buf, const struct redo_cbt_super *sb)
{
	u64 nr;
	int r;

	for (nr = REDO_CBT_SUPER_BLOCK_A; nr <= REDO_CBT_SUPER_BLOCK_B; nr++) {
		memset(buf, 0, REDO_BLOCK_SIZE);
		r = redo_io_write(bdev, nr, buf, 0);
		if (r)
			return r;
	}
	redo_cbt_pack_header(buf, sb->uuid, sb->block_sectors, sb->create_time);
	r = redo_io_write(bdev, REDO_CBT_HEADER_BLOCK, buf, 0);
	if (r)
		return r;
	redo_cbt_pack_super(buf, sb);
	return redo_io_write(bdev, REDO_CBT_SUPER_BLOCK_A, buf, REQ_PREFLUSH | REQ_FUA);
}

int redo_cbt_format(struct block_device *bdev, u32 block_sectors, u64 virtual_sectors)
{
	struct redo_cbt_super sb = {
		.generation = 1,
		.incarnation = random_nonzero(),
		.flags = REDO_CBT_CLEAN,
		.virtual_sectors = virtual_sectors,
		.block_sectors = block_sectors,
		.first_epoch = 1,
		.journal_start = REDO_CBT_JOURNAL_START,
		.journal_blocks = REDO_CBT_JOURNAL_BLOCKS,
		.replay_seq = 1,
		.incarnation_seq = 1,
		.create_time = ktime_get_real_seconds(),
	};
	void *buf;
	int r;

	r = redo_io_check_device(bdev) ?: check_geometry(bdev, block_sectors, virtual_sectors);
	if (r)
		return r;
	buf = kmalloc(REDO_BLOCK_SIZE, GFP_NOIO);
	if (!buf)
		return -ENOMEM;
	generate_random_uuid(sb.uuid);
	r = format_write(bdev, buf, &sb);
	kfree(buf);
	if (r)
		DMERR("%pg: formatting failed: error %d", bdev, r);
	return r;
}

/* Nodes --------------------------------------------------------------------- */

int redo_cbt_read_node(struct redo_cbt_store *st, const struct redo_ptr *ptr, u16 level,
		       u64 place, void *buf)
{
	enum redo_bad bad;
	int r;

	r = redo_cbt_root_blocknr_ok(ptr->blocknr) ? redo_io_read(st->bdev, ptr->blocknr, buf) :
						     -ERANGE;
	if (r) {
		DMERR("%pg: block %llu cannot be read: error %d", st->bdev, ptr->blocknr, r);
		return r == -ERANGE ? -EUCLEAN : r;
	}
	bad = redo_cbt_check_node(buf, redo_cbt_node_magic(level), st->sb.uuid, ptr, level, place);
	if (!bad)
		return 0;
	DMERR("%pg: block %llu (level %u, %llu): %s", st->bdev, ptr->blocknr, level, place,
	      redo_bad_str(bad));
	return -EUCLEAN;
}

enum redo_cbt_reason redo_cbt_reason_of(int error)
{
	switch (error) {
	case -EUCLEAN:
		return REDO_CBT_BREAK_DAMAGE;
	case -ENOMEM:
		return REDO_CBT_BREAK_MEMORY;
	case -ENOSPC:
		return REDO_CBT_BREAK_SPACE;
	default:
		return REDO_CBT_BREAK_IO;
	}
}

/* The switch ---------------------------------------------------------------- */

static u64 table_place(u32 index, bool other)
{
	return REDO_CBT_TABLE_START + 2 * index + other;
}

/* Of two places the one that is not reached. */
static u64 other_place(const struct redo_ptr *now, u64 first)
{
	return now->kind == REDO_PTR_BLOCK && now->blocknr == first ? first + 1 : first;
}

static struct redo_ptr block_ptr(u64 blocknr, u64 generation)
{
	return (struct redo_ptr) {
		.kind = REDO_PTR_BLOCK,
		.blocknr = blocknr,
		.gen_tag = generation & REDO_GEN_TAG_MASK,
	};
}

static int write_table_block(struct redo_cbt_store *st, u32 index, u64 generation)
{
	u64 blocknr = other_place(&st->table[index], table_place(index, false));
	struct redo_cbt_disk_table *dt = st->sbuf;
	bool any = false;
	u32 i, slot;
	int r;

	memset(dt, 0, REDO_BLOCK_SIZE);
	for (i = 0; i < st->nr_rec; i++) {
		slot = st->rec[i].slot;
		if (slot / REDO_CBT_RECORDS_PER_BLOCK != index)
			continue;
		redo_cbt_pack_record(&dt->record[slot % REDO_CBT_RECORDS_PER_BLOCK],
				     &st->rec[i].r);
		any = true;
	}
	if (!any) {
		st->table[index] = (struct redo_ptr){ .kind = REDO_PTR_HOLE };
		return 0;
	}
	redo_cbt_seal_node(dt, REDO_MAGIC_CBT_TABLE, st->sb.uuid, blocknr, generation, 0, index);
	r = redo_io_write(st->bdev, blocknr, dt, 0);
	if (!r)
		st->table[index] = block_ptr(blocknr, generation);
	return r;
}

static int write_table(struct redo_cbt_store *st, struct redo_cbt_super *sb)
{
	u64 blocknr = other_place(&st->sb.table_root, REDO_CBT_TABLE_DIR);
	struct redo_disk_node *dir = st->sbuf;
	u32 index;
	int r;

	for_each_set_bit(index, st->table_dirty, REDO_CBT_TABLE_BLOCKS) {
		r = write_table_block(st, index, sb->generation);
		if (r)
			return r;
	}
	memset(dir, 0, REDO_BLOCK_SIZE);
	for (index = 0; index < REDO_CBT_TABLE_BLOCKS; index++)
		dir->word[index] = redo_pack_ptr(&st->table[index]);
	redo_cbt_seal_node(dir, REDO_MAGIC_CBT_TABLE, st->sb.uuid, blocknr, sb->generation, 1, 0);
	r = redo_io_write(st->bdev, blocknr, dir, 0);
	if (r)
		return r;
	bitmap_zero(st->table_dirty, REDO_CBT_TABLE_BLOCKS);
	sb->table_root = block_ptr(blocknr, sb->generation);
	sb->records = st->nr_rec;
	return 0;
}

int redo_cbt_switch(struct redo_cbt_store *st, struct redo_cbt_super *sb, bool table)
{
	unsigned long flags;
	int r = 0;

	lockdep_assert_held(&st->mutex);
	if (redo_cbt_over(st))
		return -EUCLEAN;
	sb->generation = st->sb.generation + 1;
	sb->slot = !st->sb.slot;
	sb->used_blocks = READ_ONCE(st->nr_used);
	if (table)
		r = write_table(st, sb);
	if (!r) {
		redo_cbt_pack_super(st->sbuf, sb);
		r = redo_io_write(st->bdev, redo_cbt_super_blocknr(sb->slot), st->sbuf,
				  redo_unless(cbt_super_no_preflush, REQ_PREFLUSH) | REQ_FUA);
	}
	if (r) {
		DMERR("%pg: superblock or table cannot be written: error %d", st->bdev, r);
		redo_cbt_break(&st->c, REDO_CBT_BREAK_IO);
		return -EIO;
	}
	spin_lock_irqsave(&st->lock, flags);
	st->sb = *sb;
	spin_unlock_irqrestore(&st->lock, flags);
	return 0;
}

/* Reading ------------------------------------------------------------------- */

static int refuse_super(struct redo_cbt_store *st, const struct redo_cbt_super sb[2],
			const enum redo_bad bad[2])
{
	/* Whose it was, as far as that can be said. */
	if (!bad[0] || !bad[1])
		memcpy(st->sb.uuid, sb[bad[0] ? 1 : 0].uuid, REDO_UUID_SIZE);
	DMERR("%pg: no valid superblock of a tracking store: slot A: %s, slot B: %s", st->bdev,
	      redo_bad_str(bad[0]), redo_bad_str(bad[1]));
	return -EUCLEAN;
}

static int choose(struct redo_cbt_store *st, struct redo_cbt_super sb[2], enum redo_bad bad[2])
{
	int i = redo_cbt_choose_super(sb, bad);

	if (i < 0)
		return refuse_super(st, sb, bad);
	if (sb[i].compat_ro & ~REDO_CBT_COMPAT_RO_SUPP) {
		bad[i] = REDO_BAD_INCOMPAT;
		return refuse_super(st, sb, bad);
	}
	if (bad[!i] && !(bad[!i] == REDO_BAD_BLANK && sb[i].generation <= 1))
		DMWARN("%pg: superblock slot %c: %s; taking generation %llu of slot %c", st->bdev,
		       'A' + !i, redo_bad_str(bad[!i]), sb[i].generation, 'A' + i);
	st->sb = sb[i];
	return 0;
}

static int read_super(struct redo_cbt_store *st)
{
	struct redo_cbt_super sb[2];
	enum redo_bad bad[2];
	int i, r, n_err = 0;

	for (i = 0; i < 2; i++) {
		r = redo_io_read(st->bdev, redo_cbt_super_blocknr(i), st->sbuf);
		if (r) {
			DMERR("%pg: superblock slot %c cannot be read: error %d", st->bdev,
			      'A' + i, r);
			bad[i] = REDO_BAD_CSUM;
			n_err++;
		} else {
			bad[i] = redo_cbt_unpack_super(st->sbuf, i, &sb[i]);
		}
	}
	r = choose(st, sb, bad);
	return r && n_err == 2 ? -EIO : r;
}

static int read_table_node(struct redo_cbt_store *st, const struct redo_ptr *ptr, u64 first,
			   u16 level, u64 place)
{
	enum redo_bad bad;
	int r;

	if (ptr->blocknr != first && ptr->blocknr != first + 1)
		return -EUCLEAN;
	r = redo_io_read(st->bdev, ptr->blocknr, st->sbuf);
	if (r)
		return r;
	bad = redo_cbt_check_node(st->sbuf, REDO_MAGIC_CBT_TABLE, st->sb.uuid, ptr, level, place);
	if (bad)
		DMERR("%pg: table block %llu: %s", st->bdev, ptr->blocknr, redo_bad_str(bad));
	return bad ? -EUCLEAN : 0;
}

static int take_record(struct redo_cbt_store *st, u32 slot, const struct redo_cbt_disk_record *dr)
{
	struct redo_cbt_record r;
	enum redo_bad bad;
	u32 i;

	bad = redo_cbt_unpack_record(dr, &r);
	if (bad == REDO_BAD_BLANK)
		return 0;
	if (bad || (r.root.kind == REDO_PTR_BLOCK && !redo_cbt_root_blocknr_ok(r.root.blocknr)))
		return -EUCLEAN;
	for (i = st->nr_rec; i && st->rec[i - 1].r.number > r.number; i--)
		st->rec[i] = st->rec[i - 1];
	st->rec[i].r = r;
	st->rec[i].slot = slot;
	st->nr_rec++;
	__set_bit(slot, st->slots);
	return 0;
}

static int read_table_block(struct redo_cbt_store *st, u32 index)
{
	const struct redo_cbt_disk_table *dt = st->sbuf;
	u32 i;
	int r;

	if (st->table[index].kind == REDO_PTR_HOLE)
		return 0;
	r = read_table_node(st, &st->table[index], table_place(index, false), 0, index);
	for (i = 0; !r && i < REDO_CBT_RECORDS_PER_BLOCK; i++)
		r = take_record(st, index * REDO_CBT_RECORDS_PER_BLOCK + i, &dt->record[i]);
	return r;
}

/* They follow one another without a gap, and all but the last have ended. */
static int check_records(struct redo_cbt_store *st)
{
	const struct redo_cbt_record *r;
	u32 i;

	if (st->nr_rec != st->sb.records || st->rec[st->nr_rec - 1].r.number != st->sb.epoch ||
	    st->rec[0].r.first > st->sb.first_epoch)
		return -EUCLEAN;
	for (i = 0; i < st->nr_rec; i++) {
		bool last = i + 1 == st->nr_rec;

		r = &st->rec[i].r;
		if (i && r->first != st->rec[i - 1].r.number + 1)
			return -EUCLEAN;
		if (last ? r->first != r->number || (r->flags & REDO_CBT_REC_UNSETTLED) :
		    !(r->flags & REDO_CBT_REC_IMPLIED) != !(r->flags & REDO_CBT_REC_UNSETTLED))
			return -EUCLEAN;
	}
	return 0;
}

static int read_table(struct redo_cbt_store *st)
{
	const struct redo_disk_node *dir = st->sbuf;
	u32 i;
	int r;

	if (!st->sb.epoch)
		return 0;
	r = read_table_node(st, &st->sb.table_root, REDO_CBT_TABLE_DIR, 1, 0);
	for (i = 0; !r && i < REDO_CBT_TABLE_BLOCKS; i++)
		if (redo_unpack_ptr(dir->word[i], &st->table[i]) ||
		    st->table[i].kind == REDO_PTR_ONES)
			r = -EUCLEAN;
	for (i = 0; !r && i < REDO_CBT_TABLE_BLOCKS; i++)
		r = read_table_block(st, i);
	r = r ?: check_records(st);
	if (r)
		DMERR("%pg: epoch table: error %d", st->bdev, r);
	return r;
}

/* Those that are not settled, and the current one. */
static int make_maps(struct redo_cbt_store *st)
{
	struct redo_cbt_map *map;
	u32 i;
	int r;

	for (i = 0; i < st->nr_rec; i++) {
		const struct redo_cbt_record *rec = &st->rec[i].r;
		bool last = i + 1 == st->nr_rec;

		if (!last && !(rec->flags & REDO_CBT_REC_UNSETTLED))
			continue;
		map = redo_cbt_map_new(rec->number, st->c.nr_bits);
		if (!map)
			return -ENOMEM;
		list_add_tail(&map->list, &st->maps);
		r = redo_cbt_map_load_root(st, map, &rec->root);
		if (r)
			return r;
		if (!last)
			continue;
		st->cur = map;
		st->implied = rec->flags & REDO_CBT_REC_IMPLIED;
		memcpy(st->implied_uuid, rec->delta_uuid, REDO_UUID_SIZE);
		rcu_assign_pointer(st->c.map, map);
	}
	return 0;
}

static int load(struct redo_cbt_store *st)
{
	int r;

	r = redo_io_check_device(st->bdev) ? -EUCLEAN : read_super(st);
	if (r)
		return r;
	st->was_clean = st->sb.flags & REDO_CBT_CLEAN;
	st->c.shift = ilog2(st->sb.block_sectors);
	st->c.nr_bits = redo_cbt_nr_bits(st->sb.virtual_sectors, st->sb.block_sectors);
	st->next_seq = st->sb.replay_seq;
	st->nr_used = st->sb.used_blocks;
	if (st->sb.flags & REDO_CBT_BROKEN) {
		redo_cbt_break(&st->c, st->sb.break_reason);
		return 0;
	}
	r = read_table(st) ?: make_maps(st);
	if (!r && !st->was_clean) {
		mutex_lock(&st->jmutex);
		r = redo_cbt_replay(st);
		mutex_unlock(&st->jmutex);
	}
	return r;
}

/* Life ---------------------------------------------------------------------- */

static int alloc_blocks(void **p, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		p[i] = kzalloc(REDO_BLOCK_SIZE, GFP_NOIO);
		if (!p[i])
			return -ENOMEM;
	}
	return 0;
}

static int alloc_all(struct redo_cbt_store *st)
{
	int r;

	st->journal_wq = alloc_workqueue("redo-cbt-journal", WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
	st->fold_wq = alloc_workqueue("redo-cbt-fold", WQ_MEM_RECLAIM | WQ_UNBOUND, 2);
	st->rec = redo_cbt_kvzalloc((REDO_CBT_RECORDS_MAX + 1) * sizeof(*st->rec));
	st->slots = bitmap_zalloc(REDO_CBT_RECORDS_MAX, GFP_NOIO);
	if (!st->journal_wq || !st->fold_wq || !st->rec || !st->slots)
		return -ENOMEM;
	r = bioset_init(&st->bs, 4, 0, BIOSET_NEED_BVECS);
	if (r)
		return r;
	r = alloc_blocks(st->buf, CBT_BUFS) ?: alloc_blocks(st->node, CBT_NODES) ?:
	    alloc_blocks(&st->sbuf, 1) ?: alloc_blocks(&st->jbuf, 1);
	if (r)
		return r;
	redo_cbt_fill_reserve(st);
	return redo_cbt_space_init(st);
}

static void init_all(struct redo_cbt_store *st)
{
	INIT_WORK(&st->journal_work, redo_cbt_journal_work);
	INIT_WORK(&st->fold_work, redo_cbt_fold_work);
	INIT_WORK(&st->break_work, redo_cbt_break_work);
	mutex_init(&st->fold_mutex);
	init_rwsem(&st->readers);
	mutex_init(&st->mutex);
	mutex_init(&st->jmutex);
	spin_lock_init(&st->lock);
	INIT_LIST_HEAD(&st->maps);
	INIT_LIST_HEAD(&st->pages);
	INIT_LIST_HEAD(&st->reserve);
	bio_list_init(&st->busy_bios);
	bio_list_init(&st->held);
	bio_list_init(&st->late);
	st->closed = true;
	st->c.mode = REDO_CBT_CLOSED;
}

struct redo_cbt *redo_cbt_open(struct block_device *bdev, const struct redo_cbt_ops *ops,
			       void *owner)
{
	struct redo_cbt_store *st = redo_cbt_kvzalloc(sizeof(*st));
	int r;

	if (!st)
		return ERR_PTR(-ENOMEM);
	init_all(st);
	st->bdev = bdev;
	st->ops = ops;
	st->owner = owner;
	r = alloc_all(st);
	if (!r)
		r = load(st);
	if (r == -ENOMEM) {
		redo_cbt_free(&st->c);
		return ERR_PTR(r);
	}
	if (r)
		redo_cbt_break(&st->c, redo_cbt_reason_of(r));
	return &st->c;
}

/* What a crash has left to the deltas' maps. */
static void want_rebuild(struct redo_cbt_store *st, bool current_too)
{
	struct redo_cbt_map *map;
	unsigned long flags;

	mutex_lock(&st->jmutex);
	list_for_each_entry(map, &st->maps, list) {
		struct redo_cbt_rec *rec = redo_cbt_rec_find(st, map->number);

		if (!rec || !(rec->r.flags & REDO_CBT_REC_IMPLIED) ||
		    (map == st->cur && !current_too))
			continue;
		spin_lock_irqsave(&st->lock, flags);
		map->rebuild = true;
		st->nr_rebuild++;
		spin_unlock_irqrestore(&st->lock, flags);
	}
	mutex_unlock(&st->jmutex);
}

static int start(struct redo_cbt_store *st, bool rebuild)
{
	struct redo_cbt_super sb;
	int r;

	mutex_lock(&st->mutex);
	sb = st->sb;
	sb.flags &= ~REDO_CBT_CLEAN;
	sb.incarnation = random_nonzero();
	sb.incarnation_seq = st->next_seq;
	r = redo_cbt_switch(st, &sb, false);
	if (!r)
		want_rebuild(st, rebuild || !st->was_clean);
	mutex_unlock(&st->mutex);
	return r;
}

int redo_cbt_start(struct redo_cbt *cbt, bool rebuild)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	unsigned long flags;

	/* From now on a break is at work as soon as it is known. */
	spin_lock_irqsave(&st->lock, flags);
	st->started = true;
	spin_unlock_irqrestore(&st->lock, flags);
	if (redo_cbt_over(st) || start(st, rebuild)) {
		queue_work(st->fold_wq, &st->break_work);
		flush_work(&st->break_work);
		return -EUCLEAN;
	}
	redo_cbt_fold_kick(st);
	return 0;
}

static bool all_settled(struct redo_cbt_store *st)
{
	struct redo_cbt_map *map;
	bool settled;

	mutex_lock(&st->jmutex);
	settled = st->next_seq == st->sb.replay_seq;
	list_for_each_entry(map, &st->maps, list)
		settled &= !map->rebuild && map == st->cur &&
			   bitmap_empty(map->dirty, map->nr_pages);
	mutex_unlock(&st->jmutex);
	return settled;
}

int redo_cbt_close(struct redo_cbt *cbt, u64 link_generation)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	struct redo_cbt_super sb;
	int r = -EUCLEAN;

	mutex_lock(&st->fold_mutex);
	mutex_lock(&st->mutex);
	if (st->started && !redo_cbt_over(st)) {
		sb = st->sb;
		sb.link_generation = link_generation;
		if (all_settled(st))
			sb.flags |= REDO_CBT_CLEAN;
		r = redo_cbt_switch(st, &sb, false);
	}
	mutex_unlock(&st->mutex);
	mutex_unlock(&st->fold_mutex);
	return r;
}

static void free_maps(struct redo_cbt_store *st)
{
	struct redo_cbt_map *map, *next;
	LIST_HEAD(pages);

	RCU_INIT_POINTER(st->c.map, NULL);
	mutex_lock(&st->jmutex);
	list_for_each_entry_safe(map, next, &st->maps, list) {
		redo_cbt_map_take_pages(st, map, &pages);
		list_del(&map->list);
		redo_cbt_map_put(map);
	}
	mutex_unlock(&st->jmutex);
	redo_cbt_free_pages(st, &pages);
	redo_cbt_map_put(st->spare);
}

static void free_blocks(void **p, u32 n)
{
	while (n--)
		kfree(p[n]);
}

void redo_cbt_free(struct redo_cbt *cbt)
{
	struct redo_cbt_store *st = cbt ? redo_cbt_store(cbt) : NULL;

	if (!st)
		return;
	WARN_ON_ONCE(!bio_list_empty(&st->held) || !bio_list_empty(&st->late));
	/* The fold's work queues the journal's, which may kick the fold's. */
	cancel_work_sync(&st->fold_work);
	cancel_work_sync(&st->journal_work);
	cancel_work_sync(&st->fold_work);
	flush_work(&st->break_work);
	if (st->journal_wq)
		destroy_workqueue(st->journal_wq);
	if (st->fold_wq)
		destroy_workqueue(st->fold_wq);
	free_maps(st);
	redo_cbt_free_reserve(st);
	redo_cbt_space_exit(st);
	free_blocks(st->buf, CBT_BUFS);
	free_blocks(st->node, CBT_NODES);
	kfree(st->sbuf);
	kfree(st->jbuf);
	bioset_exit(&st->bs);
	bitmap_free(st->slots);
	kvfree(st->rec);
	kvfree(st);
}
