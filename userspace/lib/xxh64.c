// SPDX-License-Identifier: LGPL-2.1-or-later
#include "../../kernel/redo-port.h"
#include "xxh64.h"

#define P1	0x9e3779b185ebca87ULL
#define P2	0xc2b2ae3d27d4eb4fULL
#define P3	0x165667b19e3779f9ULL
#define P4	0x85ebca77c2b2ae63ULL
#define P5	0x27d4eb2f165667c5ULL
#define STRIPE	32

static u64 rol(u64 v, int n)
{
	return v << n | v >> (64 - n);
}

static u64 read64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return le64_to_cpu(v);
}

static u64 read32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return le32_to_cpu(v);
}

static u64 mix(u64 lane, u64 word)
{
	return rol(lane + word * P2, 31) * P1;
}

static void stripe(u64 *lane, const u8 *p)
{
	for (int i = 0; i < 4; i++)
		lane[i] = mix(lane[i], read64(p + 8 * i));
}

void redo_xxh64_init(struct redo_xxh64 *x)
{
	*x = (struct redo_xxh64){ .lane = { P1 + P2, P2, 0, -P1 } };
}

void redo_xxh64_add(struct redo_xxh64 *x, const void *data, size_t len)
{
	size_t have = x->len % STRIPE, n;
	const u8 *p = data;

	x->len += len;
	if (have) {
		n = len < STRIPE - have ? len : STRIPE - have;
		memcpy(x->rest + have, p, n);
		p += n;
		len -= n;
		if (have + n < STRIPE)
			return;
		stripe(x->lane, x->rest);
	}
	for (; len >= STRIPE; p += STRIPE, len -= STRIPE)
		stripe(x->lane, p);
	if (len)
		memcpy(x->rest, p, len);
}

static u64 join_lanes(const u64 *lane)
{
	u64 h = rol(lane[0], 1) + rol(lane[1], 7) + rol(lane[2], 12) + rol(lane[3], 18);

	for (int i = 0; i < 4; i++)
		h = (h ^ mix(0, lane[i])) * P1 + P4;
	return h;
}

uint64_t redo_xxh64_sum(const struct redo_xxh64 *x)
{
	const u8 *p = x->rest, *end = p + x->len % STRIPE;
	u64 h = x->len >= STRIPE ? join_lanes(x->lane) : P5;

	h += x->len;
	for (; end - p >= 8; p += 8)
		h = rol(h ^ mix(0, read64(p)), 27) * P1 + P4;
	for (; end - p >= 4; p += 4)
		h = rol(h ^ read32(p) * P1, 23) * P2 + P3;
	for (; p < end; p++)
		h = rol(h ^ *p * P5, 11) * P1;
	h = (h ^ h >> 33) * P2;
	h = (h ^ h >> 29) * P3;
	return h ^ h >> 32;
}
