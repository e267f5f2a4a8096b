// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup list, show */
#include "rows.h"

#define CHAIN_FIELDS	"chain,size,deltas,active,state,snapshots"
#define CHAIN_ALL	"chain,size,state,dm_name,base,deltas,active,used,space,mode,snapshots,views,features,merge,lost,consolidation,tracking,change_id,store,problem"
#define DELTA_FIELDS	"delta,chain,snapshot,state,role,size,used,depth,created"
#define DELTA_ALL	"delta,uuid,state,role,chain,snapshot,description,created,sealed,host,size,free,units,units_total,used,meta,grain,virtual_size,depth,seq,parent_uuid,tree_uuid,base,merge,merge_uuid,tracker_uuid,tracker_epoch,tracker_sealed"
#define POINT_ALL	"point,chain,snapshot,description,created,size,depth,delta,parent,children,views,change_id"

#define STORE_ALL	"store,chain,uuid,state,reason,change_id,epochs,size,used,block,virtual_size,created"

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (!strcmp(name, argv[i]))
			return true;
	return !argc;
}

/* For people: not a script that has asked for certain fields. */
static bool plain(void)
{
	return !opts.json && !opts.fields && !opts.noheadings;
}

/* Why it cannot be activated, which goes to stderr. */
static const char *problem_of(const struct redo_set *set, const char *name)
{
	const struct redo_chain *c = redo_find_chain(set, name);

	return c ? c->problem : "";
}

static int list_chains(struct redo_set *set, int argc, char **argv)
{
	struct chain_row *rows = calloc(set->nr_chains + 1, sizeof(*rows));
	u32 nr = 0;
	int r;

	if (!rows)
		return redo_err(ENOMEM, "out of memory");
	if (!opts.sort)
		opts.sort = "chain";
	for (u32 i = 0; i < set->nr_chains; i++)
		if (wanted(set->chain[i].name, argc, argv))
			chain_row_of(set, &set->chain[i], &rows[nr++]);
	r = report_rows(REPORT_CHAIN, "chain", rows, nr, sizeof(*rows), CHAIN_FIELDS, false);
	for (u32 i = 0; !r && plain() && i < nr; i++)
		if (*rows[i].consolidation)
			say("%s: consolidation needed: %s", rows[i].chain, rows[i].consolidation);
	for (u32 i = 0; !r && plain() && i < nr; i++)
		if (*rows[i].problem && strcmp(rows[i].problem, problem_of(set, rows[i].chain)))
			say("%s: %s", rows[i].chain, rows[i].problem);
	free(rows);
	return r;
}

static int list_deltas(struct redo_set *set, int argc, char **argv)
{
	struct delta_row *rows = calloc(set->nr_nodes + 1, sizeof(*rows));
	u32 nr = 0;
	int r;

	if (!rows)
		return redo_err(ENOMEM, "out of memory");
	if (!opts.sort)
		opts.sort = "chain,depth,seq";
	for (u32 i = 0; i < set->nr_nodes; i++)
		if (wanted(set->node[i].chain, argc, argv))
			delta_row_of(set, &set->node[i], &rows[nr++]);
	r = report_rows(REPORT_DELTA, "delta", rows, nr, sizeof(*rows), DELTA_FIELDS, false);
	free(rows);
	return r;
}

int cmd_list(const struct command *c __unused, int argc, char **argv)
{
	struct redo_set set;
	int r = scan(&set);

	if (r)
		return r;
	for (int i = 0; !r && i < argc; i++)
		if (!need_chain(&set, argv[i]))
			r = -ENOENT;
	if (!r)
		r = opts.deltas ? list_deltas(&set, argc, argv) : list_chains(&set, argc, argv);
	if (!r && !opts.json && !opts.deltas)
		for (u32 i = 0; i < set.nr_chains; i++)
			if (set.chain[i].problem[0] && !set.chain[i].dm_name[0] &&
			    wanted(set.chain[i].name, argc, argv))
				fprintf(stderr, "redosetup: %s: %s\n", set.chain[i].name,
					set.chain[i].problem);
	free_texts();
	redo_set_free(&set);
	return r;
}

/* show ----------------------------------------------------------------------- */

static int show_chain(struct redo_set *set, const char *name)
{
	const struct redo_chain *c = need_chain(set, name);
	struct chain_row row;

	if (!c)
		return -ENOENT;
	chain_row_of(set, c, &row);
	return report_rows(REPORT_CHAIN, "chain", &row, 1, sizeof(row), CHAIN_ALL, true);
}

static int show_point(struct redo_set *set, const char *name)
{
	char chain[REDO_NAME_SIZE], snap[REDO_NAME_SIZE];
	const struct redo_chain *c;
	const struct redo_node *n;
	struct point_row row;
	int r = split_point(name, chain, snap);

	if (r)
		return r;
	c = need_chain(set, chain);
	n = c ? redo_find_point(set, c, snap) : NULL;
	if (!n)
		return -ENOENT;
	point_row_of(set, n, &row);
	return report_rows(REPORT_POINT, "snapshot", &row, 1, sizeof(row), POINT_ALL, true);
}

static int show_store(struct redo_set *set, const char *path)
{
	struct redo_tracker_node n;
	struct store_row row;
	int r = redo_probe_tracker(path, &n);

	if (r == -ENODATA)
		return redo_err(ENODATA, "%s: neither a delta nor a tracking store", path);
	if (r)
		return r;
	store_row_of(set, &n, &row);
	return report_rows(REPORT_STORE, "store", &row, 1, sizeof(row), STORE_ALL, true);
}

static int show_delta(struct redo_set *set, const char *path)
{
	struct redo_node n, *known;
	struct delta_row row;
	int r = redo_probe_node(path, &n);

	if (r == -ENODATA)
		return show_store(set, path);
	if (r)
		return r;
	known = redo_find_rdev(set, n.rdev);
	if (!known)
		redo_copy(n.chain, n.label.chain_name, sizeof(n.chain));
	delta_row_of(known ? set : NULL, known ? known : &n, &row);
	return report_rows(REPORT_DELTA, "delta", &row, 1, sizeof(row), DELTA_ALL, true);
}

int cmd_show(const struct command *c __unused, int argc __unused, char **argv)
{
	struct redo_set set;
	int r = scan(&set);

	if (r)
		return r;
	if (strchr(argv[0], '/'))
		r = show_delta(&set, argv[0]);
	else if (strchr(argv[0], '@'))
		r = show_point(&set, argv[0]);
	else
		r = show_chain(&set, argv[0]);
	free_texts();
	redo_set_free(&set);
	return r;
}
