// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "blkio.h"
#include "store.h"

static void write_block(int fd, u64 blocknr, const void *block)
{
	int r = blk_write(fd, block, blocknr * REDO_BLOCK_SECTORS, REDO_BLOCK_SECTORS, false);

	if (r) {
		errno = -r;
		die_errno("store: block %llu", (unsigned long long)blocknr);
	}
}

static void random_bytes(void *p, size_t len)
{
	if (getrandom(p, len, 0) != (ssize_t)len)
		die_errno("getrandom");
}

void store_format(int fd, u64 virtual_sectors, u32 block_sectors)
{
	struct redo_cbt_super sb = {
		.generation = 1, .flags = REDO_CBT_CLEAN, .virtual_sectors = virtual_sectors,
		.block_sectors = block_sectors, .first_epoch = 1,
		.journal_start = REDO_CBT_JOURNAL_START,
		.journal_blocks = REDO_CBT_JOURNAL_BLOCKS,
		.replay_seq = 1, .incarnation_seq = 1, .create_time = time(NULL),
	};
	void *block = xmalloc_io(REDO_BLOCK_SIZE);

	random_bytes(sb.uuid, sizeof(sb.uuid));
	random_bytes(&sb.incarnation, sizeof(sb.incarnation));
	store_wipe(fd);
	redo_cbt_pack_header(block, sb.uuid, block_sectors, sb.create_time);
	write_block(fd, REDO_CBT_HEADER_BLOCK, block);
	blk_flush(fd);
	redo_cbt_pack_super(block, &sb);
	write_block(fd, REDO_CBT_SUPER_BLOCK_A, block);
	blk_flush(fd);
	free(block);
}

void store_wipe(int fd)
{
	void *zero = xmalloc_io(REDO_BLOCK_SIZE);
	u64 b;

	memset(zero, 0, REDO_BLOCK_SIZE);
	for (b = 0; b <= REDO_CBT_SUPER_BLOCK_B; b++)
		write_block(fd, b, zero);
	blk_flush(fd);
	free(zero);
}

bool store_super(const void *head, struct redo_cbt_super *sb)
{
	struct redo_cbt_super slots[2];
	enum redo_bad bad[2];
	int i, winner;

	for (i = 0; i < 2; i++)
		bad[i] = redo_cbt_unpack_super((const char *)head +
					       redo_cbt_super_blocknr(i) * REDO_BLOCK_SIZE,
					       i, &slots[i]);
	winner = redo_cbt_choose_super(slots, bad);
	if (winner < 0)
		return false;
	*sb = slots[winner];
	return true;
}

u64 store_sectors(u64 virtual_sectors, u32 block_sectors, u64 spare)
{
	return (redo_cbt_min_blocks(virtual_sectors, block_sectors) + spare) * REDO_BLOCK_SECTORS;
}
