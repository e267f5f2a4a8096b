// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The order in which a journal takes grains of the device into use: each of them
 * has to be free at that moment, as the kernel demands when it replays. A record
 * frees what its logical grains were mapped to before. What records mapped is
 * followed here, record after record. What the trees map is too much for that:
 * of it only the first record counts that frees it, and the first that takes it.
 */
#include <search.h>
#include <stdlib.h>
#include "redo-int.h"

/* Runs that overlap compare as equal: those in a tree never do among themselves. */
static int compare(u64 a, u64 a_len, u64 b, u64 b_len)
{
	if (a + a_len <= b)
		return -1;
	return b + b_len <= a;
}

static int by_logical(const void *a, const void *b)
{
	const struct redo_extent *x = a, *y = b;

	return compare(x->logical, x->len, y->logical, y->len);
}

static int by_phys(const void *a, const void *b)
{
	const struct redo_extent *x = a, *y = b;

	return compare(x->phys, x->len, y->phys, y->len);
}

static int insert(struct redo_claims *c, u64 logical, u64 phys, u64 len)
{
	struct redo_extent *p = malloc(sizeof(*p));

	if (!p)
		return redo_err(ENOMEM, "out of memory");
	*p = (struct redo_extent){
		.logical = logical, .phys = phys, .len = len, .type = REDO_REC_MAP };
	if (!tsearch(p, &c->by_phys, by_phys)) {
		free(p);
		return redo_err(ENOMEM, "out of memory");
	}
	if (!tsearch(p, &c->by_logical, by_logical))
		return redo_err(ENOMEM, "out of memory");	/* redo_claims_free() frees it */
	c->mapped += len;
	return 0;
}

/* The grains of @e get another state: what they were mapped to is free. */
static int cut(struct redo_claims *c, const struct redo_extent *e)
{
	u64 end = e->logical + e->len;
	void *found;
	int r = 0;

	while (!r && (found = tfind(e, &c->by_logical, by_logical))) {
		struct redo_extent *p = *(struct redo_extent **)found, old = *p;
		u64 old_end = old.logical + old.len;

		tdelete(p, &c->by_logical, by_logical);
		tdelete(p, &c->by_phys, by_phys);
		free(p);
		c->mapped -= old.len;
		if (old.logical < e->logical)
			r = insert(c, old.logical, old.phys, e->logical - old.logical);
		if (!r && old_end > end)
			r = insert(c, end, old.phys + (end - old.logical), old_end - end);
	}
	return r;
}

/* A run of either kind of grain, and when: the place of the time is .phys. */
static int note(struct redo_extents *x, u64 first, u64 len, u64 time)
{
	struct redo_extent e = {
		.logical = first, .len = len, .phys = time, .type = REDO_REC_ZERO };

	return redo_extents_add(x, &e);
}

int redo_claims_add(struct redo_claims *c, const struct redo_extent *e)
{
	bool map = e->type == REDO_REC_MAP;
	u64 time = c->records++;
	int r;

	if (map && tfind(e, &c->by_phys, by_phys))
		return -EEXIST;
	r = note(&c->freed, e->logical, e->len, time);
	if (!r && map)
		r = note(&c->taken, e->phys, e->len, time);
	if (!r)
		r = cut(c, e);
	if (!r && map)
		r = insert(c, e->logical, e->phys, e->len);
	return r;
}

/* redo_extents_settle() lets the later one win, and here it is the earlier one. */
static int first_wins(struct redo_extents *x)
{
	for (size_t i = 0, k = x->nr; i + 1 < k; i++) {
		struct redo_extent e = x->e[i];

		k--;
		x->e[i] = x->e[k];
		x->e[k] = e;
	}
	return redo_extents_settle(x);
}

int redo_claims_settle(struct redo_claims *c)
{
	int r = first_wins(&c->freed);

	return r ? r : first_wins(&c->taken);
}

static bool when(const struct redo_extents *x, u64 grain, u64 *time)
{
	size_t i = redo_extents_find(x, grain);

	if (i == x->nr || x->e[i].logical > grain)
		return false;
	*time = x->e[i].phys;
	return true;
}

bool redo_claims_allow(const struct redo_claims *c, u64 logical, u64 phys)
{
	u64 taken, freed;

	if (!when(&c->taken, phys, &taken))
		return true;
	return when(&c->freed, logical, &freed) && freed < taken;
}

bool redo_claims_replace(const struct redo_claims *c, u64 logical)
{
	u64 freed;

	return when(&c->freed, logical, &freed);
}

static void keep(void *p __unused)
{
}

void redo_claims_free(struct redo_claims *c)
{
	tdestroy(c->by_logical, keep);
	tdestroy(c->by_phys, free);
	redo_extents_free(&c->freed);
	redo_extents_free(&c->taken);
	memset(c, 0, sizeof(*c));
}
