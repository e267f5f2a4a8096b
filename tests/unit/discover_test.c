// SPDX-License-Identifier: GPL-2.0-or-later
/* From a heap of superblocks to chains and their present. */
#include "unit.h"

#define MAX	32

static struct redo_set set;

/* Node @id on @parent (0: base). Returns the index before sorting. */
static struct redo_node *add(u8 id, u8 parent, u32 state, u64 seq, const char *chain, const char *snap)
{
	struct redo_node *n;

	set.node = realloc(set.node, (set.nr_nodes + 1) * sizeof(*set.node));
	n = &set.node[set.nr_nodes++];
	memset(n, 0, sizeof(*n));
	n->sb.uuid[0] = id;
	n->sb.parent_uuid[0] = parent;
	n->sb.tree_uuid[0] = 99;
	n->sb.state = state;
	n->sb.chain_seq = seq;
	n->sb.virtual_sectors = 2048;
	if (state == REDO_STATE_SEALED)
		n->sb.content_generation = 1000 + id;
	if (state != REDO_STATE_NEW && parent)
		n->sb.parent_content = 1000 + parent;
	n->sb.depth = 0;
	for (u32 i = 0; i < set.nr_nodes - 1; i++)
		if (parent && set.node[i].sb.uuid[0] == parent)
			n->sb.depth = set.node[i].sb.depth + 1;
	snprintf(n->path, sizeof(n->path), "/dev/d%u", id);
	n->rdev = id;
	redo_copy(n->label.chain_name, chain, sizeof(n->label.chain_name));
	redo_copy(n->label.snap_name, snap, sizeof(n->label.snap_name));
	return n;
}

static int start(void **state __unused)
{
	memset(&set, 0, sizeof(set));
	return 0;
}

static int stop(void **state __unused)
{
	redo_set_free(&set);
	return 0;
}

static struct redo_chain *chain(const char *name)
{
	struct redo_chain *c = redo_find_chain(&set, name);

	assert_non_null(c);
	return c;
}

static void present_is(const char *name, u8 id)
{
	struct redo_chain *c = chain(name);

	if (c->problem[0])
		print_message("%s\n", c->problem);
	assert_string_equal(c->problem, "");
	assert_non_null(c->present);
	assert_int_equal(c->present->sb.uuid[0], id);
}

static void problem_has(const char *name, const char *text)
{
	if (!strstr(chain(name)->problem, text))
		fail_msg("'%s' does not say '%s'", chain(name)->problem, text);
}

#define NEW	REDO_STATE_NEW
#define ACTIVE	REDO_STATE_ACTIVE
#define SEALED	REDO_STATE_SEALED
#define RETIRED	REDO_STATE_RETIRED

static void straight_line(void **state __unused)
{
	struct redo_node *line[8];

	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, SEALED, 2, "web", "b");
	add(3, 2, ACTIVE, 3, "web", "c");
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 3);
	assert_int_equal(redo_line_of(&set, chain("web")->present, line, 8), 3);
	assert_int_equal(line[0]->sb.uuid[0], 1);
	assert_int_equal(line[2]->sb.uuid[0], 3);
	assert_int_equal(redo_line_of(&set, chain("web")->present, line, 2), -E2BIG);
	assert_int_equal(redo_line_of(&set, NULL, line, 8), 0);
	assert_int_equal(redo_next_chain_seq(&set, set.node[0].sb.tree_uuid), 4);
	assert_int_equal(redo_find_point(&set, chain("web"), "b")->sb.uuid[0], 2);
	assert_null(redo_find_point(&set, chain("web"), "x"));
}

/* A crash after the parent was sealed: the new one counts. */
static void sealed_and_new(void **state __unused)
{
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, NEW, 2, "web", "b");
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 2);
}

