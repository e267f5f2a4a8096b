// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "player.h"
#include "stamp.h"

#define FLUSHES_UNDER_WAY	8	/* at a time, at most: each chain has a few */

void player_init(struct player *p, const struct lw_log *log, struct image *img,
		 bool cache, bool durable, u64 seed)
{
	memset(p, 0, sizeof(*p));
	p->log = log;
	p->img = img;
	p->cache = cache;
	p->durable = durable;
	p->seed = seed;
	p->epoch = 2;
	p->fua_epoch = xcalloc(img->loop.sectors, sizeof(u32));
}

void player_free(struct player *p)
{
	free(p->fua_epoch);
}

/* What is logged now without FUA: may it be older than the last FUA write there? */
static bool fua_in_doubt(const struct player *p, u64 sector)
{
	u32 fua = p->fua_epoch[sector];

	return p->cache && fua && p->epoch <= fua + FLUSHES_UNDER_WAY;
}

/*
 * After a discard a device may return the old data, zeroes or anything. What it
 * is has been drawn once for all for each discard of a log. Where the discard may be
 * older than what is there, the old data it is.
 */
static void put_discard(struct player *p, u64 nr, const struct lw_entry *e, bool durable)
{
	static u8 garbage[SECTOR_SIZE];
	const void *data = garbage;
	struct rng rng;
	u64 sector;

	rng_init(&rng, p->seed, 0x10000000 + nr);
	switch (rng_below(&rng, 3)) {
	case 0:
		return;
	case 1:
		data = NULL;
	}
	memset(garbage, 0xdb, sizeof(garbage));
	for (sector = e->sector; sector < e->sector + e->sectors; sector++)
		if (!fua_in_doubt(p, sector))
			image_put(p->img, sector, data, 1, durable);
}

/* Both stamped for the same sector? Then: is @a the older one? */
static int stamp_order(const void *a, const void *b, u64 seed)
{
	const u64 *wa = a, *wb = b;
	struct stamp sa, sb;

	if (stamp_read(a, seed, wa[3], &sa) != STAMP_GOOD ||
	    stamp_read(b, seed, wb[3], &sb) != STAMP_GOOD || sa.sector != sb.sector)
		return 0;
	return sa.gen < sb.gen ? -1 : 1;
}

/*
 * The log has a plain write after a FUA write to the same sector, if that
 * completed before the flush that covers the plain one was sent. Which of them
 * came first? Where both are stamped their stamps tell. Zeroes came first unless
 * a write-zeroes has begun to zero the sector when they were logged (a discard does not: it
 * sends no zeroes to a device below); anything else did. But an older write had completed when the FUA write
 * was logged: it is covered by the flushes under way at that moment, or the next one. Later
 * ones bring what is newer, and be it the zeroes around a part in a grain that is used again.
 */
static bool older_than_fua(const struct player *p, const struct lw_entry *e, u64 sector,
			   const void *data)
{
	const u64 *old = image_at(p->img, sector);
	struct stamp s;
	int order;

	if (!fua_in_doubt(p, sector))
		return false;
	order = stamp_order(data, old, p->seed);
	if (order)
		return order < 0;
	if (p->history && stamp_read(old, p->seed, old[3], &s) == STAMP_GOOD &&
	    stamp_read(data, p->seed, s.sector, &s) == STAMP_ZERO)
		return !history_zeroed_since(p->history, old[3], old[2], p->clock[e - p->log->entry]);
	return p->fua_epoch[sector] == p->epoch;
}

static void put_sector(struct player *p, const struct lw_entry *e, u64 i, bool durable)
{
	const u8 *data = e->data + (i << SECTOR_SHIFT);

	if (!older_than_fua(p, e, e->sector + i, data))
		image_put(p->img, e->sector + i, data, 1, durable);
}

/*
 * A discard below comes when a grain has been freed, and what is logged after it is of the
 * grain's next life, unless it was of an earlier one, the log being late with it as well:
 * then nothing that is in force has asked for the place to be freed.
 */
