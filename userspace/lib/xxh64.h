/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The 64-bit hash XXH64, as its specification says (seed 0), over bytes that come in
 * pieces. It finds what damages, not who forges.
 */
#ifndef REDO_XXH64_H
#define REDO_XXH64_H

#include <stddef.h>
#include <stdint.h>

struct redo_xxh64 {
	uint64_t lane[4];
	uint64_t len;
	unsigned char rest[32];		/* @len % 32 bytes that wait for the others */
};

void redo_xxh64_init(struct redo_xxh64 *x);
void redo_xxh64_add(struct redo_xxh64 *x, const void *data, size_t len);
/* Of all so far; more may be added after it. */
uint64_t redo_xxh64_sum(const struct redo_xxh64 *x);

#endif /* REDO_XXH64_H */
