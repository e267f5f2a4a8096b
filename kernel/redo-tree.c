// SPDX-License-Identifier: GPL-2.0
/*
 * Trees, shadow paged: a node that changes becomes a dirty node in memory and
 * hides the block that it was read from. Blocks on the disk are never changed.
 *
 * The read cache (dm-bufio) holds disk blocks only and never writes. The same
 * address gets another content in another life; the cache is told to forget it
 * when the address is handed out (redo-checkpoint.c). This is enough, because at
 * that moment nobody can be reading it: the block was freed by a checkpoint, and
 * that checkpoint waited for all readers (sem held for writing) when it switched
 * the roots, so that no walk from then on meets the address. For the same reason
 * blocks are never read ahead by dm_bufio_prefetch(), which nobody waits for.
 */
#include <linux/ratelimit.h>
#include "redo-tree.h"
#include "redo-space.h"

#define DM_MSG_PREFIX "redo"

static const char *redo_tree_name(const struct redo_tree *t)
{
	return t->id == REDO_TREE_MAP ? "map" : "allocation";
}

void redo_tree_init(struct redo_tree *t, enum redo_tree_id id)
{
	int i;

	t->id = id;
	t->height = 0;
	memset(&t->root, 0, sizeof(t->root));
	for (i = 0; i < REDO_LEVELS_MAX; i++)
		xa_init(&t->dirty[i]);
	redo_kept_init(t);
}

void redo_node_free(struct redo_node *n)
{
	if (!n)
		return;
	kfree(n->data);
	kfree(n);
}

void redo_tree_exit(struct redo_delta *d, struct redo_tree *t)
{
	struct redo_node *n;
	unsigned long i;
	int l;

	for (l = 0; l < REDO_LEVELS_MAX; l++) {
		xa_for_each(&t->dirty[l], i, n)
			redo_node_free(n);
		xa_destroy(&t->dirty[l]);
	}
	redo_kept_drop(t);
}

static int redo_tree_bad(struct redo_delta *d, struct redo_tree *t, u64 blocknr,
			 u32 level, u64 index, const char *what)
{
	DMERR_LIMIT("%s: block %llu: %s tree level %u index %llu: %s", d->name, blocknr,
		    redo_tree_name(t), level, index, what);
	return -EUCLEAN;
}

/* May @ptr stand for the node at @level, @index? */
static int redo_ptr_check(struct redo_delta *d, struct redo_tree *t,
			  const struct redo_ptr *ptr, u32 level, u64 index)
{
	switch (ptr->kind) {
	case REDO_PTR_HOLE:
		return 0;
	case REDO_PTR_ZERO:
		if (t->id == REDO_TREE_MAP)
			return 0;
		return redo_tree_bad(d, t, 0, level, index, "zero pointer found");
	case REDO_PTR_BLOCK:
		if (redo_space_meta_ok(d, ptr->blocknr))
			return 0;
		return redo_tree_bad(d, t, ptr->blocknr, level, index,
				     "pointer to no metadata block");
	}
	return redo_tree_bad(d, t, 0, level, index, "pointer of unknown kind");
}

static int redo_leaf_check(struct redo_delta *d, const struct redo_disk_node *dn)
{
	struct redo_grain g;
	int i;

	for (i = 0; i < REDO_FANOUT; i++) {
		if (!dn->word[i]) /* unmapped: most words of most deltas */
			continue;
		if (redo_unpack_grain(dn->word[i], &g))
			return -EUCLEAN;
		if (g.state == REDO_GRAIN_MAPPED && !redo_space_data_ok(d, g.phys, 1))
			return -EUCLEAN;
	}
	return 0;
}

const void *redo_tree_get(struct redo_delta *d, struct redo_tree *t,
			  const struct redo_ptr *ptr, u32 level, u64 index,
			  struct dm_buffer **b)
{
	enum redo_bad bad;
	const void *data;
	int r = 0;

