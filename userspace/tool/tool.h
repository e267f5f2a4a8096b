/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of redosetup share. */
#ifndef TOOL_H
#define TOOL_H

#include <json-c/json.h>
#include <stdlib.h>
#include "../lib/cbt-store.h"
#include "../lib/redo-int.h"

#define MAX_LIST	64

/* Beside 0 and -errno a command may return: */
#define RESULT_USAGE	1	/* called wrongly; the reason was printed */
#define RESULT_PROBLEMS	2	/* what was found has been printed */

struct opts {
	bool yes, dry_run, verbose, force, all, readonly, remove, full;
	bool json, noheadings, deltas, leaf, journal, remove_delta, forget, background;
	bool pause, resume, verify;
	bool bitmap, frequent, remove_store;
	char units;
	const char *fields, *sort, *select;
	const char *parent, *base, *chain, *snapshot, *description, *name, *to, *size, *grain;
	const char *quiesce, *throttle, *wipe;
	const char *since, *output;
	const char *until, *store, *block_size, *label, *timeout;
	const char *cbt[MAX_LIST + 1];
	int nr_cbt;
	const char *delta[MAX_LIST + 1], *device[MAX_LIST + 1], *dir[MAX_LIST + 1];
	const char *feature[MAX_LIST + 1];
	int nr_delta, nr_device, nr_dir, nr_feature;
};

struct command {
	const char *name;
	int (*run)(const struct command *c, int argc, char **argv);
	int min_args, max_args;		/* max -1: any number */
	const char *args;
	const char *options;		/* letters of the options that it takes */
	const char *help;
};

extern struct opts opts;
extern const struct command commands[];
extern const int nr_commands;

