// SPDX-License-Identifier: GPL-2.0
/*
 * One batch of a merge's copies. Neighbours in the target become one write, wherever they
 * are read from, and neighbours in the source one read, so that long runs are read and
 * written as such; all of a batch are under way together. The pages are the merge's own
 * for as long as there is one, and a write is sent by the merge worker as soon as it sees
 * that its reads are over: dm-kcopyd takes pages from the system for every copy, which are
 * cleared first on many hosts, and other work items.
 */
#include "redo-chain.h"

#define COPY_MAX	2048	/* sectors of one copy: several share the pages; the largest grain */
#define PIECES		17	/* reads that one call may come to: 16 MiB, and what was gathered */

static void __note_error(struct redo_merge_copies *k, int error, u64 grain, u64 len)
{
	lockdep_assert_held(&k->lock);
	if (k->error)
		return;
	k->error = error;
	k->error_grain = grain;
	k->error_len = len;
}

static void note_error(struct redo_merge_copies *k, int error, u64 grain, u64 len)
{
	spin_lock_irq(&k->lock);
	__note_error(k, error, grain, len);
	spin_unlock_irq(&k->lock);
}

/* The worker has something to do with it. The lock is held until nothing of it is looked at. */
static void __copy_ended(struct redo_merge_copy *copy)
{
	struct redo_merge_copies *k = copy->k;

	lockdep_assert_held(&k->lock);
	list_add_tail(&copy->list, &k->ended);
	wake_up(&k->wait);
}

static void read_end_io(struct bio *bio)
{
	struct redo_merge_read *read = bio->bi_private;
	struct redo_merge_copies *k = read->copy->k;
	blk_status_t status = bio->bi_status;
	unsigned long flags;

	bio_put(bio);	/* before the worker may be done with all of it */
	spin_lock_irqsave(&k->lock, flags);
	if (status) {
		__note_error(k, -EIO, read->grain, read->len);
		read->copy->failed = true;
	}
	if (!--read->copy->reads)
		__copy_ended(read->copy);
	spin_unlock_irqrestore(&k->lock, flags);
}

static void write_end_io(struct bio *bio)
{
	struct redo_merge_copy *copy = bio->bi_private;
	struct redo_merge_copies *k = copy->k;
	unsigned long flags;

	spin_lock_irqsave(&k->lock, flags);
	if (bio->bi_status)
		__note_error(k, -EIO, copy->grain, copy->len);
	__copy_ended(copy);
	spin_unlock_irqrestore(&k->lock, flags);
}

static void finish(struct redo_merge_copies *k, struct redo_merge_copy *copy)
{
	unsigned short i;

	for (i = 0; i < copy->bio->bi_vcnt; i++)
		k->page[k->nr_free++] = copy->bio->bi_io_vec[i].bv_page;
	bio_put(copy->bio);
	k->pending--;
}

/* Until something has ended: where all is read the write goes, writes are over. */
static void go_on(struct redo_merge_copies *k)
{
	struct redo_merge_copy *copy;
	LIST_HEAD(ended);

	io_wait_event(k->wait, !list_empty_careful(&k->ended));
	spin_lock_irq(&k->lock);
	list_splice_init(&k->ended, &ended);
	spin_unlock_irq(&k->lock);
	while ((copy = list_first_entry_or_null(&ended, struct redo_merge_copy, list))) {
		list_del(&copy->list);
		if (copy->failed || copy->writes) {
			finish(k, copy);
			continue;
		}
		copy->writes = true;
		submit_bio(copy->bio);
	}
}

/*
 * For a write, which holds the pages. Those under way come back by this thread only, so it does
 * not wait for the set's reserve while there are any; and waits where there is none, for without
 * waiting the reserve of vectors is not touched at all.
 */
static struct bio *get_bio(struct redo_merge_copies *k, unsigned short pages)
{
	struct bio *bio;

	while (k->pending) {
		bio = bio_alloc_bioset(k->to.bdev, pages, REQ_OP_WRITE,
				       GFP_NOWAIT | __GFP_NOWARN, &k->writes);
		if (bio)
			return bio;
		go_on(k);
	}
	return bio_alloc_bioset(k->to.bdev, pages, REQ_OP_WRITE, GFP_NOIO, &k->writes);
}

static struct bio *make_write(struct redo_merge_copies *k, struct redo_merge_copy *copy)
{
	unsigned int pages = DIV_ROUND_UP(k->to.count, PAGE_SECTORS), i, size;
	sector_t left = k->to.count;
	struct bio *bio;

	while (k->nr_free < pages)
		go_on(k);
	bio = get_bio(k, pages);
	for (i = 0; i < pages; i++, left -= size) {
		size = min_t(sector_t, left, PAGE_SECTORS);
		__bio_add_page(bio, k->page[--k->nr_free], size << SECTOR_SHIFT, 0);
	}
	bio->bi_iter.bi_sector = k->to.sector;
	bio->bi_private = copy;
	bio->bi_end_io = write_end_io;
	return bio;
}

/*
 * Into the copy's pages, @at sectors from their start on. Bios of reads come back by
 * themselves when they end, so that waiting for one does not wait for this thread.
 */
static void send_read(struct redo_merge_copies *k, struct redo_merge_copy *copy,
		      struct redo_merge_read *read, sector_t at)
{
	unsigned int off = (at % PAGE_SECTORS) << SECTOR_SHIFT;
	unsigned int size, left = read->from.count << SECTOR_SHIFT;
	struct bio_vec *page = &copy->bio->bi_io_vec[at / PAGE_SECTORS];
	struct bio *bio;

