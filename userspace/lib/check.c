// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The offline check of one delta. Reads through a callback and trusts nothing:
 * a fuzzer may feed it.
 *
 * The trees on disk describe one checkpoint, so the bitmaps, the counters and
 * what the trees reach must agree among themselves. The journal comes on top:
 * each of its records must be one that replay can apply at its moment.
 */
#include <stdarg.h>
#include <stdlib.h>
#include "account.h"

struct check {
	const struct redo_io *io;
	const struct redo_check_ops *ops;
	struct redo_check_result *res;
	struct redo_super sb;
	struct redo_account space;
	struct redo_claims claims;
	bool refused;		/* a record cannot be applied: those behind it do not count */
	u64 replaced;		/* grains of the map that the journal puts elsewhere or frees */
	u64 not_free;		/* grains of the map that the journal takes too early */
	u64 done, total;
};

__attribute__((format(printf, 2, 3)))
static void problem(struct check *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->res->problems++;
	if (c->ops->problem)
		c->ops->problem(c->ops->ctx, text);
}

__attribute__((format(printf, 2, 3)))
static void note(struct check *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->res->notes++;
	if (c->ops->note)
		c->ops->note(c->ops->ctx, text);
}

static void step(struct check *c)
{
	c->done++;
	if (c->ops->progress && !(c->done & 255))
		c->ops->progress(c->ops->ctx, c->done, c->total > c->done ? c->total : c->done);
}

#define LL(x)	((unsigned long long)(x))

/* Superblock and label ----------------------------------------------------- */

static int check_supers(struct check *c)
{
	static const char slot_name[2] = { 'A', 'B' };
	struct redo_supers s;
	int r, i;

	r = redo_read_supers(c->io, &s);
	if (r)
		return redo_err(-r, "cannot read the superblock: %s", strerror(-r));
	for (i = 0; i < 2; i++)
		if (s.bad[i] && s.bad[i] != REDO_BAD_BLANK)
			problem(c, "superblock slot %c: %s", slot_name[i], redo_slot_str(&s, i));
	if (redo_slots_of_two(s.sb, s.bad)) {
		problem(c, "the superblock slots belong to different deltas");
		return 1;
	}
	if (s.cur < 0 && (!s.bad[0] || !s.bad[1])) {
		problem(c, "the superblock slot that is not valid may be the one in force: the delta is refused");
		return 1;
	}
	if (s.cur < 0) {
		problem(c, "no valid superblock (slot A: %s, slot B: %s)",
			redo_slot_str(&s, 0), redo_slot_str(&s, 1));
		return 1;
	}
	c->sb = s.sb[s.cur];
	/* Format writes slot A only, every later write the older slot. */
	if (s.bad[!s.cur] == REDO_BAD_BLANK && c->sb.generation > 1)
		problem(c, "superblock slot %c is blank in generation %llu",
			slot_name[!s.cur], LL(c->sb.generation));
	if (!s.bad[0] && !s.bad[1] && s.sb[s.cur].generation != s.sb[!s.cur].generation + 1)
		problem(c, "superblock generations %llu and %llu do not follow each other",
			LL(s.sb[0].generation), LL(s.sb[1].generation));
	return 0;
}

static void check_super_fields(struct check *c)
{
	const struct redo_super *sb = &c->sb;
	u64 blocks = c->io->size / REDO_BLOCK_SIZE;

	if (sb->nr_units > c->io->size / REDO_UNIT_SIZE)
		problem(c, "%llu units were taken but the device holds %llu",
			LL(sb->nr_units), LL(c->io->size / REDO_UNIT_SIZE));
	if (sb->journal_start + sb->journal_blocks > blocks)
		problem(c, "the journal ends beyond the end of the device");
	if (sb->compat_ro & ~REDO_COMPAT_RO_SUPP)
		note(c, "unknown read-only-compatible features %#llx", LL(sb->compat_ro));
	if (sb->compat & ~REDO_COMPAT_SUPP)
		note(c, "unknown compatible features %#llx", LL(sb->compat));
	if (sb->state == REDO_STATE_NEW &&
	    (sb->map_root.kind || sb->alloc_root.kind || sb->data_used || sb->nr_units > 1))
		problem(c, "state is new but the delta is not empty");
	if (sb->state == REDO_STATE_NEW && sb->parent_content)
		problem(c, "state is new but it has recorded its parent's generation");
	if (sb->state >= REDO_STATE_ACTIVE && sb->state <= REDO_STATE_SEALED && sb->depth &&
	    !sb->parent_content)
		problem(c, "it has taken over without recording its parent's generation");
	if (sb->state <= REDO_STATE_ACTIVE && sb->content_generation)
		problem(c, "a delta that is not sealed has a content generation");
	if (sb->merge_state && sb->merge_state != REDO_MERGE_GONE)
		note(c, "a merge has begun and is not over (%s)", redo_merge_str(sb->merge_state));
	if ((sb->flags & REDO_SB_FINGERPRINT) &&
	    (sb->merge_state == REDO_MERGE_BASE || sb->merge_state == REDO_MERGE_BASE_ALL))
		problem(c, "a base fingerprint although something is merged into the base");
	if ((sb->flags & REDO_SB_FINGERPRINT) && sb->depth)
		problem(c, "a base fingerprint in a delta that is not over the base");
	if (sb->flags & ~(REDO_SB_FINGERPRINT | REDO_SB_SHARED | REDO_SB_CLEAN))
		problem(c, "unknown superblock flags %#x", sb->flags);
}