/* redosetup.c */
int usage_error(const struct command *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void verbose(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* 0: go on; else refused, with a text that says what -y would do. */
int confirm(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* size.c: lvm2's notation */
/* "64m", "1g", "4k", "100s", "2.5t", "512b"; a bare number is in @unit. 0 or -EINVAL */
int parse_size(const char *text, char unit, u64 *bytes);
/* @unit: h, H, or a unit's letter (capital: powers of 1000). */
void format_size(u64 bytes, char unit, char *text, size_t size);
bool valid_unit(const char *text, char *unit);

/* background.c */
/* With --background only the new process returns from it, 0 or -errno. */
int to_background(const char *what);
void background_done(const char *what);

/* progress.c */
struct progress {
	const char *what;
	u64 each;		/* bytes of one of what is counted; 0: no rate is shown */
	double rate;		/* bytes a second, where somebody knows better than we */
	double start, last;
	int percent;
	bool shown;
};

void progress_start(struct progress *p, const char *what);
void progress_show(struct progress *p, u64 done, u64 total);
/* @all: it came to its end. */
void progress_end(struct progress *p, bool all);
/* ", 120.0 MiB/s, 1:05 left"; "" at no rate. */
void progress_pace(double rate, u64 left, char *text, size_t size);

/* signals.c */
/* From now on SIGINT, SIGTERM and SIGHUP only make interrupted() true. */
void catch_signals(void);
bool interrupted(void);

/* report.c */
struct report;
enum report_kind {
	REPORT_CHAIN = 1,
	REPORT_DELTA = 2,
	REPORT_POINT = 4,
	REPORT_CHANGE = 8,
	REPORT_RANGE = 16,
	REPORT_STORE = 32,
};

struct chain_row {
	const char *chain, *state, *base, *active, *snapshots, *problem, *space, *mode, *dm_name;
	const char *views, *features, *merge, *consolidation, *lost;
	const char *tracking, *change_id, *store;
	u64 bytes, used;
	u32 deltas;
};

struct delta_row {
	const char *path, *chain, *snapshot, *description, *state, *uuid, *parent, *tree, *host;
	const char *created, *sealed, *base, *role, *merge, *merge_uuid;
	const char *tracker_uuid;
	u64 tracker_epoch, tracker_sealed;
	u64 bytes, virtual_bytes, used, meta, free;
	u64 grain, depth, seq, units, units_total;
};

struct point_row {
	const char *point, *chain, *snapshot, *description, *created, *delta, *parent, *views;
	const char *children, *change_id;
	u64 bytes, depth;
};

struct change_row {
	const char *chain, *id, *kind, *label, *begun, *snapshots, *current;
	u64 number, first;
};

struct range_row {
	u64 epochs, start, bytes;
};

struct store_row {
	const char *path, *chain, *uuid, *state, *reason, *change_id, *created;
	u64 bytes, used, block, virtual_bytes, epochs;
};

/* One report of rows; @as_rows: one field a line. Returns 0 or -errno. */
int report_rows(enum report_kind kind, const char *name, void *rows, u32 nr, size_t each,
		const char *default_fields, bool as_rows);

/* render.c: a JSON object as text, or as it is */
void render(struct json_object *o);
void render_line(struct json_object *o, int indent);

/* chain-ops.c */
int scan(struct redo_set *set);
/* "chain@snap" into two names. */
int split_point(const char *text, char *chain, char *snap);
struct redo_chain *need_chain(struct redo_set *set, const char *name);
/* The change id of one of @c's points, REDO_CHANGE_ID_SIZE bytes. */
int point_id(struct redo_set *set, const struct redo_chain *c, const char *snap, char *id);
/* An answer is not known, since nothing is tracked: what has the user got left? Returns @r. */
int not_known(int r);
/* The live writable table of a chain; -errno with a text when it has none. */
int live_table(const struct redo_chain *c, struct redo_table *t);
int not_open(const char *dm_name, const char *why);
/* Is it a block device? The error says what to do. */
int need_block_device(const char *path);
/*
 * Refuses what would overwrite the chain: its live device @dm_name (NULL: it has none), its
 * base or deltas, and what lies on them.
 */
int refuse_own(const char *device, const char *dm_name, const struct redo_table *t);
/* Asks before something that libblkid knows is overwritten. */
int refuse_signature(const char *path);

/* A new device of @bytes like those that the chain has. */
int make_store(const struct redo_chain *c, const struct redo_table *t, const char *name, u64 bytes,
	       struct redo_store *s);

struct new_delta {
	struct redo_store store;
	struct redo_super sb;
	u64 rdev;
	char chain[REDO_NAME_SIZE];
};

/*
 * A formatted delta for @chain: on @device, or made beside what @c has.
 * @parent: NULL for the base.
 */
int make_delta(const struct redo_set *set, const struct redo_chain *c, const char *chain,
	       const char *snap, const char *description, const struct redo_node *parent,
	       const struct redo_table *t, const char *device, const char *store_name,
	       struct new_delta *d);
/* The step did not happen: what was made goes away again. */
void drop_delta(const struct new_delta *d, const struct redo_node *parent);
/* base + line up to @top (NULL: base alone). */
int table_up_to(const struct redo_set *set, struct redo_node *top, u64 base,
		struct redo_table *t);
/* Is the point there still, now that its device is? Else -ESTALE. */
int still_point(const struct redo_node *point);
/* What was made a moment ago goes again; the error stays the one that there was. */
void drop_device(const char *name);
/* Does nothing change in what the point under @top, a view's or clone's, consists of? */
int still_line(const struct redo_set *set, const struct redo_chain *c, const struct redo_node *top);
/* Where the chain's base is now: the live table's, or found again. */
int base_of(const struct redo_set *set, const struct redo_chain *c, u64 *rdev);
/* What --feature says on top of what is in the list. */
int asked_features(char *list);
/* The list, and force_base where --force or the live table says so, into the table. */
void set_features(const struct redo_chain *c, const char *list, struct redo_table *t);
int keep_features(const struct redo_chain *c, u64 base, const char *list);
int create_chain(const char *name, const struct redo_table *t, bool readonly);
/* Under a name of its own, which it fills in, for as long as an offline merge takes. */
int create_private(const char *chain, const struct redo_table *t, char *name);
int need_device(struct redo_node *n);
int swap_in(const char *name, u64 sectors, const char *features);
int swap_out(const char *name);
int register_chain(const char *name, const char *base, u64 sectors, bool swapped,
		   const char *features);
void remember_deltas(const char *name);
int expect_bare(const struct redo_chain *c, u64 base);
int now_bare(const char *name);

/* A file gets a loop device; in a dry run it stays what it is. */
int attach_file(const char *file, char *dev, size_t size);
/* Of a chain that has deltas and was not in the register. */
int new_entry(const struct redo_chain *c, u64 base, struct redo_reg_entry *e);

/* track.c */
typedef int (*bring_up_fn)(void *ctx, const struct redo_table *t);
/*
 * Has @fn bring up the table as the device @dm_name, with the store of whoever tracks the
 * chain; without one, if that is not there or refused: then it is said, and no error.
 */
int bring_up_tracked(const struct redo_set *set, const struct redo_chain *c, struct redo_table *t,
		     const char *dm_name, bring_up_fn fn, void *ctx);
/* It was tracked, and that has ended without anybody's wish. */
bool tracking_ended(const struct redo_chain *c);
/* @made: the volume or file that was made for the store; NULL: as it was. */
int remember_tracker(const struct redo_chain *c, u64 base, const char *uuid, const char *path,
		     const char *made);
/* Of a live chain, also one that plain dmsetup has given a store. */
int keep_tracker(const struct redo_set *set, const struct redo_chain *c);
/* --block-size */
int block_size_option(u32 *sectors);
int format_tracker(const char *path, u32 block_sectors, u64 virtual_sectors,
		   struct redo_tracker_node *n);
/*
 * The same of a device that the user names, for a disk of @t->sectors: asks where there is
 * something. @dm_name, @t: as for refuse_own.
 */
int prepare_tracker(const char *device, const char *dm_name, const struct redo_table *t,
		    struct redo_tracker_node *n);
/* Does the live device take part in it? @id: where the current epoch began. */
int tracking_began(const char *dm_name, const struct redo_tracker_node *n, char *id);
/* The step did not happen: the device is blank again. The error stays. */
void drop_tracker(const struct redo_tracker_node *n);

/* cmd-cbt-ids.c: a live chain whose changes are tracked */
struct tracked {
	struct redo_set set;
	struct redo_chain *c;
	struct redo_tracker *t;
};

/* To be closed also where it fails. */
int open_tracked(struct tracked *k, const char *name);
void close_tracked(struct tracked *k);
/* What --timeout says. */
int timeout_option(struct redo_tracker_wait *wait);
/* "<uuid>/<n>" or "<chain>@<snap>" */
int resolve_id(struct tracked *k, const char *text, char *id);

/* holders.c */
struct merge_range {
	const struct redo_chain *c;
	struct redo_node *lo, *hi;	/* what is carried down; of one line */
	struct redo_node *target;	/* NULL: the base */
	struct redo_node *next;		/* of the chain's own line, on top of @hi; may be NULL */
	u64 base;
	char base_path[REDO_TEXT_MAX];
};

/* 0, or an error that names who stands on the target, or on what goes. */
int refuse_holders(const struct redo_set *set, const struct merge_range *m, const char *what);
/* Was there ever another one, who may be on a device that was not looked at? */
bool marked_shared(const struct merge_range *m);

/* release.c */
/* Of its volume or file; "": it is neither. */
const char *store_basename(const struct redo_store *s);
/* @gone: it names no point any more. */
int retire(const struct redo_node *n, bool gone);
/*
 * Wipes the device as asked, removes it if the tool has made it and may; @blank: at
 * least its header goes. Refused where there is a delta that is not retired.
 */
int release_device(const struct redo_node *n, bool blank);
int check_wipe(const struct redo_node *n);

/* merge.c */
struct merge_job {
	const struct redo_set *set;
	struct redo_chain *c;
	char dm_name[REDO_NAME_SIZE];
	bool private;			/* active for the merge only */
	struct redo_node gone[2 * REDO_MAX_DELTAS];	/* released at the end */
	u32 nr_gone;
};

bool merge_at_work(const struct redo_merge_status *m);
int merge_percent(const struct redo_merge_status *m);
/* A delta of the chain of which the disks say that a merge has begun; NULL: none. */
struct redo_node *merge_begun(const struct redo_set *set, const struct redo_chain *c);
/* 0, or -EBUSY while deltas of it are being merged. */
int refuse_merging(const struct redo_set *set, const struct redo_chain *c, const char *why);
/* Where the chain is active; if it is not, as a device of its own. */
int merge_bring_up(struct merge_job *job, u64 base);
/* It did not begin: take that device away. Keeps the error's text. */
void merge_give_up(const struct merge_job *job);
void merge_will_go(struct merge_job *job, const struct redo_node *n);
/* Until its end or a signal. */
int merge_watch(const struct merge_job *job);
/* The table without what has gone, whose devices are then released. */
int merge_settle(const struct merge_job *job);
int merge_settle_dropped(const struct merge_job *job);
/* Both, or with --background a process that does. */
int merge_finish(const struct merge_job *job);

/* point-view.c */
struct point_view {
	char name[REDO_NAME_SIZE];	/* of the dm device */
	char path[REDO_TEXT_MAX];
	u64 sectors;
	int fd;				/* O_DIRECT */
	bool ours;			/* goes when it is closed */
};

/* A read-only device of the point that @point names: one that is there, or a new one. */
int point_view_open(const struct redo_set *set, const struct redo_chain *c,
		    const struct redo_node *point, struct point_view *v);
void point_view_close(struct point_view *v);

/* readahead.c */
struct byte_range {
	u64 start, end;
};

struct read_ahead;

/* NULL with a text. @range is the caller's, and stays. */
struct read_ahead *read_ahead_start(int fd, const struct byte_range *range, u64 nr);
/* The next piece, valid until read_ahead_done(); @len 0: the end. -errno of reading @offset. */
int read_ahead_next(struct read_ahead *ra, const void **buf, u64 *offset, size_t *len);
void read_ahead_done(struct read_ahead *ra);
void read_ahead_stop(struct read_ahead *ra);

/* outfile.c */
struct outfile {
	char name[REDO_TEXT_MAX];
	char part[REDO_TEXT_MAX + 8];	/* what it is called until it is whole; "": is no file */
	int fd;
};

/* NULL or "-": standard output, and what is said goes to stderr from now on. */
int outfile_open(const char *path, struct outfile *o);
int outfile_write(void *outfile, const void *buf, size_t len);
int outfile_keep(struct outfile *o);
/* Without outfile_keep() before, nothing is left of it. */
void outfile_drop(struct outfile *o);

/* copy.c */
int copy_device(const char *from, const char *to);

/* The commands */
int cmd_format(const struct command *c, int argc, char **argv);
int cmd_init(const struct command *c, int argc, char **argv);
int cmd_activate(const struct command *c, int argc, char **argv);
int cmd_deactivate(const struct command *c, int argc, char **argv);
int cmd_snapshot(const struct command *c, int argc, char **argv);
int cmd_revert(const struct command *c, int argc, char **argv);
int cmd_view(const struct command *c, int argc, char **argv);
int cmd_clone(const struct command *c, int argc, char **argv);
int cmd_list(const struct command *c, int argc, char **argv);
int cmd_tree(const struct command *c, int argc, char **argv);
int cmd_show(const struct command *c, int argc, char **argv);
int cmd_check(const struct command *c, int argc, char **argv);
int cmd_dump(const struct command *c, int argc, char **argv);
int cmd_delete(const struct command *c, int argc, char **argv);
int cmd_consolidate(const struct command *c, int argc, char **argv);
int cmd_backup(const struct command *c, int argc, char **argv);
int cmd_restore(const struct command *c, int argc, char **argv);
int cmd_cbt_enable(const struct command *c, int argc, char **argv);
int cmd_cbt_disable(const struct command *c, int argc, char **argv);
int cmd_cbt_mark(const struct command *c, int argc, char **argv);
int cmd_cbt_list(const struct command *c, int argc, char **argv);
int cmd_cbt_query(const struct command *c, int argc, char **argv);
int cmd_cbt_export(const struct command *c, int argc, char **argv);
int cmd_cbt_drop(const struct command *c, int argc, char **argv);
int cmd_grow(const struct command *c, int argc, char **argv);

#endif /* TOOL_H */
