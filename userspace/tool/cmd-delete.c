// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * redosetup delete: a snapshot point goes when the delta on top of it goes into what
 * the point consists of. On a branch that nobody is on, the delta is just dropped.
 */
#include "rows.h"

struct del {
	struct redo_set set;
	struct redo_chain *c;
	const char *what;		/* as the user said it */
	struct redo_node *line[REDO_MAX_DELTAS];
	int nr;
	struct redo_node *point;	/* the delta that names it; NULL: all */
	struct merge_range m;
	struct redo_node *nameless;	/* to be dropped, but it keeps a name */
	struct redo_node *drop[REDO_MAX_DELTAS];	/* in this order */
	u32 nr_drop;
	struct merge_job job;
	const char *names;		/* of all points */
};

static int drop(struct del *d, struct redo_node *n)
{
	if (d->nr_drop == ARRAY_SIZE(d->drop))
		return redo_err(E2BIG, "%s: more than %u deltas to drop at once", d->what,
				REDO_MAX_DELTAS);
	d->drop[d->nr_drop++] = n;
	merge_will_go(&d->job, n);
	return 0;
}

static bool same_point(const struct redo_node *a, const struct redo_node *b)
{
	return redo_uuid_eq(a->sb.tree_uuid, b->sb.tree_uuid) &&
	       redo_uuid_eq(a->sb.parent_uuid, b->sb.parent_uuid);
}

static bool in_line(const struct del *d, const struct redo_node *n)
{
	for (int i = 0; i < d->nr; i++)
		if (d->line[i] == n)
			return true;
	return false;
}

/*
 * What a revert has given up on the points that go must not name them any more: the
 * content there changes.
 */
static int drop_retired(struct del *d)
{
	int r = 0;

	for (u32 i = 0; !r && i < d->set.nr_nodes; i++) {
		struct redo_node *n = &d->set.node[i];
		bool here = false;

		if (n->sb.state != REDO_STATE_RETIRED || redo_node_gone(n) || in_line(d, n))
			continue;
		for (const struct redo_node *s = d->m.hi; s; s = s->parent) {
			here |= same_point(n, s) || n->parent == s;
			if (s == d->m.lo)
				break;
		}
		if (here)
			r = drop(d, n);
	}
	return r;
}

/* One point: in the chain's present line, or on a branch ----------------------------- */

/* Is @n at the end of its branch, with nothing but what was given up on it? */
static bool is_tip(const struct redo_set *set, const struct redo_node *n)
{
	for (u32 i = 0; i < set->nr_nodes; i++)
		if (set->node[i].parent == n && set->node[i].counts)
			return false;
	for (u32 i = 0; i < set->nr_chains; i++)
		if (set->chain[i].present == n)
			return false;
	return true;
}

static bool is_part(const struct redo_set *set, const struct redo_node *n)
{
	for (u32 i = 0; i < set->nr_chains; i++)
		if (redo_is_ancestor(n, set->chain[i].present))
			return true;
	return false;
}

/* Points above it on the branch, for people. */
static const char *above(const struct del *d, const struct redo_node *n)
{
	const char *list = "";

	for (u32 i = 0; i < d->set.nr_nodes; i++) {
		const struct redo_node *o = &d->set.node[i];

		if (o != n && o->counts && o->label.snap_name[0] && redo_is_ancestor(n, o))
			list = keep("%s%s%s@%s", list, *list ? ", " : "", o->chain,
				    o->label.snap_name);
	}
	return list;
}

/* Has the point under @n a name from another delta that is in use? */
static bool is_named(const struct del *d, const struct redo_node *n)
{
	for (u32 i = 0; i < d->set.nr_nodes; i++) {
		const struct redo_node *o = &d->set.node[i];

		if (o != n && names_a_point(o) && o->sb.state != REDO_STATE_RETIRED &&
		    same_point(o, n))
			return true;
	}
	return false;
}

/*
 * Nothing is merged, since there is no active delta above: all that lies on the point
 * is dropped, and with it what only this point's content needs.
 */
static int look_at_branch(struct del *d)
{
	struct redo_node *p = d->point->parent;
	bool needed = p && is_part(&d->set, p);
	int r = 0;

	for (u32 i = 0; !r && i < d->set.nr_nodes; i++) {
		struct redo_node *n = &d->set.node[i];

		if (!n->counts || !same_point(n, d->point))
			continue;
		if (is_part(&d->set, n))
			return redo_err(EBUSY, "%s: is in use by chain %s (%s), whose snapshot it is; delete it there, or deactivate and wipe that chain first",
					d->what, n->chain, n->path);
		if (!is_tip(&d->set, n))
			return redo_err(EBUSY, "%s: is on a branch where snapshots lie above it: %s; delete these first, the latest first",
					d->what, above(d, n));
		r = drop(d, n);
	}
	if (r || !p || needed)
		return r;
	/* Its content has no name any more, but its own point may have it from it. */
	if (is_named(d, p))
		return drop(d, p);
	d->nameless = p;
	return 0;
}

