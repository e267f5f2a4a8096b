// SPDX-License-Identifier: GPL-2.0-or-later
/* A tracking store in memory: formatted, probed, read and checked; and each damage found. */
#include <unistd.h>
#include "unit.h"
#include "cbt-store.h"

#define SECTORS		(64ULL << 20)	/* 32 GiB: 524288 blocks of 64 KiB, 17 pages */
#define BLOCKS		(REDO_CBT_DATA_START + 4 * 19 + 8)

struct store {
	u8 *data;
	struct redo_io io;
	struct redo_cbt_super sb;
};

static int read_store(void *ctx, u64 offset, void *buf, size_t len)
{
	struct store *s = ctx;

	assert_true(offset + len <= s->io.size);
	memcpy(buf, s->data + offset, len);
	return 0;
}

static void *block(struct store *s, u64 blocknr)
{
	return s->data + blocknr * REDO_BLOCK_SIZE;
}

static struct redo_ptr ptr_to(u64 blocknr)
{
	return (struct redo_ptr){ .kind = REDO_PTR_BLOCK, .blocknr = blocknr, .gen_tag = 2 };
}

static __le64 word_to(u64 blocknr)
{
	struct redo_ptr p = ptr_to(blocknr);

	return redo_pack_ptr(&p);
}

static void seal(struct store *s, u64 blocknr, u32 magic, u16 level, u64 place)
{
	redo_cbt_seal_node(block(s, blocknr), magic, s->sb.uuid, blocknr, 2, level, place);
}

static void write_super(struct store *s)
{
	redo_cbt_pack_super(block(s, redo_cbt_super_blocknr(s->sb.slot)), &s->sb);
}

enum { ROOT = REDO_CBT_DATA_START, DIR, PAGE0, PAGE3, TABLE_DIR = REDO_CBT_TABLE_DIR,
       TABLE = REDO_CBT_TABLE_START };

static struct redo_cbt_disk_record *record(struct store *s, u32 slot)
{
	return &((struct redo_cbt_disk_table *)block(s, TABLE))->record[slot];
}

static void put_record(struct store *s, u32 slot, u64 first, u64 number, const struct redo_ptr *root,
		       u64 set)
{
	struct redo_cbt_record r = {
		.number = number, .first = first, .soft = first, .begin_time = 1764140000 + number,
		.kind = REDO_CBT_MARK, .blocks_set = set,
	};

	if (root)
		r.root = *root;
	redo_cbt_pack_record(record(s, slot), &r);
}

static void seal_table(struct store *s)
{
	seal(s, TABLE, REDO_MAGIC_CBT_TABLE, 0, 0);
}

static void put_marks(struct store *s, u64 seq, u64 epoch, const struct redo_cbt_mark *m, u32 nr)
{
	struct redo_cbt_journal_header jh = {
		.seq = seq, .epoch = epoch, .count = nr, .incarnation = s->sb.incarnation,
	};
	u64 blocknr = redo_cbt_journal_blocknr(seq);
	struct redo_cbt_disk_journal *j = block(s, blocknr);

	memset(j, 0, sizeof(*j));
	for (u32 i = 0; i < nr; i++)
		redo_cbt_pack_mark(&j->mark[i], &m[i]);
	redo_cbt_seal_journal(j, s->sb.uuid, blocknr, &jh);
}

/*
 * Epochs 1 to 3 joined into one, with bits 0, 1, 70 and page 3's last; 4 with everything set
 * from page 504 on, which is beyond the end; the current one, 5, empty with a mark in the journal.
 */
