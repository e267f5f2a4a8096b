// SPDX-License-Identifier: GPL-2.0
/*
 * The fold: pages that are dirty are written to free blocks, then the directories and
 * roots that name them, then the table's blocks, and last the superblock, which switches
 * to all of it at once and moves replay_seq beyond the marks that are in it.
 *
 * Which pages are dirty is taken down under jmutex together with the journal's position:
 * marks before it are in memory, since they are set under jmutex after they were written.
 * Marks made while the fold is at work are in the journal behind that position, or, in
 * implied mode, make their page dirty again.
 *
 * An epoch that has ended is settled by a fold if nothing of it is dirty after it, and it
 * is not waiting to be rebuilt. An epoch that ended while the fold was at work may not be:
 * the next one settles it.
 *
 * Nothing here allocates memory: the buffers are the store's own.
 */
#include "redo-cbt-priv.h"

/* Writing ------------------------------------------------------------------ */

void redo_cbt_write_begin(struct redo_cbt_store *st)
{
	lockdep_assert_held(&st->fold_mutex);
	st->nr_buf = 0;
	/*
	 * Of the superblock that will name it. If another one is written meanwhile, by the
	 * beginning of an epoch, it is merely lower than it might be.
	 */
	st->write_gen = READ_ONCE(st->sb.generation) + 1;
}

void redo_cbt_set_word(struct redo_cbt_store *st, __le64 *word, const struct redo_ptr *ptr)
{
	struct redo_ptr old;

	if (!redo_unpack_ptr(*word, &old))
		redo_cbt_space_free(st, &old);
	WRITE_ONCE(*word, redo_pack_ptr(ptr));
}

int redo_cbt_write_end(struct redo_cbt_store *st)
{
	struct redo_ptr ptr = { .kind = REDO_PTR_BLOCK,
				.gen_tag = st->write_gen & REDO_GEN_TAG_MASK };
	struct redo_batch b;
	u32 i;
	int r;

	if (!st->nr_buf)
		return 0;
	redo_batch_start(&b, st->bdev, &st->bs, REQ_OP_WRITE);
	for (i = 0; i < st->nr_buf; i++)
		redo_batch_add(&b, st->blocknr[i], st->buf[i]);
	r = redo_batch_wait(&b);
	if (r) {
		redo_cbt_break(&st->c, REDO_CBT_BREAK_IO);
		return r;
	}
	for (i = 0; i < st->nr_buf; i++) {
		ptr.blocknr = st->blocknr[i];
		redo_cbt_set_word(st, st->word[i], &ptr);
	}
	st->nr_buf = 0;
	return 0;
}

int redo_cbt_write_get(struct redo_cbt_store *st, void **block)
{
	int r = 0;

	if (st->nr_buf == CBT_BUFS)
		r = redo_cbt_write_end(st);
	*block = st->buf[st->nr_buf % CBT_BUFS];
	return r;
}

void redo_cbt_write_put(struct redo_cbt_store *st, u16 level, u64 place, u64 blocknr,
			__le64 *word)
{
	redo_cbt_seal_node(st->buf[st->nr_buf], redo_cbt_node_magic(level), st->sb.uuid,
			   blocknr, st->write_gen, level, place);
	st->blocknr[st->nr_buf] = blocknr;
	st->word[st->nr_buf] = word;
	st->nr_buf++;
}

/* The block in hand, at a place that has been made sure of. */
static int put_anywhere(struct redo_cbt_store *st, u16 level, u64 place, __le64 *word)
{
	u64 blocknr = redo_cbt_space_alloc(st);

	if (!blocknr)
		return -ENOSPC;
	redo_cbt_write_put(st, level, place, blocknr, word);
	return 0;
}

/* Pages -------------------------------------------------------------------- */

static u32 words_weight(const __le64 *words)
{
	u32 i, w = 0;

	for (i = 0; i < REDO_CBT_PAGE_WORDS; i++)
		w += hweight64((__force u64)words[i]);
	return w;
}