/* A crash before it: the new one does not count, its point is not there. */
static void active_and_new(void **state __unused)
{
	add(1, 0, ACTIVE, 1, "web", "a");
	add(2, 1, NEW, 2, "web", "b");
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 1);
	assert_null(redo_find_point(&set, chain("web"), "b"));
	assert_non_null(redo_find_point(&set, chain("web"), "a"));
}

static void first_new_over_base(void **state __unused)
{
	add(1, 0, NEW, 1, "web", "a");
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 1);
}

/* A revert: two active for a moment, the later one is the present. */
static void reverted(void **state __unused)
{
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, SEALED, 2, "web", "b");
	add(3, 2, ACTIVE, 3, "web", "c");
	add(4, 1, ACTIVE, 4, "web", "b");
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 4);
	/* Both 2 and 4 are on the point b. */
	assert_int_equal(redo_find_point(&set, chain("web"), "b")->sb.parent_uuid[0], 1);
	assert_int_equal(redo_find_point(&set, chain("web"), "c")->sb.uuid[0], 3);
	assert_true(redo_is_ancestor(&set.node[0], chain("web")->present));
	assert_false(redo_is_ancestor(&set.node[1], chain("web")->present));
}

/* A revert that was prepared and never done. */
static void revert_prepared(void **state __unused)
{
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, ACTIVE, 2, "web", "b");
	add(3, 0, NEW, 3, "web", "a");
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 2);
}

static void retired_keeps_names(void **state __unused)
{
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, RETIRED, 2, "web", "b");
	add(3, 0, ACTIVE, 3, "web", "a");
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 3);
	assert_int_equal(redo_find_point(&set, chain("web"), "b")->sb.uuid[0], 2);
}

static void clones(void **state __unused)
{
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, ACTIVE, 2, "web", "b");
	add(3, 1, ACTIVE, 3, "copy", "b");
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 2);
	present_is("copy", 3);
	/* A clone knows the points below it by the old chain's names. */
	assert_int_equal(redo_find_point(&set, chain("copy"), "a")->sb.uuid[0], 1);
}

static void missing_parent(void **state __unused)
{
	struct redo_node *n;

	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, SEALED, 2, "web", "b");
	add(3, 2, ACTIVE, 3, "web", "c");
	n = &set.node[1];
	*n = set.node[2];
	set.nr_nodes = 2;
	assert_int_equal(redo_discover(&set), 0);
	problem_has("web", "02000000-0000-0000-0000-000000000000");
	problem_has("web", "the parent of /dev/d3");
}

static void missing_top(void **state __unused)
{
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, SEALED, 2, "web", "b");
	assert_int_equal(redo_discover(&set), 0);
	assert_null(chain("web")->present);
	problem_has("web", "on top of /dev/d2");
}

/* The top is gone, but a prepared revert lies around: not the present. */
static void missing_top_with_leftover(void **state __unused)
{
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 0, NEW, 2, "web", "a");
	add(3, 1, SEALED, 3, "web", "b");
	assert_int_equal(redo_discover(&set), 0);
	assert_null(chain("web")->present);
	problem_has("web", "on top of /dev/d3");
}

static void duplicates(void **state __unused)
{
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, ACTIVE, 2, "web", "b");
	redo_copy(add(2, 1, ACTIVE, 2, "web", "b")->path, "/dev/copy", REDO_TEXT_MAX);
	assert_int_equal(redo_discover(&set), 0);
	problem_has("web", "another device carries the same delta");
}

static void wrong_content(void **state __unused)
{
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, ACTIVE, 2, "web", "b");
	set.node[1].sb.parent_content = 7;
	assert_int_equal(redo_discover(&set), 0);
	problem_has("web", "another content");
}

static void parent_not_sealed(void **state __unused)
{
	add(1, 0, ACTIVE, 1, "web", "a");
	add(2, 1, ACTIVE, 2, "web", "b");
	assert_int_equal(redo_discover(&set), 0);
	problem_has("web", "has taken over");
}

