/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libredo: read, find, check and drive dm-redo's deltas and chains.
 *
 * Handles are opaque. Functions return 0 or a negative errno unless they say
 * otherwise; redo_last_error() then gives one line for people, naming the
 * device. Nothing here prints. One handle must not be used by two threads at
 * once; different handles may.
 */
#ifndef LIBREDO_H
#define LIBREDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REDO_UUID_STR_SIZE	37
#define REDO_NAME_MAX		128
#define REDO_TEXT_MAX		512

/* The text of this thread's last failure; never NULL. */
const char *redo_last_error(void);
const char *redo_version(void);

/* One delta ---------------------------------------------------------------- */

struct redo_delta;	/* opened for reading; the device is not locked */

struct redo_delta_info {
	char path[REDO_TEXT_MAX];
	uint64_t device_bytes;
	char uuid[REDO_UUID_STR_SIZE];
	char parent_uuid[REDO_UUID_STR_SIZE];	/* "" over the base */
	char tree_uuid[REDO_UUID_STR_SIZE];
	const char *state;			/* "new", "active", "sealed", "retired" */
	char chain[REDO_NAME_MAX];
	char snapshot[REDO_NAME_MAX];
	char description[REDO_TEXT_MAX];
	char base_path[REDO_TEXT_MAX];
	char host[REDO_NAME_MAX];
	uint64_t virtual_bytes;
	uint32_t grain_bytes;
	uint32_t depth;
	uint64_t chain_seq;
	uint64_t create_time, seal_time;	/* seconds since the epoch */
	uint64_t content_generation;
	uint64_t units_taken, units_total;
	uint64_t data_bytes, meta_bytes;
	bool clean, shared;
	const char *merge;	/* what a merge has made of it: "", "into", "taken", "base", ... */
	char merge_uuid[REDO_UUID_STR_SIZE];	/* the topmost delta that goes into, or "" */
	/* Change tracking: "" and 0 where the delta has never had a tracker. */
	char tracker_uuid[REDO_UUID_STR_SIZE];
	uint64_t tracker_epoch;		/* began when the delta became the active one; 0: not known */
	uint64_t tracker_sealed;	/* began when it was sealed; 0: not known */
};

int redo_delta_open(const char *path, struct redo_delta **delta);
void redo_delta_close(struct redo_delta *delta);
const struct redo_delta_info *redo_delta_get_info(const struct redo_delta *delta);

enum redo_run_kind { REDO_RUN_DATA = 1, REDO_RUN_ZERO = 2, REDO_RUN_BASE = 3 };

/*
 * Every run of the virtual disk that this delta itself says something about,
 * in order, the journal included; @phys is a byte offset in the delta device
 * (REDO_RUN_DATA). A callback's value other than 0 ends the walk and is returned.
 */
typedef int (*redo_run_fn)(void *ctx, enum redo_run_kind kind, uint64_t start,
			   uint64_t bytes, uint64_t phys);
int redo_delta_runs(struct redo_delta *delta, redo_run_fn fn, void *ctx);

/* Checking ----------------------------------------------------------------- */

