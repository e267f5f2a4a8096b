// SPDX-License-Identifier: GPL-2.0
/*
 * Bios that wait for their marks, and the journal that makes marks durable.
 *
 * A bio that admit turned away leaves its range in a list of a fixed size and itself in a
 * list of bios. The worker takes both, brings the pages in, writes one journal block with
 * all ranges that are not marked (FUA; what it speaks of has not been sent yet, so there is
 * nothing to flush before it), marks them in memory and lets all bios go, which come by
 * admit again. Where the ranges' list is full a bio waits without one, and is let go with
 * the others. So nothing is allocated, nobody is forgotten, and a bio that is let go too
 * early is merely held again.
 *
 * Each journal block stands alone, and one is under way at a time: what a crash leaves is a
 * row of valid blocks and nothing after it. Marks are ORs; to replay one that was covered
 * by a fold does no harm. A valid block behind a gap is therefore damage: something that
 * was acknowledged has gone.
 *
 * The ring is never lapped: a block is rewritten when the superblock that moves replay_seq
 * beyond it is durable.
 */
#include <linux/ktime.h>
#include "redo-cbt-priv.h"

/* Mode and bios; lock ------------------------------------------------------ */

void __redo_cbt_set_mode(struct redo_cbt_store *st)
{
	u8 mode;

	lockdep_assert_held(&st->lock);
	if (st->broken)
		mode = REDO_CBT_OFF;
	else if (st->closed || st->reason)
		mode = REDO_CBT_CLOSED;
	else
		mode = st->implied ? REDO_CBT_IMPLIED : REDO_CBT_EXPLICIT;
	WRITE_ONCE(st->c.mode, mode);
}

/* All that wait; their ranges are forgotten. lock held. */
static void __take_waiting(struct redo_cbt_store *st, struct bio_list *bios)
{
	lockdep_assert_held(&st->lock);
	bio_list_merge(bios, &st->held);
	bio_list_merge(bios, &st->late);
	bio_list_init(&st->held);
	bio_list_init(&st->late);
	st->nr_want = 0;
}

static void release(struct redo_cbt_store *st, void *owner, struct bio_list *bios)
{
	if (!bio_list_empty(bios))
		st->ops->release(owner, bios);
}

void redo_cbt_close_writes(struct redo_cbt *cbt)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	unsigned long flags;

	spin_lock_irqsave(&st->lock, flags);
	st->closed = true;
	__redo_cbt_set_mode(st);
	spin_unlock_irqrestore(&st->lock, flags);
}

void redo_cbt_open_writes(struct redo_cbt *cbt)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	struct bio_list bios = BIO_EMPTY_LIST;
	unsigned long flags;
	void *owner;

	/* One that was broken when it was opened never had an epoch. */
	if (!redo_cbt_over(st) && WARN_ON_ONCE(!rcu_access_pointer(cbt->map)))
		redo_cbt_break(cbt, REDO_CBT_BREAK_USER);
	spin_lock_irqsave(&st->lock, flags);
	st->closed = false;
	__redo_cbt_set_mode(st);
	/* While the break is on its way they wait for it. */
	if (st->c.mode != REDO_CBT_CLOSED)
		__take_waiting(st, &bios);
	owner = st->owner;
	spin_unlock_irqrestore(&st->lock, flags);
	release(st, owner, &bios);
}

void redo_cbt_take_held(struct redo_cbt *cbt, struct bio_list *bios)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	unsigned long flags;

	spin_lock_irqsave(&st->lock, flags);
	__take_waiting(st, bios);
	spin_unlock_irqrestore(&st->lock, flags);
}

void redo_cbt_set_owner(struct redo_cbt *cbt, void *owner)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);

	spin_lock_irq(&st->lock);
	st->owner = owner;
	spin_unlock_irq(&st->lock);
	flush_work(&st->break_work); /* it may have looked before */
}