/* Two deltas that name each other; depths cannot fit. */
static void cycles(void **state __unused)
{
	add(1, 2, SEALED, 1, "web", "a");
	add(2, 1, ACTIVE, 2, "web", "b");
	set.node[0].sb.depth = 1;
	set.node[1].sb.depth = 2;
	assert_int_equal(redo_discover(&set), 0);
	problem_has("web", "does not fit its parent");
	for (u32 i = 0; i < 4; i++) {
		set.node[0].sb.depth = i & 1;
		set.node[1].sb.depth = i >> 1;
		chain("web")->problem[0] = '\0';
		chain("web")->present = NULL;
		assert_int_equal(redo_discover(&set), 0);
		assert_string_not_equal(chain("web")->problem, "");
	}
}

static void two_trees(void **state __unused)
{
	add(1, 0, ACTIVE, 1, "web", "a");
	add(2, 0, ACTIVE, 1, "web", "a")->sb.tree_uuid[0] = 98;
	assert_int_equal(redo_discover(&set), 0);
	problem_has("web", "two trees");
}

/* Deltas that the kernel formatted by itself have no names. */
static void without_labels(void **state __unused)
{
	add(1, 0, SEALED, 1, "", "");
	add(2, 1, ACTIVE, 2, "", "");
	assert_int_equal(redo_discover(&set), 0);
	present_is("redo-63000000", 2);
	redo_set_free(&set);
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, ACTIVE, 2, "", "");
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 2);
	redo_set_free(&set);
	add(1, 0, SEALED, 1, "", "");
	redo_copy(add(2, 1, ACTIVE, 2, "", "")->live_name, "disk", REDO_NAME_SIZE);
	assert_int_equal(redo_discover(&set), 0);
	present_is("disk", 2);
}

static struct redo_node *node(u8 id)
{
	for (u32 i = 0; i < set.nr_nodes; i++)
		if (set.node[i].sb.uuid[0] == id)
			return &set.node[i];
	fail_msg("there is no delta %u", id);
	return NULL;
}

static void named(u8 id, const char *name)
{
	assert_string_equal(node(id)->chain, name);
}

static void live(u8 id, const char *name)
{
	redo_copy(node(id)->live_name, name, REDO_NAME_SIZE);
}

/* A chain by plain dmsetup: nothing has a name but the device. */
static void nameless_line(void **state __unused)
{
	add(1, 0, SEALED, 1, "", "");
	add(2, 1, SEALED, 2, "", "");
	add(3, 2, ACTIVE, 3, "", "");
	live(3, "web");
	assert_int_equal(redo_discover(&set), 0);
	assert_int_equal(set.nr_chains, 1);
	present_is("web", 3);
	named(1, "web");
	named(2, "web");
}

/* Begun by plain dmsetup, then the tool; and the other way round. */
static void named_in_part(void **state __unused)
{
	add(1, 0, SEALED, 1, "", "");
	add(2, 1, SEALED, 2, "web", "b");
	add(3, 2, SEALED, 3, "", "");
	add(4, 3, ACTIVE, 4, "", "");
	assert_int_equal(redo_discover(&set), 0);
	assert_int_equal(set.nr_chains, 1);
	present_is("web", 4);
	named(1, "web");
	named(3, "web");
}

/* Two devices over the same nameless deltas: these belong to the first one made. */
static void nameless_clone(void **state __unused)
{
	add(1, 0, SEALED, 1, "", "");
	add(2, 1, SEALED, 2, "", "");
	add(3, 2, ACTIVE, 3, "", "");
	add(4, 1, ACTIVE, 2, "", "");
	live(3, "web");
	live(4, "lab");
	assert_int_equal(redo_discover(&set), 0);
	assert_int_equal(set.nr_chains, 2);
	present_is("web", 3);
	present_is("lab", 4);
	named(2, "web");
	named(1, "lab");
	/* made in the same step: the clock decides, whatever the order of UUIDs */
	redo_set_free(&set);
	add(1, 0, SEALED, 1, "", "");
	add(2, 1, ACTIVE, 2, "", "")->sb.create_time = 8;
	add(3, 1, ACTIVE, 2, "", "")->sb.create_time = 7;
	live(2, "lab");
	live(3, "web");
	assert_int_equal(redo_discover(&set), 0);
	named(1, "web");
}

