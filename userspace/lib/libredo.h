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
};

/* Pure. -EINVAL for what is not a status of the target; words added at the end are allowed. */
int redo_status_parse(const char *params, struct redo_status *status);

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

#ifdef __cplusplus
}
#endif
#endif /* LIBREDO_H */