/* Neighbours that follow one another, as streams do, share a range. lock held. */
static bool __want(struct redo_cbt_store *st, u64 first, u64 last)
{
	struct redo_cbt_want *w = st->nr_want ? &st->want[st->nr_want - 1] : NULL;

	if (w && first >= w->first && first <= w->last + 1) {
		w->last = max(w->last, last);
		return true;
	}
	if (st->nr_want == CBT_WANTS)
		return false;
	w = &st->want[st->nr_want++];
	w->first = first;
	w->last = last;
	return true;
}

void redo_cbt_hold(struct redo_cbt *cbt, struct bio *bio, sector_t start, sector_t end)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	u64 first = start >> cbt->shift, last = (end - 1) >> cbt->shift;
	struct bio_list out = BIO_EMPTY_LIST;
	unsigned long flags;
	void *owner;

	spin_lock_irqsave(&st->lock, flags);
	owner = st->owner;
	if (st->broken) {
		bio_list_add(&out, bio);
	} else if (st->c.mode == REDO_CBT_CLOSED) {
		bio_list_add(&st->late, bio);
	} else {
		if (last >= cbt->nr_bits)
			last = cbt->nr_bits - 1;
		first = min(first, last);
		bio_list_add(__want(st, first, last) ? &st->held : &st->late, bio);
		queue_work(st->journal_wq, &st->journal_work);
	}
	spin_unlock_irqrestore(&st->lock, flags);
	release(st, owner, &out);
}

/* Breaking ----------------------------------------------------------------- */

void redo_cbt_break(struct redo_cbt *cbt, enum redo_cbt_reason reason)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	unsigned long flags;

	spin_lock_irqsave(&st->lock, flags);
	if (!st->reason) {
		WRITE_ONCE(st->reason, reason);
		__redo_cbt_set_mode(st);
		DMERR("%pg: change tracking ends: %s", st->bdev, redo_cbt_break_str(reason));
		if (st->started)
			queue_work(st->fold_wq, &st->break_work);
	}
	spin_unlock_irqrestore(&st->lock, flags);
}

/* A superblock that says so; the one in force may be all that can be trusted. mutex held. */
static bool record_break(struct redo_cbt_store *st)
{
	struct redo_cbt_super *sb;
	unsigned long flags;
	int r;

	if (!st->sb.generation)
		return false;	/* none could be read */
	if (st->sb.flags & REDO_CBT_BROKEN)
		return true;
	sb = kmemdup(&st->sb, sizeof(*sb), GFP_NOIO | __GFP_NOFAIL);
	sb->generation++;
	sb->slot = !sb->slot;
	sb->flags |= REDO_CBT_BROKEN;
	sb->flags &= ~REDO_CBT_CLEAN;
	sb->break_reason = st->reason;
	redo_cbt_pack_super(st->sbuf, sb);
	r = redo_io_write(st->bdev, redo_cbt_super_blocknr(sb->slot), st->sbuf,
			  REQ_PREFLUSH | REQ_FUA);
	if (!r) {
		spin_lock_irqsave(&st->lock, flags);
		st->sb = *sb;
		spin_unlock_irqrestore(&st->lock, flags);
	}
	kfree(sb);
	return !r;
}

void redo_cbt_break_work(struct work_struct *work)
{
	struct redo_cbt_store *st = container_of(work, struct redo_cbt_store, break_work);
	struct bio_list bios = BIO_EMPTY_LIST;
	unsigned long flags;
	bool recorded;
	void *owner;

	if (st->broken)
		return;	/* told already */
	mutex_lock(&st->mutex);
	recorded = record_break(st);
	mutex_unlock(&st->mutex);
	spin_lock_irqsave(&st->lock, flags);
	owner = st->owner;
	spin_unlock_irqrestore(&st->lock, flags);
	st->ops->broken(owner, st->reason, recorded);
	mutex_lock(&st->jmutex); /* the batch under way is over, or was given up */
	spin_lock_irqsave(&st->lock, flags);
	st->broken = true;
	__redo_cbt_set_mode(st);
	__take_waiting(st, &bios);
	owner = st->owner;
	spin_unlock_irqrestore(&st->lock, flags);
	bio_list_merge(&bios, &st->busy_bios);
	bio_list_init(&st->busy_bios);
	st->nr_busy = 0;
	mutex_unlock(&st->jmutex);
	release(st, owner, &bios);
}

