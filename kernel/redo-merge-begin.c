// SPDX-License-Identifier: GPL-2.0
/*
 * Where a merge comes from: a message, or what the disks say was begun. And what is
 * told of it: the status.
 */
#include <linux/uuid.h>
#include "redo-proto.h"
#include "redo-target.h"

#define REFUSE(c, error, fmt, ...) \
	({ DMERR("%s: " fmt, dm_device_name((c)->md), ##__VA_ARGS__); error; })

/* What is to be merged. */
struct plan {
	u32 lo, hi, target;
	bool all, goes_on;
};

static void set_plan(struct redo_chain *c, const struct plan *p)
{
	struct redo_merge *m = &c->merge;
	struct redo_super sb;

	redo_delta_super(c->slot[p->hi].delta, &sb);
	spin_lock_irq(&c->lock); /* the status looks at them at any time */
	memcpy(m->source, sb.uuid, REDO_UUID_SIZE);
	m->all = p->all;
	m->goes_on = p->goes_on;
	m->lo = p->lo;
	m->hi = p->hi;
	m->target = p->target;
	m->active = p->hi == c->active_slot;
	m->begun = false;
	m->copied = false;
	spin_unlock_irq(&c->lock);
	redo_merge_note_error(c, 0, 0, 0);
}

static void reset_progress(struct redo_merge *m)
{
	WRITE_ONCE(m->done, 0);
	WRITE_ONCE(m->total, 0);
	WRITE_ONCE(m->rate, 0);
	m->rate_done = 0;
	m->rate_since = jiffies;
}

int redo_merge_check_holders(struct redo_chain *c, u32 target)
{
	return redo_chain_others_have(c, c->slot[target].bdev) ? -EBUSY : 0;
}

int redo_merge_next(struct redo_chain *c)
{
	u32 slot = c->merge.hi + 1;
	struct plan p = { .all = true };
	int r;

	while (slot < c->nr_deltas && c->slot[slot].merged)
		slot++;
	p.lo = slot;
	p.hi = slot;
	mutex_lock(&redo_chains_mutex);
	r = redo_merge_check_holders(c, 0);
	if (!r)
		set_plan(c, &p);
	mutex_unlock(&redo_chains_mutex);
	return r;
}

/* --- messages --- */

static int check_shared(struct redo_chain *c, u32 slot)
{
	struct redo_super sb;

	redo_delta_super(c->slot[slot].delta, &sb);
	if (!(sb.flags & REDO_SB_SHARED))
		return 0;
	return REFUSE(c, -EBUSY, "%s is marked SHARED: a clone or another branch may depend on it, though it is not active; if all disks were looked at and there is none, say \"%s\"",
		      redo_delta_name(c->slot[slot].delta), REDO_MSG_UNSHARED);
}

/* Others that depend on the target, or on what the source is made of. redo_chains_mutex held. */
static int check_dependants(struct redo_chain *c, const struct plan *p, bool unshared)
{
	u32 slot;
	int r;

	if (redo_merge_check_holders(c, p->target))
		return REFUSE(c, -EBUSY, "the target of the merge would change under those named above: deactivate them first");
	for (slot = max(p->target, 1U); slot <= p->hi && !unshared; slot++) {
		if (c->slot[slot].merged || (slot > p->target && slot < p->lo))
			continue;
		r = check_shared(c, slot);
		if (r)
			return r;
	}
	return 0;
}

static int check_chain(struct redo_chain *c, const struct plan *p)
{
	if (!c->writable || READ_ONCE(c->mode) != REDO_MODE_RW)
		return REFUSE(c, -EROFS, "nothing can be merged: %s",
			      c->writable ? "the chain is read-only after an error" : "a view");
	if (bdev_read_only(c->slot[p->target].bdev))
		return REFUSE(c, -EROFS, "%pg, the target of the merge, is read-only",
			      c->slot[p->target].bdev);
	if (!p->target && bdev_nr_sectors(c->slot[0].bdev) < c->len)
		return REFUSE(c, -ENOSPC, "base %pg has %llu sectors, %llu are needed",
			      c->slot[0].bdev, (u64)bdev_nr_sectors(c->slot[0].bdev), (u64)c->len);
	return 0;
}

/* The same again, as dm sends a message twice if its answer was too long? @uuid NULL: all. */
static bool is_same(struct redo_chain *c, const u8 *uuid)
{
	const struct redo_merge *m = &c->merge;

	return m->all == !uuid && (!uuid || !memcmp(m->source, uuid, REDO_UUID_SIZE));
}

static u32 find_slot(struct redo_chain *c, const u8 *uuid)
{
	struct redo_super sb;
	u32 slot;

	for (slot = c->top; slot; slot = redo_chain_below(c, slot)) {
		redo_delta_super(c->slot[slot].delta, &sb);
		if (!memcmp(sb.uuid, uuid, REDO_UUID_SIZE))
			break;
	}
	return slot;
}

static int plan_one(struct redo_chain *c, const u8 *uuid, struct plan *p)
{
	p->hi = find_slot(c, uuid);
	if (!p->hi)
		return REFUSE(c, -EINVAL, "no delta of the chain has the UUID %pUb", uuid);
	p->lo = p->hi;
	p->target = redo_chain_below(c, p->hi);
	return 0;
}

static int plan_all(struct redo_chain *c, struct plan *p)
{
	u32 below;

	if (redo_chain_is_passthrough(c))
		return REFUSE(c, -EINVAL, "there are no deltas to be merged");
	below = redo_chain_below(c, c->top);
	p->all = true;
	p->goes_on = below;
	p->hi = below ?: c->top;
	for (p->lo = p->hi; redo_chain_below(c, p->lo); p->lo = redo_chain_below(c, p->lo))
		;
	return 0;
}

/*
 * With the mutex, and no merge at work: so the slots stay as they are. @target: its slot.
 * redo_chains_mutex held.
 */
static int __begin(struct redo_chain *c, const u8 *uuid, bool unshared, u32 *target)
{
	struct plan p = { 0 };
	int r;

	if (redo_merge_busy(c)) {
		*target = c->merge.target;
		return is_same(c, uuid) ? 0 :
		       REFUSE(c, -EBUSY, "delta %pUb is being merged: one at a time",
			      c->merge.source);
	}
	r = uuid ? plan_one(c, uuid, &p) : plan_all(c, &p);
	if (!r)
		r = check_chain(c, &p) ?: check_dependants(c, &p, unshared);
	if (r)
		return r;
	set_plan(c, &p);
	reset_progress(&c->merge);
	redo_merge_set_run(c, REDO_MERGE_RUNNING);
	redo_merge_kick(c);
	*target = p.target;
	return 0;
}

static int begin(struct redo_chain *c, const u8 *uuid, bool unshared, u32 *target)
{
	int r;

	mutex_lock(&redo_chains_mutex);
	r = __begin(c, uuid, unshared, target);
	mutex_unlock(&redo_chains_mutex);
	return r;
}

static int begin_one(struct redo_chain *c, const char *arg, bool unshared, char *result,
		     unsigned int maxlen)
{
	struct redo_super sb;
	unsigned int sz = 0;
	uuid_t uuid;
	u32 target;
	int r;

	if (uuid_parse(arg, &uuid))
		return REFUSE(c, -EINVAL, "%s is not the UUID of a delta", arg);
	r = begin(c, uuid.b, unshared, &target);
	if (r)
		return r;
	DMEMIT("merging %pUb into ", &uuid);
	if (!target) {
		DMEMIT(REDO_MERGE_BASE_WORD);
		return 1;
	}
	redo_delta_super(c->slot[target].delta, &sb);
	DMEMIT("%pUb", sb.uuid);
	return 1;
}

static int begin_all(struct redo_chain *c, bool unshared, char *result, unsigned int maxlen)
{
	unsigned int sz = 0;
	u32 target;
	int r;

	r = begin(c, NULL, unshared, &target);
	if (r)
		return r;
	DMEMIT("merging all into " REDO_MERGE_BASE_WORD);
	return 1;
}

static int set_pause(struct redo_chain *c, char *result, unsigned int maxlen)
{
	unsigned int sz = 0;

	if (!redo_merge_change_run(c, BIT(REDO_MERGE_RUNNING) | BIT(REDO_MERGE_FULL) |
				   BIT(REDO_MERGE_PAUSED), REDO_MERGE_PAUSED))
		return REFUSE(c, -EINVAL, "no merge is running");
	DMEMIT(REDO_MERGE_WORD_PAUSED);
	return 1;
}

static int resume(struct redo_chain *c, char *result, unsigned int maxlen)
{
	unsigned int sz = 0;
	int r;

	if (!redo_merge_busy(c))
		return REFUSE(c, -EINVAL, "no merge is to be resumed");
	mutex_lock(&redo_chains_mutex);
	r = redo_merge_check_holders(c, c->merge.target);
	mutex_unlock(&redo_chains_mutex);
	if (r)
		return REFUSE(c, r, "the target of the merge would change under those named above: deactivate them first");
	/* Meanwhile it may have come to its end. */
	if (!redo_merge_change_run(c, ~(BIT(REDO_MERGE_IDLE) | BIT(REDO_MERGE_DONE)),
				   REDO_MERGE_RUNNING))
		return REFUSE(c, -EINVAL, "no merge is to be resumed");
	redo_merge_kick(c);
	DMEMIT(REDO_MERGE_WORD_RUNNING);
	return 1;
}

static unsigned int put_throttle(const struct redo_merge *m, char *result, unsigned int maxlen)
{
	unsigned int sz = 0;

	if (READ_ONCE(m->mib))
		DMEMIT("%u" REDO_MSG_MIB, m->mib);
	else
		DMEMIT("%u%%", READ_ONCE(m->percent));
	return sz;
}

static int set_throttle(struct redo_chain *c, char *arg, char *result, unsigned int maxlen)
{
	size_t len = strlen(arg), unit = strlen(REDO_MSG_MIB);
	bool mib = len > unit && !strcasecmp(arg + len - unit, REDO_MSG_MIB);
	unsigned int sz = 0;
	u32 value;

	if (mib)
		arg[len - unit] = 0;
	if (kstrtou32(arg, 10, &value) || !value || value > (mib ? 1U << 20 : 100))
		return REFUSE(c, -EINVAL, "%s takes 1 to 100 (percent of the time) or <n>" REDO_MSG_MIB " (a second), not %s",
			      REDO_MSG_MERGE_THROTTLE, arg);
	WRITE_ONCE(c->merge.percent, mib ? 100 : value);
	WRITE_ONCE(c->merge.mib, mib ? value : 0);
	redo_merge_kick(c);	/* the pause that it is in may be too long now */
	DMEMIT("throttle ");
	put_throttle(&c->merge, result + sz, maxlen - sz);
	return 1;
}

bool redo_merge_is_message(const char *word)
{
	return !strncasecmp(word, REDO_MSG_MERGE, strlen(REDO_MSG_MERGE));
}

/* The optional last argument. False: it is something else. */
static bool take_unshared(unsigned int argc, char **argv, unsigned int at, bool *unshared)
{
	*unshared = argc == at + 1;
	return argc == at || (*unshared && !strcasecmp(argv[at], REDO_MSG_UNSHARED));
}

int redo_merge_message(struct redo_chain *c, unsigned int argc, char **argv, char *result,
		       unsigned int maxlen)
{
	bool unshared;

	if (!strcasecmp(argv[0], REDO_MSG_MERGE)) {
		if (argc > 1 && take_unshared(argc, argv, 2, &unshared))
			return begin_one(c, argv[1], unshared, result, maxlen);
		return REFUSE(c, -EINVAL, "message %s takes <delta uuid> [%s]", argv[0],
			      REDO_MSG_UNSHARED);
	}
	if (!strcasecmp(argv[0], REDO_MSG_MERGE_ALL)) {
		if (take_unshared(argc, argv, 1, &unshared))
			return begin_all(c, unshared, result, maxlen);
		return REFUSE(c, -EINVAL, "message %s takes [%s]", argv[0], REDO_MSG_UNSHARED);
	}
	if (!strcasecmp(argv[0], REDO_MSG_MERGE_THROTTLE) && argc == 2)
		return set_throttle(c, argv[1], result, maxlen);
	if (!strcasecmp(argv[0], REDO_MSG_MERGE_PAUSE) && argc == 1)
		return set_pause(c, result, maxlen);
	if (!strcasecmp(argv[0], REDO_MSG_MERGE_RESUME) && argc == 1)
		return resume(c, result, maxlen);
	return REFUSE(c, -EINVAL, "unknown message, or wrong arguments: %s", argv[0]);
}

/* --- found on the disks --- */

/* Wholly merged, but for the last marks: so they are set now. */
static int finish_marks(struct redo_chain *c)
{
	struct redo_super sb, above;
	u32 slot, up = 0;
	int r;

	for (slot = c->nr_deltas; slot; slot--) {
		struct redo_delta *d = c->slot[slot].delta;

		redo_delta_super(d, &sb);
		if (!c->slot[slot].merged || sb.state == REDO_STATE_RETIRED)
			continue;
		r = redo_delta_load(d) ?: redo_delta_retire_merged(d);
		if (r)
			return r;
	}
	for (slot = c->top; slot; up = slot, slot = redo_chain_below(c, slot)) {
		redo_delta_super(c->slot[slot].delta, &sb);
		if (up)
			redo_delta_super(c->slot[up].delta, &above);
		if (sb.merge_state != REDO_MERGE_TAKEN ||
		    (up && !memcmp(above.uuid, sb.merge_uuid, REDO_UUID_SIZE)))
			continue;
		r = redo_delta_mark_none(c->slot[slot].delta);
		if (r)
			return r;
	}
	return 0;
}

/* What the mark of @slot says is to go on; redo_validate_chain() has seen that all is there. */
static bool plan_of(struct redo_chain *c, u32 slot, u32 above, struct plan *p)
{
	struct redo_super sb;

	redo_delta_super(c->slot[slot].delta, &sb);
	memset(p, 0, sizeof(*p));
	switch (sb.merge_state) {
	case REDO_MERGE_INTO:
	case REDO_MERGE_TAKEN:
		p->target = slot;
		p->lo = above;
		p->hi = above;
		return true;
	case REDO_MERGE_BASE_ALL:
	case REDO_MERGE_BASE_ALL_TAKEN:
		p->all = true;
		p->goes_on = true;
		fallthrough;
	case REDO_MERGE_BASE:
	case REDO_MERGE_BASE_TAKEN:
		p->lo = slot;
		p->hi = find_slot(c, sb.merge_uuid);
		return true;
	}
	return false;
}

static bool find_plan(struct redo_chain *c, struct plan *p)
{
	u32 slot, above = 0;

	for (slot = c->top; slot; above = slot, slot = redo_chain_below(c, slot))
		if (plan_of(c, slot, above, p))
			return p->hi;
	return false;
}

void redo_merge_inherit(struct redo_chain *c, const struct redo_chain *old)
{
	c->merge.percent = old->merge.percent;
	c->merge.mib = old->merge.mib;
	c->merge.was_paused = READ_ONCE(old->merge.run) == REDO_MERGE_PAUSED;
}

int redo_merge_find(struct redo_chain *c)
{
	enum redo_merge_run run = REDO_MERGE_RUNNING;
	struct plan p;
	int r;

	if (READ_ONCE(c->merge.run) != REDO_MERGE_IDLE)
		return 0;
	r = finish_marks(c);
	if (r) { /* the line is right without: what is out may be on a device that takes no more */
		DMWARN("%s: what has been merged cannot be marked so: error %d; the next activation tries again",
		       dm_device_name(c->md), r);
		return 0;
	}
	if (!find_plan(c, &p))
		return 0;
	mutex_lock(&redo_chains_mutex);
	set_plan(c, &p);
	reset_progress(&c->merge);
	if (c->features.hold_merge) {
		run = REDO_MERGE_HELD;
	} else if (redo_merge_check_holders(c, p.target)) {
		redo_merge_note_error(c, -EBUSY, 0, 0);
		run = REDO_MERGE_FAILED;
	} else if (c->merge.was_paused) {
		run = REDO_MERGE_PAUSED;
	}
	redo_merge_set_run(c, run);
	mutex_unlock(&redo_chains_mutex);
	DMINFO("%s: the merge of delta %pUb %s", dm_device_name(c->md), c->merge.source,
	       run == REDO_MERGE_RUNNING ? "goes on" : "waits");
	return 0;
}

/* --- status --- */

static const char *run_word(enum redo_merge_run run)
{
	static const char * const word[] = {
		[REDO_MERGE_IDLE]	= REDO_MERGE_WORD_NONE,
		[REDO_MERGE_RUNNING]	= REDO_MERGE_WORD_RUNNING,
		[REDO_MERGE_PAUSED]	= REDO_MERGE_WORD_PAUSED,
		[REDO_MERGE_HELD]	= REDO_MERGE_WORD_HELD,
		[REDO_MERGE_FULL]	= REDO_MERGE_WORD_FULL,
		[REDO_MERGE_FAILED]	= REDO_MERGE_WORD_FAILED,
		[REDO_MERGE_DONE]	= REDO_MERGE_WORD_DONE,
	};

	return word[run];
}

static const char *kind_word(const struct redo_merge *m)
{
	if (m->all)
		return REDO_MERGE_KIND_ALL;
	return m->active ? REDO_MERGE_KIND_ACTIVE : REDO_MERGE_KIND_SEALED;
}

/* What of it may change while somebody looks, as it was at one moment. */
struct view {
	enum redo_merge_run run;
	const char *kind;
	u32 target;
	u8 source[REDO_UUID_SIZE];
	int error;
	u64 error_grain, error_len;
};

static void take_view(struct redo_chain *c, struct view *v)
{
	const struct redo_merge *m = &c->merge;

	spin_lock_irq(&c->lock);
	v->run = m->run;
	v->kind = kind_word(m);
	v->target = m->target;
	memcpy(v->source, m->source, REDO_UUID_SIZE);
	v->error = m->error;
	v->error_grain = m->error_grain;
	v->error_len = m->error_len;
	spin_unlock_irq(&c->lock);
}

unsigned int redo_merge_status(struct redo_chain *c, char *result, unsigned int maxlen)
{
	struct redo_merge *m = &c->merge;
	struct redo_super sb;
	unsigned int sz = 0;
	struct view v;

	take_view(c, &v);
	DMEMIT("%s ", run_word(v.run));
	if (v.run == REDO_MERGE_IDLE) {
		DMEMIT("- - - ");
	} else {
		DMEMIT("%s %pUb ", v.kind, v.source);
		if (v.target) {
			redo_delta_super(c->slot[v.target].delta, &sb);
			DMEMIT("%pUb ", sb.uuid);
		} else {
			DMEMIT(REDO_MERGE_BASE_WORD " ");
		}
	}
	DMEMIT("%llu/%llu %llu ", READ_ONCE(m->done), READ_ONCE(m->total), READ_ONCE(m->rate));
	sz += put_throttle(m, result + sz, maxlen - sz);
	if (v.run == REDO_MERGE_FAILED)
		DMEMIT(" %d@%llu+%llu", -v.error, (u64)redo_grain_to_sector(c, v.error_grain),
		       (u64)redo_grain_to_sector(c, v.error_len));
	else
		DMEMIT(" -");
	return sz;
}
