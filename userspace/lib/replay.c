// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading the journal, as activation does in the kernel: from replay_seq on,
 * commit after commit, until the first block that is not exactly what must
 * come next.
 */
#include <stdlib.h>
#include "redo-int.h"

struct reader {
	const struct redo_io *io;
	const struct redo_super *sb;
	const struct redo_replay_ops *ops;
	struct redo_replay *r;
	struct redo_disk_journal *ring;	/* blocks of the commit being read */
	struct redo_journal_header *header;
};

/* NULL: the block of @seq is what must come next. */
static const char *check_next(struct reader *rd, u64 seq, u32 index, int *err)
{
	const struct redo_super *sb = rd->sb;
	struct redo_journal_header *jh = &rd->header[index];
	void *block = &rd->ring[index];
	enum redo_bad bad;
	u64 nr;

	nr = redo_journal_blocknr(sb->journal_start, sb->journal_blocks, seq);
	*err = redo_io_block(rd->io, nr, block);
	if (*err)
		return "read error";
	bad = redo_check_journal(block, sb->uuid, nr, jh);
	if (bad)
		return redo_bad_str(bad);
	if (jh->incarnation != sb->incarnation)
		return "a block of another incarnation";
	if (jh->seq != seq)
		return "a block of another turn of the ring";
	if (jh->commit != rd->r->next_commit)
		return "a block of another commit";
	if (jh->index != index)
		return "a block from elsewhere in its commit";
	if (index && jh->total != rd->header[0].total)
		return "the commit's length changes";
	return NULL;
}

static int read_commit(struct reader *rd, u32 *total)
{
	struct redo_replay *r = rd->r;
	u32 index;
	int err;

	*total = 1;
	for (index = 0; index < *total; index++) {
		r->end = check_next(rd, r->next_seq + index, index, &err);
		if (err)
			return err;
		if (r->end)
			break;
		if (!index)
			*total = rd->header[0].total;
		if (*total > rd->sb->journal_blocks) {
			r->end = "a commit longer than the ring";
			break;
		}
	}
	if (r->end) {
		r->torn = index > 0;
		r->torn_valid = index;
		r->torn_total = index ? *total : 0;
	}
	return 0;
}

static int apply_block(struct reader *rd, u32 index)
{
	const struct redo_replay_ops *ops = rd->ops;
	struct redo_replay *r = rd->r;
	u64 nr_grains = redo_nr_grains(rd->sb->virtual_sectors, rd->sb->grain_sectors);
	u32 gpu = redo_grains_per_unit(rd->sb->grain_sectors);
	int err = 0;

	for (u32 i = 0; !err && i < rd->header[index].count; i++) {
		struct redo_extent e;
		const char *why = NULL;

		r->records++;
		if (redo_unpack_record(&rd->ring[index].record[i], &e))
			why = "malformed";
		else if (e.logical >= nr_grains || e.len > nr_grains - e.logical)
			why = "beyond the end of the virtual disk";
		else if (e.type == REDO_REC_MAP &&
			 !redo_data_run_ok(e.phys, e.len, gpu, rd->io->size / REDO_UNIT_SIZE))
			why = "mapped outside of any data unit";
		if (why && ops->bad)
			ops->bad(ops->ctx, r->next_commit, r->next_seq + index, i, why);
		else if (!why && ops->extent)
			err = ops->extent(ops->ctx, r->next_commit, &e);
	}
	return err;
}

static int replay(struct reader *rd)
{
	const struct redo_replay_ops *ops = rd->ops;
	struct redo_replay *r = rd->r;
	u32 total, i;
	int err;

	/* Once round the ring at most: a block is never valid for two sequences. */
	while (r->blocks < rd->sb->journal_blocks) {
		err = read_commit(rd, &total);
		if (err || r->end)
			return err;
		if (ops->commit)
			ops->commit(ops->ctx, r->next_commit, r->next_seq, total);
		for (i = 0; i < total; i++) {
			err = apply_block(rd, i);
			if (err)
				return err;
		}
		r->commits++;
		r->blocks += total;
		r->next_seq += total;
		r->next_commit++;
	}
	r->end = "the whole ring is in use";
	return 0;
}

/* A lost second slot may have been the one in force, with an incarnation of its own. */
static bool slot_lost(struct reader *rd)
{
	struct redo_supers s;

	redo_read_supers(rd->io, &s);
	return redo_slot_torn(rd->sb, s.bad[!rd->sb->slot]);
}

/*
 * The last block of a commit is written when its others are durable, and a commit
 * when the one before is. So if the end of one is valid anywhere behind the end
 * of the log, something in between was lost, and the kernel refuses the delta.
 */
static int look_beyond(struct reader *rd)
{
	const struct redo_super *sb = rd->sb;
	struct redo_replay *r = rd->r;
	u64 seq, end = sb->replay_seq + sb->journal_blocks;
	bool lost = slot_lost(rd);

	if (!lost && (sb->state == REDO_STATE_NEW || (sb->flags & REDO_SB_CLEAN)))
		return 0;
	for (seq = r->next_seq; !r->hole && seq != end; seq++) {
		u64 nr = redo_journal_blocknr(sb->journal_start, sb->journal_blocks, seq);
		struct redo_journal_header jh;
		int err = redo_io_block(rd->io, nr, rd->ring);

		if (err && lost)
			return err;
		/* Behind the end nothing that we know of is missing. */
		if (err)
			continue;
		if (redo_check_journal(rd->ring, sb->uuid, nr, &jh) ||
		    jh.index + 1 != jh.total || jh.seq < r->next_seq ||
		    (jh.incarnation != sb->incarnation && !lost))
			continue;
		r->hole = true;
		r->hole_seq = jh.seq;
	}
	return 0;
}

int redo_replay_journal(const struct redo_io *io, const struct redo_super *sb,
			const struct redo_replay_ops *ops, struct redo_replay *r)
{
	struct reader rd = { .io = io, .sb = sb, .ops = ops, .r = r };
	int err = -ENOMEM;

	memset(r, 0, sizeof(*r));
	r->next_seq = sb->replay_seq;
	r->next_commit = sb->replay_commit;
	if (!sb->journal_blocks)
		return redo_err(EUCLEAN, "the superblock describes no journal");
	rd.ring = calloc(sb->journal_blocks, sizeof(*rd.ring));
	rd.header = calloc(sb->journal_blocks, sizeof(*rd.header));
	if (rd.ring && rd.header) {
		err = replay(&rd);
		if (!err)
			err = look_beyond(&rd);
	} else {
		redo_err(ENOMEM, "out of memory");
	}
	free(rd.ring);
	free(rd.header);
	return err;
}
