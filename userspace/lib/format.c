// SPDX-License-Identifier: LGPL-2.1-or-later
/* Writing an empty delta. */
#include <stdlib.h>
#include <time.h>
#include <uuid.h>
#include "redo-int.h"

/* Superblocks, labels and the whole journal: nothing old may be taken for ours. */
#define WIPE_BLOCKS	REDO_META_START

void redo_format_super(const struct redo_format_args *a, struct redo_super *sb)
{
	memset(sb, 0, sizeof(*sb));
	uuid_generate_random(sb->uuid);
	sb->generation = 1;
	redo_random(&sb->incarnation, sizeof(sb->incarnation));
	memcpy(sb->parent_uuid, a->parent_uuid, REDO_UUID_SIZE);
	memcpy(sb->tree_uuid, a->tree_uuid, REDO_UUID_SIZE);
	if (redo_uuid_nil(sb->tree_uuid))
		uuid_generate_random(sb->tree_uuid);
	sb->virtual_sectors = a->virtual_sectors;
	sb->base_sectors = a->base_sectors;
	sb->grain_sectors = a->grain_sectors;
	sb->state = REDO_STATE_NEW;
	sb->depth = a->depth;
	sb->label_block = REDO_LABEL_BLOCK_A;
	sb->chain_seq = a->chain_seq;
	sb->create_time = (u64)time(NULL);
	sb->map_height = redo_tree_height(redo_nr_leaves(a->virtual_sectors, a->grain_sectors));
	sb->nr_units = 1;
	sb->journal_start = REDO_JOURNAL_START;
	sb->journal_blocks = REDO_JOURNAL_BLOCKS;
	sb->replay_seq = 1;
	sb->replay_commit = 1;
}

static int write_block(struct redo_file *f, u64 blocknr, const void *block)
{
	return redo_file_write(f, blocknr * REDO_BLOCK_SIZE, block, REDO_BLOCK_SIZE);
}

static int wipe(struct redo_file *f)
{
	const size_t len = 64 << 10;
	u64 end = (u64)WIPE_BLOCKS * REDO_BLOCK_SIZE;
	void *zero = calloc(1, len);
	int r = 0;

	if (!zero)
		return redo_err(ENOMEM, "out of memory");
	for (u64 at = 0; !r && at < end; at += len)
		r = redo_file_write(f, at, zero, end - at < len ? end - at : len);
	free(zero);
	return r;
}

int redo_format_file(struct redo_file *f, const struct redo_format_args *a,
		     struct redo_super *sb)
{
	u8 block[REDO_BLOCK_SIZE];
	int r;

	if (f->io.size < REDO_UNIT_SIZE)
		return redo_err(EINVAL, "%s: %llu bytes, a delta needs at least one unit of 16 MiB",
				f->path, (unsigned long long)f->io.size);
	redo_format_super(a, sb);
	r = wipe(f);
	if (r)
		return r;
	redo_pack_unit_header(block, sb->uuid, 0, REDO_UNIT_META, sb->grain_sectors);
	r = write_block(f, 0, block);
	if (r)
		return r;
	redo_pack_label(block, sb->uuid, REDO_LABEL_BLOCK_A, sb->generation, &a->label);
	r = write_block(f, REDO_LABEL_BLOCK_A, block);
	if (!r)
		r = redo_file_sync(f);
	if (r)
		return r;
	/* Last: from here on it is a delta. */
	redo_pack_super(block, sb);
	r = write_block(f, REDO_SUPER_BLOCK_A, block);
	return r ? r : redo_file_sync(f);
}
