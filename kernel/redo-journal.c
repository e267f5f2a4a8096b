// SPDX-License-Identifier: GPL-2.0
/*
 * The journal: a ring of blocks of records, written by commits and read once.
 *
 * A commit is a row of blocks with consecutive sequence numbers. All but the
 * last are written and have completed before the last is sent, with
 * PREFLUSH|FUA: when it is valid on the disk, so are the others, and all data
 * and unit headers that had completed before. A commit of which any block is
 * not valid was never acknowledged; replay ends in front of it.
 *
 * What is valid is bound to this very place in the log: sequence, commit number
 * and incarnation have to be the expected ones. The incarnation changes, durably,
 * before the first commit after every activation, so that the remains of a torn
 * commit never continue the log of a later life. Blocks of an earlier lap have
 * another sequence.
 *
 * The ring never overwrites a block that replay from the superblock in force
 * would need: head - replay_seq stays within the ring, and replay_seq moves only
 * when a checkpoint's superblock is durable.
 */
#include <linux/delay.h>
#include "redo-delta-priv.h"
#include "redo-super.h"

#define DM_MSG_PREFIX "redo"

int redo_journal_init(struct redo_delta *d)
{
	int i;

	for (i = 0; i < REDO_COMMIT_BLOCKS; i++) {
		d->jbuf[i] = kzalloc(REDO_BLOCK_SIZE, GFP_NOIO);
		if (!d->jbuf[i])
			return -ENOMEM;
		d->jbuf_used[i] = 0;
	}
	return 0;
}

void redo_journal_exit(struct redo_delta *d)
{
	int i;

	for (i = 0; i < REDO_COMMIT_BLOCKS; i++)
		kfree(d->jbuf[i]);
}

u64 redo_journal_used(struct redo_delta *d)
{
	return d->head_seq - d->sb.replay_seq;
}

static u64 redo_seq_block(struct redo_delta *d, u64 seq)
{
	return redo_journal_blocknr(d->sb.journal_start, d->sb.journal_blocks, seq);
}

/* Commit ------------------------------------------------------------------ */

struct redo_packer {
	struct redo_delta *d;
	u32 blocks;		/* filled or begun */
	u32 count;		/* records in the last one */
	u64 grains;
};

static int redo_pack_one(struct redo_packer *p, const struct redo_extent *e)
{
	struct redo_disk_journal *dj;

	if (!p->blocks || p->count == REDO_RECORDS_PER_BLOCK) {
		if (p->blocks == REDO_COMMIT_BLOCKS)
			return -E2BIG;
		p->blocks++;
		p->count = 0;
	}
	dj = p->d->jbuf[p->blocks - 1];
	redo_pack_record(&dj->record[p->count++], e);
	p->d->jbuf_used[p->blocks - 1] = max_t(u32, p->d->jbuf_used[p->blocks - 1],
					       offsetof(struct redo_disk_journal,
							record[p->count]));
	p->grains += e->len;
	return 0;
}

/* A MAP run may be longer than a record can say. */
static int redo_pack_extent(struct redo_packer *p, const struct redo_extent *e)
{
	struct redo_extent part = *e;
	u64 left = e->len;
	int r;

	if (!e->len || e->logical >= p->d->nr_grains || e->len > p->d->nr_grains - e->logical)
		return -EINVAL;
	if (e->type != REDO_REC_MAP)
		return redo_pack_one(p, e);
	while (left) {
		part.len = min_t(u64, left, REDO_REC_MAP_MAX);
		r = redo_pack_one(p, &part);
		if (r)
			return r;
		part.logical += part.len;
		part.phys += part.len;
		left -= part.len;
	}
	return 0;
}

/* What the use before has left behind the records; most commits have few. */
static void redo_journal_trim(struct redo_delta *d, u32 index, u32 count)
{
	struct redo_disk_journal *dj = d->jbuf[index];
	u32 used = offsetof(struct redo_disk_journal, record[count]);

	if (used < d->jbuf_used[index])
		memset((u8 *)dj + used, 0, d->jbuf_used[index] - used);
	d->jbuf_used[index] = used;
}

