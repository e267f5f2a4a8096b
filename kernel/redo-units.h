/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What redo-units.c, redo-metaspace.c, redo-space.c and redo-quarantine.c share.
 * The delta's mutex is held everywhere.
 */
#ifndef REDO_UNITS_H
#define REDO_UNITS_H

#include "redo-space.h"

/* Summary of a unit: known, type, blocks in use. */
#define SUM_KNOWN	0x8000U
#define SUM_TYPE(s)	(((s) >> 13) & 3)
#define SUM_USED(s)	((s) & 0x1fffU)
#define SUM_MAKE(t, u)	(SUM_KNOWN | (t) << 13 | (u))

#define REDO_SCAN_LEAVES	16	/* of one refill */
#define REDO_SCAN_ALL		U64_MAX

#define REDO_KEEP_TIME		HZ	/* what streams have not taken by then is free again */

/* A unit's bitmap as it stands in its record: bits set in a span; set or clear one. */
u32 redo_disk_count(const struct redo_disk_unit *du, u32 start, u32 len);
void redo_disk_set(struct redo_disk_unit *du, u32 start, u32 len, bool set);
/* The same as a bitmap in memory. */
void redo_disk_to_bits(unsigned long *to, const struct redo_disk_unit *du);
/* The summary of a unit; 0: not known yet. */
u16 redo_sum_get(struct redo_delta *d, u64 nr);
/* Without memory (replay only) the unit stays unknown; a later scan finds it. */
void redo_sum_set(struct redo_delta *d, u64 nr, u32 type, u32 used);
void redo_sum_note(struct redo_delta *d, u64 nr, const struct redo_disk_unit *du);
/* A copy of a unit's record; the record itself, in a dirty leaf (ERR_PTR). */
int redo_unit_read(struct redo_delta *d, u64 nr, struct redo_disk_unit *du);
struct redo_disk_unit *redo_unit_dirty(struct redo_delta *d, u64 nr);
/* The same for a grain or block that changes; NULL where replay does without. */
struct redo_disk_unit *redo_unit_follow(struct redo_delta *d, u64 nr);
/* Look at up to @leaves allocation leaves not seen yet. */
void redo_space_scan(struct redo_delta *d, u64 leaves);
bool redo_space_scanned(const struct redo_delta *d);
/* Units from the next one on whose leaf cannot be read are passed over. */
void redo_units_pass_bad(struct redo_delta *d);
void redo_scan_init(struct redo_delta *d);
/* The struct for a unit, made if need be; NULL: no memory (replay only). */
struct redo_unit *redo_unit_get(struct redo_delta *d, u64 nr);
int redo_unit_need_bits(struct redo_delta *d, struct redo_unit *u);
/* Is the quarantine of what was freed in it over? */
bool redo_unit_settled(struct redo_delta *d, struct redo_unit *u);
/* Nothing is kept for streams any more: others need the space. */
void redo_units_keep_nothing(struct redo_delta *d);
/* Forget units about which there is nothing to know. */
void redo_unit_gc(struct redo_delta *d, struct redo_unit *u);
void redo_units_gc(struct redo_delta *d);
/* Is something held back that time alone will set free? */
bool redo_units_waiting(struct redo_delta *d);
/* Not flushed: see redo-space.c. */
int redo_unit_write_header(struct redo_delta *d, u64 nr, enum redo_unit_type type);
void redo_unit_reset(struct redo_disk_unit *du, enum redo_unit_type type);
bool redo_unit_empty(const struct redo_disk_unit *du);
/* May the unit get a role; may it, if empty, get another type? */
bool redo_unit_idle(struct redo_delta *d, u64 nr);
bool redo_unit_unused(struct redo_delta *d, u64 nr);
/* Set the credit anew; returns it. @extra: leaves that somebody asks for. */
u64 redo_credit_update(struct redo_delta *d, u64 extra);
/*
 * The largest number up to @max of grains or leaves for which metadata has room,
 * if data takes @taken more units of the device's @units.
 */
u64 redo_meta_room_for(struct redo_delta *d, u64 units, u64 taken, u64 max);
/* Remember a freed run of a unit for discard, if discards are passed down. */
void redo_discard_note(struct redo_delta *d, struct redo_unit *u, u64 phys, u32 len);

static inline u64 redo_mask(u32 bit, u32 n)
{
	return (n == 64 ? ~0ULL : (1ULL << n) - 1) << bit;
}

#endif /* REDO_UNITS_H */
