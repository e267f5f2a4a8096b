// SPDX-License-Identifier: GPL-2.0
/*
 * Applying a committed extent to the map tree and the allocation bitmaps, the
 * same way at run time and in replay. Words are changed under sem held for
 * writing, a leaf's worth at a time, so that readers see a leaf before or after.
 *
 * An extent that cannot be applied (a corrupt block in its way, a grain that is
 * in use already) leaves the delta half changed in memory: the caller fails it,
 * and nothing of it is written any more. The journal still holds the record, and
 * would stand in the way of every life to come. So a commit prepares its extents
 * before it writes any: what they will change is made dirty, with the checks that
 * applying makes, and stays dirty until it is applied, since no checkpoint comes
 * in between. Whole leaves that go are too many for that where a discard is huge:
 * beyond the cap of dirty nodes they are only read, a moment before they are again.
 *
 * A block may decay all the same while the journal names it. Replay goes on without
 * it: a map leaf that cannot be had is bad for its readers, whatever the disk says
 * later; nobody who only reads needs the allocation tree, which is not followed any
 * more after the first error. Such a delta is never written to.
 */
#include "redo-tree.h"
#include "redo-space.h"

#define DM_MSG_PREFIX "redo"

typedef int (*redo_free_fn)(struct redo_delta *d, u64 phys, u32 len);

/* Freed grains, gathered into runs. */
struct redo_run {
	redo_free_fn free;
	u64 phys;
	u32 len;
};

static int redo_run_flush(struct redo_delta *d, struct redo_run *run)
{
	int r = run->len ? run->free(d, run->phys, run->len) : 0;

	run->len = 0;
	return r;
}

static int redo_run_add(struct redo_delta *d, struct redo_run *run, u64 phys)
{
	int r;

	if (run->len && run->phys + run->len == phys && phys % d->gpu) {
		run->len++;
		return 0;
	}
	r = redo_run_flush(d, run);
	run->phys = phys;
	run->len = 1;
	return r;
}

/* Free (or prepare to) what @n words from @slot on map. */
static int redo_free_words(struct redo_delta *d, const __le64 *word, u32 slot, u32 n,
			   redo_free_fn free)
{
	struct redo_run run = { .free = free };
	struct redo_grain g;
	u32 i;
	int r;

	for (i = slot; i < slot + n; i++) {
		if (redo_unpack_grain(word[i], &g))
			return -EUCLEAN;
		if (g.state != REDO_GRAIN_MAPPED)
			continue;
		r = redo_run_add(d, &run, g.phys);
		if (r)
			return r;
	}
	return redo_run_flush(d, &run);
}

static void redo_set_words(struct redo_delta *d, __le64 *word, u32 slot, u32 n,
			   const struct redo_extent *e)
{
	static const u8 state[] = {
		[REDO_REC_MAP] = REDO_GRAIN_MAPPED,
		[REDO_REC_ZERO] = REDO_GRAIN_ZERO,
		[REDO_REC_UNMAP] = REDO_GRAIN_UNMAPPED,
		[REDO_REC_BASE] = REDO_GRAIN_BASE,
	};
	struct redo_grain g = { .state = state[e->type], .phys = e->phys };
	u32 i;

	down_write(&d->sem);
	for (i = slot; i < slot + n; i++) {
		WRITE_ONCE(word[i], redo_pack_grain(&g));
		if (e->type == REDO_REC_MAP)
			g.phys++;
	}
	up_write(&d->sem);
}

/* Words of @leaf that stand for grains of the virtual disk. */
static u32 redo_leaf_width(const struct redo_delta *d, u64 leaf)
{
	return min_t(u64, REDO_FANOUT, d->nr_grains - leaf * REDO_FANOUT);
}

static bool redo_leaf_uniform(const __le64 *word, u32 n)
{
	u32 i;

	if (word[0] != word[n - 1])
		return false;
	for (i = 1; i < n; i++)
		if (word[i] != word[0])
			return false;
	return true;
}

static enum redo_ptr_kind redo_kind_of(const struct redo_extent *e)
{
	return e->type == REDO_REC_ZERO ? REDO_PTR_ZERO : REDO_PTR_HOLE;
}

