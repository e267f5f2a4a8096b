// SPDX-License-Identifier: GPL-2.0
/*
 * Superblock: probe, format, read, switch.
 *
 * Two slots are written in turns, always the one that does not hold the
 * superblock in force, with PREFLUSH|FUA. The slot in force is therefore never
 * touched: a write that is torn, or fails, spoils only what was obsolete
 * already. A write that reported an error may nevertheless have reached the
 * medium, now or later; since we cannot tell which of the two is in force, the
 * delta is failed and nothing at all is written until it has been read anew.
 */
#include <linux/ktime.h>
#include <linux/random.h>
#include "redo-delta-priv.h"
#include "redo-super.h"

#define DM_MSG_PREFIX "redo"

static void *redo_block_alloc(void)
{
	return kzalloc(REDO_BLOCK_SIZE, GFP_NOIO);
}

static u32 redo_magic_of(const void *block)
{
	const struct redo_disk_header *dh = block;

	return le32_to_cpu(dh->magic);
}

static int redo_probe_blocks(struct block_device *bdev, void *buf)
{
	bool zero;
	int r;

	if (redo_io_blocks(bdev) <= REDO_SUPER_BLOCK_B)
		return REDO_PROBE_FOREIGN;
	r = redo_io_read(bdev, 0, buf);
	if (r)
		return r;
	if (redo_magic_of(buf) == REDO_MAGIC_UNIT)
		return REDO_PROBE_DELTA;
	zero = !memchr_inv(buf, 0, REDO_BLOCK_SIZE);
	r = redo_io_read(bdev, REDO_SUPER_BLOCK_A, buf);
	if (r)
		return r;
	if (redo_magic_of(buf) == REDO_MAGIC_SUPER)
		return REDO_PROBE_DELTA;
	r = redo_io_read(bdev, REDO_SUPER_BLOCK_B, buf);
	if (r)
		return r;
	if (redo_magic_of(buf) == REDO_MAGIC_SUPER)
		return REDO_PROBE_DELTA;
	return zero ? REDO_PROBE_BLANK : REDO_PROBE_FOREIGN;
}

int redo_delta_probe(struct block_device *bdev)
{
	void *buf = redo_block_alloc();
	int r;

	if (!buf)
		return -ENOMEM;
	r = redo_probe_blocks(bdev, buf);
	kfree(buf);
	if (r < 0)
		DMERR("%pg: cannot be read: error %d", bdev, r);
	return r;
}

static int redo_check_device(struct block_device *bdev)
{
	int r = redo_io_check_device(bdev);

	if (r)
		return r;
	if (!redo_io_units(bdev)) {
		DMERR("%pg: %llu sectors: a delta needs at least %u", bdev,
		      (u64)bdev_nr_sectors(bdev), REDO_UNIT_SECTORS);
		return -EINVAL;
	}
	return 0;
}

static u64 redo_random(void)
{
	u64 v;

	do {
		v = get_random_u64();
	} while (!v);
	return v;
}

static void redo_format_super(struct redo_super *sb, const struct redo_super *from)
{
	memset(sb, 0, sizeof(*sb));
	memcpy(sb->uuid, from->uuid, REDO_UUID_SIZE);
	memcpy(sb->parent_uuid, from->parent_uuid, REDO_UUID_SIZE);
	memcpy(sb->tree_uuid, from->tree_uuid, REDO_UUID_SIZE);
	sb->virtual_sectors = from->virtual_sectors;
	sb->base_sectors = from->base_sectors;
	sb->grain_sectors = from->grain_sectors;
	sb->depth = from->depth;
	sb->chain_seq = from->chain_seq;
	sb->slot = 0;
	sb->generation = 1;
	sb->incarnation = redo_random();
	sb->state = REDO_STATE_NEW;
	sb->label_block = REDO_LABEL_BLOCK_A;
	sb->create_time = ktime_get_real_seconds();
	sb->map_height = redo_tree_height(redo_nr_leaves(sb->virtual_sectors,
							 sb->grain_sectors));
	sb->nr_units = 1;
	sb->journal_start = REDO_JOURNAL_START;
	sb->journal_blocks = REDO_JOURNAL_BLOCKS;
	sb->replay_seq = 1;
	sb->replay_commit = 1;
}

static bool redo_grain_size_ok(u32 s)
{
	return s >= REDO_GRAIN_SECTORS_MIN && s <= REDO_GRAIN_SECTORS_MAX && is_power_of_2(s);
}

/*
 * The superblock comes last and with a preflush: a device on which formatting
 * was interrupted has no valid superblock. The second slots are cleared, so that
 * nothing of an earlier life is newer; what else lies on the device names
 * another UUID or another incarnation.
 */
