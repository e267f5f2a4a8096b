// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the target says: status lines and answers to messages. Pure. */
#include <stdlib.h>
#include "redo-int.h"
#include "words.h"

static bool next_u64(struct redo_words *w, uint64_t *n)
{
	char word[24];

	return redo_next_word(w, word, sizeof(word)) && redo_word_u64(word, n);
}

static bool next_u32(struct redo_words *w, uint32_t *n)
{
	uint64_t n64;

	if (!next_u64(w, &n64) || n64 > UINT32_MAX)
		return false;
	*n = (uint32_t)n64;
	return true;
}

static bool next_of(struct redo_words *w, const char *const *names, int nr, int *which)
{
	char word[32];

	if (!redo_next_word(w, word, sizeof(word)))
		return false;
	for (*which = 0; *which < nr; (*which)++)
		if (!strcmp(word, names[*which]))
			return true;
	return false;
}

static bool next_mode(struct redo_words *w, enum redo_chain_mode *mode)
{
	static const char *const names[] = {
		[REDO_CHAIN_FAIL] = REDO_STATUS_FAIL,
		[REDO_CHAIN_ERROR] = REDO_STATUS_ERROR,
		[REDO_CHAIN_RW] = REDO_MODE_WRITABLE,
		[REDO_CHAIN_RO] = REDO_MODE_READ_ONLY,
		[REDO_CHAIN_VIEW] = REDO_MODE_VIEW,
		[REDO_CHAIN_PASSTHROUGH] = REDO_MODE_PASSTHROUGH,
	};
	int which;

	if (!next_of(w, names, ARRAY_SIZE(names), &which))
		return false;
	*mode = which;
	return true;
}

static bool next_space(struct redo_words *w, enum redo_space *space)
{
	static const char *const names[] = {
		[REDO_CHAIN_SPACE_OK] = REDO_SPACE_OK,
		[REDO_CHAIN_SPACE_LOW] = REDO_SPACE_LOW,
		[REDO_CHAIN_SPACE_QUEUEING] = REDO_SPACE_QUEUEING,
		[REDO_CHAIN_SPACE_ERRORING] = REDO_SPACE_ERRORING,
	};
	int which;

	if (!next_of(w, names, ARRAY_SIZE(names), &which))
		return false;
	*space = which;
	return true;
}

/* "<used>/<blocks>" */
static bool next_fraction(struct redo_words *w, uint64_t *used, uint64_t *all)
{
	char word[48], *slash;

	if (!redo_next_word(w, word, sizeof(word)))
		return false;
	slash = strchr(word, '/');
	if (!slash)
		return false;
	*slash = '\0';
	return redo_word_u64(word, used) && redo_word_u64(slash + 1, all);
}

static bool next_uuid(struct redo_words *w, char *uuid)
{
	char word[REDO_UUID_STR_SIZE];

	if (!redo_next_word(w, word, sizeof(word)))
		return false;
	*uuid = '\0';
	if (!strcmp(word, "-"))
		return true;
	if (!redo_uuid_text_valid(word))
		return false;
	memcpy(uuid, word, sizeof(word));
	return true;
}

/* The merge ------------------------------------------------------------------- */

static const char *const run_names[] = {
	[REDO_MERGE_RUN_NONE] = REDO_MERGE_WORD_NONE,
	[REDO_MERGE_RUN_RUNNING] = REDO_MERGE_WORD_RUNNING,
	[REDO_MERGE_RUN_PAUSED] = REDO_MERGE_WORD_PAUSED,
	[REDO_MERGE_RUN_HELD] = REDO_MERGE_WORD_HELD,
	[REDO_MERGE_RUN_FULL] = REDO_MERGE_WORD_FULL,
	[REDO_MERGE_RUN_FAILED] = REDO_MERGE_WORD_FAILED,
	[REDO_MERGE_RUN_DONE] = REDO_MERGE_WORD_DONE,
};

const char *redo_merge_run_str(enum redo_merge_run run)
{
	return run_names[run];
}

static bool next_run(struct redo_words *w, enum redo_merge_run *run)
{
	int which;

	if (!next_of(w, run_names, ARRAY_SIZE(run_names), &which))
		return false;
	*run = which;
	return true;
}

static bool next_kind(struct redo_words *w, enum redo_merge_kind *kind)
{
	static const char *const names[] = {
		[REDO_MERGE_KIND_IS_NONE] = "-",
		[REDO_MERGE_KIND_IS_SEALED] = REDO_MERGE_KIND_SEALED,
		[REDO_MERGE_KIND_IS_ACTIVE] = REDO_MERGE_KIND_ACTIVE,
		[REDO_MERGE_KIND_IS_ALL] = REDO_MERGE_KIND_ALL,
	};
	int which;

	if (!next_of(w, names, ARRAY_SIZE(names), &which))
		return false;
	*kind = which;
	return true;
}

/* "-", "base" or a UUID */
static bool next_target(struct redo_words *w, struct redo_merge_status *m)
{
	struct redo_words ahead = *w;
	char word[REDO_UUID_STR_SIZE];

	if (redo_next_word(&ahead, word, sizeof(word)) && !strcmp(word, REDO_MERGE_BASE_WORD)) {
		m->to_base = true;
		*w = ahead;
		return true;
	}
	return next_uuid(w, m->target_uuid);
}

static bool next_throttle(struct redo_words *w, char *text, size_t size)
{
	unsigned int value;
	bool mib;

	return redo_next_word(w, text, size) && !redo_throttle_parse(text, &value, &mib) &&
	       (mib || strchr(text, '%'));
}

