// SPDX-License-Identifier: GPL-2.0
/*
 * A delta: registry, life, ownership, and the entry points of the mutators. See
 * redo-delta.h for the contract, redo-delta-priv.h for the locks.
 *
 * Activation, interrupted anywhere: replay happens in memory. The checkpoint
 * that follows writes only to blocks that the superblock in force does not use
 * and no record of the journal names (what replay freed is in quarantine, as at
 * run time). Its superblock says everything at once: the trees with the replayed
 * records in them, the position behind them, the new incarnation, the state.
 * Before it is durable, the next activation does the same again; after it, there
 * is nothing left to replay.
 *
 * Seal: one superblock write that changes state, content generation and time and
 * leaves trees and replay position alone. Whether the journal is covered or not
 * is another matter, before and after; a checkpoint of a sealed delta is replay
 * made permanent and does not change its content.
 */
#include <linux/ktime.h>
#include <linux/random.h>
#include "redo-delta-priv.h"
#include "redo-super.h"
#include "redo-space.h"
#include "redo-tree.h"

#define DM_MSG_PREFIX "redo"

#define REDO_PREFETCH_MAX	64

struct workqueue_struct *redo_delta_wq;

static DEFINE_MUTEX(redo_registry_lock);
static LIST_HEAD(redo_registry);	/* registry lock */

void redo_delta_fail(struct redo_delta *d, const char *what, int error)
{
	lockdep_assert_held(&d->mutex);
	if (d->failed)
		return;
	DMERR("%s: %s failed: error %d; nothing more is written to it", d->name, what, error);
	WRITE_ONCE(d->failed, true);
}

/* Life --------------------------------------------------------------------- */

static void redo_delta_free(struct redo_delta *d)
{
	wait_event(d->prefetch_wait, !atomic_read(&d->prefetches));
	/* The last one may still be on its way out of redo_prefetch_put(). */
	spin_lock_irq(&d->prefetch_wait.lock);
	spin_unlock_irq(&d->prefetch_wait.lock);
	redo_space_exit(d);
	xa_destroy(&d->bad_leaves);
	redo_tree_exit(d, &d->map);
	redo_tree_exit(d, &d->alloc);
	if (!IS_ERR_OR_NULL(d->bufio))
		dm_bufio_client_destroy(d->bufio);
	redo_journal_exit(d);
	bioset_exit(&d->bs);
	kfree(d->leaf_buf);
	kfree(d->buf);
	kfree(d);
}

static struct redo_delta *redo_delta_new(struct block_device *bdev)
{
	struct redo_delta *d = kzalloc(sizeof(*d), GFP_NOIO);

	if (!d)
		return NULL;
	INIT_LIST_HEAD(&d->list);
	d->users = 1;
	d->bdev = bdev;
	d->dev = bdev->bd_dev;
	mutex_init(&d->mutex);
	init_rwsem(&d->sem);
	spin_lock_init(&d->sb_lock);
	atomic_set(&d->prefetches, 0);
	init_waitqueue_head(&d->prefetch_wait);
	redo_tree_init(&d->map, REDO_TREE_MAP);
	redo_tree_init(&d->alloc, REDO_TREE_ALLOC);
	redo_space_init(d);
	xa_init(&d->bad_leaves);
	snprintf(d->name, sizeof(d->name), "%u:%u", MAJOR(d->dev), MINOR(d->dev));
	return d;
}

static void redo_geometry_init(struct redo_delta *d)
{
	d->grain_sectors = d->sb.grain_sectors;
	d->gpu = redo_grains_per_unit(d->grain_sectors);
	d->nr_grains = redo_nr_grains(d->sb.virtual_sectors, d->grain_sectors);
	d->nr_leaves_max = redo_nr_leaves(d->sb.virtual_sectors, d->grain_sectors);
}

