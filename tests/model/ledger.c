// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "ledger.h"

#define GENS_MAX	32

struct ledger_line {
	u8 nr, acked;		/* acked: index in gen[] */
	u32 gen[GENS_MAX];	/* oldest first */
};

void ledger_init(struct ledger *l, u64 sectors, u32 gen)
{
	u64 s;

	l->sectors = sectors;
	if (!l->line)
		l->line = xcalloc(sectors, sizeof(*l->line));
	for (s = 0; s < sectors; s++)
		ledger_known(l, s, gen);
}

void ledger_copy(struct ledger *to, const struct ledger *from)
{
	if (!to->line)
		to->line = xcalloc(from->sectors, sizeof(*to->line));
	to->sectors = from->sectors;
	memcpy(to->line, from->line, from->sectors * sizeof(*to->line));
}

void ledger_begin(struct ledger *l, u64 sector, u64 sectors, u32 gen)
{
	for (; sectors; sectors--, sector++) {
		struct ledger_line *line = &l->line[sector];

		if (line->nr == GENS_MAX)
			die("the workload flushes too seldom for this test");
		line->gen[line->nr++] = gen;
	}
}

void ledger_acked(struct ledger *l, u64 sector, u64 sectors)
{
	for (; sectors; sectors--, sector++)
		l->line[sector].acked = l->line[sector].nr - 1;
}

void ledger_flushed(struct ledger *l, u64 sector, u64 sectors)
{
	for (; sectors; sectors--, sector++) {
		struct ledger_line *line = &l->line[sector];

		line->nr -= line->acked;
		memmove(line->gen, line->gen + line->acked, line->nr * sizeof(line->gen[0]));
		line->acked = 0;
	}
}

void ledger_lost(struct ledger *l)
{
	u64 s;

	for (s = 0; s < l->sectors; s++)
		l->line[s].acked = 0;
}

void ledger_known(struct ledger *l, u64 sector, u32 gen)
{
	l->line[sector] = (struct ledger_line){ .nr = 1, .gen = { gen } };
}

bool ledger_allows(const struct ledger *l, enum ledger_view view, u64 sector, u64 gen)
{
	const struct ledger_line *line = &l->line[sector];
	int i = view == LEDGER_LIVE ? line->acked : 0;

	for (; i < line->nr; i++)
		if (line->gen[i] == gen)
			return true;
	return false;
}

const char *ledger_describe(const struct ledger *l, u64 sector)
{
	const struct ledger_line *line = &l->line[sector];
	static char text[GENS_MAX * 12];
	int i, n = 0;

	for (i = 0; i < line->nr; i++)
		n += snprintf(text + n, sizeof(text) - n, "%s%s%u", i ? ", " : "",
			      i == line->acked ? "acknowledged " : "", line->gen[i]);
	return text;
}
