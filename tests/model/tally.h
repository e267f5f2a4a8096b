/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts the requests that were made to fail: of which device, of which kind, for what. */
#ifndef TEST_TALLY_H
#define TEST_TALLY_H

#include "util.h"

enum role {
	ROLE_BASE,
	ROLE_ACTIVE,
	ROLE_PARENT,
	ROLE_NEW,	/* a delta on its way into the chain */
	ROLES
};

/* @kind: a letter of rwfd; @magic: the first four bytes of what was written or read. */
void tally_count(enum role role, char kind, u32 magic);
/* A line for each sort that was hit: "hit: active write journal 41". */
void tally_print(void);

#endif /* TEST_TALLY_H */
