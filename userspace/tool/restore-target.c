// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The disk that a backup is restored to. Through the page cache, for the ranges of a backup
 * may be smaller than a block of the device; what the cache could not write, fsync tells.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "restore.h"

#define PIECE		(1U << 20)
#define ZERO_PIECE	(64ULL << 20)	/* one call that no signal ends */

static int open_device(struct target *t, int flags)
{
	char who[512];

	t->block = true;
	if (flags != O_RDONLY && !opts.force)
		flags |= O_EXCL;
	t->fd = open(t->name, flags | O_CLOEXEC);
	if (t->fd < 0 && errno == EBUSY) {
		redo_holder(redo_path_rdev(t->name), who, sizeof(who));
		return redo_err(EBUSY, "%s: %s; --force restores to it all the same", t->name,
				*who ? who : "in use");
	}
	if (t->fd < 0)
		return redo_err(errno, "%s: cannot open: %s", t->name, strerror(errno));
	if (ioctl(t->fd, BLKGETSIZE64, &t->bytes))
		return redo_err(errno, "%s: cannot get its size: %s", t->name, strerror(errno));
	/* What somebody else has read of it before does not count. */
	if (flags == O_RDONLY)
		ioctl(t->fd, BLKFLSBUF, 0);
	return 0;
}

static int open_file(struct target *t, int flags)
{
	char dev[REDO_TEXT_MAX];

	if (flags != O_RDONLY && !opts.force && redo_loop_of(t->name, dev, sizeof(dev)))
		return redo_err(EBUSY, "%s: is attached to %s; --force restores to it all the same",
				t->name, dev);
	t->fd = open(t->name, flags | O_CLOEXEC);
	return t->fd < 0 ? redo_err(errno, "%s: cannot open: %s", t->name, strerror(errno)) : 0;
}

static int file_bytes(struct target *t)
{
	struct stat st;

	if (fstat(t->fd, &st))
		return redo_err(errno, "%s: %s", t->name, strerror(errno));
	t->bytes = (u64)st.st_size;
	return 0;
}

int target_open(struct target *t, const char *name, bool only_read)
{
	int flags = only_read ? O_RDONLY : O_RDWR, r;
	struct stat st;

	*t = (struct target){ .name = name, .fd = -1 };
	if (stat(name, &st)) {
		if (errno != ENOENT || only_read)
			return redo_err(errno, "%s: cannot open: %s", name, strerror(errno));
		if (!strncmp(name, "/dev/", 5) && strncmp(name, "/dev/shm/", 9))
			return redo_err(ENOENT, "%s: no such device", name);
		return 0;	/* made when something is written */
	}
	if (S_ISBLK(st.st_mode))
		return open_device(t, flags);
	if (!S_ISREG(st.st_mode))
		return redo_err(ENOTBLK, "%s: neither a block device nor a regular file", name);
	r = open_file(t, flags);
	return r ? r : file_bytes(t);
}

int target_begin(struct target *t, u64 bytes, bool anew)
{
	if (t->block) {
		t->touched = true;
		return 0;
	}
	if (t->fd < 0) {
		t->fd = open(t->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (t->fd < 0)
			return redo_err(errno, "%s: cannot make it: %s", t->name, strerror(errno));
		anew = true;
	}
	t->touched = true;
	if ((anew && ftruncate(t->fd, 0)) || ftruncate(t->fd, (off_t)bytes))
		return redo_err(errno, "%s: cannot set its size: %s", t->name, strerror(errno));
	t->blank = anew;
	return 0;
}

static int write_bytes(struct target *t, u64 offset, const u8 *p, u64 bytes)
{
	while (bytes) {
		ssize_t n;

		if (interrupted())
			return redo_err(EINTR, "interrupted");
		n = pwrite(t->fd, p, bytes, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return redo_err(errno, "%s: write error at byte %llu: %s", t->name,
					(unsigned long long)offset, strerror(errno));
		p += n;
		offset += n;
		bytes -= n;
	}
	return 0;
}

static int write_zeroes(struct target *t, u64 offset, u64 bytes)
{
	static const u8 zeroes[65536];
	int r = 0;

	for (u64 at = 0; !r && at < bytes; at += sizeof(zeroes))
		r = write_bytes(t, offset + at, zeroes,
				bytes - at < sizeof(zeroes) ? bytes - at : sizeof(zeroes));
	return r;
}

/* Unmapped where that reads as zeroes for certain, else zeroed by the device, else written. */
static int zero_piece(struct target *t, u64 offset, u64 bytes)
{
	u64 range[2] = { offset, bytes };

	if (!fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		       (off_t)bytes))
		return 0;
	if (t->block && !ioctl(t->fd, BLKZEROOUT, range))
		return 0;
	/* Whatever it was: if writing fails as well, that is the error. */
	return write_zeroes(t, offset, bytes);
}

static int zero(struct target *t, u64 offset, u64 bytes)
{
	int r = 0;

	if (t->blank)
		return 0;
	for (u64 at = 0; !r && at < bytes; at += ZERO_PIECE) {
		if (interrupted())
			return redo_err(EINTR, "interrupted");
		r = zero_piece(t, offset + at, bytes - at < ZERO_PIECE ? bytes - at : ZERO_PIECE);
	}
	return r;
}

int target_write(struct target *t, u64 offset, const void *data, u64 bytes)
{
	return data ? write_bytes(t, offset, data, bytes) : zero(t, offset, bytes);
}

static int read_bytes(struct target *t, u64 offset, u64 bytes)
{
	u64 at = 0;

	while (at < bytes) {
		ssize_t n = pread(t->fd, t->buf + at, bytes - at, (off_t)(offset + at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return redo_err(n ? errno : EIO, "%s: read error at byte %llu: %s", t->name,
					(unsigned long long)(offset + at),
					n ? strerror(errno) : "it ends there");
		at += n;
	}
	return 0;
}

static int compare_piece(struct target *t, u64 offset, const u8 *data, u64 bytes)
{
	int r = read_bytes(t, offset, bytes);

	for (u64 i = 0; !r && i < bytes; i++)
		if (t->buf[i] != (data ? data[i] : 0))
			r = redo_err(EILSEQ, "%s: differs from the backup at byte %llu", t->name,
				     (unsigned long long)(offset + i));
	return r;
}

int target_compare(struct target *t, u64 offset, const void *data, u64 bytes)
{
	const u8 *p = data;
	int r = 0;

	if (!t->buf)
		t->buf = malloc(PIECE);
	if (!t->buf)
		return redo_err(ENOMEM, "out of memory");
	while (!r && bytes) {
		u64 n = bytes < PIECE ? bytes : PIECE;

		if (interrupted())
			return redo_err(EINTR, "interrupted");
		r = compare_piece(t, offset, p, n);
		p += p ? n : 0;
		offset += n;
		bytes -= n;
	}
	return r;
}

int target_sync(struct target *t)
{
	if (fsync(t->fd))
		return redo_err(errno, "%s: write error: %s", t->name, strerror(errno));
	return 0;
}

void target_close(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	free(t->buf);
	t->fd = -1;
	t->buf = NULL;
}