/* Bits may be set while it is copied: then it is dirty again. */
static int fold_page(struct redo_cbt_store *st, struct redo_cbt_map *map, u32 index)
{
	/* A page that is being folded does not go. */
	struct redo_cbt_page *page = rcu_dereference_protected(map->page[index], true);
	__le64 *word = &map->dir[index / REDO_FANOUT][index % REDO_FANOUT];
	struct redo_ptr full = { .kind = REDO_PTR_ONES }, was;
	struct redo_disk_node *node;
	u32 weight;
	int r;

	if (WARN_ON_ONCE(!page))
		return -EUCLEAN;
	__set_bit(index / REDO_FANOUT, map->dir_dirty);
	if (redo_cbt_is_ones(page)) {
		if (!redo_unpack_ptr(*word, &was) && was.kind == REDO_PTR_HOLE)
			map->gained += REDO_CBT_PAGE_BITS;
		redo_cbt_set_word(st, word, &full);
		return 0;
	}
	r = redo_cbt_write_get(st, (void **)&node);
	if (r)
		return r;
	/* A bit that is set meanwhile makes the page dirty again: in or not, nothing is lost. */
	data_race(memcpy(node->word, page->bits, sizeof(node->word)));
	weight = words_weight(node->word);
	map->gained += (s64)weight - page->weight;
	page->weight = weight;
	if (weight == REDO_CBT_PAGE_BITS) {
		redo_cbt_set_word(st, word, &full);
		return 0;
	}
	return put_anywhere(st, REDO_CBT_LEVEL_PAGE, index, word);
}

static int fold_pages(struct redo_cbt_store *st, struct redo_cbt_map *map)
{
	unsigned long index;
	int r = 0;

	for_each_set_bit(index, map->folding, map->nr_pages) {
		r = fold_page(st, map, index);
		if (r)
			break;
	}
	return r ?: redo_cbt_write_end(st);
}

static int fold_dirs(struct redo_cbt_store *st, struct redo_cbt_map *map)
{
	struct redo_disk_node *node;
	struct redo_ptr ptr;
	unsigned long d;
	int r;

	for_each_set_bit(d, map->dir_dirty, REDO_FANOUT) {
		ptr.kind = redo_cbt_dir_kind(map->dir[d]);
		if (ptr.kind != REDO_PTR_BLOCK) {
			redo_cbt_set_word(st, &map->root[d], &ptr);
			continue;
		}
		r = redo_cbt_write_get(st, (void **)&node);
		if (r)
			return r;
		memcpy(node->word, map->dir[d], sizeof(node->word));
		r = put_anywhere(st, REDO_CBT_LEVEL_DIR, d, &map->root[d]);
		if (r)
			return r;
	}
	return redo_cbt_write_end(st);
}

static int fold_root(struct redo_cbt_store *st, struct redo_cbt_map *map)
{
	struct redo_disk_node *node;
	__le64 word = 0;
	int r;

	r = redo_cbt_write_get(st, (void **)&node);
	if (r)
		return r;
	memcpy(node->word, map->root, sizeof(node->word));
	r = put_anywhere(st, REDO_CBT_LEVEL_ROOT, 0, &word) ?: redo_cbt_write_end(st);
	if (!r)
		redo_unpack_ptr(word, &map->new_root);
	return r;
}

/* The fold ----------------------------------------------------------------- */

/* Blocks that writing @pages takes. */
static u64 blocks_for(struct redo_cbt_map *map, const unsigned long *pages)
{
	unsigned long index, d = ULONG_MAX;
	u64 n = 0;

	for_each_set_bit(index, pages, map->nr_pages) {
		n++;
		if (index / REDO_FANOUT != d)
			n++;
		d = index / REDO_FANOUT;
	}
	return n ? n + 1 : 0;
}

/* What the maps that were picked need; those whose records are gone need nothing. */
static u64 blocks_needed(struct redo_cbt_store *st)
{
	struct redo_cbt_map *map;
	u64 n = 0;

	mutex_lock(&st->mutex);
	list_for_each_entry(map, &st->maps, list)
		if (map->picked && redo_cbt_rec_find(st, map->number))
			n += blocks_for(map, map->folding);
	mutex_unlock(&st->mutex);
	return n;
}

