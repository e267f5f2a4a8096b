// SPDX-License-Identifier: LGPL-2.1-or-later
/* Checking a tracking store: every checksum, every pointer, every count. */
#include <stdarg.h>
#include <stdlib.h>
#include "cbt-store.h"

struct check {
	const struct redo_io *io;
	const struct redo_check_ops *ops;
	struct redo_cbt_check_result *res;
	struct redo_cbt_super sb;
	u8 *seen;		/* a bit a block */
	u64 nr_blocks, nr_bits;
	u64 epoch;		/* whose bitmap is looked at; 0: the table */
	u64 bits;		/* set in it */
	bool unreadable;	/* a part of it */
};

__attribute__((format(printf, 2, 3)))
static void problem(struct check *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->res->problems++;
	if (c->ops->problem)
		c->ops->problem(c->ops->ctx, text);
}

__attribute__((format(printf, 2, 3)))
static void note(struct check *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->res->notes++;
	if (c->ops->note)
		c->ops->note(c->ops->ctx, text);
}

/* Superblocks and header ------------------------------------------------------------ */

static int check_supers(struct check *c)
{
	struct redo_cbt_supers s;
	int r = redo_cbt_read_supers(c->io, &s);

	if (r)
		return redo_err(-r, "cannot read the superblock: %s", strerror(-r));
	if (s.cur < 0) {
		problem(c, "no valid superblock (slot A: %s, slot B: %s)",
			s.bad[0] ? redo_cbt_slot_str(&s, 0) : "of another store",
			s.bad[1] ? redo_cbt_slot_str(&s, 1) : "of another store");
		return -EUCLEAN;
	}
	c->sb = s.sb[s.cur];
	/* A store that was formatted a moment ago has one slot only. */
	if (s.bad[!s.cur] && s.bad[!s.cur] != REDO_BAD_BLANK)
		note(c, "superblock slot %c is not valid: %s", 'B' - s.cur,
		     redo_cbt_slot_str(&s, !s.cur));
	if (c->sb.flags & REDO_CBT_BROKEN)
		c->res->ended = redo_cbt_break_str(c->sb.break_reason);
	return 0;
}

static void check_header(struct check *c)
{
	u8 block[REDO_BLOCK_SIZE], uuid[REDO_UUID_SIZE];
	enum redo_bad bad;
	u32 sectors;
	int r = redo_io_block(c->io, REDO_CBT_HEADER_BLOCK, block);

	bad = r ? REDO_BAD_CSUM : redo_cbt_unpack_header(block, uuid, &sectors);
	if (bad)
		problem(c, "block 0, the store's header: %s", r ? strerror(-r) : redo_bad_str(bad));
	else if (!redo_uuid_eq(uuid, c->sb.uuid) || sectors != c->sb.block_sectors)
		problem(c, "block 0, the store's header, is of another store");
}

static void check_size(struct check *c)
{
	u64 least = redo_cbt_min_blocks(c->sb.virtual_sectors, c->sb.block_sectors);

	if (c->nr_blocks < REDO_CBT_DATA_START)
		problem(c, "the device ends within the table: %llu blocks",
			(unsigned long long)c->nr_blocks);
	else if (c->nr_blocks < least)
		note(c, "the device has %llu blocks, and %llu would be needed for what is tracked",
		     (unsigned long long)c->nr_blocks, (unsigned long long)least);
}

/* Blocks ------------------------------------------------------------------------------ */

static const char *whose(const struct check *c, char *text, size_t size)
{
	if (c->epoch)
		snprintf(text, size, "epoch %llu", (unsigned long long)c->epoch);
	else
		snprintf(text, size, "the table");
	return text;
}

