/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ROWS_H
#define ROWS_H

#include <stdarg.h>
#include "tool.h"

/* A text that lives until free_texts(). */
char *keep(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void free_texts(void);
const char *time_text(u64 t);
bool names_a_point(const struct redo_node *n);
/* One delta for each point, in order of time; @chain NULL: of all. Free @points. */
u32 points_of(const struct redo_set *set, const char *chain, struct redo_node ***points);
void chain_row_of(const struct redo_set *set, const struct redo_chain *c, struct chain_row *row);
void delta_row_of(const struct redo_set *set, const struct redo_node *n, struct delta_row *row);
void point_row_of(const struct redo_set *set, const struct redo_node *n, struct point_row *row);

#endif /* ROWS_H */
