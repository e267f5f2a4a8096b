// SPDX-License-Identifier: GPL-2.0-or-later
/* A snapshot point as a device for as long as it is read: a view that is there, or our own. */
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "tool.h"

/* Shows @v the same as the table @t? */
static bool same_view(const struct redo_live_view *v, const struct redo_table *t)
{
	struct redo_table live;

	if (v->nr_deltas != t->nr_deltas || redo_dm_redo_table(v->name, &live))
		return false;
	return live.sectors == t->sectors && live.base == t->base &&
	       !memcmp(live.delta, t->delta, t->nr_deltas * sizeof(t->delta[0]));
}

static bool find_view(const struct redo_set *set, const struct redo_table *t,
		      struct point_view *v)
{
	struct redo_dm_info info;

	for (u32 i = 0; i < set->nr_views; i++) {
		if (!same_view(&set->view[i], t) || redo_dm_info(set->view[i].name, &info) ||
		    !info.exists || info.suspended || !info.read_only)
			continue;
		redo_copy(v->name, set->view[i].name, sizeof(v->name));
		return true;
	}
	return false;
}

static int make_view(const struct redo_table *t, const char *chain, struct point_view *v)
{
	char *params = redo_table_format(t), uuid[REDO_NAME_SIZE + 16];
	int r;

	if (!params)
		return redo_err(ENOMEM, "out of memory");
	/* Two of one chain at once do not meet. */
	snprintf(v->name, sizeof(v->name), "%.90s-redo-backup-%d", chain, (int)getpid());
	snprintf(uuid, sizeof(uuid), "REDO-VIEW-%.118s", v->name);
	r = redo_dm_create(v->name, uuid, t->sectors, REDO_TARGET_NAME, params,
			   REDO_DM_READONLY | REDO_DM_LOW_PRIORITY);
	free(params);
	v->ours = !r;
	return r;
}

static int open_view(struct point_view *v)
{
	struct redo_dm_info info;
	int r = redo_dm_info(v->name, &info);

	if (!r)
		r = redo_dev_path(makedev(info.major, info.minor), v->path, sizeof(v->path));
	if (r)
		return r;
	v->fd = open(v->path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	return v->fd < 0 ? redo_err(errno, "%s: cannot open: %s", v->path, strerror(errno)) : 0;
}

int point_view_open(const struct redo_set *set, const struct redo_chain *c,
		    const struct redo_node *point, struct point_view *v)
{
	struct redo_table t;
	u64 base;
	int r;

	*v = (struct point_view){ .fd = -1 };
	r = still_line(set, c, point->parent);
	if (!r)
		r = base_of(set, c, &base);
	if (!r)
		r = table_up_to(set, point->parent, base, &t);
	if (r)
		return r;
	/* Of a base that has grown since, the point has only its own size. */
	t.sectors = point->sb.virtual_sectors;
	set_features(c, "", &t);
	v->sectors = t.sectors;
	if (redo_step("read %s@%s from a read-only device, %llu sectors", c->name,
		      point->label.snap_name, (unsigned long long)t.sectors))
		return 0;
	if (!find_view(set, &t, v))
		r = make_view(&t, c->name, v);
	if (!r)
		r = open_view(v);
	if (!r)
		r = still_point(point);
	if (r)
		point_view_close(v);
	return r;
}

/* Keeps the error's text. */
void point_view_close(struct point_view *v)
{
	char text[2048];
	int r = 0;

	redo_copy(text, redo_last_error(), sizeof(text));
	if (v->fd >= 0)
		close(v->fd);
	if (v->ours)
		r = redo_dm_remove(v->name);
	if (r)
		fprintf(stderr, "redosetup: warning: the device %s is left: %s\n", v->name,
			redo_last_error());
	redo_err(EIO, "%s", text);
	v->fd = -1;
	v->ours = false;
}
