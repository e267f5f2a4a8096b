// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the target says: status lines and answers to messages. Pure. */
#include <ctype.h>
#include <stdlib.h>
#include "redo-int.h"

struct words {
	const char *at;
};

/* The next word into @word; false at the end or when it does not fit. */
static bool next_word(struct words *w, char *word, size_t size)
{
	size_t len;

	w->at += strspn(w->at, " \t\n");
	len = strcspn(w->at, " \t\n");
	if (!len || len >= size)
		return false;
	memcpy(word, w->at, len);
	word[len] = '\0';
	w->at += len;
	return true;
}

/* Digits only: strtoull alone would take signs and blanks. */
static bool to_u64(const char *s, uint64_t *n)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*n = strtoull(s, &end, 10);
	return !errno && !*end;
}

static bool next_u64(struct words *w, uint64_t *n)
{
	char word[24];

	return next_word(w, word, sizeof(word)) && to_u64(word, n);
}

static bool next_u32(struct words *w, uint32_t *n)
{
	uint64_t n64;

	if (!next_u64(w, &n64) || n64 > UINT32_MAX)
		return false;
	*n = (uint32_t)n64;
	return true;
}

static bool next_of(struct words *w, const char *const *names, int nr, int *which)
{
	char word[32];

	if (!next_word(w, word, sizeof(word)))
		return false;
	for (*which = 0; *which < nr; (*which)++)
		if (!strcmp(word, names[*which]))
			return true;
	return false;
}

static bool next_mode(struct words *w, enum redo_chain_mode *mode)
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

static bool next_space(struct words *w, enum redo_space *space)
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
static bool next_fraction(struct words *w, uint64_t *used, uint64_t *all)
{
	char word[48], *slash;

	if (!next_word(w, word, sizeof(word)))
		return false;
	slash = strchr(word, '/');
	if (!slash)
		return false;
	*slash = '\0';
	return to_u64(word, used) && to_u64(slash + 1, all);
}

static bool next_uuid(struct words *w, char *uuid)
{
	char word[REDO_UUID_STR_SIZE];
	int i;

	if (!next_word(w, word, sizeof(word)))
		return false;
	*uuid = '\0';
	if (!strcmp(word, "-"))
		return true;
	if (strlen(word) != REDO_UUID_STR_SIZE - 1)
		return false;
	for (i = 0; word[i]; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? word[i] != '-' : !isxdigit((unsigned char)word[i]))
			return false;
	}
	memcpy(uuid, word, sizeof(word));
	return true;
}

static bool at_end(struct words *w)
{
	return !w->at[strspn(w->at, " \t\n")];
}

/* The merge ------------------------------------------------------------------- */

static bool next_run(struct words *w, enum redo_merge_run *run)
{
	static const char *const names[] = {
		[REDO_MERGE_RUN_NONE] = REDO_MERGE_WORD_NONE,
		[REDO_MERGE_RUN_RUNNING] = REDO_MERGE_WORD_RUNNING,
		[REDO_MERGE_RUN_PAUSED] = REDO_MERGE_WORD_PAUSED,
		[REDO_MERGE_RUN_HELD] = REDO_MERGE_WORD_HELD,
		[REDO_MERGE_RUN_FULL] = REDO_MERGE_WORD_FULL,
		[REDO_MERGE_RUN_FAILED] = REDO_MERGE_WORD_FAILED,
		[REDO_MERGE_RUN_DONE] = REDO_MERGE_WORD_DONE,
	};
	int which;

	if (!next_of(w, names, ARRAY_SIZE(names), &which))
		return false;
	*run = which;
	return true;
}

static bool next_kind(struct words *w, enum redo_merge_kind *kind)
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
static bool next_target(struct words *w, struct redo_merge_status *m)
{
	struct words ahead = *w;
	char word[REDO_UUID_STR_SIZE];

	if (next_word(&ahead, word, sizeof(word)) && !strcmp(word, REDO_MERGE_BASE_WORD)) {
		m->to_base = true;
		*w = ahead;
		return true;
	}
	return next_uuid(w, m->target_uuid);
}

static bool next_throttle(struct words *w, char *text, size_t size)
{
	unsigned int value;
	bool mib;

	return next_word(w, text, size) && !redo_throttle_parse(text, &value, &mib) &&
	       (mib || strchr(text, '%'));
}

/* "-" or "<errno>@<sector>+<sectors>" */
static bool next_error(struct words *w, struct redo_merge_status *m)
{
	char word[64], *at, *plus;
	uint64_t err;

	if (!next_word(w, word, sizeof(word)))
		return false;
	if (!strcmp(word, "-"))
		return true;
	at = strchr(word, '@');
	plus = at ? strchr(at, '+') : NULL;
	if (!plus)
		return false;
	*at = *plus = '\0';
	if (!to_u64(word[0] == '-' ? word + 1 : word, &err) || !err || err > 4095)
		return false;
	m->error = (int)err;
	return to_u64(at + 1, &m->error_sector) && to_u64(plus + 1, &m->error_sectors);
}

/* A target that does not merge yet has no words for it. */
static bool parse_merge(struct words *w, struct redo_merge_status *m)
{
	return at_end(w) ||
	       (next_run(w, &m->run) && next_kind(w, &m->kind) && next_uuid(w, m->source_uuid) &&
		next_target(w, m) && next_fraction(w, &m->done, &m->total) &&
		next_u64(w, &m->kib_per_s) &&
		next_throttle(w, m->throttle, sizeof(m->throttle)) && next_error(w, m));
}

int redo_status_parse(const char *params, struct redo_status *s)
{
	struct words w = { params };

	memset(s, 0, sizeof(*s));
	if (!next_mode(&w, &s->mode))
		return -EINVAL;
	if (s->mode == REDO_CHAIN_FAIL || s->mode == REDO_CHAIN_ERROR)
		return at_end(&w) ? 0 : -EINVAL;
	if (next_u32(&w, &s->nr_deltas) && next_u32(&w, &s->grain_sectors) &&
	    next_u64(&w, &s->units_total) && next_u64(&w, &s->units_taken) &&
	    next_u64(&w, &s->grains_used) && next_u64(&w, &s->meta_used) &&
	    next_u64(&w, &s->meta_dirty) &&
	    next_fraction(&w, &s->journal_used, &s->journal_blocks) &&
	    next_space(&w, &s->space) && next_u64(&w, &s->leaves_resident) &&
	    next_u64(&w, &s->commits) && next_u64(&w, &s->checkpoints) &&
	    next_uuid(&w, s->active_uuid) && parse_merge(&w, &s->merge))
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
	return to_u64(copy, start) && to_u64(plus + 1, sectors) && *sectors;
}

int redo_allocated_parse(const char *answer, redo_range_fn fn, void *ctx,
			 bool *more, uint64_t *next)
{
	struct words w = { answer };
	const size_t next_len = strlen(REDO_MSG_NEXT);
	uint64_t start, sectors;
	char word[48];
	int r;

	*more = false;
	while (next_word(&w, word, sizeof(word))) {
		if (!strcmp(word, REDO_MSG_END))
			return at_end(&w) ? 0 : -EINVAL;
		if (!strncmp(word, REDO_MSG_NEXT, next_len)) {
			*more = true;
			return to_u64(word + next_len, next) && at_end(&w) ? 0 : -EINVAL;
		}
		if (!parse_item(word, &start, &sectors))
			return -EINVAL;
		r = fn ? fn(ctx, start, sectors) : 0;
		if (r)
			return r;
	}
	return -EINVAL;		/* neither end nor next= */
}