static int look_at_point(struct del *d, const char *snap)
{
	int i;

	d->point = redo_find_point(&d->set, d->c, snap);
	if (!d->point)
		return -ENOENT;
	for (i = 0; i < d->nr; i++)
		if (same_point(d->line[i], d->point))
			break;
	if (i == d->nr)
		return look_at_branch(d);
	d->m.lo = d->m.hi = d->line[i];
	d->m.target = i ? d->line[i - 1] : NULL;
	d->m.next = i + 1 < d->nr ? d->line[i + 1] : NULL;
	return drop_retired(d);
}

/* All of them ------------------------------------------------------------------------- */

static const char *names_of(const struct del *d)
{
	struct redo_node **points;
	u32 nr = points_of(&d->set, d->c->name, &points);
	const char *list = "";

	for (u32 i = 0; i < nr; i++)
		list = keep("%s%s%s", list, *list ? ", " : "", points[i]->label.snap_name);
	free(points);
	return list;
}

/* Branches of the chain's own go as well, from their ends. */
static int look_at_all(struct del *d)
{
	int r = 0;

	if (!d->nr)
		return redo_err(ENOENT, "%s: has no snapshot", d->c->name);
	d->m.lo = d->line[0];
	d->m.hi = d->line[d->nr - 1];
	d->names = names_of(d);
	for (u32 below = REDO_MAX_DELTAS; !r && below--;) {
		for (u32 i = 0; !r && i < d->set.nr_nodes; i++) {
			struct redo_node *n = &d->set.node[i];

			if (n->below == below && !in_line(d, n) && !n->duplicate &&
			    !redo_node_gone(n) && !strcmp(n->chain, d->c->name) &&
			    redo_uuid_eq(n->sb.tree_uuid, d->m.lo->sb.tree_uuid))
				r = drop(d, n);
		}
	}
	return r;
}

static bool is_dropped(const struct del *d, const struct redo_node *n)
{
	for (u32 i = 0; i < d->nr_drop; i++)
		if (d->drop[i] == n)
			return true;
	return false;
}

/* Is @n what is dropped, or on top of it? */
static bool needs_dropped(const struct del *d, const struct redo_node *n)
{
	for (; n; n = n->parent)
		if (is_dropped(d, n) || n == d->nameless)
			return true;
	return false;
}

/* Others who stand on what is dropped: they would lose what is below them. */
static int refuse_on_dropped(const struct del *d)
{
	for (u32 i = 0; i < d->set.nr_nodes; i++) {
		const struct redo_node *n = &d->set.node[i];

		if (n->counts && n->sb.state != REDO_STATE_RETIRED && !is_dropped(d, n) &&
		    n != d->nameless && needs_dropped(d, n))
			return redo_err(EBUSY, "%s: is in use by chain %s (%s), which would lose what it has below; deactivate and delete that first",
					d->what, n->chain, n->path);
	}
	for (u32 i = 0; i < d->set.nr_views; i++)
		if (needs_dropped(d, redo_find_rdev(&d->set, d->set.view[i].top)))
			return redo_err(EBUSY, "%s: is in use by view %s, which would lose what it has below; remove that first",
					d->what, d->set.view[i].name);
	return 0;
}

/* What is dropped stands on nothing any more. */
static void forget_dropped(struct del *d)
{
	for (u32 i = 0; i < d->nr_drop; i++)
		d->drop[i]->counts = false;
}

static int ask(struct del *d)
{
	bool marked = d->m.lo ? marked_shared(&d->m) :
		      d->point->parent && d->point->parent->sb.flags & REDO_SB_SHARED;
	const char *shared = marked ? "; another branch or a clone was made here once, and none is on any device looked at: one on another device or host would be lost" : "";

	if (!d->m.lo)
		return confirm("%s: the snapshot is deleted, with what was written after it on that branch%s",
			       d->what, shared);
	if (d->point)
		return confirm("%s: the snapshot is deleted, and %s is merged into %s%s", d->what,
			       d->m.hi->path, d->m.target ? d->m.target->path : d->m.base_path,
			       shared);
	return confirm("%s: all snapshots are deleted (%s), and what the present state needs is merged into %s%s",
		       d->what, *d->names ? d->names : "without names", d->m.base_path, shared);
}

/* Doing it -------------------------------------------------------------------------------- */

static int retire_dropped(struct del *d)
{
	int r = 0;

	for (u32 i = 0; !r && i < d->nr_drop; i++)
		r = retire(d->drop[i], true);
	return r;
}