static int redo_buffers_init(struct redo_delta *d)
{
	int r;

	d->buf = kzalloc(REDO_BLOCK_SIZE, GFP_NOIO);
	d->leaf_buf = kzalloc(REDO_BLOCK_SIZE, GFP_NOIO);
	if (!d->buf || !d->leaf_buf)
		return -ENOMEM;
	r = bioset_init(&d->bs, 16, 0, BIOSET_NEED_BVECS);
	if (r)
		return r;
	r = redo_journal_init(d);
	if (r)
		return r;
	d->bufio = dm_bufio_client_create(d->bdev, REDO_BLOCK_SIZE, 1, 0, NULL, NULL, 0);
	return PTR_ERR_OR_ZERO(d->bufio);
}

/* The superblock is taken over into the running state. */
static void redo_delta_adopt(struct redo_delta *d, const struct redo_super *sb, bool torn)
{
	unsigned long flags;

	spin_lock_irqsave(&d->sb_lock, flags);
	d->sb = *sb;
	spin_unlock_irqrestore(&d->sb_lock, flags);
	d->torn = torn;
	down_write(&d->sem);
	d->map.height = sb->map_height;
	d->map.root = sb->map_root;
	up_write(&d->sem);
	d->alloc.height = sb->alloc_height;
	d->alloc.root = sb->alloc_root;
	WRITE_ONCE(d->nr_units, sb->nr_units);
	d->nr_leaves = sb->nr_leaves;
	WRITE_ONCE(d->meta_used, sb->meta_used);
	WRITE_ONCE(d->data_used, sb->data_used);
	WRITE_ONCE(d->head_seq, sb->replay_seq);
	d->head_commit = sb->replay_commit;
	d->merge_pos = sb->merge_pos;
}

static int redo_delta_open(struct redo_delta *d)
{
	struct redo_super sb;
	bool torn = false;
	int r;

	r = redo_buffers_init(d);
	if (r) {
		DMERR("%s: out of memory", d->name);
		return r;
	}
	r = redo_super_read(d, &sb, &torn);
	if (r)
		return r;
	memcpy(d->uuid, sb.uuid, REDO_UUID_SIZE);
	snprintf(d->name, sizeof(d->name), "%u:%u (%pUb)", MAJOR(d->dev), MINOR(d->dev), d->uuid);
	redo_delta_adopt(d, &sb, torn);
	redo_geometry_init(d);
	d->ready = true;
	return 0;
}

/*
 * One that has failed is passed over: it writes nothing any more and only serves
 * those who have it still. A table loaded afterwards reads the disk anew.
 */
static struct redo_delta *__redo_registry_find(dev_t dev)
{
	struct redo_delta *d;

	lockdep_assert_held(&redo_registry_lock);
	list_for_each_entry(d, &redo_registry, list)
		if (d->dev == dev && !redo_delta_failed(d) && !READ_ONCE(d->load_error))
			return d;
	return NULL;
}

/* Nothing is read under the registry's lock: a device that hangs is alone with it. */
static struct redo_delta *redo_registry_get(struct block_device *bdev)
{
	struct redo_delta *d, *fresh = redo_delta_new(bdev);

	if (!fresh)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&redo_registry_lock);
	d = __redo_registry_find(bdev->bd_dev);
	if (d) {
		d->users++;
	} else {
		d = fresh;
		fresh = NULL;
		list_add(&d->list, &redo_registry);
	}
	mutex_unlock(&redo_registry_lock);
	if (fresh)
		redo_delta_free(fresh);
	return d;
}

struct redo_delta *redo_delta_get(struct block_device *bdev)
{
	unsigned int noio = memalloc_noio_save();
	struct redo_delta *d;
	int r = 0;

