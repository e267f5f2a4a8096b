// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "tracker.h"

struct tracker *tracker_new(struct lower *store, u64 sectors_max, u32 block, bool small)
{
	struct tracker *t = xcalloc(1, sizeof(*t));
	static unsigned int nr;

	t->nr = ++nr;
	t->store = store;
	t->sectors_max = sectors_max;
	t->block = block;
	t->small = small;
	t->fresh = true;
	t->epoch = xcalloc(1, sizeof(*t->epoch));
	return t;
}

static void forget_image(struct epoch *e)
{
	free(e->image);
	free(e->maybe);
	e->image = e->maybe = NULL;
}

void tracker_free(struct tracker *t)
{
	u64 i;

	for (i = 1; i <= t->current; i++) {
		forget_image(&t->epoch[i]);
		free(t->epoch[i].written);
		free(t->epoch[i].must);
	}
	free(t->epoch);
	free(t);
}

static u32 *copy(const struct tracker *t, const u32 *content)
{
	u32 *to;

	if (!content)
		return NULL;
	to = xmalloc(t->sectors_max * sizeof(*to));
	memcpy(to, content, t->sectors_max * sizeof(*to));
	return to;
}

void tracker_begin(struct tracker *t, const u32 *image, const u32 *maybe, u64 sectors)
{
	struct epoch *e;

	t->epoch = xrealloc(t->epoch, (++t->current + 1) * sizeof(*t->epoch));
	e = &t->epoch[t->current];
	memset(e, 0, sizeof(*e));
	e->image = copy(t, image);
	e->maybe = copy(t, maybe);
	e->sectors = sectors;
	e->written = xcalloc(t->sectors_max, 1);
}

void tracker_wrote(struct tracker *t, u64 from, u64 to)
{
	memset(t->epoch[t->current].written + from, 1, to - from);
}

void tracker_grew(struct tracker *t, u64 from, u64 to)
{
	struct epoch *e = &t->epoch[t->current];

	if (!e->must)
		e->must = xcalloc(t->sectors_max, 1);
	memset(e->must + from, 1, to - from);
	tracker_wrote(t, from, to);
}

void tracker_reverts(struct tracker *t, u64 to, u64 low, bool sure)
{
	t->epoch[t->current].back_to = to;
	t->epoch[t->current].back_low = low;
	t->epoch[t->current].vague |= !to;	/* the kernel may know more, and say so */
	/* Of what is forgotten nothing can be added. */
	if (!to || !sure || t->epoch[low].state != ID_ASKED)
		tracker_doubt(t, t->current);
}

void tracker_vague(struct tracker *t)
{
	t->epoch[t->current].vague = true;
}

void tracker_doubt(struct tracker *t, u64 upto)
{
	u64 i;

	for (i = 1; i <= upto; i++)
		if (t->epoch[i].state == ID_ASKED)
			t->epoch[i].state = ID_IN_DOUBT;
}

/* What a revert went back to has gone with @id and before: its epochs' ids may follow. */
static void doubt_reverts(struct tracker *t, u64 id)
{
	u64 i;

	for (i = 1; i < t->current; i++)
		if (t->epoch[i].back_to && t->epoch[i].back_low <= id)
			tracker_doubt(t, i);
}

void tracker_forget(struct tracker *t, u64 id, bool dropped)
{
	forget_image(&t->epoch[id]);
	if (!dropped)
		return;
	t->epoch[id].state = ID_DROPPED;
	doubt_reverts(t, id);
}

u64 tracker_some_id(const struct tracker *t, struct rng *rng, unsigned int least)
{
	unsigned int count = 0;
	u64 i, found = 0;

	for (i = 1; i <= t->current; i++)
		if (tracker_asks(t, i) && !rng_below(rng, ++count))
			found = i;
	return count >= least ? found : 0;
}

/* --- what must be in an answer --- */

static bool held(const struct epoch *e, u64 sector, u32 gen)
{
	return e->image[sector] == gen || (e->maybe && e->maybe[sector] == gen);
}