static bool enter(void *ctx, u64 blocknr, u32 level)
{
	struct check *c = ctx;
	char text[64];

	(void)level;
	if (c->epoch && blocknr < REDO_CBT_DATA_START) {
		problem(c, "block %llu of %s lies in the table's area",
			(unsigned long long)blocknr, whose(c, text, sizeof(text)));
		return false;
	}
	if (c->seen[blocknr / 8] >> blocknr % 8 & 1) {
		problem(c, "block %llu of %s is in use twice", (unsigned long long)blocknr,
			whose(c, text, sizeof(text)));
		return false;
	}
	c->seen[blocknr / 8] |= (u8)(1U << blocknr % 8);
	c->res->blocks++;
	if (c->ops->progress && !(c->res->blocks & 0xff))
		c->ops->progress(c->ops->ctx, c->res->blocks, c->sb.used_blocks);
	return true;
}

static void bad(void *ctx, u64 blocknr, u32 level, u64 index, const char *why)
{
	struct check *c = ctx;
	char text[64];

	c->unreadable = true;
	problem(c, "block %llu of %s (level %u, number %llu): %s", (unsigned long long)blocknr,
		whose(c, text, sizeof(text)), level, (unsigned long long)index, why);
}

static int on_page(void *ctx, u64 page, const __le64 *word)
{
	struct check *c = ctx;
	u64 first = page * REDO_CBT_PAGE_BITS, beyond = 0;

	for (u32 i = 0; i < REDO_CBT_PAGE_WORDS; i++) {
		u64 bits = le64_to_cpu(word[i]), at = first + i * 64ULL, in = bits;

		if (at >= c->nr_bits)
			in = 0;
		else if (c->nr_bits - at < 64)
			in &= (1ULL << (c->nr_bits - at)) - 1;
		beyond += (u64)__builtin_popcountll(bits & ~in);
		c->bits += (u64)__builtin_popcountll(in);
	}
	/* A device that has become smaller leaves them behind. */
	if (beyond)
		note(c, "epoch %llu has %llu bits beyond the end of the disk",
		     (unsigned long long)c->epoch, (unsigned long long)beyond);
	return 0;
}

static int on_ones(void *ctx, u64 page, u64 pages)
{
	struct check *c = ctx;
	u64 first = page * REDO_CBT_PAGE_BITS, end = (page + pages) * REDO_CBT_PAGE_BITS;

	if (end > c->nr_bits)
		end = c->nr_bits;
	if (first < end)
		c->bits += end - first;
	return 0;
}

/* Records ----------------------------------------------------------------------------- */

static void check_record(struct check *c, const struct redo_cbt_record *r)
{
	if (r->number > c->sb.epoch)
		problem(c, "the record of epoch %llu: the current epoch is %llu",
			(unsigned long long)r->number, (unsigned long long)c->sb.epoch);
	if ((r->flags & REDO_CBT_REC_UNSETTLED) && (c->sb.flags & REDO_CBT_CLEAN))
		problem(c, "the record of epoch %llu is not settled, and the store is clean",
			(unsigned long long)r->number);
	/* Counted when it was written; what the journal has comes on top. */
	if (!c->unreadable && c->bits < r->blocks_set)
		note(c, "epoch %llu has %llu bits set, its record says %llu",
		     (unsigned long long)r->number, (unsigned long long)c->bits,
		     (unsigned long long)r->blocks_set);
}

/* What has ended is settled, or says that it is not. */
static void check_settled(struct check *c, const struct redo_cbt_record *r, bool last)
{
	bool unsettled = r->flags & REDO_CBT_REC_UNSETTLED;

	if (last && (r->first != r->number || unsettled))
		problem(c, "the record of the current epoch %llu is joined or ended",
			(unsigned long long)r->number);
	else if (!last && !(r->flags & REDO_CBT_REC_IMPLIED) != !unsettled)
		problem(c, "the record of epoch %llu has ended, and is neither settled nor not",
			(unsigned long long)r->number);
}

