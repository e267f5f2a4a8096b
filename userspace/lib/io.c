// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading and writing of devices and files. Block devices are opened with
 * O_DIRECT: while the target holds a delta, the page cache of its device would
 * go on showing what it read once.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "redo-int.h"

#define BOUNCE_SIZE	(64U << 10)

int redo_io_block(const struct redo_io *io, u64 blocknr, void *buf)
{
	if (blocknr >= io->size / REDO_BLOCK_SIZE)
		return -ENXIO;
	return io->read(io->ctx, blocknr * REDO_BLOCK_SIZE, buf, REDO_BLOCK_SIZE);
}

static int pread_all(int fd, void *buf, size_t len, u64 offset)
{
	u8 *p = buf;

	while (len) {
		ssize_t n = pread(fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;	/* the file has shrunk */
		p += n;
		offset += n;
		len -= n;
	}
	return 0;
}

static int pwrite_all(int fd, const void *buf, size_t len, u64 offset)
{
	const u8 *p = buf;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		offset += n;
		len -= n;
	}
	return 0;
}

/* Offset and length are multiples of REDO_BLOCK_SIZE or of a sector. */
static int file_read(void *ctx, u64 offset, void *buf, size_t len)
{
	struct redo_file *f = ctx;
	u8 *p = buf;

	while (len) {
		size_t n = len < BOUNCE_SIZE ? len : BOUNCE_SIZE;
		int r = pread_all(f->fd, f->bounce, n, offset);

		if (r)
			return r;
		memcpy(p, f->bounce, n);
		p += n;
		offset += n;
		len -= n;
	}
	return 0;
}

static int file_size(struct redo_file *f, const struct stat *st)
{
	uint64_t size;

	if (S_ISREG(st->st_mode)) {
		f->io.size = (u64)st->st_size;
		return 0;
	}
	if (!S_ISBLK(st->st_mode))
		return redo_err(ENOTBLK, "%s: not a block device or regular file", f->path);
	if (ioctl(f->fd, BLKGETSIZE64, &size))
		return redo_err(errno, "%s: cannot get its size: %s", f->path, strerror(errno));
	f->io.size = size;
	f->block = true;
	f->rdev = st->st_rdev;
	return 0;
}

static int open_fd(const char *path, int flags)
{
	int oflags = flags & REDO_OPEN_WRITE ? O_RDWR : O_RDONLY;
	struct stat st;
	int fd;

	/* Look before opening: a FIFO would block, a tape would rewind. */
	if (stat(path, &st))
		return -errno;
	if (S_ISBLK(st.st_mode)) {
		oflags |= O_DIRECT;
		if (flags & REDO_OPEN_EXCL)
			oflags |= O_EXCL;
	} else if (!S_ISREG(st.st_mode)) {
		return -ENOTBLK;
	}
	fd = open(path, oflags | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int redo_file_open(struct redo_file *f, const char *path, int flags)
{
	struct stat st;
	int r;

	memset(f, 0, sizeof(*f));
	redo_copy(f->path, path, sizeof(f->path));
	f->io.ctx = f;
	f->io.read = file_read;
	f->fd = open_fd(path, flags);
	if (f->fd == -EBUSY)
		return redo_err(EBUSY, "%s: in use (mounted, or part of an active device)", path);
	if (f->fd == -ENOTBLK)
		return redo_err(ENOTBLK, "%s: not a block device or regular file", path);
	if (f->fd < 0)
		return redo_err(-f->fd, "%s: cannot open: %s", path, strerror(-f->fd));
	if (posix_memalign(&f->bounce, 4096, BOUNCE_SIZE)) {
		close(f->fd);
		return redo_err(ENOMEM, "out of memory");
	}
	r = fstat(f->fd, &st) ? -errno : file_size(f, &st);
	if (r)
		redo_file_close(f);
	return r;
}

void redo_file_close(struct redo_file *f)
{
	if (f->bounce) {
		close(f->fd);
		free(f->bounce);
		f->bounce = NULL;
	}
}

int redo_file_write(struct redo_file *f, u64 offset, const void *buf, size_t len)
{
	const u8 *p = buf;

	while (len) {
		size_t n = len < BOUNCE_SIZE ? len : BOUNCE_SIZE;
		int r;

		memcpy(f->bounce, p, n);
		r = pwrite_all(f->fd, f->bounce, n, offset);
		if (r)
			return redo_err(-r, "%s: write error at byte %llu: %s", f->path,
					(unsigned long long)offset, strerror(-r));
		p += n;
		offset += n;
		len -= n;
	}
	return 0;
}

int redo_file_sync(struct redo_file *f)
{
	if (fsync(f->fd))
		return redo_err(errno, "%s: flush failed: %s", f->path, strerror(errno));
	return 0;
}
