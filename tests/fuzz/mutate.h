/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzz targets share. */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include "../../userspace/lib/redo-int.h"

/* libFuzzer's */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

/* Says what does not hold and aborts. */
#define must(condition) do { \
	if (!(condition)) \
		fuzz_broken(__FILE__, __LINE__, #condition); \
} while (0)

void fuzz_broken(const char *file, int line, const char *condition)
	__attribute__((noreturn));

/* A generator for decisions of the mutators. */
u64 fuzz_random(u64 *state);

/*
 * Change a metadata block of @size bytes somewhere, mostly where its header and
 * fields are, and mostly mend its checksum: else nothing would get past that.
 */
void fuzz_block(u8 *block, u64 *state);

#endif /* FUZZ_MUTATE_H */
