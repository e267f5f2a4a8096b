// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A whole delta through what the tool does with one: superblocks, label, checking,
 * replay of the journal, the runs of its map. Nothing may be asked for beyond the
 * device, and no run may lie beyond it or beyond the virtual disk.
 */
#include <stdlib.h>
#include <string.h>

#include "image.h"

static void on_text(void *ctx, const char *text)
{
	must(strlen(text));
	++*(u64 *)ctx;
}

static int on_extent(void *ctx, u64 commit, const struct redo_extent *e)
{
	const struct redo_super *sb = ctx;
	u64 grains = redo_nr_grains(sb->virtual_sectors, sb->grain_sectors);

	must(e->len && e->logical < grains && e->len <= grains - e->logical);
	return 0;
}

static void on_bad(void *ctx, u64 commit, u64 seq, u32 record, const char *why)
{
	must(why);
}

struct runs {
	const struct image *im;
	const struct redo_super *sb;
	u64 end;
};

static int on_run(void *ctx, enum redo_run_kind kind, u64 start, u64 bytes, u64 phys)
{
	struct runs *r = ctx;

	must(bytes && start >= r->end);
	r->end = start + bytes;
	must(r->end > start && r->end <= r->sb->virtual_sectors << 9);
	must(kind >= REDO_RUN_DATA && kind <= REDO_RUN_BASE);
	if (kind == REDO_RUN_DATA)
		must(phys + bytes > phys && phys + bytes <= r->im->io.size);
	return 0;
}

static void look(const struct image *im, struct redo_super *sb)
{
	struct redo_replay_ops ops = { .ctx = sb, .extent = on_extent, .bad = on_bad };
	struct runs runs = { .im = im, .sb = sb };
	struct redo_label label;
	struct redo_replay rep;
	int err;

	redo_read_label(&im->io, sb, &label, &err);
	redo_replay_journal(&im->io, sb, &ops, &rep);
	redo_runs(&im->io, sb, on_run, &runs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redo_check_result result;
	struct redo_super sb;
	struct image im;
	u64 problems = 0;
	struct redo_check_ops ops = { .ctx = &problems, .problem = on_text };

	if (!image_open(&im, data, size))
		return 0;
	if (!redo_check_image(&im.io, &ops, &result))
		must(problems == result.problems);
	if (!redo_read_super(&im.io, "fuzz", &sb))
		look(&im, &sb);
	return 0;
}

/* A block somewhere: changed, put elsewhere, or copied over another. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	size_t nr = size > sizeof(struct image_head) ?
		    (size - sizeof(struct image_head)) / sizeof(struct image_block) : 0;
	struct image_block one, *all = (void *)(data + sizeof(struct image_head));
	u64 state = seed, at;

	if (!nr)
		return LLVMFuzzerMutate(data, size, max_size);
	at = fuzz_random(&state) % nr;
	memcpy(&one, &all[at], sizeof(one));
	switch (fuzz_random(&state) % 16) {
	case 0:
		one.blocknr = fuzz_random(&state) % 20000;
		break;
	case 1:
		memcpy(one.data, all[fuzz_random(&state) % nr].data, REDO_BLOCK_SIZE);
		memcpy(one.data + offsetof(struct redo_disk_header, blocknr), &one.blocknr, 8);
		redo_seal_block(one.data, REDO_BLOCK_SIZE);
		break;
	case 2:
		data[8 + fuzz_random(&state) % 3] ^= 1U << fuzz_random(&state) % 8;
		break;
	default:
		fuzz_block(one.data, &state);
	}
	memcpy(&all[at], &one, sizeof(one));
	return size;
}