static bool must_differ(const struct tracker *t, u64 from, u64 to, const u32 *now, u64 sector)
{
	const struct epoch *a = &t->epoch[from], *b = &t->epoch[to];

	if (sector >= a->sectors)
		return true;
	if (now)
		return !held(a, sector, now[sector]);
	return !held(a, sector, b->image[sector]) &&
	       !(b->maybe && held(a, sector, b->maybe[sector]));
}

static const char *miss(const struct tracker *t, u64 from, u64 to, const u32 *now, u64 sectors,
			const u8 *changed)
{
	u64 end = to ? to - 1 : t->current, s, i;
	static char text[200];

	if (to)
		sectors = min_u64(sectors, t->epoch[to].sectors);
	for (s = 0; s < sectors; s++) {
		bool must = must_differ(t, from, to, now, s);

		for (i = from; !must && i <= end; i++)
			must = t->epoch[i].must && t->epoch[i].must[s];
		if (!must || changed[s])
			continue;
		snprintf(text, sizeof(text),
			 "a change is missed: sector %llu, generation %u, then %u",
			 (unsigned long long)s, t->epoch[from].image[s],
			 now ? now[s] : t->epoch[to].image[s]);
		return text;
	}
	return NULL;
}

/* --- what may be in it --- */

/* Whole records, since what was joined answers for all of it. */
static void add_records(const struct cbt_list *l, u8 *in, u64 from, u64 to)
{
	u64 i;
	u32 k;

	for (k = 0; k < l->nr; k++) {
		if (l->record[k].number < from || l->record[k].first > to)
			continue;
		for (i = l->record[k].first; i <= l->record[k].number; i++)
			in[i] = 1;
	}
}

static u64 count(const u8 *in, u64 n)
{
	u64 sum = 0;

	while (n--)
		sum += in[n];
	return sum;
}

static void add_reverts(const struct tracker *t, const struct cbt_list *l, u8 *in)
{
	u64 i, before;

	do {
		before = count(in, t->current + 1);
		for (i = 1; i <= t->current; i++)
			if (in[i] && t->epoch[i].back_to)
				add_records(l, in, t->epoch[i].back_low, i);
	} while (count(in, t->current + 1) != before);
}

static u8 *epochs_of(const struct tracker *t, const struct cbt_list *l, u64 from, u64 to)
{
	u8 *in = xcalloc(t->current + 2, 1);

	add_records(l, in, from, to ? to - 1 : t->current);
	add_reverts(t, l, in);
	return in;
}

/* The blocks that have a sector written to; false: nobody knows. */
static bool may_change(const struct tracker *t, const u8 *in, u8 *may)
{
	u64 i, s, from;

	for (i = 1; i <= t->current; i++) {
		if (!in[i])
			continue;
		if (t->epoch[i].vague)
			return false;
		for (s = 0; s < t->sectors_max; s++) {
			if (!t->epoch[i].written[s])
				continue;
			from = round_down_to(s, t->block);
			memset(may + from, 1, min_u64(from + t->block, t->sectors_max) - from);
			s = from + t->block - 1;
		}
	}
	return true;
}

static const char *excess(const struct tracker *t, const u8 *in, u64 sectors,
			  const u8 *changed)
{
	u8 *may = xcalloc(t->sectors_max, 1);
	const char *found = NULL;
	static char text[200];
	u64 s;

	if (may_change(t, in, may)) {
		for (s = 0; s < sectors; s++) {
			if (!changed[s] || may[s])
				continue;
			snprintf(text, sizeof(text), "sector %llu was not written to",
				 (unsigned long long)s);
			found = text;
			break;
		}
	}
	free(may);
	return found;
}

const char *tracker_judge(const struct tracker *t, const struct cbt_list *l, u64 from, u64 to,
			  const u32 *now, u64 sectors, bool exact, const u8 *changed)
{
	const char *wrong = miss(t, from, to, to ? NULL : now, sectors, changed);
	u8 *in;

	if (wrong || !exact)
		return wrong;
	in = epochs_of(t, l, from, to);
	wrong = excess(t, in, sectors, changed);
	free(in);
	return wrong;
}
