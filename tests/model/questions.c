// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "oplog.h"
#include "questions.h"

static const char foreign[] = "01234567-89ab-4def-8123-456789abcdef";

/* One chain, while it is asked. */
struct asker {
	struct forest *f;
	struct chain *c;
	struct tracker *t;
	struct cbt_list list;
	u8 *changed, *part;
};

static void now_is(const struct chain *c, const char *state)
{
	if (strcmp(cbt_state(c->dm), state))
		die("%s: tracking is not %s after %s: %s", c->name, state, oplog_where(),
		    dmdev_status(c->dm));
}

void questions_id(struct chain *c)
{
	struct tracker *t = c->tracker;
	const char *now = cbt_now(c->dm);
	char id[CBT_ID_SIZE];

	if (t->fresh) {
		if (strlen(now) < 38)
			die("%s: no change id after %s: %s", c->name, oplog_where(),
			    dmdev_status(c->dm));
		snprintf(t->uuid, sizeof(t->uuid), "%.36s", now);
		t->fresh = false;
	}
	cbt_id(id, t->uuid, t->current);
	if (strcmp(id, now))
		die("%s: the change id is %s after %s, expected %s", c->name, now,
		    oplog_where(), id);
}

/* --- one question --- */

static const char *id_name(const struct asker *a, u64 id, char name[CBT_ID_SIZE])
{
	if (!id)
		return "now";
	cbt_id(name, a->t->uuid, id);
	return name;
}

static int query(struct asker *a, u64 from, u64 to, u64 start, u64 sectors, u8 *changed)
{
	char names[2][CBT_ID_SIZE];

	return cbt_query(a->c->dm, id_name(a, from, names[0]), id_name(a, to, names[1]), start,
			 sectors, changed);
}

__attribute__((noreturn))
static void wrong(const struct asker *a, u64 from, u64 to, const char *what)
{
	u32 i;

	fprintf(stderr, "%s: tracker %u%s, blocks of %u sectors, current %llu; records:", a->c->name,
		a->t->nr, a->t->small ? " (small)" : "", a->t->block,
		(unsigned long long)a->t->current);
	for (i = 0; i < a->list.nr; i++)
		fprintf(stderr, " %llu-%llu", (unsigned long long)a->list.record[i].first,
			(unsigned long long)a->list.record[i].number);
	fprintf(stderr, "; reverts:");
	for (i = 1; i <= a->t->current; i++)
		if (a->t->epoch[i].back_to)
			fprintf(stderr, " %u to %llu", i,
				(unsigned long long)a->t->epoch[i].back_to);
	fprintf(stderr, "\n  %s\n", dmdev_status(a->c->dm));
	die("%s: from id %llu to %llu (0: now): %s, in %s", a->c->name,
	    (unsigned long long)from, (unsigned long long)to, what, oplog_where());
}

static void check_list(struct asker *a)
{
	int r = cbt_list(a->c->dm, &a->list);

	if (r)
		die("%s: cbt_list: %s, in %s", a->c->name, strerror(r), oplog_where());
	if (strcmp(a->list.uuid, a->t->uuid) || a->list.block != a->t->block ||
	    a->list.current != a->t->current)
		die("%s: cbt_list says %s, %u, %llu in %s", a->c->name, a->list.uuid,
		    a->list.block, (unsigned long long)a->list.current, oplog_where());
}

static bool has_reverted(const struct tracker *t)
{
	u64 i;

	for (i = 1; i < t->current; i++)
		if (t->epoch[i].back_to)
			return true;
	return false;
}

/*
 * Where there is no space the oldest may go at any time; those that are in the list are
 * answered, if what a revert went back to has not gone.
 */
static bool may_be_stale(struct asker *a, u64 id)
{
	if (!id || a->t->epoch[id].state != ID_ASKED)
		return id;
	if (!a->t->small)
		return false;
	cbt_list_free(&a->list);
	check_list(a);
	return id < a->list.record[0].first || has_reverted(a->t);
}

static void explain_miss(const struct asker *a, const char *what)
{
	const char *at = strstr(what, "sector ");

	if (at)
		oplog_print_history(strtoull(at + 7, NULL, 10), 8);
}

static void ask_pair(struct asker *a, u64 from, u64 to)
{
	u64 sectors = a->f->opt.sectors;
	const char *what;
	int r;

	if (to)
		sectors = min_u64(sectors, a->t->epoch[to].sectors);
	r = query(a, from, to, 0, sectors, a->changed);
	if (r == ESTALE && (may_be_stale(a, from) || may_be_stale(a, to)))
		return;
	if (r)
		wrong(a, from, to, strerror(r));
	what = tracker_judge(a->t, &a->list, from, to, a->c->content, sectors, true, a->changed);
	if (what && a->t->small) { /* some may have been joined since the list was read */
		cbt_list_free(&a->list);
		check_list(a);
		what = tracker_judge(a->t, &a->list, from, to, a->c->content, sectors, true,
				     a->changed);
	}
	if (what) {
		explain_miss(a, what);
		wrong(a, from, to, what);
	}
	a->f->pairs++;
}

