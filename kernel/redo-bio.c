// SPDX-License-Identifier: GPL-2.0
/*
 * The data path. A bio is done in pieces: map() does the first and lets
 * device-mapper send the rest again; a worker moves the bio's own iterator from
 * piece to piece, one at a time, so that nothing need be allocated to split it
 * and no bio holds one resource while it waits for another of the same kind.
 *
 * A step looks the first grain up, finds how far the same treatment reaches,
 * cuts the bio there and sends it. What would have to wait goes to a worker or
 * behind the pending word.
 */
#include "redo-chain.h"

#define STREAM_MIN	8	/* grains of a write that may belong to a stream */
#define STREAM_BACK	1024	/* grains by which it may begin before the end of the last one */

/* What a step did with the bio. */
enum step {
	STEP_SEND,	/* remapped: to be submitted */
	STEP_TAKEN,	/* ended, or queued somewhere */
	STEP_BUILD,	/* its leaf must be built or expanded first */
	STEP_COPYUP,	/* covers a grain in part that is not ours yet */
	STEP_AGAIN,	/* lost a race or is short of memory */
};

static sector_t bio_grain_offset(const struct redo_chain *c, struct bio *bio)
{
	return bio->bi_iter.bi_sector & (c->grain_sectors - 1);
}

void redo_bio_cut(struct bio *bio, sector_t sectors)
{
	struct redo_io *io = redo_io(bio);

	if (sectors >= bio_sectors(bio))
		return;
	io->rest = bio->bi_iter;
	bio_advance_iter(bio, &io->rest, sectors << SECTOR_SHIFT);
	io->has_rest = true;
	bio->bi_iter.bi_size = sectors << SECTOR_SHIFT;
}

/* It was cut for what did not come about: the rest belongs to it again. */
void redo_bio_uncut(struct bio *bio)
{
	struct redo_io *io = redo_io(bio);

	if (!io->has_rest)
		return;
	bio->bi_iter.bi_size += io->rest.bi_size;
	io->has_rest = false;
}

static void cut(struct bio *bio, sector_t sectors, bool worker)
{
	if (sectors >= bio_sectors(bio))
		return;
	if (worker)
		redo_bio_cut(bio, sectors);
	else
		dm_accept_partial_bio(bio, sectors);
}

void redo_io_release(struct redo_io *io)
{
	if (!io->change)
		return;
	if (io->change->reserved_top)
		redo_delta_unreserve(io->chain->active, io->change->reserved_top);
	redo_change_free(io->chain, io->change);
	io->change = NULL;
}

void redo_bio_finish(struct bio *bio, blk_status_t status)
{
	struct redo_io *io = redo_io(bio);

	redo_io_release(io);
	io->state = REDO_IO_DONE;
	bio->bi_status = status;
	bio_endio(bio);
}

/* True: the bio is over (with @status). False: it goes on elsewhere. */
static bool piece_over(struct redo_chain *c, struct bio *bio, blk_status_t status)
{
	struct redo_io *io = redo_io(bio);

	io->state = REDO_IO_NEW;
	if (status)
		return true;
	if (io->has_rest) {
		redo_io_release(io); /* it waits again: others need the pool */
		io->has_rest = false;
		bio->bi_iter = io->rest;
		bio->bi_status = BLK_STS_OK;
		/* If the piece was split below, its end has taken the count to 0. */
		atomic_set(&bio->__bi_remaining, 1);
		redo_defer(c, bio);
		return false;
	}
	return !io->fua || redo_mutant(fua_not_joined) || redo_commit_join(c, bio);
}

void redo_bio_piece_done(struct redo_chain *c, struct bio *bio, blk_status_t status)
{
	if (piece_over(c, bio, status))
		redo_bio_finish(bio, status);
}

static void set_target(struct redo_chain *c, struct bio *bio, u32 slot, sector_t sector)
{
	bio_set_dev(bio, c->slot[slot].bdev);
	bio->bi_iter.bi_sector = sector;
}

void redo_bio_send(struct redo_chain *c, struct bio *bio, u32 slot, sector_t sector)
{
	set_target(c, bio, slot, sector);
	dm_submit_bio_remap(bio, NULL);
}

