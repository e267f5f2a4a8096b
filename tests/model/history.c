// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "history.h"

static void count_ops(struct history *h)
{
	const struct trace *t = h->trace;
	u64 g, s, n = t->layout.base_sectors;

	for (g = 1; g < t->nr_ops; g++)
		for (s = t->op[g].from; s < t->op[g].to; s++)
			h->first[s + 1]++;
	for (s = 0; s < n; s++)
		h->first[s + 1] += h->first[s];
}

void history_build(struct history *h, const struct trace *t)
{
	u64 n = t->layout.base_sectors, g, s;
	u32 *fill;

	h->trace = t;
	h->first = xcalloc(n + 1, sizeof(u32));
	count_ops(h);
	h->ops = xcalloc(h->first[n], sizeof(u32));
	fill = xmalloc(n * sizeof(u32));
	memcpy(fill, h->first, n * sizeof(u32));
	for (g = 1; g < t->nr_ops; g++)
		for (s = t->op[g].from; s < t->op[g].to; s++)
			h->ops[fill[s]++] = g;
	free(fill);
}

void history_free(struct history *h)
{
	free(h->first);
	free(h->ops);
}

static u64 value(const struct trace *t, u32 g)
{
	return t->op[g].kind == TRACE_WRITE ? g : 0;
}

/*
 * The oldest operation of @sector that may have made what the point holds; what
 * follows the point cannot go back behind it. 0: there is none.
 */
static u32 point_op(const struct history *h, const struct trace_delta *p, u64 sector)
{
	const struct trace *t = h->trace;
	u32 i, found = 0;

	for (i = h->first[sector + 1]; i-- > h->first[sector]; ) {
		u32 g = h->ops[i];

		if (t->op[g].branch != p->branch || t->op[g].submit >= p->end)
			continue;
		if (value(t, g) == p->content[sector])
			found = g;
		if (t->op[g].complete < p->begin)
			break;
	}
	return found;
}

/* Does delta @i show at @sector what its branch began with? */
static bool in_first_point(const struct trace *t, u32 i, u64 sector)
{
	u32 k;

	for (k = 0; k < i; k++)
		if (t->delta[k].first && t->delta[k].branch == t->delta[i].branch)
			return t->delta[k].content[sector] == t->delta[i].content[sector];
	return false;
}

void history_check_points(const struct history *h)
{
	const struct trace *t = h->trace;
	u32 i;
	u64 s;

	for (i = 0; i < t->nr_deltas; i++) {
		if (t->delta[i].first)
			continue;
		for (s = 0; s < t->layout.base_sectors; s++)
			if (!point_op(h, &t->delta[i], s) && !in_first_point(t, i, s)) {
				history_print(h, s);
				die("snapshot point %u: sector %llu held generation %u when it was taken",
				    i, (unsigned long long)s, t->delta[i].content[s]);
			}
	}
}

static bool durable(const struct trace *t, const struct moment *m, u32 g)
{
	return t->op[g].complete < m->flushed[t->op[g].chain] || m->fua[g];
}

bool history_may_hold(const struct history *h, const struct moment *m, u64 sector,
		      u64 gen, int top, u64 *expected)
{
	const struct trace *t = h->trace;
	const struct trace_delta *d = top == TRACE_BASE ? NULL : &t->delta[top];
	u32 below = d && !d->first ? point_op(h, d, sector) : 0, i;

	*expected = 0;
	for (i = h->first[sector + 1]; i-- > h->first[sector]; ) {
		u32 g = h->ops[i];

		if (t->op[g].branch != (d ? d->branch : 0) || t->op[g].submit > m->now)
			continue;
		*expected = value(t, g);
		if (value(t, g) == gen)
			return true;
		if (g == below || durable(t, m, g))
			return false;
	}
	if (!d || !d->content)
		return false;
	/* Nothing in this branch wrote to it before the point. */
	*expected = d->content[sector];
	return gen == d->content[sector];
}

/* What the branch began with. */
static u64 first_of_branch(const struct trace *t, u32 branch, u64 sector)
{
	u32 i;

	for (i = 0; i < t->nr_deltas; i++)
		if (t->delta[i].first && t->delta[i].branch == branch)
			return t->delta[i].content[sector];
	return 1;
}

u32 history_all_at_id(const struct history *h, const struct trace_id *id, u64 sector, u64 *gens)
{
	const struct trace *t = h->trace;
	u32 i, n = 0;

	if (id->delta != TRACE_BASE) {
		gens[0] = t->delta[id->delta].content[sector];
		return 1;
	}
	for (i = h->first[sector + 1]; i-- > h->first[sector]; ) {
		u32 g = h->ops[i];

		if (t->op[g].branch != id->branch || t->op[g].submit >= id->end)
			continue;
		if (n == HISTORY_ID_MAX)
			return 0;
		gens[n++] = value(t, g);
		if (t->op[g].complete < id->begin)
			return n;
	}
	if (n == HISTORY_ID_MAX)
		return 0;
	gens[n++] = first_of_branch(t, id->branch, sector);
	return n;
}

bool history_at_id(const struct history *h, const struct trace_id *id, u64 sector, u64 gen)
{
	u64 gens[HISTORY_ID_MAX];
	u32 n = history_all_at_id(h, id, sector, gens), i;

	for (i = 0; i < n; i++)
		if (gens[i] == gen)
			return true;
	return !n;
}

static bool emptied_since(const struct history *h, u64 sector, u64 gen, u64 now, bool discards)
{
	const struct trace_op *op;
	u32 i;

	for (i = h->first[sector + 1]; i-- > h->first[sector] && h->ops[i] > gen; ) {
		op = &h->trace->op[h->ops[i]];
		if (op->submit <= now &&
		    (op->kind == TRACE_ZERO || (discards && op->kind == TRACE_DISCARD)))
			return true;
	}
	return false;
}

bool history_zeroed_since(const struct history *h, u64 sector, u64 gen, u64 now)
{
	return emptied_since(h, sector, gen, now, false);
}

bool history_freed_since(const struct history *h, u64 sector, u64 gen, u64 now)
{
	return emptied_since(h, sector, gen, now, true);
}

void history_print(const struct history *h, u64 sector)
{
	static const char * const names[] = { "write", "zero", "discard" };
	const struct trace *t = h->trace;
	u32 i;

	fprintf(stderr, "  operations on sector %llu:\n", (unsigned long long)sector);
	for (i = h->first[sector]; i < h->first[sector + 1]; i++) {
		const struct trace_op *op = &t->op[h->ops[i]];

		fprintf(stderr, "    generation %u, branch %u: %s%s %llu+%llu, clock %llu to %lld\n",
			h->ops[i], op->branch, op->fua ? "FUA " : "", names[op->kind],
			(unsigned long long)op->from, (unsigned long long)(op->to - op->from),
			(unsigned long long)op->submit, (long long)op->complete);
	}
	for (i = 0; i < t->nr_deltas; i++)
		fprintf(stderr, "    delta %u of branch %u: clock %llu to %llu, on generation %u\n",
			i, t->delta[i].branch, (unsigned long long)t->delta[i].begin,
			(unsigned long long)t->delta[i].end, t->delta[i].content[sector]);
}
