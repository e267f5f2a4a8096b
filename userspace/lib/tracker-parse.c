// SPDX-License-Identifier: LGPL-2.1-or-later
/* Change ids, and what the target says about them. Pure. */
#include <ctype.h>
#include <stdlib.h>
#include "redo-int.h"
#include "words.h"

bool redo_uuid_text_valid(const char *text)
{
	int i;

	for (i = 0; text[i] && i < REDO_UUID_STR_SIZE; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return i == REDO_UUID_STR_SIZE - 1;
}

int redo_change_id_parse(const char *id, char uuid[REDO_UUID_STR_SIZE], uint64_t *number)
{
	const char *slash = strchr(id, '/');
	int i;

	*uuid = '\0';
	*number = 0;
	if (!slash || slash - id != REDO_UUID_STR_SIZE - 1 || slash[1] == '0' ||
	    !redo_word_u64(slash + 1, number))
		return -EINVAL;
	for (i = 0; i < REDO_UUID_STR_SIZE - 1; i++)
		uuid[i] = (char)tolower((unsigned char)id[i]);
	uuid[i] = '\0';
	if (redo_uuid_text_valid(uuid))
		return 0;
	*uuid = '\0';
	return -EINVAL;
}

int redo_change_id_format(char id[REDO_CHANGE_ID_SIZE], const char *uuid, u64 number)
{
	return snprintf(id, REDO_CHANGE_ID_SIZE, "%s/%llu", uuid, (unsigned long long)number);
}

bool redo_change_label_valid(const char *label)
{
	size_t len = strlen(label);

	for (size_t i = 0; i < len; i++)
		if (label[i] <= ' ' || label[i] > '~' || label[i] == ',')
			return false;
	/* A dash alone is how the target says that there is none. */
	return len && len < REDO_CHANGE_LABEL_SIZE && strcmp(label, "-");
}

enum redo_tracker_error redo_tracker_error(int r)
{
	switch (r) {
	case 0:
		return REDO_TRACKER_NO_ERROR;
	case -ENOENT:
		return REDO_TRACKER_UNKNOWN_ID;
	case -EXDEV:
		return REDO_TRACKER_FOREIGN_ID;
	case -ESTALE:
		return REDO_TRACKER_DROPPED_ID;
	case -EUCLEAN:
		return REDO_TRACKER_DAMAGED;
	case -ENODATA:
		return REDO_TRACKER_NOT_TRACKED;
	case -ETIMEDOUT:
		return REDO_TRACKER_TIMED_OUT;
	case -ECANCELED:
		return REDO_TRACKER_CANCELLED;
	case -EINVAL:
		return REDO_TRACKER_BAD_ID;
	case -ERANGE:
		return REDO_TRACKER_BAD_RANGE;
	}
	return REDO_TRACKER_OTHER;
}

bool redo_tracker_take_full(enum redo_tracker_error error)
{
	switch (error) {
	case REDO_TRACKER_UNKNOWN_ID:
	case REDO_TRACKER_FOREIGN_ID:
	case REDO_TRACKER_DROPPED_ID:
	case REDO_TRACKER_DAMAGED:
	case REDO_TRACKER_NOT_TRACKED:
		return true;
	default:
		return false;
	}
}

/* The next field up to a comma, or what is left; NULL at the end. */
static char *field(char **at)
{
	char *start = *at, *comma;

	if (!start)
		return NULL;
	comma = strchr(start, ',');
	if (comma)
		*comma = '\0';
	*at = comma ? comma + 1 : NULL;
	return start;
}

static bool parse_header(char *word, struct redo_tracker_info *info)
{
	char *uuid = field(&word), *sectors = field(&word);
	u64 n;

	if (!word || !redo_uuid_text_valid(uuid) || !redo_word_u64(sectors, &n) || !n ||
	    n > UINT32_MAX >> 9 || n & (n - 1) || !redo_word_u64(word, &info->current) ||
	    !info->current)
		return false;
	redo_copy(info->uuid, uuid, sizeof(info->uuid));
	info->block_bytes = (u32)n << 9;
	return true;
}

/* "<n>,<time>,<kind>,<first>,<label|->" */
static bool parse_change(char *word, const struct redo_tracker_info *info, struct redo_change *c)
{
	const char *number = field(&word), *when = field(&word), *kind = field(&word);
	const char *first = field(&word);

	memset(c, 0, sizeof(*c));
	if (!word || !*word || !*kind || strlen(kind) >= sizeof(c->kind) ||
	    strlen(word) >= sizeof(c->label) || !redo_word_u64(number, &c->number) ||
	    !redo_word_u64(when, &c->time) || !redo_word_u64(first, &c->first) || !c->first ||
	    c->first > c->number || c->number > info->current)
		return false;
	redo_copy_clean(c->kind, kind, sizeof(c->kind));
	if (strcmp(word, "-"))
		redo_copy_clean(c->label, word, sizeof(c->label));
	redo_change_id_format(c->id, info->uuid, c->number);
	c->current = c->number == info->current;
	return true;
}

int redo_changes_parse(const char *answer, struct redo_tracker_info *info, redo_change_fn fn,
		       void *ctx, bool *more, uint64_t *next)
{
	struct redo_words w = { answer };
	const size_t next_len = strlen(REDO_MSG_NEXT);
	char word[192];
	u64 last = 0;
	int r;

	*more = false;
	if (!redo_next_word(&w, word, sizeof(word)) || !parse_header(word, info))
		return -EINVAL;
	while (redo_next_word(&w, word, sizeof(word))) {
		struct redo_change c;

		if (!strcmp(word, REDO_MSG_END))
			return redo_words_end(&w) ? 0 : -EINVAL;
		if (!strncmp(word, REDO_MSG_NEXT, next_len)) {
			*more = true;
			return redo_word_u64(word + next_len, next) && redo_words_end(&w) ?
				0 : -EINVAL;
		}
		if (!parse_change(word, info, &c) || c.first <= last)
			return -EINVAL;
		last = c.number;
		r = fn ? fn(ctx, &c) : 0;
		if (r)
			return r;
	}
	return -EINVAL;		/* neither end nor next= */
}
