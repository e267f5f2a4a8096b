// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "delta.h"
#include "tally.h"

static const char * const role_name[] = { "base", "active", "parent", "new" };
static const char kind_letter[] = "rwfd";
static const char * const kind_name[] = { "read", "write", "flush", "discard" };

static const struct {
	u32 magic;
	const char *name;
} block[] = {
	{ REDO_MAGIC_SUPER, "superblock" },
	{ REDO_MAGIC_LABEL, "label" },
	{ REDO_MAGIC_UNIT, "unit-header" },
	{ REDO_MAGIC_JOURNAL, "journal" },
	{ REDO_MAGIC_DIR, "directory" },
	{ REDO_MAGIC_LEAF, "leaf" },
	{ REDO_MAGIC_ALLOC, "allocation" },
};
#define DATA	ARRAY_SIZE(block)	/* without a magic: data, or a place still empty */
#define NOTHING	(DATA + 1)		/* flushes and discards carry nothing */

static u64 hits[ROLES][ARRAY_SIZE(kind_name)][NOTHING + 1];

static size_t block_of(enum role role, u32 magic)
{
	size_t i;

	for (i = 0; role != ROLE_BASE && i < DATA; i++)
		if (block[i].magic == magic)
			return i;
	return DATA;
}

void tally_count(enum role role, char kind, u32 magic)
{
	const char *letter = kind ? strchr(kind_letter, kind) : NULL;

	if (!letter)
		die("a request of kind '%c'", kind);
	hits[role][letter - kind_letter]
	    [kind == 'r' || kind == 'w' ? block_of(role, magic) : NOTHING]++;
}

static const char *block_name(size_t i)
{
	return i < DATA ? block[i].name : i == DATA ? "data" : "-";
}

void tally_print(void)
{
	size_t role, kind, i;

	for (role = 0; role < ROLES; role++)
		for (kind = 0; kind < ARRAY_SIZE(kind_name); kind++)
			for (i = 0; i <= NOTHING; i++)
				if (hits[role][kind][i])
					printf("hit: %s %s %s %llu\n", role_name[role],
					       kind_name[kind], block_name(i),
					       (unsigned long long)hits[role][kind][i]);
}
