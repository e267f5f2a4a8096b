// SPDX-License-Identifier: GPL-2.0
/*
 * The active delta as a source, under load. From the beginning on, nothing is added to
 * it; a batch closes some grains to writers, copies them when all writes that were under
 * way have ended, has the copies and then the source's UNMAP made durable, and opens
 * the grains again, in the target (design.rst, "The active merge").
 */
#include <linux/delay.h>
#include "redo-chain.h"

#define BATCH_SECTORS	4096U	/* 2 MiB: what a writer may have to wait for */
#define BUSY_TRIES	1000	/* times 100 us: words that others hold */

static struct redo_delta *source(struct redo_chain *c)
{
	return c->slot[c->merge.hi].delta;
}

/* --- begin --- */

/* By the commit worker: it must not be about to release the target. */
static int open_target(struct redo_chain *c)
{
	bool passdown = !c->features.no_discard_passdown && !c->features.ignore_discard;
	struct redo_merge *m = &c->merge;
	struct redo_delta *d = c->slot[m->target].delta;
	struct redo_super sb;
	int r;

	if (!m->target) {
		redo_delta_super(source(c), &sb);
		if (sb.merge_state == REDO_MERGE_BASE || redo_mutant(merge_not_marked))
			return 0;
		return redo_delta_mark_base(source(c), REDO_MERGE_BASE, m->source, 0);
	}
	r = redo_delta_load(d) ?: redo_delta_claim(d, c, &c->inflight, passdown);
	if (r)
		return r;
	c->slot[m->target].owned = true;
	r = redo_delta_open_target(d, m->source);
	if (!r)
		r = redo_delta_refill(d);
	return r == -ENOSPC ? 0 : r;
}

/* With the gate closed: nothing is under way to the source but overwrites. */
static int send_down(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	int r = redo_commit_all(c);

	if (r)
		return r;
	spin_lock_irq(&c->lock);
	WRITE_ONCE(c->home, m->target);
	WRITE_ONCE(c->alloc, c->slot[m->target].delta);
	spin_unlock_irq(&c->lock);
	return 0;
}

int redo_merge_active_begin(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	struct redo_usage u;
	int r;

	r = redo_commit_visit(c, open_target);
	if (r)
		return r;
	redo_gate_close(c);
	r = redo_commit_visit(c, send_down);
	redo_gate_open(c);
	redo_delta_usage(source(c), &u);
	WRITE_ONCE(m->total, m->done + u.grains_used);
	m->rounds = 0;
	m->pos = 0;
	return r;
}

/* --- a batch: what is closed --- */

struct batch {
	struct redo_leaf *leaf;
	u64 start;		/* first grain of the leaf */
	u32 from, to;		/* words that were looked at */
	bool any;		/* some are closed ... */
	bool zeroes;		/* ... and some of them zero: the source's leaf may be one pointer */
	bool reserved, reserved_home;	/* room in the source, the target, for one more leaf */
	bool lost;		/* the first one is */
	u32 done;		/* words before it have been dealt with */
};

/* Keep the leaf of @grain resident. NULL: cannot be built (*@error), or not just now. */
static struct redo_leaf *hold_leaf(struct redo_chain *c, u64 grain, int *error)
{
	struct redo_leaf *leaf;

	*error = redo_build_leaf(c, redo_leaf_index(grain));
	if (*error)
		return NULL;
	rcu_read_lock();
	leaf = redo_leaf_for_change(c, grain, GFP_NOWAIT | __GFP_NOWARN);
	rcu_read_unlock();
	return leaf;
}

/* To be carried down, as it is in the merged map and, some time ago, in the source? */
static bool is_the_sources(const struct redo_chain *c, u64 word, u64 source)
{
	if (redo_word_state(word) == REDO_W_BASE)
		return redo_word_state(source) == REDO_W_BASE;
	return redo_word_is_own(word, c->active_slot) || redo_word_state(word) == REDO_W_ZERO;
}

