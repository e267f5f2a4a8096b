// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "rng.h"
#include "selftest.h"
#include "tracker.h"

#define SECTORS	509
#define STEPS	60
#define ROUNDS	200

static struct test {
	struct rng rng;
	struct tracker *t;
	struct cbt_list list;
	u32 content[SECTORS], gen;
	u8 right[SECTORS], changed[SECTORS];
	u32 misses, more, good;
} test;

/* As a kernel would that does it all well: epochs, with those that reverts ask for. */
static void add_epochs(u64 from, u64 to)
{
	const struct tracker *t = test.t;
	u64 i, s, b;

	for (i = from; i <= to; i++) {
		for (s = 0; s < SECTORS; s++) {
			b = round_down_to(s, t->block);
			if (t->epoch[i].written[s])
				memset(test.right + b, 1, min_u64(b + t->block, SECTORS) - b);
		}
		if (t->epoch[i].back_to && t->epoch[i].back_to < from)
			add_epochs(t->epoch[i].back_to, from - 1);
	}
}

static const char *judge(u64 from, u64 to)
{
	return tracker_judge(test.t, &test.list, from, to, test.content, SECTORS, true,
			     test.changed);
}

static bool differs(u64 from, u64 to, u64 s)
{
	return test.t->epoch[from].image[s] !=
	       (to ? test.t->epoch[to].image[s] : test.content[s]);
}

/* Whatever is done to the answer at sector @s is seen, or is not wrong. */
static void one_sector(u64 from, u64 to, u64 s)
{
	bool wrong;

	memcpy(test.changed, test.right, SECTORS);
	test.changed[s] = !test.changed[s];
	wrong = test.changed[s] || differs(from, to, s);
	if (!judge(from, to) == wrong)
		die("self-test: sector %llu %s from %llu to %llu: %s", (unsigned long long)s,
		    test.changed[s] ? "too many" : "missed", (unsigned long long)from,
		    (unsigned long long)to, wrong ? "not seen" : "refused");
	if (wrong && test.changed[s])
		test.more++;
	else if (wrong)
		test.misses++;
}

static void question(u64 from, u64 to)
{
	const char *wrong;
	u64 s;

	memset(test.right, 0, SECTORS);
	add_epochs(from, to ? to - 1 : test.t->current);
	memcpy(test.changed, test.right, SECTORS);
	wrong = judge(from, to);
	if (wrong)
		die("self-test: a right answer is refused: %s", wrong);
	test.good++;
	for (s = rng_below(&test.rng, 16); s < SECTORS; s += 1 + rng_below(&test.rng, 32))
		one_sector(from, to, s);
}

static void write_some(void)
{
	u64 from = rng_below(&test.rng, SECTORS), s;
	u64 to = min_u64(SECTORS, from + 1 + rng_below(&test.rng, 20));

	tracker_wrote(test.t, from, to);
	test.gen++;
	/* Writing what is there already changes nothing, but may be said. */
	for (s = from; rng_percent(&test.rng, 90) && s < to; s++)
		test.content[s] = test.gen;
}

static void revert(void)
{
	u64 to = rng_between(&test.rng, 1, test.t->current);

	memcpy(test.content, test.t->epoch[to].image, sizeof(test.content));
	tracker_reverts(test.t, to, to, true);
	tracker_begin(test.t, test.content, NULL, SECTORS);
}

static void list_all(void)
{
	u64 i;

	test.list.record = xrealloc(test.list.record, test.t->current * sizeof(*test.list.record));
	for (i = 0; i < test.t->current; i++)
		test.list.record[i].first = test.list.record[i].number = i + 1;
	test.list.nr = test.t->current;
}

static void one_round(u64 seed)
{
	u64 from, to;
	u32 i;

	rng_init(&test.rng, seed, 0);
	memset(test.content, 0, sizeof(test.content));
	test.t = tracker_new(NULL, SECTORS, 1U << rng_below(&test.rng, 6), false);
	tracker_begin(test.t, test.content, NULL, SECTORS);
	for (i = 0; i < STEPS; i++) {
		u64 pick = rng_below(&test.rng, 10);

		if (pick < 7)
			write_some();
		else if (pick < 9)
			tracker_begin(test.t, test.content, NULL, SECTORS);
		else
			revert();
	}
	list_all();
	for (from = 1; from <= test.t->current; from++) {
		question(from, 0);
		to = rng_between(&test.rng, from, test.t->current);
		if (to > from)
			question(from, to);
	}
	tracker_free(test.t);
}

void self_test(void)
{
	u64 seed;

	for (seed = 1; seed <= ROUNDS; seed++)
		one_round(seed);
	free(test.list.record);
	if (!test.misses || !test.more)
		die("self-test: nothing was wrong");
	printf("redo-model: self-test: %u right answers taken, %u misses and %u blocks too many seen\n",
	       test.good, test.misses, test.more);
}