	d = redo_registry_get(bdev);
	if (!IS_ERR(d)) {
		mutex_lock(&d->mutex);
		if (!d->ready) {
			/* Another getter may have failed; the object goes with the last of us. */
			r = d->load_error;
			if (!r) {
				r = redo_delta_open(d);
				WRITE_ONCE(d->load_error, r);
			}
		}
		mutex_unlock(&d->mutex);
		if (r) {
			redo_delta_put(d);
			d = ERR_PTR(r);
		}
	}
	memalloc_noio_restore(noio);
	return d;
}

void redo_delta_ref(struct redo_delta *d)
{
	mutex_lock(&redo_registry_lock);
	d->users++;
	mutex_unlock(&redo_registry_lock);
}

void redo_delta_put(struct redo_delta *d)
{
	bool last;

	mutex_lock(&redo_registry_lock);
	last = !--d->users;
	if (last)
		list_del(&d->list);
	mutex_unlock(&redo_registry_lock);
	if (last)
		redo_delta_free(d);
}

void redo_delta_super(struct redo_delta *d, struct redo_super *sb)
{
	unsigned long flags;

	spin_lock_irqsave(&d->sb_lock, flags);
	*sb = d->sb;
	spin_unlock_irqrestore(&d->sb_lock, flags);
}

struct block_device *redo_delta_bdev(const struct redo_delta *d)
{
	return d->bdev;
}

const char *redo_delta_name(const struct redo_delta *d)
{
	return d->name;
}

/* Ownership ---------------------------------------------------------------- */

int redo_delta_claim(struct redo_delta *d, void *owner, struct redo_inflight *inflight,
		     bool discard_passdown)
{
	int r = 0;

	mutex_lock(&d->mutex);
	if (d->owner && d->owner != owner) {
		r = -EBUSY;
	} else {
		d->owner = owner;
		WRITE_ONCE(d->inflight, inflight);
		WRITE_ONCE(d->passdown, discard_passdown && bdev_max_discard_sectors(d->bdev));
	}
	mutex_unlock(&d->mutex);
	return r;
}

void redo_delta_release(struct redo_delta *d, void *owner)
{
	bool ours;

	mutex_lock(&d->mutex);
	ours = d->owner && d->owner == owner;
	if (ours)
		WRITE_ONCE(d->active, false);
	mutex_unlock(&d->mutex);
	if (!ours)
		return;
	redo_space_release(d);
	mutex_lock(&d->mutex);
	redo_kept_drop(&d->map);
	redo_kept_drop(&d->alloc);
	/* A commit whose records nobody applied: replay has to do it. */
	if (d->unapplied)
		redo_delta_fail(d, "applying a commit", -EIO);
	d->owner = NULL;
	mutex_unlock(&d->mutex);
}

/* Load, activate, seal ----------------------------------------------------- */

/*
 * The superblock was read when the table was made; since then somebody may have
 * marked the delta from user space.
 */
static int redo_delta_reread(struct redo_delta *d)
{
	struct redo_super sb;
	bool torn = false;
	int r;

	r = redo_super_read(d, &sb, &torn);
	if (r)
		return r;
	if (memcmp(sb.uuid, d->uuid, REDO_UUID_SIZE) ||
	    sb.virtual_sectors != d->sb.virtual_sectors ||
	    sb.grain_sectors != d->sb.grain_sectors) {
		DMERR("%s: another delta was found on it: %pUb", d->name, sb.uuid);
		return -EUCLEAN;
	}
	redo_delta_adopt(d, &sb, torn);
	return 0;
}

static int redo_delta_do_load(struct redo_delta *d)
{
	int r;

	r = redo_delta_reread(d);
	if (r)
		return r;
	redo_space_start(d);
	d->loading = true;
	r = redo_journal_replay(d);
	d->loading = false;
	redo_space_start(d);
	return r;
}

/*
 * A load that failed has left half a replay in memory; the error stays until the
 * object goes.
 */
