// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup check */
#include "tool.h"

#define LINES_PER_DELTA	50

struct run {
	const char *path;
	struct progress progress;
	struct redo_check_result res;
	u64 shown;
	struct json_object *problems, *notes;
};

static void on_problem(void *ctx, const char *text)
{
	struct run *run = ctx;

	if (run->problems)
		json_object_array_add(run->problems, json_object_new_string(text));
	else if (run->shown++ < LINES_PER_DELTA)
		printf("%s: %s\n", run->path, text);
}

static void on_note(void *ctx, const char *text)
{
	struct run *run = ctx;

	if (run->notes)
		json_object_array_add(run->notes, json_object_new_string(text));
	else
		verbose("%s: note: %s", run->path, text);
}

static void on_progress(void *ctx, u64 done, u64 total)
{
	struct run *run = ctx;

	progress_show(&run->progress, done, total);
}

static struct json_object *summary_json(const struct run *run)
{
	const struct redo_check_result *res = &run->res;
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "delta", json_object_new_string(run->path));
	json_object_object_add(o, "clean", json_object_new_boolean(!res->problems));
	json_object_object_add(o, "map_leaves", json_object_new_int64(res->map_leaves));
	json_object_object_add(o, "map_blocks", json_object_new_int64(res->map_blocks));
	json_object_object_add(o, "alloc_blocks", json_object_new_int64(res->alloc_blocks));
	json_object_object_add(o, "data_grains", json_object_new_int64(res->data_grains));
	json_object_object_add(o, "journal_commits", json_object_new_int64(res->journal_commits));
	json_object_object_add(o, "journal_records", json_object_new_int64(res->journal_records));
	json_object_object_add(o, "problems", run->problems);
	json_object_object_add(o, "notes", run->notes);
	return o;
}

static void summary(const struct run *run)
{
	const struct redo_check_result *res = &run->res;

	if (run->shown > LINES_PER_DELTA)
		printf("%s: ... and %llu more\n", run->path,
		       (unsigned long long)(run->shown - LINES_PER_DELTA));
	printf("%s: %s", run->path, res->problems ? "DAMAGED" : "clean");
	if (res->journal_commits)
		printf(", %llu commits to be replayed", (unsigned long long)res->journal_commits);
	printf(" (%llu problems; %llu map leaves, %llu metadata blocks, %llu data grains)\n",
	       (unsigned long long)res->problems, (unsigned long long)res->map_leaves,
	       (unsigned long long)(res->map_blocks + res->alloc_blocks),
	       (unsigned long long)res->data_grains);
}

/* A tracking store. */
static struct json_object *store_json(const struct run *run,
				      const struct redo_cbt_check_result *res)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "store", json_object_new_string(run->path));
	json_object_object_add(o, "clean", json_object_new_boolean(!res->problems));
	json_object_object_add(o, "records", json_object_new_int64(res->records));
	json_object_object_add(o, "blocks", json_object_new_int64(res->blocks));
	json_object_object_add(o, "journal_blocks", json_object_new_int64(res->journal_blocks));
	json_object_object_add(o, "marks", json_object_new_int64(res->marks));
	json_object_object_add(o, "ended", res->ended ? json_object_new_string(res->ended) : NULL);
	json_object_object_add(o, "problems", run->problems);
	json_object_object_add(o, "notes", run->notes);
	return o;
}

static void store_summary(const struct run *run, const struct redo_cbt_check_result *res)
{
	if (run->shown > LINES_PER_DELTA)
		printf("%s: ... and %llu more\n", run->path,
		       (unsigned long long)(run->shown - LINES_PER_DELTA));
	printf("%s: tracking store: %s", run->path, res->problems ? "DAMAGED" : "clean");
	if (res->journal_blocks)
		printf(", %llu journal blocks to be replayed",
		       (unsigned long long)res->journal_blocks);
	if (res->ended)
		printf(", but tracking has ended: %s", res->ended);
	printf(" (%llu problems; %llu records, %llu blocks)\n", (unsigned long long)res->problems,
	       (unsigned long long)res->records, (unsigned long long)res->blocks);
}

static int check_store(struct run *run, const struct redo_file *f,
		       const struct redo_check_ops *ops, struct json_object *out)
{
	struct redo_cbt_check_result res;
	int r = redo_cbt_check(&f->io, ops, &res);

	run->res.problems = res.problems;
	if (r)
		return r;
	if (out)
		json_object_array_add(out, store_json(run, &res));
	else
		store_summary(run, &res);
	return 0;
}

static int open_delta(struct redo_file *f, const char *path)
{
	int r = redo_file_open(f, path, opts.force ? 0 : REDO_OPEN_EXCL);

	if (r == -EBUSY)
		return redo_err(EBUSY, "%s: in use; deactivate its chain first (--force checks it all the same, and finds changes under way)",
				path);
	return r;
}

/* What cannot be begun is said before the terminal is let go. */
static int can_open(const char **paths, u32 nr)
{
	int r = 0;

	for (u32 i = 0; !r && i < nr; i++) {
		struct redo_file f;

		r = open_delta(&f, paths[i]);
		if (!r)
			redo_file_close(&f);
	}
	return r;
}

