// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From a heap of deltas to trees and chains. Knows no devices: what was found
 * comes in as structures, so that tests can make them up.
 */
#include <stdlib.h>
#include "redo-int.h"

static int by_uuid(const void *a, const void *b)
{
	const struct redo_node *na = a, *nb = b;
	int d = memcmp(na->sb.uuid, nb->sb.uuid, REDO_UUID_SIZE);

	return d ? d : strcmp(na->path, nb->path);
}

struct redo_node *redo_find_uuid(const struct redo_set *set, const u8 *uuid)
{
	u32 lo = 0, hi = set->nr_nodes;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		int d = memcmp(set->node[mid].sb.uuid, uuid, REDO_UUID_SIZE);

		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < set->nr_nodes && redo_uuid_eq(set->node[lo].sb.uuid, uuid))
		return &set->node[lo];
	return NULL;
}

struct redo_node *redo_find_rdev(const struct redo_set *set, u64 rdev)
{
	for (u32 i = 0; rdev && i < set->nr_nodes; i++)
		if (set->node[i].rdev == rdev)
			return &set->node[i];
	return NULL;
}

static void mark_duplicates(struct redo_set *set)
{
	for (u32 i = 1; i < set->nr_nodes; i++)
		if (redo_uuid_eq(set->node[i - 1].sb.uuid, set->node[i].sb.uuid))
			set->node[i - 1].duplicate = set->node[i].duplicate = true;
}

/* @n and what it lies on; cut where parents lead back to it. */
static void count_below(struct redo_set *set, struct redo_node *n)
{
	const struct redo_node *p = n->parent;

	for (n->below = 0; p && n->below <= set->nr_nodes; p = p->parent)
		n->below++;
	if (n->below > set->nr_nodes)
		n->bad_depth = true;
}

static void link_parents(struct redo_set *set)
{
	u32 i;

	for (i = 0; i < set->nr_nodes; i++) {
		struct redo_node *n = &set->node[i];

		n->parent = NULL;
		n->missing_parent = n->bad_depth = n->lost = false;
		if (redo_uuid_nil(n->sb.parent_uuid))
			continue;
		n->parent = redo_find_uuid(set, n->sb.parent_uuid);
		if (!n->parent)
			n->missing_parent = true;
		else if (!redo_uuid_eq(n->parent->sb.tree_uuid, n->sb.tree_uuid))
			n->bad_depth = true;
	}
	for (i = 0; i < set->nr_nodes; i++)
		count_below(set, &set->node[i]);
	/* No delta of a circle keeps its parent, so walks end. */
	for (i = 0; i < set->nr_nodes; i++)
		if (set->node[i].bad_depth)
			set->node[i].parent = NULL;
	/*
	 * A depth says how many were below when it was written: merges since then
	 * have left fewer.
	 */
	for (i = 0; i < set->nr_nodes; i++) {
		struct redo_node *n = &set->node[i];

		n->below = 0;
		if (!n->bad_depth)
			count_below(set, n);
		if (n->parent && n->sb.depth < n->below) {
			n->bad_depth = true;
			n->parent = NULL;
		}
		if (n->parent)
			n->parent->nr_children++;
	}
}

/*
 * The label's, or the device's whose top it is, or that which the register has for
 * its base; "": a delta that the kernel formatted.
 */
static const char *own_name(const struct redo_node *n)
{
	if (redo_name_valid(n->label.chain_name))
		return n->label.chain_name;
	return n->live_name[0] ? n->live_name : n->reg_name;
}

bool redo_tree_named(const struct redo_set *set, const u8 *tree_uuid)
{
	for (u32 i = 0; i < set->nr_nodes; i++)
		if (redo_uuid_eq(set->node[i].sb.tree_uuid, tree_uuid) &&
		    *own_name(&set->node[i]))
			return true;
	return false;
}

/* Which delta names the nearest of @n and its ancestors that has a name. */
static struct redo_node *namer_below(const struct redo_node *n)
{
	while (n && !n->namer)
		n = n->parent;
	return n ? n->namer : NULL;
}

static bool made_before(const struct redo_node *a, const struct redo_node *b)
{
	if (a->sb.chain_seq != b->sb.chain_seq)
		return a->sb.chain_seq < b->sb.chain_seq;
	return a->sb.create_time < b->sb.create_time;
}

/*
 * What is nameless under a delta with a name belongs to its chain; to that of
 * the first one made where there are several.
 */
