/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changed block tracking has promised, and must say after a power cut. */
#ifndef TEST_PROMISES_H
#define TEST_PROMISES_H

#include "afterlife.h"

/*
 * The chain of @c is active and its content is known. Each id that had been given to the
 * user, by the workload or in a second life, must be answered, and no answer may miss a
 * block that has changed. Dies otherwise. @full: the store may have lost some for space.
 * Returns how many questions were asked; 0 where there is no tracking.
 */
u32 promises_check(struct checker *c, const struct moment *m, const struct afterlife *life,
		   bool full);

#endif /* TEST_PROMISES_H */