static bool redo_may_collapse(const struct redo_extent *e)
{
	return e->type == REDO_REC_ZERO || e->type == REDO_REC_UNMAP;
}

/* The same for all of a leaf, as redo_tree_find() found it. */
static int redo_free_leaf(struct redo_delta *d, u64 leaf, struct redo_node *n,
			  const struct redo_ptr *ptr, redo_free_fn free)
{
	const struct redo_disk_node *dn;
	struct dm_buffer *b;

	if (n) {
		dn = redo_node_words(n);
	} else if (ptr->kind == REDO_PTR_BLOCK) {
		dn = redo_tree_get(d, &d->map, ptr, 0, leaf, &b);
		if (IS_ERR(dn))
			return PTR_ERR(dn);
		memcpy(d->leaf_buf, dn, REDO_BLOCK_SIZE);
		dm_bufio_release(b);
		dn = d->leaf_buf;
	} else {
		return 0;
	}
	return redo_free_words(d, dn->word, 0, redo_leaf_width(d, leaf), free);
}

/* A whole leaf becomes zero or unmapped: a pointer says so, no leaf is made. */
static int redo_apply_whole(struct redo_delta *d, u64 leaf, const struct redo_extent *e)
{
	struct redo_ptr ptr;
	struct redo_node *n;
	int r;

	r = redo_tree_find(d, &d->map, 0, leaf, &n, &ptr);
	if (!r)
		r = redo_free_leaf(d, leaf, n, &ptr, redo_space_free);
	if (!r)
		r = redo_tree_collapse(d, &d->map, leaf, redo_kind_of(e));
	return r;
}

static int redo_prepare_whole(struct redo_delta *d, u64 leaf)
{
	struct redo_ptr ptr;
	struct redo_node *n;
	int r;

	r = redo_tree_find(d, &d->map, 0, leaf, &n, &ptr);
	if (r)
		return r;
	if (!n && ptr.kind == REDO_PTR_BLOCK && d->n_dirty < REDO_DIRTY_CAP) {
		n = redo_tree_dirty(d, &d->map, 0, leaf);
		if (IS_ERR(n))
			return PTR_ERR(n);
	}
	r = redo_free_leaf(d, leaf, n, &ptr, redo_space_may_free);
	return r ?: redo_tree_may_collapse(d, &d->map, leaf, n, &ptr);
}

/* Nothing to do for a part of a leaf that is all of that state already? */
static int redo_part_is_noop(struct redo_delta *d, u64 leaf, const struct redo_extent *e)
{
	struct redo_ptr ptr;
	struct redo_node *n;
	int r;

	if (!redo_may_collapse(e))
		return 0;
	r = redo_tree_find(d, &d->map, 0, leaf, &n, &ptr);
	if (r)
		return r;
	return !n && ptr.kind == redo_kind_of(e);
}

static int redo_apply_part(struct redo_delta *d, u64 leaf, u32 slot, u32 len,
			   const struct redo_extent *e)
{
	u32 width = redo_leaf_width(d, leaf);
	struct redo_node *n;
	__le64 *word;
	int r;

	if (len == width && redo_may_collapse(e))
		return redo_apply_whole(d, leaf, e);
	r = redo_part_is_noop(d, leaf, e);
	if (r)
		return r < 0 ? r : 0;
	n = redo_tree_dirty(d, &d->map, 0, leaf);
	if (IS_ERR(n))
		return PTR_ERR(n);
	word = redo_node_words(n)->word;
	r = redo_free_words(d, word, slot, len, redo_space_free);
	if (r)
		return r;
	redo_set_words(d, word, slot, len, e);
	if (redo_may_collapse(e) && redo_leaf_uniform(word, width))
		return redo_tree_collapse(d, &d->map, leaf, redo_kind_of(e));
	return 0;
}

int redo_replay_pass(struct redo_delta *d, int error)
{
	if (!d->loading || error == -ENOMEM)
		return error;
	if (!d->blind)
		DMWARN("%s: a block that its journal changes cannot be read: error %d; it can be read, but not be written to",
		       d->name, error);
	d->blind = error;
	return 0;
}

