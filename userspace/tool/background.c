// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * --background: what is left of a command goes on in a process of its own. What it
 * prints, progress included, goes to the system log, and its end is told there.
 */
#include <fcntl.h>
#include <sys/types.h>
#include <syslog.h>
#include <unistd.h>
#include "tool.h"

static bool in_background;

/* Of a stream: each line is one message. */
static ssize_t to_log(void *priority, const char *text, size_t size)
{
	const char *end = text + size;

	while (text < end) {
		const char *stop = memchr(text, '\n', end - text);
		int len = (int)((stop ? stop : end) - text);

		if (len)
			syslog(*(const int *)priority, "%.*s", len, text);
		text += len + 1;
	}
	return (ssize_t)size;
}

static int log_stream(FILE **stream, int *priority)
{
	FILE *f = fopencookie(priority, "w", (cookie_io_functions_t){ .write = to_log });

	if (!f || setvbuf(f, NULL, _IOLBF, BUFSIZ))
		return redo_err(ENOMEM, "out of memory");
	*stream = f;
	return 0;
}

static int let_go(void)
{
	static int notice = LOG_NOTICE, error = LOG_ERR;
	int null = open("/dev/null", O_RDWR), r;

	if (null < 0)
		return redo_err(errno, "/dev/null: %s", strerror(errno));
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	setsid();
	openlog("redosetup", LOG_PID, LOG_DAEMON);
	r = log_stream(&stderr, &error);
	if (!r)
		r = log_stream(&stdout, &notice);
	in_background = !r;
	return r;
}

int to_background(const char *what)
{
	pid_t pid;

	if (!opts.background || opts.dry_run)
		return 0;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return redo_err(errno, "cannot go on in the background: %s", strerror(errno));
	if (!pid)
		return let_go();
	say("%s goes on in the background as process %d; see the system log", what, (int)pid);
	exit(fflush(stdout) ? 1 : 0);
}

void background_done(const char *what)
{
	if (in_background)
		say("%s: done", what);
}
