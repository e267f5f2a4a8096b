// SPDX-License-Identifier: GPL-2.0
/*
 * What a merge does to the superblocks of deltas: each function one switch, which
 * leaves trees and replay position alone (but for that of the target, which is an
 * activation). The order of these is what design.rst, "Merging", is about.
 */
#include <linux/sched/mm.h>
#include "redo-delta-priv.h"
#include "redo-super.h"
#include "redo-space.h"

#define DM_MSG_PREFIX "redo"

int redo_delta_open_target(struct redo_delta *d, const u8 *source)
{
	struct redo_switch sw = { .into = source };
	unsigned int noio = memalloc_noio_save();
	int r;

	mutex_lock(&d->mutex);
	r = __redo_may_write(d);
	if (!r && !d->owner)
		r = -EPERM;
	if (!r && d->sb.state != REDO_STATE_SEALED)
		r = -EINVAL;
	if (!r && (d->sb.merge_state != REDO_MERGE_INTO ||
		   memcmp(d->sb.merge_uuid, source, REDO_UUID_SIZE)))
		d->merge_pos = 0;
	if (!r)
		r = redo_checkpoint_write(d, &sw);
	if (!r) {
		WRITE_ONCE(d->active, true);
		redo_space_activate(d);
	} else {
		DMERR("%s: cannot be the target of a merge: error %d", d->name, r);
	}
	mutex_unlock(&d->mutex);
	memalloc_noio_restore(noio);
	return r;
}

void redo_delta_note_merged(struct redo_delta *d, u64 pos)
{
	mutex_lock(&d->mutex);
	d->merge_pos = pos;
	mutex_unlock(&d->mutex);
}

typedef void (*redo_edit_fn)(struct redo_super *sb, const void *arg);

static int redo_edit(struct redo_delta *d, redo_edit_fn edit, const void *arg, bool stop)
{
	struct redo_super sb;
	int r;

	mutex_lock(&d->mutex);
	r = __redo_may_switch(d);
	if (!r) {
		sb = d->sb;
		edit(&sb, arg);
		r = redo_super_switch(d, &sb);
	}
	if (!r && stop)
		WRITE_ONCE(d->active, false);
	if (r)
		DMERR("%s: cannot be marked as merged: error %d", d->name, r);
	mutex_unlock(&d->mutex);
	return r;
}

struct redo_base_mark {
	enum redo_merge_state state;
	const u8 *source;
	u64 pos;
};

static void redo_edit_base(struct redo_super *sb, const void *arg)
{
	const struct redo_base_mark *mark = arg;

	redo_super_set_merge(sb, mark->state, mark->source);
	sb->merge_pos = mark->pos;
	sb->flags &= ~REDO_SB_FINGERPRINT;
	sb->base_fp_head = 0;
	sb->base_fp_tail = 0;
}

int redo_delta_mark_base(struct redo_delta *d, enum redo_merge_state state, const u8 *source,
			 u64 pos)
{
	struct redo_base_mark mark = { .state = state, .source = source, .pos = pos };

	return redo_edit(d, redo_edit_base, &mark, false);
}

/*
 * The point that the target is from now on is the source's. The one that it lies on stays, and
 * so does the epoch that it began with; this is past, and so implies nothing of what changes now.
 */
static void redo_take_tracker(struct redo_super *sb, const struct redo_super *source)
{
	bool tracked = source->compat_ro & REDO_COMPAT_RO_TRACKER;

	redo_super_set_tracker(sb, tracked ? source->tracker_uuid : NULL,
			       source->tracker_generation);
	sb->tracker_sealed = source->tracker_sealed;
	if (sb->tracker_sealed && sb->tracker_epoch >= sb->tracker_sealed)
		sb->tracker_epoch = 0;
}

static void redo_edit_taken(struct redo_super *sb, const void *arg)
{
	const struct redo_super *source = arg;

	redo_super_set_merge(sb, REDO_MERGE_TAKEN, source->uuid);
	sb->content_generation = source->content_generation;
	sb->seal_time = source->seal_time;
	redo_take_tracker(sb, source);
	if (source->state == REDO_STATE_SEALED)
		return;
	sb->state = REDO_STATE_ACTIVE;
	sb->flags &= ~REDO_SB_CLEAN;
	sb->chain_seq = source->chain_seq + 1;
}

int redo_delta_mark_taken(struct redo_delta *d, const struct redo_super *source)
{
	return redo_edit(d, redo_edit_taken, source, source->state == REDO_STATE_SEALED);
}

static void redo_edit_none(struct redo_super *sb, const void *arg)
{
	redo_super_set_merge(sb, REDO_MERGE_NONE, NULL);
}

int redo_delta_mark_none(struct redo_delta *d)
{
	return redo_edit(d, redo_edit_none, NULL, false);
}

static void redo_edit_parent(struct redo_super *sb, const void *arg)
{
	const struct redo_reparent *to = arg;

	sb->depth = to->depth;
	memset(sb->parent_uuid, 0, REDO_UUID_SIZE);
	if (to->parent_uuid)
		memcpy(sb->parent_uuid, to->parent_uuid, REDO_UUID_SIZE);
	sb->parent_content = to->to.parent_content;
	if (to->goes_on)
		redo_super_set_merge(sb, REDO_MERGE_BASE, sb->uuid);
	if (!to->to.fingerprint)
		return;
	sb->flags |= REDO_SB_FINGERPRINT;
	sb->base_fp_head = to->to.base_fp_head;
	sb->base_fp_tail = to->to.base_fp_tail;
}

int redo_delta_reparent(struct redo_delta *d, const struct redo_reparent *to)
{
	return redo_edit(d, redo_edit_parent, to, false);
}

static void redo_edit_gone(struct redo_super *sb, const void *arg)
{
	sb->state = REDO_STATE_RETIRED;
	redo_super_set_merge(sb, REDO_MERGE_GONE, NULL);
}

int redo_delta_retire_merged(struct redo_delta *d)
{
	return redo_edit(d, redo_edit_gone, NULL, true);
}
