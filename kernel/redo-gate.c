// SPDX-License-Identifier: GPL-2.0
/*
 * The gate. At the beginning and at the end of an active merge the place where new
 * grains go changes under load. Writers look at the gate after they have entered the
 * in-flight count, and workers with anything but a read in hand after they have entered
 * theirs; so when the generations of both have passed, nobody who saw it open is still under
 * way. (Not when the workers have nothing to do: cold reads may see to it that they always
 * have.)
 */
#include "redo-chain.h"

void redo_gate_close(struct redo_chain *c)
{
	spin_lock_irq(&c->lock);
	WRITE_ONCE(c->gate, true);
	spin_unlock_irq(&c->lock);
	redo_inflight_wait(&c->at_work); /* first: they send what is then in flight */
	redo_inflight_wait(&c->inflight);
}

void redo_gate_open(struct redo_chain *c)
{
	struct bio_list held;

	spin_lock_irq(&c->lock);
	/* Where there is nothing left but the base, late ones go the workers' way. */
	WRITE_ONCE(c->gate, redo_chain_is_passthrough(c));
	held = c->held;
	bio_list_init(&c->held);
	spin_unlock_irq(&c->lock);
	redo_defer_list(c, &held);
}

void redo_gate_hold(struct redo_chain *c, struct bio *bio)
{
	unsigned long flags;
	bool hold;

	redo_io_release(redo_io(bio));
	spin_lock_irqsave(&c->lock, flags);
	hold = c->gate && !redo_chain_is_passthrough(c);
	if (hold)
		bio_list_add(&c->held, bio);
	spin_unlock_irqrestore(&c->lock, flags);
	if (!hold)
		redo_defer(c, bio);
}

/*
 * As long as the table is the same, so is what a discard does: whole grains read as zeroes
 * afterwards, others stay. A table that never had deltas never promised that.
 */
static bool is_made_zeroes(const struct redo_chain *c, struct bio *bio)
{
	return c->nr_deltas && (bio_op(bio) == REQ_OP_DISCARD ||
				bio_op(bio) == REQ_OP_WRITE_ZEROES);
}

/* What of the bio changes the base. */
static void pass_range(struct redo_chain *c, struct bio *bio, sector_t *start, sector_t *end)
{
	*start = bio->bi_iter.bi_sector;
	*end = bio_end_sector(bio);
	if (bio_op(bio) != REQ_OP_DISCARD || !is_made_zeroes(c, bio))
		return;
	*start = round_up(*start, c->grain_sectors);
	if (*end != c->len)
		*end = round_down(*end, c->grain_sectors);
}

/* May block. */
static void pass_zeroes(struct redo_chain *c, struct bio *bio, sector_t start, sector_t end)
{
	int r = blkdev_issue_zeroout(c->slot[0].bdev, start, end - start, GFP_NOIO, 0);

	redo_inflight_leave(&c->inflight, redo_io(bio)->gen);
	redo_bio_finish(bio, errno_to_blk_status(r));
}

static void pass_write(struct redo_chain *c, struct bio *bio)
{
	struct redo_io *io = redo_io(bio);
	sector_t start, end;

	pass_range(c, bio, &start, &end);
	if (start >= end) {
		redo_bio_finish(bio, BLK_STS_OK);
		return;
	}
	io->gen = redo_inflight_enter(&c->inflight);
	if (unlikely(!redo_track_admit(c, start, end))) {
		redo_inflight_leave(&c->inflight, io->gen);
		redo_track_hold(c, bio, start, end);
	} else if (is_made_zeroes(c, bio)) {
		pass_zeroes(c, bio, start, end);
	} else {
		io->state = REDO_IO_COUNTED;
		redo_bio_send(c, bio, 0, bio->bi_iter.bi_sector);
	}
}

void redo_gate_pass(struct redo_chain *c, struct bio *bio)
{
	redo_io_release(redo_io(bio));
	redo_bio_uncut(bio); /* it has waited with one grain of what it covers */
	if (op_is_write(bio_op(bio))) {
		pass_write(c, bio);
		return;
	}
	redo_io(bio)->state = REDO_IO_PASS;
	redo_bio_send(c, bio, 0, bio->bi_iter.bi_sector);
}