/* "-" or "<errno>@<sector>+<sectors>" */
static bool next_error(struct redo_words *w, struct redo_merge_status *m)
{
	char word[64], *at, *plus;
	uint64_t err;

	if (!redo_next_word(w, word, sizeof(word)))
		return false;
	if (!strcmp(word, "-"))
		return true;
	at = strchr(word, '@');
	plus = at ? strchr(at, '+') : NULL;
	if (!plus)
		return false;
	*at = *plus = '\0';
	if (!redo_word_u64(word[0] == '-' ? word + 1 : word, &err) || !err || err > 4095)
		return false;
	m->error = (int)err;
	return redo_word_u64(at + 1, &m->error_sector) && redo_word_u64(plus + 1, &m->error_sectors);
}

/* A target that does not merge yet has no words for it. */
static bool parse_merge(struct redo_words *w, struct redo_merge_status *m)
{
	return redo_words_end(w) ||
	       (next_run(w, &m->run) && next_kind(w, &m->kind) && next_uuid(w, m->source_uuid) &&
		next_target(w, m) && next_fraction(w, &m->done, &m->total) &&
		next_u64(w, &m->kib_per_s) &&
		next_throttle(w, m->throttle, sizeof(m->throttle)) && next_error(w, m));
}

/* Change tracking --------------------------------------------------------------- */

static const char *const tracking_names[] = {
	[REDO_TRACKING_OFF] = REDO_CBT_WORD_OFF,
	[REDO_TRACKING_OK] = REDO_CBT_WORD_OK,
	[REDO_TRACKING_REBUILDING] = REDO_CBT_WORD_REBUILDING,
	[REDO_TRACKING_BROKEN] = REDO_CBT_WORD_BROKEN,
	[REDO_TRACKING_POINT] = REDO_CBT_WORD_POINT,
};

const char *redo_tracking_str(enum redo_tracking state)
{
	return tracking_names[state];
}

static bool next_tracking(struct redo_words *w, enum redo_tracking *state)
{
	int which;

	if (!next_of(w, tracking_names, ARRAY_SIZE(tracking_names), &which))
		return false;
	*state = which;
	return true;
}

static bool next_change_id(struct redo_words *w, char *id)
{
	char word[REDO_CHANGE_ID_SIZE], uuid[REDO_UUID_STR_SIZE];
	u64 number;

	if (!redo_next_word(w, word, sizeof(word)))
		return false;
	*id = '\0';
	if (!strcmp(word, "-"))
		return true;
	if (redo_change_id_parse(word, uuid, &number))
		return false;
	memcpy(id, word, sizeof(word));
	return true;
}

/* A target that does not track yet has no words for it. */
static bool parse_tracking(struct redo_words *w, struct redo_tracking_status *t)
{
	return redo_words_end(w) ||
	       (next_tracking(w, &t->state) && next_change_id(w, t->change_id) &&
		next_fraction(w, &t->blocks_used, &t->blocks_total));
}

int redo_status_parse(const char *params, struct redo_status *s)
{
	struct redo_words w = { params };

	memset(s, 0, sizeof(*s));
	if (!next_mode(&w, &s->mode))
		return -EINVAL;
	if (s->mode == REDO_CHAIN_FAIL || s->mode == REDO_CHAIN_ERROR)
		return redo_words_end(&w) ? 0 : -EINVAL;
	if (next_u32(&w, &s->nr_deltas) && next_u32(&w, &s->grain_sectors) &&
	    next_u64(&w, &s->units_total) && next_u64(&w, &s->units_taken) &&
	    next_u64(&w, &s->grains_used) && next_u64(&w, &s->meta_used) &&
	    next_u64(&w, &s->meta_dirty) &&
	    next_fraction(&w, &s->journal_used, &s->journal_blocks) &&
	    next_space(&w, &s->space) && next_u64(&w, &s->leaves_resident) &&
	    next_u64(&w, &s->commits) && next_u64(&w, &s->checkpoints) &&
	    next_uuid(&w, s->active_uuid) && parse_merge(&w, &s->merge) &&
	    parse_tracking(&w, &s->tracking))
		return 0;
	return -EINVAL;
}

static bool parse_item(const char *word, uint64_t *start, uint64_t *sectors)
{
	char copy[48], *plus;

	redo_copy(copy, word, sizeof(copy));
	plus = strchr(copy, '+');
	if (!plus)
		return false;
	*plus = '\0';
	return redo_word_u64(copy, start) && redo_word_u64(plus + 1, sectors) && *sectors;
}

int redo_allocated_parse(const char *answer, redo_range_fn fn, void *ctx,
			 bool *more, uint64_t *next)
{
	struct redo_words w = { answer };
	const size_t next_len = strlen(REDO_MSG_NEXT);
	uint64_t start, sectors;
	char word[48];
	int r;

	*more = false;
	while (redo_next_word(&w, word, sizeof(word))) {
		if (!strcmp(word, REDO_MSG_END))
			return redo_words_end(&w) ? 0 : -EINVAL;
		if (!strncmp(word, REDO_MSG_NEXT, next_len)) {
			*more = true;
			return redo_word_u64(word + next_len, next) && redo_words_end(&w) ? 0 : -EINVAL;
		}
		if (!parse_item(word, &start, &sectors))
			return -EINVAL;
		r = fn ? fn(ctx, start, sectors) : 0;
		if (r)
			return r;
	}
	return -EINVAL;		/* neither end nor next= */
}
