// SPDX-License-Identifier: GPL-2.0
/*
 * Bitmap pages in memory.
 *
 * A writer looks for his bits under RCU and finds them set, or sets them himself (implied
 * mode), or goes away to be held. A bit is set before its page is called dirty, and a fold
 * clears dirty before it copies the page, with full barriers between the two on both
 * sides: a bit that the copy lacks belongs to a page that is dirty again.
 *
 * A page leaves memory in three steps: it is taken out of the map, an RCU grace period
 * passes, and if somebody has made it dirty meanwhile it is put back. Nobody can have put
 * another one in its place, since that takes jmutex, which is held all the time.
 *
 * A page that is full from the beginning takes no memory: it is a common one with all bits
 * set, which is why discards of terabytes cost next to nothing.
 */
#include <linux/module.h>
#include "redo-cbt-priv.h"

static unsigned int cbt_budget = 64;
module_param(cbt_budget, uint, 0644);
MODULE_PARM_DESC(cbt_budget, "MiB of bitmap pages that a tracking store keeps in memory");

#define PAGES_MIN	64U	/* whatever the budget */

/* Tests make them small. */
u32 redo_cbt_budget_forced;			/* pages; 0: the parameter counts */
u32 redo_cbt_pages_over = 2 * CBT_WANTS + 8;	/* that a batch may take beyond the budget */

#define EVICT_BATCH	256U	/* for one grace period */

static struct redo_cbt_page ones;

int redo_cbt_module_init(void)
{
	BUILD_BUG_ON(sizeof(struct redo_cbt_page) != REDO_BLOCK_SIZE);
	memset(ones.bits, 0xff, sizeof(ones.bits));
	return 0;
}

void redo_cbt_module_exit(void)
{
}

bool redo_cbt_is_ones(const struct redo_cbt_page *page)
{
	return page == &ones;
}

u32 redo_cbt_budget(void)
{
	u32 pages = min(READ_ONCE(cbt_budget), 1U << 20) * (1U << 20 >> REDO_BLOCK_SHIFT);

	return redo_cbt_budget_forced ?: max(PAGES_MIN, pages);
}

/* Admission --------------------------------------------------------------- */

static void make_dirty(struct redo_cbt_map *map, u32 index)
{
	smp_mb(); /* pairs with the fold's test_and_clear_bit(): the bit first, then dirty */
	if (!test_bit(index, map->dirty))
		set_bit(index, map->dirty);
}

/* Bits @from..@to of a page. */
static bool admit_page(struct redo_cbt_map *map, u32 index, u32 from, u32 to, bool implied)
{
	struct redo_cbt_page *page = rcu_dereference(map->page[index]);
	unsigned long bit;

	if (!page)
		return false;
	if (from == to) {
		if (likely(test_bit_le(from, page->bits)))
			goto ok;
		bit = from;
	} else {
		bit = find_next_zero_bit_le(page->bits, to + 1, from);
		if (bit > to)
			goto ok;
	}
	if (!implied)
		return false;
	for (; bit <= to; bit = find_next_zero_bit_le(page->bits, to + 1, bit + 1))
		set_bit_le(bit, page->bits);
	make_dirty(map, index);
ok:
	if (!READ_ONCE(page->used))
		WRITE_ONCE(page->used, true);
	return true;
}

bool redo_cbt_admit_slow(struct redo_cbt *cbt, u64 first, u64 last)
{
	struct redo_cbt_map *map = rcu_dereference(cbt->map);
	bool implied = READ_ONCE(cbt->mode) == REDO_CBT_IMPLIED;
	u32 index, from, n;

	if (unlikely(!map))
		return false;
	if (WARN_ON_ONCE(last >= map->nr_bits)) {
		last = map->nr_bits - 1;
		first = min(first, last);
	}
	index = first / REDO_CBT_PAGE_BITS;
	from = first % REDO_CBT_PAGE_BITS;
	for (;; index++, from = 0) {
		n = min_t(u64, last - first + 1, REDO_CBT_PAGE_BITS - from);
		if (!admit_page(map, index, from, from + n - 1, implied))
			return false;
		first += n;
		if (first > last)
			return true;
	}
}