/* Point the bio at what @word says; the bio has been cut to its run. */
static void set_target_word(struct redo_chain *c, struct bio *bio, u64 word)
{
	sector_t off = bio_grain_offset(c, bio);

	if (redo_word_has_place(word))
		set_target(c, bio, redo_word_slot(word),
			   redo_grain_to_sector(c, redo_word_phys(word)) + off);
	else
		set_target(c, bio, 0, bio->bi_iter.bi_sector);
}

/* Grains that the bio touches from its first on. */
static u32 bio_grains(const struct redo_chain *c, struct bio *bio)
{
	return redo_sector_to_grain(c, bio_end_sector(bio) - 1) -
	       redo_sector_to_grain(c, bio->bi_iter.bi_sector) + 1;
}

/* Cut the bio after @grains grains. */
static void cut_grains(struct redo_chain *c, struct bio *bio, u32 grains, bool worker)
{
	cut(bio, redo_grain_to_sector(c, grains) - bio_grain_offset(c, bio), worker);
}

static enum step end_now(struct redo_chain *c, struct bio *bio, blk_status_t status)
{
	redo_bio_piece_done(c, bio, status);
	return STEP_TAKEN;
}

/* --- reads --- */

static enum step step_read(struct redo_chain *c, struct bio *bio, bool worker)
{
	u64 grain = redo_sector_to_grain(c, bio->bi_iter.bi_sector), word;
	struct redo_io *io = redo_io(bio);
	u32 run = 0;

	io->gen = redo_inflight_enter(&c->inflight);
	rcu_read_lock();
	word = redo_map_word(&c->map, grain);
	if (word)
		run = redo_map_run(&c->map, grain, word, bio_grains(c, bio));
	rcu_read_unlock();

	switch (redo_word_state(word)) {
	case REDO_W_BASE:
	case REDO_W_MAPPED:
	case REDO_W_MERGING:
		cut_grains(c, bio, run, worker);
		set_target_word(c, bio, word);
		io->state = REDO_IO_MAPPED;
		return STEP_SEND;
	default:
		break;
	}
	redo_inflight_leave(&c->inflight, io->gen);
	switch (redo_word_state(word)) {
	case REDO_W_ZERO:
		cut_grains(c, bio, run, worker);
		zero_fill_bio(bio);
		return end_now(c, bio, BLK_STS_OK);
	case REDO_W_PENDING:
		redo_wait_pending(c, bio, grain);
		return STEP_TAKEN;
	case REDO_W_NONE:
		return STEP_BUILD;
	default:
		return end_now(c, bio, BLK_STS_IOERR);
	}
}

/* --- changes of the map --- */

struct redo_leaf *redo_leaf_for_change(struct redo_chain *c, u64 grain, gfp_t gfp)
{
	u64 *slot = redo_map_slot(&c->map, redo_leaf_index(grain));
	struct redo_leaf *leaf;
	u64 v;

	v = slot ? smp_load_acquire(slot) : 0; /* as in redo_map_word() */
	if (!v)
		return NULL;
	if (!redo_word_is_tagged(v)) {
		leaf = redo_slot_leaf(v);
		/* Pairs with the evictor's grace period: it sees our count, or we its mark. */
		if (READ_ONCE(leaf->frozen))
			return NULL;
		atomic_inc(&leaf->busy);
		return leaf;
	}
	if (redo_word_state(v) == REDO_W_PENDING)
		return NULL;
	leaf = redo_leaf_alloc(gfp);
	if (!leaf)
		return NULL;
	leaf->index = redo_leaf_index(grain);
	redo_leaf_expand(leaf, v);
	atomic_set(&leaf->busy, 1);
	if (cmpxchg(slot, v, (u64)(unsigned long)leaf) != v) {
		redo_leaf_free(leaf);
		return NULL;
	}
	redo_map_count_leaf(&c->map, leaf->index, 1);
	return leaf;
}

void redo_leaf_unbusy(struct redo_leaf *leaf)
{
	/* Everything that the count stood for is visible before it drops. */
	smp_mb__before_atomic();
	atomic_dec(&leaf->busy);
}

