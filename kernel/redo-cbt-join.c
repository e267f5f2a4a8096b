// SPDX-License-Identifier: GPL-2.0
/*
 * Two neighbouring records become one, whose bitmap is the OR of theirs. Blocks are taken
 * over wherever one of the two has all that the result needs: where the other one has a
 * hole, and where one page covers the other. So a join costs reads where both have
 * something, and hardly any writes.
 *
 * Neither record is changed by anybody else: both have ended and are settled. What happens
 * to them meanwhile can only be that they are forgotten, and then the join is given up.
 */
#include "redo-cbt-priv.h"

enum { ROOT_A, ROOT_B, ROOT, DIR_A, DIR_B, DIR, PAGE_A, PAGE_B };

struct join {
	struct redo_cbt_store *st;
	struct redo_cbt_record a, b;
	struct redo_ptr root;
	u64 both;		/* bits that are set in either, as far as it was looked at */
};

static struct redo_disk_node *node(struct join *j, u32 which)
{
	return j->st->node[which];
}

static bool same_words(const struct redo_disk_node *a, const struct redo_disk_node *b)
{
	return !memcmp(a->word, b->word, sizeof(a->word));
}

static int new_block(struct join *j, u32 which, u16 level, u64 place, __le64 *word)
{
	struct redo_disk_node *to;
	u64 blocknr;
	int r;

	r = redo_cbt_write_get(j->st, (void **)&to);
	if (r)
		return r;
	blocknr = redo_cbt_space_alloc(j->st);
	if (!blocknr)
		return -ENOSPC;
	memcpy(to->word, node(j, which)->word, sizeof(to->word));
	redo_cbt_write_put(j->st, level, place, blocknr, word);
	return 0;
}

/* The pages below a directory are not needed any more, nor is it. */
static int free_dir(struct join *j, const struct redo_ptr *ptr, u64 d)
{
	struct redo_disk_node *dir = node(j, DIR);
	struct redo_ptr page;
	u32 i;
	int r;

	if (ptr->kind != REDO_PTR_BLOCK)
		return 0;
	r = redo_cbt_read_node(j->st, ptr, REDO_CBT_LEVEL_DIR, d, dir);
	if (r)
		return r;
	for (i = 0; i < REDO_FANOUT; i++)
		if (!redo_unpack_ptr(dir->word[i], &page))
			redo_cbt_space_free(j->st, &page);
	redo_cbt_space_free(j->st, ptr);
	return 0;
}

/* Whether one of them is the answer; if not, both are blocks. */
static bool either(const struct redo_ptr *a, const struct redo_ptr *b, const struct redo_ptr **out)
{
	if (a->kind == REDO_PTR_HOLE || b->kind == REDO_PTR_ONES)
		*out = b;
	else if (b->kind == REDO_PTR_HOLE || a->kind == REDO_PTR_ONES)
		*out = a;
	else
		return false;
	return true;
}

/* OR of both, in PAGE_A's place. Returns which of them it is equal to: 1: a, 2: b, 3: both. */
static int or_pages(struct join *j)
{
	__le64 *a = node(j, PAGE_A)->word, *b = node(j, PAGE_B)->word;
	int same = 3;
	u32 i;

	for (i = 0; i < REDO_CBT_PAGE_WORDS; i++) {
		__le64 or = a[i] | b[i];

		j->both += hweight64((__force u64)(a[i] & b[i]));
		if (or != a[i])
			same &= ~1;
		if (or != b[i])
			same &= ~2;
		a[i] = or;
	}
	return same;
}

static int join_pages(struct join *j, u64 index, const struct redo_ptr *a,
		      const struct redo_ptr *b, __le64 *word)
{
	struct redo_ptr full = { .kind = REDO_PTR_ONES };
	int r, same;

	r = redo_cbt_read_node(j->st, a, REDO_CBT_LEVEL_PAGE, index, node(j, PAGE_A)) ?:
	    redo_cbt_read_node(j->st, b, REDO_CBT_LEVEL_PAGE, index, node(j, PAGE_B));
	if (r)
		return r;
	same = or_pages(j);
	if (!(same & 1))
		redo_cbt_space_free(j->st, a);
	if ((same & 1) || !(same & 2))
		redo_cbt_space_free(j->st, b);
	if (same & 1)
		*word = redo_pack_ptr(a);
	else if (same & 2)
		*word = redo_pack_ptr(b);
	else if (redo_cbt_words_kind(node(j, PAGE_A)->word) == REDO_PTR_ONES)
		*word = redo_pack_ptr(&full);
	else
		return new_block(j, PAGE_A, REDO_CBT_LEVEL_PAGE, index, word);
	return 0;
}