int redo_delta_load(struct redo_delta *d)
{
	unsigned int noio = memalloc_noio_save();
	int r;

	mutex_lock(&d->mutex);
	r = d->load_error;
	if (!r && !d->loaded) {
		r = redo_delta_do_load(d);
		WRITE_ONCE(d->load_error, r);
		if (r)
			DMERR("%s: cannot be loaded: error %d", d->name, r);
		else	/* pairs with redo_delta_loaded() */
			smp_store_release(&d->loaded, true);
	}
	mutex_unlock(&d->mutex);
	memalloc_noio_restore(noio);
	return r;
}

static bool redo_delta_loaded(struct redo_delta *d)
{
	/* Pairs with the release in redo_delta_load(): the trees are seen as loaded. */
	return smp_load_acquire(&d->loaded);
}

bool redo_delta_dirty(struct redo_delta *d)
{
	bool r;

	mutex_lock(&d->mutex);
	r = redo_checkpoint_needed(d);
	mutex_unlock(&d->mutex);
	return r;
}

int __redo_may_switch(struct redo_delta *d)
{
	lockdep_assert_held(&d->mutex);
	if (d->failed || d->load_error)
		return -EIO;
	if (d->sb.compat_ro & ~REDO_COMPAT_RO_SUPP)
		return -EROFS;
	return d->loaded ? 0 : -EINVAL;
}

int __redo_may_write(struct redo_delta *d)
{
	return __redo_may_switch(d) ?: d->blind;
}

int redo_delta_activate(struct redo_delta *d, const struct redo_takeover *t)
{
	struct redo_switch sw = { .activate = t };
	unsigned int noio = memalloc_noio_save();
	int r;

	mutex_lock(&d->mutex);
	r = __redo_may_write(d);
	if (!r && !d->owner)
		r = -EPERM;
	if (!r && d->sb.state != REDO_STATE_NEW && d->sb.state != REDO_STATE_ACTIVE)
		r = -EROFS;
	if (!r)
		r = redo_checkpoint_write(d, &sw);
	if (!r) {
		WRITE_ONCE(d->active, true);
		redo_space_activate(d);
	} else {
		DMERR("%s: cannot be activated: error %d", d->name, r);
	}
	mutex_unlock(&d->mutex);
	memalloc_noio_restore(noio);
	return r;
}

int redo_delta_prove(struct redo_delta *d)
{
	struct redo_super sb;
	int r;

	mutex_lock(&d->mutex);
	r = __redo_may_write(d);
	if (!r && !d->owner)
		r = -EPERM;
	if (!r) {
		sb = d->sb;
		r = redo_super_switch(d, &sb);
	}
	if (r)
		DMERR("%s: its superblock cannot be written: error %d", d->name, r);
	mutex_unlock(&d->mutex);
	return r;
}

/* @t->epoch is that which begins now. */
static void redo_seal_tracker(struct redo_super *sb, const struct redo_tracked *t)
{
	redo_super_set_tracker(sb, t->uuid, t->generation);
	if (!t->uuid)
		return;
	sb->tracker_sealed = t->epoch;
	if (sb->tracker_epoch >= t->epoch) /* that was another life of the store */
		sb->tracker_epoch = 0;
}

static int redo_do_seal(struct redo_delta *d, const struct redo_tracked *t)
{
	struct redo_super sb = d->sb;

	if (sb.state == REDO_STATE_SEALED)
		return 0;
	if (sb.state != REDO_STATE_ACTIVE)
		return -EINVAL;
	sb.state = REDO_STATE_SEALED;
	do {
		sb.content_generation = redo_mutant(seal_after_child) ? 1 : get_random_u64();
	} while (!sb.content_generation);
	sb.seal_time = ktime_get_real_seconds();
	if (t)
		redo_seal_tracker(&sb, t);
	if (redo_checkpoint_needed(d))
		sb.flags &= ~REDO_SB_CLEAN;
	else
		sb.flags |= REDO_SB_CLEAN;
	return redo_super_switch(d, &sb);
}

/*
 * An error leaves open whether the seal reached the disk: the delta is failed and
 * takes no more commits, so that both answers are right.
 */
