// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Corrupt deltas in the kernel. Chains are made by the target itself; then, for each
 * image, a few of the metadata blocks are spoilt - bits flipped, fields set, blocks
 * copied over one another - mostly with checksums mended, so that it is not these
 * that hold, and the chain is activated. What it shows may be wrong, and any request
 * may fail; nothing may crash, hang, warn, go beyond a device, or write to the base.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blkio.h"
#include "delta.h"
#include "dmdev.h"
#include "loopdev.h"
#include "rng.h"
#include "stamp.h"
#include "watch.h"

#define DELTAS		3
#define PAGES_MAX	4096
#define READ_SECTORS	(MIB / SECTOR_SIZE)
#define READ_WHOLE	(8 * MIB / SECTOR_SIZE)	/* disks up to this are read whole */
#define WATCHDOG	60

static struct {
	u64 seed, from, to, seconds;
	const char *save;
} opt = { .seed = 1, .to = 200 };

/* A page of a delta that is not zeroes. */
struct page {
	u64 blocknr;
	u32 magic;		/* 0: not metadata */
	u8 data[REDO_BLOCK_SIZE];
};

struct pristine {
	struct page *page;
	u32 nr;
};

struct store {
	struct loopdev loop;
	u8 *map;
};

/* A kind of chain, and its deltas as they were left. */
struct breed {
	const char *name;
	u64 sectors;
	u32 grain, journal;	/* journal: blocks; 0: as the kernel formats */
	bool running;		/* taken from a chain at work: there is a journal to replay */
	struct store base, delta[DELTAS];
	struct pristine kept[DELTAS];
};

static struct breed breeds[] = {
	{ .name = "clean", .sectors = 4 * MIB / SECTOR_SIZE + 3, .grain = 8 },
	{ .name = "running", .sectors = 4 * MIB / SECTOR_SIZE + 3, .grain = 8,
	  .journal = REDO_JOURNAL_BLOCKS_MIN, .running = true },
	{ .name = "large grains", .sectors = 6 * MIB / SECTOR_SIZE, .grain = 128,
	  .journal = REDO_JOURNAL_BLOCKS_MIN, .running = true },
	{ .name = "deep tree", .sectors = 1500 * MIB / SECTOR_SIZE, .grain = 8,
	  .running = true },
};

static struct {
	u64 nr;
	struct rng rng;
	char text[512];		/* what was done to it */
	size_t text_len;
} image;

static struct {
	u64 images, refused, activated, views, errors, gone;
} total;

/* --- chains --- */

static void store_open(struct store *s, u64 sectors)
{
	loopdev_open(&s->loop, sectors, true);
	s->map = loopdev_map(&s->loop);
}

static char *table(const struct breed *b, u32 depth)
{
	char *line = xasprintf("%s %u", b->base.loop.devno, depth);
	u32 i;

	for (i = 0; i < depth; i++) {
		char *longer = xasprintf("%s %s", line, b->delta[i].loop.devno);

		free(line);
		line = longer;
	}
	return line;
}

static struct dmdev *device(const struct breed *b, const char *name, u32 depth, bool read_only)
{
	char *line = table(b, depth);
	struct dmdev *d;

	/* What seems full must not make writers wait. */
	line = xrealloc(line, strlen(line) + 32);
	strcat(line, " 1 error_if_no_space");
	d = dmdev_create(name, b->sectors, "redo", line, read_only, true);

	free(line);
	return d;
}

static u64 some_sector(const struct breed *b)
{
	u64 hot = min_u64(b->sectors, 3 * MIB / SECTOR_SIZE);

	if (b->sectors > READ_WHOLE && rng_percent(&image.rng, 20))
		return rng_below(&image.rng, b->sectors);
	return rng_below(&image.rng, hot);
}

