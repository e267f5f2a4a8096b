// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>
#include <unistd.h>

#include "afterlife.h"
#include "blkio.h"
#include "cbt.h"
#include "stamp.h"

#define LOG_SECTORS	(1024 * MIB / SECTOR_SIZE)
#define WRITE_MAX	64

static void write_one(struct afterlife *a, const struct checker *c, struct rng *rng, void *buf)
{
	struct afterlife_write *w = &a->write[a->nr_writes++];
	u64 size = c->trace->layout.base_sectors, unit = c->trace->grain;

	w->gen = check_new_gen();
	w->sectors = rng_percent(rng, 70) ? unit : 1 + rng_below(rng, WRITE_MAX);
	w->sectors = min_u64(w->sectors, size);
	w->sector = rng_below(rng, size - w->sectors + 1);
	if (w->sectors == unit)
		w->sector = round_down_to(w->sector, unit);
	stamp_fill(buf, c->trace->seed, w->gen, w->sector, w->sectors);
	if (blk_write(c->fd, buf, w->sector, w->sectors, rng_percent(rng, 20)))
		die("writing to the recovered chain at %llu", (unsigned long long)w->sector);
}

static void take_id(struct afterlife *a, const struct checker *c)
{
	struct afterlife_id *id = &a->id[a->nr_ids++];
	char text[CBT_ID_SIZE];
	int r = cbt_mark(c->live, NULL, text);

	if (r)
		die("cbt_mark after a recovery: %s", strerror(r));
	id->number = strtoull(strchr(text, '/') + 1, NULL, 10);
	id->writes = a->nr_writes;
	id->round = a->rounds + 1;
}

static void leave_mail(const struct checker *c, u32 round, void *buf)
{
	struct mail *m = buf;
	int fd = blk_open(c->stack.mail->path, true);

	memset(buf, 0, SECTOR_SIZE);
	m->magic = MAIL_MAGIC;
	m->event = round;
	if (blk_write(fd, buf, 0, 1, true))
		die("mail after a recovery");
	close(fd);
}

static void live(struct afterlife *a, const struct checker *c, struct rng *rng)
{
	void *buf = xmalloc_io(max_u64(WRITE_MAX, c->trace->grain) << SECTOR_SHIFT);
	u32 n, rounds = rng_below(rng, AFTERLIFE_ROUNDS + 1);

	while (a->rounds < rounds) {
		n = rng_between(rng, 1, AFTERLIFE_WRITES);
		while (n--) {
			write_one(a, c, rng, buf);
			if (!n && c->stack.store && rng_percent(rng, 30))
				take_id(a, c);
		}
		if (blk_flush(c->fd))
			die("flushing the recovered chain");
		a->flushed[++a->rounds] = a->nr_writes;
		leave_mail(c, a->rounds, buf);
	}
	free(buf);
}

static void revive_other(const struct checker *like, const struct moment *m)
{
	struct checker c = *like;

	if (!check_find_chain(&c, 1, m))
		return;
	check_activate(&c);
	check_deactivate(&c);
}

static void revive(struct afterlife *a, struct checker *c, const struct moment *m,
		   struct rng *rng)
{
	check_find_chain(c, 0, m);
	a->base_open = c->known_top == TRACE_BASE;
	check_activate(c);
	check_live(c, "live, before a life that is logged", check_by_history, (void *)m);
	live(a, c, rng);
	check_deactivate(c);
}

void afterlife_record(struct afterlife *a, const struct checker *like,
		      const struct moment *m, bool cache, struct rng *rng)
{
	u64 bytes = like->trace->layout.base_sectors * sizeof(u64);
	struct checker c = *like;
	struct dmdev *logger;
	char *params;

	memset(a, 0, sizeof(*a));
	loopdev_open(&a->log_dev, LOG_SECTORS, true);
	params = xasprintf("%s %s", like->img->loop.devno, a->log_dev.devno);
	logger = dmdev_create("relog", like->trace->layout.sectors, "log-writes", params,
			      false, false);
	if (!logger)
		die("cannot make a dm-log-writes device");
	free(params);
	if (!cache)
		blkdev_deny_cache(logger->path);
	check_open(&c, logger->devno, NULL);
	revive_other(&c, m);
	revive(a, &c, m, rng);
	a->content = xmalloc(bytes);
	memcpy(a->content, c.content, bytes);
	check_close(&c);
	dmdev_remove(logger);
	a->map = loopdev_map(&a->log_dev);
	lw_parse(&a->log, a->map, LOG_SECTORS << SECTOR_SHIFT);
}

void afterlife_free(struct afterlife *a)
{
	lw_free(&a->log);
	free(a->content);
	loopdev_unmap(&a->log_dev, a->map);
	loopdev_close(&a->log_dev);
}

/* A write begins when the mail of the round before has been delivered. */
void afterlife_moment(struct afterlife *a, const struct trace *t, u64 entry)
{
	u32 round = 0;
	u64 i;

	for (i = 0; i < entry; i++) {
		const struct lw_entry *e = &a->log.entry[i];

		if (e->data && trace_is_mail(t, e->sector))
			round = ((const struct mail *)e->data)->event;
	}
	a->round = round;
	a->durable = a->flushed[round];
	a->begun = a->flushed[min_u64(round + 1, a->rounds)];
}

u64 afterlife_at_id(const struct afterlife *a, const struct afterlife_id *id, u64 sector)
{
	u32 i;

	for (i = id->writes; i--; )
		if (sector >= a->write[i].sector &&
		    sector < a->write[i].sector + a->write[i].sectors)
			return a->write[i].gen;
	return a->content[sector];
}

bool check_by_afterlife(struct checker *c, u64 sector, u64 gen, u64 *expected, void *data)
{
	const struct afterlife *a = data;
	u32 i;

	for (i = a->begun; i--; ) {
		const struct afterlife_write *w = &a->write[i];

		if (sector < w->sector || sector >= w->sector + w->sectors)
			continue;
		*expected = w->gen;
		if (gen == w->gen)
			return true;
		if (i < a->durable)
			return false;
	}
	*expected = a->content[sector];
	return gen == a->content[sector];
}
