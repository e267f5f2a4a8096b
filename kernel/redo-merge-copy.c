// SPDX-License-Identifier: GPL-2.0
/*
 * One batch of a merge's copies. Neighbours in source and target become one copy, so
 * that long runs are read and written as such; all of a batch are under way together.
 */
#include "redo-chain.h"

#define COPY_MAX	8192	/* sectors of one copy: several share the devices */

static void put(struct redo_merge_copies *k)
{
	if (atomic_dec_and_test(&k->pending))
		complete(&k->done);
}

static void note_error(struct redo_merge_copies *k, int error, u64 grain, u64 len)
{
	unsigned long flags;

	spin_lock_irqsave(&k->lock, flags);
	if (!k->error) {
		k->error = error;
		k->error_grain = grain;
		k->error_len = len;
	}
	spin_unlock_irqrestore(&k->lock, flags);
}

static void copy_done(int read_err, unsigned long write_err, void *context)
{
	struct redo_merge_copy *copy = context;
	struct redo_merge_copies *k = copy->k;

	if (read_err || write_err)
		note_error(k, -EIO, copy->grain, copy->len);
	put(k);
}

static void send(struct redo_merge_copies *k)
{
	struct redo_merge_copy *copy;

	if (!k->len)
		return;
	copy = &k->c->merge.buf->copy[k->n++];
	copy->k = k;
	copy->grain = k->grain;
	copy->len = k->len;
	k->len = 0;
	k->c->merge.sectors += k->to.count;
	atomic_inc(&k->pending);
	dm_kcopyd_copy(k->c->merge.kcopyd, &k->from, 1, &k->to, 0, copy_done, copy);
	k->to.count = 0;	/* it is asked for how much is gathered */
}

void redo_copies_start(struct redo_merge_copies *k, struct redo_chain *c)
{
	k->c = c;
	k->n = 0;
	k->len = 0;
	k->error = 0;
	k->error_grain = 0;
	k->error_len = 0;
	spin_lock_init(&k->lock);
	atomic_set(&k->pending, 1);	/* dropped by redo_copies_wait() */
	init_completion(&k->done);
}

/* Sectors of @len grains from @grain on; the last grain of a base may be short. */
static sector_t grains_end(struct redo_chain *c, u64 grain, u64 len, u32 to_slot)
{
	sector_t end = redo_grain_to_sector(c, grain + len);

	return to_slot ? end : min_t(sector_t, end, c->len);
}

static bool continues(const struct redo_merge_copies *k, const struct dm_io_region *from,
		      const struct dm_io_region *to)
{
	return k->len && from->bdev == k->from.bdev && to->bdev == k->to.bdev &&
	       k->from.sector + k->from.count == from->sector &&
	       k->to.sector + k->to.count == to->sector &&
	       k->to.count + to->count <= COPY_MAX;
}

static void add_piece(struct redo_merge_copies *k, u64 grain, u64 len,
		      const struct dm_io_region *from, const struct dm_io_region *to)
{
	if (continues(k, from, to)) {
		k->from.count += from->count;
		k->to.count += to->count;
		k->len += len;
		return;
	}
	send(k);
	k->from = *from;
	k->to = *to;
	k->grain = grain;
	k->len = len;
}

void redo_copies_add(struct redo_merge_copies *k, u64 grain, u64 len, u64 word,
		     u32 to_slot, u64 to_phys)
{
	struct redo_chain *c = k->c;
	sector_t count = grains_end(c, grain, len, to_slot) - redo_grain_to_sector(c, grain);
	struct dm_io_region from = {
		.bdev = c->slot[redo_word_slot(word)].bdev,
		.sector = redo_grain_to_sector(c, redo_word_phys(word)),
		.count = count,
	};
	struct dm_io_region to = {
		.bdev = c->slot[to_slot].bdev,
		.sector = redo_grain_to_sector(c, to_phys),
		.count = count,
	};

	add_piece(k, grain, len, &from, &to);
}

bool redo_copies_full(const struct redo_merge_copies *k)
{
	return k->n + 2 > REDO_MERGE_COPIES; /* one is gathered, one may come */
}

void redo_copies_zero(struct redo_merge_copies *k, u64 grain, u64 len)
{
	struct redo_chain *c = k->c;
	sector_t start = redo_grain_to_sector(c, grain);
	sector_t count = grains_end(c, grain, len, 0) - start;
	int r;

	r = blkdev_issue_zeroout(c->slot[0].bdev, start, count, GFP_NOIO, 0);
	if (r)
		note_error(k, r, grain, len);
	c->merge.sectors += count;
}

int redo_copies_wait(struct redo_merge_copies *k)
{
	send(k);
	put(k);
	wait_for_completion_io(&k->done);
	if (k->error)
		redo_merge_note_error(k->c, k->error, k->error_grain, k->error_len);
	return k->error;
}
