// SPDX-License-Identifier: GPL-2.0-or-later
/* From what a scan found to the rows of the reports. */
#include <sys/sysmacros.h>
#include <time.h>
#include "rows.h"

/* Texts live as long as the rows. */
struct text {
	struct text *next;
	char s[];
};

static struct text *texts;

char *keep(const char *fmt, ...)
{
	struct text *t;
	char *s = NULL;
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	len = s ? strlen(s) + 1 : 1;
	t = malloc(sizeof(*t) + len);
	if (!t) {
		free(s);
		return NULL;
	}
	memcpy(t->s, s ? s : "", len);
	free(s);
	t->next = texts;
	texts = t;
	return t->s;
}

void free_texts(void)
{
	while (texts) {
		struct text *t = texts;

		texts = t->next;
		free(t);
	}
}

static const char *uuid_text(const u8 *uuid)
{
	char s[REDO_UUID_STR_SIZE];

	if (redo_uuid_nil(uuid))
		return "";
	redo_uuid_str(uuid, s);
	return keep("%s", s);
}

const char *time_text(u64 t)
{
	time_t when = (time_t)t;
	char s[64];
	struct tm tm;

	if (!t || !localtime_r(&when, &tm) || !strftime(s, sizeof(s), "%Y-%m-%d %H:%M:%S %z", &tm))
		return "";
	return keep("%s", s);
}

static const char *join(const char *list, const char *item)
{
	return list && *list ? keep("%s,%s", list, item) : keep("%s", item);
}

static bool same_point(const struct redo_node *a, const struct redo_node *b)
{
	return names_a_point(a) && !strcmp(a->label.snap_name, b->label.snap_name) &&
	       !strcmp(a->chain, b->chain) &&
	       redo_uuid_eq(a->sb.parent_uuid, b->sb.parent_uuid) &&
	       redo_uuid_eq(a->sb.tree_uuid, b->sb.tree_uuid);
}

/* Of several deltas on one point the first that was made speaks for it. */
static bool first_of_point(const struct redo_set *set, const struct redo_node *n)
{
	for (u32 i = 0; i < set->nr_nodes; i++) {
		const struct redo_node *o = &set->node[i];

		if (o != n && same_point(o, n) &&
		    (o->sb.chain_seq < n->sb.chain_seq ||
		     (o->sb.chain_seq == n->sb.chain_seq && o < n)))
			return false;
	}
	return true;
}

bool names_a_point(const struct redo_node *n)
{
	return n->label.snap_name[0] && n->counts && !n->lost;
}

static int by_time(const void *a, const void *b)
{
	const struct redo_node *const *na = a, *const *nb = b;

	if ((*na)->sb.create_time != (*nb)->sb.create_time)
		return (*na)->sb.create_time < (*nb)->sb.create_time ? -1 : 1;
	if ((*na)->sb.chain_seq != (*nb)->sb.chain_seq)
		return (*na)->sb.chain_seq < (*nb)->sb.chain_seq ? -1 : 1;
	return 0;
}

u32 points_of(const struct redo_set *set, const char *chain, struct redo_node ***points)
{
	u32 nr = 0;

	*points = calloc(set->nr_nodes + 1, sizeof(**points));
	for (u32 i = 0; *points && i < set->nr_nodes; i++) {
		struct redo_node *n = &set->node[i];

		if (names_a_point(n) && (!chain || !strcmp(n->chain, chain)) &&
		    first_of_point(set, n))
			(*points)[nr++] = n;
	}
	if (*points)
		qsort(*points, nr, sizeof(**points), by_time);
	return nr;
}

static const char *views_on(const struct redo_set *set, const struct redo_node *content)
{
	const char *list = "";

	for (u32 i = 0; i < set->nr_views; i++)
		if (content && set->view[i].top == content->rdev && content->rdev)
			list = join(list, set->view[i].name);
	return list;
}

static const char *views_of_base(const struct redo_set *set, u64 base)
{
	const char *list = "";

	for (u32 i = 0; i < set->nr_views; i++)
		if (!set->view[i].top && set->view[i].base == base)
			list = join(list, set->view[i].name);
	return list;
}

static const char *views_of_point(const struct redo_set *set, const struct redo_node *n)
{
	const struct redo_chain *c;
	struct redo_table t;

	if (n->parent)
		return views_on(set, n->parent);
	c = redo_find_chain(set, n->chain);
	if (!c || !c->dm_name[0] || !set->nr_views || redo_dm_redo_table(c->dm_name, &t))
		return "";
	return views_of_base(set, t.base);
}

/* As the store has it; one that cannot be written says nothing. */
static const char *broken_why(const struct redo_set *set, const struct redo_chain *c)
{
	const struct redo_tracker_node *n = redo_find_tracker_dev(set, c->live_store);

	return n && n->sb.flags & REDO_CBT_BROKEN ? redo_cbt_break_str(n->sb.break_reason) :
	       "the kernel log says why";
}

