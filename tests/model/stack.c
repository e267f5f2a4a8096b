// SPDX-License-Identifier: GPL-2.0-or-later
#include "stack.h"

static struct dmdev *piece(const char *name, const char *devno, u64 start, u64 sectors)
{
	static unsigned int count;
	char *unique = xasprintf("%s-%u", name, count++);
	char *params = xasprintf("%s %llu", devno, (unsigned long long)start);
	struct dmdev *d = dmdev_create(unique, sectors, "linear", params, false, false);

	if (!d)
		die("cannot make a dm-linear device");
	free(unique);
	free(params);
	return d;
}

void stack_build(struct stack *s, const struct layout *l, const char *devno)
{
	u32 i;

	s->layout = l;
	snprintf(s->devno, sizeof(s->devno), "%s", devno);
	s->mail = piece("mail", devno, l->mail, MAIL_SECTORS);
	s->base = piece("base", devno, l->base, l->base_sectors);
	for (i = 0; i < l->nr_deltas; i++)
		s->delta[i] = piece("delta", devno, layout_delta(l, i), l->delta_sectors);
	s->store = l->store_sectors ? piece("store", devno, l->store, l->store_sectors) : NULL;
}

void stack_remove(struct stack *s)
{
	u32 i;

	if (s->store)
		dmdev_remove(s->store);
	for (i = s->layout->nr_deltas; i--; )
		dmdev_remove(s->delta[i]);
	dmdev_remove(s->base);
	dmdev_remove(s->mail);
}

void stack_resize(struct stack *s, u32 i, u64 sectors)
{
	char *params = xasprintf("%s %llu", s->devno,
				 (unsigned long long)layout_delta(s->layout, i));

	if (!dmdev_load(s->delta[i], sectors, "linear", params, false))
		die("cannot resize a dm-linear device");
	dmdev_suspend(s->delta[i], true);
	dmdev_resume(s->delta[i]);
	s->delta[i]->sectors = sectors;
	free(params);
}

char *stack_table(const struct stack *s, const u32 *path, u32 n)
{
	char *line = xasprintf("%s %u", s->base->devno, n);
	u32 i;

	for (i = 0; i < n; i++) {
		char *longer = xasprintf("%s %s", line, s->delta[path[i]]->devno);

		free(line);
		line = longer;
	}
	return line;
}

char *stack_tracked(const struct stack *s, const u32 *path, u32 n)
{
	char *line = stack_table(s, path, n), *longer;

	if (!s->store)
		return line;
	longer = xasprintf("%s 2 cbt %s", line, s->store->devno);
	free(line);
	return longer;
}
