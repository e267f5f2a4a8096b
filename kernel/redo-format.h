/* SPDX-License-Identifier: GPL-2.0 OR LGPL-2.1-or-later */
/*
 * On-disk format of a delta, version 1. Shared by the module, the tool and the
 * tests; Documentation/on-disk-format.rst tells the story.
 *
 * Everything is little-endian. An address is a number of a 4 KiB block counted
 * from the start of the delta device; a physical grain is a number of a grain
 * counted from there; a logical grain is one of the virtual disk.
 *
 *   unit 0   block 0        unit header (every unit begins with one)
 *            block 1, 2     superblock slots A and B
 *            block 3, 4     label slots A and B
 *            block 16 ...   journal ring, REDO_JOURNAL_BLOCKS of them
 *            the rest       metadata blocks
 *   unit n   block 0        unit header; the unit holds either metadata blocks
 *                           or data grains, as its header says; the grain slot
 *                           that holds the header is never data
 */
#ifndef REDO_FORMAT_H
#define REDO_FORMAT_H

#include "redo-port.h"

#define REDO_FORMAT_VERSION	1

#define REDO_BLOCK_SHIFT	12
#define REDO_BLOCK_SIZE		(1U << REDO_BLOCK_SHIFT)
#define REDO_BLOCK_SECTORS	(REDO_BLOCK_SIZE >> 9)
#define REDO_UNIT_SHIFT		24			/* 16 MiB */
#define REDO_UNIT_SIZE		(1U << REDO_UNIT_SHIFT)
#define REDO_UNIT_BLOCKS	(REDO_UNIT_SIZE / REDO_BLOCK_SIZE)
#define REDO_UNIT_SECTORS	(REDO_UNIT_SIZE >> 9)

#define REDO_SUPER_SIZE		512	/* what one sector can switch */
#define REDO_SUPER_BLOCK_A	1
#define REDO_SUPER_BLOCK_B	2
#define REDO_LABEL_BLOCK_A	3
#define REDO_LABEL_BLOCK_B	4
#define REDO_JOURNAL_START	16
#define REDO_JOURNAL_BLOCKS	1024	/* what is formatted, and the most */
#define REDO_JOURNAL_BLOCKS_MIN	64	/* the least that is accepted */
/* First block of unit 0 that the metadata allocator may hand out. */
#define REDO_META_START		(REDO_JOURNAL_START + REDO_JOURNAL_BLOCKS)

#define REDO_GRAIN_SECTORS_MIN	8	/* 4 KiB */
#define REDO_GRAIN_SECTORS_MAX	2048	/* 1 MiB */

#define REDO_MAX_DELTAS		256
#define REDO_NUMBER_MAX		0x7fffffffffffffffULL	/* of what is counted for ever */

#define REDO_UUID_SIZE		16
#define REDO_NAME_SIZE		128	/* with the NUL */
#define REDO_TEXT_SIZE		512

/* Magics: four ASCII characters as they stand on the disk. */
#define REDO_MAGIC(a, b, c, d)	((u32)(a) | (u32)(b) << 8 | (u32)(c) << 16 | (u32)(d) << 24)
#define REDO_MAGIC_SUPER	REDO_MAGIC('R', 'D', 'S', 'B')
#define REDO_MAGIC_LABEL	REDO_MAGIC('R', 'D', 'L', 'B')
#define REDO_MAGIC_UNIT		REDO_MAGIC('R', 'D', 'U', 'N')
#define REDO_MAGIC_JOURNAL	REDO_MAGIC('R', 'D', 'J', 'R')
#define REDO_MAGIC_DIR		REDO_MAGIC('R', 'D', 'D', 'R')
#define REDO_MAGIC_LEAF		REDO_MAGIC('R', 'D', 'L', 'F')
#define REDO_MAGIC_ALLOC	REDO_MAGIC('R', 'D', 'A', 'L')

