// SPDX-License-Identifier: GPL-2.0
/*
 * The "redo" target: a base and a chain of redo-log deltas shown as one device.
 * This file is the glue between device-mapper and the chain.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "redo-proto.h"
#include "redo-target.h"

/* --- constructor and destructor --- */

static void target_free(struct redo_target *t)
{
	u32 i;

	if (!t)
		return;
	for (i = 0; t->delta && i < t->nr_deltas; i++)
		if (t->delta[i])
			redo_delta_put(t->delta[i]);
	for (i = 0; t->dev && i < t->nr_deltas; i++)
		if (t->dev[i])
			dm_put_device(t->ti, t->dev[i]);
	if (t->store)
		dm_put_device(t->ti, t->store);
	if (t->base)
		dm_put_device(t->ti, t->base);
	kvfree(t->merged);
	kvfree(t->delta);
	kvfree(t->dev);
	kfree(t->feature_line);
	kfree(t);
}

static int open_device(struct redo_target *t, const char *path, struct dm_dev **dev)
{
	int r = dm_get_device(t->ti, path, dm_table_get_mode(t->ti->table), dev);

	if (r)
		DMERR("%s: cannot be opened%s: %d", path,
		      t->writable ? " for writing" : "", r);
	return r;
}

static int open_devices(struct redo_target *t, const struct redo_args *a)
{
	u32 i;
	int r;

	t->nr_deltas = a->nr_deltas;
	t->dev = kvcalloc(max(1U, a->nr_deltas), sizeof(*t->dev), GFP_KERNEL);
	t->delta = kvcalloc(max(1U, a->nr_deltas), sizeof(*t->delta), GFP_KERNEL);
	t->merged = kvcalloc(max(1U, a->nr_deltas), sizeof(*t->merged), GFP_KERNEL);
	if (!t->dev || !t->delta || !t->merged)
		return -ENOMEM;
	r = open_device(t, a->base, &t->base);
	for (i = 0; i < a->nr_deltas && !r; i++)
		r = open_device(t, a->delta[i], &t->dev[i]);
	if (!r && a->cbt)
		r = open_device(t, a->cbt, &t->store);
	return r ?: redo_validate_devices(t);
}

/*
 * Find out what is on delta @i. The blank last one of a writable line is
 * formatted, once the rest of the line has been found good: else it would carry
 * the wrong parent.
 */
static int get_delta(struct redo_target *t, u32 i)
{
	struct block_device *bdev = t->dev[i]->bdev;
	int r;

	if (t->writable && i == t->nr_deltas - 1) {
		r = redo_delta_probe(bdev);
		if (r == REDO_PROBE_BLANK && redo_chains_use(bdev)) {
			DMERR("%pg: in use by another chain, cannot become a delta", bdev);
			r = -EBUSY;
		} else if (r == REDO_PROBE_BLANK)
			r = redo_validate_chain(t, i) ?: redo_format_blank(t, i);
		else if (r == REDO_PROBE_FOREIGN) {
			DMERR("%pg: neither a delta nor blank: zero its first 4 KiB if it is to become one",
			      bdev);
			r = -EINVAL;
		}
		if (r < 0)
			return r;
	}
	t->delta[i] = redo_delta_get(bdev);
	if (IS_ERR(t->delta[i])) {
		r = PTR_ERR(t->delta[i]);
		t->delta[i] = NULL;
		return r;
	}
	return 0;
}

static int get_deltas(struct redo_target *t)
{
	u32 i;
	int r = 0;

	for (i = 0; i < t->nr_deltas && !r; i++)
		r = get_delta(t, i);
	return r ?: redo_validate_chain(t, t->nr_deltas);
}

/* As the table line shows it: devices by their names. */
static const char *feature_word(const struct redo_target *t, const struct redo_args *a, u32 i)
{
	return a->feature[i] == a->cbt ? t->store->name : a->feature[i];
}

/* Kept for the table line: the arguments as they were given. */
static char *join_features(const struct redo_target *t, const struct redo_args *a)
{
	size_t size = 16, used;
	char *line;
	u32 i;

	for (i = 0; i < a->nr_features; i++)
		size += strlen(feature_word(t, a, i)) + 1;
	line = kzalloc(size, GFP_KERNEL);
	if (!line || !a->nr_features)
		return line;
	used = scnprintf(line, size, " %u", a->nr_features);
	for (i = 0; i < a->nr_features; i++)
		used += scnprintf(line + used, size - used, " %s", feature_word(t, a, i));
	return line;
}

