// SPDX-License-Identifier: LGPL-2.1-or-later
/* Does a delta fit on its parent? */
#include <stdarg.h>
#include "redo-int.h"

struct link {
	const struct redo_check_ops *ops;
	const char *child, *parent;
	u64 problems;
};

__attribute__((format(printf, 2, 3)))
static void problem(struct link *l, const char *fmt, ...)
{
	char text[512], line[1600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "%s on %s: %s", l->child, l->parent, text);
	l->problems++;
	if (l->ops->problem)
		l->ops->problem(l->ops->ctx, line);
}

u64 redo_check_link(const struct redo_super *c, const char *child_path,
		    const struct redo_super *p, const char *parent_path,
		    const struct redo_check_ops *ops)
{
	struct link l = { .ops = ops, .child = child_path, .parent = parent_path };

	if (!redo_uuid_eq(c->tree_uuid, p->tree_uuid))
		problem(&l, "they belong to different trees");
	if (!c->depth)
		problem(&l, "depth 0, as if it lay on the base");
	if (c->grain_sectors != p->grain_sectors)
		problem(&l, "grains of %u sectors over grains of %u", c->grain_sectors,
			p->grain_sectors);
	if (c->virtual_sectors != p->virtual_sectors)
		problem(&l, "a virtual disk of %llu sectors over one of %llu",
			(unsigned long long)c->virtual_sectors,
			(unsigned long long)p->virtual_sectors);
	if (c->base_sectors != p->base_sectors)
		problem(&l, "expects a base of %llu sectors, its parent one of %llu",
			(unsigned long long)c->base_sectors,
			(unsigned long long)p->base_sectors);
	/* Of a delta that has been merged into what was below it nothing more need fit. */
	if (c->merge_state == REDO_MERGE_GONE)
		return l.problems;
	if (p->merge_state == REDO_MERGE_TAKEN && redo_uuid_eq(p->merge_uuid, c->uuid))
		return l.problems;
	if (c->state != REDO_STATE_NEW && p->state != REDO_STATE_SEALED)
		problem(&l, "it has taken over but its parent is %s", redo_state_str(p->state));
	if (c->state != REDO_STATE_NEW && p->state == REDO_STATE_SEALED &&
	    c->parent_content != p->content_generation)
		problem(&l, "it was made on another content (%016llx) than its parent has (%016llx)",
			(unsigned long long)c->parent_content,
			(unsigned long long)p->content_generation);
	return l.problems;
}
