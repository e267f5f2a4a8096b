// SPDX-License-Identifier: GPL-2.0
/*
 * One batch of a merge's copies. Neighbours in source and target become one copy, so
 * that long runs are read and written as such; all of a batch are under way together.
 * The pages are the merge's own for as long as there is one, and a write is sent by the
 * merge worker as soon as it sees that the read is over: dm-kcopyd takes pages from the
 * system for every copy, which are cleared first on many hosts, and other work items.
 */
#include "redo-chain.h"

#define COPY_MAX	2048	/* sectors of one copy: several share the pages; the largest grain */
#define PIECES		17	/* copies that one call may come to: 16 MiB, and what was gathered */

static void note_error(struct redo_merge_copies *k, int error, u64 grain, u64 len)
{
	if (k->error)
		return;
	k->error = error;
	k->error_grain = grain;
	k->error_len = len;
}

/* The lock is held until nothing of @copy is looked at any more. */
static void copy_end_io(struct bio *bio)
{
	struct redo_merge_copy *copy = bio->bi_private;
	struct redo_merge_copies *k = copy->k;
	unsigned long flags;

	spin_lock_irqsave(&k->lock, flags);
	list_add_tail(&copy->list, &k->ended);
	wake_up(&k->wait);
	spin_unlock_irqrestore(&k->lock, flags);
}

static void set_bio(struct redo_merge_copy *copy, sector_t sector, sector_t count)
{
	struct bio *bio = copy->bio;

	bio->bi_iter.bi_sector = sector;
	bio->bi_iter.bi_size = count << SECTOR_SHIFT;
	bio->bi_private = copy;
	bio->bi_end_io = copy_end_io;
}

/* The same pages again, which the bio still names. */
static void write_back(struct redo_merge_copy *copy)
{
	unsigned short n = copy->bio->bi_vcnt;

	copy->writes = true;
	bio_reset(copy->bio, copy->to.bdev, REQ_OP_WRITE);
	copy->bio->bi_vcnt = n;
	set_bio(copy, copy->to.sector, copy->to.count);
	submit_bio(copy->bio);
}

static void finish(struct redo_merge_copies *k, struct redo_merge_copy *copy)
{
	unsigned short i;

	for (i = 0; i < copy->bio->bi_vcnt; i++)
		k->page[k->nr_free++] = copy->bio->bi_io_vec[i].bv_page;
	bio_put(copy->bio);
	k->pending--;
}

/* Until something has ended: reads become writes, writes are over. */
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
		if (copy->bio->bi_status)
			note_error(k, -EIO, copy->grain, copy->len);
		if (copy->bio->bi_status || copy->writes)
			finish(k, copy);
		else
			write_back(copy);
	}
}

/* With nothing under way there always is one: the set keeps some. */
static struct bio *get_bio(struct redo_merge_copies *k, unsigned short pages)
{
	struct bio *bio;

	while (1) {
		bio = bio_alloc_bioset(k->from.bdev, pages, REQ_OP_READ,
				       GFP_NOWAIT | __GFP_NOWARN, &k->bs);
		if (bio)
			return bio;
		go_on(k);
	}
}

static void send(struct redo_merge_copies *k)
{
	unsigned int pages = DIV_ROUND_UP(k->to.count, PAGE_SECTORS), i, size;
	struct redo_merge_copy *copy;
	sector_t left = k->to.count;

	if (!k->len)
		return;
	while (k->nr_free < pages)
		go_on(k);
	copy = &k->c->merge.buf->copy[k->n++];
	copy->k = k;
	copy->grain = k->grain;
	copy->len = k->len;
	copy->to = k->to;
	copy->writes = false;
	copy->bio = get_bio(k, pages);
	for (i = 0; i < pages; i++, left -= size) {
		size = min_t(sector_t, left, PAGE_SECTORS);
		__bio_add_page(copy->bio, k->page[--k->nr_free], size << SECTOR_SHIFT, 0);
	}
	set_bio(copy, k->from.sector, k->from.count);
	k->len = 0;
	k->c->merge.sectors += k->to.count;
	k->to.count = 0;	/* it is asked for how much is gathered */
	k->pending++;
	submit_bio(copy->bio);
}

int redo_copies_create(struct redo_merge_copies *k)
{
	int r;

	BUILD_BUG_ON(COPY_MAX > BIO_MAX_VECS * PAGE_SECTORS || COPY_MAX < REDO_GRAIN_SECTORS_MAX);
	BUILD_BUG_ON(COPY_MAX > REDO_MERGE_PAGES * PAGE_SECTORS);
	spin_lock_init(&k->lock);
	init_waitqueue_head(&k->wait);
	INIT_LIST_HEAD(&k->ended);
	r = bioset_init(&k->bs, 4, 0, BIOSET_NEED_BVECS);
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
	bioset_exit(&k->bs);
}

void redo_copies_start(struct redo_merge_copies *k, struct redo_chain *c)
{
	k->c = c;
	k->n = 0;
	k->len = 0;
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
