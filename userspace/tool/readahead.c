// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading ranges of a device in order, in pieces of 1 MiB, by a thread of its own: the next
 * ones are under way while the last is written.
 */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include "tool.h"

#define PIECE	(1U << 20)
#define PIECES	4

struct piece {
	u8 *buf;
	u64 offset;
	size_t len;		/* 0: the end */
	int err;
};

struct read_ahead {
	int fd;
	const struct byte_range *range;
	u64 nr;
	pthread_t thread;
	pthread_mutex_t lock;	/* protects what follows */
	pthread_cond_t moved;
	u64 filled, taken;	/* pieces, counted from the beginning */
	bool stop;
	struct piece piece[PIECES];
};

static int fill(int fd, struct piece *p)
{
	size_t at = 0;

	while (at < p->len) {
		ssize_t n = pread(fd, p->buf + at, p->len - at, (off_t)(p->offset + at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		at += n;
	}
	return 0;
}

/* A free piece, or NULL: nobody wants more. */
static struct piece *next_free(struct read_ahead *ra)
{
	struct piece *p = NULL;

	pthread_mutex_lock(&ra->lock);
	while (!ra->stop && ra->filled - ra->taken == PIECES)
		pthread_cond_wait(&ra->moved, &ra->lock);
	if (!ra->stop)
		p = &ra->piece[ra->filled % PIECES];
	pthread_mutex_unlock(&ra->lock);
	return p;
}

static void hand_over(struct read_ahead *ra)
{
	pthread_mutex_lock(&ra->lock);
	ra->filled++;
	pthread_cond_signal(&ra->moved);
	pthread_mutex_unlock(&ra->lock);
}

/* false: that was the last one. */
static bool read_piece(struct read_ahead *ra, u64 offset, u64 len)
{
	struct piece *p = next_free(ra);

	if (!p)
		return false;
	p->offset = offset;
	p->len = len;
	p->err = fill(ra->fd, p);
	hand_over(ra);
	return !p->err && len;
}

static void *run(void *arg)
{
	struct read_ahead *ra = arg;

	for (u64 i = 0; i < ra->nr; i++) {
		const struct byte_range *g = &ra->range[i];

		for (u64 at = g->start; at < g->end; at += PIECE)
			if (!read_piece(ra, at, g->end - at < PIECE ? g->end - at : PIECE))
				return NULL;
	}
	read_piece(ra, 0, 0);
	return NULL;
}

/* Signals are for the thread that can do something about them. */
static int start(struct read_ahead *ra)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&ra->thread, NULL, run, ra);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

static void release(struct read_ahead *ra)
{
	for (int i = 0; i < PIECES; i++)
		free(ra->piece[i].buf);
	pthread_cond_destroy(&ra->moved);
	pthread_mutex_destroy(&ra->lock);
	free(ra);
}

struct read_ahead *read_ahead_start(int fd, const struct byte_range *range, u64 nr)
{
	struct read_ahead *ra = calloc(1, sizeof(*ra));
	int r = ra ? 0 : ENOMEM;

	if (r)
		goto failed;
	ra->fd = fd;
	ra->range = range;
	ra->nr = nr;
	pthread_mutex_init(&ra->lock, NULL);
	pthread_cond_init(&ra->moved, NULL);
	for (int i = 0; !r && i < PIECES; i++)
		r = posix_memalign((void **)&ra->piece[i].buf, 4096, PIECE);
	if (!r)
		r = start(ra);
	if (!r)
		return ra;
	release(ra);
failed:
	redo_err(r, "cannot begin to read: %s", strerror(r));
	return NULL;
}

int read_ahead_next(struct read_ahead *ra, const void **buf, u64 *offset, size_t *len)
{
	const struct piece *p;

	pthread_mutex_lock(&ra->lock);
	while (ra->filled == ra->taken)
		pthread_cond_wait(&ra->moved, &ra->lock);
	p = &ra->piece[ra->taken % PIECES];
	pthread_mutex_unlock(&ra->lock);
	*buf = p->buf;
	*offset = p->offset;
	*len = p->len;
	return p->err;
}

void read_ahead_done(struct read_ahead *ra)
{
	pthread_mutex_lock(&ra->lock);
	ra->taken++;
	pthread_cond_signal(&ra->moved);
	pthread_mutex_unlock(&ra->lock);
}

void read_ahead_stop(struct read_ahead *ra)
{
	if (!ra)
		return;
	pthread_mutex_lock(&ra->lock);
	ra->stop = true;
	pthread_cond_signal(&ra->moved);
	pthread_mutex_unlock(&ra->lock);
	pthread_join(ra->thread, NULL);
	release(ra);
}
