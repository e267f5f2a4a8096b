// SPDX-License-Identifier: GPL-2.0-or-later
/* Reports in lvs' manner: -o, --sort, --select, JSON; by libdevmapper's report API. */
#include <libdevmapper.h>
#include <stdarg.h>
#include <stddef.h>
#include "tool.h"

static void *self(void *row)
{
	return row;
}

static const struct dm_report_object_type types[] = {
	{ REPORT_CHAIN, "Chain", "", self },
	{ REPORT_DELTA, "Delta", "", self },
	{ REPORT_POINT, "Snapshot", "", self },
	{ REPORT_CHANGE, "Change", "", self },
	{ REPORT_RANGE, "Range", "", self },
	{ REPORT_STORE, "Store", "", self },
	{ 0, "", "", NULL },
};

/* libdevmapper escapes quotes for JSON, but not the escape character itself. */
static int show_escaped(struct dm_report *rh, struct dm_pool *mem,
			struct dm_report_field *field, const char *text)
{
	char *copy = dm_pool_alloc(mem, 2 * strlen(text) + 1), *p = copy;
	const char *const *pp = (const char *const *)&copy;

	if (!copy)
		return 0;
	for (; *text; text++) {
		if (*text == '\\')
			*p++ = '\\';
		*p++ = *text;
	}
	*p = '\0';
	return dm_report_field_string(rh, field, pp);
}

static int show_string(struct dm_report *rh, struct dm_pool *mem,
		       struct dm_report_field *field, const void *data, void *private __unused)
{
	static const char *const none = "";
	const char *const *text = data;

	if (opts.json && *text && strchr(*text, '\\'))
		return show_escaped(rh, mem, field, *text);
	return dm_report_field_string(rh, field, *text ? text : &none);
}

static int show_u32(struct dm_report *rh, struct dm_pool *mem __unused,
		    struct dm_report_field *field, const void *data, void *private __unused)
{
	return dm_report_field_uint32(rh, field, data);
}

static int show_u64(struct dm_report *rh, struct dm_pool *mem __unused,
		    struct dm_report_field *field, const void *data, void *private __unused)
{
	return dm_report_field_uint64(rh, field, data);
}

/* Sorted and selected by sectors, as libdevmapper's size fields are. */
static int show_size(struct dm_report *rh __unused, struct dm_pool *mem,
		     struct dm_report_field *field, const void *data, void *private __unused)
{
	u64 bytes;
	double *sectors = dm_pool_alloc(mem, sizeof(*sectors));
	char text[64], *copy;

	memcpy(&bytes, data, sizeof(bytes));
	format_size(bytes, opts.units, text, sizeof(text));
	copy = dm_pool_strdup(mem, text);
	if (!sectors || !copy)
		return 0;
	*sectors = (double)bytes / 512;
	dm_report_field_set_value(field, copy, sectors);
	return 1;
}

#define STR	DM_REPORT_FIELD_TYPE_STRING
/* No alignment beside these: selection compares the flags as a whole. */
#define NUM	DM_REPORT_FIELD_TYPE_NUMBER
#define SIZ	DM_REPORT_FIELD_TYPE_SIZE

#define CHAIN(id, head, type, member, fn, desc) \
	{ REPORT_CHAIN, type, offsetof(struct chain_row, member), sizeof(head) - 1, id, head, fn, desc }
#define DELTA(id, head, type, member, fn, desc) \
	{ REPORT_DELTA, type, offsetof(struct delta_row, member), sizeof(head) - 1, id, head, fn, desc }
#define POINT(id, head, type, member, fn, desc) \
	{ REPORT_POINT, type, offsetof(struct point_row, member), sizeof(head) - 1, id, head, fn, desc }

#define CHANGE(id, head, type, member, fn, desc) \
	{ REPORT_CHANGE, type, offsetof(struct change_row, member), sizeof(head) - 1, id, head, fn, desc }
#define RANGE(id, head, type, member, fn, desc) \
	{ REPORT_RANGE, type, offsetof(struct range_row, member), sizeof(head) - 1, id, head, fn, desc }
#define STORE(id, head, type, member, fn, desc) \
	{ REPORT_STORE, type, offsetof(struct store_row, member), sizeof(head) - 1, id, head, fn, desc }