static int drop_branch(struct del *d)
{
	int r = retire_dropped(d);

	if (!r && d->nameless)
		r = retire(d->nameless, false);
	return r ? r : merge_settle_dropped(&d->job);
}

static int begin(struct del *d)
{
	char uuid[REDO_UUID_STR_SIZE];
	const char *dm = d->job.dm_name;
	int r = 0;

	if (opts.throttle && !redo_step("throttle merges of %s to %s", dm, opts.throttle))
		r = redo_chain_merge_throttle(dm, opts.throttle);
	if (r)
		return r;
	redo_uuid_str(d->m.hi->sb.uuid, uuid);
	if (d->point)
		return redo_step("merge %s (%s) into %s", d->m.hi->path, uuid,
				 d->m.target ? d->m.target->path : d->m.base_path) ?
		       0 : redo_chain_merge(dm, uuid, true);
	return redo_step("merge all deltas of %s into %s", d->c->name, d->m.base_path) ?
	       0 : redo_chain_merge(dm, NULL, true);
}

static int check_wipes(const struct del *d)
{
	int r = 0;

	for (u32 i = 0; !r && i < d->job.nr_gone; i++)
		r = check_wipe(&d->job.gone[i]);
	return r;
}

static int merge(struct del *d)
{
	bool all = d->m.hi == d->line[d->nr - 1] && !d->m.target;
	int r = retire_dropped(d);

	if (!r && all)
		r = expect_bare(d->c, d->m.base);
	if (!r)
		r = merge_bring_up(&d->job, d->m.base);
	if (r)
		return r;
	r = begin(d);
	if (r) {
		merge_give_up(&d->job);
		return r;
	}
	return merge_finish(&d->job);
}

static int look(struct del *d, const char *chain, const char *snap)
{
	int r;

	d->c = d->job.c = need_chain(&d->set, chain);
	if (!d->c)
		return -ENOENT;
	if (d->c->problem[0] && !d->c->dm_name[0])
		return redo_err(EINVAL, "%s: %s", d->c->name, d->c->problem);
	r = refuse_merging(&d->set, d->c, "another merge can begin after it");
	if (r)
		return r;
	d->m.c = d->c;
	d->nr = redo_line_of(&d->set, d->c->present, d->line, ARRAY_SIZE(d->line));
	if (d->nr < 0)
		return d->nr;
	r = snap ? look_at_point(d, snap) : look_at_all(d);
	if (!r)
		r = refuse_on_dropped(d);
	if (r || !d->m.lo)
		return r;
	r = base_of(&d->set, d->c, &d->m.base);
	if (!r)
		r = redo_dev_path(d->m.base, d->m.base_path, sizeof(d->m.base_path));
	if (r)
		return r;
	for (int i = 0; i < d->nr; i++)
		if (!snap || d->line[i] == d->m.lo)
			merge_will_go(&d->job, d->line[i]);
	forget_dropped(d);
	return refuse_holders(&d->set, &d->m, d->what);
}

static int check_options(const struct command *c, const char *arg)
{
	enum redo_wipe kind;
	unsigned int n;
	bool mib;

	if (opts.all == !!strchr(arg, '@'))
		return usage_error(c, "expects <chain>@<snap>, or --all <chain>");
	if (opts.wipe && redo_wipe_parse(opts.wipe, &kind))
		return usage_error(c, "--wipe=%s is not discard, zeroes or secure", opts.wipe);
	if (opts.throttle && redo_throttle_parse(opts.throttle, &n, &mib))
		return usage_error(c, "--throttle %s is neither a percentage from 1 to 100 nor <n>MiB",
				   opts.throttle);
	return 0;
}

int cmd_delete(const struct command *c, int argc __unused, char **argv)
{
	char chain[REDO_NAME_SIZE], snap[REDO_NAME_SIZE];
	struct del *d;
	int r = check_options(c, argv[0]);

	if (!r && !opts.all)
		r = split_point(argv[0], chain, snap);
	if (r)
		return r;
	if (!redo_dm_present())
		return -ENODEV;
	d = calloc(1, sizeof(*d));
	if (!d)
		return redo_err(ENOMEM, "out of memory");
	d->what = argv[0];
	r = scan(&d->set);
	if (r) {
		free(d);
		return r;
	}
	d->job.set = &d->set;
	r = look(d, opts.all ? argv[0] : chain, opts.all ? NULL : snap);
	if (!r)
		r = check_wipes(d);
	if (!r)
		r = ask(d);
	if (!r)
		r = d->m.lo ? merge(d) : drop_branch(d);
	if (!r && !opts.dry_run)
		verbose("%s: deleted", d->what);
	free_texts();
	redo_set_free(&d->set);
	free(d);
	return r;
}
