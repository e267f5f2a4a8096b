// SPDX-License-Identifier: GPL-2.0-or-later
/* Later runs over earlier ones, against a plain array as the model. */
#include "unit.h"

#define SPACE	200

struct cell {
	u8 type;
	u64 phys;
};

static void put(struct cell *model, const struct redo_extent *e)
{
	for (u64 i = 0; i < e->len; i++)
		model[e->logical + i] = (struct cell){
			e->type, e->type == REDO_REC_MAP ? e->phys + i : 0 };
}

static void settle_random(void **state __unused)
{
	srandom(1);
	for (int round = 0; round < 2000; round++) {
		struct cell model[SPACE] = { { 0 } }, got[SPACE] = { { 0 } };
		struct redo_extents x = { 0 };
		int nr = random() % 40;
		u64 last = 0;

		for (int i = 0; i < nr; i++) {
			struct redo_extent e = { .logical = random() % SPACE };

			e.len = 1 + random() % (SPACE - e.logical);
			if (random() % 2 && e.len > 6)
				e.len = 1 + e.len % 6;
			e.type = random() % 2 ? REDO_REC_MAP : REDO_REC_ZERO;
			e.phys = e.type == REDO_REC_MAP ? 1 + random() % 100000 : 0;
			put(model, &e);
			assert_int_equal(redo_extents_add(&x, &e), 0);
		}
		assert_int_equal(redo_extents_settle(&x), 0);
		for (size_t i = 0; i < x.nr; i++) {
			assert_true(x.e[i].len > 0);
			assert_true(x.e[i].logical >= last);
			last = x.e[i].logical + x.e[i].len;
			put(got, &x.e[i]);
		}
		assert_true(last <= SPACE);
		for (int i = 0; i < SPACE; i++) {
			assert_int_equal(model[i].type, got[i].type);
			assert_int_equal(model[i].phys, got[i].phys);
			size_t at = redo_extents_find(&x, i);

			assert_int_equal(model[i].type != 0,
					 at < x.nr && x.e[at].logical <= (u64)i);
		}
		redo_extents_free(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(settle_random) };

	return cmocka_run_group_tests_name("extents", tests, NULL, NULL);
}
