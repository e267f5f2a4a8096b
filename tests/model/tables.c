// SPDX-License-Identifier: GPL-2.0-or-later
#include "blkio.h"
#include "oplog.h"
#include "tables.h"

static void load(struct forest *f, struct chain *c, const struct node *n)
{
	char *line = chain_table(c, n);

	if (!dmdev_load(c->dm, f->opt.sectors, f->opt.target, line, false))
		die("%s: the kernel refused \"%s\" in %s", c->name, line, oplog_where());
	free(line);
}

void table_switch(struct forest *f, struct chain *c, const struct node *n)
{
	bool noflush = rng_percent(&f->rng, 25);

	if (rng_percent(&f->rng, 50)) {
		load(f, c, n);
		dmdev_suspend(c->dm, noflush);
	} else {
		dmdev_suspend(c->dm, noflush);
		load(f, c, n);
	}
	dmdev_resume(c->dm);
}

void table_exchange(struct forest *f, struct chain *c, const struct node *n)
{
	char *line;

	chain_deactivate(f, c);
	line = chain_table(c, n);
	c->dm = dmdev_create(c->name, f->opt.sectors, f->opt.target, line, false, false);
	if (!c->dm)
		die("%s: the kernel refused \"%s\" in %s", c->name, line, oplog_where());
	c->fd = blk_open(c->dm->path, true);
	free(line);
}
