// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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

/* --- one request at a time through a ring of this thread --- */

struct ring {
	int fd;
	u32 *sq_tail, *sq_mask, *sq_array;
	u32 *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
};

static void *ring_map(int fd, size_t len, off_t what)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	if (p == MAP_FAILED)
		die_errno("mmap of an io_uring");
	return p;
}

static void ring_open(struct ring *r)
{
	struct io_uring_params p = { 0 };
	u8 *sq, *cq;

	r->fd = syscall(SYS_io_uring_setup, 2, &p);
	if (r->fd < 0)
		die_errno("io_uring_setup");
	sq = ring_map(r->fd, p.sq_off.array + p.sq_entries * sizeof(u32), IORING_OFF_SQ_RING);
	cq = ring_map(r->fd, p.cq_off.cqes + p.cq_entries * sizeof(*r->cqe), IORING_OFF_CQ_RING);
	r->sqe = ring_map(r->fd, p.sq_entries * sizeof(*r->sqe), IORING_OFF_SQES);
	r->sq_tail = (u32 *)(sq + p.sq_off.tail);
	r->sq_mask = (u32 *)(sq + p.sq_off.ring_mask);
	r->sq_array = (u32 *)(sq + p.sq_off.array);
	r->cq_head = (u32 *)(cq + p.cq_off.head);
	r->cq_tail = (u32 *)(cq + p.cq_off.tail);
	r->cq_mask = (u32 *)(cq + p.cq_off.ring_mask);
	r->cqe = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
}

static struct ring *ring_of_thread(void)
{
	static __thread struct ring ring;

	if (!ring.sqe)
		ring_open(&ring);
	return &ring;
}

/* The kernel takes @sqe in the call; its answer is waited for. */
static int ring_run(struct ring *r, const struct io_uring_sqe *sqe)
{
	u32 tail = *r->sq_tail, head = *r->cq_head, slot = tail & *r->sq_mask;
	unsigned int submit = 1;
	int result;

	r->sqe[slot] = *sqe;
	r->sq_array[slot] = slot;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) == head) {
		long n = syscall(SYS_io_uring_enter, r->fd, submit, 1,
				 IORING_ENTER_GETEVENTS, NULL, 0);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			die_errno("io_uring_enter");
		if (n > 0)
			submit = 0;
	}
	result = r->cqe[head & *r->cq_mask].res;
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

static int write_plain(int fd, const void *buf, u64 sector, u64 sectors)
{
	u64 bytes = sectors << SECTOR_SHIFT;
	ssize_t n = pwrite(fd, buf, bytes, sector << SECTOR_SHIFT);

	if (n < 0)
		return -errno;
	return (u64)n == bytes ? 0 : -EIO;
}

int blk_write(int fd, const void *buf, u64 sector, u64 sectors, bool fua)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_WRITE,
		.fd = fd,
		.addr = (u64)(uintptr_t)buf,
		.len = sectors << SECTOR_SHIFT,
		.off = sector << SECTOR_SHIFT,
		.rw_flags = RWF_DSYNC,
	};
	int result;

	if (!fua)
		return write_plain(fd, buf, sector, sectors);
	result = ring_run(ring_of_thread(), &sqe);
	if (result < 0)
		return result;
	return (u32)result == sqe.len ? 0 : -EIO;
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
