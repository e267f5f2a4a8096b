// SPDX-License-Identifier: GPL-2.0-or-later
/* redosetup dump of a tracking store. */
#include "dump.h"

struct dump {
	const struct redo_file *f;
	struct redo_cbt_super sb;
	struct json_object *root, *bad, *blocks, *marks, *runs;
	u64 start, end;		/* of the run of bits that is not told yet */
};

static struct json_object *super_json(const struct redo_cbt_super *sb)
{
	struct json_object *o = json_object_new_object();

	dump_u64(o, "generation", sb->generation);
	dump_uuid(o, "uuid", sb->uuid);
	dump_u64(o, "flags", sb->flags);
	json_object_object_add(o, "clean", json_object_new_boolean(sb->flags & REDO_CBT_CLEAN));
	json_object_object_add(o, "broken", json_object_new_boolean(sb->flags & REDO_CBT_BROKEN));
	dump_text(o, "break_reason", redo_cbt_break_str(sb->break_reason));
	dump_hex(o, "compat", sb->compat);
	dump_hex(o, "compat_ro", sb->compat_ro);
	dump_hex(o, "incompat", sb->incompat);
	dump_u64(o, "virtual_sectors", sb->virtual_sectors);
	dump_u64(o, "block_sectors", sb->block_sectors);
	dump_u64(o, "epoch", sb->epoch);
	dump_u64(o, "first_epoch", sb->first_epoch);
	dump_u64(o, "base_epoch", sb->base_epoch);
	dump_uuid(o, "link_uuid", sb->link_uuid);
	dump_u64(o, "link_generation", sb->link_generation);
	if (sb->flags & REDO_CBT_ALT)
		dump_uuid(o, "alt_uuid", sb->alt_uuid);
	if (sb->table_root.kind == REDO_PTR_BLOCK)
		dump_u64(o, "table_root", sb->table_root.blocknr);
	dump_u64(o, "records", sb->records);
	dump_hex(o, "incarnation", sb->incarnation);
	dump_u64(o, "replay_seq", sb->replay_seq);
	dump_u64(o, "incarnation_seq", sb->incarnation_seq);
	dump_u64(o, "used_blocks", sb->used_blocks);
	dump_u64(o, "create_time", sb->create_time);
	return o;
}

static int dump_supers(struct dump *d)
{
	static const char *const keys[2] = { "superblock_a", "superblock_b" };
	struct redo_cbt_supers s;
	int r = redo_cbt_read_supers(&d->f->io, &s);

	if (r)
		return redo_err(-r, "%s: cannot read the superblock: %s", d->f->path, strerror(-r));
	dump_text(d->root, "store", d->f->path);
	dump_u64(d->root, "device_bytes", d->f->io.size);
	if (s.cur >= 0)
		dump_text(d->root, "current_slot", s.cur ? "b" : "a");
	for (int i = 0; i < 2; i++) {
		struct json_object *o;

		if (s.bad[i]) {
			o = json_object_new_object();
			dump_text(o, "invalid", redo_cbt_slot_str(&s, i));
		} else {
			o = super_json(&s.sb[i]);
		}
		json_object_object_add(d->root, keys[i], o);
	}
	if (s.cur >= 0)
		d->sb = s.sb[s.cur];
	return s.cur >= 0 ? 0 : redo_cbt_read_super(&d->f->io, d->f->path, &d->sb);
}

/* Bitmaps -------------------------------------------------------------------------- */

static void on_bad(void *ctx, u64 blocknr, u32 level, u64 index, const char *why)
{
	struct json_object *o = json_object_new_object();
	struct dump *d = ctx;

	dump_u64(o, "block", blocknr);
	dump_u64(o, "level", level);
	dump_u64(o, "index", index);
	dump_text(o, "invalid", why);
	json_object_array_add(d->bad, o);
}

static void end_run(struct dump *d)
{
	struct json_object *o;

	if (d->start == d->end)
		return;
	o = json_object_new_object();
	dump_u64(o, "block", d->start);
	dump_u64(o, "length", d->end - d->start);
	json_object_array_add(d->runs, o);
}

static void add_bits(struct dump *d, u64 first, u64 count)
{
	if (d->end != first) {
		end_run(d);
		d->start = first;
	}
	d->end = first + count;
}

static int on_page(void *ctx, u64 page, const __le64 *word)
{
	for (u32 i = 0; i < REDO_CBT_PAGE_WORDS; i++) {
		u64 bits = le64_to_cpu(word[i]);

		for (u32 b = 0; b < 64; b++)
			if (bits >> b & 1)
				add_bits(ctx, page * REDO_CBT_PAGE_BITS + i * 64ULL + b, 1);
	}
	return 0;
}