/* A revert by plain dmsetup, to a lower point: what was dropped stays a branch. */
static void nameless_revert(void **state __unused)
{
	add(1, 0, SEALED, 1, "", "");
	add(2, 1, SEALED, 2, "", "");
	add(3, 2, SEALED, 3, "", "");
	add(4, 3, ACTIVE, 4, "", "");
	add(5, 1, ACTIVE, 2, "", "");
	live(5, "web");
	assert_int_equal(redo_discover(&set), 0);
	assert_int_equal(set.nr_chains, 1);
	present_is("web", 5);
	named(1, "web");
	named(2, "web");
	named(4, "web");
	/* no longer live: nothing says which of the two it was */
	node(5)->live_name[0] = '\0';
	free(set.chain);
	set.chain = NULL;
	set.nr_chains = 0;
	assert_int_equal(redo_discover(&set), 0);
	assert_int_equal(set.nr_chains, 1);
	assert_null(chain("redo-63000000")->present);
	problem_has("redo-63000000", "both active");
	problem_has("redo-63000000", "--device");
}

/* A clone that the tool made of a nameless chain, after a reboot: two chains. */
static void named_clone_of_nameless(void **state __unused)
{
	add(1, 0, SEALED, 1, "", "");
	add(2, 1, SEALED, 2, "", "");
	add(3, 2, ACTIVE, 3, "", "");
	add(4, 1, ACTIVE, 4, "lab", "x");
	assert_int_equal(redo_discover(&set), 0);
	assert_int_equal(set.nr_chains, 2);
	present_is("lab", 4);
	present_is("redo-63000000", 3);
	named(2, "redo-63000000");
	/* while the first one is live it has a name, and is the older */
	live(3, "web");
	free(set.chain);
	set.chain = NULL;
	set.nr_chains = 0;
	assert_int_equal(redo_discover(&set), 0);
	assert_int_equal(set.nr_chains, 2);
	present_is("web", 3);
	named(1, "web");
}

/* A revert by the tool of a nameless chain: what it retired follows the new name. */
static void named_revert_of_nameless(void **state __unused)
{
	add(1, 0, SEALED, 1, "", "");
	add(2, 1, SEALED, 2, "", "");
	add(3, 2, RETIRED, 3, "", "");
	add(4, 1, ACTIVE, 4, "web", "x");
	assert_int_equal(redo_discover(&set), 0);
	assert_int_equal(set.nr_chains, 1);
	present_is("web", 4);
	named(2, "web");
	named(3, "web");
}

/* A live top without a label over another chain's deltas: its own name counts. */
static void nameless_on_named(void **state __unused)
{
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, ACTIVE, 2, "web", "b");
	add(3, 1, ACTIVE, 2, "", "");
	live(2, "web");
	live(3, "lab");
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 2);
	present_is("lab", 3);
	named(1, "web");
	redo_set_free(&set);
	/* neither live: they cannot be told apart */
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, ACTIVE, 2, "web", "b");
	add(3, 1, ACTIVE, 2, "", "");
	assert_int_equal(redo_discover(&set), 0);
	problem_has("web", "both active");
}