/* Writing ------------------------------------------------------------------ */

static u64 ring_used(struct redo_cbt_store *st)
{
	return st->next_seq - READ_ONCE(st->sb.replay_seq);
}

/* The marks are in jbuf; what the use before has left behind them goes. */
static int write_block(struct redo_cbt_store *st, u64 epoch, u32 count)
{
	struct redo_cbt_disk_journal *dj = st->jbuf;
	struct redo_cbt_journal_header jh = {
		.seq = st->next_seq,
		.epoch = epoch,
		.count = count,
		.incarnation = st->sb.incarnation,
	};
	u32 used = offsetof(struct redo_cbt_disk_journal, mark) + count * sizeof(dj->mark[0]);
	u64 blocknr = redo_cbt_journal_blocknr(jh.seq);
	int r;

	lockdep_assert_held(&st->jmutex);
	if (redo_cbt_over(st))
		return -EUCLEAN;
	if (ring_used(st) >= REDO_CBT_JOURNAL_BLOCKS) {
		redo_cbt_fold_kick(st);
		return -ENOSPC;
	}
	if (used < st->jbuf_used)
		memset(st->jbuf + used, 0, st->jbuf_used - used);
	st->jbuf_used = used;
	redo_cbt_seal_journal(dj, st->sb.uuid, blocknr, &jh);
	r = redo_io_write(st->bdev, blocknr, dj, redo_unless(cbt_mark_no_fua, REQ_FUA));
	if (r) {
		redo_cbt_break(&st->c, REDO_CBT_BREAK_IO);
		return r;
	}
	st->next_seq++;
	if (ring_used(st) >= CBT_FOLD_AT)
		redo_cbt_fold_kick(st);
	return 0;
}

static void put_mark(struct redo_cbt_store *st, u32 i, u64 first, u64 last)
{
	struct redo_cbt_disk_journal *dj = st->jbuf;
	struct redo_cbt_mark m = { .first = first, .count = last - first + 1 };

	redo_cbt_pack_mark(&dj->mark[i], &m);
	st->jbuf_used = max_t(u32, st->jbuf_used, (void *)&dj->mark[i + 1] - st->jbuf);
}

int redo_cbt_journal_range(struct redo_cbt_store *st, struct redo_cbt_map *map,
			   u64 first, u64 last)
{
	u64 from = first, to = last;
	int r;

	lockdep_assert_held(&st->jmutex);
	st->batch++;
	r = redo_cbt_need(st, map, first, last);
	if (r)
		return r;
	/* What is marked in memory alone is not durable. */
	if (!st->implied && !redo_cbt_unmarked(map, &from, &to))
		return 0;
	put_mark(st, 0, from, to);
	r = write_block(st, map->number, 1);
	if (!r)
		redo_cbt_set(st, map, first, last);
	return r;
}

/* The worker ---------------------------------------------------------------- */

enum batch {
	BATCH_NONE,		/* nobody waits, or writes are closed */
	BATCH_MARK,
	BATCH_LATE,		/* bios without ranges only */
};

/* jmutex held. */
static enum batch take_batch(struct redo_cbt_store *st, bool *implied)
{
	enum batch what = BATCH_NONE;

	spin_lock_irq(&st->lock);
	if (st->c.mode == REDO_CBT_EXPLICIT || st->c.mode == REDO_CBT_IMPLIED) {
		*implied = st->c.mode == REDO_CBT_IMPLIED;
		what = st->nr_want ? BATCH_MARK :
		       bio_list_empty(&st->late) ? BATCH_NONE : BATCH_LATE;
		memcpy(st->busy, st->want, st->nr_want * sizeof(st->want[0]));
		st->nr_busy = st->nr_want;
		__take_waiting(st, &st->busy_bios);
	}
	spin_unlock_irq(&st->lock);
	return what;
}

