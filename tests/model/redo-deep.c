// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many deltas, one snapshot after the other, and one more, which must be refused
 * when these are as many as the target takes. Each delta has a grain of its own
 * with its own stamp, so that one taken for another shows, and a grain of which
 * deltas above it and below have a version, too. Every eighth point in time is
 * compared, whole.
 */
#include <string.h>
#include <unistd.h>

#include "blkio.h"
#include "dmdev.h"
#include "loopdev.h"

#define DEPTH_MAX	256			/* what the target takes */
#define GRAIN		8			/* sectors */
#define STRIDE		(3 * GRAIN)		/* between the grains of two deltas */
#define BASE		(16 * MIB / SECTOR_SIZE)
#define SHARED		16			/* grains behind those, written in turn */
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

/* Which delta, from 1, has grain @g when the newest is the @n-th of @all; 0: none. */
static unsigned int owner(u64 g, unsigned int n, unsigned int all)
{
	u64 first_shared = (u64)all * STRIDE / GRAIN, k;

	if (g < first_shared)
		return g * GRAIN % STRIDE || g * GRAIN / STRIDE >= n ? 0 : g * GRAIN / STRIDE + 1;
	k = g - first_shared;
	if (k >= min_u64(n, SHARED))
		return 0;
	return (n - 1 - k) / SHARED * SHARED + k + 1;
}

/* Is the grain at @data all @byte? */
static bool holds(const u8 *data, u8 byte)
{
	return *data == byte && !memcmp(data, data + 1, GRAIN * SECTOR_SIZE - 1);
}

/* As it was when the newest delta was the @n-th of @all. */
static void check(struct dmdev *chain, unsigned int n, unsigned int all)
{
	int fd = blk_open(chain->path, false);
	u8 *data = xmalloc_io(MIB);
	u64 g;

	for (g = 0; g < BASE / GRAIN; g++) {
		u64 in = g * GRAIN * SECTOR_SIZE % MIB;
		unsigned int who = owner(g, n, all);

		if (!in && blk_read(fd, data, g * GRAIN, MIB / SECTOR_SIZE))
			die("cannot read the chain at sector %llu", (unsigned long long)g * GRAIN);
		if (!holds(data + in, who ? who % 251 + 1 : 0))
			die("point %u, sector %llu: not that of delta %u", n,
			    (unsigned long long)g * GRAIN, who);
	}
	close(fd);
	free(data);
}

static void write_grains(struct dmdev *chain, unsigned int i, unsigned int all)
{
	int fd = blk_open(chain->path, true);
	u64 shared = (u64)all * STRIDE + i % SHARED * GRAIN;

	memset(buf, (i + 1) % 251 + 1, GRAIN * SECTOR_SIZE);
	if (blk_write(fd, buf, (u64)i * STRIDE, GRAIN, false) ||
	    blk_write(fd, buf, shared, GRAIN, false))
		die("cannot write over delta %u", i + 1);
	close(fd);
}

static void check_points(const struct loopdev *base, unsigned int all)
{
	unsigned int n;

	for (n = 1; n < all; n += 8) {
		char *params = table(base, n);
		struct dmdev *view = dmdev_create("view", BASE, "redo", params, true, false);

		if (!view)
			die("no view of point %u", n);
		check(view, n, all);
		dmdev_remove(view);
		free(params);
	}
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
		write_grains(chain, i, n);
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
	unsigned int n = argc > 1 ? parse_number(argv[1]) : DEPTH_MAX;
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
	check(chain, n, n);
	dmdev_remove(chain);

	params = table(&base, n);
	chain = dmdev_create("chain", BASE, "redo", params, false, false);
	if (!chain)
		die("%u deltas are not activated", n);
	check(chain, n, n);
	free(params);

	check_points(&base, n);

	params = table(&base, n + 1);
	if (dmdev_load(chain, BASE, "redo", params, true) == (n == DEPTH_MAX))
		die("%u deltas were %s", n + 1, n == DEPTH_MAX ? "taken" : "refused");
	check(chain, n, n);
	printf("redo-deep: %u deltas%s\n", n, n == DEPTH_MAX ? ", one more refused" : "");
	return 0;
}