static void deepest(void **state __unused)
{
	static struct redo_node *line[REDO_MAX_DELTAS];

	for (u32 i = 0; i < REDO_MAX_DELTAS; i++) {
		struct redo_node *n = add((u8)i, 0, i == 255 ? ACTIVE : SEALED, i + 1, "web", "");

		memset(&n->sb.parent_uuid, 0, 16);
		n->sb.uuid[1] = 1;
		n->sb.depth = i;
		n->sb.content_generation = 1;
		if (i) {
			n->sb.parent_uuid[0] = (u8)(i - 1);
			n->sb.parent_uuid[1] = 1;
			n->sb.parent_content = 1;
		}
	}
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 255);
	assert_int_equal(redo_line_of(&set, chain("web")->present, line, REDO_MAX_DELTAS),
			 REDO_MAX_DELTAS);
	for (u32 i = 0; i < REDO_MAX_DELTAS; i++)
		assert_int_equal(line[i]->sb.depth, i);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

/* Merges ---------------------------------------------------------------------- */

static void merge(u8 id, u32 state, u8 hi)
{
	struct redo_node *n = node(id);
	u8 uuid[REDO_UUID_SIZE] = { hi };

	redo_super_set_merge(&n->sb, state, hi ? uuid : NULL);
}

static void line_is(const char *name, u32 nr, const u8 *ids)
{
	struct redo_node *line[8];

	assert_int_equal(redo_line_of(&set, chain(name)->present, line, 8), nr);
	for (u32 i = 0; i < nr; i++)
		assert_int_equal(line[i]->sb.uuid[0], ids[i]);
}

#define LINE_IS(name, ...) \
	line_is(name, sizeof((u8[]){ __VA_ARGS__ }), (u8[]){ __VA_ARGS__ })

static void web(void)
{
	redo_set_free(&set);
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, SEALED, 2, "web", "b");
	add(3, 2, SEALED, 3, "web", "c");
	add(4, 3, ACTIVE, 4, "web", "d");
}

static void points_are(const char *names)
{
	static const char all[] = "abcd";

	for (u32 i = 0; all[i]; i++) {
		char snap[2] = { all[i] };
		bool there = redo_find_point(&set, chain("web"), snap);

		if (there != !!strchr(names, all[i]))
			fail_msg("the point %s is%s there", snap, there ? "" : " not");
		if (!there && !strstr(redo_last_error(), "is lost"))
			fail_msg("'%s' does not say that it is lost", redo_last_error());
	}
}

/* 2 goes into 1: the point b, what 1 held, is lost from the beginning. */
static void merge_into(void **state __unused)
{
	web();
	merge(1, REDO_MERGE_INTO, 2);
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 4);
	LINE_IS("web", 1, 2, 3, 4);
	points_are("acd");
}

/* 1 holds all of 2; 3 lies on 2 still, or on 1. The kernel is to see 2 in both cases. */
static void merge_taken(void **state __unused)
{
	web();
	merge(1, REDO_MERGE_TAKEN, 2);
	node(1)->sb.content_generation = 1002;
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 4);
	LINE_IS("web", 1, 2, 3, 4);
	points_are("acd");
	node(3)->sb.parent_uuid[0] = 1;
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 4);
	LINE_IS("web", 1, 2, 3, 4);
	points_are("acd");
	/* out: as it is found later */
	node(2)->sb.state = RETIRED;
	merge(2, REDO_MERGE_GONE, 0);
	assert_int_equal(redo_discover(&set), 0);
	LINE_IS("web", 1, 3, 4);
	merge(1, REDO_MERGE_NONE, 0);
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 4);
	LINE_IS("web", 1, 3, 4);
	assert_int_equal(node(4)->below, 2);
	assert_null(redo_find_point(&set, chain("web"), "b"));
	assert_non_null(strstr(redo_last_error(), "no snapshot b"));
	assert_int_equal(redo_find_point(&set, chain("web"), "c")->sb.parent_uuid[0], 1);
}

