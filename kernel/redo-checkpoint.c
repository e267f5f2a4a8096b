// SPDX-License-Identifier: GPL-2.0
/*
 * Checkpoint: the applied state goes to fresh blocks, then one superblock write
 * makes it the state in force.
 *
 *   1. Every dirty node gets a new block, its ancestors become dirty too, its old
 *      block is freed. Both change allocation leaves, which makes more dirty
 *      nodes; this ends when no node is without a new block, since a node gets
 *      one once and the tree is finite. A block handed out here is one that
 *      neither the superblock in force uses nor anything freed since: a write
 *      to it harms nothing if we never reach step 4.
 *   2. Parents get the addresses of their dirty children.
 *   3. All nodes are written, in ascending order, with one wait.
 *   4. The superblock: PREFLUSH makes step 3 and the headers of newly taken units
 *      durable before the block that refers to them, FUA makes it durable itself.
 *   5. Memory follows: the roots are switched under sem, dirty nodes are forgotten
 *      (the disk has them), quarantines move on.
 *
 * Interrupted before 4 is durable, the old superblock and the journal give the
 * very state that we are writing now. An error in step 1 leaves the nodes that
 * got blocks with them, and the next checkpoint goes on from there. An error in
 * steps 3 or 4 fails the delta.
 */
#include <linux/list_sort.h>
#include <linux/random.h>
#include "redo-tree.h"
#include "redo-space.h"
#include "redo-super.h"

#define DM_MSG_PREFIX "redo"

bool redo_checkpoint_needed(const struct redo_delta *d)
{
	return d->n_dirty || d->head_seq != d->sb.replay_seq;
}

static int redo_node_place(struct redo_delta *d, struct redo_tree *t, struct redo_node *n)
{
	struct redo_node *parent;
	u64 blocknr;
	int r;

	if (n->level < t->height) {
		parent = redo_tree_dirty(d, t, n->level + 1, n->index / REDO_FANOUT);
		if (IS_ERR(parent))
			return PTR_ERR(parent);
	}
	if (n->old.kind == REDO_PTR_BLOCK && !n->old_freed) {
		r = redo_space_meta_free(d, n->old.blocknr);
		if (r)
			return r;
		n->old_freed = true;
	}
	r = redo_space_meta_alloc(d, &blocknr);
	if (!r)
		n->new_block = blocknr;
	return r;
}

/* One pass over a tree; *@again: there was something to do. */
static int redo_tree_place(struct redo_delta *d, struct redo_tree *t, bool *again)
{
	struct redo_node *n;
	unsigned long i;
	u32 l;
	int r;

	for (l = 0; l <= t->height; l++) {
		xa_for_each(&t->dirty[l], i, n) {
			if (n->new_block)
				continue;
			*again = true;
			r = redo_node_place(d, t, n);
			if (r)
				return r;
		}
	}
	return 0;
}

static int redo_nodes_place(struct redo_delta *d)
{
	bool again;
	int r;

	do {
		again = false;
		r = redo_tree_place(d, &d->map, &again);
		if (!r)
			r = redo_tree_place(d, &d->alloc, &again);
	} while (!r && again);
	return r;
}

static void redo_nodes_link(struct redo_delta *d, struct redo_tree *t, u64 generation,
			    struct list_head *nodes)
{
	struct redo_ptr p = {
		.kind = REDO_PTR_BLOCK,
		.gen_tag = generation & REDO_GEN_TAG_MASK,
	};
	struct redo_node *n, *parent;
	unsigned long i;
	u32 l;

	for (l = 0; l <= t->height; l++) {
		xa_for_each(&t->dirty[l], i, n) {
			list_add_tail(&n->list, nodes);
			if (l == t->height)
				continue;
			parent = xa_load(&t->dirty[l + 1], i / REDO_FANOUT);
			if (WARN_ON_ONCE(!parent))
				continue;
			p.blocknr = n->new_block;
			WRITE_ONCE(redo_node_words(parent)->word[i % REDO_FANOUT],
				   redo_pack_ptr(&p));
		}
	}
}

static int redo_node_cmp(void *priv, const struct list_head *a, const struct list_head *b)
{
	const struct redo_node *na = list_entry(a, struct redo_node, list);
	const struct redo_node *nb = list_entry(b, struct redo_node, list);

	return na->new_block > nb->new_block;
}