/* jmutex held. They go after it was dropped. */
static void done_with_batch(struct redo_cbt_store *st, struct bio_list *out)
{
	bio_list_merge(out, &st->busy_bios);
	bio_list_init(&st->busy_bios);
	st->nr_busy = 0;
}

/* They wait without ranges until a fold has made room. jmutex held. */
static void postpone(struct redo_cbt_store *st)
{
	spin_lock_irq(&st->lock);
	bio_list_merge(&st->late, &st->busy_bios);
	spin_unlock_irq(&st->lock);
	bio_list_init(&st->busy_bios);
	st->nr_busy = 0;
}

/* Bring in what can be had. Those whose ranges are cut off will come again. */
static int need_batch(struct redo_cbt_store *st)
{
	u32 i;
	int r;

	st->batch++;
	for (i = 0; i < st->nr_busy; i++) {
		r = redo_cbt_need(st, st->cur, st->busy[i].first, st->busy[i].last);
		if (r == -EAGAIN && i) {
			st->nr_busy = i;
			return 0;
		}
		if (r)
			return r;
	}
	return 0;
}

static int journal_batch(struct redo_cbt_store *st)
{
	u32 i, n = 0;

	for (i = 0; i < st->nr_busy; i++) {
		u64 first = st->busy[i].first, last = st->busy[i].last;

		if (redo_cbt_unmarked(st->cur, &first, &last))
			put_mark(st, n++, first, last);
	}
	return n ? write_block(st, st->cur->number, n) : 0;
}

static int mark_batch(struct redo_cbt_store *st, bool implied)
{
	u32 i;
	int r;

	r = need_batch(st);
	if (!r && !implied && !redo_mutant(cbt_mark_late))
		r = journal_batch(st);
	if (r)
		return r;
	for (i = 0; i < st->nr_busy; i++)
		redo_cbt_set(st, st->cur, st->busy[i].first, st->busy[i].last);
	return 0;
}

/* false: nothing more can be done now. */
static bool one_batch(struct redo_cbt_store *st)
{
	struct bio_list out = BIO_EMPTY_LIST;
	bool implied, more = true;
	enum batch what;
	int r = 0;

	mutex_lock(&st->jmutex);
	what = take_batch(st, &implied);
	if (what == BATCH_MARK)
		r = mark_batch(st, implied);
	if (what == BATCH_NONE) {
		more = false;
	} else if (!r) {
		done_with_batch(st, &out);
	} else if (r == -EAGAIN || r == -ENOSPC) {
		postpone(st);
		more = false;
	} else {
		/* The bios stay where the break finds them. */
		redo_cbt_break(&st->c, redo_cbt_reason_of(r));
		more = false;
	}
	mutex_unlock(&st->jmutex);
	release(st, READ_ONCE(st->owner), &out);
	return more;
}

void redo_cbt_journal_work(struct work_struct *work)
{
	struct redo_cbt_store *st = container_of(work, struct redo_cbt_store, journal_work);

	while (one_batch(st))
		cond_resched();
	if (READ_ONCE(st->nr_reserve) < CBT_RESERVE / 2)
		redo_cbt_fill_reserve(st);
}

/* Replay -------------------------------------------------------------------- */

struct replay {
	struct redo_cbt_store *st;
	u64 seq;		/* expected next */
	bool ended;
	int error;
};

static int replay_mark(struct redo_cbt_store *st, struct redo_cbt_map *map,
		       const struct redo_cbt_mark *m)
{
	u64 last = m->first + m->count - 1;
	int r;

	if (m->first >= map->nr_bits)
		return 0;
	last = min(last, map->nr_bits - 1);
	r = redo_cbt_need(st, map, m->first, last);
	if (!r)
		redo_cbt_set(st, map, m->first, last);
	return r;
}