static void end_fua(struct player *p, u64 nr)
{
	const struct lw_entry *e = &p->log->entry[nr];
	const u64 *old;
	struct stamp s;
	u64 sector;

	if (!p->history || !(e->flags & LW_DISCARD))
		return;
	for (sector = e->sector; sector < e->sector + e->sectors; sector++) {
		old = image_at(p->img, sector);
		if (p->fua_epoch[sector] &&
		    stamp_read(old, p->seed, old[3], &s) == STAMP_GOOD &&
		    history_freed_since(p->history, old[3], old[2], p->clock[nr]))
			p->fua_epoch[sector] = 0;
	}
}

static void put_plain(struct player *p, u64 nr, bool durable)
{
	const struct lw_entry *e = &p->log->entry[nr];
	u64 i;

	if (e->flags & LW_DISCARD) {
		put_discard(p, nr, e, durable);
		return;
	}
	for (i = 0; i < e->sectors; i++)
		put_sector(p, e, i, durable);
}

static void put_fua(struct player *p, u64 nr)
{
	const struct lw_entry *e = &p->log->entry[nr];
	u64 i;

	image_put(p->img, e->sector, e->data, e->sectors, p->durable);
	for (i = 0; i < e->sectors; i++)
		p->fua_epoch[e->sector + i] = p->epoch;
}

static void advance_one(struct player *p)
{
	u64 nr = p->at++;
	const struct lw_entry *e = &p->log->entry[nr];

	if (!p->cache) {
		put_plain(p, nr, p->durable);
		p->held = p->at;
		return;
	}
	if (!(e->flags & (LW_FLUSH | LW_FUA)))
		return;	/* held */
	if (e->flags & LW_FLUSH) {
		for (; p->held < nr; p->held++) {
			end_fua(p, p->held);
			put_plain(p, p->held, p->durable);
		}
		p->epoch++;
	}
	if (e->data)
		put_fua(p, nr);
	p->held = p->at;
}

bool player_can_cut(const struct player *p, u64 nr)
{
	const struct lw_entry *e;

	if (nr == p->log->nr)
		return true;
	e = &p->log->entry[nr];
	if (p->cache)
		return e->flags & (LW_FLUSH | LW_FUA);
	return e->sectors;
}

void player_advance(struct player *p, u64 to)
{
	while (p->at < to)
		advance_one(p);
}

/* Some sectors of a write that was on its way. A sector is whole or not there. */
static void put_torn(struct player *p, const struct lw_entry *e, struct rng *rng)
{
	u64 i;

	for (i = 0; i < e->sectors; i++)
		if (rng_percent(rng, 50))
			put_sector(p, e, i, false);
}

static void put_some(struct player *p, u64 to, struct rng *rng, unsigned int keep,
		     bool torn)
{
	u64 nr;

	for (nr = p->held; nr < to; nr++) {
		const struct lw_entry *e = &p->log->entry[nr];

		if (torn && e->data && rng_percent(rng, 30))
			put_torn(p, e, rng);
		else if (rng_percent(rng, keep))
			put_plain(p, nr, false);
	}
}

const char *player_partial(struct player *p, struct rng *rng)
{
	const struct lw_entry *e = p->at < p->log->nr ? &p->log->entry[p->at] : NULL;
	static char text[120];
	unsigned int keep;
	bool torn;

	if (e && (!p->cache || (e->flags & (LW_FLUSH | LW_FUA)) == LW_FUA)) {
		if (e->data && rng_percent(rng, 60)) {
			put_torn(p, e, rng);
			return "the write of that entry is torn";
		}
		return "the write of that entry is lost";
	}
	keep = rng_percent(rng, 20) ? 0 : rng_percent(rng, 15) ? 100 :
	       rng_between(rng, 5, 95);
	torn = keep % 100 && rng_percent(rng, 40);
	put_some(p, p->at, rng, keep, torn);
	snprintf(text, sizeof(text), "%u%% of %llu unflushed writes kept%s", keep,
		 (unsigned long long)(p->at - p->held), torn ? ", some torn" : "");
	return text;
}
