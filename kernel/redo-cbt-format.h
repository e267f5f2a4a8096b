/* SPDX-License-Identifier: GPL-2.0 OR LGPL-2.1-or-later */
/*
 * On-disk format of a tracking store, version 1: a bitmap of changed blocks for each
 * epoch. Shared by the module, the tool and the tests; Documentation/on-disk-format.rst
 * tells the story.
 *
 * Everything is little-endian and in blocks of 4 KiB, each of which begins with struct
 * redo_disk_header: uuid is the tracker's, blocknr its own address.
 *
 *   block 0          store header
 *   block 1, 2       superblock slots A and B
 *   block 16 ...     journal ring, REDO_CBT_JOURNAL_BLOCKS of them
 *   block 272, 273   table directory, two places
 *   block 274 ...    table blocks, two places each: block i at 274 + 2i and 275 + 2i
 *   block 402 ...    roots, directories and pages of the bitmaps
 *
 * Of the two places of a table block or of the table directory one is reached from the
 * superblock in force; the other one is written next.
 */
#ifndef REDO_CBT_FORMAT_H
#define REDO_CBT_FORMAT_H

#include "redo-format.h"

#define REDO_CBT_FORMAT_VERSION	1

#define REDO_CBT_HEADER_BLOCK	0
#define REDO_CBT_SUPER_BLOCK_A	1
#define REDO_CBT_SUPER_BLOCK_B	2
#define REDO_CBT_SUPER_SIZE	512
#define REDO_CBT_JOURNAL_START	16
#define REDO_CBT_JOURNAL_BLOCKS	256
#define REDO_CBT_TABLE_DIR	(REDO_CBT_JOURNAL_START + REDO_CBT_JOURNAL_BLOCKS)
#define REDO_CBT_TABLE_START	(REDO_CBT_TABLE_DIR + 2)
#define REDO_CBT_TABLE_BLOCKS	64
/* First block that the allocator may hand out. */
#define REDO_CBT_DATA_START	(REDO_CBT_TABLE_START + 2 * REDO_CBT_TABLE_BLOCKS)
/* More than that of a store is not used: 256 GiB. */
#define REDO_CBT_BLOCKS_MAX	(1ULL << 26)

#define REDO_CBT_BLOCK_SECTORS_MIN	8	/* a bit stands for 4 KiB ... */
#define REDO_CBT_BLOCK_SECTORS_MAX	2048	/* ... to 1 MiB */
#define REDO_CBT_BLOCK_SECTORS_DEFAULT	128

#define REDO_MAGIC_CBT_HEADER	REDO_MAGIC('R', 'D', 'C', 'T')
#define REDO_MAGIC_CBT_SUPER	REDO_MAGIC('R', 'D', 'C', 'S')
#define REDO_MAGIC_CBT_JOURNAL	REDO_MAGIC('R', 'D', 'C', 'J')
#define REDO_MAGIC_CBT_PAGE	REDO_MAGIC('R', 'D', 'C', 'P')	/* bitmap, level 0 */
#define REDO_MAGIC_CBT_DIR	REDO_MAGIC('R', 'D', 'C', 'D')	/* bitmap, level 1 and 2 (root) */
#define REDO_MAGIC_CBT_TABLE	REDO_MAGIC('R', 'D', 'C', 'E')	/* level 0: records; 1: the directory */

/* The bitmap of an epoch has three levels: root, directories, pages. */
#define REDO_CBT_LEVEL_PAGE	0
#define REDO_CBT_LEVEL_DIR	1
#define REDO_CBT_LEVEL_ROOT	2

#define REDO_CBT_PAGE_WORDS	REDO_FANOUT
#define REDO_CBT_PAGE_BITS	(REDO_CBT_PAGE_WORDS * 64U)		/* 32256 */
#define REDO_CBT_PAGES_MAX	((u64)REDO_FANOUT * REDO_FANOUT)	/* of a bitmap */
#define REDO_CBT_BITS_MAX	(REDO_CBT_PAGES_MAX * REDO_CBT_PAGE_BITS)

