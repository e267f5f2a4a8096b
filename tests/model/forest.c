// SPDX-License-Identifier: GPL-2.0-or-later
/* Nodes, chains and views; what is compared is in verify.c. */
#include <string.h>
#include <unistd.h>

#include "delta.h"
#include "forest.h"
#include "oplog.h"
#include "stamp.h"
#include "tracking.h"

u32 *content_new(const struct forest *f)
{
	return xcalloc(f->opt.sectors, sizeof(u32));
}

u32 *content_copy(const struct forest *f, const u32 *content)
{
	u32 *copy = content_new(f);

	memcpy(copy, content, f->opt.sectors * sizeof(u32));
	return copy;
}

struct node *node_new(struct forest *f, struct node *parent, struct lower *dev)
{
	struct node *n = xcalloc(1, sizeof(*n));

	n->nr = f->next_nr++;
	n->parent = parent;
	n->dev = dev;
	if (parent)
		node_get(parent);
	n->next = f->nodes;
	f->nodes = n;
	f->nr_nodes++;
	return n;
}

void node_get(struct node *n)
{
	n->users++;
}

static void node_free(struct forest *f, struct node *n)
{
	struct node **p;

	for (p = &f->nodes; *p != n; p = &(*p)->next)
		;
	*p = n->next;
	f->nr_nodes--;
	lower_put(n->dev);
	free(n->content);
	free(n->maybe);
	if (n->parent)
		node_put(f, n->parent);
	free(n);
}

void node_put(struct forest *f, struct node *n)
{
	if (!--n->users && !node_sealed(n))
		node_free(f, n);
}

bool node_forget_one(struct forest *f)
{
	struct node *n;

	for (n = f->nodes; n; n = n->next)
		if (!n->users && n->parent) {
			node_free(f, n);
			return true;
		}
	return false;
}

unsigned int node_depth(const struct node *n)
{
	unsigned int depth = 0;

	for (; n->parent; n = n->parent)
		depth++;
	return depth;
}

bool node_in_line(const struct node *n, const struct node *top)
{
	while (top && top != n)
		top = top->parent;
	return top;
}

static char *table_from(const struct node *n, unsigned int depth)
{
	char *below, *line;

	if (!n->parent)
		return xasprintf("%s %u", n->dev->devno, depth);
	below = table_from(n->parent, depth);
	line = xasprintf("%s %s", below, n->dev->devno);
	free(below);
	return line;
}

char *forest_table(const struct node *n)
{
	return table_from(n, node_depth(n));
}

char *chain_table(const struct chain *c, const struct node *n)
{
	char *line = forest_table(n), *longer;

	if (c->tracker)
		longer = xasprintf("%s 2 cbt %s", line, c->tracker->store->devno);
	else if (c->no_cbt)
		longer = xasprintf("%s 1 no_cbt", line);
	else
		return line;
	free(line);
	return longer;
}

/* Frees @line. */
static struct dmdev *table_device(struct forest *f, const char *name, char *line,
				  bool read_only)
{
	struct dmdev *dm;

	dm = dmdev_create(name, f->opt.sectors, f->opt.target, line, read_only, false);
	if (!dm)
		die("%s: the kernel refused \"%s\"", name, line);
	free(line);
	return dm;
}

void chain_activate(struct forest *f, struct chain *c)
{
	c->dm = table_device(f, c->name, chain_table(c, c->top), false);
	c->fd = blk_open(c->dm->path, true);
}

void chain_deactivate(struct forest *f, struct chain *c)
{
	(void)f;
	close(c->fd);
	dmdev_remove(c->dm);
	c->dm = NULL;
}

struct chain *chain_random(struct forest *f, bool active)
{
	unsigned int count = 0, i;
	struct chain *found = NULL;

	for (i = 0; i < FOREST_CHAINS; i++) {
		struct chain *c = &f->chain[i];

		if (c->top && !!c->dm == active && !rng_below(&f->rng, ++count))
			found = c;
	}
	return found;
}

struct chain *chain_free_slot(struct forest *f)
{
	unsigned int i;

	for (i = 0; i < FOREST_CHAINS; i++)
		if (!f->chain[i].top)
			return &f->chain[i];
	return NULL;
}

void chain_drop(struct forest *f, struct chain *c)
{
	if (c->dm)
		chain_deactivate(f, c);
	node_put(f, c->top);
	c->top = NULL;
	c->source = NULL;
	tracking_end(f, c);
	c->uuid_before[0] = 0;
	c->no_cbt = false;
	free(c->content);
}

void view_open(struct forest *f, struct view *v, struct node *n)
{
	static unsigned int count;
	char *name = xasprintf("view%u", count++);

	v->node = n;
	v->dm = table_device(f, name, forest_table(n), true);
	v->fd = blk_open(v->dm->path, false);
	node_get(n);
	free(name);
}

void view_close(struct forest *f, struct view *v)
{
	close(v->fd);
	dmdev_remove(v->dm);
	node_put(f, v->node);
	v->node = NULL;
}

/* Given devices may be larger than the chain: the rest of the base is not looked at. */
static void fill_base(struct forest *f, struct node *base, u32 *content)
{
	void *buf = xmalloc_io(JOB_SECTORS_MAX << SECTOR_SHIFT);
	u64 at, n;

	for (at = 0; at < f->opt.sectors; at += n) {
		n = min_u64(JOB_SECTORS_MAX, f->opt.sectors - at);
		stamp_fill(buf, f->seed, 1, at, n);
		if (blk_write(base->dev->fd, buf, at, n, false))
			die("cannot write the base");
	}
	for (at = 0; at < f->opt.sectors; at++)
		content[at] = 1;
	free(buf);
}

void forest_plant(struct forest *f, u64 seed, const struct forest_options *opt)
{
	struct chain *c = &f->chain[0];

	memset(f, 0, sizeof(*f));
	f->opt = *opt;
	f->seed = seed;
	rng_init(&f->rng, seed, 0);
	oplog_reset();
	c->top = node_new(f, NULL, lower_get(&f->rng, f->opt.sectors, f->opt.cache));
	node_get(c->top);
	c->content = content_new(f);
	fill_base(f, c->top, c->content);
	snprintf(c->name, sizeof(c->name), "chain0");
	if (f->opt.cbt && rng_percent(&f->rng, 75))
		tracking_plan(f, c);
	chain_activate(f, c);
	tracking_begin(f, c, c->content, NULL);
}

void forest_fell(struct forest *f)
{
	struct node *base;
	unsigned int i;

	for (i = 0; i < FOREST_VIEWS; i++)
		if (f->view[i].node)
			view_close(f, &f->view[i]);
	for (i = 0; i < FOREST_CHAINS; i++)
		if (f->chain[i].top)
			chain_drop(f, &f->chain[i]);
	while (node_forget_one(f))
		;
	base = f->nodes;
	if (base)
		node_free(f, base);
}