static void name_downwards(struct redo_node *from)
{
	struct redo_node *n;

	/* A namer from below is the nearest, and final. */
	for (n = from->parent; n && (!n->namer || n->namer->below > n->below); n = n->parent)
		if (!n->namer || made_before(from, n->namer))
			n->namer = from;
}

/*
 * An active delta without a name, beside those of a chain. A live device's: what
 * a revert by dmsetup has left. A labelled one's: another chain, since the tool
 * retires what it drops; it stands for itself.
 */
static void name_branch(struct redo_node *top)
{
	const struct redo_node *beside = namer_below(top);

	if (beside && beside->live_name[0] && !beside->label.chain_name[0])
		return;
	for (struct redo_node *n = top; n && !n->namer; n = n->parent)
		n->namer = top;
}

static void find_namers(struct redo_set *set)
{
	struct redo_node *n, *end = set->node + set->nr_nodes;

	for (n = set->node; n < end; n++)
		n->namer = *own_name(n) ? n : NULL;
	for (n = set->node; n < end; n++)
		n->namer = namer_below(n);
	for (n = set->node; n < end; n++)
		if (n->namer == n)
			name_downwards(n);
	for (n = set->node; n < end; n++)
		if (!n->namer && n->sb.state == REDO_STATE_ACTIVE)
			name_branch(n);
	for (n = set->node; n < end; n++)
		n->namer = namer_below(n);
}

static void name_chain(struct redo_node *n)
{
	if (n->namer && *own_name(n->namer))
		redo_copy(n->chain, own_name(n->namer), sizeof(n->chain));
	else
		snprintf(n->chain, sizeof(n->chain), "redo-%02x%02x%02x%02x", n->sb.tree_uuid[0],
			 n->sb.tree_uuid[1], n->sb.tree_uuid[2], n->sb.tree_uuid[3]);
}

struct redo_chain *redo_find_chain(const struct redo_set *set, const char *name)
{
	for (u32 i = 0; i < set->nr_chains; i++)
		if (!strcmp(set->chain[i].name, name))
			return &set->chain[i];
	return NULL;
}

struct redo_chain *redo_add_chain(struct redo_set *set, const char *name)
{
	struct redo_chain *c = redo_find_chain(set, name);

	if (c)
		return c;
	c = realloc(set->chain, (set->nr_chains + 1) * sizeof(*c));
	if (!c) {
		redo_err(ENOMEM, "out of memory");
		return NULL;
	}
	set->chain = c;
	c += set->nr_chains++;
	memset(c, 0, sizeof(*c));
	redo_copy(c->name, name, sizeof(c->name));
	return c;
}

bool redo_node_counts(const struct redo_node *n)
{
	if (n->sb.state != REDO_STATE_NEW)
		return n->sb.state == REDO_STATE_ACTIVE && !redo_node_replaced(n);
	if (redo_uuid_nil(n->sb.parent_uuid))
		return true;
	return n->parent && n->parent->sb.state == REDO_STATE_SEALED;
}

/* Is @a a better present than @b? Live goes first, active before new, then the later one. */
static bool better_present(const struct redo_node *a, const struct redo_node *b)
{
	if (!b || !a->live_name[0] != !b->live_name[0])
		return !b || a->live_name[0];
	if (a->sb.state != b->sb.state)
		return a->sb.state == REDO_STATE_ACTIVE;
	return a->sb.chain_seq > b->sb.chain_seq;
}

static void complain(struct redo_chain *c, const char *fmt, const char *a, const char *b)
{
	if (!c->problem[0])
		snprintf(c->problem, sizeof(c->problem), fmt, a, b);
}

/*
 * Which of two active deltas was made later says nothing where the kernel has
 * formatted one: it counts on from the parent, and knows no revert.
 */
static const struct redo_node *rival_of(const struct redo_set *set, const struct redo_chain *c)
{
	const struct redo_node *p = c->present;

	if (!p || p->live_name[0])
		return NULL;
	for (u32 i = 0; i < set->nr_nodes; i++) {
		const struct redo_node *n = &set->node[i];

		if (redo_node_counts(n) && n->sb.state == REDO_STATE_ACTIVE &&
		    !strcmp(n->chain, c->name) &&
		    !redo_uuid_eq(n->sb.uuid, p->sb.uuid) &&
		    (!n->label.chain_name[0] || !p->label.chain_name[0]))
			return n;
	}
	return NULL;
}

