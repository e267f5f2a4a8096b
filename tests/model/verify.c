// SPDX-License-Identifier: GPL-2.0-or-later
/* Comparing what the devices show with the model. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "forest.h"
#include "merges.h"
#include "oplog.h"
#include "questions.h"
#include "stamp.h"

#define READ_SECTORS	2048
#define SHOWN_MAX	12

/* What is in one sector: true and the generation, or it is none of ours. */
static bool sector_gen(struct forest *f, const void *buf, u64 sector, u64 *gen)
{
	struct stamp s;

	switch (stamp_read(buf, f->seed, sector, &s)) {
	case STAMP_ZERO:
	case STAMP_GOOD:
		*gen = s.gen;
		return true;
	default:
		return false;
	}
}

/* Large reads mostly; now and then odd ones, which cut across grains. */
static u64 read_size(struct forest *f)
{
	switch (rng_below(&f->rng, 8)) {
	case 0:
		return 1 + rng_below(&f->rng, 64);
	case 1:
		return 8;
	case 2:
		return rng_between(&f->rng, 100, READ_SECTORS);
	default:
		return READ_SECTORS;
	}
}

typedef void (*sector_fn)(struct forest *f, const void *buf, u64 sector, void *data);

static void for_each_sector(struct forest *f, int fd, const char *what,
			    sector_fn fn, void *data)
{
	static char *buf;
	u64 at, n, i;
	int r;

	if (!buf)
		buf = xmalloc_io(READ_SECTORS << SECTOR_SHIFT);
	for (at = 0; at < f->opt.sectors; at += n) {
		n = min_u64(read_size(f), f->opt.sectors - at);
		r = blk_read(fd, buf, at, n);
		if (r)
			die("%s: reading %llu+%llu: %s", what, (unsigned long long)at,
			    (unsigned long long)n, strerror(-r));
		for (i = 0; i < n; i++)
			fn(f, buf + (i << SECTOR_SHIFT), at + i, data);
	}
	f->compared += f->opt.sectors;
}

struct compare {
	const u32 *content;
	const char *what;
	u64 bad;
};

static void show_difference(struct forest *f, const void *buf, u64 sector,
			    const struct compare *c)
{
	u64 gen;

	fprintf(stderr, "%s: sector %llu: expected %s\n", c->what,
		(unsigned long long)sector, oplog_describe(c->content[sector]));
	fprintf(stderr, "    found %s", stamp_describe(buf, f->seed, sector));
	if (sector_gen(f, buf, sector, &gen) && gen)
		fprintf(stderr, " (%s)", oplog_describe(gen));
	fprintf(stderr, "\n");
	if (!c->bad)
		oplog_print_history(sector, 6);
}

static void compare_sector(struct forest *f, const void *buf, u64 sector, void *data)
{
	struct compare *c = data;
	u64 gen;

	if (sector_gen(f, buf, sector, &gen) && gen == c->content[sector])
		return;
	if (c->bad < SHOWN_MAX)
		show_difference(f, buf, sector, c);
	c->bad++;
}

void content_verify(struct forest *f, int fd, const u32 *content, const char *what)
{
	struct compare c = { .content = content, .what = what };

	for_each_sector(f, fd, what, compare_sector, &c);
	if (c.bad)
		die("%s: %llu of %llu sectors differ, after %s", what,
		    (unsigned long long)c.bad, (unsigned long long)f->opt.sectors,
		    oplog_where());
}

static void verify_chain(struct forest *f, struct chain *c)
{
	if (c->dm) {
		content_verify(f, c->fd, c->content, c->name);
		questions_ask(f, c);
	} else if (merges_allow(f, c->top)) {
		struct view temporary = { 0 };
		char *what = xasprintf("%s, deactivated", c->name);

		view_open(f, &temporary, c->top);
		content_verify(f, temporary.fd, c->content, what);
		view_close(f, &temporary);
		free(what);
	}
}

static struct view *held_view(struct forest *f, const struct node *n)
{
	unsigned int i;

	for (i = 0; i < FOREST_VIEWS; i++)
		if (f->view[i].node == n)
			return &f->view[i];
	return NULL;
}

static void verify_point(struct forest *f, struct node *n)
{
	struct view temporary = { 0 }, *v = held_view(f, n);
	char *what = xasprintf("snapshot point %u%s", n->nr, v ? " (view kept open)" : "");

	point_settle(f, n);
	if (v) {
		content_verify(f, v->fd, n->content, what);
	} else {
		view_open(f, &temporary, n);
		content_verify(f, temporary.fd, n->content, what);
		questions_point(f, temporary.dm, n);
		view_close(f, &temporary);
	}
	f->points_compared++;
	free(what);
}

/* A view that was open before is not in the way of looking at it. */
static bool can_look(struct forest *f, const struct node *n)
{
	return node_sealed(n) && (held_view(f, n) || merges_allow(f, n));
}

void forest_verify(struct forest *f)
{
	struct node *n;
	unsigned int i;

	for (i = 0; i < FOREST_CHAINS; i++)
		if (f->chain[i].top)
			verify_chain(f, &f->chain[i]);
	for (n = f->nodes; n; n = n->next)
		if (can_look(f, n))
			verify_point(f, n);
}

struct observe {
	u32 *before;		/* what is found goes here */
	const u32 *after;
	const char *what;
};

static void observe_sector(struct forest *f, const void *buf, u64 sector, void *data)
{
	struct observe *o = data;
	u64 gen;

	if (sector_gen(f, buf, sector, &gen) &&
	    (gen == o->before[sector] || gen == o->after[sector])) {
		o->before[sector] = gen;
		return;
	}
	fprintf(stderr, "%s: sector %llu: expected %s\n", o->what,
		(unsigned long long)sector, oplog_describe(o->before[sector]));
	if (o->after[sector] != o->before[sector])
		fprintf(stderr, "    or %s\n", oplog_describe(o->after[sector]));
	fprintf(stderr, "    found %s\n", stamp_describe(buf, f->seed, sector));
	oplog_print_history(sector, 6);
	die("%s differs, after %s", o->what, oplog_where());
}

void content_settle(struct forest *f, int fd, u32 *content, u32 *maybe, const char *what)
{
	struct observe o = { .before = content, .after = maybe, .what = what };

	for_each_sector(f, fd, what, observe_sector, &o);
	free(maybe);
}

void point_settle(struct forest *f, struct node *n)
{
	struct view temporary = { 0 };
	u32 *maybe = n->maybe;
	char *what;

	if (!maybe)
		return;
	what = xasprintf("new snapshot point %u", n->nr);
	view_open(f, &temporary, n);
	n->maybe = NULL;
	content_settle(f, temporary.fd, n->content, maybe, what);
	view_close(f, &temporary);
	free(what);
}
