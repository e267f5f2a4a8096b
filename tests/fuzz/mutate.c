// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

void fuzz_broken(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

u64 fuzz_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static u32 seal_length(const u8 *block)
{
	return !memcmp(block, "RDSB", 4) || !memcmp(block, "RDCS", 4) ? REDO_SUPER_SIZE :
	       REDO_BLOCK_SIZE;
}

static void change(u8 *block, u64 *state)
{
	u32 len = seal_length(block), width = 1U << fuzz_random(state) % 4, at;
	u64 word = 0;

	/* the header, the fields of a superblock, first records and words */
	if (fuzz_random(state) % 2)
		len = 344;
	at = fuzz_random(state) % (len / width) * width;
	memcpy(&word, block + at, width);
	switch (fuzz_random(state) % 8) {
	case 0: word += 1 + fuzz_random(state) % 4; break;
	case 1: word -= 1 + fuzz_random(state) % 4; break;
	case 2: word ^= 1ULL << fuzz_random(state) % (8 * width); break;
	case 3: word = fuzz_random(state) % 5000; break;
	case 4: word = 1ULL << fuzz_random(state) % 64; break;
	case 5: word = (1ULL << fuzz_random(state) % 64) - 1; break;
	case 6: word = (word & ~(0xfULL << 60)) | fuzz_random(state) << 60; break;
	case 7: memcpy(&word, block + fuzz_random(state) % (len / 8) * 8, 8); break;
	}
	memcpy(block + at, &word, width);
}

void fuzz_block(u8 *block, u64 *state)
{
	u32 n = 1 + fuzz_random(state) % 3;

	while (n--) {
		if (fuzz_random(state) % 4)
			change(block, state);
		else
			LLVMFuzzerMutate(block, seal_length(block), seal_length(block));
	}
	if (fuzz_random(state) % 16)
		redo_seal_block(block, seal_length(block));
}
