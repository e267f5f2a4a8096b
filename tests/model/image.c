// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image.h"

#define PAGE	4096

void image_open(struct image *img, u64 sectors)
{
	u64 bytes = sectors << SECTOR_SHIFT;

	/* see the one in record.c */
	loopdev_open(&img->loop, sectors, false);
	img->test = loopdev_map(&img->loop);
	img->durable = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (img->durable == MAP_FAILED)
		die_errno("mmap of an image");
	img->pages = (bytes + PAGE - 1) / PAGE;
	img->touched = xcalloc(img->pages, 1);
}

void image_close(struct image *img)
{
	munmap(img->test, img->loop.sectors << SECTOR_SHIFT);
	munmap(img->durable, img->loop.sectors << SECTOR_SHIFT);
	free(img->touched);
	loopdev_close(&img->loop);
}

static void copy_in(u8 *to, const void *data, size_t len)
{
	if (data)
		memcpy(to, data, len);
	else
		memset(to, 0, len);
}

void image_put(struct image *img, u64 sector, const void *data, u64 sectors, bool durable)
{
	u64 at = sector << SECTOR_SHIFT, len = sectors << SECTOR_SHIFT, page;

	if (sector + sectors > img->loop.sectors)
		die("the log has a write beyond the device: %llu+%llu",
		    (unsigned long long)sector, (unsigned long long)sectors);
	copy_in(img->test + at, data, len);
	if (!durable || !len)
		return;
	copy_in(img->durable + at, data, len);
	for (page = at / PAGE; page <= (at + len - 1) / PAGE; page++)
		img->touched[page] = 1;
}

static u64 page_bytes(const struct image *img, u64 page)
{
	return min_u64(PAGE, (img->loop.sectors << SECTOR_SHIFT) - page * PAGE);
}

static void restore_page(struct image *img, u64 page)
{
	u64 at = page * PAGE, len = page_bytes(img, page);

	if (memcmp(img->test + at, img->durable + at, len))
		memcpy(img->test + at, img->durable + at, len);
}

/* Pages that exist in the file: everything else there is zeroes. */
static void restore_existing(struct image *img, u8 *seen)
{
	off_t from = 0, to;
	u64 page;

	for (;;) {
		from = lseek(img->loop.memfd, from, SEEK_DATA);
		if (from < 0)
			return;
		to = lseek(img->loop.memfd, from, SEEK_HOLE);
		for (page = from / PAGE; page < (u64)(to + PAGE - 1) / PAGE; page++) {
			restore_page(img, page);
			seen[page] = 1;
		}
		from = to;
	}
}

void image_restore(struct image *img)
{
	u8 *seen = xcalloc(img->pages, 1);
	u64 page;

	restore_existing(img, seen);
	for (page = 0; page < img->pages; page++)
		if (img->touched[page] && !seen[page])
			restore_page(img, page);
	free(seen);
}
