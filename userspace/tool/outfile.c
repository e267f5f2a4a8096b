// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a command writes for somebody else: to standard output, or to a file that is there
 * under its name only when it is whole.
 */
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/file.h>
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

/* Two that write the same file do not meet in it; what a dead one has left goes. */
static int take_part(struct outfile *o)
{
	struct stat mine, there;

	if (flock(o->fd, LOCK_EX | LOCK_NB))
		return redo_err(errno, "%s: is being written by somebody else", o->name);
	/* It may have got its name while we opened it. */
	if (fstat(o->fd, &mine) || stat(o->part, &there) || mine.st_ino != there.st_ino)
		return redo_err(EBUSY, "%s: was written by somebody else just now", o->name);
	return ftruncate(o->fd, 0) ? redo_err(errno, "%s: write error: %s", o->name,
					      strerror(errno)) : 0;
}

/* What is no file (a pipe, a tape) is written to under its own name. */
static int choose_part(struct outfile *o)
{
	struct stat st;
	int r = 0;

	if (!stat(o->name, &st)) {
		if (S_ISBLK(st.st_mode))
			return redo_err(EINVAL, "%s: a block device, where nothing would tell how long it is; name a file",
					o->name);
		if (S_ISDIR(st.st_mode))
			return redo_err(EISDIR, "%s: a directory; name a file in it", o->name);
		if (!S_ISREG(st.st_mode))
			return 0;
		r = confirm("%s: is there already and would be replaced", o->name);
	}
	snprintf(o->part, sizeof(o->part), "%s" SUFFIX, o->name);
	return r;
}

int outfile_open(const char *path, struct outfile *o)
{
	int flags = O_WRONLY | O_CLOEXEC, r;

	*o = (struct outfile){ .fd = -1 };
	signal(SIGPIPE, SIG_IGN);	/* that is an error like any other */
	if (!path || !strcmp(path, "-"))
		return take_stdout(o);
	if (strlen(path) >= sizeof(o->name))
		return redo_err(ENAMETOOLONG, "%s: the name is too long", path);
	redo_copy(o->name, path, sizeof(o->name));
	r = choose_part(o);
	if (r || redo_step("write %s", path))
		return r;
	if (o->part[0])
		flags |= O_CREAT;
	o->fd = open(o->part[0] ? o->part : path, flags, 0600);
	if (o->fd < 0)
		return redo_err(errno, "%s: cannot open: %s", path, strerror(errno));
	r = o->part[0] ? take_part(o) : 0;
	if (r) {
		close(o->fd);	/* what is there is not ours */
		o->fd = -1;
	}
	return r;
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

/* Durable, and under its name; the lock is held until it has that. */
int outfile_keep(struct outfile *o)
{
	int r = 0;

	/* A pipe has nothing to be made durable. */
	if (fsync(o->fd) && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
		r = -errno;
	if (!r && o->part[0])
		r = rename(o->part, o->name) ? -errno : sync_directory(o->name);
	if (!r) {
		r = close(o->fd) ? -errno : 0;
		o->fd = -1;
	}
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