static void check_label(struct check *c)
{
	struct redo_label label;
	enum redo_bad bad;
	int err;

	bad = redo_read_label(c->io, &c->sb, &label, &err);
	if (err)
		problem(c, "the label cannot be read: %s", strerror(-err));
	else if (bad == REDO_BAD_BLANK)
		note(c, "there is no label");
	else if (bad)
		problem(c, "label (block %u): %s", c->sb.label_block, redo_bad_str(bad));
	else if (label.chain_name[0] && !redo_name_valid(label.chain_name))
		problem(c, "label: the chain's name is not valid");
	else if (label.snap_name[0] && !redo_name_valid(label.snap_name))
		problem(c, "label: the snapshot's name is not valid");
}

/* Allocation tree ------------------------------------------------------------ */

static const char *tree_name(enum redo_tree_id tree)
{
	return tree == REDO_TREE_MAP ? "map" : "allocation tree";
}

static void bad_block(struct check *c, enum redo_tree_id tree, u64 blocknr, u32 level,
		      u64 index, const char *why)
{
	problem(c, "%s: block %llu (level %u, index %llu): %s", tree_name(tree), LL(blocknr),
		level, LL(index), why);
}

static void alloc_bad(void *ctx, u64 blocknr, u32 level, u64 index, const char *why)
{
	bad_block(ctx, REDO_TREE_ALLOC, blocknr, level, index, why);
}

static void check_generation(struct check *c, enum redo_tree_id tree, u64 blocknr, u32 level,
			     u64 index, const void *block)
{
	struct redo_header h;

	redo_unpack_header(block, &h);
	if (h.generation > c->sb.generation)
		bad_block(c, tree, blocknr, level, index, "is of a later generation");
}

static void alloc_dir(void *ctx, u64 blocknr, u32 level, u64 index,
		      const struct redo_disk_node *n)
{
	struct check *c = ctx;

	c->res->alloc_blocks++;
	check_generation(c, REDO_TREE_ALLOC, blocknr, level, index, n);
	step(c);
}

static void describe_unit(struct check *c, u64 blocknr, u64 index, u32 i,
			  const struct redo_disk_unit *du)
{
	static const struct redo_disk_unit nothing;
	u64 unit = index * REDO_UNITS_PER_LEAF + i;
	const char *why;

	if (unit >= c->sb.nr_units) {
		if (memcmp(du, &nothing, sizeof(nothing)))
			bad_block(c, REDO_TREE_ALLOC, blocknr, 0, index,
				  "describes a unit that was never taken");
		return;
	}
	if (unit >= c->space.nr_units)
		return;		/* off the device: said before */
	why = redo_account_describe(&c->space, unit, du);
	if (why)
		problem(c, "unit %llu %s", LL(unit), why);
}

static int alloc_leaf(void *ctx, u64 blocknr, u64 index, const void *block)
{
	const struct redo_disk_alloc *leaf = block;
	struct check *c = ctx;

	c->res->alloc_blocks++;
	check_generation(c, REDO_TREE_ALLOC, blocknr, 0, index, block);
	for (u32 i = 0; i < REDO_UNITS_PER_LEAF; i++)
		describe_unit(c, blocknr, index, i, &leaf->unit[i]);
	step(c);
	return 0;
}