/* Errors are counted only. */
static void some_io(const struct breed *b, int fd, u32 n)
{
	static u8 *buf;
	u64 sector, sectors;
	static u32 gen = 2;

	if (!buf)
		buf = xmalloc_io(256 << SECTOR_SHIFT);
	while (n--) {
		sector = some_sector(b);
		sectors = min_u64(b->sectors - sector,
				  1 + rng_below(&image.rng, 1 << rng_below(&image.rng, 9)));
		if (sectors > 256)
			sectors = 256;
		if (rng_percent(&image.rng, 15)) {
			total.errors += blk_discard(fd, sector, b->sectors - sector < 4096 ?
						    b->sectors - sector :
						    rng_below(&image.rng, 4096)) != 0;
		} else if (rng_percent(&image.rng, 15)) {
			total.errors += blk_zero(fd, sector, sectors, BLK_ZERO_IOCTL) != 0;
		} else {
			stamp_fill(buf, opt.seed, gen++, sector, sectors);
			total.errors += blk_write(fd, buf, sector, sectors,
						  rng_percent(&image.rng, 20)) != 0;
		}
		if (rng_percent(&image.rng, 10))
			total.errors += blk_flush(fd) != 0;
	}
	total.errors += blk_flush(fd) != 0;
}

static void keep(struct pristine *p, const struct store *s)
{
	off_t at = 0, end;
	u64 b;

	p->page = xmalloc(PAGES_MAX * sizeof(*p->page));
	while ((at = lseek(s->loop.memfd, at, SEEK_DATA)) >= 0) {
		end = lseek(s->loop.memfd, at, SEEK_HOLE);
		for (b = at / REDO_BLOCK_SIZE; b < (u64)end / REDO_BLOCK_SIZE; b++) {
			struct page *page = &p->page[p->nr++];

			if (p->nr == PAGES_MAX)
				die("a delta with too many pages");
			page->blocknr = b;
			memcpy(page->data, s->map + b * REDO_BLOCK_SIZE, REDO_BLOCK_SIZE);
			memcpy(&page->magic, page->data, sizeof(page->magic));
			if (page->data[0] != 'R' || page->data[1] != 'D')
				page->magic = 0;
		}
		at = end;
	}
	if (errno != ENXIO)
		die_errno("SEEK_DATA");
}

/* Deltas go on one by one; each is written to, and the last but one sealed at work. */
static void breed_make(struct breed *b)
{
	u64 sectors = delta_device_sectors(min_u64(b->sectors, READ_WHOLE), b->grain, 1);
	struct dmdev *d = NULL;
	u32 i;
	int fd = -1;

	rng_init(&image.rng, opt.seed, b - breeds);
	store_open(&b->base, b->sectors);
	if (b->sectors <= READ_WHOLE)
		stamp_fill(b->base.map, opt.seed, 1, 0, b->sectors);
	for (i = 0; i < DELTAS; i++) {
		char *line;

		store_open(&b->delta[i], sectors);
		line = table(b, i + 1);
		if (b->journal)
			delta_format(b->delta[i].loop.fd, i ? b->delta[i - 1].loop.fd : -1, 0,
				     b->sectors, b->grain, b->journal);
		if (!d) {
			d = device(b, "breed", 1, false);
			if (!d)
				die("the kernel refuses \"%s\"", line);
			fd = blk_open(d->path, true);
		} else {
			if (!dmdev_load(d, b->sectors, "redo", line, false))
				die("the kernel refuses \"%s\"", line);
			dmdev_suspend(d, false);
			dmdev_resume(d);
		}
		free(line);
		some_io(b, fd, 60);
	}
	if (total.errors)
		die("the workload has failed");
	if (!b->running) {
		close(fd);
		dmdev_remove(d);
	}
	for (i = 0; i < DELTAS; i++)
		keep(&b->kept[i], &b->delta[i]);
	if (b->running) {
		close(fd);
		dmdev_remove(d);
	}
}

static void restore(const struct pristine *p, const struct store *s)
{
	u32 i;

	if (fallocate(s->loop.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      s->loop.sectors << SECTOR_SHIFT))
		die_errno("fallocate");
	for (i = 0; i < p->nr; i++)
		if (pwrite(s->loop.memfd, p->page[i].data, REDO_BLOCK_SIZE,
			   p->page[i].blocknr * REDO_BLOCK_SIZE) != REDO_BLOCK_SIZE)
			die_errno("restoring a delta");
}

/* --- spoiling --- */