/* An epoch that has ended is in memory only if something of it has to be. */
static int map_of(struct redo_cbt_store *st, u64 epoch, struct redo_cbt_map **mapp)
{
	struct redo_cbt_rec *rec = redo_cbt_rec_find(st, epoch);
	struct redo_cbt_map *map = redo_cbt_map_find(st, epoch), *at;
	int r;

	*mapp = map;
	if (map || !rec || rec->r.number != rec->r.first)
		return 0;	/* dropped meanwhile, or joined, which needs it folded */
	map = redo_cbt_map_new(epoch, st->c.nr_bits);
	if (!map)
		return -ENOMEM;
	r = redo_cbt_map_load_root(st, map, &rec->r.root);
	if (r) {
		redo_cbt_map_put(map);
		return r;
	}
	list_for_each_entry(at, &st->maps, list)
		if (at->number > epoch)
			break;
	list_add_tail(&map->list, &at->list);
	*mapp = map;
	return 0;
}

static int replay_block(struct redo_cbt_store *st, const struct redo_cbt_disk_journal *dj,
			const struct redo_cbt_journal_header *jh)
{
	struct redo_cbt_map *map;
	struct redo_cbt_mark m;
	u32 i;
	int r;

	if (jh->epoch > st->sb.epoch)
		return -EUCLEAN;
	r = map_of(st, jh->epoch, &map);
	if (r)
		return r;
	for (i = 0; i < jh->count; i++) {
		if (redo_cbt_unpack_mark(&dj->mark[i], &m))
			return -EUCLEAN;
		r = map ? replay_mark(st, map, &m) : 0;
		if (r)
			return r;
	}
	return 0;
}

static int replay_one(struct replay *rp, u64 seq, const void *block)
{
	struct redo_cbt_store *st = rp->st;
	struct redo_cbt_journal_header jh;
	bool valid;

	valid = !redo_cbt_check_journal(block, st->sb.uuid, redo_cbt_journal_blocknr(seq), &jh);
	if (valid && !rp->ended && jh.seq == rp->seq &&
	    (jh.seq < st->sb.incarnation_seq || jh.incarnation == st->sb.incarnation)) {
		rp->seq++;
		return replay_block(st, block, &jh);
	}
	rp->ended = true;
	if (valid && jh.seq > rp->seq) {
		DMERR("%pg: journal block %llu is missing, %llu is there", st->bdev, rp->seq,
		      jh.seq);
		return -EUCLEAN;
	}
	return 0;
}

static int read_blocks(struct redo_cbt_store *st, u64 seq, u32 n)
{
	struct redo_batch b;
	u32 i;

	redo_batch_start(&b, st->bdev, &st->bs, REQ_OP_READ);
	for (i = 0; i < n; i++)
		redo_batch_add(&b, redo_cbt_journal_blocknr(seq + i), st->buf[i]);
	return redo_batch_wait(&b);
}

int redo_cbt_replay(struct redo_cbt_store *st)
{
	struct replay rp = { .st = st, .seq = st->sb.replay_seq };
	u32 i, k;
	int r;

	for (i = 0; i < REDO_CBT_JOURNAL_BLOCKS; i += CBT_BUFS) {
		r = read_blocks(st, st->sb.replay_seq + i, CBT_BUFS);
		if (r)
			return r;
		for (k = 0; k < CBT_BUFS; k++) {
			r = replay_one(&rp, st->sb.replay_seq + i + k, st->buf[k]);
			if (r)
				return r;
		}
	}
	/* These had been seen when the incarnation began. */
	if (rp.seq < st->sb.incarnation_seq) {
		DMERR("%pg: journal ends at %llu, before %llu", st->bdev, rp.seq,
		      st->sb.incarnation_seq);
		return -EUCLEAN;
	}
	st->next_seq = rp.seq;
	return 0;
}
