// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup dump: everything is put into one object, printed as text or JSON. */
#include "dump.h"

struct dump {
	struct redo_file f;
	struct redo_super sb;
	struct json_object *root, *nodes, *units, *commits, *records;
};

static const char *const ptr_kinds[] = { "hole", "block", "zero" };
static const char *const grain_states[] = { "unmapped", "mapped", "zero", "base" };
static const char *const record_types[] = { "?", "map", "zero", "unmap", "base" };
static const char *const unit_types[] = { "free", "metadata", "data" };

static struct json_object *ptr_json(const struct redo_ptr *p)
{
	struct json_object *o = json_object_new_object();

	dump_text(o, "kind", ptr_kinds[p->kind]);
	if (p->kind == REDO_PTR_BLOCK) {
		dump_u64(o, "block", p->blocknr);
		dump_u64(o, "gen_tag", p->gen_tag);
	}
	return o;
}

static struct json_object *super_json(const struct redo_super *sb)
{
	struct json_object *o = json_object_new_object();

	dump_u64(o, "generation", sb->generation);
	dump_text(o, "state", redo_state_str(sb->state));
	dump_uuid(o, "uuid", sb->uuid);
	dump_uuid(o, "parent_uuid", sb->parent_uuid);
	dump_uuid(o, "tree_uuid", sb->tree_uuid);
	dump_u64(o, "depth", sb->depth);
	dump_u64(o, "chain_seq", sb->chain_seq);
	dump_hex(o, "parent_content", sb->parent_content);
	dump_hex(o, "content_generation", sb->content_generation);
	dump_u64(o, "virtual_sectors", sb->virtual_sectors);
	dump_u64(o, "base_sectors", sb->base_sectors);
	dump_u64(o, "grain_sectors", sb->grain_sectors);
	dump_u64(o, "flags", sb->flags);
	dump_hex(o, "compat", sb->compat);
	dump_hex(o, "compat_ro", sb->compat_ro);
	dump_hex(o, "incompat", sb->incompat);
	dump_hex(o, "base_fingerprint", (u64)sb->base_fp_head << 32 | sb->base_fp_tail);
	dump_u64(o, "create_time", sb->create_time);
	dump_u64(o, "seal_time", sb->seal_time);
	dump_u64(o, "label_block", sb->label_block);
	json_object_object_add(o, "map_root", ptr_json(&sb->map_root));
	dump_u64(o, "map_height", sb->map_height);
	json_object_object_add(o, "alloc_root", ptr_json(&sb->alloc_root));
	dump_u64(o, "alloc_height", sb->alloc_height);
	dump_u64(o, "nr_units", sb->nr_units);
	dump_u64(o, "nr_leaves", sb->nr_leaves);
	dump_u64(o, "meta_used", sb->meta_used);
	dump_u64(o, "data_used", sb->data_used);
	dump_u64(o, "journal_start", sb->journal_start);
	dump_u64(o, "journal_blocks", sb->journal_blocks);
	dump_hex(o, "incarnation", sb->incarnation);
	dump_u64(o, "replay_seq", sb->replay_seq);
	dump_u64(o, "replay_commit", sb->replay_commit);
	dump_uuid(o, "tracker_uuid", sb->tracker_uuid);
	dump_u64(o, "tracker_generation", sb->tracker_generation);
	dump_u64(o, "tracker_epoch", sb->tracker_epoch);
	dump_u64(o, "tracker_sealed", sb->tracker_sealed);
	dump_u64(o, "merge_state", sb->merge_state);
	dump_text(o, "merge", sb->merge_state ? redo_merge_str(sb->merge_state) : "none");
	dump_uuid(o, "merge_uuid", sb->merge_uuid);
	dump_u64(o, "merge_pos", sb->merge_pos);
	dump_u64(o, "tracker_epoch", sb->tracker_epoch);
	dump_u64(o, "tracker_sealed", sb->tracker_sealed);
	return o;
}

static int dump_supers(struct dump *d)
{
	static const char *const keys[2] = { "superblock_a", "superblock_b" };
	struct redo_supers s;
	int r = redo_read_supers(&d->f.io, &s);

	if (r)
		return redo_err(-r, "%s: cannot read the superblock: %s", d->f.path, strerror(-r));
	dump_text(d->root, "delta", d->f.path);
	dump_u64(d->root, "device_bytes", d->f.io.size);
	if (s.cur >= 0)
		dump_text(d->root, "current_slot", s.cur ? "b" : "a");
	for (int i = 0; i < 2; i++) {
		struct json_object *o;

		if (s.bad[i]) {
			o = json_object_new_object();
			dump_text(o, "invalid", redo_slot_str(&s, i));
		} else {
			o = super_json(&s.sb[i]);
		}
		json_object_object_add(d->root, keys[i], o);
	}
	if (s.cur >= 0)
		d->sb = s.sb[s.cur];
	return s.cur < 0 ? redo_no_super(&s, d->f.path) : 0;
}