static void check_present(const struct redo_set *set, struct redo_chain *c,
			  const struct redo_node *sealed)
{
	const struct redo_node *rival = rival_of(set, c);
	struct redo_node *line[REDO_MAX_DELTAS];
	char uuid[REDO_UUID_STR_SIZE];

	if (rival) {
		complain(c, "%s and %s are both active, and nothing says which of them is its present; name the devices of the right one's line with --device",
			 c->present->path, rival->path);
		c->present = NULL;
		return;
	}
	if (!c->present || (sealed && !c->present->live_name[0] &&
			    sealed->sb.chain_seq > c->present->sb.chain_seq)) {
		c->present = NULL;
		if (sealed) {
			redo_uuid_str(sealed->sb.uuid, uuid);
			complain(c, "the delta on top of %s (%s) is not on any device",
				 sealed->path, uuid);
		} else {
			complain(c, "it has no active delta%s%s", "", "");
		}
		return;
	}
	if (redo_line_of(set, c->present, line, ARRAY_SIZE(line)) < 0)
		complain(c, "%s%s", redo_last_error(), "");
}

static void choose_present(const struct redo_set *set, struct redo_chain *c)
{
	struct redo_node *sealed = NULL;
	u32 members = 0;

	for (u32 i = 0; i < set->nr_nodes; i++) {
		struct redo_node *n = &set->node[i];

		if (strcmp(n->chain, c->name) || n->sb.state == REDO_STATE_RETIRED)
			continue;
		if (members++ && !redo_uuid_eq(c->tree_uuid, n->sb.tree_uuid))
			complain(c, "deltas of two trees carry its name; %s is one of them: name the right ones with --device%s",
				 n->path, "");
		memcpy(c->tree_uuid, n->sb.tree_uuid, REDO_UUID_SIZE);
		if (n->sb.state == REDO_STATE_SEALED &&
		    (!sealed || n->sb.chain_seq > sealed->sb.chain_seq))
			sealed = n;
		if (redo_node_counts(n) && better_present(n, c->present))
			c->present = n;
	}
	if (!members)
		return;
	if (c->present) {
		c->virtual_sectors = c->present->sb.virtual_sectors;
		redo_copy(c->hint_path, c->present->label.base_path, sizeof(c->hint_path));
	}
	check_present(set, c, sealed);
}

int redo_discover(struct redo_set *set)
{
	u32 i;

	if (set->nr_nodes)
		qsort(set->node, set->nr_nodes, sizeof(*set->node), by_uuid);
	for (i = 0; i < set->nr_nodes; i++)
		set->node[i].nr_children = 0;
	mark_duplicates(set);
	link_parents(set);
	redo_mark_lost(set);
	find_namers(set);
	for (i = 0; i < set->nr_nodes; i++) {
		name_chain(&set->node[i]);
		if (set->node[i].sb.state != REDO_STATE_RETIRED &&
		    !redo_add_chain(set, set->node[i].chain))
			return -ENOMEM;
	}
	for (i = 0; i < set->nr_chains; i++)
		choose_present(set, &set->chain[i]);
	for (i = 0; i < set->nr_nodes; i++) {
		struct redo_node *n = &set->node[i];

		if (n->sb.state == REDO_STATE_NEW)
			n->counts = redo_find_chain(set, n->chain)->present == n;
		else
			n->counts = !redo_node_gone(n) && !redo_node_stale(n) &&
				    !redo_node_replaced(n);
	}
	return 0;
}

void redo_set_free(struct redo_set *set)
{
	free(set->node);
	free(set->chain);
	free(set->damaged);
	free(set->view);
	free(set->tracker);
	memset(set, 0, sizeof(*set));
}

static int check_member(const struct redo_node *n)
{
	char uuid[REDO_UUID_STR_SIZE];

	if (n->duplicate) {
		redo_uuid_str(n->sb.uuid, uuid);
		return redo_err(ENOTUNIQ, "%s: another device carries the same delta %s; hide the copy or name the right one with --device",
				n->path, uuid);
	}
	if (n->missing_parent) {
		redo_uuid_str(n->sb.parent_uuid, uuid);
		return redo_err(ENODEV, "delta %s, the parent of %s (snapshot %s), is not on any device",
				uuid, n->path,
				n->label.snap_name[0] ? n->label.snap_name : "without a name");
	}
	if (n->bad_depth)
		return redo_err(EUCLEAN, "%s: its depth or tree does not fit its parent %s",
				n->path, "(a damaged or foreign superblock)");
	return 0;
}