/* The two trees of a delta; the header of their blocks says which. */
enum redo_tree_id {
	REDO_TREE_MAP	= 0,	/* logical grain -> physical grain */
	REDO_TREE_ALLOC	= 1,	/* unit -> type and allocation bitmap */
};

/*
 * Every metadata block begins with this. csum is the CRC32C of everything that
 * follows it up to the end of the block (superblock: to REDO_SUPER_SIZE).
 */
struct redo_disk_header {
	__le32 magic;		/*  0 */
	__le32 csum;		/*  4 */
	__u8   uuid[16];	/*  8 of the delta */
	__le64 blocknr;		/* 24 own address */
	__le64 generation;	/* 32 super, label, tree: checkpoint that wrote it; journal: sequence */
	__le64 place;		/* 40 tree: index within level; unit: number; journal: commit number */
	__le16 level;		/* 48 tree: 0 = leaf; unit: type; journal: index within the commit */
	__le16 aux;		/* 50 tree: enum redo_tree_id; journal: blocks of the commit */
	__le32 count;		/* 52 journal: records; unit: sectors of a grain; else 0 */
	__le64 incarnation;	/* 56 super, journal: incarnation of the journal; else 0 */
};				/* 64 */

enum redo_super_state {
	REDO_STATE_NEW		= 1,	/* formatted; does not count before its parent is sealed */
	REDO_STATE_ACTIVE	= 2,	/* has taken over; may take writes */
	REDO_STATE_SEALED	= 3,	/* read-only for ever */
	REDO_STATE_RETIRED	= 4,	/* dropped by a revert or a merge */
};

#define REDO_SB_FINGERPRINT	0x1U	/* base_fp_* are valid */
#define REDO_SB_SHARED		0x2U	/* dependants mark: more than one child was formatted on it */
#define REDO_SB_CLEAN		0x4U	/* nothing in the journal: safe to read on another host */

#define REDO_INCOMPAT_MERGE	0x1ULL	/* merge_state is not 0 */

/* tracker_uuid is not 0: whoever writes to it without telling the tracker spoils that */
#define REDO_COMPAT_RO_TRACKER	0x1ULL

/* No other feature bit is defined in version 1. */
#define REDO_COMPAT_SUPP	0ULL
#define REDO_COMPAT_RO_SUPP	REDO_COMPAT_RO_TRACKER
#define REDO_INCOMPAT_SUPP	REDO_INCOMPAT_MERGE

/* What a merge has made of this delta; see on-disk-format.rst, "Merges". */
enum redo_merge_state {
	REDO_MERGE_NONE		= 0,
	REDO_MERGE_INTO		= 1,	/* takes in merge_uuid; not to be shown without it */
	REDO_MERGE_TAKEN	= 2,	/* holds all that merge_uuid held */
	REDO_MERGE_BASE		= 3,	/* it and those up to merge_uuid go into the base */
	REDO_MERGE_BASE_ALL	= 4,	/* likewise, and then the one on top of them */
	REDO_MERGE_BASE_TAKEN	= 5,	/* the base holds all that they held */
	REDO_MERGE_GONE		= 6,	/* retired: merged into what was below it */
	REDO_MERGE_BASE_ALL_TAKEN = 7,	/* BASE_TAKEN, but what the one on top of them has */
};

