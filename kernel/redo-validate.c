// SPDX-License-Identifier: GPL-2.0
/* What a table line must be before it is believed; each refusal says which device and why. */
#include <linux/slab.h>
#include <linux/uuid.h>
#include "redo-target.h"

#define FINGERPRINT_SIZE	65536U

/* @buf: @len bytes from kmalloc(). */
static int read_range(struct block_device *bdev, sector_t sector, void *buf, u32 len)
{
	struct bio *bio = bio_alloc(bdev, DIV_ROUND_UP(len, PAGE_SIZE) + 1, REQ_OP_READ, GFP_NOIO);
	int r = -EIO;

	bio->bi_iter.bi_sector = sector;
	if (bio_add_page(bio, virt_to_page(buf), len, offset_in_page(buf)) == len)
		r = submit_bio_wait(bio);
	bio_put(bio);
	return r;
}

int redo_base_fingerprint(struct block_device *bdev, u32 *head, u32 *tail)
{
	u64 size = (u64)bdev_nr_sectors(bdev) << SECTOR_SHIFT;
	u32 len = min_t(u64, FINGERPRINT_SIZE, size);
	u8 *buf = kmalloc(FINGERPRINT_SIZE, GFP_NOIO);
	int r;

	if (!buf)
		return -ENOMEM;
	r = read_range(bdev, 0, buf, len);
	*head = redo_crc32(buf, len);
	if (!r)
		r = read_range(bdev, (size - len) >> SECTOR_SHIFT, buf, len);
	*tail = redo_crc32(buf, len);
	kfree(buf);
	if (r)
		DMERR("%pg: cannot read the base for its fingerprint: %d", bdev, r);
	return r;
}

static int check_device(struct redo_target *t, struct block_device *bdev)
{
	if (bdev->bd_disk == dm_disk(dm_table_get_md(t->ti->table))) {
		DMERR("%pg: is the very device that the table is for", bdev);
		return -EINVAL;
	}
	if (bdev_is_zoned(bdev)) {
		DMERR("%pg: zoned devices are not supported", bdev);
		return -EINVAL;
	}
	return 0;
}

static bool is_listed(const struct redo_target *t, const struct block_device *bdev)
{
	u32 i;

	for (i = 0; i < t->nr_deltas; i++)
		if (t->dev[i]->bdev == bdev)
			return true;
	return t->base->bdev == bdev;
}

static int check_store_device(struct redo_target *t)
{
	struct block_device *bdev = t->store->bdev;

	if (!t->writable) {
		DMERR("%pg: a read-only table line has no tracking store", bdev);
		return -EINVAL;
	}
	if (is_listed(t, bdev)) {
		DMERR("%pg: listed as base or delta, cannot be the tracking store, too", bdev);
		return -EINVAL;
	}
	return check_device(t, bdev);
}

static int check_duplicates(struct redo_target *t)
{
	u32 i, j;

	for (i = 0; i < t->nr_deltas; i++) {
		if (t->dev[i]->bdev == t->base->bdev) {
			DMERR("%pg: listed as base and as delta", t->base->bdev);
			return -EINVAL;
		}
		for (j = 0; j < i; j++)
			if (t->dev[i]->bdev == t->dev[j]->bdev) {
				DMERR("%pg: listed twice", t->dev[i]->bdev);
				return -EINVAL;
			}
	}
	return 0;
}

int redo_validate_devices(struct redo_target *t)
{
	u32 lbs = bdev_logical_block_size(t->base->bdev), i;
	int r;

	r = check_device(t, t->base->bdev);
	for (i = 0; i < t->nr_deltas && !r; i++)
		r = check_device(t, t->dev[i]->bdev);
	if (!r && t->store)
		r = check_store_device(t);
	if (r)
		return r;
	if (bdev_nr_sectors(t->base->bdev) < t->ti->len) {
		DMERR("%pg: base has %llu sectors, the table line wants %llu", t->base->bdev,
		      (u64)bdev_nr_sectors(t->base->bdev), (u64)t->ti->len);
		return -EINVAL;
	}
	/* A warning only: whoever writes to the disk decides what the base looks like. */
	if (redo_delta_probe(t->base->bdev) == REDO_PROBE_DELTA)
		DMWARN("%pg: looks like a delta, but is used as a base", t->base->bdev);
	for (i = 0; i < t->nr_deltas; i++)
		if (bdev_logical_block_size(t->dev[i]->bdev) > lbs) {
			DMERR("%pg: logical block size %u is larger than the base's %u",
			      t->dev[i]->bdev, bdev_logical_block_size(t->dev[i]->bdev), lbs);
			return -EINVAL;
		}
	return check_duplicates(t);
}

