/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words of what the target says: words.c. Pure. */
#ifndef REDO_WORDS_H
#define REDO_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redo_words {
	const char *at;
};

/* The next word into @word; false at the end or when it does not fit. */
bool redo_next_word(struct redo_words *w, char *word, size_t size);
/* Digits only. */
bool redo_word_u64(const char *word, uint64_t *n);
bool redo_words_end(const struct redo_words *w);

#endif /* REDO_WORDS_H */