struct redo_disk_super {
	struct redo_disk_header header;	/*   0 */
	__le32 version;			/*  64 */
	__le32 flags;			/*  68 REDO_SB_* */
	__le64 compat;			/*  72 unknown bits: ignored */
	__le64 compat_ro;		/*  80 unknown bits: read-only */
	__le64 incompat;		/*  88 unknown bits: refused */
	__u8   parent_uuid[16];		/*  96 zeroes: the base */
	__u8   tree_uuid[16];		/* 112 common to all deltas over one base */
	__le64 parent_content;		/* 128 the parent's content_generation when this one took over; 0: not yet */
	__le64 content_generation;	/* 136 random, fixed at seal; 0 before */
	__le64 virtual_sectors;		/* 144 size of the virtual disk */
	__le64 base_sectors;		/* 152 size of the base device */
	__le32 base_fp_head;		/* 160 CRC-32 (not CRC32C) of the base's first 64 KiB */
	__le32 base_fp_tail;		/* 164 the same of its last 64 KiB */
	__le32 grain_sectors;		/* 168 */
	__le32 state;			/* 172 enum redo_super_state */
	__le32 depth;			/* 176 deltas below this one */
	__le32 label_block;		/* 180 REDO_LABEL_BLOCK_A or _B */
	__le64 chain_seq;		/* 184 of two active deltas of one chain the higher is the present */
	__le64 create_time;		/* 192 seconds since the epoch */
	__le64 seal_time;		/* 200 */
	__le64 map_root;		/* 208 tree pointer */
	__le64 alloc_root;		/* 216 tree pointer */
	__le32 map_height;		/* 224 level of the root; 0: the root is a leaf */
	__le32 alloc_height;		/* 228 */
	__le64 nr_units;		/* 232 units 0 .. nr_units-1 have been taken */
	__le64 nr_leaves;		/* 240 map leaves with a block of their own */
	__le64 meta_used;		/* 248 metadata blocks in use, the fixed ones not counted */
	__le64 data_used;		/* 256 grains in use */
	__le64 journal_start;		/* 264 first block of the ring */
	__le32 journal_blocks;		/* 272 */
	__le32 reserved0;		/* 276 zero */
	__le64 replay_seq;		/* 280 first journal sequence not covered by the trees */
	__le64 replay_commit;		/* 288 the commit number expected there */
	__u8   tracker_uuid[16];	/* 296 change tracking store; zeroes: none */
	__le64 tracker_generation;	/* 312 of its superblock, at least */
	__le64 merge_state;		/* 320 enum redo_merge_state */
	__u8   merge_uuid[16];		/* 328 topmost delta of what is merged */
	__le64 merge_pos;		/* 344 grains below it have been carried down, durably */
	__le64 tracker_epoch;		/* 352 epoch that began when this one took over; 0: none */
	__le64 tracker_sealed;		/* 360 epoch that began when it was sealed; 0: none */
	__u8   reserved1[144];		/* 368 zero */
};					/* 512 */

/* Names and hints for people and tools; nothing in the data path reads it. */
struct redo_disk_label {
	struct redo_disk_header header;	/*    0 */
	char chain_name[REDO_NAME_SIZE];/*   64 NUL-terminated */
	char snap_name[REDO_NAME_SIZE];	/*  192 of the point that this delta went on top of */
	char description[REDO_TEXT_SIZE];/* 320 */
	char base_path[REDO_TEXT_SIZE];	/*  832 where the base was seen last: a hint */
	char host[REDO_NAME_SIZE];	/* 1344 that formatted it */
	char store[REDO_TEXT_SIZE];	/* 1472 of the volume or file that was made for it; empty: none was */
	__u8 reserved[2112];		/* 1984 zero */
};					/* 4096 */

/*
 * A tree pointer, in a directory or as a root:
 *   bits  0..47  address of the child
 *   bits 48..59  low bits of the child's generation (a lost write is noticed)
 *   bits 60..63  enum redo_ptr_kind
 * A hole is a word of zero.
 */
enum redo_ptr_kind {
	REDO_PTR_HOLE	= 0,	/* nothing below: the parent shows through */
	REDO_PTR_BLOCK	= 1,
	REDO_PTR_ZERO	= 2,	/* map tree: every grain below is zero */
};

struct redo_ptr {
	u64 blocknr;
	u16 gen_tag;		/* generation & REDO_GEN_TAG_MASK */
	u8 kind;
};

#define REDO_GEN_TAG_MASK	0xfffU

/*
 * A map entry: bits 0..47 physical grain, bits 60..63 enum redo_grain_state;
 * the rest is zero.
 */