static int check_fit(const struct redo_node *n)
{
	const struct redo_node *p = n->parent;

	if (n->sb.state == REDO_STATE_NEW || !p || redo_node_taken(n))
		return 0;
	if (p->sb.state != REDO_STATE_SEALED)
		return redo_err(EUCLEAN, "%s has taken over from %s, but that is %s", n->path,
				p->path, redo_state_str(p->sb.state));
	if (n->sb.parent_content != p->sb.content_generation)
		return redo_err(EUCLEAN, "%s was made on another content of its parent %s", n->path,
				p->path);
	return 0;
}

struct line {
	struct redo_node **node;
	u32 nr, max;
};

/* From the top down, so the line is the wrong way round for now. */
static int push(struct line *l, struct redo_node *n)
{
	if (l->nr == l->max)
		return redo_err(E2BIG, "%s: more than %u deltas lie below it", l->node[0]->path,
				l->max - 1);
	l->node[l->nr++] = n;
	return 0;
}

/* What a merge has left over is named, too: the kernel retires it. */
static int push_pending(const struct redo_set *set, struct line *l, const struct redo_node *n,
			const struct redo_node *parent)
{
	struct redo_node *s = redo_merge_pending(set, n, parent);
	int r = 0;

	if (parent)
		return s ? push(l, s) : 0;
	for (; !r && s; s = s->parent)
		r = push(l, s);
	return r;
}

int redo_line_of(const struct redo_set *set, struct redo_node *top, struct redo_node **line,
		 u32 max)
{
	struct line l = { .node = line, .max = max };
	struct redo_node *n;
	int r = top ? push_pending(set, &l, NULL, top) : 0;

	for (n = top; !r && n; n = n->parent) {
		r = check_member(n);
		if (!r)
			r = check_fit(n);
		if (!r)
			r = push(&l, n);
		if (!r)
			r = push_pending(set, &l, n, n->parent);
	}
	if (r)
		return r;
	for (u32 i = 0; i < l.nr / 2; i++) {
		n = line[i];
		line[i] = line[l.nr - 1 - i];
		line[l.nr - 1 - i] = n;
	}
	return l.nr;
}

bool redo_is_ancestor(const struct redo_node *a, const struct redo_node *of)
{
	for (; of; of = of->parent)
		if (of == a)
			return true;
	return false;
}

static bool names_point(const struct redo_node *n, const char *snap)
{
	return n->counts && !n->duplicate && !n->lost && !strcmp(n->label.snap_name, snap);
}

static bool belongs(const struct redo_node *n, const struct redo_chain *chain)
{
	return redo_uuid_eq(n->sb.tree_uuid, chain->tree_uuid) &&
	       (!strcmp(n->chain, chain->name) || redo_is_ancestor(n, chain->present));
}

static int no_point(const struct redo_set *set, const struct redo_chain *chain, const char *snap)
{
	for (u32 i = 0; i < set->nr_nodes; i++) {
		const struct redo_node *n = &set->node[i];

		if (n->lost && belongs(n, chain) && !strcmp(n->label.snap_name, snap) &&
		    !redo_node_gone(n))
			return redo_err(ENOENT, "%s@%s: is lost: it is being deleted, and what %s holds has begun to go into what is below it; 'redosetup consolidate %s' ends that",
					chain->name, snap, n->path, chain->name);
	}
	return redo_err(ENOENT, "%s: no snapshot %s; see 'redosetup tree %s'", chain->name, snap,
			chain->name);
}

struct redo_node *redo_find_point(const struct redo_set *set, const struct redo_chain *chain,
				  const char *snap)
{
	struct redo_node *best = NULL;
	u32 i;

	for (i = 0; i < set->nr_nodes; i++) {
		struct redo_node *n = &set->node[i];

		if (!names_point(n, snap) || !belongs(n, chain))
			continue;
		/* Several deltas on one point are fine; a retired one is the last resort. */
		if (best && !redo_uuid_eq(best->sb.parent_uuid, n->sb.parent_uuid)) {
			redo_err(ENOTUNIQ, "%s@%s: %s and %s both carry this name for different points",
				 chain->name, snap, best->path, n->path);
			return NULL;
		}
		if (!best || best->sb.state == REDO_STATE_RETIRED)
			best = n;
	}
	if (!best)
		no_point(set, chain, snap);
	return best;
}

u64 redo_next_chain_seq(const struct redo_set *set, const u8 *tree_uuid)
{
	u64 max = 0;

	for (u32 i = 0; i < set->nr_nodes; i++)
		if (redo_uuid_eq(set->node[i].sb.tree_uuid, tree_uuid) &&
		    set->node[i].sb.chain_seq > max)
			max = set->node[i].sb.chain_seq;
	return max + 1;
}