/* 1 and 2 go into the base */
static void merge_base(void **state __unused)
{
	web();
	merge(1, REDO_MERGE_BASE, 2);
	assert_int_equal(redo_discover(&set), 0);
	LINE_IS("web", 1, 2, 3, 4);
	points_are("cd");
	merge(1, REDO_MERGE_BASE_TAKEN, 2);
	assert_int_equal(redo_discover(&set), 0);
	LINE_IS("web", 1, 2, 3, 4);
	node(3)->sb.parent_uuid[0] = 0;
	node(3)->sb.depth = 0;
	node(3)->sb.parent_content = 0;
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 4);
	LINE_IS("web", 1, 2, 3, 4);
	points_are("cd");
	node(2)->sb.state = RETIRED;
	merge(2, REDO_MERGE_GONE, 0);
	assert_int_equal(redo_discover(&set), 0);
	LINE_IS("web", 1, 2, 3, 4);
	node(1)->sb.state = RETIRED;
	merge(1, REDO_MERGE_GONE, 0);
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 4);
	LINE_IS("web", 3, 4);
	assert_int_equal(node(4)->below, 1);
}

/* All: the active delta's point goes as well. */
static void merge_base_all(void **state __unused)
{
	web();
	merge(1, REDO_MERGE_BASE_ALL, 3);
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 4);
	LINE_IS("web", 1, 2, 3, 4);
	points_are("");
	merge(1, REDO_MERGE_BASE_ALL_TAKEN, 3);
	assert_int_equal(redo_discover(&set), 0);
	LINE_IS("web", 1, 2, 3, 4);
	points_are("");
	node(4)->sb.parent_uuid[0] = 0;
	node(4)->sb.depth = 0;
	node(4)->sb.parent_content = 0;
	merge(4, REDO_MERGE_BASE, 4);
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 4);
	LINE_IS("web", 1, 2, 3, 4);
	points_are("");
}

/* The active delta 4 has gone into 3, which takes writes in its place. */
static void merge_active(void **state __unused)
{
	web();
	merge(3, REDO_MERGE_INTO, 4);
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 4);
	points_are("abc");
	merge(3, REDO_MERGE_TAKEN, 4);
	node(3)->sb.state = ACTIVE;
	node(3)->sb.content_generation = 0;
	node(3)->sb.chain_seq = 5;
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 3);
	LINE_IS("web", 1, 2, 3, 4);
	points_are("abc");
	node(4)->sb.state = RETIRED;
	merge(4, REDO_MERGE_GONE, 0);
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 3);
	LINE_IS("web", 1, 2, 3);
	merge(3, REDO_MERGE_NONE, 0);
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 3);
	LINE_IS("web", 1, 2, 3);
}

/* What a revert gave up on a point must not name it when its content is another one. */
static void merge_under_retired(void **state __unused)
{
	add(1, 0, SEALED, 1, "web", "a");
	add(2, 1, RETIRED, 2, "web", "b");
	add(3, 1, ACTIVE, 3, "web", "b");
	assert_int_equal(redo_discover(&set), 0);
	assert_int_equal(redo_find_point(&set, chain("web"), "b")->sb.uuid[0], 3);
	node(3)->sb.state = RETIRED;
	merge(3, REDO_MERGE_GONE, 0);
	node(1)->sb.state = ACTIVE;
	node(1)->sb.content_generation = 0;
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 1);
	assert_null(redo_find_point(&set, chain("web"), "b"));
}

/* All has gone: nothing is left of the chain on the disks. */
static void merge_last(void **state __unused)
{
	add(1, 0, RETIRED, 1, "web", "a");
	merge(1, REDO_MERGE_GONE, 0);
	assert_int_equal(redo_discover(&set), 0);
	assert_int_equal(set.nr_chains, 0);
	assert_true(redo_node_gone(node(1)));
	assert_false(node(1)->counts);
}

/* Depths are those of the time of making: larger than what is below, or equal. */
static void depths(void **state __unused)
{
	web();
	node(4)->sb.depth = 200;
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 4);
	assert_int_equal(node(4)->below, 3);
	node(3)->sb.depth = 3;
	node(4)->sb.depth = 3;
	assert_int_equal(redo_discover(&set), 0);
	present_is("web", 4);
	node(4)->sb.depth = 2;
	assert_int_equal(redo_discover(&set), 0);
	problem_has("web", "does not fit its parent");
}