/*
 * Take down what is dirty in @only, or in all, and where the journal is. jmutex held: no page
 * comes or goes, no mark is on its way from the journal to memory.
 */
static u64 pick(struct redo_cbt_store *st, struct redo_cbt_map *only)
{
	struct redo_cbt_map *map;
	unsigned long index;

	lockdep_assert_held(&st->jmutex);
	list_for_each_entry(map, &st->maps, list) {
		map->picked = !only || map == only;
		if (!map->picked)
			continue;
		map->gained = 0;
		map->new_root.kind = REDO_PTR_HOLE;
		bitmap_zero(map->dir_dirty, REDO_FANOUT);
		for_each_set_bit(index, map->dirty, map->nr_pages) {
			/* Before the bit goes, so that the page is never free to go. */
			set_bit(index, map->folding);
			/* A full barrier: pairs with make_dirty(). */
			test_and_clear_bit(index, map->dirty);
		}
	}
	return only ? st->sb.replay_seq : st->next_seq;
}

static int fold_map(struct redo_cbt_store *st, struct redo_cbt_map *map)
{
	int r;

	if (bitmap_empty(map->folding, map->nr_pages))
		return 0;
	r = fold_pages(st, map) ?: fold_dirs(st, map) ?: fold_root(st, map);
	if (r)
		return r;
	/* Its pages may go: its words say where they are. */
	mutex_lock(&st->jmutex);
	bitmap_zero(map->folding, map->nr_pages);
	mutex_unlock(&st->jmutex);
	return 0;
}

static bool is_complete(struct redo_cbt_store *st, struct redo_cbt_map *map)
{
	return !READ_ONCE(map->rebuild) && bitmap_empty(map->dirty, map->nr_pages);
}

static void clear_flags(struct redo_cbt_store *st, struct redo_cbt_rec *rec)
{
	rec->r.flags &= ~(REDO_CBT_REC_IMPLIED | REDO_CBT_REC_UNSETTLED);
	memset(rec->r.delta_uuid, 0, REDO_UUID_SIZE);
	redo_cbt_rec_touch(st, rec);
}

/* What the records say after this fold. Returns whether there is anything to say. */
static bool update_record(struct redo_cbt_store *st, struct redo_cbt_map *map,
			  struct redo_cbt_super *sb, bool explicit)
{
	struct redo_cbt_rec *rec = redo_cbt_rec_find(st, map->number);
	bool change = false;

	if (!rec)	/* forgotten meanwhile */
		return false;
	if (map->new_root.kind == REDO_PTR_BLOCK) {
		redo_cbt_space_free(st, &rec->r.root);
		rec->r.root = map->new_root;
		rec->r.blocks_set = min_t(u64, rec->r.blocks_set + map->gained, map->nr_bits);
		redo_cbt_rec_touch(st, rec);
		change = true;
	}
	if (!(rec->r.flags & REDO_CBT_REC_IMPLIED))
		return change;
	if (map->number == sb->epoch ? !explicit : !is_complete(st, map))
		return change;
	clear_flags(st, rec);
	return true;
}

/* Ended, whole and durable: nobody needs it in memory. mutex held. */
static void let_maps_go(struct redo_cbt_store *st, struct list_head *pages)
{
	struct redo_cbt_map *map, *next;
	struct redo_cbt_rec *rec;

	mutex_lock(&st->jmutex);
	list_for_each_entry_safe(map, next, &st->maps, list) {
		if (map == st->cur)
			continue;
		rec = redo_cbt_rec_find(st, map->number);
		if (rec && (!is_complete(st, map) || !map->picked ||
			    (rec->r.flags & REDO_CBT_REC_IMPLIED)))
			continue;
		list_del(&map->list);
		spin_lock_irq(&st->lock);
		st->nr_rebuild -= map->rebuild;
		map->rebuild = false;
		spin_unlock_irq(&st->lock);
		redo_cbt_map_take_pages(st, map, pages);
		redo_cbt_map_put(map);
	}
	mutex_unlock(&st->jmutex);
}

