/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A delta's metadata as far as a test writes or reads it without the kernel. */
#ifndef TEST_DELTA_H
#define TEST_DELTA_H

#include "../../kernel/redo-format.h"
#include "util.h"

/* What lies before the journal: all that the functions here look at. */
#define DELTA_HEAD_SIZE	(REDO_JOURNAL_START * REDO_BLOCK_SIZE)

/*
 * Write an empty delta of state NEW to @fd; parent_uuid, tree_uuid (all zero:
 * random), sizes, grain, depth and chain_seq are taken from @sb, which gets the
 * rest.
 */
void delta_format(int fd, struct redo_super *sb);
/* Make the kernel take @fd for blank; what is behind the superblocks stays. */
void delta_wipe(int fd);
/* The superblock in force in an image of DELTA_HEAD_SIZE bytes; false: none. */
bool delta_super(const void *head, struct redo_super *sb);
/* The same from a device. */
bool delta_read_super(int fd, struct redo_super *sb);
/* Grains of data that fit beside the metadata: what a device must have. */
u64 delta_device_sectors(u64 virtual_sectors, u32 grain_sectors);

#endif /* TEST_DELTA_H */
