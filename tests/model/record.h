/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running the workload whose lower writes are logged. */
#ifndef TEST_RECORD_H
#define TEST_RECORD_H

#include "trace.h"
#include "workload.h"

struct record_options {
	const struct workload *workload;
	u64 seed;
	u64 sectors;		/* virtual size */
	u32 grain;		/* sectors */
	u32 threads;
	u32 ops, storm;		/* operations of a step 'w' and of a step 'x' */
	u32 journal;		/* blocks of the ring */
	bool cache;
	const char *target;
};

/* The log is new memory of @log_bytes, for lw_parse(). */
void *record_run(struct trace *t, const struct record_options *opt, u64 *log_bytes);

#endif /* TEST_RECORD_H */