int redo_delta_seal(struct redo_delta *d, const struct redo_tracked *track)
{
	int r;

	mutex_lock(&d->mutex);
	r = __redo_may_write(d);
	if (!r && !d->owner)
		r = -EPERM;
	if (!r)
		r = redo_do_seal(d, track);
	if (!r)
		WRITE_ONCE(d->active, false);
	else
		DMERR("%s: cannot be sealed: error %d", d->name, r);
	mutex_unlock(&d->mutex);
	return r;
}

static bool redo_tracked_so(const struct redo_super *sb, const struct redo_tracked *t)
{
	if (!t->uuid)
		return !(sb->compat_ro & REDO_COMPAT_RO_TRACKER);
	return !memcmp(sb->tracker_uuid, t->uuid, REDO_UUID_SIZE) && sb->tracker_epoch == t->epoch;
}

int redo_delta_set_tracker(struct redo_delta *d, const struct redo_tracked *track)
{
	struct redo_super sb;
	int r;

	mutex_lock(&d->mutex);
	r = __redo_may_switch(d);
	if (!r && !d->owner)
		r = -EPERM;
	if (!r && !redo_tracked_so(&d->sb, track)) {
		sb = d->sb;
		redo_super_track(d, &sb, track);
		r = redo_super_switch(d, &sb);
	}
	if (r)
		DMERR("%s: cannot be marked as %stracked: error %d", d->name,
		      track->uuid ? "" : "not ", r);
	mutex_unlock(&d->mutex);
	return r;
}

void redo_delta_note_tracker(struct redo_delta *d, u64 generation)
{
	WRITE_ONCE(d->tracker_generation, generation);
}

int redo_delta_mark_shared(struct redo_delta *d)
{
	struct redo_super sb;
	int r;

	mutex_lock(&d->mutex);
	r = __redo_may_switch(d);
	if (!r && !(d->sb.flags & REDO_SB_SHARED)) {
		sb = d->sb;
		sb.flags |= REDO_SB_SHARED;
		r = redo_super_switch(d, &sb);
	}
	if (r)
		DMERR("%s: cannot be marked as shared: error %d", d->name, r);
	mutex_unlock(&d->mutex);
	return r;
}

/* Reading ------------------------------------------------------------------ */

static enum redo_leaf_kind redo_leaf_kind_of(const struct redo_ptr *ptr)
{
	return ptr->kind == REDO_PTR_ZERO ? REDO_LEAF_ZERO : REDO_LEAF_HOLE;
}

/* sem held for reading. @words NULL: only bring it into the cache. */
static int __redo_read_leaf(struct redo_delta *d, u64 leaf, __le64 *words)
{
	const struct redo_disk_node *dn;
	struct redo_ptr ptr;
	struct redo_node *n;
	struct dm_buffer *b;
	int r;

	if (xa_load(&d->bad_leaves, leaf))
		return -EUCLEAN;
	r = redo_tree_find(d, &d->map, 0, leaf, &n, &ptr);
	if (r)
		return r;
	if (n) {
		if (words)
			memcpy(words, redo_node_words(n)->word, sizeof(dn->word));
		return REDO_LEAF_NODE;
	}
	if (ptr.kind != REDO_PTR_BLOCK)
		return redo_leaf_kind_of(&ptr);
	dn = redo_tree_get(d, &d->map, &ptr, 0, leaf, &b);
	if (IS_ERR(dn))
		return PTR_ERR(dn);
	if (words)
		memcpy(words, dn->word, sizeof(dn->word));
	dm_bufio_release(b);
	return REDO_LEAF_NODE;
}

int redo_delta_read_leaf(struct redo_delta *d, u64 leaf, __le64 *words)
{
	unsigned int noio;
	int r;

	if (!redo_delta_loaded(d) || leaf >= d->nr_leaves_max)
		return -EINVAL;
	noio = memalloc_noio_save();
	down_read(&d->sem);
	r = __redo_read_leaf(d, leaf, words);
	up_read(&d->sem);
	memalloc_noio_restore(noio);
	return r;
}

