// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packing and unpacking of each structure, from one block. What unpacks packs to
 * something that unpacks to the same; and where nothing is reserved, to the same
 * bytes. Input: which structure, then the block.
 */
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

static union {
	u8 byte[REDO_BLOCK_SIZE];
	u64 align;
} in, out, again;

static const u8 *uuid_of(const void *block)
{
	return (const u8 *)block + offsetof(struct redo_disk_header, uuid);
}

static u64 own_address(const void *block)
{
	return le64_to_cpu(((const struct redo_disk_header *)block)->blocknr);
}

static void super(void)
{
	struct redo_super sb, sb2;
	u8 slot;

	for (slot = 0; slot < 2; slot++) {
		if (redo_unpack_super(in.byte, slot, &sb))
			continue;
		redo_pack_super(out.byte, &sb);
		must(!redo_unpack_super(out.byte, slot, &sb2));
		must(!memcmp(&sb, &sb2, sizeof(sb)));
		redo_pack_super(again.byte, &sb2);
		must(!memcmp(out.byte, again.byte, REDO_BLOCK_SIZE));
		/* All that a tool or the module may compute from it. */
		must(redo_nr_grains(sb.virtual_sectors, sb.grain_sectors));
		must(redo_tree_height(redo_nr_leaves(sb.virtual_sectors, sb.grain_sectors)) <=
		     sb.map_height);
		must(sb.journal_start + sb.journal_blocks <= REDO_UNIT_BLOCKS);
		must(redo_journal_blocknr(sb.journal_start, sb.journal_blocks, sb.replay_seq) <
		     REDO_UNIT_BLOCKS);
	}
}

static void label(void)
{
	struct redo_label l, l2;
	u64 at = own_address(in.byte);

	if (redo_unpack_label(in.byte, uuid_of(in.byte), at, &l))
		return;
	redo_pack_label(out.byte, uuid_of(in.byte), at, 1, &l);
	must(!redo_unpack_label(out.byte, uuid_of(in.byte), at, &l2));
	must(!strcmp(l.chain_name, l2.chain_name) && !strcmp(l.snap_name, l2.snap_name) &&
	     !strcmp(l.description, l2.description) && !strcmp(l.base_path, l2.base_path) &&
	     !strcmp(l.host, l2.host));
	redo_name_valid(l.chain_name);
}

static void unit(void)
{
	u64 nr = le64_to_cpu(((struct redo_disk_header *)in.byte)->place);
	enum redo_unit_type type, type2;
	u32 grain, grain2;

	if (redo_unpack_unit_header(in.byte, uuid_of(in.byte), nr, &type, &grain))
		return;
	redo_pack_unit_header(out.byte, uuid_of(in.byte), nr, type, grain);
	must(!redo_unpack_unit_header(out.byte, uuid_of(in.byte), nr, &type2, &grain2));
	must(type == type2 && grain == grain2);
}

static void words(void)
{
	const struct redo_disk_node *n = (const void *)in.byte;
	struct redo_grain g;
	struct redo_ptr p;
	u32 i;

	for (i = 0; i < REDO_FANOUT; i++) {
		if (!redo_unpack_ptr(n->word[i], &p))
			must(redo_pack_ptr(&p) == n->word[i]);
		if (!redo_unpack_grain(n->word[i], &g))
			must(redo_pack_grain(&g) == n->word[i]);
	}
}

static void node(void)
{
	const struct redo_disk_header *dh = (const void *)in.byte;
	struct redo_header h;
	struct redo_ptr p;

	redo_unpack_header(dh, &h);
	p = (struct redo_ptr){ .blocknr = h.blocknr, .kind = REDO_PTR_BLOCK,
			       .gen_tag = h.generation & REDO_GEN_TAG_MASK };
	if (redo_check_node(in.byte, h.uuid, &p, h.aux ? REDO_TREE_ALLOC : REDO_TREE_MAP,
			    h.level, h.place))
		return;
	memcpy(out.byte, in.byte, REDO_BLOCK_SIZE);
	redo_seal_node(out.byte, h.uuid, h.blocknr, h.generation,
		       h.aux ? REDO_TREE_ALLOC : REDO_TREE_MAP, h.level, h.place);
	must(!redo_check_node(out.byte, h.uuid, &p, h.aux ? REDO_TREE_ALLOC : REDO_TREE_MAP,
			      h.level, h.place));
	words();
}

static void journal(void)
{
	const struct redo_disk_journal *j = (const void *)in.byte;
	struct redo_journal_header jh;
	struct redo_disk_record rec;
	struct redo_extent e;
	u32 i;

	if (redo_check_journal(in.byte, uuid_of(in.byte), own_address(in.byte), &jh))
		return;
	must(jh.index < jh.total && jh.count <= REDO_RECORDS_PER_BLOCK);
	for (i = 0; i < jh.count; i++) {
		if (redo_unpack_record(&j->record[i], &e))
			continue;
		must(e.len && e.logical + e.len > e.logical);
		redo_pack_record(&rec, &e);
		must(!memcmp(&rec, &j->record[i], sizeof(rec)));
	}
	memcpy(out.byte, in.byte, REDO_BLOCK_SIZE);
	redo_seal_journal(out.byte, uuid_of(in.byte), own_address(in.byte), &jh);
	must(!memcmp(in.byte, out.byte, REDO_BLOCK_SIZE));
}

/* Of a tracking store ------------------------------------------------------------ */