static const struct dm_report_field_type chain_fields[] = {
	CHAIN("chain", "Chain", STR, chain, show_string, "Name of the chain."),
	CHAIN("size", "Size", SIZ, bytes, show_size, "Size of the virtual disk."),
	CHAIN("deltas", "Deltas", NUM, deltas, show_u32, "Deltas of the present state."),
	CHAIN("active", "Active", STR, active, show_string, "Device of the active delta."),
	CHAIN("state", "State", STR, state, show_string, "inactive, active, suspended or read-only."),
	CHAIN("snapshots", "Snapshots", STR, snapshots, show_string, "Names of the snapshot points."),
	CHAIN("base", "Base", STR, base, show_string, "The base device."),
	CHAIN("used", "Used", SIZ, used, show_size, "Space taken in the active delta."),
	CHAIN("space", "Space", STR, space, show_string, "Space state of a live chain."),
	CHAIN("mode", "Mode", STR, mode, show_string, "Mode of a live chain."),
	CHAIN("dm_name", "DMName", STR, dm_name, show_string, "Device-mapper name of a live chain."),
	CHAIN("views", "Views", STR, views, show_string, "Names of its live views."),
	CHAIN("features", "Features", STR, features, show_string,
	      "Features of the live table, or kept for the next one."),
	CHAIN("merge", "Merge", STR, merge, show_string,
	      "State of its merge: how far, at what rate, time left."),
	CHAIN("lost", "Lost", STR, lost, show_string, "Snapshot points that are being deleted."),
	CHAIN("consolidation", "Consolidation", STR, consolidation, show_string,
	      "Why it wants to be consolidated: a merge not over, deltas left over."),
	CHAIN("tracking", "Tracking", STR, tracking, show_string,
	      "Of changes: off, ok, rebuilding, broken, missing (its store) or ended; inactive: recorded."),
	CHAIN("change_id", "ChangeID", STR, change_id, show_string, "Change id of the current epoch."),
	CHAIN("store", "Store", STR, store, show_string, "Device of the tracking store."),
	CHAIN("problem", "Problem", STR, problem, show_string,
	      "Why it cannot be activated, or its changes are not tracked any more."),
	{ 0, 0, 0, 0, "", "", NULL, NULL },
};

static const struct dm_report_field_type delta_fields[] = {
	DELTA("delta", "Delta", STR, path, show_string, "Device or file of the delta."),
	DELTA("chain", "Chain", STR, chain, show_string, "Chain that it belongs to."),
	DELTA("snapshot", "Snapshot", STR, snapshot, show_string, "Snapshot point that it is on top of."),
	DELTA("state", "State", STR, state, show_string, "new, active, sealed or retired."),
	DELTA("role", "Role", STR, role, show_string, "present, part (of a present state), branch, free or holder (of a name)."),
	DELTA("size", "Size", SIZ, bytes, show_size, "Size of the device."),
	DELTA("used", "Used", SIZ, used, show_size, "Data in the delta."),
	DELTA("meta", "Meta", SIZ, meta, show_size, "Metadata in the delta, journal included."),
	DELTA("free", "Free", SIZ, free, show_size, "Units of the device that were not taken yet."),
	DELTA("units", "Units", NUM, units, show_u64, "Units taken."),
	DELTA("units_total", "UnitsTotal", NUM, units_total, show_u64, "Units that the device holds."),
	DELTA("grain", "Grain", SIZ, grain, show_size, "Size of a grain."),
	DELTA("virtual_size", "VSize", SIZ, virtual_bytes, show_size, "Size of the virtual disk."),
	DELTA("depth", "Depth", NUM, depth, show_u64, "Deltas below this one."),
	DELTA("seq", "Seq", NUM, seq, show_u64, "Order of making within the tree."),
	DELTA("created", "Created", STR, created, show_string, "Time of formatting."),
	DELTA("sealed", "Sealed", STR, sealed, show_string, "Time of sealing."),
	DELTA("description", "Description", STR, description, show_string, "Description of the snapshot."),
	DELTA("merge", "Merge", STR, merge, show_string,
	      "What a merge has made of it: into, taken, base, base_all, base_taken, base_all_taken, gone."),
	DELTA("merge_uuid", "MergeUUID", STR, merge_uuid, show_string,
	      "UUID of the topmost delta that is merged."),
	DELTA("host", "Host", STR, host, show_string, "Host that formatted it."),
	DELTA("base", "Base", STR, base, show_string, "Where the base was seen last."),
	DELTA("tracker_uuid", "TrackerUUID", STR, tracker_uuid, show_string, "UUID of who tracks its changes."),
	DELTA("tracker_epoch", "TrackerEpoch", NUM, tracker_epoch, show_u64,
	      "Epoch that began when it became the active one; 0: not known."),
	DELTA("tracker_sealed", "TrackerSealed", NUM, tracker_sealed, show_u64,
	      "Epoch that began when it was sealed; 0: not known."),
	DELTA("uuid", "UUID", STR, uuid, show_string, "UUID of the delta."),
	DELTA("parent_uuid", "ParentUUID", STR, parent, show_string, "UUID of the delta below; empty over the base."),
	DELTA("tree_uuid", "TreeUUID", STR, tree, show_string, "UUID that all deltas over one base share."),
	{ 0, 0, 0, 0, "", "", NULL, NULL },
};