static int check_one(const char *path, struct json_object *out, u64 *problems)
{
	struct run run = { .path = path };
	struct redo_check_ops ops = {
		.ctx = &run, .problem = on_problem, .note = on_note, .progress = on_progress,
	};
	struct redo_cbt_super cbt;
	struct redo_super sb;
	bool store = false;
	struct redo_file f;
	int r = open_delta(&f, path);

	if (!r && redo_read_super(&f.io, path, &sb) == -ENODATA) {
		store = true;
		if (redo_cbt_read_super(&f.io, path, &cbt) == -ENODATA) {
			redo_file_close(&f);
			return redo_err(ENODATA, "%s: not a delta, nor a tracking store", path);
		}
	}
	if (r)
		return r;
	if (out) {
		run.problems = json_object_new_array();
		run.notes = json_object_new_array();
	}
	progress_start(&run.progress, path);
	r = store ? check_store(&run, &f, &ops, out) : redo_check_image(&f.io, &ops, &run.res);
	progress_end(&run.progress, true);
	redo_file_close(&f);
	*problems += run.res.problems;
	if (r) {
		json_object_put(run.problems);
		json_object_put(run.notes);
		return r;
	}
	if (store)
		return 0;
	if (out)
		json_object_array_add(out, summary_json(&run));
	else
		summary(&run);
	return 0;
}

/* Links between those of the deltas named that can be read at all. */
static void check_links(const char **paths, u32 nr, struct json_object *out, u64 *problems)
{
	struct redo_node *n = calloc(nr, sizeof(*n));
	struct run run = { .problems = out };
	struct redo_check_ops ops = { .ctx = &run, .problem = on_problem };
	u32 have = 0;

	/* The line names both devices itself. */
	run.path = "link";
	for (u32 i = 0; n && i < nr; i++)
		if (!redo_probe_node(paths[i], &n[have]))
			have++;
	for (u32 i = 0; i < have; i++) {
		for (u32 k = 0; k < have; k++) {
			if (i == k)
				continue;
			if (redo_uuid_eq(n[i].sb.parent_uuid, n[k].sb.uuid))
				*problems += redo_check_link(&n[i].sb, n[i].path, &n[k].sb,
							     n[k].path, &ops);
			if (i < k && redo_uuid_eq(n[i].sb.uuid, n[k].sb.uuid)) {
				char text[2 * REDO_TEXT_MAX + 64];

				snprintf(text, sizeof(text), "%s and %s are the same delta",
					 n[i].path, n[k].path);
				on_problem(&run, text);
				(*problems)++;
			}
		}
	}
	free(n);
}

static int check_all(const char **paths, u32 nr)
{
	struct json_object *root = NULL, *list = NULL, *links = NULL;
	u64 problems = 0;
	int r = opts.background ? can_open(paths, nr) : 0;

	if (!r)
		r = to_background("the check");
	if (r)
		return r;
	if (opts.json) {
		root = json_object_new_object();
		list = json_object_new_array();
		links = json_object_new_array();
		json_object_object_add(root, "check", list);
		json_object_object_add(root, "links", links);
	}
	for (u32 i = 0; !r && i < nr; i++)
		r = check_one(paths[i], list, &problems);
	if (!r)
		check_links(paths, nr, links, &problems);
	if (root && !r)
		render(root);
	json_object_put(root);
	return r ? r : problems ? RESULT_PROBLEMS : 0;
}

/* All deltas that a chain's name stands on, branches included, and its tracking store. */
static int check_chain(const char *name)
{
	struct redo_set set;
	struct redo_chain *c;
	const struct redo_tracker_node *store;
	u8 uuid[REDO_UUID_SIZE];
	const char **paths;
	u32 nr = 0, nr_stores;
	int r = scan(&set);

	if (r)
		return r;
	c = need_chain(&set, name);
	paths = calloc(set.nr_nodes + 2, sizeof(*paths));
	if (!c || !paths) {
		r = c ? redo_err(ENOMEM, "out of memory") : -ENOENT;
		goto out;
	}
	for (u32 depth = 0; depth < REDO_MAX_DELTAS; depth++)
		for (u32 i = 0; i < set.nr_nodes; i++)
			if (set.node[i].below == depth &&
			    (!strcmp(set.node[i].chain, c->name) ||
			     redo_is_ancestor(&set.node[i], c->present)))
				paths[nr++] = set.node[i].path;
	if (nr && redo_chain_tracker(c, uuid) && (store = redo_find_tracker(&set, uuid, &nr_stores)))
		paths[nr++] = store->path;
	if (c->dm_name[0] && !opts.force)
		r = redo_err(EBUSY, "%s: is active; 'redosetup deactivate %s' first (--force checks it all the same, and finds changes under way)",
			     name, c->name);
	else if (!nr)
		r = redo_err(ENOENT, "%s: has no delta", name);
	else
		r = check_all(paths, nr);
out:
	free(paths);
	redo_set_free(&set);
	return r;
}

int cmd_check(const struct command *c, int argc, char **argv)
{
	if (opts.background && opts.json)
		return usage_error(c, "--background writes lines to the system log, and no JSON");
	if (argc == 1 && !strchr(argv[0], '/') && redo_name_valid(argv[0])) {
		struct redo_file f;

		/* A file of the working directory goes before a chain's name. */
		if (redo_file_open(&f, argv[0], 0))
			return check_chain(argv[0]);
		redo_file_close(&f);
	}
	return check_all((const char **)argv, (u32)argc);
}
