// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "blkio.h"

int blk_open(const char *path, bool writable)
{
	int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		die_errno("open %s", path);
	return fd;
}

u64 blk_sectors(int fd)
{
	u64 bytes;

	if (ioctl(fd, BLKGETSIZE64, &bytes))
		die_errno("BLKGETSIZE64");
	return bytes >> SECTOR_SHIFT;
}

int blk_read(int fd, void *buf, u64 sector, u64 sectors)
{
	u64 bytes = sectors << SECTOR_SHIFT, done = 0;

	while (done < bytes) {
		ssize_t n = pread(fd, (char *)buf + done, bytes - done,
				  (sector << SECTOR_SHIFT) + done);

		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		done += n;
	}
	return 0;
}

/* One context a thread: kept until the thread ends. */
static aio_context_t aio_context(void)
{
	static __thread aio_context_t ctx;

	if (!ctx && syscall(SYS_io_setup, 4, &ctx))
		die_errno("io_setup");
	return ctx;
}

int blk_write(int fd, const void *buf, u64 sector, u64 sectors, bool fua)
{
	aio_context_t ctx = aio_context();
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_fildes = fd,
		.aio_buf = (u64)(uintptr_t)buf,
		.aio_nbytes = sectors << SECTOR_SHIFT,
		.aio_offset = sector << SECTOR_SHIFT,
		.aio_rw_flags = fua ? RWF_DSYNC : 0,
	};
	struct iocb *list[1] = { &cb };
	struct io_event ev;
	long n;

	if (syscall(SYS_io_submit, ctx, 1L, list) != 1)
		return -errno;
	do {
		n = syscall(SYS_io_getevents, ctx, 1L, 1L, &ev, NULL);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		die_errno("io_getevents");
	if (ev.res < 0)
		return ev.res;
	return (u64)ev.res == cb.aio_nbytes ? 0 : -EIO;
}

int blk_flush(int fd)
{
	return fdatasync(fd) ? -errno : 0;
}

int blk_discard(int fd, u64 sector, u64 sectors)
{
	u64 range[2] = { sector << SECTOR_SHIFT, sectors << SECTOR_SHIFT };

	return ioctl(fd, BLKDISCARD, range) ? -errno : 0;
}

int blk_zero(int fd, u64 sector, u64 sectors, enum blk_zero how)
{
	u64 range[2] = { sector << SECTOR_SHIFT, sectors << SECTOR_SHIFT };
	int mode = how == BLK_ZERO_PUNCH ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

	if (how == BLK_ZERO_IOCTL)
		return ioctl(fd, BLKZEROOUT, range) ? -errno : 0;
	if (!fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, range[0], range[1]))
		return 0;
	if (errno == EOPNOTSUPP)
		return blk_zero(fd, sector, sectors, BLK_ZERO_IOCTL);
	return -errno;
}