static void filled(struct store *s)
{
	static const struct redo_cbt_mark mark[] = { { 5, 2 }, { 1000, 1 } };
	struct redo_ptr root = ptr_to(ROOT), none = { .kind = REDO_PTR_HOLE };
	struct redo_disk_node *n;

	memset(s, 0, sizeof(*s));
	s->data = calloc(BLOCKS, REDO_BLOCK_SIZE);
	assert_non_null(s->data);
	s->io = (struct redo_io){ s, read_store, (u64)BLOCKS * REDO_BLOCK_SIZE };
	s->sb = (struct redo_cbt_super){
		.slot = 1, .generation = 2, .incarnation = 77, .virtual_sectors = SECTORS,
		.block_sectors = 128, .epoch = 5, .first_epoch = 1, .table_root = ptr_to(TABLE_DIR),
		.journal_start = REDO_CBT_JOURNAL_START, .journal_blocks = REDO_CBT_JOURNAL_BLOCKS,
		.replay_seq = 300, .incarnation_seq = 300, .records = 3, .used_blocks = 4,
	};
	memset(s->sb.uuid, 0xab, REDO_UUID_SIZE);
	write_super(s);
	redo_cbt_pack_header(block(s, 0), s->sb.uuid, 128, 1764140000);
	n = block(s, PAGE0);
	n->word[0] = cpu_to_le64(3);
	n->word[1] = cpu_to_le64(1ULL << 6);
	seal(s, PAGE0, REDO_MAGIC_CBT_PAGE, 0, 0);
	n = block(s, PAGE3);
	n->word[503] = cpu_to_le64(1ULL << 63);
	seal(s, PAGE3, REDO_MAGIC_CBT_PAGE, 0, 3);
	n = block(s, DIR);
	n->word[0] = word_to(PAGE0);
	n->word[3] = word_to(PAGE3);
	seal(s, DIR, REDO_MAGIC_CBT_DIR, 1, 0);
	n = block(s, ROOT);
	n->word[0] = word_to(DIR);
	seal(s, ROOT, REDO_MAGIC_CBT_DIR, 2, 0);
	put_record(s, 2, 1, 3, &root, 4);
	put_record(s, 0, 4, 4, &none, 0);
	put_record(s, 7, 5, 5, NULL, 0);
	seal_table(s);
	n = block(s, TABLE_DIR);
	n->word[0] = word_to(TABLE);
	seal(s, TABLE_DIR, REDO_MAGIC_CBT_TABLE, 1, 0);
	put_marks(s, 300, 5, mark, 2);
}

/* Checking ------------------------------------------------------------------------- */

struct found {
	char text[32][512];
	int nr;
	struct redo_cbt_check_result res;
};

static void on_problem(void *ctx, const char *text)
{
	struct found *f = ctx;

	if (f->nr < 32)
		redo_copy(f->text[f->nr++], text, sizeof(f->text[0]));
}

static void check(struct store *s, struct found *f)
{
	struct redo_check_ops ops = { .ctx = f, .problem = on_problem };

	memset(f, 0, sizeof(*f));
	assert_int_equal(redo_cbt_check(&s->io, &ops, &f->res), 0);
	assert_int_equal(f->res.problems, f->nr);
}

static void sound(void **state __unused)
{
	struct store s;
	struct found f;

	filled(&s);
	check(&s, &f);
	assert_int_equal(f.nr, 0);
	assert_int_equal(f.res.records, 3);
	assert_int_equal(f.res.blocks, 2 + 4);
	assert_int_equal(f.res.journal_blocks, 1);
	assert_int_equal(f.res.marks, 3 - 1);
	assert_null(f.res.ended);
	s.sb.flags |= REDO_CBT_BROKEN;
	s.sb.break_reason = REDO_CBT_BREAK_LINK;
	write_super(&s);
	check(&s, &f);
	assert_int_equal(f.nr, 0);
	assert_string_equal(f.res.ended, "chain and store do not belong together");
	free(s.data);
}

/* What the record says of its bits has to be what they are. */
struct bits {
	u64 bit[16], nr;
};

static int on_page(void *ctx, u64 page, const __le64 *word)
{
	struct bits *b = ctx;

	for (u32 i = 0; i < REDO_CBT_PAGE_BITS; i++)
		if (le64_to_cpu(word[i / 64]) >> i % 64 & 1)
			b->bit[b->nr++] = page * REDO_CBT_PAGE_BITS + i;
	return 0;
}

static int on_ones(void *ctx, u64 page, u64 pages)
{
	struct bits *b = ctx;

	b->bit[b->nr++] = page;
	b->bit[b->nr++] = pages;
	return 0;
}

static void no_bad(void *ctx __unused, u64 blocknr __unused, u32 level __unused, u64 index __unused,
		   const char *why)
{
	fail_msg("%s", why);
}

