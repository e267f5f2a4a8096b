// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reading a tracking store: bitmaps, table, journal. */
#include <stdlib.h>
#include "cbt-store.h"

static bool enter(const struct redo_cbt_walk *w, u64 blocknr, u32 level, u64 index)
{
	if (blocknr < REDO_CBT_TABLE_DIR || blocknr >= REDO_CBT_BLOCKS_MAX ||
	    blocknr >= w->io->size / REDO_BLOCK_SIZE) {
		w->bad(w->ctx, blocknr, level, index, "outside the store's area");
		return false;
	}
	return !w->enter || w->enter(w->ctx, blocknr, level);
}

/* A node that is what its parent says; false: told to bad(). */
static bool get_node(const struct redo_cbt_walk *w, const struct redo_ptr *ptr, u32 magic,
		     u16 level, u64 index, void *block)
{
	enum redo_bad bad;
	int r;

	if (!enter(w, ptr->blocknr, level, index))
		return false;
	r = redo_io_block(w->io, ptr->blocknr, block);
	if (r) {
		w->bad(w->ctx, ptr->blocknr, level, index, strerror(-r));
		return false;
	}
	bad = redo_cbt_check_node(block, magic, w->sb->uuid, ptr, level, index);
	if (bad)
		w->bad(w->ctx, ptr->blocknr, level, index, redo_bad_str(bad));
	return !bad;
}

static u64 pages_below(u32 level)
{
	return level == REDO_CBT_LEVEL_ROOT ? REDO_CBT_PAGES_MAX :
	       level == REDO_CBT_LEVEL_DIR ? REDO_FANOUT : 1;
}

static int walk(const struct redo_cbt_walk *w, const struct redo_ptr *ptr, u32 level, u64 index)
{
	struct redo_disk_node *n;
	int r = 0;

	if (ptr->kind == REDO_PTR_HOLE)
		return 0;
	if (ptr->kind == REDO_PTR_ONES)
		return w->ones ? w->ones(w->ctx, index * pages_below(level), pages_below(level)) : 0;
	n = malloc(sizeof(*n));
	if (!n)
		return redo_err(ENOMEM, "out of memory");
	if (!get_node(w, ptr, redo_cbt_node_magic((u16)level), (u16)level, index, n))
		goto out;
	if (level == REDO_CBT_LEVEL_PAGE) {
		r = w->page ? w->page(w->ctx, index, n->word) : 0;
		goto out;
	}
	for (u32 i = 0; !r && i < REDO_FANOUT; i++) {
		struct redo_ptr below;

		if (redo_unpack_ptr(n->word[i], &below))
			w->bad(w->ctx, ptr->blocknr, level, index, "an invalid pointer");
		else
			r = walk(w, &below, level - 1, index * REDO_FANOUT + i);
	}
out:
	free(n);
	return r;
}

int redo_cbt_walk_bitmap(const struct redo_cbt_walk *w, const struct redo_ptr *root)
{
	return walk(w, root, REDO_CBT_LEVEL_ROOT, 0);
}

