// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who stands on what a merge changes or takes away: views and chains that are
 * active, and deltas on the disks, whether their chain is active or not.
 */
#include "tool.h"

struct look {
	const struct redo_set *set;
	const struct merge_range *m;
	char *names;
	size_t size;
	u32 nr;
};

static void found(struct look *l, const char *fmt, const char *a, const char *b, const char *c)
{
	size_t at = strlen(l->names);
	char one[2 * REDO_NAME_SIZE + REDO_TEXT_MAX];

	snprintf(one, sizeof(one), fmt, a, b, c);
	if (strstr(l->names, one))
		return;
	snprintf(l->names + at, l->size - at, "%s%s", l->nr++ ? ", " : "", one);
}

static bool in_source(const struct merge_range *m, const struct redo_node *n)
{
	return redo_is_ancestor(m->lo, n) && redo_is_ancestor(n, m->hi);
}

/* Does the base lie under @n? By its tree; a stranger's by what it says of its base. */
static bool over_base(const struct merge_range *m, const struct redo_node *n)
{
	if (redo_uuid_eq(n->sb.tree_uuid, m->lo->sb.tree_uuid))
		return true;
	return !n->sb.depth && m->base_path[0] &&
	       (redo_is_base(&n->sb, m->base_path) ||
		(n->sb.base_sectors == redo_dev_sectors(m->base) &&
		 redo_path_rdev(n->label.base_path) == m->base));
}

/* Does @n lie directly on something that changes, or that goes, without going itself? */
static bool stands_on(const struct merge_range *m, const struct redo_node *n)
{
	if (n == m->next || in_source(m, n))
		return false;
	if (n->parent && in_source(m, n->parent))
		return true;
	return m->target ? n->parent == m->target :
	       !n->parent && !n->missing_parent && over_base(m, n);
}

/* A holder by the points that would be lost with it; by itself where it has none. */
static void name_node(struct look *l, const struct redo_node *n)
{
	bool any = false;

	if (strcmp(n->chain, l->m->c->name)) {
		found(l, "chain %s (%s)%s", n->chain, n->path, "");
		return;
	}
	for (u32 i = 0; i < l->set->nr_nodes; i++) {
		const struct redo_node *o = &l->set->node[i];

		if (o == n || !o->counts || !o->label.snap_name[0] || !redo_is_ancestor(n, o))
			continue;
		any = true;
		if (strcmp(o->chain, n->chain))
			found(l, "chain %s (%s)%s", o->chain, o->path, "");
		else
			found(l, "snapshot %s@%s (%s)", o->chain, o->label.snap_name, o->path);
	}
	if (!any)
		found(l, "delta %s%s%s", n->path, "", "");
}

static void look_at_nodes(struct look *l)
{
	for (u32 i = 0; i < l->set->nr_nodes; i++) {
		const struct redo_node *n = &l->set->node[i];

		if (n->counts && n->sb.state != REDO_STATE_RETIRED && !n->duplicate &&
		    stands_on(l->m, n))
			name_node(l, n);
	}
}

/* Does a live device with this base and top show what changes? */
static bool shows(const struct look *l, u64 base, const struct redo_node *top)
{
	if (!l->m->target)
		return base == l->m->base || (top && over_base(l->m, top));
	return redo_is_ancestor(l->m->target, top);
}

static void look_at_live(struct look *l)
{
	const struct redo_set *set = l->set;

	for (u32 i = 0; i < set->nr_views; i++)
		if (shows(l, set->view[i].base, redo_find_rdev(set, set->view[i].top)))
			found(l, "view %s%s%s", set->view[i].name, "", "");
	for (u32 i = 0; i < set->nr_chains; i++) {
		const struct redo_chain *o = &set->chain[i];
		struct redo_table t;

		if (o == l->m->c || !o->dm_name[0] || redo_dm_redo_table(o->dm_name, &t))
			continue;
		if (shows(l, t.base, t.nr_deltas ?
			  redo_find_rdev(set, t.delta[t.nr_deltas - 1]) : NULL))
			found(l, "active chain %s%s%s", o->dm_name, "", "");
	}
}

int refuse_holders(const struct redo_set *set, const struct merge_range *m, const char *what)
{
	char names[1200] = "";
	struct look l = { .set = set, .m = m, .names = names, .size = sizeof(names) };

	look_at_nodes(&l);
	look_at_live(&l);
	if (!l.nr)
		return 0;
	return redo_err(EBUSY, "%s: is in use by %s, which would lose what %s below; remove, deactivate or delete that first",
			what, names, l.nr == 1 ? "it has" : "they have");
}

bool marked_shared(const struct merge_range *m)
{
	bool shared = m->target && m->target->sb.flags & REDO_SB_SHARED;

	for (const struct redo_node *n = m->hi; n; n = n->parent) {
		shared |= n->sb.flags & REDO_SB_SHARED;
		if (n == m->lo)
			break;
	}
	return shared;
}