/*
 * sem held for reading. The first leaf from @leaf on with a dirty node at it or above it. A
 * node above a dirty one need not be dirty before the checkpoint: what the disk says of it
 * says nothing of those below.
 */
static u64 __redo_next_dirty(struct redo_delta *d, u64 leaf)
{
	u64 span = 1, first = U64_MAX;
	unsigned long index;
	u32 l;

	for (l = 0; l <= d->map.height; l++) {
		index = leaf / span;
		if (xa_find(&d->map.dirty[l], &index, ULONG_MAX, XA_PRESENT))
			first = min(first, max(leaf, index * span));
		span *= REDO_FANOUT;
	}
	return first;
}

/* sem held for reading. Skips what a hole in a directory stands for. */
static int __redo_next_leaf(struct redo_delta *d, u64 *leaf)
{
	struct redo_ptr ptr;
	struct redo_node *n;
	u64 span = 1, index = *leaf, dirty = __redo_next_dirty(d, *leaf + 1);
	u32 l;
	int r;

	for (l = 0; l <= d->map.height; l++) {
		r = redo_tree_find(d, &d->map, l, index, &n, &ptr);
		if (r)
			return r;
		if (n || ptr.kind != REDO_PTR_HOLE)
			break;
		*leaf = min((index + 1) * span, dirty);
		index /= REDO_FANOUT;
		span *= REDO_FANOUT;
	}
	return l;
}

u64 redo_delta_next_leaf(struct redo_delta *d, u64 leaf, int *error)
{
	unsigned int noio = memalloc_noio_save();
	int r = 1;

	while (r > 0 && leaf < d->nr_leaves_max) {
		down_read(&d->sem);
		r = __redo_next_leaf(d, &leaf);
		up_read(&d->sem);
		cond_resched();
	}
	memalloc_noio_restore(noio);
	*error = min(r, 0);
	return leaf < d->nr_leaves_max ? leaf : U64_MAX;
}

struct redo_prefetch {
	struct work_struct work;
	struct redo_delta *d;
	u64 leaf;
};

static void redo_prefetch_put(struct redo_delta *d)
{
	unsigned long flags;

	/* The waiter may free @d once it sees zero, but takes the lock before. */

	spin_lock_irqsave(&d->prefetch_wait.lock, flags);
	if (atomic_dec_and_test(&d->prefetches))
		wake_up_locked(&d->prefetch_wait);
	spin_unlock_irqrestore(&d->prefetch_wait.lock, flags);
}

static void redo_prefetch_work(struct work_struct *work)
{
	struct redo_prefetch *p = container_of(work, struct redo_prefetch, work);
	unsigned int noio = memalloc_noio_save();

	down_read(&p->d->sem);
	__redo_read_leaf(p->d, p->leaf, NULL);
	up_read(&p->d->sem);
	memalloc_noio_restore(noio);
	redo_prefetch_put(p->d);
	kfree(p);
}

void redo_delta_prefetch_leaf(struct redo_delta *d, u64 leaf)
{
	struct redo_prefetch *p;

	if (!redo_delta_loaded(d) || leaf >= d->nr_leaves_max)
		return;
	if (atomic_inc_return(&d->prefetches) > REDO_PREFETCH_MAX)
		goto out;
	p = kmalloc(sizeof(*p), GFP_NOWAIT | __GFP_NOWARN);
	if (!p)
		goto out;
	INIT_WORK(&p->work, redo_prefetch_work);
	p->d = d;
	p->leaf = leaf;
	queue_work(redo_delta_wq, &p->work);
	return;
out:
	redo_prefetch_put(d);
}

/* Changing ----------------------------------------------------------------- */