/* What the disks say; a live chain knows better. */
static void tracking_row(const struct redo_set *set, const struct redo_chain *c,
			 struct chain_row *row)
{
	const struct redo_tracker_node *n = redo_find_tracker_dev(set, c->live_store);
	char path[REDO_TEXT_MAX], text[REDO_UUID_STR_SIZE];
	u8 uuid[REDO_UUID_SIZE];
	u32 nr;

	row->tracking = REDO_CBT_WORD_OFF;
	row->change_id = row->store = "";
	if (c->live_store) {
		row->store = redo_dev_path(c->live_store, path, sizeof(path)) ? "" : keep("%s", path);
		return;
	}
	if (tracking_ended(c)) {
		row->tracking = "ended";
		row->problem = *row->problem ? row->problem :
			       keep("changes are not tracked any more; 'redosetup cbt enable %s' begins anew, 'redosetup cbt disable %s' lets it be",
				    c->name, c->name);
		return;
	}
	if (c->dm_name[0] || !redo_chain_tracker(c, uuid))
		return;
	n = redo_find_tracker(set, uuid, &nr);
	if (!n) {
		redo_uuid_str(uuid, text);
		row->tracking = "missing";
		row->problem = *row->problem ? row->problem :
			       keep("its tracking store %s is not on any device looked at", text);
		return;
	}
	row->store = n->path;
	row->tracking = n->sb.flags & REDO_CBT_BROKEN ? REDO_CBT_WORD_BROKEN : "recorded";
	redo_uuid_str(uuid, text);
	if (n->sb.epoch)
		row->change_id = keep("%s/%llu", text, (unsigned long long)n->sb.epoch);
	if (n->sb.flags & REDO_CBT_BROKEN && !*row->problem)
		row->problem = keep("tracking is broken: %s", redo_cbt_break_str(n->sb.break_reason));
}

static void live_row(const struct redo_set *set, const struct redo_chain *c, struct chain_row *row)
{
	static const char *const mode[] = {
		"fail", "error", REDO_MODE_WRITABLE, REDO_MODE_READ_ONLY, REDO_MODE_VIEW,
		REDO_MODE_PASSTHROUGH,
	};
	static const char *const space[] = {
		REDO_SPACE_OK, REDO_SPACE_LOW, REDO_SPACE_QUEUEING, REDO_SPACE_ERRORING,
	};
	struct redo_status s;

	row->deltas = c->live_deltas;
	if (redo_chain_status(c->dm_name, &s))
		return;
	row->mode = mode[s.mode];
	row->space = s.nr_deltas ? space[s.space] : "";
	row->used = s.grains_used * ((u64)s.grain_sectors << 9);
	row->change_id = keep("%s", s.tracking.change_id);
	if (s.tracking.state != REDO_TRACKING_OFF)
		row->tracking = redo_tracking_str(s.tracking.state);
	if (s.tracking.state == REDO_TRACKING_BROKEN)
		row->problem = keep("tracking is broken: %s; 'redosetup cbt enable %s' begins anew",
				    row->change_id[0] || row->store[0] ?
				    broken_why(set, c) : "it has no store", c->name);
}

void chain_row_of(const struct redo_set *set, const struct redo_chain *c, struct chain_row *row)
{
	struct redo_node **points;
	u32 nr = points_of(set, c->name, &points);

	memset(row, 0, sizeof(*row));
	row->chain = c->name;
	row->state = redo_chain_state(c);
	row->dm_name = c->dm_name;
	row->base = c->base_path[0] ? c->base_path : c->hint_path;
	row->bytes = c->virtual_sectors << 9;
	row->deltas = c->present ? c->present->below + 1 : 0;
	row->active = c->present ? c->present->path : "";
	if (c->present && !c->dm_name[0])
		row->used = redo_node_used(set, c->present) *
			    ((u64)c->present->sb.grain_sectors << 9);
	row->problem = c->dm_name[0] ? "" : c->problem;
	row->features = c->features;
	row->merge = merge_of(set, c);
	row->consolidation = consolidation_of(set, c);
	row->lost = lost_of(set, c);
	row->snapshots = row->views = row->space = row->mode = "";
	for (u32 i = 0; i < nr; i++) {
		const char *v = views_of_point(set, points[i]);

		row->snapshots = join(row->snapshots, points[i]->label.snap_name);
		if (*v)
			row->views = join(row->views, v);
	}
	free(points);
	tracking_row(set, c, row);
	if (c->dm_name[0])
		live_row(set, c, row);
}

bool is_holder(const struct redo_set *set, const struct redo_node *n)
{
	if (n->sb.state != REDO_STATE_RETIRED || !names_a_point(n))
		return false;
	for (u32 i = 0; i < set->nr_nodes; i++) {
		const struct redo_node *o = &set->node[i];

		if (o != n && o->sb.state != REDO_STATE_RETIRED && names_a_point(o) &&
		    !strcmp(o->label.snap_name, n->label.snap_name) &&
		    redo_uuid_eq(o->sb.parent_uuid, n->sb.parent_uuid))
			return false;
	}
	return true;
}

