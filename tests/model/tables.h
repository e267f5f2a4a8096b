/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving a chain another table. */
#ifndef TEST_TABLES_H
#define TEST_TABLES_H

#include "forest.h"

/* @n becomes the top as far as the kernel knows: load and suspend, in either order; resume. */
void table_switch(struct forest *f, struct chain *c, const struct node *n);
/* The same with the device removed and made again. */
void table_exchange(struct forest *f, struct chain *c, const struct node *n);

#endif /* TEST_TABLES_H */