	read->copy = copy;
	bio = bio_alloc_bioset(read->from.bdev, DIV_ROUND_UP(off + left, PAGE_SIZE), REQ_OP_READ,
			       GFP_NOIO, &k->reads);
	for (; left; left -= size, off = 0, page++) {
		size = min_t(unsigned int, left, PAGE_SIZE - off);
		__bio_add_page(bio, page->bv_page, size, off);
	}
	bio->bi_iter.bi_sector = read->from.sector;
	bio->bi_private = read;
	bio->bi_end_io = read_end_io;
	submit_bio(bio);
}

static void send(struct redo_merge_copies *k)
{
	struct redo_merge_buf *buf = k->c->merge.buf;
	struct redo_merge_read *last;
	struct redo_merge_copy *copy;
	sector_t at = 0, count;
	u32 i;

	if (k->first == k->n)
		return;
	last = &buf->read[k->n - 1];
	copy = &buf->copy[k->nr_copies++];
	copy->k = k;
	copy->grain = buf->read[k->first].grain;
	/* In a delta's units they may lie apart in the chain: all from the first to the last. */
	copy->len = last->grain + last->len - copy->grain;
	copy->reads = k->n - k->first;
	copy->failed = false;
	copy->writes = false;
	copy->bio = make_write(k, copy);
	k->pending++;
	k->c->merge.sectors += k->to.count;
	for (i = k->first; i < k->n; i++, at += count) {
		count = buf->read[i].from.count;
		send_read(k, copy, &buf->read[i], at);
	}
	k->first = k->n;
	k->to.count = 0;	/* it is asked for how much is gathered */
}

int redo_copies_create(struct redo_merge_copies *k)
{
	int r;

	BUILD_BUG_ON(COPY_MAX > BIO_MAX_VECS * PAGE_SECTORS || COPY_MAX < REDO_GRAIN_SECTORS_MAX);
	BUILD_BUG_ON(COPY_MAX > REDO_MERGE_PAGES * PAGE_SECTORS);
	spin_lock_init(&k->lock);
	init_waitqueue_head(&k->wait);
	INIT_LIST_HEAD(&k->ended);
	r = bioset_init(&k->reads, 4, 0, BIOSET_NEED_BVECS) ?:
	    bioset_init(&k->writes, 4, 0, BIOSET_NEED_BVECS);
	while (!r && k->nr_free < REDO_MERGE_PAGES) {
		k->page[k->nr_free] = alloc_page(GFP_NOIO);
		if (!k->page[k->nr_free])
			r = -ENOMEM;
		else
			k->nr_free++;
	}
	if (r)
		redo_copies_destroy(k);
	return r;
}

void redo_copies_destroy(struct redo_merge_copies *k)
{
	while (k->nr_free)
		__free_page(k->page[--k->nr_free]);
	bioset_exit(&k->writes);
	bioset_exit(&k->reads);
}

void redo_copies_start(struct redo_merge_copies *k, struct redo_chain *c)
{
	k->c = c;
	k->n = 0;
	k->first = 0;
	k->nr_copies = 0;
	k->to.count = 0;
	k->error = 0;
	k->error_grain = 0;
	k->error_len = 0;
	blk_start_plug(&k->plug);
}

/* Sectors of @len grains from @grain on; the last grain of a base may be short. */
static sector_t grains_end(struct redo_chain *c, u64 grain, u64 len, u32 to_slot)
{
	sector_t end = redo_grain_to_sector(c, grain + len);

	return to_slot ? end : min_t(sector_t, end, c->len);
}

/* Does @next go on where @region ends? */
static bool continues(const struct dm_io_region *region, const struct dm_io_region *next)
{
	return next->bdev == region->bdev && region->sector + region->count == next->sector;
}

static void add_piece(struct redo_merge_copies *k, u64 grain, u64 len,
		      const struct dm_io_region *from, const struct dm_io_region *to)
{
	struct redo_merge_read *read = k->c->merge.buf->read;

	if (k->first != k->n &&
	    (!continues(&k->to, to) || k->to.count + to->count > COPY_MAX))
		send(k);
	if (k->first == k->n) {
		k->to = *to;
		k->to.count = 0;
	}
	k->to.count += to->count;
	/* What is no neighbour in the chain is another range, if it cannot be read. */
	if (k->first != k->n && continues(&read[k->n - 1].from, from) &&
	    read[k->n - 1].grain + read[k->n - 1].len == grain) {
		read[k->n - 1].from.count += from->count;
		read[k->n - 1].len += len;
		return;
	}
	read[k->n++] = (struct redo_merge_read) { .from = *from, .grain = grain, .len = len };
}

static void add(struct redo_merge_copies *k, u64 grain, u64 len, u64 word, u32 to_slot, u64 to_phys)
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

void redo_copies_add(struct redo_merge_copies *k, u64 grain, u64 len, u64 word,
		     u32 to_slot, u64 to_phys)
{
	u64 n, at;

	for (at = 0; at < len; at += n) {
		n = min_t(u64, len - at, COPY_MAX / k->c->grain_sectors);
		add(k, grain + at, n, redo_word_step(word, at), to_slot, to_phys + at);
	}
}

bool redo_copies_full(const struct redo_merge_copies *k)
{
	return k->n + PIECES > REDO_MERGE_COPIES;
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
	while (k->pending)
		go_on(k);
	blk_finish_plug(&k->plug);
	if (k->error)
		redo_merge_note_error(k->c, k->error, k->error_grain, k->error_len);
	return k->error;
}