/*
 * The allocation tree is walked twice: types first, since its own blocks can
 * only be judged when it is known what the units are for. A block met twice in
 * the first walk is refused by the place that it claims, so it ends.
 */
static bool alloc_enter(void *ctx, u64 blocknr, u32 level, u64 index)
{
	struct check *c = ctx;
	const char *why = redo_account_claim_block(&c->space, blocknr);

	if (why)
		bad_block(c, REDO_TREE_ALLOC, blocknr, level, index, why);
	return !why;
}

static void check_alloc_tree(struct check *c)
{
	struct redo_walk w = {
		.io = c->io, .sb = &c->sb, .tree = REDO_TREE_ALLOC, .ctx = c,
		.enter = alloc_enter, .dir = alloc_dir, .leaf = alloc_leaf, .bad = alloc_bad,
	};

	redo_walk_tree(&w);
	redo_account_defaults(&c->space);
}

/* Blocks were claimed before all types were known. */
static void check_alloc_places(struct check *c)
{
	for (u64 unit = 0; unit < c->space.nr_units; unit++) {
		struct redo_account_unit *u = &c->space.unit[unit];
		u32 n = 0;

		if (u->type == REDO_UNIT_META)
			continue;
		for (u32 i = redo_account_fixed(&c->space, unit); i < REDO_UNIT_BLOCKS; i++)
			n += u->seen[i >> 3] >> (i & 7) & 1;
		if (n)
			problem(c, "unit %llu holds %u blocks of the allocation tree but is not for metadata",
				LL(unit), n);
		memset(u->seen, 0, sizeof(u->seen));
		for (u32 i = 0; i < redo_account_fixed(&c->space, unit); i++)
			u->seen[i >> 3] |= 1U << (i & 7);
	}
}

/* @want: the type that the allocation tree, or the journal, gives it. */
static void check_unit_header(struct check *c, u64 unit, u32 want)
{
	u8 block[REDO_BLOCK_SIZE];
	enum redo_unit_type type;
	enum redo_bad bad;
	u32 grain;
	int r;

	r = redo_io_block(c->io, unit * REDO_UNIT_BLOCKS, block);
	if (r) {
		problem(c, "unit %llu: its header cannot be read: %s", LL(unit), strerror(-r));
		return;
	}
	bad = redo_unpack_unit_header(block, c->sb.uuid, unit, &type, &grain);
	if (bad)
		problem(c, "unit %llu: header: %s", LL(unit), redo_bad_str(bad));
	else if (type != want)
		problem(c, "unit %llu: header says %s, expected %s", LL(unit),
			type == REDO_UNIT_META ? "metadata" : "data",
			want == REDO_UNIT_META ? "metadata" : "data");
	else if (grain != c->sb.grain_sectors)
		problem(c, "unit %llu: header: grain of %u sectors, superblock: %u", LL(unit),
			grain, c->sb.grain_sectors);
}

/* The header of an empty unit may be that of a type which it is about to get. */
static void check_unit_headers(struct check *c)
{
	for (u64 unit = 0; unit < c->space.nr_units; unit++) {
		u32 type = c->space.unit[unit].type;

		if (type != REDO_UNIT_FREE && !redo_account_empty(&c->space, unit))
			check_unit_header(c, unit, type);
		step(c);
	}
}

/* Map -------------------------------------------------------------------------- */

static void map_bad(void *ctx, u64 blocknr, u32 level, u64 index, const char *why)
{
	bad_block(ctx, REDO_TREE_MAP, blocknr, level, index, why);
}

static bool map_enter(void *ctx, u64 blocknr, u32 level, u64 index)
{
	struct check *c = ctx;
	const char *why = redo_account_claim_block(&c->space, blocknr);

	if (why)
		bad_block(c, REDO_TREE_MAP, blocknr, level, index, why);
	return !why;
}

static void map_dir(void *ctx, u64 blocknr, u32 level, u64 index, const struct redo_disk_node *n)
{
	struct check *c = ctx;

	c->res->map_blocks++;
	check_generation(c, REDO_TREE_MAP, blocknr, level, index, n);
	step(c);
}

