// SPDX-License-Identifier: GPL-2.0-or-later
/* What is left over on the disks, and why a chain wants to be consolidated. */
#include "rows.h"

static bool parent_is_missing(const struct redo_node *n)
{
	for (; n; n = n->parent)
		if (n->missing_parent)
			return true;
	return false;
}

enum orphan orphan_kind(const struct redo_set *set, const struct redo_node *n)
{
	if (redo_node_gone(n))
		return ORPHAN_MERGED;
	/* Where what it lies on is away, so may be what it is the top of. */
	if (n->sb.state == REDO_STATE_NEW && !n->counts && !parent_is_missing(n))
		return ORPHAN_UNUSED;
	if (n->sb.state == REDO_STATE_RETIRED && !is_holder(set, n))
		return ORPHAN_DROPPED;
	return parent_is_missing(n) ? ORPHAN_LOST : NO_ORPHAN;
}

const char *orphan_str(enum orphan kind)
{
	static const char *const names[] = {
		[NO_ORPHAN] = "",
		[ORPHAN_MERGED] = "merged or deleted",
		[ORPHAN_DROPPED] = "given up by a revert",
		[ORPHAN_UNUSED] = "prepared and never used",
		[ORPHAN_LOST] = "its chain is gone",
	};

	return names[kind];
}

static const char *orphans_of(const struct redo_set *set, const struct redo_chain *c)
{
	const char *list = "";

	for (u32 i = 0; i < set->nr_nodes; i++) {
		const struct redo_node *n = &set->node[i];
		enum orphan kind = orphan_kind(set, n);

		if (kind != NO_ORPHAN && !strcmp(n->chain, c->name))
			list = keep("%s%s%s (%s)", list, *list ? ", " : "left over: ", n->path,
				    orphan_str(kind));
	}
	return list;
}

static const char *begun(const struct redo_set *set, const struct redo_chain *c)
{
	const struct redo_node *n = merge_begun(set, c);
	const struct redo_node *from = n ? redo_merge_source(set, n) : NULL;
	const char *source = from ? from->path : "a delta that is on no device";

	if (!n)
		return "";
	if (redo_merge_to_base(n))
		return keep("the merge of %s%s into the base is not over",
			    from == n ? "" : "all up to ", source);
	return keep("the merge of %s into %s is not over", source, n->path);
}

static const char *live_merge(const struct redo_chain *c)
{
	struct redo_status s;

	if (c->live_ro || redo_chain_status(c->dm_name, &s))
		return "";
	switch (s.merge.run) {
	case REDO_MERGE_RUN_PAUSED:
	case REDO_MERGE_RUN_HELD:
	case REDO_MERGE_RUN_FULL:
		return keep("its merge is %s", redo_merge_run_str(s.merge.run));
	case REDO_MERGE_RUN_FAILED:
		return keep("its merge has failed at sectors %llu+%llu (%s)",
			    (unsigned long long)s.merge.error_sector,
			    (unsigned long long)s.merge.error_sectors, strerror(s.merge.error));
	case REDO_MERGE_RUN_DONE:
		return "what was merged is not released yet";
	default:
		return "";
	}
}

const char *consolidation_of(const struct redo_set *set, const struct redo_chain *c)
{
	const char *merge = c->dm_name[0] ? live_merge(c) : begun(set, c);
	const char *left = orphans_of(set, c);

	return *merge && *left ? keep("%s; %s", merge, left) : *merge ? merge : left;
}

const char *merge_of(const struct redo_set *set, const struct redo_chain *c)
{
	const struct redo_merge_status *m;
	struct redo_status s;
	char pace[64];

	if (!c->dm_name[0] || c->live_ro)
		return merge_begun(set, c) ? "begun" : "";
	if (redo_chain_status(c->dm_name, &s) || s.merge.run == REDO_MERGE_RUN_NONE)
		return "";
	m = &s.merge;
	if (m->run == REDO_MERGE_RUN_DONE)
		return redo_merge_run_str(m->run);
	progress_pace((double)m->kib_per_s * 1024,
		      (m->total > m->done ? m->total - m->done : 0) * ((u64)s.grain_sectors << 9),
		      pace, sizeof(pace));
	return keep("%s %d%%%s%s%s", redo_merge_run_str(m->run), merge_percent(m), pace,
		    strcmp(m->throttle, "100%") ? ", throttle " : "",
		    strcmp(m->throttle, "100%") ? m->throttle : "");
}

/* The one made next after @seq. */
static const struct redo_node *next_lost(const struct redo_set *set, const struct redo_chain *c,
					 u64 seq)
{
	const struct redo_node *best = NULL;

	for (u32 i = 0; i < set->nr_nodes; i++) {
		const struct redo_node *n = &set->node[i];

		if (n->lost && n->label.snap_name[0] && !strcmp(n->chain, c->name) &&
		    !redo_node_gone(n) && n->sb.chain_seq > seq &&
		    (!best || n->sb.chain_seq < best->sb.chain_seq))
			best = n;
	}
	return best;
}

const char *lost_of(const struct redo_set *set, const struct redo_chain *c)
{
	const struct redo_node *n = next_lost(set, c, 0);
	const char *list = "";

	for (; n; n = next_lost(set, c, n->sb.chain_seq))
		list = keep("%s%s%s", list, *list ? "," : "", n->label.snap_name);
	return list;
}