/* False: somebody else is changing it. What it was goes to *@was, 0 if it is not the source's. */
static bool close_word(struct redo_chain *c, u64 *pos, u64 source, u64 *was)
{
	u64 w, closed;

	do {
		w = READ_ONCE(*pos);
		*was = 0;
		if (redo_word_is_closed(w))
			return false;
		if (!is_the_sources(c, w, source))
			return true;
		closed = redo_word_has_place(w) ?
			 redo_word(REDO_W_MERGING, redo_word_slot(w), redo_word_phys(w)) :
			 redo_word(REDO_W_PENDING, 0, 0);
	} while (cmpxchg(pos, w, closed) != w);
	*was = w;
	return true;
}

/*
 * Close what the source says something of, from m->pos on, up to a batch. Words that
 * somebody else holds end it; false: it is the first.
 */
static bool close_words(struct redo_chain *c, struct batch *b)
{
	struct redo_merge_buf *buf = c->merge.buf;
	u32 end = min_t(u64, REDO_FANOUT, c->nr_grains - b->start), i;
	u32 max = max(1U, redo_merge_batch_sectors(c, BATCH_SECTORS) / c->grain_sectors), n = 0;

	memset(buf->closed, 0, sizeof(buf->closed));
	for (i = b->from; i < end && n < max; i++) {
		if (!buf->source[i])
			continue;
		/* After a write that failed nobody knows where it is: neither do we. */
		if (redo_word_state(READ_ONCE(b->leaf->word[i])) == REDO_W_LOST) {
			b->lost = i == b->from;
			break;
		}
		if (!close_word(c, &b->leaf->word[i], buf->source[i], &buf->closed[i]))
			break;
		if (!buf->closed[i])
			continue;
		b->any = true;
		b->zeroes |= !redo_word_has_place(buf->closed[i]);
		/* Zeroes cost something where they have to be written. */
		n += redo_word_has_place(buf->closed[i]) || !c->alloc;
	}
	b->to = i < end ? i : REDO_FANOUT;
	return i > b->from;
}

/* Words [i, i + n) become @word and its steps. */
static void open_words(struct redo_chain *c, struct batch *b, u32 i, u32 n, u64 word)
{
	redo_entries_publish(c, b->leaf, b->start + i, n, word);
	memset(&c->merge.buf->closed[i], 0, n * sizeof(u64));
}

/* As they were: from @i on. */
static void give_up(struct redo_chain *c, struct batch *b, u32 i)
{
	for (; i < b->to; i++)
		if (c->merge.buf->closed[i])
			open_words(c, b, i, 1, c->merge.buf->closed[i]);
}

/* Everybody who looked the words up before has written. */
static void wait_for_writers(struct redo_chain *c)
{
	redo_inflight_wait(&c->inflight);
}

/* --- a batch: copies --- */

/* How many closed words from @i on go on as the first does. */
static u32 closed_run(const struct redo_merge_buf *buf, u32 i, u32 end)
{
	u32 n = 1;

	while (i + n < end && buf->closed[i + n] == redo_word_step(buf->closed[i], n))
		n++;
	return n;
}

/* Where the run is going to be: a word of the target in @buf->target. How many; 0: no space. */
static u32 find_place(struct redo_chain *c, struct batch *b, u32 i, u32 len)
{
	struct redo_merge_buf *buf = c->merge.buf;
	u64 mine = buf->target[i], phys;
	u32 n = 1, want;

	if (redo_word_state(mine) == REDO_W_MAPPED) {
		while (n < len && buf->target[i + n] == redo_word_step(mine, n))
			n++;
		return n;
	}
	while (n < len && redo_word_state(buf->target[i + n]) != REDO_W_MAPPED)
		n++;
	want = n;
	n = redo_delta_alloc(c->alloc, want, &phys);
	if (!n && !redo_delta_refill(c->alloc))
		n = redo_delta_alloc(c->alloc, want, &phys);
	if (n)
		buf->place[i] = phys;
	return n;
}

/* Where the target has the run that begins at @i. */
static u64 place_of(const struct redo_chain *c, const struct batch *b, u32 i)
{
	const struct redo_merge_buf *buf = c->merge.buf;

	if (!c->home)
		return b->start + i;
	return buf->place[i] ?: redo_word_phys(buf->target[i]);
}