static void walk(void **state __unused)
{
	struct redo_ptr ones = { .kind = REDO_PTR_ONES };
	struct redo_disk_node *n;
	struct redo_cbt_table t;
	struct bits b = { .nr = 0 };
	struct store s;
	struct redo_cbt_walk w = {
		.ctx = &b, .page = on_page, .ones = on_ones, .bad = no_bad,
	};

	filled(&s);
	w.io = &s.io;
	w.sb = &s.sb;
	n = block(&s, DIR);
	n->word[5] = redo_pack_ptr(&ones);
	seal(&s, DIR, REDO_MAGIC_CBT_DIR, 1, 0);
	n = block(&s, ROOT);
	n->word[1] = redo_pack_ptr(&ones);
	seal(&s, ROOT, REDO_MAGIC_CBT_DIR, 2, 0);
	assert_int_equal(redo_cbt_read_table(&w, &t), 0);
	assert_int_equal(t.nr, 3);
	assert_int_equal(t.record[0].number, 3);
	assert_int_equal(t.record[2].number, 5);
	assert_int_equal(redo_cbt_walk_bitmap(&w, &t.record[0].root), 0);
	assert_int_equal(b.nr, 8);
	assert_int_equal(b.bit[0], 0);
	assert_int_equal(b.bit[1], 1);
	assert_int_equal(b.bit[2], 70);
	assert_int_equal(b.bit[3], 4 * REDO_CBT_PAGE_BITS - 1);
	assert_int_equal(b.bit[4], 5);
	assert_int_equal(b.bit[5], 1);
	assert_int_equal(b.bit[6], REDO_FANOUT);
	assert_int_equal(b.bit[7], REDO_FANOUT);
	b.nr = 0;
	assert_int_equal(redo_cbt_walk_bitmap(&w, &t.record[1].root), 0);
	assert_int_equal(b.nr, 0);
	free(t.record);
	free(s.data);
}

/* One change each, and the words that it must be told with. */
static void flip(struct store *s, u64 blocknr)
{
	((u8 *)block(s, blocknr))[2000] ^= 1;
}

static void flip_page(struct store *s) { flip(s, PAGE3); }
static void flip_dir(struct store *s) { flip(s, DIR); }
static void flip_table(struct store *s) { flip(s, TABLE); }
static void flip_header(struct store *s) { flip(s, 0); }
static void flip_super(struct store *s) { ((u8 *)block(s, 2))[100] ^= 1; }

static void stale_page(struct store *s)
{
	redo_cbt_seal_node(block(s, PAGE0), REDO_MAGIC_CBT_PAGE, s->sb.uuid, PAGE0, 1, 0, 0);
}

static void twice(struct store *s)
{
	struct redo_disk_node *n = block(s, DIR);

	n->word[4] = word_to(PAGE3);
	seal(s, DIR, REDO_MAGIC_CBT_DIR, 1, 0);
}

static void outside(struct store *s)
{
	struct redo_disk_node *n = block(s, DIR);

	n->word[4] = word_to(BLOCKS);
	seal(s, DIR, REDO_MAGIC_CBT_DIR, 1, 0);
}

static void in_table(struct store *s)
{
	struct redo_disk_node *n = block(s, DIR);

	n->word[4] = word_to(TABLE + 1);
	seal(s, DIR, REDO_MAGIC_CBT_DIR, 1, 0);
}

static void overlap(struct store *s)
{
	put_record(s, 0, 3, 4, NULL, 0);
	seal_table(s);
}

static void gap(struct store *s)
{
	memset(record(s, 0), 0, sizeof(struct redo_cbt_disk_record));
	s->sb.records = 2;
	write_super(s);
	seal_table(s);
}

static void one_less(struct store *s)
{
	s->sb.records = 4;
	write_super(s);
}

static void no_current(struct store *s)
{
	s->sb.epoch = 6;
	write_super(s);
}

static void bad_record(struct store *s)
{
	record(s, 0)->kind = cpu_to_le32(99);
	seal_table(s);
}

static void lost_mark(struct store *s)
{
	static const struct redo_cbt_mark mark = { 1, 1 };

	put_marks(s, 302, 5, &mark, 1);
}

static void earlier_lost(struct store *s)
{
	s->sb.incarnation_seq = 302;
	write_super(s);
}

static void later_epoch(struct store *s)
{
	static const struct redo_cbt_mark mark = { 1, 1 };

	put_marks(s, 301, 6, &mark, 1);
}

static void not_clean(struct store *s)
{
	s->sb.flags |= REDO_CBT_CLEAN;
	write_super(s);
}

static void ended(struct store *s)
{
	struct redo_cbt_record r;

	assert_int_equal(redo_cbt_unpack_record(record(s, 0), &r), 0);
	r.flags = REDO_CBT_REC_IMPLIED;
	memset(r.delta_uuid, 1, REDO_UUID_SIZE);
	redo_cbt_pack_record(record(s, 0), &r);
	seal_table(s);
}