#define AREAS 7
static const u32 areas[AREAS] = {
	REDO_MAGIC_SUPER, REDO_MAGIC_JOURNAL, REDO_MAGIC_LEAF, REDO_MAGIC_DIR,
	REDO_MAGIC_ALLOC, REDO_MAGIC_LABEL, REDO_MAGIC_UNIT,
};
static const u8 weight[AREAS] = { 25, 20, 20, 12, 15, 3, 5 };

static struct page *pick_of(const struct pristine *p, u32 magic)
{
	struct page *found = NULL;
	u32 i, n = 0;

	for (i = 0; i < p->nr; i++)
		if (p->page[i].magic == magic && rng_below(&image.rng, ++n) == 0)
			found = &p->page[i];
	return found;
}

static struct page *pick(const struct pristine *p)
{
	struct page *found = NULL;
	u32 i, w;

	while (!found) {
		w = rng_below(&image.rng, 100);
		for (i = 0; i < AREAS - 1 && w >= weight[i]; i++)
			w -= weight[i];
		found = pick_of(p, areas[i]);
	}
	return found;
}

static __attribute__((format(printf, 1, 2))) void tell(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (image.text_len < sizeof(image.text))
		image.text_len += vsnprintf(image.text + image.text_len,
					    sizeof(image.text) - image.text_len, fmt, ap);
	va_end(ap);
}

/* Most of what a block says is in its beginning. */
static u32 some_offset(u32 size, u32 align)
{
	u32 end = rng_percent(&image.rng, 50) ? min_u64(size, 384) : size;

	return 8 + round_down_to(rng_below(&image.rng, end - 8 - align), align);
}

static u64 interesting(const struct breed *b, const struct store *s, u64 old)
{
	static const u64 values[] = {
		0, 1, 2, 7, 8, 63, 64, 255, 256, 503, 504, 511, 512, 1023, 1024, 4095, 4096,
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1ULL << 47, (1ULL << 48) - 1,
		1ULL << 48, 1ULL << 60, 2ULL << 60, 3ULL << 60, 0xfffULL << 48,
		1ULL << 63, ~0ULL,
	};
	u64 size = s->loop.sectors / REDO_BLOCK_SECTORS;

	switch (rng_below(&image.rng, 10)) {
	case 0: return old + rng_between(&image.rng, 1, 3);
	case 1: return old - rng_between(&image.rng, 1, 3);
	case 2: return old ^ 1ULL << rng_below(&image.rng, 64);
	case 3: return size + rng_below(&image.rng, 3) - 1;		/* the device's end */
	case 4: return 1ULL << 60 | rng_below(&image.rng, size + 2);	/* a pointer */
	case 5: return b->sectors + rng_below(&image.rng, 3) - 1;	/* the disk's end */
	case 6: return rng_next(&image.rng);
	case 7: return (old & ~0xffffULL) | rng_below(&image.rng, 0x10000);
	}
	return values[rng_below(&image.rng, ARRAY_SIZE(values))];
}

static void flip_bits(u8 *block, u32 size)
{
	u32 n = rng_between(&image.rng, 1, 4), at;

	while (n--) {
		at = some_offset(size, 1);
		block[at] ^= 1U << rng_below(&image.rng, 8);
		tell(" bit in byte %u", at);
	}
}

static void set_word(const struct breed *b, const struct store *s, u8 *block, u32 size)
{
	u32 length = 1U << rng_between(&image.rng, 1, 3), at = some_offset(size, length);
	u64 old = 0, value;

	memcpy(&old, block + at, length);
	value = interesting(b, s, old);
	memcpy(block + at, &value, length);
	tell(" %u bytes at %u: %#llx to %#llx", length, at, (unsigned long long)old,
	     (unsigned long long)value);
}

/* Another block of the kind, of any delta, of any age, with its address put right. */
static void copy_other(const struct breed *b, u8 *block, const struct page *page)
{
	const struct page *other = pick_of(&b->kept[rng_below(&image.rng, DELTAS)], page->magic);
	struct redo_disk_header *dh = (void *)block;

	if (!other)
		return;
	memcpy(block, other->data, REDO_BLOCK_SIZE);
	if (rng_percent(&image.rng, 70))
		memcpy(dh->uuid, page->data + 8, REDO_UUID_SIZE);
	if (rng_percent(&image.rng, 70))
		dh->blocknr = cpu_to_le64(page->blocknr);
	tell(" copy of block %llu", (unsigned long long)other->blocknr);
}