	data = dm_bufio_read(d->bufio, ptr->blocknr, b);
	if (IS_ERR(data)) {
		DMERR_LIMIT("%s: block %llu: %s tree level %u index %llu: read error %ld", d->name,
			    ptr->blocknr, redo_tree_name(t), level, index, PTR_ERR(data));
		return data;
	}
	bad = redo_check_node(data, d->uuid, ptr, t->id, level, index);
	if (bad)
		r = redo_tree_bad(d, t, ptr->blocknr, level, index, redo_bad_str(bad));
	else if (!level && t->id == REDO_TREE_MAP && redo_leaf_check(d, data))
		r = redo_tree_bad(d, t, ptr->blocknr, level, index, "map entry out of range");
	else if (!level && t->id == REDO_TREE_ALLOC && redo_space_leaf_check(d, data, index))
		r = redo_tree_bad(d, t, ptr->blocknr, level, index, "unit record out of range");
	if (r) {
		dm_bufio_release(*b);
		return ERR_PTR(r);
	}
	return data;
}

/* Pointer @slot of a directory that is the parent of @level, @index. */
static int redo_dir_ptr(struct redo_delta *d, struct redo_tree *t,
			const struct redo_disk_node *dn, u32 level, u64 index,
			struct redo_ptr *ptr)
{
	__le64 word = READ_ONCE(dn->word[index % REDO_FANOUT]);

	if (redo_unpack_ptr(word, ptr))
		return redo_tree_bad(d, t, 0, level, index, "malformed pointer");
	return redo_ptr_check(d, t, ptr, level, index);
}

int redo_tree_find(struct redo_delta *d, struct redo_tree *t, u32 level, u64 index,
		   struct redo_node **node, struct redo_ptr *ptr)
{
	const struct redo_disk_node *dn;
	u64 idx[REDO_LEVELS_MAX + 1];
	struct redo_node *n = NULL;
	struct dm_buffer *b;
	u32 l;
	int r;

	/* Up to the nearest dirty node ... */
	idx[level] = index;
	for (l = level; l <= t->height; l++) {
		n = xa_load(&t->dirty[l], idx[l]);
		if (n)
			break;
		idx[l + 1] = idx[l] / REDO_FANOUT;
	}
	*node = NULL;
	if (n && l == level) {
		*node = n;
		return 0;
	}
	if (n) {
		r = redo_dir_ptr(d, t, n->data, l - 1, idx[l - 1], ptr);
	} else {
		if (idx[t->height])
			return -ERANGE;
		*ptr = t->root;
		r = redo_ptr_check(d, t, ptr, l - 1, 0);
	}
	/* ... and down from there on the disk; *ptr names the node at l - 1. */
	while (!r && ptr->kind == REDO_PTR_BLOCK && --l > level) {
		dn = redo_tree_get(d, t, ptr, l, idx[l], &b);
		if (IS_ERR(dn))
			return PTR_ERR(dn);
		r = redo_dir_ptr(d, t, dn, l - 1, idx[l - 1], ptr);
		dm_bufio_release(b);
	}
	return r;
}

static struct redo_node *redo_node_alloc(struct redo_delta *d, struct redo_tree *t,
					 u32 level, u64 index)
{
	struct redo_node *n = kzalloc(sizeof(*n), redo_gfp(d));

	if (!n)
		return NULL;
	n->data = kzalloc(REDO_BLOCK_SIZE, redo_gfp(d));
	if (!n->data) {
		kfree(n);
		return NULL;
	}
	n->tree = t->id;
	n->level = level;
	n->index = index;
	return n;
}

/* The words of a map node of which everything below is zero. */
static void redo_node_fill_zero(struct redo_node *n)
{
	struct redo_disk_node *dn = n->data;
	struct redo_grain g = { .state = REDO_GRAIN_ZERO };
	struct redo_ptr p = { .kind = REDO_PTR_ZERO };
	__le64 word = n->level ? redo_pack_ptr(&p) : redo_pack_grain(&g);
	int i;

	for (i = 0; i < REDO_FANOUT; i++)
		dn->word[i] = word;
}