u32 redo_entries_begin(struct redo_chain *c, struct redo_leaf *leaf, u64 grain, u32 len,
		       u64 *first)
{
	u64 *word = &leaf->word[redo_leaf_offset(grain)], w;
	u32 n;

	for (n = 0; n < len; n++) {
		w = READ_ONCE(word[n]);
		if (!redo_chain_is_new(c, w))
			break;
		if (n && redo_chain_goes_down(c) &&
		    redo_home_unmaps(c, w) != redo_home_unmaps(c, *first))
			break;
		if (cmpxchg(&word[n], w, redo_word(REDO_W_PENDING, 0, 0)) != w)
			break;
		if (!n)
			*first = w;
	}
	return n;
}

void redo_entries_publish(struct redo_chain *c, struct redo_leaf *leaf, u64 grain, u32 len,
			  u64 word)
{
	u64 *pos = &leaf->word[redo_leaf_offset(grain)];
	u32 n;

	smp_wmb(); /* the change is on the list before its words can be seen */
	for (n = 0; n < len; n++)
		WRITE_ONCE(pos[n], redo_word_step(word, n));
	redo_wake_pending(c, redo_leaf_index(grain));
}

/* --- writes --- */

/*
 * Whole grains from the bio's start on; 0 if the first one is covered in part.
 * The last grain of a chain may be short: written to the end it counts as whole.
 */
static u32 whole_grains(struct redo_chain *c, struct bio *bio)
{
	if (bio_grain_offset(c, bio))
		return 0;
	if (bio_end_sector(bio) == c->len)
		return bio_grains(c, bio);
	return redo_sector_to_grain(c, bio_sectors(bio));
}

/* Grains from @grain on, at most @max and inside the leaf, that need a new place. */
static u32 below_run(struct redo_chain *c, struct redo_leaf *leaf, u64 grain, u32 max)
{
	u32 off = redo_leaf_offset(grain), n;

	max = min_t(u32, max, REDO_FANOUT - off);
	for (n = 0; n < max; n++)
		if (!redo_chain_is_new(c, READ_ONCE(leaf->word[off + n])))
			break;
	return n;
}

/*
 * Places for up to @want grains from @grain on. A leaf that a stream fills should be one
 * run: one word of the map, and one bio when it is read. Where space is short, whatever
 * there is.
 */
static u32 take_places(struct redo_chain *c, struct redo_io *io, u64 grain, u32 want, u64 *phys)
{
	u32 off = redo_leaf_offset(grain);
	u32 len = min_t(u64, REDO_FANOUT, c->nr_grains - (grain - off));

	if (unlikely(!c->alloc)) { /* the base has a place for each */
		*phys = grain;
		return want;
	}
	if (!io->stream || READ_ONCE(c->space) >= REDO_SP_QUEUEING)
		return redo_delta_alloc(c->alloc, want, phys);
	return redo_delta_alloc_stream(c->alloc, want, off, len, &io->leaf->place, phys);
}

/* What is to be recorded of a first write; in an active merge it is two deltas' business. */
static void fill_change(struct redo_chain *c, struct redo_io *io)
{
	struct redo_change *change = io->change;

	change->cookie = io->leaf;
	change->reserved = 0;
	change->via = 0;
	change->e = (struct redo_extent) {
		.type = REDO_REC_MAP,
		.logical = io->grain,
		.phys = io->phys,
		.len = io->len,
	};
	if (!redo_chain_goes_down(c))
		return;
	if (redo_home_unmaps(c, io->old))
		change->via = REDO_VIA_UNMAP;
	if (c->home)
		change->via |= REDO_VIA_HOME;
}

/*
 * Set entries pending and give them a place. In an RCU read section; on
 * STEP_SEND the io holds the leaf, the change and @io->len grains at @io->phys.
 */
static enum step begin_first(struct redo_chain *c, struct redo_io *io, u64 grain, u32 max)
{
	u32 want, got, n;