enum redo_grain_state {
	REDO_GRAIN_UNMAPPED	= 0,	/* the parent shows through */
	REDO_GRAIN_MAPPED	= 1,
	REDO_GRAIN_ZERO		= 2,
	REDO_GRAIN_BASE		= 3,	/* the base shows through, whatever lies between (merges) */
};

#define REDO_ADDR_BITS		48
#define REDO_ADDR_MASK		((1ULL << REDO_ADDR_BITS) - 1)

#define REDO_FANOUT		504	/* words in a directory or map leaf */

/* Directory (either tree) or map leaf. */
struct redo_disk_node {
	struct redo_disk_header header;	/*  0 */
	__le64 word[REDO_FANOUT];	/* 64 tree pointers or map entries */
};					/* 4096 */

enum redo_unit_type {
	REDO_UNIT_FREE	= 0,
	REDO_UNIT_META	= 1,
	REDO_UNIT_DATA	= 2,
};

/* One unit's share of an allocation leaf. */
struct redo_disk_unit {
	__le32 type;		/*   0 enum redo_unit_type */
	__le32 used;		/*   4 bits set below, unit header's and fixed ones included */
	__u8 bitmap[512];	/*   8 bit n: block n (metadata) or grain slot n (data), LSB first */
};				/* 520 */

#define REDO_UNITS_PER_LEAF	7

/* Leaf of the allocation tree. */
struct redo_disk_alloc {
	struct redo_disk_header header;			/*    0 */
	struct redo_disk_unit unit[REDO_UNITS_PER_LEAF];/*   64 */
	__u8 reserved[392];				/* 3704 zero */
};							/* 4096 */

/*
 * A journal record: a run of grains of one new state.
 *   a: bits 0..47 first logical grain, bits 48..59 length (MAP), bits 60..63 type
 *   b: MAP: bits 0..47 first physical grain; else: bits 0..47 length; the rest zero
 * A MAP run stays inside one unit.
 */
enum redo_record_type {
	REDO_REC_MAP	= 1,
	REDO_REC_ZERO	= 2,
	REDO_REC_UNMAP	= 3,	/* merges: the grains are in the parent now */
	REDO_REC_BASE	= 4,	/* merges: the grains are in the base now */
};

#define REDO_REC_MAP_MAX	4095U	/* grains of one MAP record */

struct redo_disk_record {
	__le64 a;
	__le64 b;
};

#define REDO_RECORDS_PER_BLOCK	252

struct redo_disk_journal {
	struct redo_disk_header header;				/*  0 */
	struct redo_disk_record record[REDO_RECORDS_PER_BLOCK];	/* 64 */
};								/* 4096 */

/* First block of every unit; the rest of the block is zero. */
struct redo_disk_unit_header {
	struct redo_disk_header header;	/* 0: place = unit number, level = type, count = sectors of a grain */
};

/* Core types ------------------------------------------------------------- */

struct redo_header {
	u32 magic;
	u8 uuid[REDO_UUID_SIZE];
	u64 blocknr;
	u64 generation;
	u64 place;
	u16 level;
	u16 aux;
	u32 count;
	u64 incarnation;
};

struct redo_super {
	u8 uuid[REDO_UUID_SIZE];
	u8 slot;			/* 0 or 1: where it was read or goes */
	u64 generation;
	u64 incarnation;
	u32 flags;
	u64 compat, compat_ro, incompat;
	u8 parent_uuid[REDO_UUID_SIZE];
	u8 tree_uuid[REDO_UUID_SIZE];
	u64 parent_content;
	u64 content_generation;
	u64 virtual_sectors;
	u64 base_sectors;
	u32 base_fp_head, base_fp_tail;
	u32 grain_sectors;
	u32 state;
	u32 depth;
	u32 label_block;
	u64 chain_seq;
	u64 create_time, seal_time;
	struct redo_ptr map_root, alloc_root;
	u32 map_height, alloc_height;
	u64 nr_units;
	u64 nr_leaves;
	u64 meta_used;
	u64 data_used;
	u64 journal_start;
	u32 journal_blocks;
	u64 replay_seq, replay_commit;
	u8 tracker_uuid[REDO_UUID_SIZE];
	u64 tracker_generation;
	u64 merge_state;
	u8 merge_uuid[REDO_UUID_SIZE];
	u64 merge_pos;
	u64 tracker_epoch, tracker_sealed;
};