static void cbt_header(void)
{
	u8 uuid[REDO_UUID_SIZE];
	u32 sectors;

	if (redo_cbt_unpack_header(in.byte, uuid, &sectors))
		return;
	must(redo_cbt_block_sectors_ok(sectors));
	redo_cbt_pack_header(out.byte, uuid, sectors, 0);
	must(!redo_cbt_unpack_header(out.byte, uuid, &sectors));
}

static void cbt_super(void)
{
	struct redo_cbt_super sb, sb2;
	u8 slot;

	for (slot = 0; slot < 2; slot++) {
		u64 bits;

		if (redo_cbt_unpack_super(in.byte, slot, &sb))
			continue;
		redo_cbt_pack_super(out.byte, &sb);
		must(!redo_cbt_unpack_super(out.byte, slot, &sb2));
		must(!memcmp(&sb, &sb2, sizeof(sb)));
		redo_cbt_pack_super(again.byte, &sb2);
		must(!memcmp(out.byte, again.byte, REDO_BLOCK_SIZE));
		bits = redo_cbt_nr_bits(sb.virtual_sectors, sb.block_sectors);
		must(bits && bits <= REDO_CBT_BITS_MAX);
		must(redo_cbt_nr_pages(bits) <= REDO_CBT_PAGES_MAX);
		must(redo_cbt_min_blocks(sb.virtual_sectors, sb.block_sectors) >
		     redo_cbt_full_blocks(sb.virtual_sectors, sb.block_sectors));
		must(strlen(redo_cbt_break_str(sb.break_reason)));
	}
}

static void cbt_table(void)
{
	const struct redo_cbt_disk_table *t = (const void *)in.byte;
	struct redo_cbt_disk_record dr;
	struct redo_cbt_record r, r2;
	u32 i;

	for (i = 0; i < REDO_CBT_RECORDS_PER_BLOCK; i++) {
		if (redo_cbt_unpack_record(&t->record[i], &r))
			continue;
		must(r.first && r.first <= r.number);
		must(!r.label[0] || redo_cbt_label_valid(r.label));
		must(strcmp(redo_cbt_kind_str(r.kind), "unknown"));
		redo_cbt_pack_record(&dr, &r);
		must(!redo_cbt_unpack_record(&dr, &r2));
		must(r.number == r2.number && r.first == r2.first && r.soft == r2.soft &&
		     r.back_to == r2.back_to && r.flags == r2.flags && r.kind == r2.kind &&
		     r.blocks_set == r2.blocks_set && !strcmp(r.label, r2.label));
	}
}

static void cbt_node(void)
{
	struct redo_header h;
	struct redo_ptr p;

	redo_unpack_header((const void *)in.byte, &h);
	p = (struct redo_ptr){ .blocknr = h.blocknr, .kind = REDO_PTR_BLOCK,
			       .gen_tag = h.generation & REDO_GEN_TAG_MASK };
	if (redo_cbt_check_node(in.byte, redo_cbt_node_magic(h.level), h.uuid, &p, h.level,
				h.place))
		return;
	memcpy(out.byte, in.byte, REDO_BLOCK_SIZE);
	redo_cbt_seal_node(out.byte, redo_cbt_node_magic(h.level), h.uuid, h.blocknr,
			   h.generation, h.level, h.place);
	must(!redo_cbt_check_node(out.byte, redo_cbt_node_magic(h.level), h.uuid, &p, h.level,
				  h.place));
}

static void cbt_journal(void)
{
	const struct redo_cbt_disk_journal *j = (const void *)in.byte;
	struct redo_cbt_journal_header jh;
	struct redo_cbt_disk_mark dm;
	struct redo_cbt_mark m;
	u32 i;

	if (redo_cbt_check_journal(in.byte, uuid_of(in.byte), own_address(in.byte), &jh))
		return;
	must(jh.count && jh.count <= REDO_CBT_MARKS_PER_BLOCK && jh.epoch && jh.seq);
	for (i = 0; i < jh.count; i++) {
		if (redo_cbt_unpack_mark(&j->mark[i], &m))
			continue;
		must(m.count && m.first + m.count > m.first &&
		     m.first + m.count <= REDO_CBT_BITS_MAX);
		redo_cbt_pack_mark(&dm, &m);
		must(!memcmp(&dm, &j->mark[i], sizeof(dm)));
	}
}

static void (*const structure[])(void) = {
	super, label, unit, words, node, journal,
	cbt_header, cbt_super, cbt_table, cbt_node, cbt_journal,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	memset(in.byte, 0, sizeof(in));
	memcpy(in.byte, data + 1, size - 1 < sizeof(in) ? size - 1 : sizeof(in));
	structure[data[0] % ARRAY_SIZE(structure)]();
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	u64 state = seed;

	if (max_size < 1 + REDO_BLOCK_SIZE)
		return LLVMFuzzerMutate(data, size, max_size);
	if (size < 1 + REDO_BLOCK_SIZE)
		memset(data + size, 0, 1 + REDO_BLOCK_SIZE - size);
	if (!(fuzz_random(&state) % 32))
		data[0] = fuzz_random(&state);
	memcpy(in.byte, data + 1, REDO_BLOCK_SIZE);
	fuzz_block(in.byte, &state);
	memcpy(data + 1, in.byte, REDO_BLOCK_SIZE);
	return 1 + REDO_BLOCK_SIZE;
}