	if (!io->change)
		io->change = redo_change_alloc(c, GFP_NOWAIT);
	if (!io->change)
		return STEP_AGAIN;
	io->leaf = redo_leaf_for_change(c, grain, GFP_NOWAIT | __GFP_NOWARN);
	if (!io->leaf)
		return STEP_BUILD;
	want = below_run(c, io->leaf, grain, max);
	got = want ? take_places(c, io, grain, want, &io->phys) : 0;
	n = got ? redo_entries_begin(c, io->leaf, grain, got, &io->old) : 0;
	if (n < got && c->alloc)
		redo_delta_unalloc(c->alloc, io->phys + n, got - n);
	if (!n) {
		redo_leaf_unbusy(io->leaf);
		io->leaf = NULL;
		return want && !got ? STEP_TAKEN : STEP_AGAIN;
	}
	io->grain = grain;
	io->len = n;
	io->state = REDO_IO_FIRST;
	fill_change(c, io);
	return STEP_SEND;
}

#ifdef REDO_MUTATE
/* A commit that is due has time to take it. */
void redo_mutant_record_now(struct redo_chain *c, struct redo_io *io)
{
	if (redo_commit_add(c, io->change))
		redo_leaf_unbusy(io->leaf);
	io->change = NULL;
	redo_commit_kick(c);
	schedule_timeout_uninterruptible(max(HZ / 500, 1));
}
#endif

void redo_first_write_done(struct redo_chain *c, struct redo_io *io)
{
	struct redo_change *change = io->change;
	bool merged;

	io->change = NULL;
	/* The commit may drop the leaf's count at once; the evictor waits for us. */
	rcu_read_lock();
	merged = !redo_mutant_recorded(change) && redo_commit_add(c, change);
	redo_entries_publish(c, io->leaf, io->grain, io->len,
			     redo_home_word(c, io->phys));
	rcu_read_unlock();
	if (merged)
		redo_leaf_unbusy(io->leaf);
	io->leaf = NULL;
	redo_inflight_leave(&c->inflight, io->gen);
}

/* In an active merge, over what the source says is zero: a worker has made room for that. */
static bool lacks_room(struct redo_chain *c, const struct redo_io *io, u64 word)
{
	return redo_chain_goes_down(c) && redo_home_unmaps(c, word) &&
	       !(io->change && io->change->reserved_top);
}

static enum step step_first_write(struct redo_chain *c, struct bio *bio, u64 grain, u64 word,
				  bool worker)
{
	struct redo_io *io = redo_io(bio);
	u32 whole = whole_grains(c, bio);
	enum step step;

	if (!whole) {
		cut_grains(c, bio, 1, worker);
		return STEP_COPYUP;
	}
	if (!worker && (redo_commit_is_behind(c) || redo_mutant(record_before_data)))
		return STEP_AGAIN;
	if (lacks_room(c, io, word))
		return STEP_AGAIN;
	step = begin_first(c, io, grain, whole);
	if (step != STEP_SEND)
		return step;
	cut_grains(c, bio, io->len, worker);
	set_target(c, bio, c->home, redo_grain_to_sector(c, io->phys));
	return STEP_SEND;
}

static enum step step_write(struct redo_chain *c, struct bio *bio, bool worker)
{
	u64 grain = redo_sector_to_grain(c, bio->bi_iter.bi_sector), word;
	struct redo_io *io = redo_io(bio);
	enum step step = STEP_BUILD;

	if (unlikely(READ_ONCE(c->mode) != REDO_MODE_RW))
		return end_now(c, bio, BLK_STS_IOERR);

	io->gen = redo_inflight_enter(&c->inflight);
	if (unlikely(READ_ONCE(c->gate))) { /* pairs with redo_gate_close() */
		redo_inflight_leave(&c->inflight, io->gen);
		redo_gate_hold(c, bio);
		return STEP_TAKEN;
	}
	if (unlikely(!redo_track_admit(c, bio->bi_iter.bi_sector, bio_end_sector(bio)))) {
		redo_inflight_leave(&c->inflight, io->gen);
		redo_track_hold(c, bio, bio->bi_iter.bi_sector, bio_end_sector(bio));
		return STEP_TAKEN;
	}
	rcu_read_lock();
	word = redo_map_word(&c->map, grain);
	if (redo_chain_owns(c, word)) {
		u32 run = redo_map_run(&c->map, grain, word, bio_grains(c, bio));

		rcu_read_unlock();
		if (redo_chain_goes_down(c)) /* the room in the source may go with it */
			redo_io_release(io);
		cut_grains(c, bio, run, worker);
		set_target_word(c, bio, word);
		io->state = REDO_IO_MAPPED;
		return STEP_SEND;
	}
	if (redo_chain_is_new(c, word))
		step = step_first_write(c, bio, grain, word, worker);
	rcu_read_unlock();