/* Maps -------------------------------------------------------------------- */

struct redo_cbt_map *redo_cbt_map_new(u64 number, u64 nr_bits)
{
	u32 nr_pages = redo_cbt_nr_pages(nr_bits);
	size_t longs = BITS_TO_LONGS(nr_pages) * sizeof(long);
	struct redo_cbt_map *map;

	map = redo_cbt_kvzalloc(struct_size(map, page, nr_pages) + 2 * longs);
	if (!map)
		return NULL;
	map->root = kzalloc(REDO_BLOCK_SIZE, GFP_NOIO);
	if (!map->root) {
		kvfree(map);
		return NULL;
	}
	kref_init(&map->ref);
	INIT_LIST_HEAD(&map->list);
	map->number = number;
	map->nr_bits = nr_bits;
	map->nr_pages = nr_pages;
	map->dirty = (void *)map + struct_size(map, page, nr_pages);
	map->folding = (void *)map->dirty + longs;
	return map;
}

static void map_release(struct kref *ref)
{
	struct redo_cbt_map *map = container_of(ref, struct redo_cbt_map, ref);
	u32 i;

	for (i = 0; i < REDO_FANOUT; i++)
		kfree(map->dir[i]);
	kfree(map->root);
	kvfree(map);
}

void redo_cbt_map_put(struct redo_cbt_map *map)
{
	if (map)
		kref_put(&map->ref, map_release);
}

struct redo_cbt_map *redo_cbt_map_find(struct redo_cbt_store *st, u64 number)
{
	struct redo_cbt_map *map;

	lockdep_assert_held(&st->jmutex);
	list_for_each_entry(map, &st->maps, list)
		if (map->number == number)
			return map;
	return NULL;
}

static void fill_words(__le64 *words, enum redo_ptr_kind kind)
{
	struct redo_ptr ptr = { .kind = kind };
	u32 i;

	for (i = 0; i < REDO_FANOUT; i++)
		words[i] = redo_pack_ptr(&ptr);
}

int redo_cbt_map_load_root(struct redo_cbt_store *st, struct redo_cbt_map *map,
			   const struct redo_ptr *root)
{
	struct redo_disk_node *node;
	int r = 0;

	if (root->kind != REDO_PTR_BLOCK) {
		fill_words(map->root, root->kind);
		return 0;
	}
	node = kmalloc(REDO_BLOCK_SIZE, GFP_NOIO);
	if (!node)
		return -ENOMEM;
	r = redo_cbt_read_node(st, root, REDO_CBT_LEVEL_ROOT, 0, node);
	if (!r)
		memcpy(map->root, node->word, sizeof(node->word));
	kfree(node);
	return r;
}

enum redo_ptr_kind redo_cbt_words_kind(const __le64 *words)
{
	if (words[0] != 0 && words[0] != cpu_to_le64(~0ULL))
		return REDO_PTR_BLOCK;
	if (memcmp(words, words + 1, (REDO_FANOUT - 1) * sizeof(*words)))
		return REDO_PTR_BLOCK;
	return words[0] ? REDO_PTR_ONES : REDO_PTR_HOLE;
}

enum redo_ptr_kind redo_cbt_dir_kind(const __le64 *words)
{
	struct redo_ptr full = { .kind = REDO_PTR_ONES };

	if (words[0] != 0 && words[0] != redo_pack_ptr(&full))
		return REDO_PTR_BLOCK;
	if (memcmp(words, words + 1, (REDO_FANOUT - 1) * sizeof(*words)))
		return REDO_PTR_BLOCK;
	return words[0] ? REDO_PTR_ONES : REDO_PTR_HOLE;
}

/* Memory ------------------------------------------------------------------ */

