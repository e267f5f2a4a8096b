/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where in a log the power is cut. */
#ifndef TEST_CUTS_H
#define TEST_CUTS_H

#include "player.h"
#include "trace.h"

struct cut {
	u64 entry;
	u64 nr;			/* in the list of all cuts; seeds what is lost */
	bool deep;		/* its recovery is worth a cut: a commit of several blocks is torn */
};

struct cuts {
	struct cut *cut;	/* by entry */
	u64 nr, places;		/* places: flushes, FUA writes */
};

struct cuts_options {
	u64 seed;
	u64 max;		/* so many in all; 0: each place once and @random more */
	u64 random;		/* anywhere in the log, and at places again */
};

void cuts_choose(struct cuts *c, const struct trace *t, const struct player *p,
		 const struct cuts_options *opt);
void cuts_free(struct cuts *c);

#endif /* TEST_CUTS_H */