static void redo_journal_seal(struct redo_delta *d, const struct redo_packer *p)
{
	struct redo_journal_header jh = {
		.commit = d->head_commit,
		.total = p->blocks,
		.incarnation = d->sb.incarnation,
	};
	u32 i;

	for (i = 0; i < p->blocks; i++) {
		jh.seq = d->head_seq + i;
		jh.index = i;
		jh.count = i + 1 < p->blocks ? REDO_RECORDS_PER_BLOCK : p->count;
		redo_journal_trim(d, i, jh.count);
		redo_seal_journal(d->jbuf[i], d->uuid, redo_seq_block(d, jh.seq), &jh);
	}
}

static int redo_journal_write_first(struct redo_delta *d, u32 blocks)
{
	struct redo_batch b;
	u32 i;

	redo_batch_start(&b, d->bdev, &d->bs, REQ_OP_WRITE);
	for (i = 0; i < blocks; i++)
		redo_batch_add(&b, redo_seq_block(d, d->head_seq + i), d->jbuf[i]);
	return redo_batch_wait(&b);
}

static int redo_journal_write_last(struct redo_delta *d, u32 index)
{
	blk_opf_t flags = redo_unless(record_no_preflush, REQ_PREFLUSH) |
			  redo_unless(record_no_fua, REQ_FUA);

	return redo_io_write(d->bdev, redo_seq_block(d, d->head_seq + index), d->jbuf[index],
			     flags);
}

static int redo_journal_write(struct redo_delta *d, u32 blocks)
{
	int r = 0;

	if (redo_mutant(commit_unordered))
		return redo_journal_write_last(d, blocks - 1) ?:
		       redo_journal_write_first(d, blocks - 1);
	if (blocks > 1)
		r = redo_journal_write_first(d, blocks - 1);
	/* Time for a flush to arrive: the devices of a test are fast. */
	if (redo_mutant(commit_in_flight_ignored))
		msleep(2);
	return r ?: redo_journal_write_last(d, blocks - 1);
}

/* The superblock must not promise an empty journal any longer. */
static int redo_journal_unclean(struct redo_delta *d)
{
	struct redo_super sb;

	if (!(d->sb.flags & REDO_SB_CLEAN))
		return 0;
	sb = d->sb;
	sb.flags &= ~REDO_SB_CLEAN;
	return redo_super_switch(d, &sb);
}

static int redo_journal_room(struct redo_delta *d, u32 blocks)
{
	static const struct redo_switch none;
	int r;

	if (redo_journal_used(d) + blocks <= d->sb.journal_blocks)
		return 0;
	r = redo_checkpoint_write(d, &none);
	if (r)
		return r;
	return redo_journal_used(d) + blocks <= d->sb.journal_blocks ? 0 : -EIO;
}

static int redo_journal_flush(struct redo_delta *d)
{
	int r = blkdev_issue_flush(d->bdev);

	if (r)
		redo_delta_fail(d, "flush", r);
	return r ? -EIO : 0;
}

/* What cannot be applied must not become durable: see redo-apply.c. */
static int redo_journal_prepare(struct redo_delta *d, struct list_head *changes)
{
	struct redo_change *c;
	int r;

	list_for_each_entry(c, changes, list) {
		r = redo_apply_prepare(d, &c->e);
		if (r) {
			redo_delta_fail(d, "preparing a commit", r);
			return -EIO;
		}
	}
	return 0;
}

int redo_journal_commit(struct redo_delta *d, struct list_head *changes)
{
	struct redo_packer p = { .d = d };
	struct redo_change *c;
	int r;

	if (list_empty(changes))
		return redo_journal_flush(d);
	if (WARN_ON_ONCE(d->unapplied))
		return -EBUSY;
	list_for_each_entry(c, changes, list) {
		r = redo_pack_extent(&p, &c->e);
		if (WARN_ON_ONCE(r))
			return r;
	}
	r = redo_journal_room(d, p.blocks);
	if (!r)
		r = redo_journal_prepare(d, changes);
	if (!r)
		r = redo_journal_unclean(d);
	if (r)
		return r;
	redo_journal_seal(d, &p);
	r = redo_journal_write(d, p.blocks);
	if (r) {
		redo_delta_fail(d, "journal write", r);
		return -EIO;
	}
	WRITE_ONCE(d->head_seq, d->head_seq + p.blocks);
	d->head_commit++;
	d->unapplied = p.grains;
	return 0;
}

/* Replay ------------------------------------------------------------------ */

