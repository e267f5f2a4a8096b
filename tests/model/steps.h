/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a step of a random sequence can be. */
#ifndef TEST_STEPS_H
#define TEST_STEPS_H

#include "forest.h"

/* Take one random step that is possible now. Returns its name. */
const char *step_random(struct forest *f, unsigned int step);

#endif /* TEST_STEPS_H */