/*
 * Pointers are those of redo-format.h, struct redo_ptr. In a bitmap kind 2 says that all
 * bits below it are set.
 */
#define REDO_PTR_ONES		REDO_PTR_ZERO

/* First block of the store; tells what it is, and is never written again. */
struct redo_cbt_disk_header {
	struct redo_disk_header header;	/*  0 count: sectors of a tracked block */
	__le32 version;			/* 64 */
	__le32 reserved0;		/* 68 zero */
	__le64 create_time;		/* 72 seconds since the epoch */
	__u8 reserved[4016];		/* 80 zero */
};					/* 4096 */

#define REDO_CBT_CLEAN		0x1U	/* nothing in the journal, nothing only in a delta's map */
#define REDO_CBT_BROKEN		0x2U	/* tracking has ended here: break_reason */
#define REDO_CBT_ALT		0x4U	/* alt_uuid is valid */

#define REDO_CBT_COMPAT_SUPP	0ULL
#define REDO_CBT_COMPAT_RO_SUPP	0ULL
#define REDO_CBT_INCOMPAT_SUPP	0ULL

/* Why tracking ended; numbers are for ever, redo_cbt_break_str() has the words. */
enum redo_cbt_reason {
	REDO_CBT_BREAK_NONE	= 0,
	REDO_CBT_BREAK_IO	= 1,	/* the store could not be read or written */
	REDO_CBT_BREAK_DAMAGE	= 2,	/* a block of the current epoch, the table or the journal is corrupt */
	REDO_CBT_BREAK_LINK	= 3,	/* chain and store do not belong together */
	REDO_CBT_BREAK_SPACE	= 4,	/* not even the current epoch fits */
	REDO_CBT_BREAK_REBUILD	= 5,	/* a bitmap could not be rebuilt from its delta */
	REDO_CBT_BREAK_USER	= 6,	/* asked for */
	REDO_CBT_BREAK_MEMORY	= 7,	/* out of memory */
	REDO_CBT_BREAK_NR
};

/* The superblock: 512 bytes of a block, the rest of which is zero. */
struct redo_cbt_disk_super {
	struct redo_disk_header header;	/*   0 generation: of the store; incarnation: of the journal */
	__le32 version;			/*  64 */
	__le32 flags;			/*  68 REDO_CBT_* */
	__le64 compat;			/*  72 unknown bits: ignored */
	__le64 compat_ro;		/*  80 unknown bits: not written */
	__le64 incompat;		/*  88 unknown bits: refused */
	__le64 virtual_sectors;		/*  96 size of what is tracked */
	__le32 block_sectors;		/* 104 that a bit stands for */
	__le32 break_reason;		/* 108 enum redo_cbt_reason */
	__le64 epoch;			/* 112 the current one; 0: none has begun */
	__le64 first_epoch;		/* 120 ids below it have been forgotten; 1 at first */
	__le64 base_epoch;		/* 128 that began when the base was sealed; 0: not known */
	__u8   link_uuid[16];		/* 136 active delta; zeroes: the base (passthrough) */
	__le64 link_generation;		/* 152 its superblock's, at least; 0: not known */
	__u8   alt_uuid[16];		/* 160 with ALT: the active delta to come */
	__le64 table_root;		/* 176 pointer to the table directory */
	__le64 journal_start;		/* 184 first block of the ring */
	__le32 journal_blocks;		/* 192 */
	__le32 reserved0;		/* 196 zero */
	__le64 replay_seq;		/* 200 first journal sequence that the bitmaps do not cover */
	__le64 incarnation_seq;		/* 208 first journal sequence of this incarnation */
	__le64 used_blocks;		/* 216 of bitmaps, when it was written */
	__le64 create_time;		/* 224 seconds since the epoch */
	__le64 records;			/* 232 in the table */
	__u8   reserved1[272];		/* 240 zero */
};					/* 512 */

/* What an epoch began with. */
enum redo_cbt_kind {
	REDO_CBT_ENABLE		= 1,	/* tracking began */
	REDO_CBT_MARK		= 2,	/* asked for */
	REDO_CBT_SNAPSHOT	= 3,
	REDO_CBT_REVERT		= 4,
	REDO_CBT_GROW		= 5,
	REDO_CBT_KIND_NR
};

