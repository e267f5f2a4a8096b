// SPDX-License-Identifier: LGPL-2.1-or-later
/* Words of what the target says. Pure. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "words.h"

bool redo_next_word(struct redo_words *w, char *word, size_t size)
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

/* strtoull alone would take signs and blanks. */
bool redo_word_u64(const char *s, uint64_t *n)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*n = strtoull(s, &end, 10);
	return !errno && !*end;
}

bool redo_words_end(const struct redo_words *w)
{
	return !w->at[strspn(w->at, " \t\n")];
}
