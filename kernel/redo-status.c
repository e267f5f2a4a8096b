// SPDX-License-Identifier: GPL-2.0
/* Status lines; the positions are documented in redo-proto.h. */
#include "redo-proto.h"
#include "redo-target.h"

static const char *mode_word(const struct redo_chain *c)
{
	if (!c->writable)
		return REDO_MODE_VIEW;
	if (redo_chain_is_passthrough(c))
		return REDO_MODE_PASSTHROUGH;
	return READ_ONCE(c->mode) == REDO_MODE_RW ? REDO_MODE_WRITABLE : REDO_MODE_READ_ONLY;
}

static const char *space_word(const struct redo_chain *c)
{
	switch (READ_ONCE(c->space)) {
	case REDO_SP_LOW:
		return REDO_SPACE_LOW;
	case REDO_SP_QUEUEING:
		return REDO_SPACE_QUEUEING;
	case REDO_SP_ERRORING:
		return REDO_SPACE_ERRORING;
	default:
		return REDO_SPACE_OK;
	}
}

static unsigned int status_info(struct redo_chain *c, char *result, unsigned int maxlen)
{
	struct redo_usage u = { 0 };
	struct redo_super sb;
	u32 top = READ_ONCE(c->top); /* a merge may come to its end meanwhile: this one is there */
	u32 nr = top ? redo_chain_depth(c, top) + 1 : 0;
	unsigned int sz = 0;

	if (READ_ONCE(c->mode) == REDO_MODE_FAILED) {
		DMEMIT(REDO_STATUS_FAIL);
		return sz;
	}
	if (nr) {
		redo_delta_usage(c->slot[top].delta, &u);
		redo_nospace_refresh(c, &u);
	}
	DMEMIT("%s %u %u %llu %llu %llu %llu %llu %llu/%llu %s %ld %lld %lld ",
	       mode_word(c), nr, nr ? c->grain_sectors : 0,
	       u.units_total, u.units_taken, u.grains_used, u.meta_used, u.dirty_nodes,
	       u.journal_used, u.journal_blocks, space_word(c),
	       atomic_long_read(&c->map.resident), (s64)atomic64_read(&c->nr_commits),
	       (s64)atomic64_read(&c->nr_checkpoints));
	if (!nr) {
		DMEMIT("- ");
	} else {
		redo_delta_super(c->slot[top].delta, &sb);
		DMEMIT("%pUb ", sb.uuid);
	}
	sz += redo_merge_status(c, result + sz, maxlen - sz);
	DMEMIT(" ");
	return sz + redo_track_status(c, result + sz, maxlen - sz);
}

/* Does the delta at place @i of the line count no more? redo_target_mutex held. */
static bool is_merged(const struct redo_target *t, u32 i)
{
	return t->chain ? READ_ONCE(t->chain->slot[i + 1].merged) : t->merged[i];
}

static u32 line_nr(const struct redo_target *t)
{
	u32 i, nr = 0;

	for (i = 0; i < t->nr_deltas; i++)
		nr += !is_merged(t, i);
	return nr;
}

static unsigned int status_table(struct redo_target *t, char *result, unsigned int maxlen)
{
	unsigned int sz = 0;
	u32 i;

	DMEMIT("%s %u", t->base->name, line_nr(t));
	for (i = 0; i < t->nr_deltas; i++)
		if (!is_merged(t, i))
			DMEMIT(" %s", t->dev[i]->name);
	DMEMIT("%s", t->feature_line);
	return sz;
}

/* One number for the whole chain, since 256 UUIDs would not fit the buffer. */
static u32 chain_digest(struct redo_target *t)
{
	struct redo_super sb;
	u32 crc = ~0U, i;

	for (i = 0; i < t->nr_deltas; i++) {
		if (is_merged(t, i))
			continue;
		redo_delta_super(t->delta[i], &sb);
		crc = crc32c(crc, sb.uuid, REDO_UUID_SIZE);
	}
	return ~crc;
}

static unsigned int status_ima(struct redo_target *t, char *result, unsigned int maxlen)
{
	unsigned int sz = 0;

	DMEMIT_TARGET_NAME_VERSION(t->ti->type);
	DMEMIT(",base_device_name=%s,nr_deltas=%u,chain_digest=%08x,error_if_no_space=%c",
	       t->base->name, line_nr(t), chain_digest(t),
	       t->features.error_if_no_space ? 'y' : 'n');
	DMEMIT(",no_space_timeout=%u,low_water=%llu,ignore_discard=%c,no_discard_passdown=%c",
	       t->features.no_space_timeout, t->features.low_water,
	       t->features.ignore_discard ? 'y' : 'n',
	       t->features.no_discard_passdown ? 'y' : 'n');
	DMEMIT(",force_base=%c,cbt=%s;", t->features.force_base ? 'y' : 'n',
	       t->store ? t->store->name : "-");
	return sz;
}

void redo_status(struct dm_target *ti, status_type_t type, unsigned int flags,
		 char *result, unsigned int maxlen)
{
	struct redo_target *t = ti->private;
	unsigned int sz = 0;

	mutex_lock(&redo_target_mutex); /* against the hand-over */
	switch (type) {
	case STATUSTYPE_INFO:
		if (t->chain)
			status_info(t->chain, result, maxlen);
		else
			DMEMIT(REDO_STATUS_ERROR);
		break;
	case STATUSTYPE_TABLE:
		status_table(t, result, maxlen);
		break;
	case STATUSTYPE_IMA:
		status_ima(t, result, maxlen);
		break;
	}
	mutex_unlock(&redo_target_mutex);
}
