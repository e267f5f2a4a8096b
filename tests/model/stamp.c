// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "rng.h"
#include "stamp.h"

#define STAMP_MAGIC	0x706d6174732d6f64ULL
#define STAMP_WORDS	(SECTOR_SIZE / 8)
#define STAMP_STEP	0x9e3779b97f4a7c15ULL

static u64 stamp_hash(u64 seed, u64 gen, u64 sector)
{
	return mix64(mix64(seed ^ STAMP_MAGIC) + mix64(gen) + sector * STAMP_STEP);
}

static void stamp_fill_one(u64 *w, u64 seed, u64 gen, u64 sector)
{
	u64 hash = stamp_hash(seed, gen, sector);
	int i;

	w[0] = STAMP_MAGIC;
	w[1] = seed;
	w[2] = gen;
	w[3] = sector;
	for (i = 4; i < STAMP_WORDS; i++)
		w[i] = hash + i * STAMP_STEP;
}

void stamp_fill(void *buf, u64 seed, u64 gen, u64 sector, u64 sectors)
{
	u64 *w = buf;

	if (!gen) {
		memset(buf, 0, sectors << SECTOR_SHIFT);
		return;
	}
	for (; sectors; sectors--, w += STAMP_WORDS)
		stamp_fill_one(w, seed, gen, sector++);
}

static bool all_zero(const u64 *w)
{
	u64 any = 0;
	int i;

	for (i = 0; i < STAMP_WORDS; i++)
		any |= w[i];
	return !any;
}

static bool intact(const u64 *w)
{
	u64 hash = stamp_hash(w[1], w[2], w[3]);
	u64 bad = 0;
	int i;

	for (i = 4; i < STAMP_WORDS; i++)
		bad |= w[i] ^ (hash + i * STAMP_STEP);
	return !bad;
}

enum stamp_kind stamp_read(const void *buf, u64 seed, u64 sector, struct stamp *found)
{
	const u64 *w = buf;

	if (w[0] != STAMP_MAGIC) {
		memset(found, 0, sizeof(*found));
		return all_zero(w) ? STAMP_ZERO : STAMP_GARBAGE;
	}
	found->seed = w[1];
	found->gen = w[2];
	found->sector = w[3];
	if (!intact(w))
		return STAMP_GARBAGE;
	return w[1] == seed && w[3] == sector && w[2] ? STAMP_GOOD : STAMP_OTHER;
}

const char *stamp_describe(const void *buf, u64 seed, u64 sector)
{
	static char text[160];
	const u8 *b = buf;
	struct stamp s;

	switch (stamp_read(buf, seed, sector, &s)) {
	case STAMP_ZERO:
		return "zeroes";
	case STAMP_GOOD:
		snprintf(text, sizeof(text), "generation %llu", (unsigned long long)s.gen);
		break;
	case STAMP_OTHER:
		snprintf(text, sizeof(text), "generation %llu of sector %llu%s",
			 (unsigned long long)s.gen, (unsigned long long)s.sector,
			 s.seed == seed ? "" : " of another run");
		break;
	case STAMP_GARBAGE:
		if (s.gen || s.sector)
			snprintf(text, sizeof(text), "torn: begins as generation %llu of sector %llu",
				 (unsigned long long)s.gen, (unsigned long long)s.sector);
		else
			snprintf(text, sizeof(text), "foreign bytes %02x %02x %02x %02x %02x %02x %02x %02x",
				 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
		break;
	}
	return text;
}