#define REDO_CBT_LABEL_SIZE	64	/* with the NUL */

#define REDO_CBT_REC_IMPLIED	0x1U	/* the delta's map says what changed; the bitmap may not yet */
#define REDO_CBT_REC_UNSETTLED	0x2U	/* has ended, but its bitmap is not complete yet */
#define REDO_CBT_REC_JOINED	0x4U	/* for space: ids inside answer for all of it */
#define REDO_CBT_REC_DAMAGED	0x8U	/* its bitmap was lost: whoever needs it gets an error */

/* An epoch, or several that were joined: first to number. */
struct redo_cbt_disk_record {
	__le64 number;			/*   0 of the last epoch in it; 0: the slot is free, and all zero */
	__le64 first;			/*   8 of the first one */
	__le64 soft;			/*  16 ids first+1 .. soft answer for all of it, later ones are stale */
	__le64 back_to;			/*  24 a revert ended it: epochs back_to.. count, too; 0: none */
	__le64 begin_time;		/*  32 of the first one, seconds since the epoch */
	__le32 kind;			/*  40 enum redo_cbt_kind, of the first one */
	__le32 flags;			/*  44 REDO_CBT_REC_* */
	__le64 root;			/*  48 pointer: the bitmap */
	__le64 blocks_set;		/*  56 bits in it, when it was written */
	__u8   delta_uuid[16];		/*  64 IMPLIED: whose map it is */
	char   label[REDO_CBT_LABEL_SIZE]; /* 80 NUL-terminated; of the first one */
	__u8   reserved[104];		/* 144 zero */
};					/* 248 */

#define REDO_CBT_RECORDS_PER_BLOCK	16
#define REDO_CBT_RECORDS_MAX	(REDO_CBT_RECORDS_PER_BLOCK * REDO_CBT_TABLE_BLOCKS)

/* Table block: records in no order. */
struct redo_cbt_disk_table {
	struct redo_disk_header header;	/*    0 place: index; level 0 */
	struct redo_cbt_disk_record record[REDO_CBT_RECORDS_PER_BLOCK]; /* 64 */
	__u8 reserved[64];		/* 4032 zero */
};					/* 4096 */

/* Bitmap page, directory, root, table directory: struct redo_disk_node. */

/*
 * Journal block: marks of one epoch. header: generation = sequence, place = epoch, count =
 * marks, incarnation. Each block stands alone, and one is under way at a time.
 */
struct redo_cbt_disk_mark {
	__le64 first;			/* 0 first block */
	__le64 count;			/* 8 at least 1 */
};

#define REDO_CBT_MARKS_PER_BLOCK	252

struct redo_cbt_disk_journal {
	struct redo_disk_header header;				/*  0 */
	struct redo_cbt_disk_mark mark[REDO_CBT_MARKS_PER_BLOCK];	/* 64 */
};								/* 4096 */

/* Core types ------------------------------------------------------------- */

struct redo_cbt_super {
	u8 uuid[REDO_UUID_SIZE];
	u8 slot;			/* 0 or 1: where it was read or goes */
	u64 generation;
	u64 incarnation;
	u32 flags;
	u64 compat, compat_ro, incompat;
	u64 virtual_sectors;
	u32 block_sectors;
	u32 break_reason;
	u64 epoch, first_epoch, base_epoch;
	u8 link_uuid[REDO_UUID_SIZE];
	u64 link_generation;
	u8 alt_uuid[REDO_UUID_SIZE];
	struct redo_ptr table_root;
	u64 journal_start;
	u32 journal_blocks;
	u64 replay_seq, incarnation_seq;
	u64 used_blocks;
	u64 create_time;
	u64 records;
};

struct redo_cbt_record {
	u64 number, first, soft;
	u64 back_to;
	u64 begin_time;
	u32 kind;
	u32 flags;
	struct redo_ptr root;
	u64 blocks_set;
	u8 delta_uuid[REDO_UUID_SIZE];
	char label[REDO_CBT_LABEL_SIZE];
};