struct redo_label {
	char chain_name[REDO_NAME_SIZE];
	char snap_name[REDO_NAME_SIZE];
	char description[REDO_TEXT_SIZE];
	char base_path[REDO_TEXT_SIZE];
	char host[REDO_NAME_SIZE];
	char store[REDO_TEXT_SIZE];
};

/* A run of grains of one state, as a journal record says it. */
struct redo_extent {
	u64 logical;		/* first logical grain */
	u64 phys;		/* MAP: first physical grain; else 0 */
	u64 len;		/* grains, at least 1 */
	u8 type;		/* enum redo_record_type */
};

struct redo_grain {
	u64 phys;		/* MAPPED: physical grain; else 0 */
	u8 state;		/* enum redo_grain_state */
};

/*
 * Why a block was refused; redo_bad_str() gives the text. "Blank" is told apart
 * from "corrupt": a slot that was never written is all zeroes.
 */
enum redo_bad {
	REDO_OK = 0,
	REDO_BAD_BLANK,		/* all zeroes: never written */
	REDO_BAD_MAGIC,
	REDO_BAD_CSUM,
	REDO_BAD_UUID,
	REDO_BAD_BLOCKNR,
	REDO_BAD_GENERATION,
	REDO_BAD_PLACE,
	REDO_BAD_VERSION,
	REDO_BAD_INCOMPAT,
	REDO_BAD_FIELD,		/* a value out of its range */
	REDO_BAD_NR
};

/*
 * All functions below are pure: no allocation, no locks, any context. @block is
 * a buffer of REDO_BLOCK_SIZE bytes. Packing fills in the whole block, header
 * and checksum included. Unpacking returns REDO_OK or why it refuses; then the
 * result is undefined.
 */
const char *redo_bad_str(enum redo_bad bad);

/* Sets csum; @len: bytes covered (REDO_BLOCK_SIZE or REDO_SUPER_SIZE). */
void redo_seal_block(void *block, u32 len);
void redo_pack_header(struct redo_disk_header *dh, const struct redo_header *h);
void redo_unpack_header(const struct redo_disk_header *dh, struct redo_header *h);

/*
 * Check magic, csum, own address and - where @uuid is not NULL - the delta's
 * UUID of a block of REDO_BLOCK_SIZE bytes; unpack its header into @h.
 */
enum redo_bad redo_check_block(const void *block, u32 magic, const u8 *uuid,
			       u64 blocknr, struct redo_header *h);
/* The same of what is only @len bytes long. */
enum redo_bad redo_check_len(const void *block, u32 len, u32 magic, const u8 *uuid,
			     u64 blocknr, struct redo_header *h);

void redo_pack_super(void *block, const struct redo_super *sb);
/* @slot: 0 or 1. Checks every field that can be checked without the device. */
enum redo_bad redo_unpack_super(const void *block, u8 slot, struct redo_super *sb);
/*
 * Was this slot not torn, but is of a newer format or has values out of range? It
 * may be the one in force: the delta is refused, the other slot is never taken.
 */
bool redo_slot_refused(enum redo_bad bad);
/*
 * @sb is taken; is the @other slot what a torn switch leaves behind? It may also
 * be the one in force that has decayed. Only format leaves a slot blank: the
 * switch after it fills it.
 */
bool redo_slot_torn(const struct redo_super *sb, enum redo_bad other);
/* Valid both, but of different deltas: refused. */
bool redo_slots_of_two(const struct redo_super sb[2], const enum redo_bad bad[2]);
/*
 * Take the newer of two slots. @bad: result of unpacking each (a slot that cannot
 * be read: REDO_BAD_CSUM). Returns the winner's index, or -1 where none is valid,
 * one is refused, or they are of two deltas.
 */