static const char *role_of(const struct redo_set *set, const struct redo_node *n)
{
	for (u32 i = 0; i < set->nr_chains; i++)
		if (set->chain[i].present == n)
			return "present";
	for (u32 i = 0; i < set->nr_chains; i++)
		if (redo_is_ancestor(n, set->chain[i].present))
			return "part";
	if (n->sb.state == REDO_STATE_NEW)
		return "free";
	if (n->sb.state != REDO_STATE_RETIRED)
		return "branch";
	return is_holder(set, n) ? "holder" : "free";
}

void delta_row_of(const struct redo_set *set, const struct redo_node *n, struct delta_row *row)
{
	u64 grain = (u64)n->sb.grain_sectors << 9;

	memset(row, 0, sizeof(*row));
	row->path = n->path;
	row->chain = n->chain;
	row->snapshot = n->label.snap_name;
	row->description = n->label.description;
	row->host = n->label.host;
	row->base = n->label.base_path;
	row->state = redo_state_str(n->sb.state);
	row->role = set ? role_of(set, n) : "";
	row->merge = redo_merge_str(n->sb.merge_state);
	row->merge_uuid = uuid_text(n->sb.merge_uuid);
	row->uuid = uuid_text(n->sb.uuid);
	row->parent = uuid_text(n->sb.parent_uuid);
	row->tree = uuid_text(n->sb.tree_uuid);
	row->tracker_uuid = uuid_text(n->sb.tracker_uuid);
	row->tracker_epoch = n->sb.tracker_epoch;
	row->tracker_sealed = n->sb.tracker_sealed;
	row->created = time_text(n->sb.create_time);
	row->sealed = time_text(n->sb.seal_time);
	row->bytes = n->device_bytes;
	row->virtual_bytes = n->sb.virtual_sectors << 9;
	row->used = redo_node_used(set, n) * grain;
	row->meta = (n->sb.meta_used + REDO_META_START) * REDO_BLOCK_SIZE;
	row->units = n->sb.nr_units;
	row->units_total = n->device_bytes / REDO_UNIT_SIZE;
	row->free = row->units_total > row->units ?
		    (row->units_total - row->units) * REDO_UNIT_SIZE : 0;
	row->grain = grain;
	row->depth = set ? n->below : n->sb.depth;
	row->seq = n->sb.chain_seq;
}

static const char *point_id_text(const struct redo_set *set, const struct redo_node *n)
{
	const struct redo_chain *c = redo_find_chain(set, n->chain);
	char id[REDO_CHANGE_ID_SIZE];

	return c && !redo_set_point_id(set, c, n->label.snap_name, id) ? keep("%s", id) : "";
}

void store_row_of(const struct redo_set *set, const struct redo_tracker_node *n,
		  struct store_row *row)
{
	memset(row, 0, sizeof(*row));
	row->path = n->path;
	row->uuid = uuid_text(n->sb.uuid);
	row->state = n->sb.flags & REDO_CBT_BROKEN ? "broken" :
		     n->sb.flags & REDO_CBT_CLEAN ? "clean" : "open";
	row->reason = n->sb.flags & REDO_CBT_BROKEN ? redo_cbt_break_str(n->sb.break_reason) : "";
	row->change_id = n->sb.epoch ? keep("%s/%llu", row->uuid,
					    (unsigned long long)n->sb.epoch) : "";
	row->created = time_text(n->sb.create_time);
	row->bytes = n->device_bytes;
	row->used = n->sb.used_blocks * REDO_BLOCK_SIZE;
	row->block = (u64)n->sb.block_sectors << 9;
	row->virtual_bytes = n->sb.virtual_sectors << 9;
	row->epochs = n->sb.records;
	row->chain = "";
	for (u32 i = 0; i < set->nr_chains; i++) {
		u8 uuid[REDO_UUID_SIZE];

		if ((redo_chain_tracker(&set->chain[i], uuid) &&
		     redo_uuid_eq(uuid, n->sb.uuid)) ||
		    (n->rdev && set->chain[i].live_store == n->rdev))
			row->chain = join(row->chain, set->chain[i].name);
	}
}

void point_row_of(const struct redo_set *set, const struct redo_node *n, struct point_row *row)
{
	memset(row, 0, sizeof(*row));
	row->point = keep("%s@%s", n->chain, n->label.snap_name);
	row->chain = n->chain;
	row->snapshot = n->label.snap_name;
	row->description = n->label.description;
	row->created = time_text(n->sb.create_time);
	row->delta = n->path;
	row->parent = n->parent ? n->parent->path : "";
	row->bytes = n->sb.virtual_sectors << 9;
	row->depth = n->below;
	row->views = views_of_point(set, n);
	row->change_id = point_id_text(set, n);
	row->children = "";
	for (u32 i = 0; i < set->nr_nodes; i++) {
		const struct redo_node *o = &set->node[i];

		if (redo_uuid_eq(o->sb.parent_uuid, n->sb.parent_uuid) &&
		    redo_uuid_eq(o->sb.tree_uuid, n->sb.tree_uuid))
			row->children = join(row->children, o->path);
	}
}