/* Journal blocks from @first on that jbuf holds. */
struct redo_window {
	u64 first;
	u32 blocks;
};

static int redo_window_read(struct redo_delta *d, u64 seq, u32 blocks)
{
	struct redo_batch b;
	u32 i;

	redo_batch_start(&b, d->bdev, &d->bs, REQ_OP_READ);
	for (i = 0; i < blocks; i++) {
		redo_batch_add(&b, redo_seq_block(d, seq + i), d->jbuf[i]);
		d->jbuf_used[i] = REDO_BLOCK_SIZE;
	}
	return redo_batch_wait(&b);
}

/*
 * The block of @seq. Reading ahead may meet a bad block behind the end of the
 * log; then only the block that is wanted is read, and an error is one.
 */
static const struct redo_disk_journal *redo_window_get(struct redo_delta *d,
						       struct redo_window *w, u64 seq)
{
	u32 blocks = min_t(u64, REDO_COMMIT_BLOCKS,
			   d->sb.replay_seq + d->sb.journal_blocks - seq);
	int r;

	if (seq >= w->first && seq - w->first < w->blocks)
		return d->jbuf[seq - w->first];
	r = redo_window_read(d, seq, blocks);
	if (r) {
		DMWARN("%s: journal blocks from %llu on: read error %d, reading only the first",
		       d->name, redo_seq_block(d, seq), r);
		blocks = 1;
		r = redo_window_read(d, seq, blocks);
	}
	if (r) {
		w->blocks = 0;
		DMERR("%s: journal block %llu: read error %d", d->name, redo_seq_block(d, seq), r);
		return ERR_PTR(-EIO);
	}
	w->first = seq;
	w->blocks = blocks;
	return d->jbuf[seq - w->first];
}

#ifdef REDO_MUTATE
static enum redo_bad redo_mutant_reseal(struct redo_delta *d, const struct redo_disk_journal *dj,
					u64 blocknr, struct redo_journal_header *jh)
{
	const struct redo_disk_header *dh = &dj->header;

	jh->seq = le64_to_cpu(dh->generation);
	jh->commit = le64_to_cpu(dh->place);
	jh->index = le16_to_cpu(dh->level);
	jh->total = le16_to_cpu(dh->aux);
	jh->count = min_t(u32, le32_to_cpu(dh->count), REDO_RECORDS_PER_BLOCK);
	jh->incarnation = le64_to_cpu(dh->incarnation);
	memset((void *)&dj->record[jh->count], 0,
	       (REDO_RECORDS_PER_BLOCK - jh->count) * sizeof(dj->record[0]));
	redo_seal_journal((void *)dj, d->uuid, blocknr, jh);
	return redo_check_journal(dj, d->uuid, blocknr, jh);
}

/* Then it is taken for a commit of its own. */
static bool redo_mutant_is_stale(struct redo_delta *d, u64 seq, struct redo_journal_header *jh)
{
	bool stale = (redo_mutant(stale_lap) && jh->seq < seq) ||
		     (redo_mutant(stale_incarnation) && jh->seq == seq &&
		      jh->incarnation != d->sb.incarnation);

	if (stale)
		jh->total = 1;
	return stale;
}
#else
static enum redo_bad redo_mutant_reseal(struct redo_delta *d, const struct redo_disk_journal *dj,
					u64 blocknr, struct redo_journal_header *jh)
{
	return REDO_BAD_CSUM;
}

static bool redo_mutant_is_stale(struct redo_delta *d, u64 seq, struct redo_journal_header *jh)
{
	return false;
}
#endif

/*
 * Is the block of @seq number @index of commit d->head_commit? 1: yes; 0: the
 * log ends here; -errno.
 */
static int redo_replay_check(struct redo_delta *d, struct redo_window *w, u64 seq,
			     u16 index, struct redo_journal_header *jh)
{
	const struct redo_disk_journal *dj;
	enum redo_bad bad;

	if (seq - d->sb.replay_seq >= d->sb.journal_blocks)
		return 0;
	dj = redo_window_get(d, w, seq);
	if (IS_ERR(dj))
		return PTR_ERR(dj);
	bad = redo_check_journal(dj, d->uuid, redo_seq_block(d, seq), jh);
	if (redo_mutant(record_torn) && bad == REDO_BAD_CSUM)
		bad = redo_mutant_reseal(d, dj, redo_seq_block(d, seq), jh);
	if (bad)
		return 0;
	if (redo_mutant_is_stale(d, seq, jh))
		return !index;
	return jh->seq == seq && jh->commit == d->head_commit && jh->index == index &&
	       jh->incarnation == d->sb.incarnation;
}