void redo_target_add_slots(struct redo_target *t, struct redo_chain *c)
{
	u32 i;

	for (i = c->nr_deltas; i < t->nr_deltas; i++) {
		redo_delta_ref(t->delta[i]);
		redo_chain_add_slot(c, t->dev[i]->bdev, t->delta[i]);
	}
}

void redo_target_note_merged(struct redo_target *t, struct redo_chain *c)
{
	u32 i;

	for (i = 0; i < t->nr_deltas; i++)
		WRITE_ONCE(c->slot[i + 1].merged, t->merged[i]);
	redo_chain_find_top(c);
}

static int make_chain(struct redo_target *t)
{
	u32 grain_sectors = redo_line_grain(t) ?: REDO_GRAIN_SECTORS_MIN;
	struct redo_chain *c;

	c = redo_chain_create(t->ti->len, grain_sectors, t->writable);
	if (IS_ERR(c))
		return PTR_ERR(c);
	c->md = dm_table_get_md(t->ti->table);
	c->begin = t->ti->begin;
	c->features = t->features;
	c->store = t->store ? t->store->bdev : NULL;
	redo_chain_add_slot(c, t->base->bdev, NULL);
	redo_target_add_slots(t, c);
	redo_target_note_merged(t, c);
	t->chain = c;
	return 0;
}

static int target_setup(struct redo_target *t, const struct redo_args *a)
{
	int r;

	t->features = a->features;
	r = open_devices(t, a);
	if (!r)
		t->feature_line = join_features(t, a);
	if (!r && !t->feature_line)
		r = -ENOMEM;
	if (!r)
		r = get_deltas(t);
	if (!r)
		r = redo_track_check_line(t);
	if (!r)
		r = redo_target_check_merge(t);
	if (!r)
		r = redo_validate_store(t);
	return r ?: make_chain(t);
}

static void set_limits(struct redo_target *t)
{
	struct dm_target *ti = t->ti;

	ti->private = t;
	ti->per_io_data_size = sizeof(struct redo_io);
	ti->accounts_remapped_io = true;	/* workers use dm_submit_bio_remap() */
	ti->num_flush_bios = 1;
	ti->flush_supported = true;	/* whatever is below: we have a journal to write */
	ti->num_write_zeroes_bios = 1;
	if (!t->features.ignore_discard) {
		ti->num_discard_bios = 1;
		ti->discards_supported = t->nr_deltas > 0;
	}
}

static int redo_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	unsigned int noio = memalloc_noio_save();	/* the device may be suspended */
	char buf[REDO_ARGS_ERROR_SIZE], *error;
	struct redo_target *t;
	struct redo_args a;
	int r = -ENOMEM;

	ti->error = "redo: no memory";
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		goto out;
	t->ti = ti;
	t->writable = dm_table_get_mode(ti->table) & DM_MODE_WRITE;
	r = redo_args_parse(&a, argc, argv, buf, &error);
	if (r) {
		DMERR("%s", error);
		ti->error = "Invalid table line; the line above says why";
	} else {
		ti->error = "Refused; the line above names the device and the reason";
		r = target_setup(t, &a);
	}
	if (r)
		target_free(t);
	else
		set_limits(t);
out:
	memalloc_noio_restore(noio);
	return r;
}

static void redo_dtr(struct dm_target *ti)
{
	struct redo_target *t = ti->private;

	if (t->chain) {
		redo_merge_stop(t->chain);
		mutex_lock(&redo_chains_mutex);
		redo_chain_unlist(t->chain);
		mutex_unlock(&redo_chains_mutex);
		redo_chain_release(t->chain, true);
		redo_chain_destroy(t->chain);
	}
	target_free(t);
}

/* --- bios --- */

static int redo_map_bio(struct dm_target *ti, struct bio *bio)
{
	struct redo_target *t = ti->private;

	return redo_bio_map(t->chain, bio);
}

static int redo_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct redo_target *t = ti->private;

	return redo_bio_end_io(t->chain, bio, error);
}

/* --- suspend and resume --- */

static void redo_presuspend(struct dm_target *ti)
{
	struct redo_target *t = ti->private;
	struct redo_chain *c = t->chain;

	if (!c)
		return;
	spin_lock_irq(&c->lock);
	WRITE_ONCE(c->suspending, true);
	spin_unlock_irq(&c->lock);
	redo_merge_stop_soon(c);
	smp_mb(); /* pairs with redo_track_hold() */
	if (dm_noflush_suspending(ti)) {
		redo_nospace_requeue(c);
		redo_track_requeue(c);
	}
}

