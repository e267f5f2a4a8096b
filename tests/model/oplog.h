/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which operation made which generation: so that a failure can be explained. */
#ifndef TEST_OPLOG_H
#define TEST_OPLOG_H

#include "jobs.h"

/* Forget all, generation 1 is "the initial content of the base". */
void oplog_reset(void);
void oplog_step(unsigned int step, const char *name);
/* The next generation. */
u64 oplog_add(const char *chain, const struct job *j);
const char *oplog_describe(u64 gen);
/* Operations of any kind that covered @sector, newest first, at most @max. */
void oplog_print_history(u64 sector, unsigned int max);
/* "step 12 (snapshot)" */
const char *oplog_where(void);

#endif /* TEST_OPLOG_H */
