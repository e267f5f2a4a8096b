// SPDX-License-Identifier: GPL-2.0
/*
 * Bios that cannot go on where they are: for the workers, or behind a grain
 * whose word is pending.
 */
#include <linux/hash.h>
#include "redo-chain.h"

static struct bio *pop_deferred(struct redo_chain *c, struct redo_worker *w)
{
	struct bio *bio;

	spin_lock_irq(&c->lock);
	bio = bio_list_pop(&c->deferred);
	w->awake = bio;
	spin_unlock_irq(&c->lock);
	return bio;
}

static void worker_run(struct work_struct *work)
{
	struct redo_worker *w = container_of(work, struct redo_worker, work);
	struct redo_chain *c = w->chain;
	struct bio *bio;

	while ((bio = pop_deferred(c, w))) {
		redo_bio_process(c, bio);
		cond_resched();
	}
}

void redo_defer_init(struct redo_chain *c)
{
	int i;

	for (i = 0; i < REDO_WORKERS; i++) {
		c->worker[i].chain = c;
		INIT_WORK(&c->worker[i].work, worker_run);
	}
	for (i = 0; i < REDO_WAIT_BUCKETS; i++) {
		spin_lock_init(&c->waiters[i].lock);
		bio_list_init(&c->waiters[i].bios);
	}
	bio_list_init(&c->deferred);
}

/*
 * One that sleeps, in turn, so that cold reads overlap and none waits behind another
 * one's slow bio while somebody is free. With all awake the first to be done finds the
 * bio. lock held.
 */
static void __wake_worker(struct redo_chain *c)
{
	struct redo_worker *w;
	unsigned int i;

	lockdep_assert_held(&c->lock);
	for (i = 0; i < REDO_WORKERS; i++) {
		w = &c->worker[c->next_worker++ % REDO_WORKERS];
		if (!w->awake) {
			w->awake = true;
			queue_work(c->wq, &w->work);
			return;
		}
	}
}

/*
 * The work is queued before the lock is dropped. Called from end_io, nothing but
 * the bio keeps the chain: whoever takes it from the list can end it, and then the
 * device may go, its work queues with it.
 */
void redo_defer(struct redo_chain *c, struct bio *bio)
{
	unsigned long flags;

	spin_lock_irqsave(&c->lock, flags);
	bio_list_add(&c->deferred, bio);
	__wake_worker(c);
	spin_unlock_irqrestore(&c->lock, flags);
}

void redo_defer_list(struct redo_chain *c, struct bio_list *bios)
{
	struct bio *bio;

	while ((bio = bio_list_pop(bios)))
		redo_defer(c, bio);
}

static struct redo_waiters *bucket(struct redo_chain *c, u64 leaf)
{
	return &c->waiters[hash_64(leaf, ilog2(REDO_WAIT_BUCKETS))];
}

static bool is_pending(struct redo_chain *c, u64 grain)
{
	bool pending;

	rcu_read_lock();
	pending = redo_word_is_closed(redo_map_word(&c->map, grain));
	rcu_read_unlock();
	return pending;
}

void redo_wait_pending(struct redo_chain *c, struct bio *bio, u64 grain)
{
	struct redo_waiters *w = bucket(c, redo_leaf_index(grain));
	unsigned long flags;
	bool pending;

	redo_io_release(redo_io(bio)); /* whoever is in front may need it */
	atomic_inc(&c->nr_waiting);
	smp_mb__after_atomic(); /* pairs with redo_wake_pending(): count, then look again */
	spin_lock_irqsave(&w->lock, flags);
	pending = is_pending(c, grain);
	if (pending)
		bio_list_add(&w->bios, bio);
	spin_unlock_irqrestore(&w->lock, flags);
	if (!pending) {
		atomic_dec(&c->nr_waiting);
		redo_defer(c, bio);
	}
}

void redo_wake_pending(struct redo_chain *c, u64 leaf)
{
	struct redo_waiters *w = bucket(c, leaf);
	struct bio_list bios;
	unsigned long flags;

	smp_mb(); /* pairs with redo_wait_pending(): publish, then look for who waits */
	if (!atomic_read(&c->nr_waiting))
		return;
	spin_lock_irqsave(&w->lock, flags);
	bios = w->bios;
	bio_list_init(&w->bios);
	spin_unlock_irqrestore(&w->lock, flags);
	atomic_sub(bio_list_size(&bios), &c->nr_waiting);
	redo_defer_list(c, &bios);
}