/* Table ---------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	const struct redo_cbt_record *ra = a, *rb = b;

	return ra->number < rb->number ? -1 : ra->number > rb->number;
}

static void get_records(const struct redo_cbt_walk *w, u64 blocknr, u64 index,
			const struct redo_cbt_disk_table *block, struct redo_cbt_table *t)
{
	for (u32 i = 0; i < REDO_CBT_RECORDS_PER_BLOCK; i++) {
		enum redo_bad bad = redo_cbt_unpack_record(&block->record[i],
							   &t->record[t->nr]);

		if (!bad)
			t->nr++;
		else if (bad != REDO_BAD_BLANK)
			w->bad(w->ctx, blocknr, 0, index, "an invalid record");
	}
}

static bool table_place_ok(const struct redo_ptr *ptr, u32 i)
{
	return ptr->kind == REDO_PTR_BLOCK && (ptr->blocknr == REDO_CBT_TABLE_START + 2 * i ||
					       ptr->blocknr == REDO_CBT_TABLE_START + 2 * i + 1);
}

int redo_cbt_read_table(const struct redo_cbt_walk *w, struct redo_cbt_table *t)
{
	const struct redo_ptr *root = &w->sb->table_root;
	struct redo_disk_node *dir = malloc(sizeof(*dir));
	struct redo_cbt_disk_table *block = malloc(sizeof(*block));

	t->nr = 0;
	/* Room for one more than there can be: what is unpacked and then refused. */
	t->record = calloc(REDO_CBT_RECORDS_MAX + 1, sizeof(*t->record));
	if (!dir || !block || !t->record) {
		free(dir);
		free(block);
		free(t->record);
		t->record = NULL;
		return redo_err(ENOMEM, "out of memory");
	}
	if (root->kind != REDO_PTR_BLOCK ||
	    !get_node(w, root, REDO_MAGIC_CBT_TABLE, 1, 0, dir))
		goto out;
	for (u32 i = 0; i < REDO_FANOUT; i++) {
		struct redo_ptr ptr;

		if (!dir->word[i])
			continue;
		if (redo_unpack_ptr(dir->word[i], &ptr) || i >= REDO_CBT_TABLE_BLOCKS ||
		    !table_place_ok(&ptr, i))
			w->bad(w->ctx, root->blocknr, 1, 0, "an invalid pointer");
		else if (get_node(w, &ptr, REDO_MAGIC_CBT_TABLE, 0, i, block))
			get_records(w, ptr.blocknr, i, block, t);
	}
	if (t->nr)
		qsort(t->record, t->nr, sizeof(*t->record), by_number);
out:
	free(dir);
	free(block);
	return 0;
}

/* Journal --------------------------------------------------------------------------- */

static void get_marks(struct redo_cbt_replay *r, const struct redo_cbt_journal_header *jh,
		      const struct redo_cbt_disk_journal *block)
{
	r->blocks++;
	if (r->block)
		r->block(r->ctx, jh);
	for (u32 i = 0; i < jh->count; i++) {
		struct redo_cbt_mark m;

		if (redo_cbt_unpack_mark(&block->mark[i], &m)) {
			r->bad(r->ctx, jh->seq, "an invalid mark");
			continue;
		}
		r->marks++;
		if (r->mark)
			r->mark(r->ctx, jh, &m);
	}
}

/*
 * Where the contiguous sequence ends, a block may lie further on: that is damage, since one is
 * under way at a time.
 */
static int look_beyond(const struct redo_io *io, const struct redo_cbt_super *sb,
		       struct redo_cbt_replay *r, void *block)
{
	for (u64 seq = r->next_seq + 1; seq < r->next_seq + REDO_CBT_JOURNAL_BLOCKS; seq++) {
		u64 blocknr = redo_cbt_journal_blocknr(seq);
		struct redo_cbt_journal_header jh;
		int err = redo_io_block(io, blocknr, block);

		if (err)
			return err;
		if (!redo_cbt_check_journal(block, sb->uuid, blocknr, &jh) &&
		    jh.seq > r->next_seq) {
			r->bad(r->ctx, r->next_seq, "lost: later ones are there");
			return 0;
		}
	}
	return 0;
}

int redo_cbt_replay_journal(const struct redo_io *io, const struct redo_cbt_super *sb,
			    struct redo_cbt_replay *r)
{
	struct redo_cbt_disk_journal *block = malloc(sizeof(*block));
	u64 end = sb->replay_seq + REDO_CBT_JOURNAL_BLOCKS;
	int err = 0;

	r->blocks = r->marks = 0;
	if (!block)
		return redo_err(ENOMEM, "out of memory");
	for (r->next_seq = sb->replay_seq; r->next_seq < end; r->next_seq++) {
		u64 blocknr = redo_cbt_journal_blocknr(r->next_seq);
		struct redo_cbt_journal_header jh;

		err = redo_io_block(io, blocknr, block);
		if (err || redo_cbt_check_journal(block, sb->uuid, blocknr, &jh) ||
		    jh.seq != r->next_seq ||
		    (jh.seq >= sb->incarnation_seq && jh.incarnation != sb->incarnation))
			break;
		get_marks(r, &jh, block);
	}
	/* Of an earlier incarnation all were there when this one began. */
	if (!err && r->next_seq < sb->incarnation_seq)
		r->bad(r->ctx, r->next_seq, "lost: of an earlier incarnation");
	else if (!err && r->next_seq < end)
		err = look_beyond(io, sb, r, block);
	free(block);
	return err;
}
