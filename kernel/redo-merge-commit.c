// SPDX-License-Identifier: GPL-2.0
/*
 * A commit in an active merge: what has gone to the target must be durable before the
 * source says that it has it no more. A flush covers both, in this order, whether there is
 * anything to be recorded or not: both have been written to in place.
 */
#include <linux/slab.h>
#include "redo-chain.h"

/* Those that are to be recorded in the target, in their order. */
static void split(struct list_head *changes, struct list_head *home)
{
	struct redo_change *change, *next;

	list_for_each_entry_safe(change, next, changes, list)
		if (change->via & REDO_VIA_HOME)
			list_move_tail(&change->list, home);
}

/* The target has recorded them: what the source has to say of them joins @changes. */
static int apply_home(struct redo_chain *c, struct list_head *home, struct list_head *changes)
{
	struct redo_change *change, *next;
	int r;

	list_for_each_entry_safe(change, next, home, list) {
		r = redo_delta_apply(c->alloc, &change->e);
		if (r)
			return r;
		if (change->via & REDO_VIA_UNMAP) {
			list_move_tail(&change->list, changes);
			continue;
		}
		list_del(&change->list);
		redo_change_over(c, change, 0);
	}
	return 0;
}

static int commit_home(struct redo_chain *c, struct list_head *home, struct list_head *changes)
{
	int r;

	if (!c->alloc)
		return blkdev_issue_flush(c->slot[0].bdev);
	r = redo_delta_commit(c->alloc, home);
	return r ?: apply_home(c, home, changes);
}

static int commit_source(struct redo_chain *c, struct list_head *changes)
{
	struct redo_change *change;

	list_for_each_entry(change, changes, list) {
		if (!(change->via & REDO_VIA_UNMAP))
			continue;
		change->e.type = REDO_REC_UNMAP;
		change->e.phys = 0;
	}
	return redo_delta_commit(c->active, changes);
}

/* merge_source_first: the source lets go of what the target may not have yet. */
static void mutant_commit_source(struct redo_chain *c, struct list_head *home)
{
	struct redo_change *change, *copy;
	LIST_HEAD(unmap);

	list_for_each_entry(change, home, list) {
		copy = kmemdup(change, sizeof(*copy), GFP_NOIO | __GFP_NOFAIL);
		copy->e.type = REDO_REC_UNMAP;
		copy->e.phys = 0;
		list_add_tail(&copy->list, &unmap);
	}
	if (!list_empty(&unmap) && !redo_delta_commit(c->active, &unmap))
		list_for_each_entry(change, &unmap, list)
			redo_delta_apply(c->active, &change->e);
	list_for_each_entry_safe(change, copy, &unmap, list)
		kfree(change);
}

int redo_commit_down(struct redo_chain *c, struct list_head *changes)
{
	LIST_HEAD(home);
	int r;

	split(changes, &home);
	if (redo_mutant(merge_source_first))
		mutant_commit_source(c, &home);
	r = commit_home(c, &home, changes);
	if (!r)
		r = commit_source(c, changes);
	list_splice_tail(&home, changes); /* after an error: all that was not applied */
	return r;
}
