// SPDX-License-Identifier: LGPL-2.1-or-later
/* The public face: one delta, opened for reading. */
#include <stdlib.h>
#include "redo-int.h"

struct redo_delta {
	struct redo_file file;
	struct redo_super sb;
	struct redo_delta_info info;
};

void redo_fill_info(const struct redo_super *sb, const struct redo_label *label,
		    const char *path, u64 device_bytes, struct redo_delta_info *i)
{
	memset(i, 0, sizeof(*i));
	redo_copy(i->path, path, sizeof(i->path));
	i->device_bytes = device_bytes;
	redo_uuid_str(sb->uuid, i->uuid);
	if (!redo_uuid_nil(sb->parent_uuid))
		redo_uuid_str(sb->parent_uuid, i->parent_uuid);
	redo_uuid_str(sb->tree_uuid, i->tree_uuid);
	i->state = redo_state_str(sb->state);
	redo_copy_clean(i->chain, label->chain_name, sizeof(i->chain));
	redo_copy_clean(i->snapshot, label->snap_name, sizeof(i->snapshot));
	redo_copy_clean(i->description, label->description, sizeof(i->description));
	redo_copy_clean(i->base_path, label->base_path, sizeof(i->base_path));
	redo_copy_clean(i->host, label->host, sizeof(i->host));
	i->virtual_bytes = sb->virtual_sectors << 9;
	i->grain_bytes = sb->grain_sectors << 9;
	i->depth = sb->depth;
	i->chain_seq = sb->chain_seq;
	i->create_time = sb->create_time;
	i->seal_time = sb->seal_time;
	i->content_generation = sb->content_generation;
	i->units_taken = sb->nr_units;
	i->units_total = device_bytes / REDO_UNIT_SIZE;
	i->data_bytes = sb->data_used * i->grain_bytes;
	i->meta_bytes = (sb->meta_used + REDO_META_START) * REDO_BLOCK_SIZE;
	i->clean = sb->flags & REDO_SB_CLEAN;
	i->shared = sb->flags & REDO_SB_SHARED;
	i->merge = redo_merge_str(sb->merge_state);
	if (!redo_uuid_nil(sb->merge_uuid))
		redo_uuid_str(sb->merge_uuid, i->merge_uuid);
	if (!redo_uuid_nil(sb->tracker_uuid))
		redo_uuid_str(sb->tracker_uuid, i->tracker_uuid);
	i->tracker_epoch = redo_tracker_epoch(sb);
	i->tracker_sealed = redo_tracker_sealed(sb);
}

int redo_delta_open(const char *path, struct redo_delta **delta)
{
	struct redo_delta *d = calloc(1, sizeof(*d));
	struct redo_label label;
	int r, err;
	u64 used;

	*delta = NULL;
	if (!d)
		return redo_err(ENOMEM, "out of memory");
	r = redo_file_open(&d->file, path, 0);
	if (r) {
		free(d);
		return r;
	}
	r = redo_read_super(&d->file.io, path, &d->sb);
	if (r) {
		redo_delta_close(d);
		return r;
	}
	redo_read_label(&d->file.io, &d->sb, &label, &err);
	redo_fill_info(&d->sb, &label, path, d->file.io.size, &d->info);
	if (!redo_data_used(&d->file.io, &d->sb, &used))
		d->info.data_bytes = used * d->info.grain_bytes;
	*delta = d;
	return 0;
}

void redo_delta_close(struct redo_delta *d)
{
	if (d) {
		redo_file_close(&d->file);
		free(d);
	}
}

const struct redo_delta_info *redo_delta_get_info(const struct redo_delta *d)
{
	return &d->info;
}

int redo_delta_check(struct redo_delta *d, const struct redo_check_ops *ops,
		     struct redo_check_result *result)
{
	return redo_check_image(&d->file.io, ops, result);
}

int redo_delta_runs(struct redo_delta *d, redo_run_fn fn, void *ctx)
{
	return redo_runs(&d->file.io, &d->sb, fn, ctx);
}
