// SPDX-License-Identifier: GPL-2.0
/* The active delta as a source, under load. */
#include "redo-chain.h"

int redo_merge_active_begin(struct redo_chain *c)
{
	return -EOPNOTSUPP;
}

int redo_merge_active_batch(struct redo_chain *c)
{
	return -EOPNOTSUPP;
}

int redo_merge_active_end(struct redo_chain *c)
{
	return -EOPNOTSUPP;
}

void redo_merge_seal_source(struct redo_chain *c)
{
}
