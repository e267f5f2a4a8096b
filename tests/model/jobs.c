// SPDX-License-Identifier: GPL-2.0-or-later
#include <pthread.h>

#include "jobs.h"
#include "stamp.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;
/* protected by lock */
static struct job *queue;
static unsigned int queued, taken, ended;

static u64 stamp_seed;
static void *main_buffer;

const char *job_name(const struct job *j)
{
	switch (j->kind) {
	case JOB_WRITE:
		return j->fua ? "FUA write" : "write";
	case JOB_FLUSH:
		return "flush";
	case JOB_DISCARD:
		return "discard";
	case JOB_ZERO:
		return j->how == BLK_ZERO_IOCTL ? "zeroout" :
		       j->how == BLK_ZERO_RANGE ? "zero range" : "punch hole";
	}
	return "?";
}

static void run(struct job *j, void *buffer)
{
	switch (j->kind) {
	case JOB_WRITE:
		stamp_fill(buffer, stamp_seed, j->gen, j->sector, j->sectors);
		j->result = blk_write(j->fd, buffer, j->sector, j->sectors, j->fua);
		break;
	case JOB_FLUSH:
		j->result = blk_flush(j->fd);
		break;
	case JOB_DISCARD:
		j->result = blk_discard(j->fd, j->sector, j->sectors);
		break;
	case JOB_ZERO:
		j->result = blk_zero(j->fd, j->sector, j->sectors, j->how);
		break;
	}
}

static void *worker(void *unused)
{
	void *buffer = xmalloc_io(JOB_SECTORS_MAX << SECTOR_SHIFT);

	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		struct job *j;

		while (taken == queued)
			pthread_cond_wait(&work, &lock);
		j = &queue[taken++];
		j->state = JOB_BEGUN;
		pthread_mutex_unlock(&lock);
		run(j, buffer);
		pthread_mutex_lock(&lock);
		j->state = JOB_ENDED;
		ended++;
		pthread_cond_broadcast(&progress);
	}
	return NULL;
}

void jobs_init(unsigned int threads, u64 seed)
{
	pthread_t t;

	stamp_seed = seed;
	if (main_buffer)
		return;
	main_buffer = xmalloc_io(JOB_SECTORS_MAX << SECTOR_SHIFT);
	while (threads--)
		if (pthread_create(&t, NULL, worker, NULL))
			die("cannot create a thread");
}

void jobs_start(struct job *jobs, unsigned int n)
{
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < n; i++)
		jobs[i].state = JOB_QUEUED;
	queue = jobs;
	queued = n;
	taken = ended = 0;
	pthread_cond_broadcast(&work);
	pthread_mutex_unlock(&lock);
}

void jobs_wait_some(unsigned int n)
{
	pthread_mutex_lock(&lock);
	while (ended < n)
		pthread_cond_wait(&progress, &lock);
	pthread_mutex_unlock(&lock);
}

void jobs_wait(void)
{
	jobs_wait_some(queued);
}

void jobs_states(const struct job *jobs, unsigned int n, enum job_state *states)
{
	pthread_mutex_lock(&lock);
	while (n--)
		*states++ = jobs++->state;
	pthread_mutex_unlock(&lock);
}

void jobs_run_serially(struct job *jobs, unsigned int n)
{
	while (n--)
		run(jobs++, main_buffer);
}