static int fold_switch(struct redo_cbt_store *st, u64 seq, bool explicit)
{
	struct redo_cbt_super sb;
	struct redo_cbt_map *map;
	bool change = false;
	LIST_HEAD(pages);
	int r = 0;

	mutex_lock(&st->mutex);
	sb = st->sb;
	/* Under mutex no map is added, and under fold_mutex none is taken away. */
	list_for_each_entry(map, &st->maps, list)
		if (map->picked)
			change |= update_record(st, map, &sb, explicit);
	if (change || seq != sb.replay_seq) {
		sb.replay_seq = seq;
		r = redo_cbt_switch(st, &sb, change);
	}
	if (!r && explicit) {
		mutex_lock(&st->jmutex);
		spin_lock_irq(&st->lock);
		st->implied = false;
		memset(st->implied_uuid, 0, REDO_UUID_SIZE);
		__redo_cbt_set_mode(st);
		spin_unlock_irq(&st->lock);
		mutex_unlock(&st->jmutex);
	}
	if (!r)
		let_maps_go(st, &pages);
	mutex_unlock(&st->mutex);
	redo_cbt_free_pages(st, &pages);
	return r;
}

/* Picked, and its record has not been dropped meanwhile. */
static bool wants_fold(struct redo_cbt_store *st, struct redo_cbt_map *map)
{
	bool wants;

	mutex_lock(&st->mutex);
	wants = map->picked && redo_cbt_rec_find(st, map->number);
	mutex_unlock(&st->mutex);
	return wants;
}

/* Maps are taken away under fold_mutex only, but may be added. */
static struct redo_cbt_map *map_after(struct redo_cbt_store *st, struct redo_cbt_map *map)
{
	struct list_head *next;

	mutex_lock(&st->jmutex);
	next = map ? map->list.next : st->maps.next;
	mutex_unlock(&st->jmutex);
	return next == &st->maps ? NULL : list_entry(next, struct redo_cbt_map, list);
}

static int make_space(struct redo_cbt_store *st)
{
	int r = 0;

	while (!r && !redo_cbt_space_has(st, blocks_needed(st)))
		r = redo_cbt_space_give(st);
	return r;
}

/* @only: that map, and the journal's marks stay. NULL: everything. */
static int fold(struct redo_cbt_store *st, struct redo_cbt_map *only, bool explicit)
{
	struct redo_cbt_map *map;
	u64 seq;
	int r;

	mutex_lock(&st->jmutex);
	seq = pick(st, only);
	mutex_unlock(&st->jmutex);
	r = make_space(st);
	redo_cbt_write_begin(st);
	for (map = map_after(st, NULL); map && !r; map = map_after(st, map))
		if (wants_fold(st, map))
			r = redo_cbt_over(st) ? -EUCLEAN : fold_map(st, map);
	if (!r)
		r = fold_switch(st, seq, explicit);
	mutex_lock(&st->jmutex);
	list_for_each_entry(map, &st->maps, list)
		map->picked = false;
	mutex_unlock(&st->jmutex);
	if (r)
		redo_cbt_break(&st->c, redo_cbt_reason_of(r));
	return r;
}

/* An ended epoch with something to write, and not enough space for all of them at once. */
static struct redo_cbt_map *first_of_many(struct redo_cbt_store *st)
{
	struct redo_cbt_map *map, *first = NULL;
	u64 n = 0;

	mutex_lock(&st->jmutex);
	list_for_each_entry(map, &st->maps, list) {
		u64 blocks = blocks_for(map, map->dirty);

		n += blocks;
		if (blocks && !first && map != st->cur)
			first = map;
	}
	mutex_unlock(&st->jmutex);
	return redo_cbt_space_has(st, n) ? NULL : first;
}