static int redo_node_fill(struct redo_delta *d, struct redo_tree *t, struct redo_node *n,
			  const struct redo_ptr *ptr)
{
	struct dm_buffer *b;
	const void *data;

	switch (ptr->kind) {
	case REDO_PTR_BLOCK:
		data = redo_tree_get(d, t, ptr, n->level, n->index, &b);
		if (IS_ERR(data))
			return PTR_ERR(data);
		memcpy(n->data, data, REDO_BLOCK_SIZE);
		dm_bufio_release(b);
		n->old = *ptr;
		break;
	case REDO_PTR_ZERO:
		redo_node_fill_zero(n);
		break;
	default:
		if (t->id == REDO_TREE_ALLOC && !n->level)
			redo_space_leaf_init(d, n->data, n->index);
		break;
	}
	return 0;
}

/* Where the disk's number was wrong, it must not become one that is refused. */
static void redo_leaves_add(struct redo_delta *d, int by)
{
	if (by < 0 ? d->nr_leaves : d->nr_leaves < d->nr_leaves_max)
		d->nr_leaves += by;
}

static void redo_node_count(struct redo_delta *d, const struct redo_node *n, int by)
{
	bool fresh = n->old.kind != REDO_PTR_BLOCK;

	WRITE_ONCE(d->n_dirty, d->n_dirty + by);
	if (fresh)
		d->n_new += by;
}

/* Readers see the node from here on, with the content that they saw before. */
static int redo_node_insert(struct redo_delta *d, struct redo_tree *t, struct redo_node *n)
{
	int r;

	down_write(&d->sem);
	r = xa_err(xa_store(&t->dirty[n->level], n->index, n, redo_gfp(d)));
	up_write(&d->sem);
	if (!r)
		redo_node_count(d, n, 1);
	return r;
}

struct redo_node *redo_tree_dirty(struct redo_delta *d, struct redo_tree *t,
				  u32 level, u64 index)
{
	struct redo_ptr ptr;
	struct redo_node *n;
	int r;

	lockdep_assert_held(&d->mutex);
	r = redo_tree_find(d, t, level, index, &n, &ptr);
	if (r)
		return ERR_PTR(r);
	if (n)
		return n;
	n = redo_kept_take(t, level, index, &ptr);
	if (!n) {
		n = redo_node_alloc(d, t, level, index);
		if (!n)
			return ERR_PTR(-ENOMEM);
		r = redo_node_fill(d, t, n, &ptr);
	}
	if (!r)
		r = redo_node_insert(d, t, n);
	if (r) {
		redo_node_free(n);
		return ERR_PTR(r);
	}
	if (t->id == REDO_TREE_MAP && !level && ptr.kind != REDO_PTR_BLOCK)
		redo_leaves_add(d, 1);
	return n;
}

int redo_tree_grow(struct redo_delta *d, struct redo_tree *t, u64 leaf)
{
	struct redo_node *n;
	u64 span;
	u32 l;
	int r;

	for (;;) {
		for (span = 1, l = 0; l < t->height; l++)
			span *= REDO_FANOUT;
		if (leaf < span)
			return 0;
		if (t->height + 1 >= REDO_LEVELS_MAX)
			return -EFBIG;
		n = redo_node_alloc(d, t, t->height + 1, 0);
		if (!n)
			return -ENOMEM;
		redo_node_words(n)->word[0] = redo_pack_ptr(&t->root);
		r = redo_node_insert(d, t, n);
		if (r) {
			redo_node_free(n);
			return r;
		}
		t->height++;
	}
}

/*
 * The block that a leaf takes, dirty or not; 0: none. A checkpoint that failed
 * half-way may have moved the node to a new block and given the old one back already.
 */
