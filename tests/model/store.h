/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tracking store as far as a test writes or reads it without the kernel. */
#ifndef TEST_STORE_H
#define TEST_STORE_H

#include "../../kernel/redo-cbt-format.h"
#include "util.h"

#define STORE_HEAD_SIZE	(REDO_CBT_JOURNAL_START * REDO_BLOCK_SIZE)

/* A blank device becomes an empty store with tracked blocks of @block_sectors. */
void store_format(int fd, u64 virtual_sectors, u32 block_sectors);
/* Blank again, as far as the kernel looks. */
void store_wipe(int fd);
/* The superblock in force in an image of STORE_HEAD_SIZE bytes; false: none. */
bool store_super(const void *head, struct redo_cbt_super *sb);
/* The least that the format allows, and @spare blocks. */
u64 store_sectors(u64 virtual_sectors, u32 block_sectors, u64 spare);

#endif /* TEST_STORE_H */