static void damage(void **state __unused)
{
	static const struct {
		void (*fn)(struct store *s);
		const char *text;
	} t[] = {
		{ flip_page, "epoch 3 (level 0, number 3): wrong checksum" },
		{ flip_dir, "epoch 3 (level 1, number 0): wrong checksum" },
		{ flip_table, "the table (level 0, number 0): wrong checksum" },
		{ flip_header, "header: wrong checksum" },
		{ flip_super, "no valid superblock" },
		{ stale_page, "epoch 3 (level 0, number 0): wrong generation" },
		{ twice, "is in use twice" },
		{ outside, "outside the store" },
		{ in_table, "in the table's area" },
		{ overlap, "overlap" },
		{ gap, "epochs 4 to 4 are in no record" },
		{ one_less, "the table has 3 records, the superblock says 4" },
		{ no_current, "the current epoch 6 has no record" },
		{ bad_record, "an invalid record" },
		{ lost_mark, "sequence 301: lost" },
		{ earlier_lost, "sequence 301: lost" },
		{ later_epoch, "sequence 301 is of epoch 6" },
		{ not_clean, "the store is clean, and its journal has 1 blocks" },
		{ ended, "the record of epoch 4 has ended, and is neither" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct store s;
		struct found f;
		int k;

		filled(&s);
		t[i].fn(&s);
		check(&s, &f);
		for (k = 0; k < f.nr && !strstr(f.text[k], t[i].text); k++)
			;
		if (k == f.nr)
			fail_msg("not found: %s; but %d others, the first: %s", t[i].text, f.nr,
				 f.nr ? f.text[0] : "");
		free(s.data);
	}
}

/* Any bit of what is in use is noticed, or makes no difference to what is read. */
static void every_byte(void **state __unused)
{
	static const u64 blocks[] = { 0, 2, TABLE_DIR, TABLE, ROOT, DIR, PAGE0, PAGE3 };
	struct store s;
	struct found f;

	filled(&s);
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		/* Behind its 512 bytes the superblock says nothing. */
		u32 len = blocks[i] == 2 ? REDO_CBT_SUPER_SIZE : REDO_BLOCK_SIZE;

		for (u32 at = 0; at < len; at += 7) {
			((u8 *)block(&s, blocks[i]))[at] ^= 0x10;
			check(&s, &f);
			assert_true(f.nr > 0);
			((u8 *)block(&s, blocks[i]))[at] ^= 0x10;
		}
	}
	check(&s, &f);
	assert_int_equal(f.nr, 0);
	free(s.data);
}

/* On a file --------------------------------------------------------------------------- */