/* Blocks of the commit at the head, all of them valid; 0: the log ends; -errno. */
static int redo_replay_commit_len(struct redo_delta *d, struct redo_window *w)
{
	struct redo_journal_header jh;
	u16 i, total = 1;
	int r;

	for (i = 0; i < total; i++) {
		r = redo_replay_check(d, w, d->head_seq + i, i, &jh);
		if (!r && redo_mutant(commit_partial))
			return i;
		if (r <= 0)
			return r;
		if (!i)
			total = jh.total;
		else if (jh.total != total)
			return 0;
	}
	return total;
}

static int redo_replay_block(struct redo_delta *d, const struct redo_disk_journal *dj,
			     u64 seq, u32 count)
{
	struct redo_extent e;
	u32 i;
	int r;

	for (i = 0; i < count; i++) {
		r = redo_unpack_record(&dj->record[i], &e) ? -EUCLEAN : redo_apply_extent(d, &e);
		if (r) {
			DMERR("%s: journal block %llu: record %u cannot be replayed: error %d",
			      d->name, redo_seq_block(d, seq), i, r);
			return r;
		}
	}
	return 0;
}

static int redo_replay_one(struct redo_delta *d, struct redo_window *w, u32 total)
{
	struct redo_journal_header jh;
	u64 seq;
	u32 i;
	int r;

	for (i = 0; i < total; i++) {
		seq = d->head_seq + i;
		r = redo_replay_check(d, w, seq, i, &jh);
		if (r != 1)
			return r < 0 ? r : -EUCLEAN;
		r = redo_replay_block(d, d->jbuf[seq - w->first], seq, jh.count);
		if (r)
			return r;
		cond_resched();
	}
	WRITE_ONCE(d->head_seq, d->head_seq + total);
	d->head_commit++;
	return 0;
}

/*
 * The log ended here. A commit is begun only when the one before is durable, and
 * its last block is written only when its others are. So if the end of a commit
 * is valid anywhere behind, a block in between has been lost: that is corruption,
 * not the end. (Torn commits have no valid end; those that were covered have
 * smaller sequences; the futures of other crashes have other incarnations.) Where
 * the other superblock slot is corrupt, it may have been the one in force, with
 * an incarnation that we do not know.
 */
static int redo_replay_look_beyond(struct redo_delta *d, struct redo_window *w)
{
	u64 seq, end = d->sb.replay_seq + d->sb.journal_blocks;
	const struct redo_disk_journal *dj;
	struct redo_journal_header jh;

	for (seq = d->head_seq; seq < end; seq++) {
		dj = redo_window_get(d, w, seq);
		if (IS_ERR(dj) && d->torn)
			return PTR_ERR(dj);
		/* Behind the end nothing that we know of is missing; a write heals it. */
		if (IS_ERR(dj))
			continue;
		if (redo_check_journal(dj, d->uuid, redo_seq_block(d, seq), &jh) ||
		    jh.index + 1 != jh.total || jh.seq < d->head_seq)
			continue;
		if (jh.incarnation != d->sb.incarnation && !d->torn)
			continue;
		DMERR("%s: journal block %llu is corrupt, but the log goes on behind it to sequence %llu%s",
		      d->name, redo_seq_block(d, d->head_seq), jh.seq,
		      d->torn ? "; or the newer superblock is lost" : "");
		return -EUCLEAN;
	}
	return 0;
}

int redo_journal_replay(struct redo_delta *d)
{
	struct redo_window w = { 0 };
	int r;

	WRITE_ONCE(d->head_seq, d->sb.replay_seq);
	d->head_commit = d->sb.replay_commit;
	while ((r = redo_replay_commit_len(d, &w)) > 0) {
		r = redo_replay_one(d, &w, r);
		if (r)
			return r;
	}
	/* Nothing was ever committed to a new delta; and it is loaded while I/O waits. */
	if (!r && (d->torn || (d->sb.state != REDO_STATE_NEW && !(d->sb.flags & REDO_SB_CLEAN))))
		r = redo_replay_look_beyond(d, &w);
	return r;
}
