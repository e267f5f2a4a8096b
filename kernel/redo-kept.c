// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes that a checkpoint has just written. What was changed of late is mostly
 * what is changed next; without this the next change would read the block back
 * and check all of its words. A few are kept, of each tree, by their place; one
 * is as good as its block as long as the pointer to it is still the same.
 */
#include <linux/slab.h>
#include "redo-tree.h"

#define REDO_KEPT_MAX	256	/* nodes of a tree: 1 MiB */

void redo_kept_init(struct redo_tree *t)
{
	int l;

	for (l = 0; l < REDO_LEVELS_MAX; l++)
		xa_init(&t->kept[l]);
	t->n_kept = 0;
}

void redo_kept_drop(struct redo_tree *t)
{
	struct redo_node *n;
	unsigned long i;
	int l;

	for (l = 0; l < REDO_LEVELS_MAX; l++) {
		xa_for_each(&t->kept[l], i, n)
			redo_node_free(n);
		xa_destroy(&t->kept[l]);
	}
	t->n_kept = 0;
}

void redo_kept_room(struct redo_tree *t, u64 n)
{
	if (t->n_kept + n > REDO_KEPT_MAX)
		redo_kept_drop(t);
}

void redo_kept_add(struct redo_tree *t, struct redo_node *n)
{
	struct redo_node *old;

	if (t->n_kept >= REDO_KEPT_MAX)
		goto out;
	old = xa_store(&t->kept[n->level], n->index, n, GFP_NOIO | __GFP_NOWARN);
	if (xa_is_err(old))
		goto out;
	if (old)
		redo_node_free(old);
	else
		t->n_kept++;
	return;
out:
	redo_node_free(n);
}

struct redo_node *redo_kept_take(struct redo_tree *t, u32 level, u64 index,
				 const struct redo_ptr *ptr)
{
	struct redo_node *n = xa_erase(&t->kept[level], index);

	if (!n)
		return NULL;
	t->n_kept--;
	if (ptr->kind == REDO_PTR_BLOCK && ptr->blocknr == n->old.blocknr &&
	    ptr->gen_tag == n->old.gen_tag)
		return n;
	redo_node_free(n);
	return NULL;
}
