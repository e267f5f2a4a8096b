/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking a chain about its changed blocks: the messages and what the answers mean. An
 * answer that is not in their language ends the program. While a bitmap is being rebuilt
 * it is asked again.
 */
#ifndef TEST_CBT_H
#define TEST_CBT_H

#include "dmdev.h"

#define CBT_ID_SIZE	64	/* of "<uuid>/<number>", with the NUL */

/* An epoch, or several that are one by now. */
struct cbt_record {
	u64 first, number;
};

struct cbt_list {
	char uuid[37];
	u32 block;		/* sectors */
	u64 current;
	struct cbt_record *record;	/* oldest first */
	u32 nr;
};

void cbt_id(char id[CBT_ID_SIZE], const char *uuid, u64 number);

/* These return 0 or a positive errno. */

/* @label: NULL, or what is recorded with it. @id: the answer. */
int cbt_mark(struct dmdev *d, const char *label, char id[CBT_ID_SIZE]);
int cbt_drop(struct dmdev *d, const char *id);
/* The caller frees it, with cbt_list_free(), if it is 0. */
int cbt_list(struct dmdev *d, struct cbt_list *l);
void cbt_list_free(struct cbt_list *l);
/*
 * Sets changed[i] to 1 for every sector @start + i of @sectors that is in the answer, to 0
 * for others. @to NULL: now. Dies if the answer is not ascending or leaves the range.
 */
int cbt_query(struct dmdev *d, const char *from, const char *to, u64 start, u64 sectors,
	      u8 *changed);

/* In the status; static buffers, good until the next call. */
const char *cbt_state(struct dmdev *d);		/* off, ok, rebuilding, broken, point */
const char *cbt_now(struct dmdev *d);		/* id or - */
/* Until it is not rebuilding; dies when it takes too long. */
void cbt_settled(struct dmdev *d);

/*
 * The test of the test: falsify every so many answers: one run of each is left out, or
 * (--lie more) one is added, or (--lie empty) nothing is left. 0: none.
 */
enum cbt_lie { CBT_LIE_NONE, CBT_LIE_MISS, CBT_LIE_MORE, CBT_LIE_EMPTY };
void cbt_lie(enum cbt_lie kind, u32 every);

#endif /* TEST_CBT_H */
