/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A delta's metadata as far as a test writes or reads it without the kernel. */
#ifndef TEST_DELTA_H
#define TEST_DELTA_H

#include "../../kernel/redo-format.h"
#include "util.h"

/* What lies before the journal: all that the functions here look at. */
#define DELTA_HEAD_SIZE	(REDO_JOURNAL_START * REDO_BLOCK_SIZE)

/*
 * Write an empty delta of state NEW to @fd on top of @parent (the fd of a delta;
 * -1: of the base). @chain_seq 0: one more than the parent's.
 */
void delta_format(int fd, int parent, u64 chain_seq, u64 sectors, u32 grain_sectors,
		  u32 journal_blocks);
/* Make the kernel take @fd for blank; what is behind the superblocks stays. */
void delta_wipe(int fd);
/* What redosetup does to a delta that a revert has dropped. */
void delta_retire(int fd);
/* The superblock in force in an image of DELTA_HEAD_SIZE bytes; false: none. */
bool delta_super(const void *head, struct redo_super *sb);
/* The same from a device. */
bool delta_read_super(int fd, struct redo_super *sb);
/*
 * The size of a device that cannot run full: the data units that the format
 * promises not to exceed, the first unit with all the metadata of a small disk,
 * and @spare units.
 */
u64 delta_device_sectors(u64 virtual_sectors, u32 grain_sectors, u32 spare);

#endif /* TEST_DELTA_H */