static const struct dm_report_field_type point_fields[] = {
	POINT("point", "Point", STR, point, show_string, "Chain and snapshot."),
	POINT("chain", "Chain", STR, chain, show_string, "Name of the chain."),
	POINT("snapshot", "Snapshot", STR, snapshot, show_string, "Name of the snapshot."),
	POINT("size", "Size", SIZ, bytes, show_size, "Size of the virtual disk."),
	POINT("depth", "Depth", NUM, depth, show_u64, "Deltas that make up its content."),
	POINT("created", "Created", STR, created, show_string, "When it was taken."),
	POINT("description", "Description", STR, description, show_string, "Description."),
	POINT("delta", "Delta", STR, delta, show_string, "Delta on top of it, which keeps its name."),
	POINT("parent", "Parent", STR, parent, show_string, "Topmost delta of its content; empty: the base."),
	POINT("children", "Children", STR, children, show_string, "All deltas on top of it."),
	POINT("change_id", "ChangeID", STR, change_id, show_string, "Change id of its moment; empty: was not tracked."),
	POINT("views", "Views", STR, views, show_string, "Names of its live views."),
	{ 0, 0, 0, 0, "", "", NULL, NULL },
};

static const struct dm_report_field_type change_fields[] = {
	CHANGE("id", "ChangeID", STR, id, show_string, "The change id."),
	CHANGE("chain", "Chain", STR, chain, show_string, "Name of the chain."),
	CHANGE("number", "Number", NUM, number, show_u64, "Number of the epoch that began with it."),
	CHANGE("first", "First", NUM, first, show_u64,
	       "Less than the number: epochs from there on are one with it."),
	CHANGE("begun", "Begun", STR, begun, show_string, "When."),
	CHANGE("kind", "Kind", STR, kind, show_string, "What it began with: enable, mark, snapshot, revert, grow."),
	CHANGE("label", "Label", STR, label, show_string, "Label of the mark."),
	CHANGE("snapshots", "Snapshots", STR, snapshots, show_string, "Snapshots whose moment it is."),
	CHANGE("current", "Current", STR, current, show_string, "\"current\" for the epoch that takes marks now."),
	{ 0, 0, 0, 0, "", "", NULL, NULL },
};

static const struct dm_report_field_type range_fields[] = {
	RANGE("epochs", "Epochs", NUM, epochs, show_u64, "In how many epochs it has changed."),
	RANGE("offset", "Offset", NUM, start, show_u64, "Where it begins, in bytes."),
	RANGE("length", "Length", NUM, bytes, show_u64, "Its length, in bytes."),
	RANGE("size", "Size", SIZ, bytes, show_size, "Its length."),
	{ 0, 0, 0, 0, "", "", NULL, NULL },
};

static const struct dm_report_field_type store_fields[] = {
	STORE("store", "Store", STR, path, show_string, "Device or file of the tracking store."),
	STORE("chain", "Chain", STR, chain, show_string, "Chain that it belongs to; empty: none."),
	STORE("uuid", "UUID", STR, uuid, show_string, "UUID of the tracker."),
	STORE("state", "State", STR, state, show_string, "clean, open (in use, or not closed) or broken."),
	STORE("reason", "Reason", STR, reason, show_string, "Why it is broken."),
	STORE("change_id", "ChangeID", STR, change_id, show_string, "Change id of the current epoch."),
	STORE("epochs", "Epochs", NUM, epochs, show_u64, "Records in its table."),
	STORE("size", "Size", SIZ, bytes, show_size, "Size of the device."),
	STORE("used", "Used", SIZ, used, show_size, "Bitmaps in it."),
	STORE("block", "Block", SIZ, block, show_size, "What a bit stands for."),
	STORE("virtual_size", "VSize", SIZ, virtual_bytes, show_size, "Size of the virtual disk."),
	STORE("created", "Created", STR, created, show_string, "Time of formatting."),
	{ 0, 0, 0, 0, "", "", NULL, NULL },
};