static int redo_format_write(struct block_device *bdev, void *buf,
			     const struct redo_super *sb, const struct redo_label *label)
{
	static const u64 clear[] = { REDO_SUPER_BLOCK_A, REDO_SUPER_BLOCK_B, REDO_LABEL_BLOCK_B };
	int i, r;

	for (i = 0; i < ARRAY_SIZE(clear); i++) {
		memset(buf, 0, REDO_BLOCK_SIZE);
		r = redo_io_write(bdev, clear[i], buf, 0);
		if (r)
			return r;
	}
	redo_pack_unit_header(buf, sb->uuid, 0, REDO_UNIT_META, sb->grain_sectors);
	r = redo_io_write(bdev, 0, buf, 0);
	if (r)
		return r;
	redo_pack_label(buf, sb->uuid, REDO_LABEL_BLOCK_A, 1, label);
	r = redo_io_write(bdev, REDO_LABEL_BLOCK_A, buf, 0);
	if (r)
		return r;
	redo_pack_super(buf, sb);
	return redo_io_write(bdev, REDO_SUPER_BLOCK_A, buf, REQ_PREFLUSH | REQ_FUA);
}

int redo_delta_format(struct block_device *bdev, const struct redo_super *from,
		      const struct redo_label *label)
{
	struct redo_label *empty = NULL;
	struct redo_super *sb;
	void *buf;
	int r;

	r = redo_check_device(bdev);
	if (r)
		return r;
	if (!from->virtual_sectors || !redo_grain_size_ok(from->grain_sectors)) {
		DMERR("%pg: cannot format for %llu sectors in grains of %u", bdev,
		      from->virtual_sectors, from->grain_sectors);
		return -EINVAL;
	}
	buf = redo_block_alloc();
	sb = kzalloc(sizeof(*sb), GFP_NOIO);
	if (!label)
		label = empty = kzalloc(sizeof(*empty), GFP_NOIO);
	if (buf && sb && label) {
		redo_format_super(sb, from);
		r = redo_format_write(bdev, buf, sb, label);
		if (r)
			DMERR("%pg: formatting failed: error %d", bdev, r);
	} else {
		r = -ENOMEM;
	}
	kfree(empty);
	kfree(sb);
	kfree(buf);
	return r;
}

/* A pointer that the trees may hold; nothing of the device is read. */
static bool redo_root_ok(const struct redo_ptr *p, u64 nr_units, bool zero_ok)
{
	if (p->kind == REDO_PTR_HOLE)
		return true;
	if (p->kind == REDO_PTR_ZERO)
		return zero_ok;
	return p->kind == REDO_PTR_BLOCK && p->blocknr >= REDO_META_START &&
	       p->blocknr / REDO_UNIT_BLOCKS < nr_units && p->blocknr % REDO_UNIT_BLOCKS;
}

/* What only the device, or this module's limits, can tell about a valid superblock. */
static int redo_super_check(struct block_device *bdev, const struct redo_super *sb)
{
	u64 units = redo_io_units(bdev);
	u64 leaves = redo_nr_leaves(sb->virtual_sectors, sb->grain_sectors);

	if (sb->map_height >= REDO_LEVELS_MAX || sb->alloc_height >= REDO_LEVELS_MAX - 1)
		DMERR("%pg: superblock refused: tree heights %u and %u, at most %u expected", bdev,
		      sb->map_height, sb->alloc_height, REDO_LEVELS_MAX - 2);
	else if (sb->nr_units > units)
		DMERR("%pg: superblock refused: %llu units taken, the device holds %llu", bdev,
		      sb->nr_units, units);
	else if (!redo_root_ok(&sb->map_root, sb->nr_units, true))
		DMERR("%pg: superblock refused: map root at block %llu", bdev,
		      sb->map_root.blocknr);
	else if (!redo_root_ok(&sb->alloc_root, sb->nr_units, false))
		DMERR("%pg: superblock refused: allocation root at block %llu", bdev,
		      sb->alloc_root.blocknr);
	else if (sb->nr_leaves > leaves)
		DMERR("%pg: superblock refused: %llu leaves, at most %llu expected", bdev,
		      sb->nr_leaves, leaves);
	else
		return 0;
	return -EUCLEAN;
}

