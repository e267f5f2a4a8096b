// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a merge has left on the disks: which points are lost, what is out of the
 * chain, and what a line still names so that the kernel ends what it has begun.
 * See on-disk-format.rst, "Merges". Pure, as discover.c.
 */
#include "redo-int.h"

const char *redo_merge_str(u64 state)
{
	static const char *const names[] = {
		[REDO_MERGE_NONE] = "",
		[REDO_MERGE_INTO] = "into",
		[REDO_MERGE_TAKEN] = "taken",
		[REDO_MERGE_BASE] = "base",
		[REDO_MERGE_BASE_ALL] = "base_all",
		[REDO_MERGE_BASE_TAKEN] = "base_taken",
		[REDO_MERGE_GONE] = "gone",
		[REDO_MERGE_BASE_ALL_TAKEN] = "base_all_taken",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

bool redo_merge_begun(const struct redo_node *n)
{
	return n->sb.merge_state != REDO_MERGE_NONE && n->sb.merge_state != REDO_MERGE_GONE &&
	       n->sb.state != REDO_STATE_RETIRED;
}

bool redo_node_gone(const struct redo_node *n)
{
	return n->sb.state == REDO_STATE_RETIRED && n->sb.merge_state == REDO_MERGE_GONE;
}

bool redo_merge_to_base(const struct redo_node *n)
{
	return redo_merge_begun(n) && n->sb.merge_state >= REDO_MERGE_BASE;
}

struct redo_node *redo_merge_source(const struct redo_set *set, const struct redo_node *n)
{
	return redo_merge_begun(n) ? redo_find_uuid(set, n->sb.merge_uuid) : NULL;
}

static bool is_source_of(const struct redo_node *n, const struct redo_node *target)
{
	return target->sb.merge_state == REDO_MERGE_TAKEN &&
	       redo_uuid_eq(target->sb.merge_uuid, n->sb.uuid);
}

bool redo_node_taken(const struct redo_node *n)
{
	return n->parent && is_source_of(n, n->parent);
}

/* Its parent has become the active delta in its place. */
bool redo_node_replaced(const struct redo_node *n)
{
	return redo_node_taken(n) && n->parent->sb.state == REDO_STATE_ACTIVE;
}

/* What has gone below has changed the content that this one was dropped on. */
bool redo_node_stale(const struct redo_node *n)
{
	return n->sb.state == REDO_STATE_RETIRED && n->parent && n->sb.parent_content &&
	       n->sb.parent_content != n->parent->sb.content_generation;
}

/* merge_all: the active delta is next. */
static void mark_next(struct redo_set *set, const struct redo_node *source)
{
	for (u32 i = 0; i < set->nr_nodes; i++)
		if (set->node[i].parent == source && set->node[i].sb.state == REDO_STATE_ACTIVE)
			set->node[i].lost = true;
}

void redo_mark_lost(struct redo_set *set)
{
	for (u32 i = 0; i < set->nr_nodes; i++) {
		struct redo_node *m = &set->node[i], *n = redo_merge_source(set, m);

		if (!n)
			continue;
		if (!redo_merge_to_base(m)) {
			n->lost |= n->parent == m;
			continue;
		}
		if (!redo_is_ancestor(m, n))
			continue;
		if (m->sb.merge_state == REDO_MERGE_BASE_ALL ||
		    m->sb.merge_state == REDO_MERGE_BASE_ALL_TAKEN)
			mark_next(set, n);
		for (; n != m; n = n->parent)
			n->lost = true;
		m->lost = true;
	}
}

/* What is in the base already, but not yet retired: the topmost one. */
static struct redo_node *taken_by_base(const struct redo_set *set, const struct redo_node *lowest)
{
	for (u32 i = 0; i < set->nr_nodes; i++) {
		const struct redo_node *m = &set->node[i];
		struct redo_node *top = redo_merge_source(set, m);

		if ((m->sb.merge_state == REDO_MERGE_BASE_TAKEN ||
		     m->sb.merge_state == REDO_MERGE_BASE_ALL_TAKEN) && top && m != lowest &&
		    redo_uuid_eq(m->sb.tree_uuid, lowest->sb.tree_uuid) &&
		    redo_is_ancestor(m, top) && !redo_is_ancestor(lowest, top))
			return top;
	}
	return NULL;
}

/*
 * The delta that has gone from between @n (NULL: above everything) and what it
 * lies on now, @parent (NULL: the base), but for the merge's last steps, which
 * the kernel does when a line still names it. NULL: there is none.
 */
struct redo_node *redo_merge_pending(const struct redo_set *set, const struct redo_node *n,
				     const struct redo_node *parent)
{
	struct redo_node *s;

	if (!parent)
		return n && redo_uuid_nil(n->sb.parent_uuid) ? taken_by_base(set, n) : NULL;
	s = redo_merge_source(set, parent);
	if (!s || s == n || s->parent != parent || !redo_node_taken(s) ||
	    s->sb.state == REDO_STATE_RETIRED)
		return NULL;
	return n || redo_node_replaced(s) ? s : NULL;
}
