/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations on a device, run by a few threads so that several are in flight. */
#ifndef TEST_JOBS_H
#define TEST_JOBS_H

#include "blkio.h"

enum job_kind {
	JOB_WRITE,
	JOB_FLUSH,
	JOB_DISCARD,
	JOB_ZERO,
};

enum job_state {
	JOB_QUEUED,
	JOB_BEGUN,
	JOB_ENDED,
};

struct job {
	enum job_kind kind;
	int fd;
	u64 sector, sectors;
	u64 gen;		/* what is written */
	bool fua;
	enum blk_zero how;
	int result;		/* 0 or -errno */
	enum job_state state;	/* while it is started: jobs_states() */
};

#define JOB_SECTORS_MAX	2048	/* of a write */

const char *job_name(const struct job *j);

/* @seed: of the stamps. */
void jobs_init(unsigned int threads, u64 seed);
/* Start them, in any order; they must not overlap. The array stays until jobs_wait(). */
void jobs_start(struct job *jobs, unsigned int n);
/* Return when @n of them have ended. */
void jobs_wait_some(unsigned int n);
void jobs_wait(void);
/* How far each of them is just now. */
void jobs_states(const struct job *jobs, unsigned int n, enum job_state *states);
/* All of them in this thread, one after the other. */
void jobs_run_serially(struct job *jobs, unsigned int n);

#endif /* TEST_JOBS_H */