static void make_file(char *path, u64 bytes)
{
	int fd;

	strcpy(path, "/tmp/redo-cbt-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	close(fd);
}

static int format(const char *path, u32 block_sectors, u64 sectors, struct redo_cbt_super *sb)
{
	struct redo_file f;
	int r;

	assert_int_equal(redo_file_open(&f, path, REDO_OPEN_WRITE), 0);
	r = redo_cbt_format_file(&f, block_sectors, sectors, sb);
	redo_file_close(&f);
	return r;
}

static void formatted(void **state __unused)
{
	struct redo_tracker_node n;
	struct redo_cbt_super a, b;
	struct found f = { .nr = 0 };
	struct redo_check_ops ops = { .ctx = &f, .problem = on_problem };
	struct redo_file file;
	u64 least, good;
	char path[64], what[128];

	assert_int_equal(redo_cbt_sizes(SECTORS, 128, &least, &good), 0);
	assert_int_equal(least, (REDO_CBT_DATA_START + 4 * 19) * 4096);
	assert_int_equal(good, (REDO_CBT_DATA_START + 16 * 19) * 4096);
	make_file(path, least - 4096);
	assert_int_equal(redo_probe_tracker(path, &n), -ENODATA);
	assert_int_equal(format(path, 128, SECTORS, &a), -ENOSPC);
	assert_non_null(strstr(redo_last_error(), "needs at least 1912 KiB"));
	assert_int_equal(redo_probe_tracker(path, &n), -ENODATA);
	assert_int_equal(truncate(path, (off_t)least), 0);
	assert_int_equal(format(path, 128, SECTORS, &a), 0);
	assert_int_equal(redo_probe_tracker(path, &n), 0);
	assert_memory_equal(n.sb.uuid, a.uuid, REDO_UUID_SIZE);
	assert_int_equal(n.sb.block_sectors, 128);
	assert_int_equal(n.sb.virtual_sectors, SECTORS);
	assert_int_equal(n.sb.flags, REDO_CBT_CLEAN);
	assert_int_equal(redo_file_open(&file, path, 0), 0);
	assert_int_equal(redo_cbt_check(&file.io, &ops, &f.res), 0);
	assert_int_equal(f.res.problems, 0);
	redo_file_close(&file);
	assert_int_equal(redo_signature(path, what, sizeof(what)), 0);
	assert_string_equal(what, "a tracking store of dm-redo");
	/* Another time: another one. */
	assert_int_equal(format(path, 2048, SECTORS, &b), 0);
	assert_memory_not_equal(a.uuid, b.uuid, REDO_UUID_SIZE);
	assert_int_equal(redo_probe_tracker(path, &n), 0);
	assert_memory_equal(n.sb.uuid, b.uuid, REDO_UUID_SIZE);
	assert_int_equal(redo_cbt_wipe(path), 0);
	assert_int_equal(redo_probe_tracker(path, &n), -ENODATA);
	assert_int_equal(redo_signature(path, what, sizeof(what)), 0);
	assert_string_equal(what, "");
	/* Too many blocks for three levels. */
	assert_int_equal(redo_cbt_sizes(REDO_CBT_BITS_MAX * 8 + 1, 8, &least, &good), -EFBIG);
	assert_int_equal(redo_cbt_sizes(REDO_CBT_BITS_MAX * 8, 8, &least, &good), 0);
	unlink(path);
}

static void write_at(const char *path, u64 blocknr, const char *bytes, size_t len)
{
	FILE *f = fopen(path, "r+");

	assert_non_null(f);
	assert_int_equal(fseek(f, (long)blocknr * 4096 + 64, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* A store that has lost its superblock is still no blank device. */
static void damaged_file(void **state __unused)
{
	struct redo_tracker_node n;
	struct redo_cbt_super sb;
	char path[64], what[128];

	make_file(path, 4 << 20);
	assert_int_equal(format(path, 128, SECTORS, &sb), 0);
	write_at(path, 1, "nonsense", 8);
	assert_int_equal(redo_probe_tracker(path, &n), -EUCLEAN);
	assert_int_equal(redo_signature(path, what, sizeof(what)), 0);
	assert_string_equal(what, "a tracking store of dm-redo (damaged)");
	unlink(path);
}

/* Found by UUID among others; of two the one that was written later. */
static void found_again(void **state __unused)
{
	struct redo_tracker_node t[3] = { { .path = "a", .rdev = 1 }, { .path = "b", .rdev = 2 },
					  { .path = "c", .rdev = 3 } };
	struct redo_set set = { .tracker = t, .nr_trackers = 3 };
	struct redo_chain c = { .name = "web" };
	struct redo_node top = { .path = "d" };
	u8 uuid[REDO_UUID_SIZE];
	u32 nr;

	memset(t[0].sb.uuid, 1, REDO_UUID_SIZE);
	memset(t[1].sb.uuid, 2, REDO_UUID_SIZE);
	memset(t[2].sb.uuid, 2, REDO_UUID_SIZE);
	t[1].sb.generation = 5;
	t[2].sb.generation = 6;
	assert_false(redo_chain_tracker(&c, uuid));
	strcpy(c.reg_tracker, "02020202-0202-0202-0202-020202020202");
	assert_true(redo_chain_tracker(&c, uuid));
	assert_string_equal(redo_find_tracker(&set, uuid, &nr)->path, "c");
	assert_int_equal(nr, 2);
	/* A delta that says otherwise is right. */
	c.present = &top;
	assert_false(redo_chain_tracker(&c, uuid));
	memset(top.sb.tracker_uuid, 1, REDO_UUID_SIZE);
	assert_true(redo_chain_tracker(&c, uuid));
	assert_string_equal(redo_find_tracker(&set, uuid, &nr)->path, "a");
	assert_int_equal(nr, 1);
	memset(uuid, 3, REDO_UUID_SIZE);
	assert_null(redo_find_tracker(&set, uuid, &nr));
	assert_int_equal(nr, 0);
	/* Its deltas are away: so is what they know. */
	c.present = NULL;
	c.tree_uuid[0] = 1;
	assert_false(redo_chain_tracker(&c, uuid));
	c.tree_uuid[0] = 0;
	strcpy(c.reg_tracker, "ended");
	assert_false(redo_chain_tracker(&c, uuid));
	assert_string_equal(redo_find_tracker_dev(&set, 2)->path, "b");
	assert_null(redo_find_tracker_dev(&set, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound), cmocka_unit_test(walk), cmocka_unit_test(damage),
		cmocka_unit_test(every_byte), cmocka_unit_test(formatted),
		cmocka_unit_test(damaged_file), cmocka_unit_test(found_again),
	};

	return cmocka_run_group_tests_name("cbt_store", tests, NULL, NULL);
}