	if (step == STEP_SEND) {
		if (likely(c->alloc) && redo_delta_low(c->alloc))
			redo_commit_kick(c);
		return step;
	}
	redo_inflight_leave(&c->inflight, io->gen);
	switch (redo_word_state(word)) {
	case REDO_W_PENDING:
	case REDO_W_MERGING:
		redo_wait_pending(c, bio, grain);
		return STEP_TAKEN;
	case REDO_W_LOST:
		return end_now(c, bio, BLK_STS_IOERR);
	default:
		break;
	}
	if (step == STEP_TAKEN)
		redo_nospace_hold(c, bio);
	return step;
}

/* --- what dm calls --- */

/* A write to the base that the store must know of. */
static int map_tracked(struct redo_chain *c, struct bio *bio)
{
	sector_t start = bio->bi_iter.bi_sector, end = bio_end_sector(bio);
	struct redo_io *io = redo_io(bio);

	bio->bi_opf &= ~REQ_POLLED; /* it may have to wait where nobody polls */
	io->gen = redo_inflight_enter(&c->inflight);
	if (unlikely(!redo_track_admit(c, start, end))) {
		redo_inflight_leave(&c->inflight, io->gen);
		redo_track_hold(c, bio, start, end);
		return DM_MAPIO_SUBMITTED;
	}
	io->state = REDO_IO_COUNTED;
	bio_set_dev(bio, c->slot[0].bdev);
	return DM_MAPIO_REMAPPED;
}

static int map_passthrough(struct redo_chain *c, struct bio *bio)
{
	/* A table that has lost its deltas by a merge promises more than the base may offer. */
	if (c->nr_deltas && (bio_op(bio) == REQ_OP_DISCARD ||
			     bio_op(bio) == REQ_OP_WRITE_ZEROES)) {
		redo_defer(c, bio);
		return DM_MAPIO_SUBMITTED;
	}
	if (c->cbt && op_is_write(bio_op(bio)) && bio_sectors(bio))
		return map_tracked(c, bio);
	redo_io(bio)->state = REDO_IO_PASS;
	bio_set_dev(bio, c->slot[0].bdev);
	return DM_MAPIO_REMAPPED;
}