static void check_grain(struct check *c, u64 blocknr, u64 logical, __le64 word)
{
	u64 nr_grains = redo_nr_grains(c->sb.virtual_sectors, c->sb.grain_sectors);
	struct redo_grain g;
	const char *why;

	if (redo_unpack_grain(word, &g)) {
		problem(c, "map: leaf block %llu: entry of grain %llu is malformed", LL(blocknr),
			LL(logical));
		return;
	}
	/* Zero there is what becomes of a leaf that was zeroed as a whole. */
	if (logical >= nr_grains && g.state && g.state != REDO_GRAIN_ZERO) {
		problem(c, "map: leaf block %llu: grain %llu is beyond the virtual disk",
			LL(blocknr), LL(logical));
		return;
	}
	if (g.state != REDO_GRAIN_MAPPED)
		return;
	c->res->data_grains++;
	c->replaced += redo_claims_replace(&c->claims, logical);
	why = redo_account_claim_grain(&c->space, g.phys);
	if (why)
		problem(c, "map: grain %llu: physical grain %llu %s", LL(logical), LL(g.phys), why);
	/* Replay ends at the first one. */
	else if (!redo_claims_allow(&c->claims, logical, g.phys) && !c->not_free++)
		problem(c, "journal: physical grain %llu is mapped while grain %llu still has it in use",
			LL(g.phys), LL(logical));
}

static int map_leaf(void *ctx, u64 blocknr, u64 index, const void *block)
{
	const struct redo_disk_node *n = block;
	struct check *c = ctx;

	c->res->map_blocks++;
	c->res->map_leaves++;
	check_generation(c, REDO_TREE_MAP, blocknr, 0, index, block);
	for (u32 i = 0; i < REDO_FANOUT; i++)
		if (n->word[i])
			check_grain(c, blocknr, index * REDO_FANOUT + i, n->word[i]);
	step(c);
	return 0;
}

static void check_map(struct check *c)
{
	struct redo_walk w = {
		.io = c->io, .sb = &c->sb, .tree = REDO_TREE_MAP, .ctx = c,
		.enter = map_enter, .dir = map_dir, .leaf = map_leaf, .bad = map_bad,
	};

	redo_walk_tree(&w);
}

/* Bitmaps and counters ------------------------------------------------------------ */

static u32 popcount(const u8 *map)
{
	u32 n = 0;

	for (u32 i = 0; i < 512; i++)
		n += __builtin_popcount(map[i]);
	return n;
}

static void compare_bitmap(struct check *c, u64 unit)
{
	const struct redo_account_unit *u = &c->space.unit[unit];
	u32 bits = u->type == REDO_UNIT_DATA ? c->space.grains : REDO_UNIT_BLOCKS;
	const char *what = u->type == REDO_UNIT_DATA ? "grains" : "blocks";
	u32 lost = 0, missing = 0;

	for (u32 i = 0; i < 4096; i++) {
		bool disk = u->disk[i >> 3] >> (i & 7) & 1;
		bool seen = u->seen[i >> 3] >> (i & 7) & 1;

		if (i >= bits && disk) {
			problem(c, "unit %llu: bits beyond its end are set", LL(unit));
			return;
		}
		lost += disk && !seen;
		missing += seen && !disk;
	}
	if (missing)
		problem(c, "unit %llu: %u %s in use are marked free", LL(unit), missing, what);
	if (lost)
		problem(c, "unit %llu: %u %s marked in use belong to nothing", LL(unit), lost, what);
}

static void check_unit_space(struct check *c, u64 unit)
{
	const struct redo_account_unit *u = &c->space.unit[unit];

	if (!u->described) {
		/* An empty delta has no allocation tree yet; unit 0 goes without saying. */
		if (popcount(u->seen) > redo_account_fixed(&c->space, unit))
			problem(c, "unit %llu is in use but the allocation tree says nothing of it",
				LL(unit));
		return;
	}
	if (u->used != popcount(u->disk))
		problem(c, "unit %llu: count of used is %u, its bitmap has %u", LL(unit), u->used,
			popcount(u->disk));
	compare_bitmap(c, unit);
}

static void check_counters(struct check *c)
{
	const struct redo_check_result *res = c->res;
	u64 meta = res->map_blocks + res->alloc_blocks;

	if (c->sb.nr_leaves != res->map_leaves)
		problem(c, "superblock counts %llu map leaves, there are %llu",
			LL(c->sb.nr_leaves), LL(res->map_leaves));
	if (c->sb.meta_used != meta)
		problem(c, "superblock counts %llu metadata blocks, there are %llu",
			LL(c->sb.meta_used), LL(meta));
	if (c->sb.data_used != res->data_grains)
		problem(c, "superblock counts %llu data grains, there are %llu",
			LL(c->sb.data_used), LL(res->data_grains));
}

