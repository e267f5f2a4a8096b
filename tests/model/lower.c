// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <unistd.h>

#include "blkio.h"
#include "delta.h"
#include "lower.h"

static struct lower *all;

static struct lower *add(void)
{
	struct lower *l = xcalloc(1, sizeof(*l));

	l->next = all;
	all = l;
	return l;
}

void lower_give(const char *path)
{
	struct lower *l = add();

	l->given = true;
	l->fd = blk_open(path, true);
	l->sectors = blk_sectors(l->fd);
	blkdev_number(l->fd, l->devno);
}

static struct lower *make(u64 sectors, bool cache)
{
	struct lower *l = add();

	loopdev_open(&l->loop, sectors, cache);
	l->fd = l->loop.fd;
	l->sectors = sectors;
	snprintf(l->devno, sizeof(l->devno), "%s", l->loop.devno);
	return l;
}

static bool fits(const struct lower *l, u64 sectors)
{
	return !l->busy && (l->given ? l->sectors >= sectors : l->sectors == sectors);
}

struct lower *lower_get(struct rng *rng, u64 sectors, bool cache)
{
	struct lower *l;

	for (l = all; l; l = l->next)
		if (fits(l, sectors))
			break;
	if (!l)
		l = make(sectors, cache);
	else if (rng_percent(rng, 30))
		blk_zero(l->fd, 0, l->sectors, BLK_ZERO_PUNCH);
	l->busy = true;
	l->store = false;
	delta_wipe(l->fd);
	return l;
}

void lower_put(struct lower *l)
{
	l->busy = false;
}

bool lower_can_cut(void)
{
	struct lower *l;

	for (l = all; l; l = l->next)
		if (l->given)
			return false;
	return true;
}

void lower_cut(struct rng *rng, bool stores_last)
{
	struct lower *l;

	for (l = all; l; l = l->next)
		if (l->busy && !(stores_last && l->store) && rng_percent(rng, 50))
			loopdev_freeze(&l->loop);
	for (l = all; l; l = l->next)
		if (l->busy && !(stores_last && l->store))
			loopdev_freeze(&l->loop);
	for (l = all; l; l = l->next)
		if (l->busy)
			loopdev_freeze(&l->loop);
}

void lower_revive(void)
{
	struct lower *l;

	for (l = all; l; l = l->next) {
		if (!l->busy)
			continue;
		loopdev_renew(&l->loop);
		l->fd = l->loop.fd;
		snprintf(l->devno, sizeof(l->devno), "%s", l->loop.devno);
	}
}

void lower_release_all(void)
{
	while (all) {
		struct lower *l = all;

		all = l->next;
		if (l->given)
			close(l->fd);
		else
			loopdev_close(&l->loop);
		free(l);
	}
}