static int join_entry(struct join *j, u64 d, u32 i)
{
	__le64 *word = &node(j, DIR)->word[i];
	const struct redo_ptr *one;
	struct redo_ptr a, b;

	if (redo_unpack_ptr(node(j, DIR_A)->word[i], &a) ||
	    redo_unpack_ptr(node(j, DIR_B)->word[i], &b))
		return -EUCLEAN;
	if (!either(&a, &b, &one))
		return join_pages(j, d * REDO_FANOUT + i, &a, &b, word);
	redo_cbt_space_free(j->st, one == &a ? &b : &a);
	*word = redo_pack_ptr(one);
	return 0;
}

/* Both are directories of their own. */
static int join_dirs(struct join *j, u64 d, const struct redo_ptr *a, const struct redo_ptr *b,
		     __le64 *word)
{
	struct redo_disk_node *dir = node(j, DIR);
	struct redo_ptr plain;
	u32 i;
	int r;

	r = redo_cbt_read_node(j->st, a, REDO_CBT_LEVEL_DIR, d, node(j, DIR_A)) ?:
	    redo_cbt_read_node(j->st, b, REDO_CBT_LEVEL_DIR, d, node(j, DIR_B));
	memset(dir, 0, REDO_BLOCK_SIZE);
	for (i = 0; !r && i < REDO_FANOUT; i++)
		r = join_entry(j, d, i);
	r = r ?: redo_cbt_write_end(j->st);
	if (r)
		return r;
	plain.kind = redo_cbt_dir_kind(dir->word);
	if (same_words(dir, node(j, DIR_A))) {
		redo_cbt_space_free(j->st, b);
		*word = redo_pack_ptr(a);
		return 0;
	}
	redo_cbt_space_free(j->st, a);
	if (same_words(dir, node(j, DIR_B))) {
		*word = redo_pack_ptr(b);
		return 0;
	}
	redo_cbt_space_free(j->st, b);
	if (plain.kind == REDO_PTR_BLOCK)
		return new_block(j, DIR, REDO_CBT_LEVEL_DIR, d, word);
	*word = redo_pack_ptr(&plain);
	return 0;
}

static int join_root_entry(struct join *j, u32 d)
{
	__le64 *word = &node(j, ROOT)->word[d];
	const struct redo_ptr *one;
	struct redo_ptr a, b;

	if (redo_unpack_ptr(node(j, ROOT_A)->word[d], &a) ||
	    redo_unpack_ptr(node(j, ROOT_B)->word[d], &b))
		return -EUCLEAN;
	if (!either(&a, &b, &one))
		return join_dirs(j, d, &a, &b, word);
	*word = redo_pack_ptr(one);
	return free_dir(j, one == &a ? &b : &a, d);
}

static int read_root(struct join *j, const struct redo_ptr *root, u32 which)
{
	struct redo_disk_node *to = node(j, which);
	u32 i;

	if (root->kind == REDO_PTR_BLOCK)
		return redo_cbt_read_node(j->st, root, REDO_CBT_LEVEL_ROOT, 0, to);
	for (i = 0; i < REDO_FANOUT; i++)
		to->word[i] = redo_pack_ptr(root);
	return 0;
}

