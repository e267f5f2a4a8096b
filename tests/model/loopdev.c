// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "blkio.h"
#include "loopdev.h"

void blkdev_number(int fd, char text[16])
{
	struct stat st;

	if (fstat(fd, &st))
		die_errno("fstat");
	snprintf(text, 16, "%u:%u", major(st.st_rdev), minor(st.st_rdev));
}

void blkdev_deny_cache(const char *dev)
{
	static const char text[] = "write through";
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/sys/block/%s/queue/write_cache", dev + 5);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die_errno("%s", path);
	close(fd);
}

static int attach(struct loopdev *l, int control)
{
	struct loop_config config = { .fd = l->memfd };
	int nr = ioctl(control, LOOP_CTL_GET_FREE);

	if (nr < 0)
		die_errno("LOOP_CTL_GET_FREE");
	snprintf(l->path, sizeof(l->path), "/dev/loop%d", nr);
	l->fd = open(l->path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (l->fd < 0)
		die_errno("open %s", l->path);
	config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
	if (!ioctl(l->fd, LOOP_CONFIGURE, &config))
		return 0;
	if (errno != EBUSY)
		die_errno("LOOP_CONFIGURE %s", l->path);
	close(l->fd);
	return -EBUSY;
}

void loopdev_open(struct loopdev *l, u64 sectors, bool cache)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		die_errno("open /dev/loop-control");
	l->sectors = sectors;
	l->cache = cache;
	l->memfd = memfd_create("redo-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (l->memfd < 0 || ftruncate(l->memfd, sectors << SECTOR_SHIFT))
		die_errno("memfd of %llu sectors", (unsigned long long)sectors);
	while (attach(l, control))
		; /* somebody else took that one */
	close(control);
	blkdev_number(l->fd, l->devno);
	if (!cache)
		blkdev_deny_cache(l->path);
}

void loopdev_close(struct loopdev *l)
{
	close(l->fd);
	close(l->memfd);
}

void loopdev_freeze(struct loopdev *l)
{
	if (fcntl(l->memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE))
		die_errno("sealing the memory of %s", l->path);
}

static void copy_range(int from, int to, off_t at, size_t len)
{
	char *p = mmap(NULL, len, PROT_READ, MAP_SHARED, from, at);
	size_t done = 0;

	if (p == MAP_FAILED)
		die_errno("mmap of a memfd");
	while (done < len) {
		ssize_t n = pwrite(to, p + done, len - done, at + done);

		if (n <= 0)
			die_errno("writing a memfd");
		done += n;
	}
	munmap(p, len);
}

void loopdev_renew(struct loopdev *l)
{
	struct loopdev old = *l;
	off_t from, to = 0;

	loopdev_open(l, old.sectors, old.cache);
	while ((from = lseek(old.memfd, to, SEEK_DATA)) >= 0) {
		to = lseek(old.memfd, from, SEEK_HOLE);
		copy_range(old.memfd, l->memfd, from, to - from);
	}
	loopdev_close(&old);
}

void *loopdev_map(struct loopdev *l)
{
	void *p = mmap(NULL, l->sectors << SECTOR_SHIFT, PROT_READ | PROT_WRITE,
		       MAP_SHARED, l->memfd, 0);

	if (p == MAP_FAILED)
		die_errno("mmap of %s", l->path);
	return p;
}

void loopdev_unmap(struct loopdev *l, void *map)
{
	munmap(map, l->sectors << SECTOR_SHIFT);
}