static int on_ones(void *ctx, u64 page, u64 pages)
{
	add_bits(ctx, page * REDO_CBT_PAGE_BITS, pages * REDO_CBT_PAGE_BITS);
	return 0;
}

static struct json_object *record_json(const struct redo_cbt_record *r)
{
	struct json_object *o = json_object_new_object();

	dump_u64(o, "number", r->number);
	dump_u64(o, "first", r->first);
	dump_u64(o, "soft", r->soft);
	dump_u64(o, "back_to", r->back_to);
	dump_text(o, "kind", redo_cbt_kind_str(r->kind));
	dump_text(o, "label", r->label);
	dump_u64(o, "begin_time", r->begin_time);
	json_object_object_add(o, "implied",
			       json_object_new_boolean(r->flags & REDO_CBT_REC_IMPLIED));
	json_object_object_add(o, "unsettled",
			       json_object_new_boolean(r->flags & REDO_CBT_REC_UNSETTLED));
	json_object_object_add(o, "joined",
			       json_object_new_boolean(r->flags & REDO_CBT_REC_JOINED));
	dump_uuid(o, "delta_uuid", r->delta_uuid);
	dump_u64(o, "blocks_set", r->blocks_set);
	if (r->root.kind == REDO_PTR_BLOCK)
		dump_u64(o, "root", r->root.blocknr);
	else
		dump_text(o, "root", r->root.kind == REDO_PTR_ONES ? "ones" : "none");
	return o;
}

static int dump_epochs(struct dump *d)
{
	struct json_object *list = json_object_new_array();
	struct redo_cbt_walk w = {
		.io = &d->f->io, .sb = &d->sb, .ctx = d, .page = on_page, .ones = on_ones,
		.bad = on_bad,
	};
	struct redo_cbt_table t;
	int r;

	d->bad = json_object_new_array();
	json_object_object_add(d->root, "epochs", list);
	json_object_object_add(d->root, "invalid", d->bad);
	r = redo_cbt_read_table(&w, &t);
	for (u32 i = 0; !r && i < t.nr; i++) {
		struct json_object *o = record_json(&t.record[i]);

		json_object_array_add(list, o);
		if (!opts.leaf)
			continue;
		d->start = d->end = 0;
		d->runs = json_object_new_array();
		json_object_object_add(o, "set", d->runs);
		r = redo_cbt_walk_bitmap(&w, &t.record[i].root);
		end_run(d);
	}
	free(t.record);
	return r;
}

/* Journal --------------------------------------------------------------------------- */

static void on_block(void *ctx, const struct redo_cbt_journal_header *jh)
{
	struct json_object *o = json_object_new_object();
	struct dump *d = ctx;

	dump_u64(o, "sequence", jh->seq);
	dump_u64(o, "epoch", jh->epoch);
	dump_u64(o, "count", jh->count);
	d->marks = NULL;
	if (opts.journal) {
		d->marks = json_object_new_array();
		json_object_object_add(o, "marks", d->marks);
	}
	json_object_array_add(d->blocks, o);
}

static void on_mark(void *ctx, const struct redo_cbt_journal_header *jh __unused,
		    const struct redo_cbt_mark *m)
{
	struct json_object *o;
	struct dump *d = ctx;

	if (!d->marks)
		return;
	o = json_object_new_object();
	dump_u64(o, "block", m->first);
	dump_u64(o, "length", m->count);
	json_object_array_add(d->marks, o);
}

static void on_bad_block(void *ctx, u64 seq, const char *why)
{
	struct json_object *o = json_object_new_object();
	struct dump *d = ctx;

	dump_u64(o, "sequence", seq);
	dump_text(o, "invalid", why);
	json_object_array_add(d->blocks, o);
}

static int dump_journal(struct dump *d)
{
	struct redo_cbt_replay r = {
		.ctx = d, .block = on_block, .mark = on_mark, .bad = on_bad_block,
	};
	struct json_object *o = json_object_new_object();
	int err;

	d->blocks = json_object_new_array();
	err = redo_cbt_replay_journal(&d->f->io, &d->sb, &r);
	json_object_object_add(d->root, "journal", o);
	dump_u64(o, "blocks_to_replay", r.blocks);
	dump_u64(o, "marks_to_replay", r.marks);
	dump_u64(o, "next_sequence", r.next_seq);
	if (err)
		dump_text(o, "end", strerror(-err));
	json_object_object_add(o, "blocks", d->blocks);
	return err == -ENOMEM ? err : 0;
}

int dump_store(const struct redo_file *f, struct json_object *root)
{
	struct dump d = { .f = f, .root = root };
	int r = dump_supers(&d);

	/* What there is of one without a superblock is shown all the same. */
	if (r == -EUCLEAN)
		render(root);
	if (!r)
		r = dump_epochs(&d);
	return r ? r : dump_journal(&d);
}
