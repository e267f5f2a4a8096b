// SPDX-License-Identifier: LGPL-2.1-or-later
/* Feature arguments as the user says them, as they are remembered, and in a table line. */
#include <ctype.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include "redo-int.h"

static const struct {
	const char *name, *value;	/* NULL: a word alone */
} features[] = {
	{ REDO_ARG_ERROR_IF_NO_SPACE, NULL },
	{ REDO_ARG_NO_SPACE_TIMEOUT, "seconds" },
	{ REDO_ARG_LOW_WATER, "units" },
	{ REDO_ARG_IGNORE_DISCARD, NULL },
	{ REDO_ARG_NO_DISCARD_PASSDOWN, NULL },
	{ REDO_ARG_HOLD_MERGE, NULL },
};

static int find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (strlen(features[i].name) == len && !strncmp(features[i].name, name, len))
			return (int)i;
	return -1;
}

static bool is_u32(const char *text)
{
	char *end;
	unsigned long long n;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	return !errno && !*end && n <= UINT32_MAX;
}

static int check(const char *word, int *which)
{
	size_t len = strcspn(word, "=");

	*which = find(word, len);
	if (!strncmp(word, REDO_ARG_FORCE_BASE, len) && len == strlen(REDO_ARG_FORCE_BASE))
		return redo_err(EINVAL, "--feature %s: is for one activation only, by --force",
				word);
	if (*which < 0)
		return redo_err(EINVAL, "--feature %s: not known; there are " REDO_ARG_ERROR_IF_NO_SPACE
				", " REDO_ARG_NO_SPACE_TIMEOUT "=<seconds>, " REDO_ARG_LOW_WATER
				"=<units>, " REDO_ARG_IGNORE_DISCARD ", "
				REDO_ARG_NO_DISCARD_PASSDOWN " and " REDO_ARG_HOLD_MERGE, word);
	if (!features[*which].value)
		return word[len] ? redo_err(EINVAL, "--feature %s: %s takes no value", word,
					    features[*which].name) : 0;
	if (word[len] != '=' || !is_u32(word + len + 1))
		return redo_err(EINVAL, "--feature %s: needs a number, %s=<%s>", word,
				features[*which].name, features[*which].value);
	return 0;
}

/* Take the word of the same name out of the list, if it is there. */
static void drop(char *list, int which)
{
	char copy[REDO_FEATURES_SIZE], *word, *save;
	size_t at = 0;

	redo_copy(copy, list, sizeof(copy));
	*list = '\0';
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (find(word, strcspn(word, "=")) != which)
			at += sprintf(list + at, "%s%s", at ? " " : "", word);
}

int redo_features_set(char *list, const char *word)
{
	size_t at;
	int which, r;

	if (!strcmp(word, "none")) {
		*list = '\0';
		return 0;
	}
	r = check(word, &which);
	if (r)
		return r;
	drop(list, which);
	at = strlen(list);
	/* Each known word fits once. */
	snprintf(list + at, REDO_FEATURES_SIZE - at, "%s%s", at ? " " : "", word);
	return 0;
}

/* "low_water=4 ..." to "2 low_water 4 ...", with force_base where @force. */
void redo_features_to_table(const char *list, bool force, char *args, size_t size)
{
	char text[REDO_FEATURES_SIZE + sizeof(REDO_ARG_FORCE_BASE) + 1];
	u32 nr = 0;

	snprintf(text, sizeof(text), "%s%s%s", list, *list && force ? " " : "",
		 force ? REDO_ARG_FORCE_BASE : "");
	for (char *c = text; *c; c++) {
		if (*c == '=')
			*c = ' ';
		nr += *c == ' ';
	}
	if (*text)
		snprintf(args, size, "%u %s", nr + 1, text);
	else
		*args = '\0';
}

/* And back, from a live table; what is not to be kept is left out. */
void redo_features_from_table(const char *args, char *list)
{
	char copy[256], word[128], *w, *save;
	int which;

	*list = '\0';
	redo_copy(copy, args, sizeof(copy));
	strtok_r(copy, " ", &save);	/* the number */
	while ((w = strtok_r(NULL, " ", &save))) {
		which = find(w, strlen(w));
		if (which < 0)
			continue;
		redo_copy(word, w, sizeof(word));
		w = features[which].value ? strtok_r(NULL, " ", &save) : NULL;
		if (w)
			snprintf(word + strlen(word), sizeof(word) - strlen(word), "=%s", w);
		redo_features_set(list, word);
	}
}

/* Change tracking: not kept as a word, since the store may be another device next time. */

/* Does the word that follows @word belong to it? */
static bool has_value(const char *word)
{
	int which = find(word, strlen(word));

	return which >= 0 ? features[which].value != NULL : !strcmp(word, REDO_ARG_CBT);
}

u64 redo_features_cbt(const char *args)
{
	char copy[256], *w, *save;
	u64 rdev;

	redo_copy(copy, args, sizeof(copy));
	strtok_r(copy, " ", &save);
	while ((w = strtok_r(NULL, " ", &save))) {
		bool cbt = !strcmp(w, REDO_ARG_CBT);

		if (!has_value(w))
			continue;
		w = strtok_r(NULL, " ", &save);
		if (cbt)
			return w && redo_dev_parse(w, &rdev) ? rdev : 0;
	}
	return 0;
}

int redo_features_track(char *args, size_t size, enum redo_track track, u64 rdev)
{
	char copy[256], text[256] = "", add[64] = "", *w, *save;
	size_t at = 0;
	u32 nr = 0;

	redo_copy(copy, args, sizeof(copy));
	strtok_r(copy, " ", &save);
	while ((w = strtok_r(NULL, " ", &save))) {
		bool ours = !strcmp(w, REDO_ARG_CBT) || !strcmp(w, REDO_ARG_NO_CBT);
		bool wants = has_value(w);
		const char *value = wants ? strtok_r(NULL, " ", &save) : NULL;

		/* One whose value is missing would take what comes next for it. */
		if (ours || (wants && !value))
			continue;
		at += snprintf(text + at, sizeof(text) - at, " %s%s%s", w, value ? " " : "",
			       value ? value : "");
		nr += value ? 2 : 1;
	}
	if (track == REDO_TRACK)
		snprintf(add, sizeof(add), " %s %u:%u", REDO_ARG_CBT, major(rdev), minor(rdev));
	else if (track == REDO_TRACK_NO_MORE)
		snprintf(add, sizeof(add), " %s", REDO_ARG_NO_CBT);
	nr += track == REDO_TRACK ? 2 : track == REDO_TRACK_NO_MORE;
	*args = '\0';
	if (nr && (size_t)snprintf(args, size, "%u%s%s", nr, text, add) >= size)
		return redo_err(E2BIG, "the features of the table are too long: %s%s", text, add);
	return 0;
}

bool redo_features_force(const char *args)
{
	return strstr(args, REDO_ARG_FORCE_BASE);
}