u32 redo_line_grain(const struct redo_target *t)
{
	struct redo_super sb = { 0 };
	u32 i;

	for (i = 0; i < t->nr_deltas; i++) {
		if (t->merged[i])
			continue;
		redo_delta_super(t->delta[i], &sb);
		break;
	}
	return sb.grain_sectors;
}

u32 redo_line_depth(const struct redo_target *t, u32 i)
{
	u32 n = 0;

	while (i--)
		n += !t->merged[i];
	return n;
}

/* The next place below @i that counts; there is one. */
static u32 live_below(const struct redo_target *t, u32 i)
{
	while (i-- && t->merged[i])
		;
	return i;
}

/* --- the tracking store --- */

int redo_validate_store(struct redo_target *t)
{
	struct block_device *bdev;
	int r;

	if (!t->store)
		return 0;
	bdev = t->store->bdev;
	r = redo_cbt_probe(bdev);
	if (r == REDO_CBT_PROBE_STORE)
		return 0;
	if (r == REDO_CBT_PROBE_FOREIGN) {
		DMERR("%pg: neither a tracking store nor blank: zero its first 12 KiB if it is to become one",
		      bdev);
		return -EINVAL;
	}
	if (r < 0) /* the disk is not to suffer for it: tracking is broken then */
		return r == -ENOMEM ? r : 0;
	if (redo_chains_use(bdev)) {
		DMERR("%pg: in use by another chain, cannot become a tracking store", bdev);
		return -EBUSY;
	}
	DMINFO("%pg: blank, formatting it as a tracking store", bdev);
	return redo_cbt_format(bdev, REDO_CBT_BLOCK_SECTORS_DEFAULT, t->ti->len);
}

/* --- formatting a blank tail --- */

int redo_format_blank(struct redo_target *t, u32 index)
{
	struct redo_super sb = {
		.virtual_sectors = t->ti->len,
		.base_sectors = bdev_nr_sectors(t->base->bdev),
		.grain_sectors = REDO_GRAIN_SECTORS_MIN,
		.depth = redo_line_depth(t, index),
		.chain_seq = 1,
	};

	if (sb.depth) {
		struct redo_super parent;

		redo_delta_super(t->delta[live_below(t, index)], &parent);
		memcpy(sb.parent_uuid, parent.uuid, REDO_UUID_SIZE);
		memcpy(sb.tree_uuid, parent.tree_uuid, REDO_UUID_SIZE);
		sb.grain_sectors = parent.grain_sectors;
		sb.chain_seq = parent.chain_seq + 1;
	} else {
		generate_random_uuid(sb.tree_uuid);
	}
	generate_random_uuid(sb.uuid);
	DMINFO("%pg: blank, formatting it as a delta", t->dev[index]->bdev);
	return redo_delta_format(t->dev[index]->bdev, &sb, NULL);
}

/* --- the chain --- */

