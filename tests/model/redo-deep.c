// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * As many deltas as the target takes, one snapshot after the other, and one more,
 * which it must refuse. Each delta has a grain of its own with its own stamp, so
 * that one taken for another shows.
 */
#include <string.h>
#include <unistd.h>

#include "blkio.h"
#include "dmdev.h"
#include "loopdev.h"

#define GRAIN		8			/* sectors */
#define STRIDE		(3 * GRAIN)		/* between the grains of two deltas */
#define BASE		(16 * MIB / SECTOR_SIZE)
#define PLACE		(32 * MIB / SECTOR_SIZE)	/* of one delta */

static struct dmdev **places;
static u8 *buf;

/* "<base> <n> <delta>...", freed by the caller */
static char *table(const struct loopdev *base, unsigned int n)
{
	char *text = xasprintf("%s %u", base->devno, n);
	unsigned int i;

	for (i = 0; i < n; i++) {
		char *longer = xasprintf("%s %s", text, places[i]->devno);

		free(text);
		text = longer;
	}
	return text;
}

static void fill(unsigned int stamp)
{
	memset(buf, stamp % 251 + 1, GRAIN * SECTOR_SIZE);
}

/* The grain at @sector has the stamp of delta @wanted - 1, or of the base if 0. */
static void expect(const u8 *grain, unsigned int wanted, u64 sector)
{
	unsigned int i;

	for (i = 0; i < GRAIN * SECTOR_SIZE; i++)
		if (grain[i] != (wanted ? wanted % 251 + 1 : 0))
			die("sector %llu: 0x%02x, expected that of %s %u",
			    (unsigned long long)sector + i / SECTOR_SIZE, grain[i],
			    wanted ? "delta" : "the base", wanted);
}

static void check(struct dmdev *chain, unsigned int n)
{
	u64 sectors = (u64)n * STRIDE, s;
	u8 *all = xmalloc_io(sectors * SECTOR_SIZE);
	int fd = blk_open(chain->path, false);

	if (blk_read(fd, all, 0, sectors))
		die("cannot read the chain");
	for (s = 0; s < sectors; s += GRAIN)
		expect(all + s * SECTOR_SIZE, s % STRIDE ? 0 : s / STRIDE + 1, s);
	close(fd);
	free(all);
}

static void write_grain(struct dmdev *chain, unsigned int i)
{
	int fd = blk_open(chain->path, true);

	fill(i + 1);
	if (blk_write(fd, buf, (u64)i * STRIDE, GRAIN, false))
		die("cannot write over delta %u", i);
	close(fd);
}

static struct dmdev *build(const struct loopdev *base, unsigned int n)
{
	struct dmdev *chain = NULL;
	unsigned int i;

	for (i = 0; i < n; i++) {
		char *params = table(base, i + 1);

		if (!i)
			chain = dmdev_create("chain", BASE, "redo", params, false, false);
		else if (dmdev_load(chain, BASE, "redo", params, false))
			dmdev_resume(chain);	/* suspends by itself */
		else
			chain = NULL;
		if (!chain)
			die("%u deltas are refused", i + 1);
		free(params);
		write_grain(chain, i);
	}
	return chain;
}

static void make_places(const struct loopdev *store, unsigned int n)
{
	unsigned int i;

	places = xcalloc(n, sizeof(*places));
	for (i = 0; i < n; i++) {
		char *name = xasprintf("d%u", i);
		char *params = xasprintf("%s %llu", store->devno,
					 (unsigned long long)i * PLACE);

		places[i] = dmdev_create(name, PLACE, "linear", params, false, false);
		if (!places[i])
			die("no place for delta %u", i);
		free(params);
		free(name);
	}
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 1 ? parse_number(argv[1]) : 256;
	struct loopdev base, store;
	struct dmdev *chain;
	char *params;

	if (argc > 2) {
		fprintf(stderr, "Usage: redo-deep [<deltas>]\n");
		return 2;
	}
	dmdev_init();
	buf = xmalloc_io(GRAIN * SECTOR_SIZE);
	loopdev_open(&base, BASE, true);
	loopdev_open(&store, PLACE * (n + 1), true);
	make_places(&store, n + 1);

	chain = build(&base, n);
	check(chain, n);
	dmdev_remove(chain);

	params = table(&base, n);
	chain = dmdev_create("chain", BASE, "redo", params, false, false);
	if (!chain)
		die("%u deltas are not activated", n);
	check(chain, n);
	free(params);

	params = table(&base, n + 1);
	if (dmdev_load(chain, BASE, "redo", params, true))
		die("%u deltas were taken", n + 1);
	check(chain, n);
	printf("redo-deep: %u deltas, %u refused\n", n, n + 1);
	return 0;
}
