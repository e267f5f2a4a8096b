// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup revert: a new delta on the point; the present state is dropped. */
#include "tool.h"

struct revert {
	struct redo_chain *c;
	struct redo_node *point, *old;	/* names the point; the present's delta */
	struct redo_table now, next;
	struct new_delta delta;
	const char *snap;
};

static int look(struct redo_set *set, struct revert *v, const char *chain)
{
	int r;

	v->c = need_chain(set, chain);
	if (!v->c)
		return -ENOENT;
	r = live_table(v->c, &v->now);
	if (r)
		return r;
	if (!v->now.nr_deltas)
		return redo_err(ENOENT, "%s: has no snapshot", chain);
	v->old = redo_find_rdev(set, v->now.delta[v->now.nr_deltas - 1]);
	if (!v->old)
		return redo_err(ENODEV, "%s: its active delta was not found on any device looked at",
				chain);
	r = refuse_merging(set, v->c, "none of its points can be gone back to before the end");
	if (r)
		return r;
	v->point = redo_find_point(set, v->c, v->snap);
	if (!v->point)
		return -ENOENT;
	r = table_up_to(set, v->point->parent, v->now.base, &v->next);
	if (r)
		return r;
	v->next.sectors = v->now.sectors;
	redo_copy(v->next.features, v->now.features, sizeof(v->next.features));
	return not_open(v->c->dm_name, "unmount or close it first: its content is about to change");
}

static int switch_to(struct revert *v)
{
	struct redo_switch s = { .name = v->c->dm_name, .sectors = v->next.sectors };
	struct redo_window w;
	int r;

	s.params = redo_table_format(&v->next);
	if (!s.params)
		return -ENOMEM;
	r = redo_switch_tables(&s, 1, 0, &w);
	free(s.params);
	if (!r)
		verbose("window: %.1f ms", w.window_s * 1e3);
	return r;
}

/* Another delta that keeps the name of the point that @n is on top of? */
static bool named_elsewhere(const struct redo_set *set, const struct redo_node *n,
			    const struct revert *v)
{
	if (!n->label.snap_name[0] || !strcmp(n->label.snap_name, v->snap))
		return true;	/* the new delta has the name */
	for (u32 i = 0; i < set->nr_nodes; i++) {
		const struct redo_node *o = &set->node[i];

		if (o != n && !strcmp(o->label.snap_name, n->label.snap_name) &&
		    redo_uuid_eq(o->sb.parent_uuid, n->sb.parent_uuid) &&
		    redo_uuid_eq(o->sb.tree_uuid, n->sb.tree_uuid) &&
		    o->sb.state != REDO_STATE_NEW)
			return true;
	}
	return false;
}

static int release(struct redo_set *set, const struct revert *v)
{
	const struct redo_node *old = v->old;

	if (named_elsewhere(set, old, v))
		return release_device(old, false);
	say("%s: dropped; it is kept because it names the snapshot %s@%s", old->path, old->chain,
	    old->label.snap_name);
	return 0;
}

static int revert(struct redo_set *set, struct revert *v)
{
	char name[2 * REDO_NAME_SIZE + 32];
	int r;

	snprintf(name, sizeof(name), "%s-%s-r%llu", v->c->name, v->snap,
		 (unsigned long long)redo_next_chain_seq(set, v->old->sb.tree_uuid));
	r = make_delta(set, v->c, v->c->name, v->snap, v->point->label.description,
		       v->point->parent, &v->next, opts.nr_delta ? opts.delta[0] : NULL, name,
		       &v->delta);
	if (r)
		return r;
	v->next.delta[v->next.nr_deltas++] = v->delta.rdev;
	if (!redo_step("load, suspend and resume %s on the content of %s", v->c->dm_name, v->snap)) {
		r = switch_to(v);
		if (r) {
			drop_delta(&v->delta, v->point->parent);
			return r;
		}
	}
	r = retire(v->old, false);
	if (r || opts.dry_run)
		return r;
	return release(set, v);
}

int cmd_revert(const struct command *c, int argc __unused, char **argv)
{
	char chain[REDO_NAME_SIZE], snap[REDO_NAME_SIZE];
	struct revert v = { .snap = snap };
	struct redo_set set;
	int r;

	r = split_point(argv[0], chain, snap);
	if (r)
		return r;
	if (opts.nr_delta > 1)
		return usage_error(c, "one --delta only");
	if (!redo_dm_present())
		return -ENODEV;
	r = scan(&set);
	if (r)
		return r;
	r = look(&set, &v, chain);
	if (!r)
		r = confirm("%s: what was written since its last snapshot is given up", chain);
	if (!r)
		r = revert(&set, &v);
	redo_set_free(&set);
	return r;
}
