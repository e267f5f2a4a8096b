/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the library's own files and the tool share; not installed. */
#ifndef REDO_INT_H
#define REDO_INT_H

#include <stdio.h>
#include "../../kernel/redo-cbt-format.h"
#include "../../kernel/redo-format.h"
#include "../../kernel/redo-proto.h"
#include "libredo.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define __unused	__attribute__((unused))

u32 redo_crc32c_generic(const void *data, size_t len);

/* Errors: error.c ---------------------------------------------------------- */

/* Keep the text for redo_last_error(); returns -@err. */
int redo_err(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Text helpers: error.c */
void redo_copy(char *to, const char *from, size_t size);
/* A text read from a disk, made fit for a terminal. */
void redo_copy_clean(char *to, const char *from, size_t size);
const char *redo_state_str(u32 state);
void redo_uuid_str(const u8 *uuid, char str[REDO_UUID_STR_SIZE]);
bool redo_uuid_nil(const u8 *uuid);
bool redo_uuid_eq(const u8 *a, const u8 *b);
void redo_random(void *buf, size_t len);

/* Reading: io.c ------------------------------------------------------------ */

/*
 * Where metadata is read from: a device, a file or a test's buffer. @read
 * returns 0 or -errno; it is never asked for bytes at or beyond @size.
 */
struct redo_io {
	void *ctx;
	int (*read)(void *ctx, u64 offset, void *buf, size_t len);
	u64 size;		/* bytes */
};

/* Past the end: -ENXIO. @buf: REDO_BLOCK_SIZE bytes, no alignment asked for. */
int redo_io_block(const struct redo_io *io, u64 blocknr, void *buf);

#define REDO_OPEN_WRITE	1
#define REDO_OPEN_EXCL	2	/* refuse a device that somebody has claimed */

/* An open block device (past the page cache) or regular file. */
struct redo_file {
	struct redo_io io;
	int fd;
	bool block;
	u64 rdev;
	char path[REDO_TEXT_MAX];
	void *bounce;
};

int redo_file_open(struct redo_file *f, const char *path, int flags);
void redo_file_close(struct redo_file *f);
int redo_file_write(struct redo_file *f, u64 offset, const void *buf, size_t len);
int redo_file_sync(struct redo_file *f);

/* Superblock: super.c ------------------------------------------------------ */

struct redo_supers {
	struct redo_super sb[2];
	enum redo_bad bad[2];
	int err[2];		/* -errno of a slot that cannot be read: bad is REDO_BAD_CSUM */
	int cur;		/* the one that counts; -1: none, or one is refused */
};

/* 0 also without a valid superblock; -errno where a read error may be why there is none. */
int redo_read_supers(const struct redo_io *io, struct redo_supers *s);
/* What is wrong with a slot, for people. */
const char *redo_slot_str(const struct redo_supers *s, int slot);
/* No superblock is taken: keep the text that says why; returns -EUCLEAN. */
int redo_no_super(const struct redo_supers *s, const char *path);
/* The valid one or -errno with a text that names @path and says what was found. */
int redo_read_super(const struct redo_io *io, const char *path, struct redo_super *sb);
/* Write the older slot with the next generation, durably; updates @sb. */
int redo_write_super(struct redo_file *f, struct redo_super *sb);

/* Label: label.c ----------------------------------------------------------- */

enum redo_bad redo_read_label(const struct redo_io *io, const struct redo_super *sb,
			      struct redo_label *label, int *err);

/* Formatting: format.c ----------------------------------------------------- */

struct redo_format_args {
	u8 parent_uuid[REDO_UUID_SIZE];
	u8 tree_uuid[REDO_UUID_SIZE];	/* nil: a new one */
	u64 virtual_sectors;
	u64 base_sectors;
	u32 grain_sectors;
	u32 depth;
	u64 chain_seq;
	struct redo_label label;
};

/* The blocks of an empty delta of state NEW: unit header, label, superblock. */
void redo_format_super(const struct redo_format_args *a, struct redo_super *sb);
int redo_format_file(struct redo_file *f, const struct redo_format_args *a,
		     struct redo_super *sb);

/* Making a device blank again: wipe.c ------------------------------------------ */

enum redo_wipe { REDO_WIPE_DISCARD, REDO_WIPE_ZEROES, REDO_WIPE_SECURE };

typedef void (*redo_wipe_fn)(void *ctx, u64 done, u64 total);

/* "discard", "zeroes" or "secure"; 0 or -EINVAL */
int redo_wipe_parse(const char *word, enum redo_wipe *kind);
/* Can the device do it? Nothing is written; it may be in use. */
int redo_wipe_possible(const char *path, enum redo_wipe kind);
/* All but the header. @fn may be NULL. */
int redo_wipe_data(const char *path, enum redo_wipe kind, redo_wipe_fn fn, void *ctx);
/* Unit header, superblocks and labels: it is no delta any more. */
int redo_wipe_header(const char *path);

/* Trees: tree-read.c ------------------------------------------------------- */

struct redo_walk {
	const struct redo_io *io;
	const struct redo_super *sb;
	enum redo_tree_id tree;
	void *ctx;
	/*
	 * Before a block is read: false = do not go there (bad place, seen
	 * before). NULL: refuse only what is outside the device.
	 */
	bool (*enter)(void *ctx, u64 blocknr, u32 level, u64 index);
	/* A good directory. May be NULL. */
	void (*dir)(void *ctx, u64 blocknr, u32 level, u64 index, const struct redo_disk_node *n);
	/* A good leaf: a redo_disk_node or a redo_disk_alloc. Other than 0 ends the walk. */
	int (*leaf)(void *ctx, u64 blocknr, u64 index, const void *block);
	/* A pointer of kind ZERO: @leaves leaves from @index. May be NULL. */
	int (*zero)(void *ctx, u64 index, u64 leaves);
	void (*bad)(void *ctx, u64 blocknr, u32 level, u64 index, const char *why);
};

/* Walks in order of index. 0, what leaf() returned, or -ENOMEM. */
int redo_walk_tree(const struct redo_walk *w);

/* Journal: replay.c -------------------------------------------------------- */

struct redo_replay {
	u64 commits, records, blocks;
	u64 next_seq, next_commit;	/* where it ended */
	bool torn;			/* blocks of an incomplete commit were there */
	u32 torn_valid, torn_total;	/* that many of its blocks were good */
	const char *end;		/* why it ended, for people */
	bool hole;			/* a whole commit lies behind the end: a block was lost */
	u64 hole_seq;
};

struct redo_replay_ops {
	void *ctx;
	/* A whole, valid commit begins. May be NULL. */
	void (*commit)(void *ctx, u64 commit, u64 seq, u32 blocks);
	/* One record of a valid commit; other than 0 ends the replay and is returned. */
	int (*extent)(void *ctx, u64 commit, const struct redo_extent *e);
	/* A record inside a valid commit that makes no sense. */
	void (*bad)(void *ctx, u64 commit, u64 seq, u32 record, const char *why);
};

/* As the kernel does. -errno for a read error, which is not the journal's end. */
int redo_replay_journal(const struct redo_io *io, const struct redo_super *sb,
			const struct redo_replay_ops *ops, struct redo_replay *r);

/* Checker: check.c ---------------------------------------------------------- */

int redo_check_image(const struct redo_io *io, const struct redo_check_ops *ops,
		     struct redo_check_result *result);
/* A link of a chain; @path names are for messages. NULL parent: not looked at. */
u64 redo_check_link(const struct redo_super *child, const char *child_path,
		    const struct redo_super *parent, const char *parent_path,
		    const struct redo_check_ops *ops);

/* Runs of grains: extents.c --------------------------------------------------- */

struct redo_extents {
	struct redo_extent *e;
	size_t nr, cap;
};

int redo_extents_add(struct redo_extents *x, const struct redo_extent *e);
/* From order of time (later wins) to disjoint, in order of place. */
int redo_extents_settle(struct redo_extents *x);
/* The first one that ends after @logical (settled only). */
size_t redo_extents_find(const struct redo_extents *x, u64 logical);
void redo_extents_free(struct redo_extents *x);

/* Data in a delta: used.c ------------------------------------------------------ */

/* Grains with data, the journal included. */
int redo_data_used(const struct redo_io *io, const struct redo_super *sb, u64 *used);

/* What a journal takes into use, in order: claims.c ----------------------------- */

/* All zeroes: empty. */
struct redo_claims {
	u64 records;
	u64 mapped;			/* grains in use by records */
	void *by_logical, *by_phys;	/* search trees: what records have mapped by now */
	/* Settled: who was first. .phys is the number of the record. */
	struct redo_extents freed;	/* of logical grains */
	struct redo_extents taken;	/* of physical grains */
};

/* The next record. -EEXIST (no text): it takes grains that an earlier one has in use. */
int redo_claims_add(struct redo_claims *c, const struct redo_extent *e);
/* After the last record. */
int redo_claims_settle(struct redo_claims *c);
/* The trees map @logical to @phys: is it free when the journal takes it, if it does? */
bool redo_claims_allow(const struct redo_claims *c, u64 logical, u64 phys);
/* Does a record replace what the trees say of @logical? */
bool redo_claims_replace(const struct redo_claims *c, u64 logical);
void redo_claims_free(struct redo_claims *c);

/* Chains: discover.c --------------------------------------------------------- */

/* One delta found. The caller fills in the first part. */
struct redo_node {
	struct redo_super sb;
	struct redo_label label;
	char path[REDO_TEXT_MAX];
	u64 device_bytes;
	u64 rdev;		/* 0: a file */
	char live_name[REDO_NAME_SIZE];	/* of the writable dm device it is the top of */
	char reg_name[REDO_NAME_SIZE];	/* of a nameless tree's lowest: its base's in the register */
	/* set by redo_discover(): */
	char chain[REDO_NAME_SIZE];	/* the namer's, or what stands for it */
	struct redo_node *namer;	/* the delta whose name @chain is; may be NULL */
	struct redo_node *parent;	/* NULL: base, or missing */
	bool missing_parent;
	bool duplicate;			/* another device has this UUID */
	bool counts;			/* not just prepared for a step that never came */
	bool bad_depth;			/* parent's depth does not fit: a cycle, or damage */
	bool lost;			/* the point that it names: a merge has begun to change it */
	u32 below;			/* deltas below this one, as far as they are there */
	u32 nr_children;
};

/* A tracking store. */
struct redo_tracker_node {
	struct redo_cbt_super sb;
	char path[REDO_TEXT_MAX];
	u64 device_bytes;
	u64 rdev;		/* 0: a file */
};

struct redo_chain {
	char name[REDO_NAME_SIZE];
	u8 tree_uuid[REDO_UUID_SIZE];
	struct redo_node *present;	/* top of the present state; NULL: no delta, or a problem */
	char problem[REDO_TEXT_MAX * 3];
	/* from dm and the register, filled in by scan.c */
	char base_path[REDO_TEXT_MAX];
	char hint_path[REDO_TEXT_MAX];	/* base as the newest label says */
	u64 virtual_sectors;
	char dm_name[REDO_NAME_SIZE];	/* "": not active */
	bool suspended, live_ro;
	u32 live_deltas;
	char features[REDO_TEXT_SIZE];	/* a list; of the live table, else kept */
	u64 live_store;			/* the tracking store of the live table; 0: none */
	char reg_tracker[REDO_UUID_STR_SIZE];	/* as the register has it */
	char reg_store[REDO_TEXT_SIZE];		/* where it was seen last */
};

struct redo_damaged {
	char text[REDO_TEXT_MAX * 2];
};

struct redo_live_view {
	char name[REDO_NAME_SIZE];
	u32 nr_deltas;
	u64 base, top;		/* device numbers; top 0: of the base itself */
};

struct redo_set {
	struct redo_node *node;
	u32 nr_nodes;
	struct redo_chain *chain;
	u32 nr_chains;
	/* Devices with a magic of ours but no superblock that can be used. */
	struct redo_damaged *damaged;
	u32 nr_damaged;
	/* Read-only dm devices of points. */
	struct redo_live_view *view;
	u32 nr_views;
	struct redo_tracker_node *tracker;
	u32 nr_trackers;
};

/* Links the nodes, finds the chains and their present. Pure but for malloc. */
int redo_discover(struct redo_set *set);
/* Has any delta of the tree a name of its own? */
bool redo_tree_named(const struct redo_set *set, const u8 *tree_uuid);
void redo_set_free(struct redo_set *set);
struct redo_chain *redo_find_chain(const struct redo_set *set, const char *name);
struct redo_chain *redo_add_chain(struct redo_set *set, const char *name);
struct redo_node *redo_find_uuid(const struct redo_set *set, const u8 *uuid);
struct redo_node *redo_find_rdev(const struct redo_set *set, u64 rdev);
/*
 * The deltas from the oldest up to @top; returns how many, or -errno with a
 * text that names what is missing.
 */
int redo_line_of(const struct redo_set *set, struct redo_node *top,
		 struct redo_node **line, u32 max);
/* Does this NEW delta count: is its parent sealed, or the base? */
bool redo_node_counts(const struct redo_node *n);
/*
 * A delta that names the point @snap of @chain, or NULL with a text. The point
 * is its parent's content.
 */
struct redo_node *redo_find_point(const struct redo_set *set, const struct redo_chain *chain,
				  const char *snap);
u64 redo_next_chain_seq(const struct redo_set *set, const u8 *tree_uuid);
bool redo_is_ancestor(const struct redo_node *a, const struct redo_node *of);

/* What merges have left on the disks: merge-state.c ------------------------------ */

/* A word for enum redo_merge_state; "" for none. */
const char *redo_merge_str(u64 state);
/* Does @n say that a merge has begun, or is not quite over? */
bool redo_merge_begun(const struct redo_node *n);
bool redo_merge_to_base(const struct redo_node *n);
/* The topmost delta that it carries down; NULL: none, or not there. */
struct redo_node *redo_merge_source(const struct redo_set *set, const struct redo_node *n);
/* Merged into what was below it, or dropped: a device with nothing that counts. */
bool redo_node_gone(const struct redo_node *n);
/* Its parent holds all that it held; it may be in a line, or not. */
bool redo_node_taken(const struct redo_node *n);
bool redo_node_replaced(const struct redo_node *n);
bool redo_node_stale(const struct redo_node *n);
void redo_mark_lost(struct redo_set *set);
struct redo_node *redo_merge_pending(const struct redo_set *set, const struct redo_node *n,
				     const struct redo_node *parent);

/* Grains with data, from the kernel where it is live, else from the disk. @set may be NULL. */
u64 redo_node_used(const struct redo_set *set, const struct redo_node *n);
const char *redo_chain_state(const struct redo_chain *c);
void redo_fill_info(const struct redo_super *sb, const struct redo_label *label,
		    const char *path, u64 device_bytes, struct redo_delta_info *i);
int redo_runs(const struct redo_io *io, const struct redo_super *sb, redo_run_fn fn, void *ctx);

/* Merges of live chains: merge.c --------------------------------------------------- */

/* "20", "20%" or "50MiB"; 0 or -EINVAL. */
int redo_throttle_parse(const char *text, unsigned int *value, bool *mib);

/* Changed block tracking: tracker-parse.c, bitmap.c, point-id.c ---------------------- */

bool redo_uuid_text_valid(const char *text);
int redo_change_id_format(char id[REDO_CHANGE_ID_SIZE], const char *uuid, u64 number);
bool redo_change_label_valid(const char *label);
int redo_bitmap_init(struct redo_bitmap *map, u64 virtual_bytes, u32 block_bytes);
/* Epochs of @tracker that began with the point that @n names; -ENODATA: none is known. */
int redo_node_point_id(const struct redo_node *n, const u8 *tracker, u64 *first, u64 *last);
/* The point's own id; -ENODATA: it was not tracked. @id: REDO_CHANGE_ID_SIZE bytes. */
int redo_set_point_id(const struct redo_set *set, const struct redo_chain *c, const char *snap,
		      char *id);
/* The tracker that knows that point; NULL: none does. */
const u8 *redo_node_tracker(const struct redo_node *n);
/* Who tracks the chain, by its active delta, or else by the register; false: nobody. */
bool redo_chain_tracker(const struct redo_chain *c, u8 uuid[REDO_UUID_SIZE]);
bool redo_uuid_parse(const char *text, u8 uuid[REDO_UUID_SIZE]);
/* Its store: the newest of those that carry the UUID; @nr: how many do. */
const struct redo_tracker_node *redo_find_tracker(const struct redo_set *set, const u8 *uuid,
						  u32 *nr);
const struct redo_tracker_node *redo_find_tracker_dev(const struct redo_set *set, u64 rdev);

static inline u64 redo_tracker_epoch(const struct redo_super *sb)
{
	return sb->tracker_epoch;
}

static inline u64 redo_tracker_sealed(const struct redo_super *sb)
{
	return sb->tracker_sealed;
}

/* Scanning: scan.c ------------------------------------------------------------ */

int redo_scan(const struct redo_scan_options *opts, struct redo_set *set);
/* Path names that people like (/dev/mapper, /dev/vg/lv) for a device number. */
int redo_dev_path(u64 rdev, char *path, size_t size);
/* Read super and label of one device. */
int redo_probe_node(const char *path, struct redo_node *n);
/* The same of a tracking store. */
int redo_probe_tracker(const char *path, struct redo_tracker_node *n);
int redo_fingerprint(const char *path, u64 sectors, u32 *head, u32 *tail);
/* What libblkid sees there: "" for nothing. 0 or -errno. */
int redo_signature(const char *path, char *what, size_t size);
/* Who holds a device: a mount point, a holder in sysfs; "" for nobody. */
void redo_holder(u64 rdev, char *who, size_t size);
/* The UUID of the filesystem there; "" for none. */
void redo_content_uuid(const char *path, char *uuid, size_t size);
u64 redo_path_rdev(const char *path);
/* The loop device that already shows @file, if there is one. */
bool redo_loop_of(const char *file, char *dev, size_t size);
u64 redo_dev_sectors(u64 rdev);
/* Is it, or anything that it lies on, suspended? */
bool redo_dev_stalled(u64 rdev);
/* Is it @below, a part of that, or made of it: as a partition, a dm device, a file in a filesystem there? */
bool redo_dev_lies_on(u64 rdev, u64 below);
/*
 * The base of a chain whose lowest delta is @first: where the label or @hint
 * says, else the one device whose size and fingerprint fit, else the one file in
 * @dirs; with @force where it was seen last, though the fingerprint differs. Fills
 * in @path, a device's or a file's.
 */
int redo_find_base(const struct redo_set *set, const struct redo_node *first,
		   const char *hint, const char *const *dirs, bool force, char *path,
		   size_t size);
/* Is that certainly the base of @sb: size and a fingerprint that says something? */
bool redo_is_base(const struct redo_super *sb, const char *path);
/* A base that the user names: refused when only its fingerprint is wrong. */
int redo_check_base(const struct redo_node *first, const char *path, bool force);

/* The register /etc/redo/chains: registry.c ------------------------------------- */

struct redo_reg_entry {
	char name[REDO_NAME_SIZE];
	char base[REDO_TEXT_SIZE];	/* path */
	char base_id[REDO_TEXT_SIZE];	/* dm or filesystem UUID; may be empty */
	u64 sectors;
	bool swapped;			/* the dm device of that name was put on top of its own table */
	bool deltas;			/* it has got some: without them it must not come up */
	char merged[REDO_UUID_STR_SIZE];	/* the present when all began to be merged: the last to go */
	char features[REDO_TEXT_SIZE];	/* a list: features.c */
	char tracker[REDO_UUID_STR_SIZE];	/* who tracks its changes; "": nobody */
	char store[REDO_TEXT_SIZE];	/* where that one's store was seen last */
	char store_made[REDO_TEXT_SIZE];	/* of the volume or file that was made for it; "": none was */
};

const char *redo_reg_path(void);
/* A lock file beside it: a descriptor, held until it is closed, or -errno. */
int redo_reg_lock(const char *suffix);
int redo_reg_load(struct redo_reg_entry **e, u32 *nr);
int redo_reg_set(const struct redo_reg_entry *e);
int redo_reg_drop(const char *name);
int redo_reg_find(const char *name, struct redo_reg_entry *e);

/* Device-mapper: dm.c ----------------------------------------------------------- */

/* UUID of the device of an offline merge; the chain's name follows. */
#define REDO_PRIVATE_UUID	"REDO-MERGE-"

struct redo_dm_info {
	bool exists;
	bool live_table, inactive_table;
	bool suspended, read_only;
	int open_count;
	u32 major, minor;
	char name[REDO_NAME_SIZE];
	char uuid[REDO_NAME_SIZE + 16];
};

/* A parsed table line of the target. */
struct redo_table {
	u64 sectors;
	u64 base;			/* device number */
	u32 nr_deltas;
	u64 delta[REDO_MAX_DELTAS];
	char features[256];		/* "<#args> <arg>..." or "" */
};

#define REDO_DM_READONLY	1
#define REDO_DM_NOLOCKFS	2
#define REDO_DM_NOFLUSH		4
#define REDO_DM_LOW_PRIORITY	8	/* udev: never wins a duplicate filesystem UUID */

int redo_dm_list(char (**names)[REDO_NAME_SIZE], u32 *nr);
int redo_dm_info(const char *name, struct redo_dm_info *info);
int redo_dm_info_dev(u64 rdev, struct redo_dm_info *info);
/* First target of the live table. -ENXIO: no such device, -ENOENT: no table. */
int redo_dm_table(const char *name, char *type, size_t type_size, u64 *sectors,
		  char **params);
int redo_dm_redo_table(const char *name, struct redo_table *t);	/* -EINVAL: not ours */
int redo_dm_status_line(const char *name, char **params);
int redo_dm_create(const char *name, const char *uuid, u64 sectors, const char *type,
		   const char *params, int flags);
/* Another device with the live table of @from, all targets of it. */
int redo_dm_create_like(const char *name, const char *uuid, const char *from);
int redo_dm_reload_like(const char *name, const char *from);
int redo_dm_load(const char *name, u64 sectors, const char *type, const char *params, int flags);
int redo_dm_clear(const char *name);
int redo_dm_suspend(const char *name, int flags);
int redo_dm_resume(const char *name, int flags);
/* Several at once: wait for udev only when all of them are alive again. */
int redo_dm_resume_nowait(const char *name, u32 *cookie);
void redo_dm_udev_wait(u32 cookie);
int redo_dm_remove(const char *name);
int redo_dm_message(const char *name, const char *msg, char **answer);
bool redo_dm_present(void);
const char *redo_dm_dir(void);

/* Pure: table.c */
/* "major:minor" or a path. */
bool redo_dev_parse(const char *word, u64 *rdev);
int redo_table_parse(const char *params, struct redo_table *t);
char *redo_table_format(const struct redo_table *t);	/* malloc'ed */

/*
 * Pure: features.c. A list is "<word>[=<value>] ...", what a chain keeps; @list has
 * REDO_FEATURES_SIZE bytes. The arguments of a table line begin with their number.
 */
#define REDO_FEATURES_SIZE	256

/* Add or replace one; "none" empties the list. -EINVAL with a text. */
int redo_features_set(char *list, const char *word);
void redo_features_to_table(const char *list, bool force, char *args, size_t size);
void redo_features_from_table(const char *args, char *list);
bool redo_features_force(const char *args);

enum redo_track {
	REDO_TRACK_NOT,		/* the table says nothing of it */
	REDO_TRACK,		/* changes, in a store */
	REDO_TRACK_NO_MORE,	/* it is known that they were, and that it ends */
};

/* The store in a table's arguments; 0: none. */
u64 redo_features_cbt(const char *args);
/* Instead of what they say about it. */
int redo_features_track(char *args, size_t size, enum redo_track track, u64 rdev);

/* Devices for deltas: provision.c -------------------------------------------------- */

struct redo_store {
	char path[REDO_TEXT_MAX];	/* the block device */
	char file[REDO_TEXT_MAX];	/* backing file of a loop device; "" */
	char lv[REDO_TEXT_MAX];		/* vg/lv; "" */
	bool created;
};

/* What @path is: an LV, a loop device, or neither (both empty). */
int redo_store_of(const char *path, struct redo_store *s);
/* A new device beside @like: LV in its VG, or file in its directory + loop. */
int redo_store_create(const struct redo_store *like, const char *name, u64 bytes,
		      struct redo_store *s);
int redo_store_remove(const struct redo_store *s);
int redo_store_grow(const struct redo_store *s, u64 bytes, u64 *now);
int redo_store_loop(const char *file, char *dev, size_t size);	/* attach */
/* Steps are told to this (with -v, or dry-run: then not done). */
extern void (*redo_step_fn)(const char *text);
extern bool redo_dry_run;
int redo_step(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A table switch of several chains at once: switch.c --------------------------------- */

struct redo_switch {
	const char *name;
	u64 sectors;
	char *params;
	int flags;
	bool loaded, suspended, done;
};

struct redo_window {
	double load_s, suspend_s, resume_s, window_s;
};

/*
 * Load all, suspend all, resume all. On failure whatever can be put back is:
 * inactive tables cleared, old ones resumed.
 */
int redo_switch_tables(struct redo_switch *s, u32 nr, int suspend_flags, struct redo_window *w);

#endif /* REDO_INT_H */