static void check_order(struct check *c, const struct redo_cbt_table *t)
{
	if (t->nr && t->record[0].first > c->sb.first_epoch)
		problem(c, "epochs from %llu on are to be known, and the first record is of %llu",
			(unsigned long long)c->sb.first_epoch,
			(unsigned long long)t->record[0].first);
	for (u32 i = 0; i + 1 < t->nr; i++) {
		const struct redo_cbt_record *a = &t->record[i], *b = a + 1;

		if (b->first <= a->number)
			problem(c, "epochs %llu to %llu and %llu to %llu overlap",
				(unsigned long long)a->first, (unsigned long long)a->number,
				(unsigned long long)b->first, (unsigned long long)b->number);
		else if (b->first != a->number + 1)
			problem(c, "epochs %llu to %llu are in no record",
				(unsigned long long)a->number + 1, (unsigned long long)b->first - 1);
	}
	if (t->nr != c->sb.records)
		problem(c, "the table has %u records, the superblock says %llu", t->nr,
			(unsigned long long)c->sb.records);
	if (c->sb.epoch && (!t->nr || t->record[t->nr - 1].number != c->sb.epoch))
		problem(c, "the current epoch %llu has no record",
			(unsigned long long)c->sb.epoch);
}

static int check_epochs(struct check *c)
{
	struct redo_cbt_walk w = {
		.io = c->io, .sb = &c->sb, .ctx = c, .enter = enter, .page = on_page,
		.ones = on_ones, .bad = bad,
	};
	struct redo_cbt_table t;
	int r = redo_cbt_read_table(&w, &t);

	if (r)
		return r;
	c->res->records = t.nr;
	if (!c->unreadable)
		check_order(c, &t);
	for (u32 i = 0; !r && i < t.nr; i++) {
		c->epoch = t.record[i].number;
		c->bits = 0;
		c->unreadable = false;
		r = redo_cbt_walk_bitmap(&w, &t.record[i].root);
		if (!r)
			check_record(c, &t.record[i]);
		check_settled(c, &t.record[i], i + 1 == t.nr);
	}
	free(t.record);
	return r;
}

/* Journal ------------------------------------------------------------------------------ */

static void on_journal(void *ctx, const struct redo_cbt_journal_header *jh)
{
	struct check *c = ctx;

	if (jh->epoch > c->sb.epoch)
		problem(c, "journal sequence %llu is of epoch %llu, and the current one is %llu",
			(unsigned long long)jh->seq, (unsigned long long)jh->epoch,
			(unsigned long long)c->sb.epoch);
}

static void bad_journal(void *ctx, u64 seq, const char *why)
{
	problem(ctx, "journal sequence %llu: %s", (unsigned long long)seq, why);
}

static int check_journal(struct check *c)
{
	struct redo_cbt_replay r = { .ctx = c, .block = on_journal, .bad = bad_journal };
	int err = redo_cbt_replay_journal(c->io, &c->sb, &r);

	if (err == -ENOMEM)
		return err;
	if (err)
		problem(c, "the journal cannot be read: %s", strerror(-err));
	if (r.blocks && (c->sb.flags & REDO_CBT_CLEAN))
		problem(c, "the store is clean, and its journal has %llu blocks",
			(unsigned long long)r.blocks);
	c->res->journal_blocks = r.blocks;
	c->res->marks = r.marks;
	return 0;
}

int redo_cbt_check(const struct redo_io *io, const struct redo_check_ops *ops,
		   struct redo_cbt_check_result *result)
{
	struct check c = { .io = io, .ops = ops, .res = result };
	int r;

	memset(result, 0, sizeof(*result));
	r = check_supers(&c);
	if (r)
		return r == -EUCLEAN ? 0 : r;
	c.nr_blocks = io->size / REDO_BLOCK_SIZE;
	if (c.nr_blocks > REDO_CBT_BLOCKS_MAX)
		c.nr_blocks = REDO_CBT_BLOCKS_MAX;
	c.nr_bits = redo_cbt_nr_bits(c.sb.virtual_sectors, c.sb.block_sectors);
	c.seen = calloc(1, c.nr_blocks / 8 + 1);
	if (!c.seen)
		return redo_err(ENOMEM, "out of memory");
	check_header(&c);
	check_size(&c);
	r = check_epochs(&c);
	if (!r)
		r = check_journal(&c);
	free(c.seen);
	return r;
}