struct redo_check_ops {
	void *ctx;
	/* One line for each problem found. */
	void (*problem)(void *ctx, const char *text);
	/* One line for what is unusual but not wrong. May be NULL. */
	void (*note)(void *ctx, const char *text);
	/* Called now and then. May be NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
};

struct redo_check_result {
	uint64_t problems;
	uint64_t notes;
	uint64_t map_leaves, map_blocks, alloc_blocks, data_grains;
	uint64_t journal_commits, journal_records;
};

/*
 * Verify every checksum and reference. 0 also when problems were found:
 * @result counts them. An error means that the check could not be done.
 */
int redo_delta_check(struct redo_delta *delta, const struct redo_check_ops *ops,
		     struct redo_check_result *result);

/* Chains ------------------------------------------------------------------- */

struct redo_chains;

struct redo_scan_options {
	const char *const *devices;	/* NULL-terminated: look at these only; NULL: at all */
	const char *const *dirs;	/* NULL-terminated: and at regular files there; may be NULL */
};

struct redo_chain_info {
	char name[REDO_NAME_MAX];
	char dm_state[16];		/* "active", "suspended", "read-only", "inactive" */
	bool active;			/* a dm device of that name is there */
	uint64_t virtual_bytes;
	char base_path[REDO_TEXT_MAX];
	unsigned int nr_deltas;		/* of the present state, from the oldest */
	char problem[REDO_TEXT_MAX * 2];	/* "" or why it cannot be activated */
};

int redo_chains_scan(const struct redo_scan_options *opts, struct redo_chains **chains);
void redo_chains_free(struct redo_chains *chains);
unsigned int redo_chains_count(const struct redo_chains *chains);
int redo_chains_get(const struct redo_chains *chains, unsigned int i,
		    struct redo_chain_info *info);
/* Delta @n (0: the oldest) of chain @i's present state. */
int redo_chains_get_delta(const struct redo_chains *chains, unsigned int i, unsigned int n,
			  struct redo_delta_info *info);

/* Status and messages of a live chain ---------------------------------------- */

enum redo_chain_mode {
	REDO_CHAIN_FAIL,	/* "Fail": every I/O fails */
	REDO_CHAIN_ERROR,	/* "Error": the status could not be had */
	REDO_CHAIN_RW,
	REDO_CHAIN_RO,		/* after a metadata error */
	REDO_CHAIN_VIEW,
	REDO_CHAIN_PASSTHROUGH,
};

enum redo_space {
	REDO_CHAIN_SPACE_OK,
	REDO_CHAIN_SPACE_LOW,
	REDO_CHAIN_SPACE_QUEUEING,
	REDO_CHAIN_SPACE_ERRORING,
};

enum redo_merge_run {
	REDO_MERGE_RUN_NONE,
	REDO_MERGE_RUN_RUNNING,
	REDO_MERGE_RUN_PAUSED,
	REDO_MERGE_RUN_HELD,	/* found on the disks, and the table says hold_merge */
	REDO_MERGE_RUN_FULL,	/* the target has no space; goes on by itself */
	REDO_MERGE_RUN_FAILED,	/* stopped; nothing is lost, and it can be tried again */
	REDO_MERGE_RUN_DONE,	/* until the next one begins, or the next table */
};

enum redo_merge_kind {
	REDO_MERGE_KIND_IS_NONE,
	REDO_MERGE_KIND_IS_SEALED,
	REDO_MERGE_KIND_IS_ACTIVE,
	REDO_MERGE_KIND_IS_ALL,
};

struct redo_merge_status {
	enum redo_merge_run run;
	enum redo_merge_kind kind;
	char source_uuid[REDO_UUID_STR_SIZE];	/* the topmost one; "": none */
	char target_uuid[REDO_UUID_STR_SIZE];	/* "": the base, or none */
	bool to_base;
	uint64_t done, total;		/* grains; the total is an upper bound until the end */
	uint64_t kib_per_s;
	char throttle[24];		/* "<n>%" or "<n>MiB" */
	int error;			/* errno of what made it fail, and where; 0: none */
	uint64_t error_sector, error_sectors;
};

#define REDO_CHANGE_ID_SIZE	58	/* "<uuid>/<number>" and the NUL */
#define REDO_CHANGE_LABEL_SIZE	64
#define REDO_CHANGE_KIND_SIZE	24

enum redo_tracking {
	REDO_TRACKING_OFF,
	REDO_TRACKING_OK,
	REDO_TRACKING_REBUILDING,	/* after a crash: answers come when it is over */
	REDO_TRACKING_BROKEN,		/* changes go unnoticed until tracking is enabled anew */
	REDO_TRACKING_POINT,		/* of a view: the id of the point that it shows */
};

struct redo_tracking_status {
	enum redo_tracking state;
	char change_id[REDO_CHANGE_ID_SIZE];	/* where the current epoch began; "": none */
	uint64_t blocks_used, blocks_total;	/* of the store, 4 KiB each */
};

struct redo_status {
	enum redo_chain_mode mode;
	/* Zeroes in the modes FAIL and ERROR: */
	uint32_t nr_deltas;
	uint32_t grain_sectors;
	uint64_t units_total, units_taken;
	uint64_t grains_used;
	uint64_t meta_used, meta_dirty;
	uint64_t journal_used, journal_blocks;
	enum redo_space space;
	uint64_t leaves_resident;
	uint64_t commits, checkpoints;
	char active_uuid[REDO_UUID_STR_SIZE];	/* "" without an active delta */
	struct redo_merge_status merge;
	struct redo_tracking_status tracking;
};

/* Pure. -EINVAL for what is not a status of the target; words added at the end are allowed. */
int redo_status_parse(const char *params, struct redo_status *status);
/* Pure. The status's word for it; static. */
const char *redo_merge_run_str(enum redo_merge_run run);
const char *redo_tracking_str(enum redo_tracking state);

typedef int (*redo_range_fn)(void *ctx, uint64_t start, uint64_t sectors);
/*
 * Pure. The answer to `allocated`: calls @fn for each item. *@more says whether
 * the answer was cut, *@next the sector to go on from.
 */
int redo_allocated_parse(const char *answer, redo_range_fn fn, void *ctx,
			 bool *more, uint64_t *next);

/* Of the live dm device @chain. */
int redo_chain_status(const char *chain, struct redo_status *status);
/*
 * Merge the delta @uuid of the live dm device @chain into what is directly below it;
 * NULL: all deltas into the base. @unshared: whoever calls has looked at all disks, and
 * nothing else lies on what is merged. Returns when the merge has begun.
 */
int redo_chain_merge(const char *chain, const char *uuid, bool unshared);
int redo_chain_merge_pause(const char *chain);
/* Also one that is held, or has failed. */
int redo_chain_merge_resume(const char *chain);
/* "<1 to 100>[%]" of the time, or "<n>MiB" a second. */
int redo_chain_merge_throttle(const char *chain, const char *throttle);
/* Every allocated range of [@start, @start + @sectors), with as many messages as it takes. */
int redo_chain_allocated(const char *chain, uint64_t start, uint64_t sectors,
			 redo_range_fn fn, void *ctx);

/* Changed block tracking ------------------------------------------------------ */

/*
 * What has changed since a change id. How a backup agent goes about it:
 *
 *   first, in full:	redo_tracker_mark() gives an id M1; take a snapshot, or read a
 *			view of one, and copy redo_tracker_allocated() of it
 *   each next one:	redo_tracker_mark() gives M2; copy redo_tracker_query(M1, M2)
 *
 * (A snapshot is a mark as well: redo_point_change_id() tells which.) An answer counts
 * only if the function that gave it has returned 0: what a callback was told before an
 * error is not all of it. An error never means that nothing has changed: where
 * redo_tracker_take_full() is true, the only safe way on is a full backup.
 */
enum redo_tracker_error {
	REDO_TRACKER_NO_ERROR,
	/* Take a full backup: */
	REDO_TRACKER_UNKNOWN_ID,	/* -ENOENT: this tracker has never given out that number */
	REDO_TRACKER_FOREIGN_ID,	/* -EXDEV: another tracker's: another disk, or tracking began anew */
	REDO_TRACKER_DROPPED_ID,	/* -ESTALE: its epoch was dropped, or forgotten by a revert */
	REDO_TRACKER_DAMAGED,		/* -EUCLEAN: the store is damaged, or tracking is broken */
	/* Enable tracking; until then there are full backups only: */
	REDO_TRACKER_NOT_TRACKED,	/* -ENODATA */
	/* Ask again: */
	REDO_TRACKER_TIMED_OUT,		/* -ETIMEDOUT: is still being rebuilt after a crash */
	REDO_TRACKER_CANCELLED,		/* -ECANCELED: the caller's own wish */
	/* Asked wrongly: */
	REDO_TRACKER_BAD_ID,		/* -EINVAL: not an id, or the first is later than the second */
	REDO_TRACKER_BAD_RANGE,		/* -ERANGE: beyond the end of the device */
	REDO_TRACKER_OTHER,		/* see redo_last_error() */
};

/* What a function below has returned. */
enum redo_tracker_error redo_tracker_error(int r);
/* Is a full backup the way on from it? Also where tracking is off. */
bool redo_tracker_take_full(enum redo_tracker_error error);

struct redo_tracker;	/* of a live chain */

/* @chain: the name of its dm device, or a path of that. -ENODATA: tracking is off. */
int redo_tracker_open(const char *chain, struct redo_tracker **tracker);
void redo_tracker_close(struct redo_tracker *tracker);

struct redo_tracker_wait {
	unsigned int timeout_ms;	/* 0: do not wait; REDO_TRACKER_FOR_EVER */
	bool (*cancelled)(void *ctx);	/* asked some ten times a second while waiting; may be NULL */
	void *ctx;
};

#define REDO_TRACKER_FOR_EVER	0xffffffffU

/*
 * How long a question may wait for a rebuild; 60 s without this call. Between the parts
 * of a long answer cancelled() is asked as well.
 */
void redo_tracker_set_wait(struct redo_tracker *tracker, const struct redo_tracker_wait *wait);

struct redo_tracker_info {
	char uuid[REDO_UUID_STR_SIZE];
	uint32_t block_bytes;		/* one bit each */
	uint64_t virtual_bytes;
	uint64_t current;		/* number of the epoch that takes marks now */
	struct redo_tracking_status status;
};

/* As it is now. */
int redo_tracker_get_info(struct redo_tracker *tracker, struct redo_tracker_info *info);

struct redo_change {
	char id[REDO_CHANGE_ID_SIZE];	/* the moment at which the epoch began */
	uint64_t number;
	uint64_t first;			/* less than @number: the ids from there on are one with it */
	uint64_t time;			/* seconds since the epoch */
	char kind[REDO_CHANGE_KIND_SIZE];	/* "enable", "mark", "snapshot", "revert", "grow", ... */
	char label[REDO_CHANGE_LABEL_SIZE];	/* "": none */
	bool current;
};

/* A callback's value other than 0 ends the walk and is returned. */
typedef int (*redo_change_fn)(void *ctx, const struct redo_change *change);
/* All ids that can be asked about, the oldest first. */
int redo_tracker_list(struct redo_tracker *tracker, redo_change_fn fn, void *ctx);

/*
 * What may have changed between the ids @since and @until (NULL: until now) of the
 * sectors [@start, @start + @sectors); @sectors 0: up to the end. Ranges come in order;
 * two may touch each other.
 */
int redo_tracker_query(struct redo_tracker *tracker, const char *since, const char *until,
		       uint64_t start, uint64_t sectors, redo_range_fn fn, void *ctx);

/*
 * The same of the whole disk as a bitmap: block n, the bytes from n * @block_bytes on, is
 * bit n % 8 (the least significant is 0) of byte n / 8. Bits behind the last block are 0.
 */
struct redo_bitmap {
	uint32_t block_bytes;
	uint64_t virtual_bytes;
	uint64_t blocks;		/* the last may be a part of one only */
	uint64_t set;			/* that many bits are 1 */
	uint64_t bytes;			/* of @bits */
	uint8_t *bits;
};

int redo_tracker_bitmap(struct redo_tracker *tracker, const char *since, const char *until,
			struct redo_bitmap *map);
void redo_bitmap_free(struct redo_bitmap *map);
bool redo_bitmap_test(const struct redo_bitmap *map, uint64_t block);
/* Pure. Every block that the range touches. -ERANGE: beyond the end. */
int redo_bitmap_set_range(struct redo_bitmap *map, uint64_t start, uint64_t sectors);

/* Ranges that may hold data, whether changed or not; all others read as zeroes. */
int redo_tracker_allocated(struct redo_tracker *tracker, uint64_t start, uint64_t sectors,
			   redo_range_fn fn, void *ctx);

/*
 * A new epoch begins; @id is its change id. @label: NULL, or at most 63 printable
 * characters without spaces and commas.
 */
int redo_tracker_mark(struct redo_tracker *tracker, const char *label,
		      char id[REDO_CHANGE_ID_SIZE]);
/* Nobody will ask about @id any more. */
int redo_tracker_drop(struct redo_tracker *tracker, const char *id);

/*
 * The id of the snapshot point @chain@@snap, by what the deltas record; the chain need not be
 * active. -ENODATA: the point was not tracked. @opts may be NULL.
 */
int redo_point_change_id(const struct redo_scan_options *opts, const char *chain,
			 const char *snap, char id[REDO_CHANGE_ID_SIZE]);

/* Pure. @uuid in small letters; -EINVAL. */
int redo_change_id_parse(const char *id, char uuid[REDO_UUID_STR_SIZE], uint64_t *number);
/* Pure. The answer to `cbt_list`; like redo_allocated_parse(). Fills in uuid, block_bytes, current. */
int redo_changes_parse(const char *answer, struct redo_tracker_info *info, redo_change_fn fn,
		       void *ctx, bool *more, uint64_t *next);

#ifdef __cplusplus
}
#endif
#endif /* LIBREDO_H */
