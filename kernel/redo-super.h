/* SPDX-License-Identifier: GPL-2.0 */
/* Reading and switching the superblock of a delta. */
#ifndef REDO_SUPER_H
#define REDO_SUPER_H

#include "redo-format.h"

struct redo_delta;
struct redo_tracked;

/*
 * Read both slots of d->bdev and check the newer one against the device.
 * @torn: see redo_slot_torn(). Mutex held, or nobody else knows the delta.
 */
int redo_super_read(struct redo_delta *d, struct redo_super *sb, bool *torn);
/* The tracker's fields but for tracker_sealed. Mutex held. */
void redo_super_track(struct redo_delta *d, struct redo_super *sb, const struct redo_tracked *t);
/*
 * Make @sb the superblock: next generation, the older slot, PREFLUSH|FUA. The
 * in-core copy follows when the write has succeeded. An error fails the delta.
 * Mutex held.
 */
int redo_super_switch(struct redo_delta *d, struct redo_super *sb);

#endif /* REDO_SUPER_H */