static int redo_super_none(struct block_device *bdev, const enum redo_bad bad[2])
{
	if (bad[0] == REDO_BAD_BLANK && bad[1] == REDO_BAD_BLANK) {
		DMERR("%pg: no delta: both superblock slots are blank", bdev);
		return -EINVAL;
	}
	if (bad[0] == REDO_BAD_MAGIC && bad[1] == REDO_BAD_MAGIC) {
		DMERR("%pg: no delta: no magic in either superblock slot", bdev);
		return -EINVAL;
	}
	DMERR("%pg: no valid superblock: slot A: %s, slot B: %s", bdev,
	      redo_bad_str(bad[0]), redo_bad_str(bad[1]));
	return -EUCLEAN;
}

static int redo_super_refused(struct block_device *bdev, const enum redo_bad bad[2])
{
	int i;

	for (i = 0; i < 2; i++) {
		if (!redo_slot_refused(bad[i]))
			continue;
		DMERR("%pg: superblock slot %c: %s", bdev, 'A' + i, redo_bad_str(bad[i]));
		return bad[i] == REDO_BAD_VERSION || bad[i] == REDO_BAD_INCOMPAT ?
		       -EOPNOTSUPP : -EUCLEAN;
	}
	return 0;
}

/*
 * An unreadable or corrupt slot next to a valid one is what a torn switch
 * leaves behind. It could also be the one in force that has decayed. What then
 * would be missing after falling back: a checkpoint (nothing is lost, as long as
 * the journal still reaches back: replay does it again); an activation or a lap
 * of the journal (replay looks for commits that it cannot reach and refuses); a
 * seal (the child knows the content generation and its chain is refused). So
 * the valid one is taken, with a warning, and d->torn makes replay look.
 */
int redo_super_read(struct redo_delta *d, struct redo_super *out, bool *torn)
{
	struct block_device *bdev = d->bdev;
	enum redo_bad bad[2];
	struct redo_super *sb;
	int i, r, n_err = 0;

	r = redo_check_device(bdev);
	if (r)
		return r;
	sb = kcalloc(2, sizeof(*sb), GFP_NOIO);
	if (!sb)
		return -ENOMEM;
	for (i = 0; i < 2; i++) {
		r = redo_io_read(bdev, redo_super_blocknr(i), d->buf);
		if (r) {
			DMERR("%pg: superblock slot %c cannot be read: error %d", bdev, 'A' + i, r);
			bad[i] = REDO_BAD_CSUM;
			n_err++;
		} else {
			bad[i] = redo_unpack_super(d->buf, i, &sb[i]);
		}
	}
	r = n_err == 2 ? -EIO : redo_super_refused(bdev, bad);
	if (r)
		goto out;
	if (redo_slots_of_two(sb, bad)) {
		DMERR("%pg: superblock slots of two deltas: %pUb and %pUb; wipe the one that is not wanted",
		      bdev, sb[0].uuid, sb[1].uuid);
		r = -EUCLEAN;
		goto out;
	}
	i = redo_choose_super(sb, bad);
	if (i < 0) {
		r = n_err ? -EIO : redo_super_none(bdev, bad);
		goto out;
	}
	*torn = redo_slot_torn(&sb[i], bad[!i]);
	if (*torn)
		DMWARN("%pg: superblock slot %c: %s; taking generation %llu of slot %c", bdev,
		       'A' + !i, redo_bad_str(bad[!i]), sb[i].generation, 'A' + i);
	r = redo_super_check(bdev, &sb[i]);
	if (!r) {
		*out = sb[i];
		out->slot = i;
	}
out:
	kfree(sb);
	return r;
}

void redo_super_track(struct redo_delta *d, struct redo_super *sb, const struct redo_tracked *t)
{
	WRITE_ONCE(d->tracker_generation, 0);	/* it may have been another one's */
	redo_super_set_tracker(sb, t->uuid, t->generation);
	if (t->uuid)
		sb->tracker_epoch = t->epoch;
}

int redo_super_switch(struct redo_delta *d, struct redo_super *sb)
{
	unsigned long flags;
	int r;

	lockdep_assert_held(&d->mutex);
	if (d->failed)
		return -EIO;
	sb->generation = d->sb.generation + 1;
	if (sb->compat_ro & REDO_COMPAT_RO_TRACKER)
		sb->tracker_generation = max(sb->tracker_generation,
					     READ_ONCE(d->tracker_generation));
	sb->slot = !d->sb.slot;
	redo_pack_super(d->buf, sb);
	r = redo_io_write(d->bdev, redo_super_blocknr(sb->slot), d->buf,
			  redo_unless(super_no_preflush, REQ_PREFLUSH) | REQ_FUA);
	if (r) {
		redo_delta_fail(d, "superblock write", r);
		return -EIO;
	}
	spin_lock_irqsave(&d->sb_lock, flags);
	d->sb = *sb;
	spin_unlock_irqrestore(&d->sb_lock, flags);
	return 0;
}