static void dump_label(struct dump *d)
{
	struct json_object *o = json_object_new_object();
	struct redo_label l;
	enum redo_bad bad;
	int err;

	bad = redo_read_label(&d->f.io, &d->sb, &l, &err);
	json_object_object_add(d->root, "label", o);
	if (err || bad) {
		dump_text(o, "invalid", err ? strerror(-err) : redo_bad_str(bad));
		return;
	}
	dump_text(o, "chain", l.chain_name);
	dump_text(o, "snapshot", l.snap_name);
	dump_text(o, "description", l.description);
	dump_text(o, "base_path", l.base_path);
	dump_text(o, "store", l.store);
	dump_text(o, "host", l.host);
}

/* Trees ------------------------------------------------------------------------ */

static struct json_object *node_json(struct dump *d, const char *type, u64 blocknr, u32 level,
				     u64 index)
{
	struct json_object *o = json_object_new_object();

	dump_text(o, "type", type);
	dump_u64(o, "block", blocknr);
	dump_u64(o, "level", level);
	dump_u64(o, "index", index);
	json_object_array_add(d->nodes, o);
	return o;
}

static void on_bad(void *ctx, u64 blocknr, u32 level, u64 index, const char *why)
{
	dump_text(node_json(ctx, "invalid", blocknr, level, index), "invalid", why);
}

static void on_dir(void *ctx, u64 blocknr, u32 level, u64 index, const struct redo_disk_node *n)
{
	struct redo_header h;
	struct json_object *o = node_json(ctx, "directory", blocknr, level, index);
	u64 used = 0;

	redo_unpack_header(&n->header, &h);
	for (u32 i = 0; i < REDO_FANOUT; i++)
		used += n->word[i] != 0;
	dump_u64(o, "generation", h.generation);
	dump_u64(o, "used", used);
}

/* Entries in runs, as a reader would want to see them. */
static struct json_object *entries_json(const struct redo_disk_node *n, u64 first)
{
	struct json_object *a = json_object_new_array(), *run = NULL;
	struct redo_grain prev = { 0 };
	u64 len = 0;

	for (u32 i = 0; i <= REDO_FANOUT; i++) {
		struct redo_grain g = { 0 };
		bool bad = i < REDO_FANOUT && redo_unpack_grain(n->word[i], &g);

		if (bad)
			g.state = 0;
		if (run && g.state == prev.state &&
		    (g.state != REDO_GRAIN_MAPPED || g.phys == prev.phys + len)) {
			len++;
			continue;
		}
		if (run)
			dump_u64(run, "length", len);
		run = NULL;
		if (!g.state)
			continue;
		run = json_object_new_object();
		dump_u64(run, "grain", first + i);
		dump_text(run, "state", grain_states[g.state]);
		if (g.state == REDO_GRAIN_MAPPED)
			dump_u64(run, "physical", g.phys);
		json_object_array_add(a, run);
		prev = g;
		len = 1;
	}
	return a;
}

static int on_map_leaf(void *ctx, u64 blocknr, u64 index, const void *block)
{
	const struct redo_disk_node *n = block;
	struct json_object *o = node_json(ctx, "leaf", blocknr, 0, index);
	struct redo_header h;
	u64 count[4] = { 0 };

	redo_unpack_header(&n->header, &h);
	for (u32 i = 0; i < REDO_FANOUT; i++) {
		struct redo_grain g;

		if (!redo_unpack_grain(n->word[i], &g))
			count[g.state]++;
	}
	dump_u64(o, "generation", h.generation);
	dump_u64(o, "mapped", count[REDO_GRAIN_MAPPED]);
	dump_u64(o, "zero", count[REDO_GRAIN_ZERO]);
	if (opts.leaf)
		json_object_object_add(o, "entries", entries_json(n, index * REDO_FANOUT));
	return 0;
}

static int on_zero(void *ctx, u64 index, u64 leaves)
{
	dump_u64(node_json(ctx, "zero", 0, 0, index), "leaves", leaves);
	return 0;
}

static int on_alloc_leaf(void *ctx, u64 blocknr, u64 index, const void *block)
{
	const struct redo_disk_alloc *leaf = block;
	struct dump *d = ctx;

	node_json(d, "leaf", blocknr, 0, index);
	for (u32 i = 0; i < REDO_UNITS_PER_LEAF; i++) {
		u64 unit = index * REDO_UNITS_PER_LEAF + i;
		u32 type = le32_to_cpu(leaf->unit[i].type);
		struct json_object *o;

		if (unit >= d->sb.nr_units)
			break;
		o = json_object_new_object();
		dump_u64(o, "unit", unit);
		dump_text(o, "type", type <= REDO_UNIT_DATA ? unit_types[type] : "invalid");
		dump_u64(o, "used", le32_to_cpu(leaf->unit[i].used));
		json_object_array_add(d->units, o);
	}
	return 0;
}

