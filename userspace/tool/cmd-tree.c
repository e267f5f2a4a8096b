// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * redosetup tree. Points are what people think in: the base's content first,
 * below each point the deltas on top of it, each leading to the next point.
 */
#include "rows.h"

struct drawing {
	const struct redo_set *set;
	char prefix[2 * REDO_MAX_DELTAS * 4 + 64];
};

static int by_seq(const void *a, const void *b)
{
	const struct redo_node *const *na = a, *const *nb = b;
	u64 sa = (*na)->sb.chain_seq, sb = (*nb)->sb.chain_seq;

	return sa < sb ? -1 : sa > sb;
}

/* Deltas on top of @parent (NULL: of tree @tree, over the base or with no parent found). */
static u32 children_of(const struct redo_set *set, const struct redo_node *parent,
		       const u8 *tree, struct redo_node ***list)
{
	u32 nr = 0;

	*list = calloc(set->nr_nodes + 1, sizeof(**list));
	for (u32 i = 0; *list && i < set->nr_nodes; i++) {
		struct redo_node *n = &set->node[i];

		if (n->parent == parent && redo_uuid_eq(n->sb.tree_uuid, tree) && n->counts)
			(*list)[nr++] = n;
	}
	if (*list)
		qsort(*list, nr, sizeof(**list), by_seq);
	return nr;
}

static const struct redo_chain *present_of(const struct redo_set *set, const struct redo_node *n)
{
	for (u32 i = 0; i < set->nr_chains; i++)
		if (set->chain[i].present == n)
			return &set->chain[i];
	return NULL;
}

static void describe(const struct redo_set *set, const struct redo_node *n)
{
	const struct redo_chain *c = present_of(set, n);
	char uuid[REDO_UUID_STR_SIZE];

	if (n->label.snap_name[0])
		printf("%s@%s", n->chain, n->label.snap_name);
	else
		printf("%s (no name)", n->chain);
	if (n->label.description[0])
		printf(" \"%s\"", n->label.description);
	printf("  %s  [%s, %s]", time_text(n->sb.create_time), n->path,
	       redo_state_str(n->sb.state));
	if (n->missing_parent) {
		redo_uuid_str(n->sb.parent_uuid, uuid);
		printf("  PARENT MISSING: %s", uuid);
	}
	if (n->duplicate)
		printf("  DUPLICATE");
	if (n->lost)
		printf("  LOST: the snapshot is being deleted");
	if (c)
		printf("  <== %s is here%s", c->name, c->dm_name[0] ? "" : " (inactive)");
	putchar('\n');
}

static void draw(struct drawing *d, const struct redo_node *parent, const u8 *tree)
{
	struct redo_node **list;
	u32 nr = children_of(d->set, parent, tree, &list);
	size_t len = strlen(d->prefix);

	for (u32 i = 0; i < nr; i++) {
		bool last = i == nr - 1;

		printf("%s%s ", d->prefix, last ? "`-" : "|-");
		describe(d->set, list[i]);
		if (len + 4 < sizeof(d->prefix)) {
			strcpy(d->prefix + len, last ? "   " : "|  ");
			draw(d, list[i], tree);
			d->prefix[len] = '\0';
		}
	}
	free(list);
}

static struct json_object *to_json(const struct redo_set *set, const struct redo_node *parent,
				   const u8 *tree)
{
	struct json_object *a = json_object_new_array();
	struct redo_node **list;
	u32 nr = children_of(set, parent, tree, &list);

	for (u32 i = 0; i < nr; i++) {
		struct json_object *o = json_object_new_object();
		const struct redo_node *n = list[i];
		const struct redo_chain *c = present_of(set, n);
		char uuid[REDO_UUID_STR_SIZE];

		redo_uuid_str(n->sb.uuid, uuid);
		json_object_object_add(o, "chain", json_object_new_string(n->chain));
		json_object_object_add(o, "snapshot", json_object_new_string(n->label.snap_name));
		json_object_object_add(o, "description",
				       json_object_new_string(n->label.description));
		json_object_object_add(o, "created", json_object_new_int64(n->sb.create_time));
		json_object_object_add(o, "delta", json_object_new_string(n->path));
		json_object_object_add(o, "uuid", json_object_new_string(uuid));
		json_object_object_add(o, "state",
				       json_object_new_string(redo_state_str(n->sb.state)));
		json_object_object_add(o, "lost", json_object_new_boolean(n->lost));
		json_object_object_add(o, "missing_parent",
				       json_object_new_boolean(n->missing_parent));
		json_object_object_add(o, "present_of",
				       c ? json_object_new_string(c->name) : NULL);
		json_object_object_add(o, "children", to_json(set, n, tree));
		json_object_array_add(a, o);
	}
	free(list);
	return a;
}