/*
 * The run from @i on, or its beginning: how many grains; 0: no space. In place[] is then
 * where the target gets a new place, else 0.
 */
static u32 copy_run(struct redo_chain *c, struct batch *b, u32 i, u32 len)
{
	struct redo_merge_buf *buf = c->merge.buf;
	u64 word = buf->closed[i], grain = b->start + i;
	u32 n = len;

	if (!redo_word_has_place(word)) {
		if (!c->alloc && redo_word_state(word) == REDO_W_ZERO)
			redo_copies_zero(&buf->copies, grain, len);
		return len;
	}
	if (!c->alloc) {
		redo_copies_add(&buf->copies, grain, len, word, 0, grain);
		return len;
	}
	n = find_place(c, b, i, len);
	if (n)
		redo_copies_add(&buf->copies, grain, n, word, c->home, place_of(c, b, i));
	return n;
}

/* All that is closed is on its way; what finds no space is opened again. */
static int copy_words(struct redo_chain *c, struct batch *b)
{
	struct redo_merge_buf *buf = c->merge.buf;
	u32 i, n;

	memset(buf->place, 0, sizeof(buf->place));
	memset(buf->run, 0, sizeof(buf->run));
	for (i = b->from; i < b->to; i += n) {
		n = 1;
		if (!buf->closed[i])
			continue;
		n = redo_copies_full(&buf->copies) ? 0 :
		    copy_run(c, b, i, closed_run(buf, i, b->to));
		if (!n) {
			give_up(c, b, i);
			b->to = i;
			return redo_copies_full(&buf->copies) ? 0 : -ENOSPC;
		}
		buf->run[i] = n;
	}
	return 0;
}

static void return_places(struct redo_chain *c, struct batch *b)
{
	struct redo_merge_buf *buf = c->merge.buf;
	u32 i;

	for (i = b->from; i < b->to; i++)
		if (buf->run[i] && buf->place[i])
			redo_delta_unalloc(c->alloc, buf->place[i], buf->run[i]);
}

/* --- a batch: records --- */

static void fill_change(struct redo_chain *c, struct batch *b, u32 i, struct redo_change *change)
{
	struct redo_merge_buf *buf = c->merge.buf;
	bool place = redo_word_has_place(buf->closed[i]);

	change->via = REDO_VIA_UNMAP;
	change->cookie = b->leaf;
	change->e = (struct redo_extent) {
		.type = REDO_REC_UNMAP,
		.logical = b->start + i,
		.len = buf->run[i],
	};
	if (!c->alloc || (place && !buf->place[i]))
		return;	/* it has a place there already */
	change->via |= REDO_VIA_HOME;
	change->e.type = place ? REDO_REC_MAP :
			 redo_word_state(buf->closed[i]) == REDO_W_ZERO ? REDO_REC_ZERO :
			 REDO_REC_BASE;
	change->e.phys = buf->place[i];
}

/* One change for each run; the list keeps the leaf for it. */
static int record(struct redo_chain *c, struct batch *b)
{
	struct redo_merge_buf *buf = c->merge.buf;
	struct redo_change *change;
	u32 i;

	for (i = b->from; i < b->to; i++) {
		if (!buf->run[i])
			continue;
		change = redo_change_alloc(c, GFP_NOIO);
		fill_change(c, b, i, change);
		atomic_inc(&b->leaf->busy);
		if (redo_commit_add(c, change))
			redo_leaf_unbusy(b->leaf);
	}
	return redo_commit_wait(c);
}

/*
 * The copies are complete, though not durable: from now on reads go there. The source's
 * places may be discarded as soon as its record has been applied, and then nobody must
 * look them up any more who did not before.
 */
static void read_from_target(struct redo_chain *c, struct batch *b)
{
	struct redo_merge_buf *buf = c->merge.buf;
	u64 word;
	u32 i, n;

	for (i = b->from; i < b->to; i++) {
		if (!buf->run[i] || !redo_word_has_place(buf->closed[i]))
			continue;
		word = redo_word(REDO_W_MERGING, c->home, place_of(c, b, i));
		for (n = 0; n < buf->run[i]; n++)
			WRITE_ONCE(b->leaf->word[i + n], redo_word_step(word, n));
	}
}