static int redo_nodes_write(struct redo_delta *d, u64 generation, struct list_head *nodes)
{
	struct redo_batch b;
	struct redo_node *n;

	list_sort(NULL, nodes, redo_node_cmp);
	redo_batch_start(&b, d->bdev, &d->bs, REQ_OP_WRITE);
	list_for_each_entry(n, nodes, list) {
		redo_seal_node(n->data, d->uuid, n->new_block, generation, n->tree, n->level,
			       n->index);
		redo_batch_add(&b, n->new_block, n->data);
		cond_resched();
	}
	return redo_batch_wait(&b);
}

static void redo_super_new_incarnation(struct redo_delta *d, struct redo_super *sb)
{
	sb->flags &= ~REDO_SB_CLEAN;
	do {
		sb->incarnation = get_random_u64();
	} while (!sb->incarnation || sb->incarnation == d->sb.incarnation);
}

static void redo_super_fill(struct redo_delta *d, struct redo_super *sb, u64 generation,
			    const struct redo_switch *sw)
{
	*sb = d->sb;
	sb->map_root = redo_tree_new_root(&d->map, generation);
	sb->alloc_root = redo_tree_new_root(&d->alloc, generation);
	sb->alloc_height = d->alloc.height;
	sb->nr_units = d->nr_units;
	sb->nr_leaves = d->nr_leaves;
	sb->meta_used = d->meta_used;
	sb->data_used = d->data_used;
	sb->replay_seq = d->head_seq;
	sb->replay_commit = d->head_commit;
	sb->flags &= ~REDO_SB_CLEAN;
	if (sw->clean || sb->state == REDO_STATE_SEALED)
		sb->flags |= REDO_SB_CLEAN;
	if (sw->into) {
		redo_super_new_incarnation(d, sb);
		redo_super_set_merge(sb, REDO_MERGE_INTO, sw->into);
	}
	if (sb->merge_state == REDO_MERGE_INTO)
		sb->merge_pos = d->merge_pos;
	if (!sw->activate)
		return;
	redo_super_new_incarnation(d, sb);
	if (sb->state == REDO_STATE_NEW)
		sb->parent_content = sw->activate->parent_content;
	sb->state = REDO_STATE_ACTIVE;
	if (sw->activate->track)
		redo_super_track(d, sb, sw->activate->track);
	if (sw->activate->fingerprint) {
		sb->flags |= REDO_SB_FINGERPRINT;
		sb->base_fp_head = sw->activate->base_fp_head;
		sb->base_fp_tail = sw->activate->base_fp_tail;
	}
}

int redo_checkpoint_write(struct redo_delta *d, const struct redo_switch *sw)
{
	struct redo_super sb;
	LIST_HEAD(nodes);
	u64 generation;
	int r;

	lockdep_assert_held(&d->mutex);
	if (d->failed)
		return -EIO;
	/* A record that is in the journal only must not be said to be covered. */
	if (WARN_ON_ONCE(d->unapplied))
		return -EBUSY;
	if (redo_mutant(tail_early)) {
		sb = d->sb;
		sb.replay_seq = d->head_seq;
		sb.replay_commit = d->head_commit;
		redo_super_switch(d, &sb);
	}
	r = redo_nodes_place(d);
	if (r)
		return r;
	generation = d->sb.generation + 1;
	redo_nodes_link(d, &d->map, generation, &nodes);
	redo_nodes_link(d, &d->alloc, generation, &nodes);
	if (redo_mutant(super_before_nodes)) {
		redo_super_fill(d, &sb, generation, sw);
		redo_super_switch(d, &sb);
	}
	r = redo_nodes_write(d, generation, &nodes);
	if (r) {
		redo_delta_fail(d, "checkpoint write", r);
		return -EIO;
	}
	redo_super_fill(d, &sb, generation, sw);
	r = redo_super_switch(d, &sb);
	if (r)
		return r;
	redo_tree_clean(d, &d->map, generation);
	redo_tree_clean(d, &d->alloc, generation);
	d->n_dirty = 0;
	d->n_new = 0;
	d->checkpoints++;
	redo_space_checkpointed(d);
	return 0;
}