/* Each tree once, named by the chains in it that were asked for. */
static bool tree_wanted(const struct redo_set *set, const u8 *tree, int argc, char **argv)
{
	for (u32 i = 0; argc && i < set->nr_nodes; i++)
		for (int k = 0; k < argc; k++)
			if (redo_uuid_eq(set->node[i].sb.tree_uuid, tree) &&
			    !strcmp(set->node[i].chain, argv[k]))
				return true;
	return !argc;
}

static bool first_of_tree(const struct redo_set *set, u32 i)
{
	for (u32 k = 0; k < i; k++)
		if (redo_uuid_eq(set->node[k].sb.tree_uuid, set->node[i].sb.tree_uuid))
			return false;
	return true;
}

static const char *base_name(const struct redo_set *set, const u8 *tree)
{
	const char *hint = "";

	for (u32 i = 0; i < set->nr_chains; i++)
		if (redo_uuid_eq(set->chain[i].tree_uuid, tree) && set->chain[i].base_path[0])
			return set->chain[i].base_path;
	for (u32 i = 0; i < set->nr_nodes; i++)
		if (redo_uuid_eq(set->node[i].sb.tree_uuid, tree) && set->node[i].label.base_path[0])
			hint = set->node[i].label.base_path;
	return hint;
}

static void show_tree(const struct redo_set *set, const u8 *tree, u64 sectors,
		      struct json_object *out)
{
	struct drawing d = { .set = set };
	char uuid[REDO_UUID_STR_SIZE], size[32];
	struct json_object *o;

	redo_uuid_str(tree, uuid);
	format_size(sectors << 9, opts.units, size, sizeof(size));
	if (!out) {
		printf("base %s (%s), tree %s\n", base_name(set, tree), size, uuid);
		draw(&d, NULL, tree);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "tree_uuid", json_object_new_string(uuid));
	json_object_object_add(o, "base", json_object_new_string(base_name(set, tree)));
	json_object_object_add(o, "virtual_bytes", json_object_new_int64(sectors << 9));
	json_object_object_add(o, "deltas", to_json(set, NULL, tree));
	json_object_array_add(out, o);
}

/* Chains that are no more than a base. */
static void show_bare(const struct redo_set *set, int argc, char **argv, struct json_object *out)
{
	for (u32 i = 0; i < set->nr_chains; i++) {
		const struct redo_chain *c = &set->chain[i];
		bool named = !argc;
		struct json_object *o;

		for (int k = 0; k < argc; k++)
			named |= !strcmp(c->name, argv[k]);
		if (!named || !redo_uuid_nil(c->tree_uuid))
			continue;
		if (!out) {
			printf("base %s  <== %s is here%s\n", c->base_path, c->name,
			       c->dm_name[0] ? "" : " (inactive)");
			continue;
		}
		o = json_object_new_object();
		json_object_object_add(o, "base", json_object_new_string(c->base_path));
		json_object_object_add(o, "present_of", json_object_new_string(c->name));
		json_object_object_add(o, "deltas", json_object_new_array());
		json_object_array_add(out, o);
	}
}

int cmd_tree(const struct command *c __unused, int argc, char **argv)
{
	struct json_object *root = NULL, *trees = NULL;
	struct redo_set set;
	int r = scan(&set);

	if (r)
		return r;
	for (int i = 0; !r && i < argc; i++)
		if (!need_chain(&set, argv[i]))
			r = -ENOENT;
	if (!r && opts.json) {
		root = json_object_new_object();
		trees = json_object_new_array();
		json_object_object_add(root, "tree", trees);
	}
	for (u32 i = 0; !r && i < set.nr_nodes; i++)
		if (first_of_tree(&set, i) &&
		    tree_wanted(&set, set.node[i].sb.tree_uuid, argc, argv))
			show_tree(&set, set.node[i].sb.tree_uuid, set.node[i].sb.virtual_sectors,
				  trees);
	if (!r)
		show_bare(&set, argc, argv, trees);
	if (root) {
		render(root);
		json_object_put(root);
	}
	free_texts();
	redo_set_free(&set);
	return r;
}