void redo_cbt_fill_reserve(struct redo_cbt_store *st)
{
	struct redo_cbt_page *page;

	while (READ_ONCE(st->nr_reserve) < CBT_RESERVE) {
		page = kmalloc(sizeof(*page), GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
		if (!page)
			return;
		spin_lock_irq(&st->lock);
		list_add(&page->list, &st->reserve);
		st->nr_reserve++;
		spin_unlock_irq(&st->lock);
	}
}

void redo_cbt_free_reserve(struct redo_cbt_store *st)
{
	struct redo_cbt_page *page, *next;

	list_for_each_entry_safe(page, next, &st->reserve, list)
		kfree(page);
	INIT_LIST_HEAD(&st->reserve);
	st->nr_reserve = 0;
}

/* Not from where writers wait for memory that only this write would make free. */
static void *block_alloc(struct redo_cbt_store *st)
{
	struct redo_cbt_page *page;

	page = kmalloc(sizeof(*page), GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
	if (page)
		return page;
	spin_lock_irq(&st->lock);
	page = list_first_entry_or_null(&st->reserve, struct redo_cbt_page, list);
	if (page) {
		list_del(&page->list);
		st->nr_reserve--;
	}
	spin_unlock_irq(&st->lock);
	return page;
}

static void block_free(struct redo_cbt_store *st, struct redo_cbt_page *page)
{
	bool keep;

	spin_lock_irq(&st->lock);
	keep = st->nr_reserve < CBT_RESERVE;
	if (keep) {
		list_add(&page->list, &st->reserve);
		st->nr_reserve++;
	}
	spin_unlock_irq(&st->lock);
	if (!keep)
		kfree(page);
}

static bool page_can_go(struct redo_cbt_page *page)
{
	return !test_bit(page->index, page->map->dirty) &&
	       !test_bit(page->index, page->map->folding);
}

/* Oldest first; one that was used meanwhile gets another round. */
static u32 unpublish(struct redo_cbt_store *st, struct list_head *out, u32 want)
{
	u32 looks = 2 * st->nr_pages, n = 0;
	struct redo_cbt_page *page;

	while (looks-- && n < want && !list_empty(&st->pages)) {
		page = list_first_entry(&st->pages, struct redo_cbt_page, list);
		if (READ_ONCE(page->used) || page->batch == st->batch || !page_can_go(page)) {
			WRITE_ONCE(page->used, false);
			list_move_tail(&page->list, &st->pages);
			continue;
		}
		rcu_assign_pointer(page->map->page[page->index], NULL);
		list_move_tail(&page->list, out);
		n++;
	}
	return n;
}

static u32 evict_some(struct redo_cbt_store *st, u32 want)
{
	struct redo_cbt_page *page, *next;
	LIST_HEAD(out);
	u32 n = 0;

	if (!unpublish(st, &out, want))
		return 0;
	synchronize_rcu();
	list_for_each_entry_safe(page, next, &out, list) {
		if (!page_can_go(page)) {
			rcu_assign_pointer(page->map->page[page->index], page);
			list_move_tail(&page->list, &st->pages);
			continue;
		}
		list_del(&page->list);
		st->nr_pages--;
		block_free(st, page);
		n++;
	}
	return n;
}

u32 redo_cbt_evict(struct redo_cbt_store *st, u32 keep)
{
	u32 went = 0, n;

	lockdep_assert_held(&st->jmutex);
	while (st->nr_pages > keep && !st->stuck) {
		n = evict_some(st, min(EVICT_BATCH, st->nr_pages - keep));
		went += n;
		if (!n)
			st->stuck = true;
	}
	return went;
}

void redo_cbt_map_take_pages(struct redo_cbt_store *st, struct redo_cbt_map *map,
			     struct list_head *out)
{
	struct redo_cbt_page *page;
	u32 i;

	lockdep_assert_held(&st->jmutex);
	for (i = 0; i < map->nr_pages; i++) {
		page = rcu_dereference_protected(map->page[i], true);
		if (!page)
			continue;
		RCU_INIT_POINTER(map->page[i], NULL);
		if (page == &ones)
			continue;
		list_move_tail(&page->list, out);
		st->nr_pages--;
	}
}

void redo_cbt_free_pages(struct redo_cbt_store *st, struct list_head *pages)
{
	struct redo_cbt_page *page;

	if (list_empty(pages))
		return;
	synchronize_rcu();
	while ((page = list_first_entry_or_null(pages, struct redo_cbt_page, list))) {
		list_del(&page->list);
		block_free(st, page);
	}
}

/*
 * Room for one more page. Until the store is started (replay) there can be no fold, and
 * what is there is all needed.
 */
static int make_room(struct redo_cbt_store *st)
{
	u32 budget = redo_cbt_budget();

	if (st->nr_pages < budget || !st->started)
		return 0;
	if (redo_cbt_evict(st, budget - budget / 8))
		return 0;
	redo_cbt_fold_kick(st);
	return st->nr_pages < budget + redo_cbt_pages_over ? 0 : -EAGAIN;
}

static struct redo_cbt_page *page_alloc(struct redo_cbt_store *st)
{
	struct redo_cbt_page *page = block_alloc(st);

	if (page)
		return page;
	if (!st->started)
		return kmalloc(sizeof(*page), GFP_NOIO);
	redo_cbt_evict(st, st->nr_pages - min(st->nr_pages, EVICT_BATCH));
	return block_alloc(st);
}

/* Directories and pages coming in ----------------------------------------- */

static int load_dir(struct redo_cbt_store *st, struct redo_cbt_map *map, u32 d)
{
	struct redo_disk_node *node;
	struct redo_ptr ptr;
	__le64 *words;
	int r = 0;

	if (map->dir[d])
		return 0;
	if (redo_unpack_ptr(map->root[d], &ptr))
		return -EUCLEAN;
	words = block_alloc(st);
	if (!words)
		words = kmalloc(REDO_BLOCK_SIZE, GFP_NOIO);
	if (!words)
		return -ENOMEM;
	if (ptr.kind == REDO_PTR_BLOCK) {
		node = (void *)words;
		r = redo_cbt_read_node(st, &ptr, REDO_CBT_LEVEL_DIR, d, node);
		if (!r)
			memmove(words, node->word, sizeof(node->word));
	} else {
		fill_words(words, ptr.kind);
	}
	if (r) {
		kfree(words);
		return r;
	}
	smp_store_release(&map->dir[d], words); /* pairs with the query's acquire */
	return 0;
}

int redo_cbt_page_ptr(struct redo_cbt_store *st, struct redo_cbt_map *map, u32 index,
		      struct redo_ptr *ptr)
{
	u32 d = index / REDO_FANOUT;
	int r;

	lockdep_assert_held(&st->jmutex);
	r = load_dir(st, map, d);
	if (r)
		return r;
	return redo_unpack_ptr(READ_ONCE(map->dir[d][index % REDO_FANOUT]), ptr) ? -EUCLEAN : 0;
}

static u32 page_weight(const struct redo_cbt_page *page)
{
	u32 i, w = 0;

	for (i = 0; i < REDO_CBT_PAGE_WORDS; i++)
		w += hweight_long(page->bits[i]);
	return w;
}

/* The header of a page on disk is where our book-keeping goes. */
static int read_page(struct redo_cbt_store *st, struct redo_cbt_page *page, u32 index,
		     const struct redo_ptr *ptr)
{
	int r;

	BUILD_BUG_ON(offsetof(struct redo_cbt_page, bits) !=
		     offsetof(struct redo_disk_node, word));
	if (ptr->kind == REDO_PTR_HOLE) {
		memset(page, 0, sizeof(*page));
		return 0;
	}
	r = redo_cbt_read_node(st, ptr, REDO_CBT_LEVEL_PAGE, index, page);
	memset(page, 0, offsetof(struct redo_cbt_page, bits));
	return r;
}

static int make_page(struct redo_cbt_store *st, struct redo_cbt_map *map, u32 index,
		     const struct redo_ptr *ptr)
{
	struct redo_cbt_page *page;
	int r;

	r = make_room(st);
	if (r)
		return r;
	page = page_alloc(st);
	if (!page) {
		redo_cbt_fold_kick(st);
		return -EAGAIN;
	}
	r = read_page(st, page, index, ptr);
	if (r) {
		block_free(st, page);
		return r;
	}
	page->map = map;
	page->index = index;
	page->weight = page_weight(page);
	page->used = true;
	page->batch = st->batch;
	list_add_tail(&page->list, &st->pages);
	st->nr_pages++;
	rcu_assign_pointer(map->page[index], page);
	return 0;
}

/*
 * @whole: all of it will be set. Then nothing is needed where nothing is set yet; it must not
 * be published as full before the journal says so.
 */
static int bring_page(struct redo_cbt_store *st, struct redo_cbt_map *map, u32 index, bool whole)
{
	struct redo_cbt_page *page = rcu_dereference_protected(map->page[index], true);
	struct redo_ptr ptr;
	int r;

	if (page) {
		if (page != &ones)
			page->batch = st->batch;
		return 0;
	}
	r = redo_cbt_page_ptr(st, map, index, &ptr);
	if (r)
		return r;
	if (ptr.kind == REDO_PTR_ONES) {
		rcu_assign_pointer(map->page[index], &ones);
		return 0;
	}
	if (whole && ptr.kind == REDO_PTR_HOLE)
		return 0;
	return make_page(st, map, index, &ptr);
}

int redo_cbt_need(struct redo_cbt_store *st, struct redo_cbt_map *map, u64 first, u64 last)
{
	u32 index = first / REDO_CBT_PAGE_BITS, end = last / REDO_CBT_PAGE_BITS;
	int r;

	lockdep_assert_held(&st->jmutex);
	for (; index <= end; index++) {
		u64 begin = (u64)index * REDO_CBT_PAGE_BITS;

		r = bring_page(st, map, index, first <= begin &&
			       last >= begin + REDO_CBT_PAGE_BITS - 1);
		if (r)
			return r;
	}
	return 0;
}

/* The part of @first..@last that page @index has. */
static void part_of(u64 first, u64 last, u32 index, u32 *from, u32 *to)
{
	u64 begin = (u64)index * REDO_CBT_PAGE_BITS;

	*from = first > begin ? first - begin : 0;
	*to = min_t(u64, last - begin, REDO_CBT_PAGE_BITS - 1);
}

static struct redo_cbt_page *page_of(struct redo_cbt_map *map, u32 index)
{
	/* Pages go under jmutex only. */
	return rcu_dereference_protected(map->page[index], true);
}

bool redo_cbt_unmarked(struct redo_cbt_map *map, u64 *first, u64 *last)
{
	u32 index = *first / REDO_CBT_PAGE_BITS, end = *last / REDO_CBT_PAGE_BITS, from, to;
	bool any = false;
	u64 lo = 0, hi = 0;

	for (; index <= end; index++) {
		struct redo_cbt_page *page = page_of(map, index);
		unsigned long bit;

		part_of(*first, *last, index, &from, &to);
		/* None: a hole, and all of it is wanted. */
		bit = page ? find_next_zero_bit_le(page->bits, to + 1, from) : from;
		if (bit > to)
			continue;
		if (!any)
			lo = (u64)index * REDO_CBT_PAGE_BITS + bit;
		any = true;
		while (page && to > bit && test_bit_le(to, page->bits))
			to--;
		hi = (u64)index * REDO_CBT_PAGE_BITS + to;
	}
	*first = lo;
	*last = hi;
	return any;
}

void redo_cbt_set(struct redo_cbt_store *st, struct redo_cbt_map *map, u64 first, u64 last)
{
	u32 index = first / REDO_CBT_PAGE_BITS, end = last / REDO_CBT_PAGE_BITS, from, to;

	lockdep_assert_held(&st->jmutex);
	for (; index <= end; index++) {
		struct redo_cbt_page *page = page_of(map, index);

		if (page == &ones)
			continue;
		if (!page) {
			rcu_assign_pointer(map->page[index], &ones);
			make_dirty(map, index);
			continue;
		}
		part_of(first, last, index, &from, &to);
		for (; from <= to && from % BITS_PER_LONG; from++)
			set_bit_le(from, page->bits);
		for (; from + BITS_PER_LONG - 1 <= to; from += BITS_PER_LONG)
			WRITE_ONCE(page->bits[from / BITS_PER_LONG], ~0UL);
		for (; from <= to; from++)
			set_bit_le(from, page->bits);
		make_dirty(map, index);
	}
}
