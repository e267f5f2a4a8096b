// SPDX-License-Identifier: LGPL-2.1-or-later
/* Runs of grains: what a journal says, later records over earlier ones. */
#include <stdlib.h>
#include "redo-int.h"

int redo_extents_add(struct redo_extents *x, const struct redo_extent *e)
{
	if (x->nr == x->cap) {
		size_t cap = x->cap ? x->cap * 2 : 256;
		void *p = realloc(x->e, cap * sizeof(*x->e));

		if (!p)
			return redo_err(ENOMEM, "out of memory");
		x->e = p;
		x->cap = cap;
	}
	x->e[x->nr++] = *e;
	return 0;
}

void redo_extents_free(struct redo_extents *x)
{
	free(x->e);
	memset(x, 0, sizeof(*x));
}

static u64 end_of(const struct redo_extent *e)
{
	return e->logical + e->len;
}

static void cut_front(struct redo_extent *e, u64 to)
{
	u64 n = to - e->logical;

	e->logical = to;
	e->len -= n;
	if (e->type == REDO_REC_MAP)
		e->phys += n;
}

/*
 * Both lists disjoint and in order; @b is later and wins. Each element of @b
 * cuts @a at most once more than there are elements, so the result fits into
 * twice the space: it goes to @out by redo_extents_add().
 */
static int merge(struct redo_extents *out, struct redo_extents *a, struct redo_extents *b)
{
	size_t i = 0, j = 0;
	int r = 0;

	while (!r && (i < a->nr || j < b->nr)) {
		struct redo_extent *ea = i < a->nr ? &a->e[i] : NULL;
		struct redo_extent *eb = j < b->nr ? &b->e[j] : NULL;

		if (!eb || (ea && end_of(ea) <= eb->logical)) {
			r = redo_extents_add(out, ea);
			i++;
		} else if (ea && ea->logical < eb->logical) {
			struct redo_extent head = *ea;

			head.len = eb->logical - ea->logical;
			r = redo_extents_add(out, &head);
			cut_front(ea, eb->logical);
		} else {
			r = redo_extents_add(out, eb);
			while (i < a->nr && end_of(&a->e[i]) <= end_of(eb))
				i++;
			if (i < a->nr && a->e[i].logical < end_of(eb))
				cut_front(&a->e[i], end_of(eb));
			j++;
		}
	}
	return r;
}

static int settle(const struct redo_extent *e, size_t nr, struct redo_extents *out)
{
	struct redo_extents a = { 0 }, b = { 0 };
	int r;

	if (nr <= 1)
		return nr ? redo_extents_add(out, e) : 0;
	r = settle(e, nr / 2, &a);
	if (!r)
		r = settle(e + nr / 2, nr - nr / 2, &b);
	if (!r)
		r = merge(out, &a, &b);
	redo_extents_free(&a);
	redo_extents_free(&b);
	return r;
}

int redo_extents_settle(struct redo_extents *x)
{
	struct redo_extents out = { 0 };
	int r = settle(x->e, x->nr, &out);

	if (r) {
		redo_extents_free(&out);
		return r;
	}
	redo_extents_free(x);
	*x = out;
	return 0;
}

size_t redo_extents_find(const struct redo_extents *x, u64 logical)
{
	size_t lo = 0, hi = x->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (end_of(&x->e[mid]) > logical)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}