static int dump_tree(struct dump *d, enum redo_tree_id tree, const char *key)
{
	struct redo_walk w = {
		.io = &d->f.io, .sb = &d->sb, .tree = tree, .ctx = d, .dir = on_dir,
		.leaf = tree == REDO_TREE_MAP ? on_map_leaf : on_alloc_leaf, .zero = on_zero,
		.bad = on_bad,
	};

	d->nodes = json_object_new_array();
	json_object_object_add(d->root, key, d->nodes);
	return redo_walk_tree(&w);
}

/* Journal ------------------------------------------------------------------------ */

static void on_commit(void *ctx, u64 commit, u64 seq, u32 blocks)
{
	struct json_object *o = json_object_new_object();
	struct dump *d = ctx;

	dump_u64(o, "commit", commit);
	dump_u64(o, "sequence", seq);
	dump_u64(o, "blocks", blocks);
	d->records = NULL;
	if (opts.journal) {
		d->records = json_object_new_array();
		json_object_object_add(o, "records", d->records);
	}
	json_object_array_add(d->commits, o);
}

static int on_extent(void *ctx, u64 commit __unused, const struct redo_extent *e)
{
	struct dump *d = ctx;
	struct json_object *o;

	if (!d->records)
		return 0;
	o = json_object_new_object();
	dump_text(o, "type", record_types[e->type]);
	dump_u64(o, "grain", e->logical);
	dump_u64(o, "length", e->len);
	if (e->type == REDO_REC_MAP)
		dump_u64(o, "physical", e->phys);
	json_object_array_add(d->records, o);
	return 0;
}

static void on_bad_record(void *ctx, u64 commit __unused, u64 seq, u32 record, const char *why)
{
	struct dump *d = ctx;
	struct json_object *o = json_object_new_object();

	dump_u64(o, "sequence", seq);
	dump_u64(o, "record", record);
	dump_text(o, "invalid", why);
	json_object_array_add(d->commits, o);
}

static int dump_journal(struct dump *d)
{
	struct redo_replay_ops ops = {
		.ctx = d, .commit = on_commit, .extent = on_extent, .bad = on_bad_record,
	};
	struct json_object *o = json_object_new_object();
	struct redo_replay rep;
	int r;

	d->commits = json_object_new_array();
	r = redo_replay_journal(&d->f.io, &d->sb, &ops, &rep);
	json_object_object_add(d->root, "journal", o);
	dump_u64(o, "commits_to_replay", rep.commits);
	dump_u64(o, "records_to_replay", rep.records);
	dump_u64(o, "next_sequence", rep.next_seq);
	dump_u64(o, "next_commit", rep.next_commit);
	dump_text(o, "end", r ? strerror(-r) : rep.end ? rep.end : "");
	if (rep.hole)
		dump_u64(o, "goes_on_at", rep.hole_seq);
	if (rep.torn)
		dump_u64(o, "torn_blocks", rep.torn_valid);
	json_object_object_add(o, "commits", d->commits);
	return r == -ENOMEM ? r : 0;
}

static bool is_store(const struct redo_file *f)
{
	struct redo_cbt_super cbt;
	struct redo_super sb;

	return redo_read_super(&f->io, f->path, &sb) == -ENODATA &&
	       redo_cbt_read_super(&f->io, f->path, &cbt) != -ENODATA;
}

int cmd_dump(const struct command *c __unused, int argc __unused, char **argv)
{
	struct dump d = { .root = json_object_new_object() };
	int r = redo_file_open(&d.f, argv[0], 0), bad;

	if (r) {
		json_object_put(d.root);
		return r;
	}
	if (is_store(&d.f)) {
		r = dump_store(&d.f, d.root);
		if (!r)
			render(d.root);
		json_object_put(d.root);
		redo_file_close(&d.f);
		return r;
	}
	bad = dump_supers(&d);
	if (!bad) {
		dump_label(&d);
		r = dump_tree(&d, REDO_TREE_MAP, "map");
		d.units = json_object_new_array();
		if (!r)
			r = dump_tree(&d, REDO_TREE_ALLOC, "allocation");
		json_object_object_add(d.root, "units", d.units);
		if (!r)
			r = dump_journal(&d);
	}
	if (!r)
		render(d.root);
	json_object_put(d.root);
	redo_file_close(&d.f);
	return r ? r : bad;
}
