// SPDX-License-Identifier: GPL-2.0
/* The in-flight count: a cookie passes when, and only when, it may. */
#include <linux/cpu.h>
#include <linux/kthread.h>
#include <linux/delay.h>
#include "redo-test.h"
#include "../../kernel/redo-inflight.h"

/* More polls than any number of flips that a cookie may ask for. */
#define POLLS	32

static int redo_test_inflight_init(struct kunit *test)
{
	struct redo_inflight *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	KUNIT_ASSERT_EQ(test, redo_inflight_init(f), 0);
	test->priv = f;
	return 0;
}

static void redo_test_inflight_exit(struct kunit *test)
{
	if (test->priv)
		redo_inflight_exit(test->priv);
}

static bool passes(struct redo_inflight *f, u64 cookie)
{
	int i;

	for (i = 0; i < POLLS; i++)
		if (redo_inflight_passed(f, cookie))
			return true;
	return false;
}

static void redo_inflight_idle(struct kunit *test)
{
	struct redo_inflight *f = test->priv;

	KUNIT_EXPECT_TRUE(test, passes(f, redo_inflight_cookie(f)));
	KUNIT_EXPECT_TRUE(test, passes(f, redo_inflight_cookie(f)));
}

/* Whatever number of flips went before, an I/O inside holds its cookie. */
static void redo_inflight_holds(struct kunit *test)
{
	struct redo_inflight *f = test->priv;
	int flips;

	for (flips = 0; flips < 6; flips++) {
		unsigned int idx;
		u64 cookie;
		int i;

		for (i = 0; i < flips; i++)
			redo_inflight_passed(f, ~0ULL);
		idx = redo_inflight_enter(f);
		cookie = redo_inflight_cookie(f);
		KUNIT_EXPECT_FALSE(test, passes(f, cookie));
		redo_inflight_leave(f, idx);
		KUNIT_EXPECT_TRUE(test, passes(f, cookie));
	}
}

/* One that entered before an older cookie's polls began holds it in the other generation too. */
static void redo_inflight_both_generations(struct kunit *test)
{
	struct redo_inflight *f = test->priv;
	unsigned int first, second;
	u64 cookie;

	first = redo_inflight_enter(f);
	passes(f, ~0ULL);	/* moves on as far as it can */
	second = redo_inflight_enter(f);
	cookie = redo_inflight_cookie(f);
	KUNIT_EXPECT_FALSE(test, passes(f, cookie));
	redo_inflight_leave(f, first);
	KUNIT_EXPECT_FALSE(test, passes(f, cookie));
	redo_inflight_leave(f, second);
	KUNIT_EXPECT_TRUE(test, passes(f, cookie));
}

/* A load that never pauses (one enters before the last leaves) does not hold it for ever. */
static void redo_inflight_progress(struct kunit *test)
{
	struct redo_inflight *f = test->priv;
	unsigned int prev = redo_inflight_enter(f), next;
	u64 cookie = redo_inflight_cookie(f);
	int i;

	for (i = 0; i < POLLS; i++) {
		bool passed;

		next = redo_inflight_enter(f);
		redo_inflight_leave(f, prev);
		prev = next;
		passed = redo_inflight_passed(f, cookie);
		if (passed)
			break;
	}
	KUNIT_EXPECT_LT(test, i, POLLS);
	redo_inflight_leave(f, prev);
}

/* Many inside: the last one that leaves counts. */
static void redo_inflight_many(struct kunit *test)
{
	struct redo_inflight *f = test->priv;
	unsigned int idx[20];
	u64 cookie;
	int i;

	for (i = 0; i < 20; i++) {
		idx[i] = redo_inflight_enter(f);
		redo_inflight_passed(f, ~0ULL);
	}
	cookie = redo_inflight_cookie(f);
	for (i = 0; i < 20; i++) {
		KUNIT_EXPECT_FALSE_MSG(test, passes(f, cookie), "%d left", i);
		redo_inflight_leave(f, idx[i]);
	}
	KUNIT_EXPECT_TRUE(test, passes(f, cookie));
}

/*
 * Threads enter, look at what is published, and must never see it taken away
 * while they are inside. The owner replaces it, waits for the cookie and spoils
 * the old one.
 */
struct race {
	struct redo_inflight *f;
	unsigned int *published;
	unsigned long looks, spoilt;
};

static int race_reader(void *data)
{
	struct race *r = data;

	while (!kthread_should_stop()) {
		unsigned int idx = redo_inflight_enter(r->f);
		unsigned int *p = READ_ONCE(r->published);
		int i;

		for (i = 0; i < 50; i++) {
			if (READ_ONCE(*p) != 1)
				r->spoilt++;
			cpu_relax();
			if (i == 25)
				cond_resched();
		}
		redo_inflight_leave(r->f, idx);
		r->looks++;
		cond_resched();
	}
	return 0;
}

static void race_owner(struct kunit *test, struct race *r, int rounds)
{
	static unsigned int object[2];
	int i;

	for (i = 0; i < rounds; i++) {
		unsigned int *next = &object[i & 1], *old = r->published;
		unsigned long giveup = jiffies + 10 * HZ;
		u64 cookie;

		WRITE_ONCE(*next, 1);
		smp_store_release(&r->published, next);
		cookie = redo_inflight_cookie(r->f);
		while (!redo_inflight_passed(r->f, cookie) && time_before(jiffies, giveup))
			cond_resched();
		KUNIT_EXPECT_TRUE(test, redo_inflight_passed(r->f, cookie));
		if (old != next)
			WRITE_ONCE(*old, 0);
	}
}

static void redo_inflight_race(struct kunit *test)
{
	struct race *r = kunit_kcalloc(test, 2, sizeof(*r), GFP_KERNEL);
	static unsigned int first = 1;
	struct task_struct *t[2];
	int i;

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->f = test->priv;
	first = 1;
	r->published = &first;
	for (i = 0; i < 2; i++) {
		t[i] = kthread_run(race_reader, r, "redo-race-%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(t[i]));
	}
	race_owner(test, r, 2000);
	for (i = 0; i < 2; i++)
		kthread_stop(t[i]);
	KUNIT_EXPECT_EQ(test, r->spoilt, 0UL);
	KUNIT_EXPECT_GT(test, r->looks, 0UL);
}

static struct kunit_case redo_inflight_cases[] = {
	KUNIT_CASE(redo_inflight_idle),
	KUNIT_CASE(redo_inflight_holds),
	KUNIT_CASE(redo_inflight_both_generations),
	KUNIT_CASE(redo_inflight_progress),
	KUNIT_CASE(redo_inflight_many),
	KUNIT_CASE(redo_inflight_race),
	{}
};

static struct kunit_suite redo_inflight_suite = {
	.name = "redo-inflight",
	.init = redo_test_inflight_init,
	.exit = redo_test_inflight_exit,
	.test_cases = redo_inflight_cases,
};

kunit_test_suite(redo_inflight_suite);