/* The target has them now, durably: its words are for everybody. */
static void open_in_target(struct redo_chain *c, struct batch *b)
{
	struct redo_merge_buf *buf = c->merge.buf;
	u64 word;
	u32 i;

	for (i = b->from; i < b->to; i++) {
		if (!buf->run[i])
			continue;
		if (redo_word_has_place(buf->closed[i]))
			WRITE_ONCE(c->merge.done, c->merge.done + buf->run[i]);
		if (!c->alloc)
			word = redo_word(REDO_W_BASE, 0, 0);
		else if (!redo_word_has_place(buf->closed[i]))
			word = buf->closed[i];
		else
			word = redo_word(REDO_W_MAPPED, c->home, place_of(c, b, i));
		open_words(c, b, i, buf->run[i], word);
	}
}

/* --- a batch --- */

/*
 * Does the source need a block for the leaf? Only if one pointer says now that all of it is
 * zero, and the batch takes a part. A source that is full is emptied without any.
 */
static bool splits_zero_leaf(struct redo_chain *c, const struct batch *b)
{
	const struct redo_merge_buf *buf = c->merge.buf;
	u32 end = min_t(u64, REDO_FANOUT, c->nr_grains - b->start), i;
	bool all = true;

	for (i = 0; i < end; i++) {
		if (redo_word_state(buf->source[i]) != REDO_W_ZERO)
			return false;
		all &= redo_word_state(buf->closed[i]) == REDO_W_ZERO;
	}
	return !all;
}

/* What metadata may need more, in each of both; most batches need none. */
static int reserve(struct redo_chain *c, struct batch *b)
{
	int r;

	if (!b->zeroes)
		return 0;
	if (splits_zero_leaf(c, b)) {
		r = redo_delta_reserve(source(c), 1);
		if (r)
			return r;
		b->reserved = true;
	}
	if (!c->alloc)
		return 0;
	r = redo_delta_reserve(c->alloc, 1);
	b->reserved_home = !r;
	return r;
}

static void unreserve(struct redo_chain *c, struct batch *b)
{
	if (b->reserved)
		redo_delta_unreserve(source(c), 1);
	if (b->reserved_home)
		redo_delta_unreserve(c->alloc, 1);
}

/* The words are closed. 0, or -ENOSPC: a part of it was done; or another -errno. */
static int carry_down(struct redo_chain *c, struct batch *b)
{
	struct redo_merge_buf *buf = c->merge.buf;
	int space, r;

	b->done = b->from;
	if (!b->any) {
		b->done = b->to;
		return 0;
	}
	r = reserve(c, b);
	if (r)
		return r;
	wait_for_writers(c);
	if (c->alloc) {
		r = redo_build_range(c, redo_leaf_index(b->start), c->home, c->home, buf->target,
				     buf->disk);
		if (r)
			return r;
	}
	redo_copies_start(&buf->copies, c);
	space = copy_words(c, b);
	r = redo_copies_wait(&buf->copies);
	if (r) {
		return_places(c, b);
		return r;
	}
	read_from_target(c, b);
	r = record(c, b);
	if (r)
		return r;
	open_in_target(c, b);
	b->done = b->to;
	return space;
}

/* One batch in the leaf of m->pos, of which the source's words have been read. */
static int batch_in_leaf(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	struct batch b = {
		.start = m->pos - redo_leaf_offset(m->pos),
		.from = redo_leaf_offset(m->pos),
	};
	int tries, r;

	for (tries = 0; ; tries++) {
		b.leaf = hold_leaf(c, m->pos, &r);
		if (r && r != -ENOMEM)
			return r;
		if (b.leaf && close_words(c, &b))
			break;
		if (b.leaf)
			redo_leaf_unbusy(b.leaf);
		if (b.lost)
			return -EIO;
		if (tries >= BUSY_TRIES)
			return 0; /* later: a suspend may be waiting for us */
		usleep_range(100, 200);
	}
	r = carry_down(c, &b);
	give_up(c, &b, b.from);
	unreserve(c, &b);
	redo_leaf_unbusy(b.leaf);
	m->pos = b.start + b.done;
	return r;
}

