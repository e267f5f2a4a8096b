// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Switching the tables of one or more chains behind one barrier: all are
 * suspended before any is resumed, so that their points belong together.
 *
 * While they are suspended nothing here may touch a file or allocate: the root
 * file system itself may be frozen. A child process keeps watch: should this
 * one die in the window, it resumes what was suspended.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "redo-int.h"

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Waits for the end of the pipe; a byte in it first means that all went well. */
static void watch(int fd, const struct redo_switch *s, u32 nr)
{
	char byte;

	if (read(fd, &byte, 1) == 1)
		_exit(0);
	for (u32 i = 0; i < nr; i++) {
		struct redo_dm_info info;

		if (redo_dm_info(s[i].name, &info) || !info.exists)
			continue;
		if (info.inactive_table)
			redo_dm_clear(s[i].name);
		if (info.suspended)
			redo_dm_resume(s[i].name, 0);
	}
	_exit(1);
}

struct guard {
	pid_t child;
	int fd;
	sigset_t old;
};

static int guard_start(struct guard *g, const struct redo_switch *s, u32 nr)
{
	sigset_t all;
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return redo_err(errno, "cannot make a pipe: %s", strerror(errno));
	fflush(NULL);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &g->old);
	g->child = fork();
	if (g->child < 0) {
		sigprocmask(SIG_SETMASK, &g->old, NULL);
		close(fd[0]);
		close(fd[1]);
		return redo_err(errno, "cannot start a watchdog: %s", strerror(errno));
	}
	if (!g->child) {
		close(fd[1]);
		setsid();
		mlockall(MCL_CURRENT | MCL_FUTURE);
		watch(fd[0], s, nr);
	}
	close(fd[0]);
	g->fd = fd[1];
	mlockall(MCL_CURRENT | MCL_FUTURE);
	return 0;
}

static void guard_end(struct guard *g)
{
	ssize_t n;

	do
		n = write(g->fd, "", 1);
	while (n < 0 && errno == EINTR);
	close(g->fd);
	waitpid(g->child, NULL, 0);
	munlockall();
	sigprocmask(SIG_SETMASK, &g->old, NULL);
}

static int load_all(struct redo_switch *s, u32 nr)
{
	int r = 0;

	for (u32 i = 0; !r && i < nr; i++) {
		r = redo_dm_load(s[i].name, s[i].sectors, REDO_TARGET_NAME, s[i].params,
				 s[i].flags);
		s[i].loaded = !r;
	}
	return r;
}

static int suspend_all(struct redo_switch *s, u32 nr, int flags)
{
	int r = 0;

	for (u32 i = 0; !r && i < nr; i++) {
		r = redo_dm_suspend(s[i].name, flags);
		s[i].suspended = !r;
	}
	return r;
}

/*
 * All are tried: one that fails must not leave the others frozen. udev is waited
 * for afterwards: its rules may need a file of a chain that is still suspended.
 */
static int resume_all(struct redo_switch *s, u32 nr, double *thawed)
{
	char text[1024];
	u32 cookie = 0;
	int first = 0;

	for (u32 i = 0; i < nr; i++) {
		int r;

		if (!s[i].suspended)
			continue;
		r = redo_dm_resume_nowait(s[i].name, &cookie);
		s[i].done = !r;
		if (!r || first)
			continue;
		first = r;
		redo_copy(text, redo_last_error(), sizeof(text));
	}
	*thawed = now_s();
	if (cookie)
		redo_dm_udev_wait(cookie);
	return first ? redo_err(-first, "%s", text) : 0;
}

/* Back to the old tables. Only tables that never came alive can be dropped. */
static void back_out(struct redo_switch *s, u32 nr)
{
	for (u32 i = 0; i < nr; i++) {
		if (s[i].loaded && !s[i].done)
			redo_dm_clear(s[i].name);
		if (s[i].suspended && !s[i].done)
			redo_dm_resume(s[i].name, 0);
	}
}

/* The old lines, for chains whose new one was refused at its resume. */
static void restore_old(struct redo_switch *s, u32 nr, char **old, const u64 *sectors)
{
	for (u32 i = 0; i < nr; i++) {
		if (!s[i].suspended || s[i].done || !old[i])
			continue;
		if (!redo_dm_load(s[i].name, sectors[i], REDO_TARGET_NAME, old[i], 0))
			redo_dm_resume(s[i].name, 0);
	}
}

static int switch_guarded(struct redo_switch *s, u32 nr, int flags, struct redo_window *w,
			  char **old, const u64 *sectors)
{
	char text[1024];
	double t0, t1, t2, t3;
	int r;

	t0 = now_s();
	r = load_all(s, nr);
	t1 = now_s();
	if (!r)
		r = suspend_all(s, nr, flags);
	t2 = now_s();
	if (r) {
		redo_copy(text, redo_last_error(), sizeof(text));
		back_out(s, nr);
		return redo_err(-r, "%s", text);
	}
	r = resume_all(s, nr, &t3);
	if (r) {
		redo_copy(text, redo_last_error(), sizeof(text));
		restore_old(s, nr, old, sectors);
		redo_err(-r, "%s", text);
	}
	*w = (struct redo_window){ t1 - t0, t2 - t1, t3 - t2, t3 - t1 };
	return r;
}

int redo_switch_tables(struct redo_switch *s, u32 nr, int flags, struct redo_window *w)
{
	char **old = calloc(nr, sizeof(*old));
	u64 *sectors = calloc(nr, sizeof(*sectors));
	struct guard g;
	char type[32];
	int r = 0;

	if (!old || !sectors)
		r = redo_err(ENOMEM, "out of memory");
	for (u32 i = 0; !r && i < nr; i++)
		r = redo_dm_table(s[i].name, type, sizeof(type), &sectors[i], &old[i]);
	if (!r)
		r = guard_start(&g, s, nr);
	if (!r) {
		r = switch_guarded(s, nr, flags, w, old, sectors);
		guard_end(&g);
	}
	for (u32 i = 0; old && i < nr; i++)
		free(old[i]);
	free(old);
	free(sectors);
	return r;
}