static u64 redo_leaf_block(const struct redo_node *n, const struct redo_ptr *ptr)
{
	if (!n)
		return ptr->kind == REDO_PTR_BLOCK ? ptr->blocknr : 0;
	if (n->new_block)
		return n->new_block;
	return n->old.kind == REDO_PTR_BLOCK && !n->old_freed ? n->old.blocknr : 0;
}

/* Give back the block (if it has one) and the dirty node (if there is one) of a leaf. */
static int redo_leaf_release(struct redo_delta *d, const struct redo_node *n,
			     const struct redo_ptr *ptr)
{
	u64 blocknr = redo_leaf_block(n, ptr);
	int r = blocknr ? redo_space_meta_free(d, blocknr) : 0;

	if (!r && (n || ptr->kind == REDO_PTR_BLOCK))
		redo_leaves_add(d, -1);
	return r;
}

int redo_tree_may_collapse(struct redo_delta *d, struct redo_tree *t, u64 leaf,
			   const struct redo_node *n, const struct redo_ptr *ptr)
{
	u64 blocknr = redo_leaf_block(n, ptr);
	struct redo_node *parent;

	if (t->height) {
		parent = redo_tree_dirty(d, t, 1, leaf / REDO_FANOUT);
		if (IS_ERR(parent))
			return PTR_ERR(parent);
	}
	return blocknr ? redo_space_meta_may_free(d, blocknr) : 0;
}

int redo_tree_collapse(struct redo_delta *d, struct redo_tree *t, u64 leaf,
		       enum redo_ptr_kind kind)
{
	struct redo_ptr ptr, stand = { .kind = kind };
	struct redo_node *n, *parent = NULL;
	int r;

	r = redo_tree_find(d, t, 0, leaf, &n, &ptr);
	if (r)
		return r;
	if (!n && ptr.kind == kind)
		return 0;
	if (t->height) {
		parent = redo_tree_dirty(d, t, 1, leaf / REDO_FANOUT);
		if (IS_ERR(parent))
			return PTR_ERR(parent);
	}
	r = redo_leaf_release(d, n, &ptr);
	if (r)
		return r;
	down_write(&d->sem);
	if (parent)
		redo_node_words(parent)->word[leaf % REDO_FANOUT] = redo_pack_ptr(&stand);
	else
		t->root = stand;
	if (n)
		xa_erase(&t->dirty[0], leaf);
	up_write(&d->sem);
	if (n) {
		redo_node_count(d, n, -1);
		redo_node_free(n);
	}
	/* What is kept of it is of no use any more. */
	redo_node_free(redo_kept_take(t, 0, leaf, &stand));
	return 0;
}

struct redo_ptr redo_tree_new_root(struct redo_tree *t, u64 generation)
{
	struct redo_node *n = xa_load(&t->dirty[t->height], 0);

	if (!n)
		return t->root;
	return (struct redo_ptr) {
		.kind = REDO_PTR_BLOCK,
		.blocknr = n->new_block,
		.gen_tag = generation & REDO_GEN_TAG_MASK,
	};
}

void redo_tree_clean(struct redo_delta *d, struct redo_tree *t, u64 generation)
{
	struct redo_node *n, *next;
	unsigned long i;
	LIST_HEAD(old);
	u64 count = 0;
	u32 l;

	down_write(&d->sem);
	t->root = redo_tree_new_root(t, generation);
	for (l = 0; l < REDO_LEVELS_MAX; l++) {
		xa_for_each(&t->dirty[l], i, n) {
			list_add(&n->list, &old);
			count++;
		}
		xa_destroy(&t->dirty[l]);
	}
	up_write(&d->sem);
	redo_kept_room(t, count);
	list_for_each_entry_safe(n, next, &old, list) {
		redo_node_count(d, n, -1);
		n->old.kind = REDO_PTR_BLOCK;
		n->old.blocknr = n->new_block;
		n->old.gen_tag = generation & REDO_GEN_TAG_MASK;
		n->old_freed = false;
		n->new_block = 0;
		redo_kept_add(t, n);
	}
}
