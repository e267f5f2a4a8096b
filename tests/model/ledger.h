/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each sector may hold, where writes may fail: the generations given to it
 * since the last that must be durable, in order, and which of them was the last
 * to be acknowledged. Generation 0 is zeroes.
 */
#ifndef TEST_LEDGER_H
#define TEST_LEDGER_H

#include "util.h"

struct ledger {
	u64 sectors;
	struct ledger_line *line;
};

enum ledger_view {
	LEDGER_LIVE,		/* the last acknowledged, or a later one that failed */
	LEDGER_DURABLE,		/* after a new activation: from the last flushed on */
};

/* @l: zeroes, or one of before of the same size. */
void ledger_init(struct ledger *l, u64 sectors, u32 gen);
void ledger_copy(struct ledger *to, const struct ledger *from);
/* Before it is sent. */
void ledger_begin(struct ledger *l, u64 sector, u64 sectors, u32 gen);
/* The last ledger_begin() of these sectors has been acknowledged. */
void ledger_acked(struct ledger *l, u64 sector, u64 sectors);
/* Whatever has been acknowledged there is durable. */
void ledger_flushed(struct ledger *l, u64 sector, u64 sectors);
/* What was acknowledged and not flushed is there, or is not. */
void ledger_lost(struct ledger *l);
/* Were it read, and were the answer the truth: from now on it is this. */
void ledger_known(struct ledger *l, u64 sector, u32 gen);
bool ledger_allows(const struct ledger *l, enum ledger_view view, u64 sector, u64 gen);
/* For messages; static. */
const char *ledger_describe(const struct ledger *l, u64 sector);

#endif /* TEST_LEDGER_H */