static void redo_presuspend_undo(struct dm_target *ti)
{
	struct redo_target *t = ti->private;

	if (!t->chain)
		return;
	spin_lock_irq(&t->chain->lock);
	WRITE_ONCE(t->chain->suspending, false);
	spin_unlock_irq(&t->chain->lock);
	redo_merge_go(t->chain);
	redo_track_go(t->chain);
}

static void redo_postsuspend(struct dm_target *ti)
{
	struct redo_target *t = ti->private;
	unsigned int noio = memalloc_noio_save();
	int r;

	if (t->chain && !list_empty(&t->chain->registry)) {
		r = redo_chain_quiesce(t->chain);
		if (r)
			DMERR("the last commit before the suspend has failed: %d", r);
	}
	memalloc_noio_restore(noio);
}

static int redo_preresume(struct dm_target *ti)
{
	return redo_handover(ti->private);
}

static void redo_resume(struct dm_target *ti)
{
	struct redo_target *t = ti->private;
	struct redo_chain *c = t->chain;
	bool event;

	spin_lock_irq(&c->lock);
	WRITE_ONCE(c->suspending, false);
	c->parked = false;
	event = c->event_pending;
	c->event_pending = false;
	spin_unlock_irq(&c->lock);
	if (event)
		redo_chain_event(c);
	WRITE_ONCE(c->resumed, jiffies);
	redo_merge_go(c);
	redo_track_go(c);
	redo_commit_kick(c); /* space, last checkpoints of what was sealed */
}

/* --- what the block layer asks --- */

static int redo_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct redo_target *t = ti->private;
	u32 i;
	int r;

	r = fn(ti, t->base, 0, ti->len, data);
	for (i = 0; i < t->nr_deltas && !r; i++)
		r = fn(ti, t->dev[i], 0, bdev_nr_sectors(t->dev[i]->bdev), data);
	return r;
}

#define MAX_DISCARD_SECTORS	((1U << 30) >> SECTOR_SHIFT)	/* what one worker step may be busy with */

static void redo_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct redo_target *t = ti->private;
	u32 grain = t->chain ? t->chain->grain_sectors << SECTOR_SHIFT : REDO_BLOCK_SIZE;

	if (!t->nr_deltas)
		return;
	limits->io_min = max(limits->io_min, grain);
	limits->max_write_zeroes_sectors = MAX_DISCARD_SECTORS;
	if (t->features.ignore_discard) {
		redo_limits_set_discard(limits, 0);
		return;
	}
	limits->discard_granularity = grain;
	redo_limits_set_discard(limits, MAX_DISCARD_SECTORS);
}

static struct target_type redo_target_type = {
	.name = REDO_TARGET_NAME,
	.version = {1, 0, 0},
	.module = THIS_MODULE,
	.ctr = redo_ctr,
	.dtr = redo_dtr,
	.map = redo_map_bio,
	.end_io = redo_end_io,
	.presuspend = redo_presuspend,
	.presuspend_undo = redo_presuspend_undo,
	.postsuspend = redo_postsuspend,
	.preresume = redo_preresume,
	.resume = redo_resume,
	.status = redo_status,
	.message = redo_message,
	.iterate_devices = redo_iterate_devices,
	.io_hints = redo_io_hints,
};

static int __init redo_init(void)
{
	int r;

	r = redo_crc_module_init();
	if (r)
		return r;
	r = redo_map_module_init();
	if (r)
		return r;
	r = redo_commit_module_init();
	if (r)
		goto bad_commit;
	r = redo_delta_module_init();
	if (r)
		goto bad_delta;
	r = redo_merge_module_init();
	if (r)
		goto bad_merge;
	r = redo_evict_module_init();
	if (r)
		goto bad_evict;
	r = redo_cbt_module_init();
	if (r)
		goto bad_cbt;
	r = dm_register_target(&redo_target_type);
	if (r)
		goto bad_target;
	return 0;

bad_target:
	redo_cbt_module_exit();
bad_cbt:
	redo_evict_module_exit();
bad_evict:
	redo_merge_module_exit();
bad_merge:
	redo_delta_module_exit();
bad_delta:
	redo_commit_module_exit();
bad_commit:
	redo_map_module_exit();
	return r;
}

static void __exit redo_exit(void)
{
	dm_unregister_target(&redo_target_type);
	redo_cbt_module_exit();
	redo_evict_module_exit();
	redo_merge_module_exit();
	redo_delta_module_exit();
	redo_commit_module_exit();
	redo_map_module_exit();
}

module_init(redo_init);
module_exit(redo_exit);

MODULE_DESCRIPTION(DM_NAME " redo: chains of redo-log deltas with snapshots");
MODULE_AUTHOR("The dm-redo authors");
MODULE_LICENSE("GPL");