int redo_delta_commit(struct redo_delta *d, struct list_head *changes)
{
	unsigned int noio = memalloc_noio_save();
	int r;

	mutex_lock(&d->mutex);
	if (d->failed)
		r = -EIO;
	else if (!d->active)
		r = -EROFS;
	else
		r = redo_journal_commit(d, changes);
	mutex_unlock(&d->mutex);
	memalloc_noio_restore(noio);
	return r;
}

int redo_delta_apply(struct redo_delta *d, const struct redo_extent *e)
{
	unsigned int noio = memalloc_noio_save();
	int r;

	mutex_lock(&d->mutex);
	if (d->failed) {
		r = -EIO;
	} else if (WARN_ON_ONCE(d->unapplied < e->len)) {
		r = -EINVAL;
	} else {
		r = redo_apply_extent(d, e);
		if (r)
			redo_delta_fail(d, "applying a commit", r);
		else
			d->unapplied -= e->len;
	}
	mutex_unlock(&d->mutex);
	memalloc_noio_restore(noio);
	return r;
}

/* Blocks of the journal that replay would read; *@size: of how many. */
static u64 redo_delta_journal_used(struct redo_delta *d, u64 *size)
{
	unsigned long flags;
	u64 used;

	/* Called with every commit: a copy of the whole superblock would show. */
	spin_lock_irqsave(&d->sb_lock, flags);
	used = READ_ONCE(d->head_seq) - d->sb.replay_seq;
	*size = d->sb.journal_blocks;
	spin_unlock_irqrestore(&d->sb_lock, flags);
	return used;
}

bool redo_delta_wants_checkpoint(struct redo_delta *d, u64 max_dirty)
{
	u64 used, size;

	if (READ_ONCE(d->n_dirty) >= min_t(u64, max_dirty, REDO_DIRTY_CAP))
		return true;
	used = redo_delta_journal_used(d, &size);
	/* Not sooner: what changes in between is written once. A commit needs little of the rest. */
	return used >= size - size / 4;
}

u32 redo_delta_commit_max(struct redo_delta *d)
{
	return REDO_COMMIT_BLOCKS * REDO_RECORDS_PER_BLOCK;
}

static int redo_do_checkpoint(struct redo_delta *d, bool clean)
{
	struct redo_switch sw = { .clean = clean };
	bool flag = clean && !(d->sb.flags & REDO_SB_CLEAN);

	if (!redo_checkpoint_needed(d) && !flag)
		return 0;
	return redo_checkpoint_write(d, &sw);
}

int redo_delta_checkpoint(struct redo_delta *d, bool clean)
{
	unsigned int noio = memalloc_noio_save();
	int r;

	mutex_lock(&d->mutex);
	r = __redo_may_write(d);
	if (!r && !d->owner)
		r = -EPERM;
	if (!r)
		r = redo_do_checkpoint(d, clean);
	mutex_unlock(&d->mutex);
	memalloc_noio_restore(noio);
	return r;
}

void redo_delta_usage(struct redo_delta *d, struct redo_usage *u)
{
	u->units_total = redo_io_units(d->bdev);
	u->units_taken = READ_ONCE(d->nr_units);
	u->units_meta = READ_ONCE(d->n_meta);
	u->units_data = READ_ONCE(d->n_data);
	u->grains_used = READ_ONCE(d->data_used);
	u->meta_used = READ_ONCE(d->meta_used);
	u->dirty_nodes = READ_ONCE(d->n_dirty);
	u->journal_used = redo_delta_journal_used(d, &u->journal_blocks);
}

int redo_delta_module_init(void)
{
	redo_delta_wq = alloc_workqueue("redo_delta", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return redo_delta_wq ? 0 : -ENOMEM;
}

void redo_delta_module_exit(void)
{
	WARN_ON(!list_empty(&redo_registry));
	destroy_workqueue(redo_delta_wq);
	rcu_barrier();
}
