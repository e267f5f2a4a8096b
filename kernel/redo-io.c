// SPDX-License-Identifier: GPL-2.0
/* Metadata block I/O; see redo-io.h. */
#include <linux/device-mapper.h>
#include "redo-io.h"

#define DM_MSG_PREFIX "redo"

int redo_io_check_device(struct block_device *bdev)
{
	if (bdev_logical_block_size(bdev) > REDO_BLOCK_SIZE) {
		DMERR("%pg: logical block size %u: at most %u can be used", bdev,
		      bdev_logical_block_size(bdev), REDO_BLOCK_SIZE);
		return -EINVAL;
	}
	if (bdev_is_zoned(bdev)) {
		DMERR("%pg: zoned devices cannot be used", bdev);
		return -EINVAL;
	}
	return 0;
}

static int redo_io_sync(struct block_device *bdev, u64 blocknr, void *buf, blk_opf_t opf)
{
	struct bio_vec vec;
	struct bio bio;
	int r;

	if (blocknr >= redo_io_blocks(bdev))
		return -ERANGE;
	bio_init(&bio, bdev, &vec, 1, opf | REQ_META | REQ_SYNC);
	bio.bi_iter.bi_sector = blocknr * REDO_BLOCK_SECTORS;
	__bio_add_page(&bio, virt_to_page(buf), REDO_BLOCK_SIZE, offset_in_page(buf));
	r = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return r;
}

int redo_io_read(struct block_device *bdev, u64 blocknr, void *buf)
{
	return redo_io_sync(bdev, blocknr, buf, REQ_OP_READ);
}

/*
 * A PREFLUSH is a flush of its own. Sent along with data, its error would be forgotten
 * where the device is one of device mapper's, as logical volumes are: what was to be
 * durable first might not be, and the write be reported as good.
 */
int redo_io_write(struct block_device *bdev, u64 blocknr, void *buf, blk_opf_t flags)
{
	int r = 0;

	/* Without a write cache the block layer would drop it. */
	if ((flags & REQ_PREFLUSH) && bdev_write_cache(bdev))
		r = blkdev_issue_flush(bdev);
	return r ?: redo_io_sync(bdev, blocknr, buf, REQ_OP_WRITE | (flags & ~REQ_PREFLUSH));
}

static void redo_batch_drop(struct redo_batch *b)
{
	if (atomic_dec_and_test(&b->pending))
		complete(&b->done);
}

static void redo_batch_endio(struct bio *bio)
{
	struct redo_batch *b = bio->bi_private;

	if (bio->bi_status)
		WRITE_ONCE(b->error, blk_status_to_errno(bio->bi_status));
	bio_put(bio);
	redo_batch_drop(b);
}

static void redo_batch_submit(struct redo_batch *b)
{
	struct bio *bio = b->bio;

	if (!bio)
		return;
	b->bio = NULL;
	atomic_inc(&b->pending);
	submit_bio(bio);
}

void redo_batch_start(struct redo_batch *b, struct block_device *bdev,
		      struct bio_set *bs, blk_opf_t opf)
{
	b->bdev = bdev;
	b->bs = bs;
	b->opf = opf | REQ_META | REQ_SYNC;
	b->bio = NULL;
	b->next = 0;
	b->error = 0;
	atomic_set(&b->pending, 1);	/* dropped by redo_batch_wait() */
	init_completion(&b->done);
	blk_start_plug(&b->plug);
}

/*
 * Every bio is submitted before the next one is taken from the set, so the
 * set's mempool cannot run dry on bios that only we could complete.
 */
void redo_batch_add(struct redo_batch *b, u64 blocknr, void *buf)
{
	struct page *page = virt_to_page(buf);
	unsigned int off = offset_in_page(buf);

	if (blocknr >= redo_io_blocks(b->bdev)) {
		WRITE_ONCE(b->error, -ERANGE);
		return;
	}
	if (b->bio && b->next == blocknr &&
	    bio_add_page(b->bio, page, REDO_BLOCK_SIZE, off) == REDO_BLOCK_SIZE) {
		b->next++;
		return;
	}
	redo_batch_submit(b);
	b->bio = bio_alloc_bioset(b->bdev, BIO_MAX_VECS / 4, b->opf, GFP_NOIO, b->bs);
	b->bio->bi_iter.bi_sector = blocknr * REDO_BLOCK_SECTORS;
	b->bio->bi_end_io = redo_batch_endio;
	b->bio->bi_private = b;
	__bio_add_page(b->bio, page, REDO_BLOCK_SIZE, off);
	b->next = blocknr + 1;
}

int redo_batch_wait(struct redo_batch *b)
{
	redo_batch_submit(b);
	blk_finish_plug(&b->plug);
	redo_batch_drop(b);
	wait_for_completion_io(&b->done);
	return READ_ONCE(b->error);
}