static const struct dm_report_field_type *fields_of(enum report_kind kind)
{
	switch (kind) {
	case REPORT_CHANGE:
		return change_fields;
	case REPORT_RANGE:
		return range_fields;
	case REPORT_STORE:
		return store_fields;
	case REPORT_CHAIN:
		return chain_fields;
	case REPORT_DELTA:
		return delta_fields;
	default:
		return point_fields;
	}
}

/* "+field" adds to the default, as in lvs. */
static char *field_list(const char *default_fields)
{
	char *list = NULL;

	if (!opts.fields)
		return strdup(default_fields);
	if (opts.fields[0] != '+')
		return strdup(opts.fields);
	return asprintf(&list, "%s,%s", default_fields, opts.fields + 1) < 0 ? NULL : list;
}

/*
 * libdevmapper prints through its log: what goes to stdout and its lists of
 * fields both as warnings. The lists are wanted when help was asked for; of a
 * refusal the first line is enough.
 */
#define LOG_ERR		3
#define LOG_WARN	4
#define LOG_STDERR	0x80

static char refusal[256];
static bool want_help;
static const struct dm_report_field_type *row_fields;	/* one field a line; else NULL */

/* A line of columns-as-rows comes as "Heading value": make two columns of it. */
static void print_row(const char *line)
{
	for (const struct dm_report_field_type *f = row_fields; f->id[0]; f++) {
		size_t len = strlen(f->heading);

		if (!strncmp(line, f->heading, len) && line[len] == ' ') {
			printf("%-12s %s\n", f->heading, line + len + 1);
			return;
		}
	}
	puts(line);
}

__attribute__((format(printf, 5, 6)))
static void on_log(int level, const char *file __unused, int line __unused,
		   int err_or_class __unused, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if ((level & 7) <= LOG_ERR && !refusal[0]) {
		vsnprintf(refusal, sizeof(refusal), fmt, ap);
	} else if ((level & 7) == LOG_WARN && (want_help || !(level & LOG_STDERR))) {
		char *text = NULL;

		if (vasprintf(&text, fmt, ap) < 0)
			text = NULL;
		if (text && row_fields && !want_help)
			print_row(text);
		else if (text)
			puts(text);
		free(text);
	}
	va_end(ap);
}

static bool asks_help(const char *text)
{
	return text && (strstr(text, "help") || strchr(text, '?'));
}

static int output(struct dm_report *rh, const char *name, void *rows, u32 nr, size_t each)
{
	struct dm_report_group *group = NULL;
	bool ok = true;

	if (opts.json) {
		group = dm_report_group_create(DM_REPORT_GROUP_JSON, NULL);
		ok = group && dm_report_group_push(group, NULL, (void *)"report") &&
		     dm_report_group_push(group, rh, (void *)name);
	}
	for (u32 i = 0; ok && i < nr; i++)
		ok = dm_report_object(rh, (char *)rows + i * each);
	/* Destroying a group is what prints it. */
	if (group)
		ok = dm_report_group_destroy(group) && ok;
	else if (ok)
		ok = dm_report_output(rh);
	return ok ? 0 : redo_err(EIO, "the report could not be made");
}

int report_rows(enum report_kind kind, const char *name, void *rows, u32 nr, size_t each,
		const char *default_fields, bool as_rows)
{
	static const struct dm_report_reserved_value none[] = { { 0, NULL, NULL, NULL } };
	u32 report_types = kind, flags = DM_REPORT_OUTPUT_BUFFERED | DM_REPORT_OUTPUT_ALIGNED;
	char *fields = field_list(default_fields);
	struct dm_report *rh;
	int r;

	if (!fields)
		return redo_err(ENOMEM, "out of memory");
	if (!opts.noheadings)
		flags |= DM_REPORT_OUTPUT_HEADINGS;
	if (as_rows && !opts.json)
		flags |= DM_REPORT_OUTPUT_COLUMNS_AS_ROWS;
	want_help = asks_help(opts.fields) || asks_help(opts.sort) || asks_help(opts.select);
	refusal[0] = '\0';
	row_fields = as_rows && !opts.json && !opts.noheadings ? fields_of(kind) : NULL;
	dm_log_with_errno_init(on_log);
	rh = dm_report_init_with_selection(&report_types, types, fields_of(kind), fields, " ",
					   flags, opts.sort ? opts.sort : "", opts.select, none,
					   NULL);
	free(fields);
	if (!rh) {
		fprintf(stderr, "redosetup: %s; '-o help' lists the fields\n", refusal);
		return RESULT_USAGE;
	}
	r = output(rh, name, rows, nr, each);
	dm_report_free(rh);
	return r;
}