static void spoil_one(const struct breed *b)
{
	u32 nr = rng_percent(&image.rng, 60) ? DELTAS - 1 : rng_below(&image.rng, DELTAS);
	const struct store *s = &b->delta[nr];
	const struct page *page = pick(&b->kept[nr]);
	u8 *block = s->map + page->blocknr * REDO_BLOCK_SIZE;
	u32 size = page->magic == REDO_MAGIC_SUPER ? REDO_SUPER_SIZE : REDO_BLOCK_SIZE;
	u32 kind = rng_below(&image.rng, 100);

	tell("; delta %u, block %llu (%.4s):", nr, (unsigned long long)page->blocknr,
	     (const char *)&page->magic);
	if (kind < 35)
		flip_bits(block, size);
	else if (kind < 85)
		set_word(b, s, block, size);
	else if (kind < 96)
		copy_other(b, block, page);
	else
		memset(block, 0, REDO_BLOCK_SIZE);
	if (kind >= 96)
		tell(" zeroes");
	else if (rng_percent(&image.rng, 93))
		redo_seal_block(block, size);
	else
		tell(" (checksum not mended)");
}

/* --- what the kernel does with it --- */

static void read_range(int fd, u64 from, u64 to)
{
	static u8 *buf;
	u64 at, len;

	if (!buf)
		buf = xmalloc_io(READ_SECTORS << SECTOR_SHIFT);
	for (at = from; at < to; at += len) {
		len = min_u64(READ_SECTORS, to - at);
		total.errors += blk_read(fd, buf, at, len) != 0;
	}
}

static void read_all(const struct breed *b, int fd)
{
	u32 i;

	if (b->sectors <= READ_WHOLE) {
		read_range(fd, 0, b->sectors);
		return;
	}
	read_range(fd, 0, 4 * MIB / SECTOR_SIZE);
	for (i = 0; i < 8; i++) {
		u64 at = rng_below(&image.rng, b->sectors);

		read_range(fd, at, min_u64(b->sectors, at + 512));
	}
}

static void ask(const struct breed *b, struct dmdev *d)
{
	char *text = xasprintf("allocated 0 %llu", (unsigned long long)b->sectors);
	char *answer = dmdev_message(d, text);

	total.errors += !answer;
	free(answer);
	free(text);
}

static bool use(const struct breed *b, u32 depth, bool read_only)
{
	struct dmdev *d = device(b, read_only ? "view" : "live", depth, read_only);
	char *status;
	int fd;

	if (!d)
		return false;
	fd = blk_open(d->path, !read_only);
	say("opened\n");
	read_all(b, fd);
	say("read\n");
	ask(b, d);
	if (!read_only) {
		some_io(b, fd, 12);
		read_range(fd, 0, min_u64(b->sectors, READ_SECTORS));
		status = dmdev_status(d);
		total.gone += !strncmp(status, "ro ", 3) || !strcmp(status, "Fail");
		free(status);
	}
	close(fd);
	dmdev_remove(d);
	return true;
}

static void check_base(const struct breed *b)
{
	static u8 *good;
	u64 s;

	if (b->sectors > READ_WHOLE)
		return;
	if (!good)
		good = xmalloc(MIB);
	for (s = 0; s < b->sectors; s += MIB / SECTOR_SIZE) {
		u64 n = min_u64(MIB / SECTOR_SIZE, b->sectors - s);

		stamp_fill(good, opt.seed, 1, s, n);
		if (memcmp(good, b->base.map + (s << SECTOR_SHIFT), n << SECTOR_SHIFT))
			die("the base has been written to");
	}
}