#define REFUSE(t, i, fmt, ...) \
	({ DMERR("%pg: " fmt, (t)->dev[i]->bdev, ##__VA_ARGS__); -EINVAL; })

/*
 * A new delta that was formatted for a snapshot while what it was to lie on was merged: it
 * goes on what that has gone into (redo_handover() says so in it).
 */
static bool lost_its_parent(const struct redo_target *t, u32 i, const struct redo_super *sb)
{
	struct redo_super below;

	while (sb->state == REDO_STATE_NEW && i-- && t->merged[i]) {
		redo_delta_super(t->delta[i], &below);
		if (!memcmp(below.uuid, sb->parent_uuid, REDO_UUID_SIZE))
			return true;
	}
	return false;
}

static int check_parent(struct redo_target *t, u32 i, const struct redo_super *sb,
			const struct redo_super *parent)
{
	static const u8 nil[REDO_UUID_SIZE];

	if (lost_its_parent(t, i, sb))
		return 0;
	if (!parent) {
		if (memcmp(sb->parent_uuid, nil, REDO_UUID_SIZE))
			return REFUSE(t, i,
				      "listed first, but its parent is delta %pUb: out of order, or one is left out",
				      sb->parent_uuid);
		return 0;
	}
	if (!memcmp(sb->parent_uuid, nil, REDO_UUID_SIZE))
		return REFUSE(t, i, "belongs on the base, but is listed at place %u: out of order",
			      i + 1);
	if (memcmp(sb->parent_uuid, parent->uuid, REDO_UUID_SIZE))
		return REFUSE(t, i,
			      "its parent is delta %pUb, but %pUb is listed below it: out of order, or one is left out",
			      sb->parent_uuid, parent->uuid);
	if (memcmp(sb->tree_uuid, parent->tree_uuid, REDO_UUID_SIZE))
		return REFUSE(t, i, "belongs to another tree of deltas than its parent");
	if (sb->grain_sectors != parent->grain_sectors)
		return REFUSE(t, i, "grains of %u sectors, its parent has %u: format it anew",
			      sb->grain_sectors, parent->grain_sectors);
	if (parent->merge_state == REDO_MERGE_TAKEN &&
	    !memcmp(parent->merge_uuid, sb->uuid, REDO_UUID_SIZE))
		return 0;	/* has got its content generation already */
	if (sb->parent_content && sb->parent_content != parent->content_generation)
		return REFUSE(t, i,
			      "its parent %pUb has been changed since (content %llx, expected %llx)",
			      parent->uuid, parent->content_generation, sb->parent_content);
	return 0;
}

/* The next place above @i that counts, nr_deltas if there is none. */
static u32 live_above(const struct redo_target *t, u32 i)
{
	while (++i < t->nr_deltas && t->merged[i])
		;
	return i;
}

static int check_state(struct redo_target *t, u32 i, const struct redo_super *sb)
{
	u32 above = live_above(t, i);
	bool last = above == t->nr_deltas;
	struct redo_super child;

	if (sb->state == REDO_STATE_RETIRED)
		return REFUSE(t, i, "retired: its content does not belong to the chain any more");
	if (last && t->writable && sb->state == REDO_STATE_SEALED)
		return REFUSE(t, i, "sealed: a writable table line must end in a delta of its own");
	if (last && t->writable && sb->compat_ro & ~REDO_COMPAT_RO_SUPP)
		return REFUSE(t, i, "unknown feature %llx: can only be read",
			      sb->compat_ro & ~REDO_COMPAT_RO_SUPP);
	if (last || sb->state == REDO_STATE_SEALED)
		return 0;
	if (!t->writable)
		return REFUSE(t, i, "not sealed, yet not the last of a read-only table line");
	if (!t->delta[above])
		return 0;	/* blank: it will be new */
	redo_delta_super(t->delta[above], &child);
	if (child.state != REDO_STATE_NEW)
		return REFUSE(t, i, "not sealed, but the delta on top of it is in use already");
	return 0;
}

static int check_geometry(struct redo_target *t, u32 i, const struct redo_super *sb)
{
	u64 base = bdev_nr_sectors(t->base->bdev);

	if (sb->virtual_sectors != t->ti->len)
		return REFUSE(t, i, "is for a disk of %llu sectors, the table line has %llu",
			      sb->virtual_sectors, (u64)t->ti->len);
	if (sb->base_sectors != base)
		return REFUSE(t, i, "wrong base %pg: it has %llu sectors, the delta expects %llu",
			      t->base->bdev, base, sb->base_sectors);
	if (sb->depth < redo_line_depth(t, i))
		return REFUSE(t, i, "has %u deltas below it, but is listed at place %u: one is too many or out of order",
			      sb->depth, i + 1);
	return 0;
}

static int check_fingerprint(struct redo_target *t, const struct redo_super *sb, u32 i)
{
	u32 head, tail;
	int r;

	if (!(sb->flags & REDO_SB_FINGERPRINT) || t->features.force_base)
		return 0;
	r = redo_base_fingerprint(t->base->bdev, &head, &tail);
	if (r)
		return r;
	if (head == sb->base_fp_head && tail == sb->base_fp_tail)
		return 0;
	DMERR("%pg: wrong base, or written to outside the chain: its fingerprint is %08x%08x, delta %pg expects %08x%08x (force_base skips this check)",
	      t->base->bdev, head, tail, t->dev[i]->bdev, sb->base_fp_head, sb->base_fp_tail);
	return -EINVAL;
}

/* --- merges: redo-merge.h, on-disk-format.rst "Merges" --- */

static bool same_uuid(const u8 *a, const u8 *b)
{
	return !memcmp(a, b, REDO_UUID_SIZE);
}

/* The place below @nr of the delta with that UUID; nr if there is none. */
static u32 find_uuid(const struct redo_target *t, u32 nr, const u8 *uuid)
{
	struct redo_super sb;
	u32 i;

	for (i = 0; i < nr; i++) {
		redo_delta_super(t->delta[i], &sb);
		if (same_uuid(sb.uuid, uuid))
			break;
	}
	return i;
}

/* Is @uuid the parent of the next delta above @i that counts? */
static bool is_parent_above(const struct redo_target *t, u32 i, u32 nr, const u8 *uuid)
{
	struct redo_super sb;

	i = live_above(t, i);
	if (i >= nr)
		return false;
	redo_delta_super(t->delta[i], &sb);
	return same_uuid(sb.parent_uuid, uuid);
}

static void note_merged_at(struct redo_target *t, u32 i, u32 nr, const struct redo_super *sb)
{
	static const u8 nil[REDO_UUID_SIZE];
	u32 top;

	switch (sb->merge_state) {
	case REDO_MERGE_TAKEN:
		top = find_uuid(t, nr, sb->merge_uuid);
		if (top == live_above(t, i) && top < nr &&
		    (sb->state == REDO_STATE_ACTIVE || is_parent_above(t, top, nr, sb->uuid)))
			t->merged[top] = true;
		break;
	case REDO_MERGE_BASE_TAKEN:
	case REDO_MERGE_BASE_ALL_TAKEN:
		top = find_uuid(t, nr, sb->merge_uuid);
		if (top < nr && is_parent_above(t, top, nr, nil))
			memset(t->merged + i, true, top + 1 - i);
		break;
	}
}

/*
 * What the line names that has been merged wholly does not count: first those that say so
 * themselves, for the others are judged by what lies on them.
 */
static void note_merged(struct redo_target *t, u32 nr)
{
	struct redo_super sb;
	u32 i;

	memset(t->merged, 0, t->nr_deltas * sizeof(*t->merged));
	for (i = 0; i < nr; i++) {
		redo_delta_super(t->delta[i], &sb);
		t->merged[i] = sb.merge_state == REDO_MERGE_GONE;
	}
	for (i = 0; i < nr; i++) {
		redo_delta_super(t->delta[i], &sb);
		note_merged_at(t, i, nr, &sb);
	}
	for (i = 0; i < nr; i++)
		if (t->merged[i])
			DMWARN("%pg: has been merged into what is below it, and is ignored",
			       t->dev[i]->bdev);
}

/*
 * The line ends in one that is gone. It showed its content, or took writes; what is below
 * shows the same only if it was not changed any more.
 */
static int check_merged_top(struct redo_target *t)
{
	u32 i = t->nr_deltas - 1, below = live_below(t, i);
	struct redo_super sb, parent;

	redo_delta_super(t->delta[i], &sb);
	if (t->writable && !sb.content_generation)
		return 0;
	if (t->writable)
		return REFUSE(t, i, "merged into what is below it: a writable table line must end in a delta of its own");
	if (below < t->nr_deltas) {
		redo_delta_super(t->delta[below], &parent);
		if (sb.content_generation && sb.content_generation == parent.content_generation)
			return 0;
	}
	return REFUSE(t, i, "merged into what is below it: its content cannot be shown any more");
}

/* Does the line have what a merge that was begun needs? Else it would show what is no point. */
static int check_merge(struct redo_target *t, u32 i, u32 nr, const struct redo_super *sb)
{
	u32 at;

	switch (sb->merge_state) {
	case REDO_MERGE_INTO:
		at = find_uuid(t, nr, sb->merge_uuid);
		if (at < nr && at == live_above(t, i))
			return 0;
		break;
	case REDO_MERGE_BASE:
	case REDO_MERGE_BASE_ALL:
	case REDO_MERGE_BASE_TAKEN:
	case REDO_MERGE_BASE_ALL_TAKEN:
		at = find_uuid(t, nr, sb->merge_uuid);
		if (at < nr && at >= i && !t->merged[at])
			return 0;
		break;
	default:
		return 0;
	}
	return REFUSE(t, i, "being merged with delta %pUb, which the line has not: the snapshot point does not exist any more",
		      sb->merge_uuid);
}

int redo_validate_chain(struct redo_target *t, u32 nr)
{
	struct redo_super sb[2];	/* this one and the one below, in turn */
	int r = 0, below = -1, cur = 0;
	u32 i;

	note_merged(t, nr);
	if (nr && nr == t->nr_deltas && t->merged[nr - 1])
		r = check_merged_top(t);
	for (i = 0; i < nr && !r; i++) {
		if (t->merged[i])
			continue;
		redo_delta_super(t->delta[i], &sb[cur]);
		r = check_parent(t, i, &sb[cur], below < 0 ? NULL : &sb[below]);
		if (!r)
			r = check_geometry(t, i, &sb[cur]);
		if (!r)
			r = check_state(t, i, &sb[cur]);
		if (!r)
			r = check_merge(t, i, nr, &sb[cur]);
		if (!r && below < 0)
			r = check_fingerprint(t, &sb[cur], i);
		below = cur;
		cur = !cur;
	}
	return r;
}