/*
 * All at once, if there is space for it. Else those that have ended go first, one by one,
 * since only what is settled can be joined.
 */
int redo_cbt_fold(struct redo_cbt_store *st, bool explicit)
{
	struct redo_cbt_map *map;
	int r;

	lockdep_assert_held(&st->fold_mutex);
	r = redo_cbt_space_know(st);
	if (r)
		return r;
	while ((map = first_of_many(st))) {
		r = fold(st, map, false);
		if (r)
			return r;
	}
	return fold(st, NULL, explicit);
}

/* In the background -------------------------------------------------------- */

void redo_cbt_fold_kick(struct redo_cbt_store *st)
{
	WRITE_ONCE(st->fold_wanted, true);
	if (st->started)
		queue_work(st->fold_wq, &st->fold_work);
}

void redo_cbt_kick(struct redo_cbt *cbt)
{
	redo_cbt_fold_kick(redo_cbt_store(cbt));
}

/* For the next epoch, which may begin when memory is short. */
static void make_spare(struct redo_cbt_store *st)
{
	struct redo_cbt_map *map = NULL;
	u64 nr_bits;

	mutex_lock(&st->mutex);
	nr_bits = st->c.nr_bits;
	mutex_unlock(&st->mutex);
	if (!READ_ONCE(st->spare))
		map = redo_cbt_map_new(0, nr_bits);
	mutex_lock(&st->mutex);
	if (!st->spare && st->c.nr_bits == nr_bits)
		swap(st->spare, map);
	mutex_unlock(&st->mutex);
	redo_cbt_map_put(map);
}

static void keep_table_short(struct redo_cbt_store *st)
{
	while (READ_ONCE(st->nr_rec) > CBT_RECORDS_SOFT && !redo_cbt_over(st))
		if (redo_cbt_join(st, redo_cbt_oldest(st), true))
			break;
}

void redo_cbt_fold_work(struct work_struct *work)
{
	struct redo_cbt_store *st = container_of(work, struct redo_cbt_store, fold_work);
	int r = 0;

	mutex_lock(&st->fold_mutex);
	if (!redo_cbt_over(st)) {
		r = redo_cbt_space_know(st);
		if (r && r != -ENOMEM)
			redo_cbt_break(&st->c, redo_cbt_reason_of(r));
		if (xchg(&st->fold_wanted, false))
			redo_cbt_fold(st, false);
		keep_table_short(st);
		make_spare(st);
	}
	mutex_unlock(&st->fold_mutex);
	mutex_lock(&st->jmutex);
	st->stuck = false;
	mutex_unlock(&st->jmutex);
	/* Who waited for room may go on. */
	queue_work(st->journal_wq, &st->journal_work);
}

/* Does an ended epoch wait to be rebuilt? *@current: does the current one? */
static bool lacks_rebuild(struct redo_cbt_store *st, bool *current_too)
{
	struct redo_cbt_map *map;
	bool lacks = false;

	*current_too = false;
	mutex_lock(&st->jmutex);
	list_for_each_entry(map, &st->maps, list) {
		if (map == st->cur)
			*current_too = map->rebuild;
		else
			lacks |= map->rebuild;
	}
	mutex_unlock(&st->jmutex);
	return lacks;
}

int redo_cbt_settle(struct redo_cbt *cbt, bool explicit)
{
	struct redo_cbt_store *st = redo_cbt_store(cbt);
	bool lacks, lacks_current;
	int r;

	mutex_lock(&st->fold_mutex);
	lacks = lacks_rebuild(st, &lacks_current) || (explicit && lacks_current);
	/* Older ones have no say in whether this one ends to be implied. */
	r = redo_cbt_over(st) ? -EUCLEAN : redo_cbt_fold(st, explicit && !lacks_current);
	mutex_unlock(&st->fold_mutex);
	mutex_lock(&st->jmutex);
	st->stuck = false;
	mutex_unlock(&st->jmutex);
	if (!r)
		queue_work(st->journal_wq, &st->journal_work);
	return r ?: lacks ? -EAGAIN : 0;
}
