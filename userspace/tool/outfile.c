// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a command writes for somebody else: to standard output, or to a file that is there
 * under its name only when it is whole.
 */
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tool.h"

#define SUFFIX	".part"

/* What is said to people goes to stderr from now on. */
static int take_stdout(struct outfile *o)
{
	if (isatty(STDOUT_FILENO))
		return redo_err(ENOTTY, "a backup is not for a terminal; name a file with -o");
	fflush(stdout);
	o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (o->fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return redo_err(errno, "cannot write to standard output: %s", strerror(errno));
	redo_copy(o->name, "standard output", sizeof(o->name));
	return 0;
}

int outfile_open(const char *path, struct outfile *o)
{
	struct stat st;
	int flags = O_WRONLY | O_CLOEXEC, r;

	*o = (struct outfile){ .fd = -1 };
	signal(SIGPIPE, SIG_IGN);	/* that is an error like any other */
	if (!path || !strcmp(path, "-"))
		return take_stdout(o);
	if (strlen(path) + sizeof(SUFFIX) > sizeof(o->name))
		return redo_err(ENAMETOOLONG, "%s: the name is too long", path);
	redo_copy(o->name, path, sizeof(o->name));
	redo_copy(o->part, path, sizeof(o->part));
	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		o->part[0] = '\0';	/* a pipe, a tape */
	} else {
		r = stat(path, &st) ? 0 : confirm("%s: is there already and would be replaced", path);
		if (r)
			return r;
		strcat(o->part, SUFFIX);
		flags |= O_CREAT | O_TRUNC;
	}
	if (redo_step("write %s", path))
		return 0;
	o->fd = open(o->part[0] ? o->part : path, flags, 0600);
	return o->fd < 0 ? redo_err(errno, "%s: cannot open: %s", path, strerror(errno)) : 0;
}

/* As redo_backup_write_fn. */
int outfile_write(void *ctx, const void *buf, size_t len)
{
	const struct outfile *o = ctx;
	const u8 *p = buf;

	while (len) {
		ssize_t n;

		if (interrupted())
			return redo_err(EINTR, "interrupted");
		n = write(o->fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return redo_err(errno, "%s: write error: %s", o->name, strerror(errno));
		p += n;
		len -= n;
	}
	return 0;
}

static int sync_directory(const char *path)
{
	char copy[REDO_TEXT_MAX];
	int fd, r;

	redo_copy(copy, path, sizeof(copy));
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fsync(fd) ? -errno : 0;
	close(fd);
	return r;
}

/* Durable, and under its name. */
int outfile_keep(struct outfile *o)
{
	int r = 0;

	/* A pipe has nothing to be made durable. */
	if (fsync(o->fd) && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
		r = -errno;
	if (close(o->fd) && !r)
		r = -errno;
	o->fd = -1;
	if (!r && o->part[0])
		r = rename(o->part, o->name) ? -errno : sync_directory(o->name);
	return r ? redo_err(-r, "%s: write error: %s", o->name, strerror(-r)) : 0;
}

/* It never was. */
void outfile_drop(struct outfile *o)
{
	if (o->fd >= 0)
		close(o->fd);
	if (o->fd >= 0 && o->part[0])
		unlink(o->part);
	o->fd = -1;
}
