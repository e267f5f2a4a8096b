/* SPDX-License-Identifier: GPL-2.0 */
/* Reading and switching the superblock of a delta. */
#ifndef REDO_SUPER_H
#define REDO_SUPER_H

#include "redo-format.h"

struct redo_delta;

/*
 * Read both slots of d->bdev and check the newer one against the device.
 * @torn: see redo_slot_torn(). Mutex held, or nobody else knows the delta.
 */
int redo_super_read(struct redo_delta *d, struct redo_super *sb, bool *torn);
/*
 * Make @sb the superblock: next generation, the older slot, PREFLUSH|FUA. The
 * in-core copy follows when the write has succeeded. An error fails the delta.
 * Mutex held.
 */
int redo_super_switch(struct redo_delta *d, struct redo_super *sb);

#endif /* REDO_SUPER_H */