/* A part of the range gives a part of the answer. */
static void ask_part(struct asker *a, u64 from, u64 to)
{
	u64 size = a->f->opt.sectors, start = rng_below(&a->f->rng, size);
	u64 sectors = 1 + rng_below(&a->f->rng, size - start);

	if (query(a, from, to, 0, size, a->changed))
		return;
	if (query(a, from, to, start, sectors, a->part))
		wrong(a, from, to, "a part was refused");
	if (memcmp(a->changed + start, a->part, sectors))
		wrong(a, from, to, "a part is not that part of the whole");
}

/* --- all of them --- */

/* Ids before the first record are no more. */
static void look_for_gone(struct asker *a)
{
	u64 i;

	for (i = 1; i < a->list.record[0].first; i++) {
		struct epoch *e = &a->t->epoch[i];

		if (e->state == ID_ASKED && e->image && !a->t->small)
			wrong(a, i, 0, "the list has lost it");
		e->state = ID_GONE;
	}
}

static void ask_pairs(struct asker *a)
{
	struct tracker *t = a->t;
	u64 i, k;

	for (i = 1; i <= t->current; i++) {
		if (!tracker_asks(t, i))
			continue;
		ask_pair(a, i, 0);
		for (k = i + 1; k <= t->current; k++)
			if (tracker_asks(t, k))
				ask_pair(a, i, k);
	}
}

static void refused(struct asker *a, const char *from, const char *to, u64 sectors, int err)
{
	int r = cbt_query(a->c->dm, from, to, 0, sectors, a->changed);

	if (r != err)
		die("%s: the question from %s to %s is answered by \"%s\" instead of \"%s\" in %s",
		    a->c->name, from, to ? to : "now", strerror(r), strerror(err),
		    oplog_where());
}

static void ask_wrongly(struct asker *a)
{
	u64 sectors = a->f->opt.sectors, i;
	struct tracker *t = a->t;
	char id[CBT_ID_SIZE], now[CBT_ID_SIZE];

	cbt_id(now, t->uuid, t->current);
	cbt_id(id, foreign, rng_between(&a->f->rng, 1, t->current + 1));
	refused(a, id, NULL, sectors, EXDEV);
	cbt_id(id, t->uuid, t->current + 1 + rng_below(&a->f->rng, 3));
	refused(a, id, NULL, sectors, ENOENT);
	refused(a, now, NULL, sectors + 1, ERANGE);
	for (i = 1; i < t->current; i++) {
		cbt_id(id, t->uuid, i);
		if (t->epoch[i].state == ID_GONE)
			refused(a, id, NULL, sectors, ESTALE);
		else if (t->epoch[i].state == ID_DROPPED && !t->small)
			refused(a, id, NULL, sectors, ESTALE);
		else if (t->epoch[i].state == ID_ASKED && !t->small)
			refused(a, now, id, sectors, EINVAL);
	}
	if (a->c->uuid_before[0]) {
		cbt_id(id, a->c->uuid_before, 1);
		refused(a, id, NULL, sectors, EXDEV);
	}
}

static void ask_untracked(struct asker *a)
{
	char id[CBT_ID_SIZE];

	now_is(a->c, "off");
	cbt_id(id, a->c->uuid_before[0] ? a->c->uuid_before : foreign, 1);
	refused(a, id, NULL, a->f->opt.sectors, ENODATA);
}

void questions_ask(struct forest *f, struct chain *c)
{
	struct asker a = { .f = f, .c = c, .t = c->tracker };
	u64 some, other;

	if (!f->opt.cbt)
		return;
	a.changed = xmalloc(f->opt.sectors + 1);
	a.part = xmalloc(f->opt.sectors + 1);
	if (a.t) {
		cbt_settled(c->dm);
		now_is(c, "ok");
		questions_id(c);
		check_list(&a);
		look_for_gone(&a);
		ask_pairs(&a);
		some = tracker_some_id(a.t, &f->rng, 1);
		other = tracker_some_id(a.t, &f->rng, 2);
		if (some)
			ask_part(&a, some, other > some ? other : 0);
		ask_wrongly(&a);
		cbt_list_free(&a.list);
	} else {
		ask_untracked(&a);
	}
	free(a.changed);
	free(a.part);
}

/* Its tracker, if a chain still has it. */
static const struct tracker *sealed_by(const struct forest *f, const struct node *n)
{
	unsigned int i;

	for (i = 0; i < FOREST_CHAINS; i++)
		if (f->chain[i].top && f->chain[i].tracker &&
		    f->chain[i].tracker->nr == n->sealed_by)
			return f->chain[i].tracker;
	return NULL;
}

void questions_point(struct forest *f, struct dmdev *view, const struct node *n)
{
	const struct tracker *t = n->sealed_sure && n->parent ? sealed_by(f, n) : NULL;
	char id[CBT_ID_SIZE];

	if (!f->opt.cbt || !t)
		return;
	cbt_id(id, t->uuid, n->sealed_at);
	if (strcmp(cbt_state(view), "point") || strcmp(cbt_now(view), id))
		die("snapshot point %u has the change id %s, in its view's status %s %s, in %s", n->nr,
		    id, cbt_state(view), cbt_now(view), oplog_where());
}
