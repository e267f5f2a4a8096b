/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checker's own account of what is in use, next to what the bitmaps say. */
#ifndef REDO_ACCOUNT_H
#define REDO_ACCOUNT_H

#include "redo-int.h"

struct redo_account_unit {
	u32 type;		/* enum redo_unit_type, from the allocation tree */
	u32 used;
	bool described;		/* an allocation leaf speaks of it */
	u8 disk[512];		/* bitmap on disk */
	u8 seen[512];		/* what was really met: blocks, or grain slots */
};

struct redo_account {
	const struct redo_super *sb;
	u64 nr_units;		/* those of the superblock that fit on the device */
	u32 grains;		/* grain slots of a unit */
	u32 header_slots;	/* grain slots of a data unit that the header takes */
	struct redo_account_unit *unit;
};

int redo_account_init(struct redo_account *s, const struct redo_super *sb, u64 device_bytes);
void redo_account_free(struct redo_account *s);
/* What an allocation leaf says. NULL or why it cannot be. */
const char *redo_account_describe(struct redo_account *s, u64 unit, const struct redo_disk_unit *du);
/* A unit of which no leaf speaks. */
void redo_account_defaults(struct redo_account *s);
/* Holds nothing: whoever needs it may give it another type (the header goes first). */
bool redo_account_empty(const struct redo_account *s, u64 unit);
/* Count a metadata block or a grain as met. NULL or why it cannot be there. */
const char *redo_account_claim_block(struct redo_account *s, u64 blocknr);
const char *redo_account_claim_grain(struct redo_account *s, u64 phys);
/* Blocks of the unit that are never free: headers, superblocks, journal. */
u32 redo_account_fixed(const struct redo_account *s, u64 unit);

#endif /* REDO_ACCOUNT_H */