/* Change ids of points: by what was sealed, and by what is on top. */
static void track(struct redo_node *n, u8 tracker, u64 epoch, u64 sealed)
{
	n->sb.tracker_uuid[0] = tracker;
	n->sb.tracker_epoch = epoch;
	n->sb.tracker_sealed = sealed;
}

static void id_is(const char *snap, const char *wanted)
{
	char id[REDO_CHANGE_ID_SIZE];
	int r = redo_set_point_id(&set, chain("web"), snap, id);

	assert_int_equal(r, *wanted ? 0 : -ENODATA);
	assert_string_equal(id, wanted);
}

#define ID(tracker, n)	#tracker "000000-0000-0000-0000-000000000000/" #n

static void point_ids(void **state __unused)
{
	char id[REDO_CHANGE_ID_SIZE];

	track(add(1, 0, SEALED, 1, "web", "base"), 7, 2, 5);
	track(add(2, 1, SEALED, 2, "web", "one"), 7, 5, 9);
	track(add(3, 2, ACTIVE, 3, "web", "two"), 7, 9, 0);
	assert_int_equal(redo_discover(&set), 0);
	id_is("base", ID(07, 2));
	id_is("one", ID(07, 5));
	id_is("two", ID(07, 9));
	assert_int_equal(redo_set_point_id(&set, chain("web"), "none", id), -ENXIO);
	assert_string_equal(id, "");
}

/* A revert gives the point another id, and it keeps the first. */
static void point_id_after_revert(void **state __unused)
{
	track(add(1, 0, SEALED, 1, "web", "base"), 7, 2, 5);
	track(add(2, 1, RETIRED, 2, "web", "one"), 7, 5, 0);
	track(add(3, 1, ACTIVE, 3, "web", "one"), 7, 9, 0);
	assert_int_equal(redo_discover(&set), 0);
	id_is("one", ID(07, 5));
}

/* Tracked only when the next one went on top; by another tracker; never. */
static void point_id_unknown(void **state __unused)
{
	add(1, 0, SEALED, 1, "web", "never");
	track(add(2, 1, SEALED, 2, "web", "enabled"), 7, 1, 4);
	track(add(3, 2, SEALED, 3, "web", "before"), 8, 0, 3);
	track(add(4, 3, ACTIVE, 4, "web", "after"), 8, 3, 0);
	assert_int_equal(redo_discover(&set), 0);
	id_is("never", "");
	id_is("enabled", ID(07, 1));
	/* What is on top of it was the active one already when the other tracker began. */
	id_is("before", ID(07, 4));
	id_is("after", ID(08, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(straight_line), TEST(sealed_and_new), TEST(active_and_new),
		TEST(first_new_over_base), TEST(reverted), TEST(revert_prepared),
		TEST(retired_keeps_names), TEST(clones), TEST(missing_parent), TEST(missing_top),
		TEST(missing_top_with_leftover), TEST(duplicates), TEST(wrong_content),
		TEST(parent_not_sealed), TEST(cycles), TEST(two_trees), TEST(without_labels),
		TEST(nameless_line), TEST(named_in_part), TEST(nameless_clone),
		TEST(nameless_revert), TEST(named_clone_of_nameless),
		TEST(named_revert_of_nameless), TEST(nameless_on_named), TEST(deepest),
		TEST(merge_into), TEST(merge_taken), TEST(merge_base), TEST(merge_base_all),
		TEST(merge_active), TEST(merge_under_retired), TEST(merge_last), TEST(depths),
		TEST(point_ids), TEST(point_id_after_revert), TEST(point_id_unknown),
	};

	return cmocka_run_group_tests_name("discover", tests, NULL, NULL);
}
