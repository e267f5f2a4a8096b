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
void store_row_of(const struct redo_set *set, const struct redo_tracker_node *n,
		  struct store_row *row);
void point_row_of(const struct redo_set *set, const struct redo_node *n, struct point_row *row);

/* A retired delta that keeps the name of a point whose content is still there. */
bool is_holder(const struct redo_set *set, const struct redo_node *n);

/* orphans.c */
enum orphan {
	NO_ORPHAN,
	ORPHAN_MERGED,		/* what it held is in what was below it, or was deleted */
	ORPHAN_DROPPED,		/* by a revert, and it keeps no name */
	ORPHAN_UNUSED,		/* formatted for a step that never came */
	ORPHAN_LOST,		/* what it lies on is on no device */
};

enum orphan orphan_kind(const struct redo_set *set, const struct redo_node *n);
const char *orphan_str(enum orphan kind);
/* Why a chain wants 'redosetup consolidate'; "": it does not. */
const char *consolidation_of(const struct redo_set *set, const struct redo_chain *c);
/* Its merge, and how far it is; "" for none. */
const char *merge_of(const struct redo_set *set, const struct redo_chain *c);
/* Points that are being deleted. */
const char *lost_of(const struct redo_set *set, const struct redo_chain *c);

#endif /* ROWS_H */
