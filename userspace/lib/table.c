// SPDX-License-Identifier: LGPL-2.1-or-later
/* The target's table line, without device-mapper. */
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "redo-int.h"

/* "major:minor" or a path. */
bool redo_dev_parse(const char *word, u64 *rdev)
{
	unsigned int major, minor;
	struct stat st;
	char end;

	if (sscanf(word, "%u:%u%c", &major, &minor, &end) == 2) {
		*rdev = makedev(major, minor);
		return true;
	}
	if (*word != '/' || stat(word, &st) || !S_ISBLK(st.st_mode))
		return false;
	*rdev = st.st_rdev;
	return true;
}

static int parse_words(char *text, struct redo_table *t)
{
	char *save, *word = strtok_r(text, " ", &save), *end;
	unsigned long nr;

	if (!word || !redo_dev_parse(word, &t->base))
		return -EINVAL;
	word = strtok_r(NULL, " ", &save);
	if (!word)
		return -EINVAL;
	nr = strtoul(word, &end, 10);
	if (*end || nr > REDO_MAX_DELTAS)
		return -EINVAL;
	for (t->nr_deltas = 0; t->nr_deltas < nr; t->nr_deltas++) {
		word = strtok_r(NULL, " ", &save);
		if (!word || !redo_dev_parse(word, &t->delta[t->nr_deltas]))
			return -EINVAL;
	}
	word = strtok_r(NULL, "", &save);
	if (word && strlen(word) >= sizeof(t->features))
		return -EINVAL;
	redo_copy(t->features, word ? word : "", sizeof(t->features));
	return 0;
}

int redo_table_parse(const char *params, struct redo_table *t)
{
	char *text = strdup(params);
	int r;

	memset(t, 0, sizeof(*t));
	if (!text)
		return redo_err(ENOMEM, "out of memory");
	r = parse_words(text, t);
	free(text);
	return r ? redo_err(EINVAL, "not a table line of target %s: %s", REDO_TARGET_NAME,
			    params) : 0;
}

char *redo_table_format(const struct redo_table *t)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		redo_err(ENOMEM, "out of memory");
		return NULL;
	}
	fprintf(f, "%u:%u %u", major(t->base), minor(t->base), t->nr_deltas);
	for (u32 i = 0; i < t->nr_deltas; i++)
		fprintf(f, " %u:%u", major(t->delta[i]), minor(t->delta[i]));
	if (t->features[0])
		fprintf(f, " %s", t->features);
	if (fclose(f)) {
		free(text);
		redo_err(ENOMEM, "out of memory");
		return NULL;
	}
	return text;
}
