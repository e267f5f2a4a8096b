// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "cbt.h"
#include "promises.h"

#define IDS_MAX	(TRACE_IDS_MAX + AFTERLIFE_ROUNDS)

/* An id that the user has. */
struct promise {
	u64 number;
	bool in_doubt;			/* may be stale */
	bool old;			/* if it is not in the list any more */
	const struct trace_id *id;	/* or */
	const struct afterlife_id *later;
};

struct asked {
	struct checker *c;
	const struct afterlife *life;
	struct promise promise[IDS_MAX];
	u32 nr;
	char uuid[37];
	u8 *changed;
	u32 count;
};

static void collect(struct asked *a, const struct moment *m, bool full)
{
	const struct trace *t = a->c->trace;
	u32 i;

	for (i = 0; i < t->nr_ids; i++)
		if (m->id_known[i])
			a->promise[a->nr++] = (struct promise){
				.number = t->id[i].number, .id = &t->id[i],
				.old = full,
				.in_doubt = t->id[i].doubted != TRACE_NEVER &&
					    t->id[i].doubted <= m->now,
			};
	for (i = 0; a->life && i < a->life->nr_ids; i++)
		if (a->life->id[i].round <= a->life->round)
			a->promise[a->nr++] = (struct promise){
				.number = a->life->id[i].number, .later = &a->life->id[i],
				.old = full,
			};
}

/* All that may have been there; 0: too much to say. */
static u32 held(const struct asked *a, const struct promise *p, u64 sector, u64 *gens)
{
	if (p->id)
		return history_all_at_id(a->c->history, p->id, sector, gens);
	gens[0] = afterlife_at_id(a->life, p->later, sector);
	return 1;
}

/* Is nothing of the one in the other? */
static bool disjoint(const u64 *a, u32 n, const u64 *b, u32 m)
{
	u32 i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < m; k++)
			if (a[i] == b[k])
				return false;
	return n && m;
}

static void say_records(const struct asked *a)
{
	struct cbt_list l;
	u32 i;

	if (cbt_list(a->c->live, &l))
		return;
	fprintf(stderr, "  records:");
	for (i = 0; i < l.nr; i++)
		fprintf(stderr, " %llu-%llu", (unsigned long long)l.record[i].first,
			(unsigned long long)l.record[i].number);
	fprintf(stderr, "\n");
	cbt_list_free(&l);
}

__attribute__((noreturn))
static void wrong(const struct asked *a, const struct promise *from, const struct promise *to,
		  const char *what)
{
	fprintf(stderr, "tracking: %s\n", dmdev_status(a->c->live));
	say_records(a);
	die("from change id %llu to %llu (0: now): %s", (unsigned long long)from->number,
	    to ? (unsigned long long)to->number : 0, what);
}

static void missed(const struct asked *a, const struct promise *from, const struct promise *to,
		   u64 sector, u64 before, u64 after)
{
	char *what = xasprintf("sector %llu has changed from generation %llu to %llu, which is missed",
			       (unsigned long long)sector, (unsigned long long)before,
			       (unsigned long long)after);

	if (from->id)
		fprintf(stderr, "  that id: clock %llu to %llu, branch %u, delta %d\n",
			(unsigned long long)from->id->begin, (unsigned long long)from->id->end,
			from->id->branch, from->id->delta);
	history_print(a->c->history, sector);
	wrong(a, from, to, what);
}

static void compare(const struct asked *a, const struct promise *from, const struct promise *to)
{
	u64 before[HISTORY_ID_MAX], after[HISTORY_ID_MAX], s;
	u64 sectors = a->c->trace->layout.base_sectors;

	for (s = 0; s < sectors; s++) {
		u32 n, m = 1;

		if (a->changed[s])
			continue;
		n = held(a, from, s, before);
		if (to)
			m = held(a, to, s, after);
		else
			after[0] = a->c->content[s];
		if (disjoint(before, n, after, m))
			missed(a, from, to, s, before[0], after[0]);
	}
}

/* Where there is no space the oldest may go at any time. */
static bool may_be_stale(const struct asked *a, const struct promise *p)
{
	struct cbt_list l;
	bool gone;

	if (p->in_doubt || !p->old)
		return p->in_doubt;
	if (cbt_list(a->c->live, &l))
		die("no list of change ids");
	gone = p->number < l.record[0].first;
	cbt_list_free(&l);
	return gone;
}

static void ask(struct asked *a, const struct promise *from, const struct promise *to)
{
	char names[2][CBT_ID_SIZE];
	int r;

	cbt_id(names[0], a->uuid, from->number);
	if (to)
		cbt_id(names[1], a->uuid, to->number);
	r = cbt_query(a->c->live, names[0], to ? names[1] : NULL, 0,
		      a->c->trace->layout.base_sectors, a->changed);
	a->count++;
	if (r == ESTALE && (may_be_stale(a, from) || (to && may_be_stale(a, to))))
		return;
	if (r)
		wrong(a, from, to, strerror(r));
	compare(a, from, to);
}

/* Nothing but tracking at work will do: no cut breaks it. */
static void look_at_state(struct asked *a)
{
	cbt_settled(a->c->live);
	if (strcmp(cbt_state(a->c->live), "ok"))
		die("tracking is not ok: %s", dmdev_status(a->c->live));
	snprintf(a->uuid, sizeof(a->uuid), "%.36s", cbt_now(a->c->live));
}

static void must_be_unknown(struct asked *a)
{
	const char *slash = strchr(cbt_now(a->c->live), '/');
	char id[CBT_ID_SIZE];
	int r;

	cbt_id(id, a->uuid, strtoull(slash + 1, NULL, 10) + 1);
	r = cbt_query(a->c->live, id, NULL, 0, a->c->trace->layout.base_sectors, a->changed);
	if (r != ENOENT)
		die("change id %s, which was never given: %s", id, strerror(r));
}

u32 promises_check(struct checker *c, const struct moment *m, const struct afterlife *life,
		   bool full)
{
	struct asked a = { .c = c, .life = life };
	u32 i;

	if (!c->stack.store)
		return 0;
	a.changed = xmalloc(c->trace->layout.base_sectors);
	collect(&a, m, full);
	look_at_state(&a);
	must_be_unknown(&a);
	for (i = 0; i < a.nr; i++) {
		ask(&a, &a.promise[i], NULL);
		if (i)
			ask(&a, &a.promise[i - 1], &a.promise[i]);
	}
	free(a.changed);
	return a.count;
}