static int join_roots(struct join *j)
{
	const struct redo_ptr *one;
	__le64 word = 0;
	u32 d;
	int r;

	/* A whole one that is full is never written; where it is met the long way is right, too. */
	if (either(&j->a.root, &j->b.root, &one) && one->kind != REDO_PTR_ONES) {
		j->root = *one;
		return 0;
	}
	r = read_root(j, &j->a.root, ROOT_A) ?: read_root(j, &j->b.root, ROOT_B);
	memset(node(j, ROOT), 0, REDO_BLOCK_SIZE);
	for (d = 0; !r && d < REDO_FANOUT; d++)
		r = join_root_entry(j, d);
	r = r ?: redo_cbt_write_end(j->st);
	r = r ?: new_block(j, ROOT, REDO_CBT_LEVEL_ROOT, 0, &word);
	r = r ?: redo_cbt_write_end(j->st);
	if (r)
		return r;
	redo_unpack_ptr(word, &j->root);
	redo_cbt_space_free(j->st, &j->a.root);
	redo_cbt_space_free(j->st, &j->b.root);
	return 0;
}

/* Records ------------------------------------------------------------------ */

static bool in_memory(struct redo_cbt_store *st, u64 number)
{
	bool is;

	mutex_lock(&st->jmutex);
	is = redo_cbt_map_find(st, number);
	mutex_unlock(&st->jmutex);
	return is;
}

static bool settled(struct redo_cbt_store *st, const struct redo_cbt_record *r)
{
	return r->number != st->sb.epoch && !(r->flags & REDO_CBT_REC_IMPLIED) &&
	       !in_memory(st, r->number);
}

/* mutex held. */
static int find_both(struct redo_cbt_store *st, u64 number, struct join *j)
{
	struct redo_cbt_rec *rec = redo_cbt_rec_find(st, number);

	if (!rec || rec->r.number != number || rec + 1 >= st->rec + st->nr_rec)
		return -EAGAIN;
	j->a = rec[0].r;
	j->b = rec[1].r;
	return settled(st, &j->a) && settled(st, &j->b) ? 0 : -EAGAIN;
}

static u64 lower_back(u64 a, u64 b)
{
	return !a || (b && b < a) ? b : a;
}

/* What the one record says. */
static void join_records(struct join *j, struct redo_cbt_record *r, bool for_space)
{
	const struct redo_cbt_record *a = &j->a, *b = &j->b;
	u64 sum = a->blocks_set + b->blocks_set;

	*r = *a;
	r->number = b->number;
	if (for_space || b->soft > b->first)
		r->soft = max(b->soft, b->first);
	r->flags = (a->flags | b->flags) & REDO_CBT_REC_DAMAGED;
	if (r->soft > r->first)
		r->flags |= REDO_CBT_REC_JOINED;
	r->back_to = lower_back(a->back_to, b->back_to);
	if (r->back_to >= r->first)
		r->back_to = 0;
	r->blocks_set = min(sum - min(sum, j->both), j->st->c.nr_bits);
	r->root = j->root;
}

static int make_record(struct join *j, bool for_space)
{
	struct redo_cbt_store *st = j->st;
	struct redo_cbt_super sb;
	struct redo_cbt_rec *rec;
	int r;

	mutex_lock(&st->mutex);
	rec = redo_cbt_rec_find(st, j->a.number);
	if (!rec || rec->r.number != j->a.number || rec + 1 >= st->rec + st->nr_rec) {
		mutex_unlock(&st->mutex);
		return -EAGAIN;
	}
	join_records(j, &rec[1].r, for_space);
	redo_cbt_rec_touch(st, &rec[1]);
	redo_cbt_rec_remove(st, rec);
	sb = st->sb;
	r = redo_cbt_switch(st, &sb, true);
	mutex_unlock(&st->mutex);
	return r;
}

int redo_cbt_join(struct redo_cbt_store *st, u64 number, bool for_space)
{
	struct join j = { .st = st };
	bool damaged;
	int r;

	lockdep_assert_held(&st->fold_mutex);
	r = redo_cbt_space_know(st);
	if (r)
		return r;
	mutex_lock(&st->mutex);
	r = find_both(st, number, &j);
	mutex_unlock(&st->mutex);
	if (r)
		return r;
	redo_cbt_write_begin(st);
	damaged = (j.a.flags | j.b.flags) & REDO_CBT_REC_DAMAGED;
	if (!damaged)
		r = join_roots(&j);
	r = r ?: make_record(&j, for_space);
	if (r || damaged)
		WRITE_ONCE(st->walk, true);
	return r;
}