int redo_choose_super(const struct redo_super sb[2], const enum redo_bad bad[2]);
u64 redo_super_blocknr(u8 slot);
/*
 * Set the tracker's UUID and generation, feature bit included. NULL: there is none, and then
 * the epochs are zero, too, as they are if it is another than before.
 */
void redo_super_set_tracker(struct redo_super *sb, const u8 *uuid, u64 generation);
/* Set the merge fields, feature bit included. @uuid: NULL for none. */
void redo_super_set_merge(struct redo_super *sb, enum redo_merge_state state, const u8 *uuid);

void redo_pack_label(void *block, const u8 *uuid, u64 blocknr, u64 generation,
		     const struct redo_label *label);
enum redo_bad redo_unpack_label(const void *block, const u8 *uuid, u64 blocknr,
				struct redo_label *label);
/* Letters, digits and + _ . - ; not empty, not "." or "..", no leading '-'. */
bool redo_name_valid(const char *name);

void redo_pack_unit_header(void *block, const u8 *uuid, u64 unit,
			   enum redo_unit_type type, u32 grain_sectors);
enum redo_bad redo_unpack_unit_header(const void *block, const u8 *uuid, u64 unit,
				      enum redo_unit_type *type, u32 *grain_sectors);

__le64 redo_pack_ptr(const struct redo_ptr *ptr);
enum redo_bad redo_unpack_ptr(__le64 word, struct redo_ptr *ptr);
__le64 redo_pack_grain(const struct redo_grain *g);
enum redo_bad redo_unpack_grain(__le64 word, struct redo_grain *g);

/* Fill in the header and checksum of a node whose words (or units) are set. */
void redo_seal_node(void *block, const u8 *uuid, u64 blocknr, u64 generation,
		    enum redo_tree_id tree, u16 level, u64 index);
/* @ptr is how its parent names it, @index and @level where it must belong. */
enum redo_bad redo_check_node(const void *block, const u8 *uuid,
			      const struct redo_ptr *ptr, enum redo_tree_id tree,
			      u16 level, u64 index);

void redo_pack_record(struct redo_disk_record *rec, const struct redo_extent *e);
/* Checks ranges only against the format, not against any device. */
enum redo_bad redo_unpack_record(const struct redo_disk_record *rec, struct redo_extent *e);

struct redo_journal_header {
	u64 seq;		/* position in the endless log */
	u64 commit;
	u16 index;		/* 0 .. total-1 */
	u16 total;
	u32 count;		/* records in this block */
	u64 incarnation;
};

/* The records must have been packed into the block before; what follows them is zero. */
void redo_seal_journal(void *block, const u8 *uuid, u64 blocknr,
		       const struct redo_journal_header *jh);
enum redo_bad redo_check_journal(const void *block, const u8 *uuid, u64 blocknr,
				 struct redo_journal_header *jh);
/* Block of the ring that holds @seq. */
u64 redo_journal_blocknr(u64 journal_start, u32 journal_blocks, u64 seq);

/* Geometry --------------------------------------------------------------- */

u32 redo_grains_per_unit(u32 grain_sectors);	/* slots, the header's included */
u64 redo_nr_grains(u64 virtual_sectors, u32 grain_sectors);
u64 redo_nr_leaves(u64 virtual_sectors, u32 grain_sectors);
/* May data lie there? @gpu: redo_grains_per_unit(). */
static inline bool redo_data_run_ok(u64 phys, u64 len, u32 gpu, u64 nr_units)
{
	u64 unit = phys / gpu;
	u32 slot = phys % gpu;

	return unit && unit < nr_units && slot && len && len <= gpu - slot;
}

/* Level of the root of a tree with @nr_leaves leaves. */
u32 redo_tree_height(u64 nr_leaves);
/* Leaves below one entry of a directory at @level (>= 1); saturates. */
u64 redo_leaves_per_entry(u32 level);

#endif /* REDO_FORMAT_H */