static int map_flush(struct redo_chain *c, struct bio *bio)
{
	if (!c->writable) {
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	if (redo_mutant(flush_not_awaited))
		redo_commit_kick(c);
	else if (!redo_commit_join(c, bio))
		return DM_MAPIO_SUBMITTED;
	/* Nothing to commit: what was overwritten in place still needs a flush. */
	redo_io(bio)->state = REDO_IO_PASS;
	bio_set_dev(bio, c->slot[c->active_slot].bdev);
	return DM_MAPIO_REMAPPED;
}

/* Does it go on where the last long write was, as far as that was seen? */
static void note_stream(struct redo_chain *c, struct bio *bio)
{
	sector_t last = READ_ONCE(c->stream_end), start = bio->bi_iter.bi_sector;

	WRITE_ONCE(c->stream_end, bio_end_sector(bio));
	redo_io(bio)->stream = start <= last &&
			       last - start <= redo_grain_to_sector(c, STREAM_BACK);
}

static int map_step(struct redo_chain *c, struct bio *bio)
{
	enum step step;

	if (bio_op(bio) == REQ_OP_WRITE && bio_grains(c, bio) >= STREAM_MIN)
		note_stream(c, bio);
	step = bio_op(bio) == REQ_OP_READ ? step_read(c, bio, false) : step_write(c, bio, false);
	switch (step) {
	case STEP_SEND:
		return DM_MAPIO_REMAPPED;
	case STEP_TAKEN:
		return DM_MAPIO_SUBMITTED;
	default:
		redo_defer(c, bio);
		return DM_MAPIO_SUBMITTED;
	}
}

static void io_init(struct redo_chain *c, struct bio *bio)
{
	struct redo_io *io = redo_io(bio);

	io->state = REDO_IO_NEW;
	io->fua = bio->bi_opf & REQ_FUA;
	io->has_rest = false;
	io->leaf = NULL;
	io->change = NULL;
	io->stream = false;
	io->chain = c;
}

int redo_bio_map(struct redo_chain *c, struct bio *bio)
{
	io_init(c, bio);
	bio->bi_iter.bi_sector -= c->begin;
	if (op_is_write(bio_op(bio)) && bio_sectors(bio) && !c->writable)
		return DM_MAPIO_KILL;
	if (redo_chain_is_passthrough(c))
		return map_passthrough(c, bio);
	if (unlikely(READ_ONCE(c->mode) == REDO_MODE_FAILED))
		return DM_MAPIO_KILL;
	/* Its pieces may go to several devices, but who polls knows one queue of one of them. */
	bio->bi_opf &= ~REQ_POLLED;
	if (bio->bi_opf & REQ_PREFLUSH)
		return map_flush(c, bio);
	switch (bio_op(bio)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		return map_step(c, bio);
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		redo_defer(c, bio);
		return DM_MAPIO_SUBMITTED;
	default:
		return DM_MAPIO_KILL;
	}
}

int redo_bio_end_io(struct redo_chain *c, struct bio *bio, blk_status_t *error)
{
	struct redo_io *io = redo_io(bio);

	switch (io->state) {
	case REDO_IO_COUNTED:
		redo_inflight_leave(&c->inflight, io->gen);
		return DM_ENDIO_DONE;
	case REDO_IO_MAPPED:
		redo_inflight_leave(&c->inflight, io->gen);
		break;
	case REDO_IO_FIRST:
		if (*error) {
			redo_commit_failed_write(c, bio);
			return DM_ENDIO_INCOMPLETE;
		}
		redo_first_write_done(c, io);
		break;
	default:
		return DM_ENDIO_DONE;
	}
	if (!piece_over(c, bio, *error))
		return DM_ENDIO_INCOMPLETE;
	redo_io_release(io);
	io->state = REDO_IO_DONE;
	return DM_ENDIO_DONE;
}

/* --- workers --- */

/* The leaf must be there, and - for a write - be a real one. False: bio has ended. */
bool redo_prepare_leaf(struct redo_chain *c, struct bio *bio)
{
	u64 grain = redo_sector_to_grain(c, bio->bi_iter.bi_sector);
	struct redo_leaf *leaf;
	int r;

	r = redo_build_leaf(c, redo_leaf_index(grain));
	if (r == -ENOMEM) { /* it comes back: nothing that we wait for needs this leaf */
		schedule_timeout_uninterruptible(max(HZ / 50, 1));
		return true;
	}
	if (r) {
		redo_bio_piece_done(c, bio, BLK_STS_IOERR);
		return false;
	}
	if (bio_op(bio) == REQ_OP_READ)
		return true;
	rcu_read_lock();
	leaf = redo_leaf_for_change(c, grain, GFP_NOWAIT | __GFP_NOWARN);
	if (leaf)
		redo_leaf_unbusy(leaf);
	rcu_read_unlock();
	if (!leaf) /* frozen by the evictor, or no memory just now */
		schedule_timeout_uninterruptible(1);
	return true;
}

/* In an active merge: will the source be told of the write? */
static bool needs_room(struct redo_chain *c, struct bio *bio)
{
	u64 word;

	rcu_read_lock();
	word = redo_map_word(&c->map, redo_sector_to_grain(c, bio->bi_iter.bi_sector));
	rcu_read_unlock();
	return redo_chain_is_new(c, word) && redo_home_unmaps(c, word);
}

/*
 * In an active merge with room in the source for its UNMAP, whether it will need one or
 * not: a leaf of zeroes that is one pointer becomes a block. Where there is no room, only those
 * wait who need it.
 */
bool redo_prepare_change(struct redo_chain *c, struct bio *bio)
{
	struct redo_io *io = redo_io(bio);

	if (!io->change)
		io->change = redo_change_alloc(c, GFP_NOIO);
	if (!redo_chain_goes_down(c) || io->change->reserved_top)
		return true;
	if (redo_delta_reserve(c->active, 1)) {
		if (!needs_room(c, bio))
			return true;
		schedule_timeout_uninterruptible(max(HZ / 50, 1)); /* the merge makes room */
		redo_nospace_hold(c, bio);
		return false;
	}
	io->change->reserved_top = 1;
	return true;
}

void redo_bio_copyup(struct redo_chain *c, struct bio *bio)
{
	struct redo_io *io = redo_io(bio);
	u64 grain = redo_sector_to_grain(c, bio->bi_iter.bi_sector), word;
	enum step step = STEP_AGAIN;

	io->gen = redo_inflight_enter(&c->inflight);
	if (unlikely(READ_ONCE(c->gate))) {
		redo_inflight_leave(&c->inflight, io->gen);
		redo_gate_hold(c, bio);
		return;
	}
	if (unlikely(!redo_track_admit(c, bio->bi_iter.bi_sector, bio_end_sector(bio)))) {
		redo_inflight_leave(&c->inflight, io->gen);
		redo_track_hold(c, bio, bio->bi_iter.bi_sector, bio_end_sector(bio));
		return;
	}
	rcu_read_lock();
	word = redo_map_word(&c->map, grain);
	if (redo_chain_is_new(c, word) && !lacks_room(c, io, word))
		step = begin_first(c, io, grain, 1);
	rcu_read_unlock();
	if (step == STEP_SEND) {
		redo_copyup(c, bio);
		return;
	}
	redo_inflight_leave(&c->inflight, io->gen);
	if (step == STEP_TAKEN) {
		redo_nospace_hold(c, bio);
		return;
	}
	if (step == STEP_BUILD && !redo_prepare_leaf(c, bio))
		return;
	redo_io_release(io); /* whoever is in front may need it */
	redo_defer(c, bio); /* the word has changed: look again */
}

static void process(struct redo_chain *c, struct bio *bio)
{
	struct redo_io *io = redo_io(bio);
	bool write = bio_op(bio) == REQ_OP_WRITE;

	if (bio_op(bio) != REQ_OP_READ && !write) {
		redo_discard(c, bio);
		return;
	}
	for (;;) {
		if (write) {
			redo_commit_throttle(c);
			if (!redo_prepare_change(c, bio))
				return;
		}
		switch (write ? step_write(c, bio, true) : step_read(c, bio, true)) {
		case STEP_SEND:
			if (redo_mutant(record_before_data) && io->state == REDO_IO_FIRST)
				redo_mutant_record_now(c, io);
			dm_submit_bio_remap(bio, NULL);
			return;
		case STEP_TAKEN:
			return;
		case STEP_COPYUP:
			redo_bio_copyup(c, bio);
			return;
		case STEP_BUILD:
			if (!redo_prepare_leaf(c, bio))
				return;
			break;
		case STEP_AGAIN:
			cond_resched();
			break;
		}
	}
}

/* Whoever is past the gate is counted: nothing is taken of a delta that may go. */
static void process_counted(struct redo_chain *c, struct bio *bio)
{
	u8 gen = redo_inflight_enter(&c->at_work);

	if (unlikely(READ_ONCE(c->gate))) /* pairs with redo_gate_close() */
		redo_gate_hold(c, bio);
	else
		process(c, bio);
	redo_inflight_leave(&c->at_work, gen);
}

void redo_bio_process(struct redo_chain *c, struct bio *bio)
{
	if (unlikely(redo_chain_is_passthrough(c)))
		redo_gate_pass(c, bio);
	else if (bio_op(bio) == REQ_OP_READ)
		process(c, bio);
	else
		process_counted(c, bio);
}