struct redo_cbt_mark {
	u64 first, count;
};

struct redo_cbt_journal_header {
	u64 seq;
	u64 epoch;
	u32 count;		/* marks, 1 .. REDO_CBT_MARKS_PER_BLOCK */
	u64 incarnation;
};

/*
 * All functions below are pure: no allocation, no locks, any context. @block is a buffer
 * of REDO_BLOCK_SIZE bytes. Packing fills in the whole block, header and checksum
 * included. Unpacking returns REDO_OK or why it refuses; then the result is undefined.
 */
const char *redo_cbt_break_str(u32 reason);
const char *redo_cbt_kind_str(u32 kind);
/* Printable, no space, no comma, at most REDO_CBT_LABEL_SIZE - 1; not empty. */
bool redo_cbt_label_valid(const char *label);

void redo_cbt_pack_header(void *block, const u8 *uuid, u32 block_sectors, u64 create_time);
enum redo_bad redo_cbt_unpack_header(const void *block, u8 *uuid, u32 *block_sectors);

void redo_cbt_pack_super(void *block, const struct redo_cbt_super *sb);
/* @slot: 0 or 1. Checks every field that can be checked without the device. */
enum redo_bad redo_cbt_unpack_super(const void *block, u8 slot, struct redo_cbt_super *sb);
/*
 * As redo_choose_super(): the newer one's index, or -1 where none is valid, one is refused
 * (redo_slot_refused()), or they are of two stores.
 */
int redo_cbt_choose_super(const struct redo_cbt_super sb[2], const enum redo_bad bad[2]);
u64 redo_cbt_super_blocknr(u8 slot);

/* A node whose words are set: page, directory, root (by @level), table directory. */
void redo_cbt_seal_node(void *block, u32 magic, const u8 *uuid, u64 blocknr, u64 generation,
			u16 level, u64 place);
/* @ptr is how its parent names it. */
enum redo_bad redo_cbt_check_node(const void *block, u32 magic, const u8 *uuid,
				  const struct redo_ptr *ptr, u16 level, u64 place);
static inline u32 redo_cbt_node_magic(u16 level)
{
	return level == REDO_CBT_LEVEL_PAGE ? REDO_MAGIC_CBT_PAGE : REDO_MAGIC_CBT_DIR;
}

void redo_cbt_pack_record(struct redo_cbt_disk_record *dr, const struct redo_cbt_record *r);
/* A free slot gives REDO_BAD_BLANK. */
enum redo_bad redo_cbt_unpack_record(const struct redo_cbt_disk_record *dr,
				     struct redo_cbt_record *r);

void redo_cbt_pack_mark(struct redo_cbt_disk_mark *dm, const struct redo_cbt_mark *m);
/* @bits: of the bitmap; a mark may go beyond, if the device was larger then: it is cut. */
enum redo_bad redo_cbt_unpack_mark(const struct redo_cbt_disk_mark *dm, struct redo_cbt_mark *m);
/* The marks are packed; what follows them is zero. */
void redo_cbt_seal_journal(void *block, const u8 *uuid, u64 blocknr,
			   const struct redo_cbt_journal_header *jh);
enum redo_bad redo_cbt_check_journal(const void *block, const u8 *uuid, u64 blocknr,
				     struct redo_cbt_journal_header *jh);

/* Geometry --------------------------------------------------------------- */

bool redo_cbt_block_sectors_ok(u32 block_sectors);
u64 redo_cbt_nr_bits(u64 virtual_sectors, u32 block_sectors);
u64 redo_cbt_nr_pages(u64 nr_bits);
/* Blocks of a bitmap that has no hole, with its root and directories. */
u64 redo_cbt_full_blocks(u64 virtual_sectors, u32 block_sectors);
/* The least that a store of it may have: four of those and what is fixed. */
u64 redo_cbt_min_blocks(u64 virtual_sectors, u32 block_sectors);
static inline u64 redo_cbt_journal_blocknr(u64 seq)
{
	return REDO_CBT_JOURNAL_START + seq % REDO_CBT_JOURNAL_BLOCKS;
}

#endif /* REDO_CBT_FORMAT_H */