int redo_merge_active_batch(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	struct redo_merge_buf *buf = m->buf;
	u64 leaf;
	int r = 0;

	leaf = redo_delta_next_leaf(source(c), redo_leaf_index(m->pos), &r);
	if (!r && (leaf == U64_MAX || leaf * REDO_FANOUT >= c->nr_grains))
		return 1;
	if (!r) {
		m->pos = max(m->pos, leaf * REDO_FANOUT);
		r = redo_build_range(c, leaf, m->hi, m->hi, buf->source, buf->disk);
	}
	if (r) {
		redo_merge_note_error(c, r, m->pos, 1);
		return r;
	}
	r = batch_in_leaf(c);
	if (r && r != -ENOSPC && !m->error)
		redo_merge_note_error(c, r, m->pos, 1);
	return r;
}

/* --- the end --- */

/* Of a flush that arrived while there still was something to flush: the base has it all. */
static void end_waiters(struct bio_list *waiters)
{
	struct bio *bio;

	while ((bio = bio_list_pop(waiters)))
		redo_bio_finish(bio, BLK_STS_OK);
}

static void switch_active(struct redo_chain *c, struct bio_list *waiters)
{
	struct redo_merge *m = &c->merge;

	bio_list_init(waiters);
	spin_lock_irq(&c->lock);
	redo_merge_drop_slots(c, m->lo, m->hi);
	WRITE_ONCE(c->active_slot, m->target);
	WRITE_ONCE(c->active, c->slot[m->target].delta);
	WRITE_ONCE(c->alloc, c->active);
	WRITE_ONCE(c->home, m->target);
	if (!m->target) { /* the commit worker has nothing to do any more */
		c->committing = false;
		*waiters = c->commit_waiters;
		bio_list_init(&c->commit_waiters);
	}
	spin_unlock_irq(&c->lock);
}

static int mark_end(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;
	struct redo_delta *d = c->slot[m->target].delta;
	struct redo_super sb;
	int r = 0;

	if (m->target) {
		redo_delta_super(source(c), &sb);
		r = redo_delta_mark_taken(d, &sb);
	}
	if (!r)
		r = redo_delta_retire_merged(source(c));
	if (!r && m->target)
		r = redo_delta_mark_none(d);
	return r;
}

/* With the gate closed, and the commit worker standing by. 0: the source is not empty. */
static int end_visit(struct redo_chain *c)
{
	struct bio_list waiters;
	int r = redo_commit_all(c), error = 0;

	if (r)
		return r;
	if (redo_delta_next_leaf(source(c), 0, &error) != U64_MAX)
		return error;
	mutex_lock(&c->track.records); /* both or none for whoever finds that tracking has ended */
	r = mark_end(c);
	if (!r)
		switch_active(c, &waiters);
	mutex_unlock(&c->track.records);
	if (r)
		return r;
	if (!c->active) {
		redo_nospace_requeue_workers(c);
		redo_commit_end_waits(c);
	}
	end_waiters(&waiters);
	return 1;
}

int redo_merge_active_end(struct redo_chain *c)
{
	int r;

	redo_track_next_active(c, c->merge.target);
	redo_gate_close(c);
	r = redo_commit_visit(c, end_visit);
	redo_gate_open(c);
	if (r >= 0) /* also if it was not the end: the target is not the one to come, then */
		redo_track_relink(c);
	if (r)
		return r;
	/* Once may be somebody's who was in our way; more often it never will be empty. */
	if (c->merge.rounds++ > 2)
		return -EIO;
	c->merge.pos = 0;
	c->merge.copied = false;
	return 0;
}

void redo_merge_seal_source(struct redo_chain *c)
{
	struct redo_merge *m = &c->merge;

	if (!redo_merge_busy(c) || !m->active)
		return;
	spin_lock_irq(&c->lock); /* against the status */
	m->active = false;
	spin_unlock_irq(&c->lock);
	m->begun = false;
	m->copied = false;
	m->pos = 0;
}
