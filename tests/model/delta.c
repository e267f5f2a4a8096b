// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "blkio.h"
#include "delta.h"

static void random_bytes(void *p, size_t len)
{
	if (getrandom(p, len, 0) != (ssize_t)len)
		die_errno("getrandom");
}

static void write_block(int fd, u64 blocknr, const void *block)
{
	int r = blk_write(fd, block, blocknr * REDO_BLOCK_SECTORS, REDO_BLOCK_SECTORS, false);

	if (r) {
		errno = -r;
		die_errno("format: block %llu", (unsigned long long)blocknr);
	}
}

static void child_of(struct redo_super *sb, int parent)
{
	struct redo_super p;

	if (!delta_read_super(parent, &p))
		die("format: the parent has no superblock");
	memcpy(sb->parent_uuid, p.uuid, REDO_UUID_SIZE);
	memcpy(sb->tree_uuid, p.tree_uuid, REDO_UUID_SIZE);
	sb->depth = p.depth + 1;
	sb->chain_seq = p.chain_seq + 1;
}

static void fill_super(struct redo_super *sb, int parent)
{
	random_bytes(sb->uuid, sizeof(sb->uuid));
	random_bytes(sb->tree_uuid, sizeof(sb->tree_uuid));
	random_bytes(&sb->incarnation, sizeof(sb->incarnation));
	sb->chain_seq = 1;
	if (parent >= 0)
		child_of(sb, parent);
	sb->generation = 1;
	sb->state = REDO_STATE_NEW;
	sb->label_block = REDO_LABEL_BLOCK_A;
	sb->create_time = time(NULL);
	sb->map_height = redo_tree_height(redo_nr_leaves(sb->virtual_sectors,
							 sb->grain_sectors));
	sb->nr_units = 1;
	sb->journal_start = REDO_JOURNAL_START;
	sb->replay_seq = 1;
	sb->replay_commit = 1;
}

void delta_format(int fd, int parent, u64 chain_seq, u64 sectors, u32 grain_sectors,
		  u32 journal_blocks)
{
	struct redo_label label = { .chain_name = "test" };
	struct redo_super sb = {
		.virtual_sectors = sectors, .base_sectors = sectors,
		.grain_sectors = grain_sectors, .journal_blocks = journal_blocks,
	};
	void *block = xmalloc_io(REDO_BLOCK_SIZE);

	fill_super(&sb, parent);
	if (chain_seq)
		sb.chain_seq = chain_seq;
	delta_wipe(fd);
	redo_pack_unit_header(block, sb.uuid, 0, REDO_UNIT_META, sb.grain_sectors);
	write_block(fd, 0, block);
	redo_pack_label(block, sb.uuid, REDO_LABEL_BLOCK_A, sb.generation, &label);
	write_block(fd, REDO_LABEL_BLOCK_A, block);
	blk_flush(fd);
	redo_pack_super(block, &sb);
	write_block(fd, redo_super_blocknr(0), block);
	blk_flush(fd);
	free(block);
}

void delta_wipe(int fd)
{
	void *zero = xmalloc_io(REDO_BLOCK_SIZE);
	u64 b;

	memset(zero, 0, REDO_BLOCK_SIZE);
	for (b = 0; b < REDO_JOURNAL_START; b++)
		write_block(fd, b, zero);
	blk_flush(fd);
	free(zero);
}

bool delta_super(const void *head, struct redo_super *sb)
{
	struct redo_super slots[2];
	enum redo_bad bad[2];
	int i, winner;

	for (i = 0; i < 2; i++)
		bad[i] = redo_unpack_super((const char *)head +
					   redo_super_blocknr(i) * REDO_BLOCK_SIZE,
					   i, &slots[i]);
	winner = redo_choose_super(slots, bad);
	if (winner < 0)
		return false;
	*sb = slots[winner];
	return true;
}

bool delta_read_super(int fd, struct redo_super *sb)
{
	void *head = xmalloc_io(DELTA_HEAD_SIZE);
	bool found;

	if (blk_read(fd, head, 0, DELTA_HEAD_SIZE >> SECTOR_SHIFT))
		die("cannot read a delta's superblock");
	found = delta_super(head, sb);
	free(head);
	return found;
}

void delta_retire(int fd)
{
	void *block = xmalloc_io(REDO_BLOCK_SIZE);
	struct redo_super sb;

	if (!delta_read_super(fd, &sb))
		die("retire: no superblock");
	sb.state = REDO_STATE_RETIRED;
	sb.generation++;
	sb.slot = !sb.slot;
	redo_pack_super(block, &sb);
	write_block(fd, redo_super_blocknr(sb.slot), block);
	blk_flush(fd);
	free(block);
}

u64 delta_device_sectors(u64 virtual_sectors, u32 grain_sectors, u32 spare)
{
	u64 grains = redo_nr_grains(virtual_sectors, grain_sectors);
	u64 per_unit = redo_grains_per_unit(grain_sectors) - 1;

	return (1 + DIV_ROUND_UP(grains, per_unit) + 2 + spare) * REDO_UNIT_SECTORS;
}