/* Can the leaf be had? */
static int redo_leaf_probe(struct redo_delta *d, u64 leaf)
{
	struct redo_ptr ptr;
	struct redo_node *n;
	struct dm_buffer *b;
	const void *data;
	int r;

	r = redo_tree_find(d, &d->map, 0, leaf, &n, &ptr);
	if (r || n || ptr.kind != REDO_PTR_BLOCK)
		return r;
	data = redo_tree_get(d, &d->map, &ptr, 0, leaf, &b);
	if (IS_ERR(data))
		return PTR_ERR(data);
	dm_bufio_release(b);
	return 0;
}

static int redo_replay_part(struct redo_delta *d, u64 leaf, u32 slot, u32 len,
			    const struct redo_extent *e)
{
	int r;

	if (xa_load(&d->bad_leaves, leaf))
		return 0;
	r = redo_leaf_probe(d, leaf);
	if (!r)
		return redo_apply_part(d, leaf, slot, len, e);
	return redo_replay_pass(d, r) ?:
	       xa_err(xa_store(&d->bad_leaves, leaf, xa_mk_value(1), redo_gfp(d)));
}

static int redo_prepare_part(struct redo_delta *d, u64 leaf, u32 slot, u32 len,
			     const struct redo_extent *e)
{
	struct redo_node *n;
	int r;

	r = redo_part_is_noop(d, leaf, e);
	if (r)
		return r < 0 ? r : 0;
	if (len == redo_leaf_width(d, leaf) && redo_may_collapse(e))
		return redo_prepare_whole(d, leaf);
	n = redo_tree_dirty(d, &d->map, 0, leaf);
	if (IS_ERR(n))
		return PTR_ERR(n);
	r = redo_free_words(d, redo_node_words(n)->word, slot, len, redo_space_may_free);
	if (!r && redo_may_collapse(e))
		r = redo_tree_may_collapse(d, &d->map, leaf, n, NULL);
	return r;
}

static int redo_extent_check(struct redo_delta *d, const struct redo_extent *e)
{
	if (e->type < REDO_REC_MAP || e->type > REDO_REC_BASE)
		return -EUCLEAN;
	if (!e->len || e->logical >= d->nr_grains || e->len > d->nr_grains - e->logical) {
		DMERR("%s: record for grains %llu+%llu of %llu", d->name, e->logical, e->len,
		      d->nr_grains);
		return -EUCLEAN;
	}
	if (e->type == REDO_REC_MAP && e->len >= d->gpu)
		return -EUCLEAN;
	return 0;
}

typedef int (*redo_part_fn)(struct redo_delta *d, u64 leaf, u32 slot, u32 len,
			    const struct redo_extent *e);

static int redo_extent_parts(struct redo_delta *d, const struct redo_extent *e, redo_part_fn fn)
{
	struct redo_extent part = *e;
	u64 leaf;
	u32 slot;
	int r = 0;

	while (!r && part.len) {
		u64 left = part.len;

		leaf = part.logical / REDO_FANOUT;
		slot = part.logical % REDO_FANOUT;
		part.len = min_t(u64, left, redo_leaf_width(d, leaf) - slot);
		r = fn(d, leaf, slot, part.len, &part);
		part.logical += part.len;
		if (part.type == REDO_REC_MAP)
			part.phys += part.len;
		part.len = left - part.len;
		cond_resched();
	}
	return r;
}

int redo_apply_extent(struct redo_delta *d, const struct redo_extent *e)
{
	int r;

	lockdep_assert_held(&d->mutex);
	r = redo_extent_check(d, e);
	if (!r && e->type == REDO_REC_MAP)
		r = redo_space_use(d, e->phys, e->len);
	return r ?: redo_extent_parts(d, e, d->loading ? redo_replay_part : redo_apply_part);
}

int redo_apply_prepare(struct redo_delta *d, const struct redo_extent *e)
{
	int r;

	lockdep_assert_held(&d->mutex);
	r = redo_extent_check(d, e);
	if (!r && e->type == REDO_REC_MAP)
		r = redo_space_may_use(d, e->phys, e->len);
	return r ?: redo_extent_parts(d, e, redo_prepare_part);
}
