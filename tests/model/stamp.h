/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The content of a sector says who wrote it: the run's seed, the generation (the
 * number of the operation) and the sector that it was written to, and the rest
 * of its bytes follow from these. So a wrong sector explains itself: lost write,
 * stale write, data of another sector, torn sector, foreign bytes.
 * Generation 0 is a sector of zeroes.
 */
#ifndef TEST_STAMP_H
#define TEST_STAMP_H

#include "util.h"

struct stamp {
	u64 seed, gen, sector;
};

enum stamp_kind {
	STAMP_ZERO,	/* all zeroes */
	STAMP_GOOD,	/* intact, for this seed and sector */
	STAMP_OTHER,	/* intact, but of another sector or seed */
	STAMP_GARBAGE,	/* no stamp, or torn */
};

/* Fill @sectors sectors of @buf; gen 0 makes zeroes. */
void stamp_fill(void *buf, u64 seed, u64 gen, u64 sector, u64 sectors);
/* What is in one sector of @buf? @found is set for GOOD and OTHER (ZERO: gen 0). */
enum stamp_kind stamp_read(const void *buf, u64 seed, u64 sector, struct stamp *found);
/* For messages; the buffer is static. */
const char *stamp_describe(const void *buf, u64 seed, u64 sector);

#endif /* TEST_STAMP_H */
