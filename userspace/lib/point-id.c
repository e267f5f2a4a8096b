// SPDX-License-Identifier: LGPL-2.1-or-later
/* Who tracks a chain, and the change id of a snapshot point, by what the deltas record. */
#include "redo-int.h"

bool redo_uuid_parse(const char *text, u8 uuid[REDO_UUID_SIZE])
{
	unsigned int byte;

	if (!redo_uuid_text_valid(text))
		return false;
	for (int i = 0; i < REDO_UUID_SIZE; i++) {
		text += *text == '-';
		if (sscanf(text, "%2x", &byte) != 1)
			return false;
		uuid[i] = (u8)byte;
		text += 2;
	}
	return true;
}

bool redo_chain_tracker(const struct redo_chain *c, u8 uuid[REDO_UUID_SIZE])
{
	/* A delta that says none has been told so: what the register has is of old. */
	if (c->present) {
		memcpy(uuid, c->present->sb.tracker_uuid, REDO_UUID_SIZE);
		return !redo_uuid_nil(uuid);
	}
	return redo_uuid_nil(c->tree_uuid) && redo_uuid_parse(c->reg_tracker, uuid);
}

const struct redo_tracker_node *redo_find_tracker(const struct redo_set *set, const u8 *uuid,
						  u32 *nr)
{
	const struct redo_tracker_node *best = NULL;

	*nr = 0;
	for (u32 i = 0; i < set->nr_trackers; i++) {
		const struct redo_tracker_node *n = &set->tracker[i];

		if (!redo_uuid_eq(n->sb.uuid, uuid))
			continue;
		(*nr)++;
		if (!best || n->sb.generation > best->sb.generation)
			best = n;
	}
	return best;
}

const struct redo_tracker_node *redo_find_tracker_dev(const struct redo_set *set, u64 rdev)
{
	for (u32 i = 0; rdev && i < set->nr_trackers; i++)
		if (set->tracker[i].rdev == rdev)
			return &set->tracker[i];
	return NULL;
}

/*
 * Two places may say it: the delta that names the point, when it became the active one, and
 * the delta whose content the point is, when it was sealed. After a revert to the point the
 * former is the later: both are right, and from the later one on less has changed.
 */
int redo_node_point_id(const struct redo_node *n, const u8 *tracker, u64 *first, u64 *last)
{
	const struct redo_node *p = n->parent;

	*first = *last = 0;
	if (p && redo_uuid_eq(p->sb.tracker_uuid, tracker))
		*first = *last = redo_tracker_sealed(&p->sb);
	if (redo_uuid_eq(n->sb.tracker_uuid, tracker) && redo_tracker_epoch(&n->sb)) {
		*last = redo_tracker_epoch(&n->sb);
		if (!*first)
			*first = *last;
	}
	return *last ? 0 : -ENODATA;
}

/* The tracker of the delta that names it; else that of the delta below. */
const u8 *redo_node_tracker(const struct redo_node *n)
{
	if (!redo_uuid_nil(n->sb.tracker_uuid) && redo_tracker_epoch(&n->sb))
		return n->sb.tracker_uuid;
	if (n->parent && !redo_uuid_nil(n->parent->sb.tracker_uuid) &&
	    redo_tracker_sealed(&n->parent->sb))
		return n->parent->sb.tracker_uuid;
	return NULL;
}

/*
 * Of all ids that the point has had, the first: it stays the same when the point is gone
 * back to, so that what an agent has written down goes on naming it. (What was
 * sealed knows it; of the base each delta on top knows one.)
 */
static u64 first_id(const struct redo_set *set, const struct redo_node *n, const u8 *tracker)
{
	u64 least = 0, first, last;

	for (u32 i = 0; i < set->nr_nodes; i++) {
		const struct redo_node *o = &set->node[i];

		if (!redo_uuid_eq(o->sb.parent_uuid, n->sb.parent_uuid) ||
		    !redo_uuid_eq(o->sb.tree_uuid, n->sb.tree_uuid) ||
		    redo_node_point_id(o, tracker, &first, &last))
			continue;
		if (!least || first < least)
			least = first;
	}
	return least;
}

int redo_set_point_id(const struct redo_set *set, const struct redo_chain *c, const char *snap,
		      char *id)
{
	const struct redo_node *n = redo_find_point(set, c, snap);
	char uuid[REDO_UUID_STR_SIZE];
	const u8 *tracker;
	u64 first;

	*id = '\0';
	/* Not -ENOENT: no change id was asked about. */
	if (!n)
		return -ENXIO;
	tracker = redo_node_tracker(n);
	first = tracker ? first_id(set, n, tracker) : 0;
	if (!first)
		return redo_err(ENODATA, "%s@%s: changes were not tracked when it was made; take a full backup",
				c->name, snap);
	redo_uuid_str(tracker, uuid);
	redo_change_id_format(id, uuid, first);
	return 0;
}

int redo_point_change_id(const struct redo_scan_options *opts, const char *chain,
			 const char *snap, char id[REDO_CHANGE_ID_SIZE])
{
	const struct redo_chain *c;
	struct redo_set set;
	int r = redo_scan(opts, &set);

	*id = '\0';
	if (r)
		return r;
	c = redo_find_chain(&set, chain);
	r = c ? redo_set_point_id(&set, c, snap, id) : redo_err(ENXIO, "%s: no such chain", chain);
	redo_set_free(&set);
	return r;
}