static void one_image(u64 nr)
{
	struct breed *b = &breeds[nr % ARRAY_SIZE(breeds)];
	u32 i, n;

	rng_init(&image.rng, opt.seed, 1000 + nr);
	image.nr = nr;
	image.text_len = 0;
	tell("%s", b->name);
	for (i = 0; i < DELTAS; i++)
		restore(&b->kept[i], &b->delta[i]);
	say("restored\n");
	for (n = rng_percent(&image.rng, 60) ? 1 : rng_between(&image.rng, 2, 5); n; n--)
		spoil_one(b);
	say("image %llu: %s\n", (unsigned long long)nr, image.text);
	log_begin();
	watch(WATCHDOG);
	total.images++;
	if (rng_percent(&image.rng, 25))
		total.views += use(b, rng_between(&image.rng, 1, DELTAS), true);
	if (use(b, DELTAS, false))
		total.activated++;
	else
		total.refused++;
	if (nr % 16 < ARRAY_SIZE(breeds))
		check_base(b);
	watch(0);
	say("used\n");
	log_end();
}

/* --- the corpus of tests/fuzz: the metadata of each delta, see tests/fuzz/image.h --- */

static void save(const struct breed *b, u32 nr)
{
	char *path = xasprintf("%s/%zd-%u", opt.save, b - breeds, nr);
	u64 head[2] = { 0x315a4652, b->delta[nr].loop.sectors / REDO_BLOCK_SECTORS };
	FILE *f = fopen(path, "w");
	u32 i;

	if (!f || fwrite(head, sizeof(head), 1, f) != 1)
		die_errno("%s", path);
	for (i = 0; i < b->kept[nr].nr; i++) {
		const struct page *page = &b->kept[nr].page[i];

		if (page->magic && (fwrite(&page->blocknr, sizeof(u64), 1, f) != 1 ||
				    fwrite(page->data, REDO_BLOCK_SIZE, 1, f) != 1))
			die_errno("%s", path);
	}
	if (fclose(f))
		die_errno("%s", path);
	free(path);
}

static void save_all(void)
{
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(breeds); i++)
		for (j = 0; j < DELTAS; j++)
			save(&breeds[i], j);
}

/* --- options --- */

static void how_to_repeat(void)
{
	fprintf(stderr, "image %llu: %s\nrepeat: redo-corrupt --seed %llu --from %llu --to %llu\n",
		(unsigned long long)image.nr, image.text, (unsigned long long)opt.seed,
		(unsigned long long)image.nr, (unsigned long long)image.nr + 1);
}

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "from", required_argument, NULL, 'f' },
	{ "to", required_argument, NULL, 't' },
	{ "seconds", required_argument, NULL, 'x' },
	{ "save", required_argument, NULL, 'S' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static const char help_text[] =
"redo-corrupt [options]: activates corrupt deltas\n"
"  --seed N            (1)\n"
"  --from N --to N     which images: from 0 to 199\n"
"  --seconds N         stop after that time\n"
"  --save DIR          write the good deltas' metadata there, for tests/fuzz\n"
"  --verbose\n";

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (c) {
		case 's': opt.seed = parse_number(optarg); break;
		case 'f': opt.from = parse_number(optarg); break;
		case 't': opt.to = parse_number(optarg); break;
		case 'x': opt.seconds = parse_number(optarg); break;
		case 'S': opt.save = optarg; break;
		case 'v': verbose = true; break;
		case 'h': fputs(help_text, stdout); exit(0);
		default: exit(2);
		}
	}
	if (optind != argc)
		exit(2);
}

int main(int argc, char **argv)
{
	double start;
	u64 nr;
	u32 i;

	parse(argc, argv);
	die_context = how_to_repeat;
	dmdev_init();
	if (!dmdev_have_target("redo"))
		die("the target redo must be loaded");
	for (i = 0; i < ARRAY_SIZE(breeds); i++)
		breed_make(&breeds[i]);
	if (opt.save)
		save_all();
	start = seconds_now();
	for (nr = opt.from; nr < opt.to; nr++) {
		if (opt.seconds && seconds_now() - start > opt.seconds)
			break;
		one_image(nr);
	}
	printf("redo-corrupt: seed %llu: %llu corrupt images: %llu activated, of which %llu turned read-only; %llu refused, %llu views, %llu requests failed, in %.0f s\n",
	       (unsigned long long)opt.seed, (unsigned long long)total.images,
	       (unsigned long long)total.activated, (unsigned long long)total.gone,
	       (unsigned long long)total.refused, (unsigned long long)total.views,
	       (unsigned long long)total.errors, seconds_now() - start);
	return 0;
}
