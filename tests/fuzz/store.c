// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A whole tracking store through what the tool does with one: superblocks, checking, table,
 * bitmaps, journal. Nothing may be asked for beyond the device; bitmaps come in order, and
 * records are sound each by itself.
 */
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "../../userspace/lib/cbt-store.h"

static void on_text(void *ctx, const char *text)
{
	must(strlen(text));
	++*(u64 *)ctx;
}

struct walk {
	u64 next;		/* page */
	u64 problems;
};

static int on_page(void *ctx, u64 page, const __le64 *word)
{
	struct walk *w = ctx;

	must(page >= w->next && page < REDO_CBT_PAGES_MAX);
	must(word);
	w->next = page + 1;
	return 0;
}

static int on_ones(void *ctx, u64 page, u64 pages)
{
	struct walk *w = ctx;

	must(pages && page >= w->next && page < REDO_CBT_PAGES_MAX);
	must(pages <= REDO_CBT_PAGES_MAX - page);
	w->next = page + pages;
	return 0;
}

static void on_bad(void *ctx, u64 blocknr, u32 level, u64 index, const char *why)
{
	struct walk *w = ctx;

	must(why && strlen(why));
	w->problems++;
}

static void on_bad_journal(void *ctx, u64 seq, const char *why)
{
	must(why && strlen(why));
}

static void on_mark(void *ctx, const struct redo_cbt_journal_header *jh,
		    const struct redo_cbt_mark *m)
{
	must(m->count && m->first < REDO_CBT_BITS_MAX);
}

static void look(const struct image *im, const struct redo_cbt_super *sb)
{
	struct redo_cbt_replay rep = { .mark = on_mark, .bad = on_bad_journal };
	struct walk walk = { 0 };
	struct redo_cbt_walk w = {
		.io = &im->io, .sb = sb, .ctx = &walk, .page = on_page, .ones = on_ones,
		.bad = on_bad,
	};
	struct redo_cbt_table t;
	u32 i;

	redo_cbt_replay_journal(&im->io, sb, &rep);
	if (redo_cbt_read_table(&w, &t))
		return;
	must(t.nr <= REDO_CBT_RECORDS_MAX);
	for (i = 0; i < t.nr && i < 4; i++) {
		must(!i || t.record[i].number >= t.record[i - 1].number);
		walk.next = 0;
		redo_cbt_walk_bitmap(&w, &t.record[i].root);
	}
	free(t.record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redo_cbt_check_result result;
	struct redo_cbt_super sb;
	struct image im;
	u64 problems = 0;
	struct redo_check_ops ops = { .ctx = &problems, .problem = on_text };

	if (!image_open(&im, data, size))
		return 0;
	if (!redo_cbt_check(&im.io, &ops, &result))
		must(problems == result.problems);
	if (!redo_cbt_read_super(&im.io, "fuzz", &sb))
		look(&im, &sb);
	return 0;
}