/* Journal ---------------------------------------------------------------------------- */

static int journal_extent(void *ctx, u64 commit, const struct redo_extent *e)
{
	struct check *c = ctx;
	int r = c->refused ? 0 : redo_claims_add(&c->claims, e);

	if (r != -EEXIST)
		return r;
	c->refused = true;
	problem(c, "journal: commit %llu: %llu grains from physical grain %llu are mapped, but in use already",
		LL(commit), LL(e->len), LL(e->phys));
	return 0;
}

static void journal_bad(void *ctx, u64 commit, u64 seq, u32 record, const char *why)
{
	struct check *c = ctx;

	c->refused = true;
	problem(c, "journal: commit %llu, sequence %llu, record %u: %s", LL(commit), LL(seq),
		record, why);
}

/*
 * A unit that was empty at the last checkpoint, or not taken, is known by its header
 * only; replay takes it for one of data, if the header agrees.
 */
static void adopt_unit(struct check *c, u64 unit)
{
	if (unit >= c->space.nr_units || redo_account_empty(&c->space, unit))
		check_unit_header(c, unit, REDO_UNIT_DATA);
	else if (c->space.unit[unit].type != REDO_UNIT_DATA)
		problem(c, "journal: grains are mapped in unit %llu, which is not for data",
			LL(unit));
}

/* Every unit that the journal names. */
static void adopt_units(struct check *c)
{
	const struct redo_extents *taken = &c->claims.taken;
	u64 last = 0;		/* a record that names unit 0 is refused before */

	for (size_t i = 0; i < taken->nr; i++) {
		u64 unit = taken->e[i].logical / c->space.grains;

		if (unit != last)
			adopt_unit(c, unit);
		last = unit;
	}
}

static int check_journal(struct check *c)
{
	struct redo_replay_ops ops = { .ctx = c, .extent = journal_extent, .bad = journal_bad };
	struct redo_replay rep;
	int r;

	r = redo_replay_journal(c->io, &c->sb, &ops, &rep);
	if (r == -ENOMEM)
		return r;
	if (r)
		problem(c, "journal: sequence %llu cannot be read: %s", LL(rep.next_seq),
			strerror(-r));
	c->res->journal_commits = rep.commits;
	c->res->journal_records = rep.records;
	if (rep.hole)
		problem(c, "journal: sequence %llu is not valid (%s), but the log goes on behind it to %llu",
			LL(rep.next_seq), rep.end, LL(rep.hole_seq));
	else if (rep.torn)
		note(c, "journal: commit %llu is torn (%u of its %u blocks): it does not count",
		     LL(rep.next_commit), rep.torn_valid, rep.torn_total);
	if ((c->sb.flags & REDO_SB_CLEAN) && rep.commits)
		problem(c, "marked clean, but the journal holds %llu commits", LL(rep.commits));
	r = redo_claims_settle(&c->claims);
	if (!r)
		adopt_units(c);
	return r;
}

/* All of it ------------------------------------------------------------------------------ */

static int check_space(struct check *c)
{
	int r;

	c->total = c->sb.meta_used + c->sb.nr_units;
	check_alloc_tree(c);
	check_alloc_places(c);
	check_unit_headers(c);
	r = check_journal(c);
	if (r)
		return r;
	check_map(c);
	for (u64 unit = 0; unit < c->space.nr_units; unit++)
		check_unit_space(c, unit);
	check_counters(c);
	c->res->data_grains += c->claims.mapped - c->replaced;
	if (c->ops->progress)
		c->ops->progress(c->ops->ctx, c->total, c->total);
	return 0;
}

int redo_check_image(const struct redo_io *io, const struct redo_check_ops *ops,
		     struct redo_check_result *result)
{
	struct check c = { .io = io, .ops = ops, .res = result };
	int r;

	memset(result, 0, sizeof(*result));
	r = check_supers(&c);
	if (r)
		return r < 0 ? r : 0;
	check_super_fields(&c);
	check_label(&c);
	r = redo_account_init(&c.space, &c.sb, io->size);
	if (!r)
		r = check_space(&c);
	redo_account_free(&c.space);
	redo_claims_free(&c.claims);
	return r;
}
