// SPDX-License-Identifier: LGPL-2.1-or-later
/* The checker's account of blocks and grains. */
#include <stdlib.h>
#include "account.h"

static bool test_and_set(u8 *map, u32 bit)
{
	u8 mask = 1U << (bit & 7);
	bool was = map[bit >> 3] & mask;

	map[bit >> 3] |= mask;
	return was;
}

int redo_account_init(struct redo_account *s, const struct redo_super *sb, u64 device_bytes)
{
	u64 fit = device_bytes / REDO_UNIT_SIZE;

	memset(s, 0, sizeof(*s));
	s->sb = sb;
	s->nr_units = sb->nr_units < fit ? sb->nr_units : fit;
	s->grains = redo_grains_per_unit(sb->grain_sectors);
	s->header_slots = 1;
	s->unit = calloc(s->nr_units ? s->nr_units : 1, sizeof(*s->unit));
	return s->unit ? 0 : redo_err(ENOMEM, "out of memory");
}

void redo_account_free(struct redo_account *s)
{
	free(s->unit);
	s->unit = NULL;
}

u32 redo_account_fixed(const struct redo_account *s, u64 unit)
{
	const struct redo_account_unit *u = &s->unit[unit];

	if (u->type == REDO_UNIT_META)
		return unit ? 1 : REDO_META_START;
	return u->type == REDO_UNIT_DATA ? s->header_slots : 0;
}

static void mark_fixed(struct redo_account *s, u64 unit)
{
	for (u32 i = 0; i < redo_account_fixed(s, unit); i++)
		test_and_set(s->unit[unit].seen, i);
}

const char *redo_account_describe(struct redo_account *s, u64 unit, const struct redo_disk_unit *du)
{
	struct redo_account_unit *u = &s->unit[unit];
	u32 type = le32_to_cpu(du->type);

	if (type > REDO_UNIT_DATA)
		return "has an unknown type";
	if (!unit && type != REDO_UNIT_META)
		return "is not a metadata unit";
	u->type = type;
	u->used = le32_to_cpu(du->used);
	u->described = true;
	memcpy(u->disk, du->bitmap, sizeof(u->disk));
	mark_fixed(s, unit);
	return NULL;
}

void redo_account_defaults(struct redo_account *s)
{
	if (!s->nr_units || s->unit[0].described)
		return;
	s->unit[0].type = REDO_UNIT_META;
	mark_fixed(s, 0);
}

bool redo_account_empty(const struct redo_account *s, u64 unit)
{
	return unit && s->unit[unit].used <= 1;
}

const char *redo_account_claim_block(struct redo_account *s, u64 blocknr)
{
	u64 unit = blocknr / REDO_UNIT_BLOCKS;
	u32 bit = blocknr % REDO_UNIT_BLOCKS;

	if (unit >= s->nr_units)
		return "lies beyond the units that were taken";
	if (s->unit[unit].type != REDO_UNIT_META && s->unit[unit].described)
		return "lies in a unit that is not for metadata";
	if (bit < (unit ? 1 : REDO_META_START))
		return "lies where headers and journal are";
	if (test_and_set(s->unit[unit].seen, bit))
		return "is used twice";
	return NULL;
}

const char *redo_account_claim_grain(struct redo_account *s, u64 phys)
{
	u64 unit = phys / s->grains;
	u32 slot = phys % s->grains;

	if (unit >= s->nr_units)
		return "lies beyond the units that were taken";
	if (s->unit[unit].type != REDO_UNIT_DATA)
		return "lies in a unit that is not for data";
	if (slot < s->header_slots)
		return "lies on the header of its unit";
	if (test_and_set(s->unit[unit].seen, slot))
		return "is used twice";
	return NULL;
}
