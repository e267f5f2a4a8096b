/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seeded random numbers (splitmix64): the same on every machine. */
#ifndef TEST_RNG_H
#define TEST_RNG_H

#include "util.h"

struct rng {
	u64 state;
};

static inline u64 mix64(u64 z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline u64 rng_next(struct rng *r)
{
	return mix64(r->state += 0x9e3779b97f4a7c15ULL);
}

/* A stream of its own for every (seed, stream). */
static inline void rng_init(struct rng *r, u64 seed, u64 stream)
{
	r->state = mix64(seed + 0x632be59bd9b4e019ULL * (stream + 1));
}

/* 0 .. n-1 */
static inline u64 rng_below(struct rng *r, u64 n)
{
	return n ? rng_next(r) % n : 0;
}

/* a .. b */
static inline u64 rng_between(struct rng *r, u64 a, u64 b)
{
	return a + rng_below(r, b - a + 1);
}

static inline bool rng_percent(struct rng *r, unsigned int percent)
{
	return rng_below(r, 100) < percent;
}

#endif /* TEST_RNG_H */
