// SPDX-License-Identifier: GPL-2.0
/*
 * Writes that cover a grain in part. Only what the bio does not cover is copied
 * from below (dm-kcopyd); then the bio itself is sent to the new grain. The grain
 * stays pending all the while, so nobody sees it half done.
 */
#include "redo-chain.h"

int redo_copyup_init(struct redo_chain *c)
{
	c->kcopyd = dm_kcopyd_client_create(NULL);
	if (IS_ERR(c->kcopyd)) {
		int r = PTR_ERR(c->kcopyd);

		c->kcopyd = NULL;
		return r;
	}
	return 0;
}

void redo_copyup_exit(struct redo_chain *c)
{
	if (c->kcopyd)
		dm_kcopyd_client_destroy(c->kcopyd);
}

static bool has_payload(struct bio *bio)
{
	return bio_op(bio) == REQ_OP_WRITE;
}

/* All of the grain around the bio's part is in place. */
static void copied(struct redo_chain *c, struct bio *bio)
{
	struct redo_io *io = redo_io(bio);

	if (io->copy_error) {
		if (io->state == REDO_IO_FIRST) {
			bio->bi_status = io->copy_error;
			redo_commit_failed_write(c, bio);
			return;
		}
		redo_inflight_leave(&c->inflight, io->gen);
		redo_bio_piece_done(c, bio, io->copy_error);
		return;
	}
	if (has_payload(bio)) {
		redo_bio_send(c, bio, c->home, redo_grain_to_sector(c, io->phys) +
			      (bio->bi_iter.bi_sector & (c->grain_sectors - 1)));
		return;
	}
	if (io->state == REDO_IO_FIRST)
		redo_first_write_done(c, io);
	else
		redo_inflight_leave(&c->inflight, io->gen);
	redo_bio_piece_done(c, bio, BLK_STS_OK);
}

static void put_copy(struct bio *bio)
{
	struct redo_io *io = redo_io(bio);

	if (atomic_dec_and_test(&io->copies))
		copied(io->chain, bio);
}

static void copy_done(int read_err, unsigned long write_err, void *context)
{
	struct bio *bio = context;

	if (read_err || write_err)
		WRITE_ONCE(redo_io(bio)->copy_error, BLK_STS_IOERR);
	put_copy(bio);
}

static struct dm_io_region region(struct redo_chain *c, u32 slot, u64 phys, sector_t off,
				  sector_t count)
{
	return (struct dm_io_region) {
		.bdev = c->slot[slot].bdev,
		.sector = redo_grain_to_sector(c, phys) + off,
		.count = count,
	};
}

/* Not with dm_kcopyd_zero(): a device may offer to write zeroes, and then refuse. */
static void zero_region(struct redo_io *io, const struct dm_io_region *to)
{
	int r = blkdev_issue_zeroout(to->bdev, to->sector, to->count, GFP_NOIO, 0);

	if (r)
		WRITE_ONCE(io->copy_error, errno_to_blk_status(r));
}

/* Fill [off, off + count) sectors of the new grain from where @word points. */
static void copy_part(struct redo_chain *c, struct bio *bio, u64 word, sector_t off,
		      sector_t count)
{
	struct redo_io *io = redo_io(bio);
	struct dm_io_region to = region(c, c->home, io->phys, off, count), from;

	if (!count)
		return;
	if (redo_word_state(word) == REDO_W_ZERO) {
		zero_region(io, &to);
		return;
	}
	atomic_inc(&io->copies);
	if (redo_word_has_place(word)) {
		from.bdev = c->slot[redo_word_slot(word)].bdev;
		from.sector = redo_grain_to_sector(c, redo_word_phys(word)) + off;
	} else {
		from.bdev = c->slot[0].bdev;
		from.sector = redo_grain_to_sector(c, io->grain) + off;
	}
	from.count = count;
	dm_kcopyd_copy(c->kcopyd, &from, 1, &to, 0, copy_done, bio);
}

void redo_copyup(struct redo_chain *c, struct bio *bio)
{
	struct redo_io *io = redo_io(bio);
	sector_t start = redo_grain_to_sector(c, io->grain);
	sector_t end = min_t(sector_t, start + c->grain_sectors, c->len) - start;
	sector_t part = bio->bi_iter.bi_sector - start;
	sector_t part_end = part + bio_sectors(bio);
	u64 old = io->old;

	if (redo_mutant(record_before_copy))
		redo_mutant_record_now(c, io);
	io->copy_error = BLK_STS_OK;
	atomic_set(&io->copies, 1);	/* ours, until all have been started */
	copy_part(c, bio, old, 0, part);
	copy_part(c, bio, old, part_end, end - part_end);
	if (!has_payload(bio))
		copy_part(c, bio, redo_word(REDO_W_ZERO, 0, 0), part, part_end - part);
	put_copy(bio);
}

void redo_zero_part(struct redo_chain *c, struct bio *bio, u64 word)
{
	struct redo_io *io = redo_io(bio);
	sector_t off = bio->bi_iter.bi_sector & (c->grain_sectors - 1);
	bool place = redo_word_has_place(word);
	struct dm_io_region to = region(c, place ? redo_word_slot(word) : 0,
					place ? redo_word_phys(word) :
					redo_sector_to_grain(c, bio->bi_iter.bi_sector),
					off, bio_sectors(bio));

	io->state = REDO_IO_ZEROING;
	io->copy_error = BLK_STS_OK;
	atomic_set(&io->copies, 1);
	zero_region(io, &to);
	put_copy(bio);
}
