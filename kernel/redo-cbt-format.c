// SPDX-License-Identifier: GPL-2.0 OR LGPL-2.1-or-later
/* Packing and unpacking of a tracking store's format; see redo-cbt-format.h. Pure. */
#include "redo-cbt-format.h"

/* Sizes and offsets are part of the format: asserted here, once. */
#define CHECK_SIZE(type, size) \
	static_assert(sizeof(type) == (size), #type " has the wrong size")
#define CHECK_OFFSET(type, member, offset) \
	static_assert(offsetof(type, member) == (offset), #type "." #member " is misplaced")

CHECK_SIZE(struct redo_cbt_disk_header, REDO_BLOCK_SIZE);
CHECK_OFFSET(struct redo_cbt_disk_header, version, 64);
CHECK_OFFSET(struct redo_cbt_disk_header, create_time, 72);
CHECK_OFFSET(struct redo_cbt_disk_header, reserved, 80);
CHECK_SIZE(struct redo_cbt_disk_super, REDO_CBT_SUPER_SIZE);
CHECK_OFFSET(struct redo_cbt_disk_super, version, 64);
CHECK_OFFSET(struct redo_cbt_disk_super, flags, 68);
CHECK_OFFSET(struct redo_cbt_disk_super, compat, 72);
CHECK_OFFSET(struct redo_cbt_disk_super, compat_ro, 80);
CHECK_OFFSET(struct redo_cbt_disk_super, incompat, 88);
CHECK_OFFSET(struct redo_cbt_disk_super, virtual_sectors, 96);
CHECK_OFFSET(struct redo_cbt_disk_super, block_sectors, 104);
CHECK_OFFSET(struct redo_cbt_disk_super, break_reason, 108);
CHECK_OFFSET(struct redo_cbt_disk_super, epoch, 112);
CHECK_OFFSET(struct redo_cbt_disk_super, first_epoch, 120);
CHECK_OFFSET(struct redo_cbt_disk_super, base_epoch, 128);
CHECK_OFFSET(struct redo_cbt_disk_super, link_uuid, 136);
CHECK_OFFSET(struct redo_cbt_disk_super, link_generation, 152);
CHECK_OFFSET(struct redo_cbt_disk_super, alt_uuid, 160);
CHECK_OFFSET(struct redo_cbt_disk_super, table_root, 176);
CHECK_OFFSET(struct redo_cbt_disk_super, journal_start, 184);
CHECK_OFFSET(struct redo_cbt_disk_super, journal_blocks, 192);
CHECK_OFFSET(struct redo_cbt_disk_super, replay_seq, 200);
CHECK_OFFSET(struct redo_cbt_disk_super, incarnation_seq, 208);
CHECK_OFFSET(struct redo_cbt_disk_super, used_blocks, 216);
CHECK_OFFSET(struct redo_cbt_disk_super, create_time, 224);
CHECK_OFFSET(struct redo_cbt_disk_super, records, 232);
CHECK_OFFSET(struct redo_cbt_disk_super, reserved1, 240);
CHECK_SIZE(struct redo_cbt_disk_record, 248);
CHECK_OFFSET(struct redo_cbt_disk_record, first, 8);
CHECK_OFFSET(struct redo_cbt_disk_record, soft, 16);
CHECK_OFFSET(struct redo_cbt_disk_record, back_to, 24);
CHECK_OFFSET(struct redo_cbt_disk_record, begin_time, 32);
CHECK_OFFSET(struct redo_cbt_disk_record, kind, 40);
CHECK_OFFSET(struct redo_cbt_disk_record, flags, 44);
CHECK_OFFSET(struct redo_cbt_disk_record, root, 48);
CHECK_OFFSET(struct redo_cbt_disk_record, blocks_set, 56);
CHECK_OFFSET(struct redo_cbt_disk_record, delta_uuid, 64);
CHECK_OFFSET(struct redo_cbt_disk_record, label, 80);
CHECK_OFFSET(struct redo_cbt_disk_record, reserved, 144);
CHECK_SIZE(struct redo_cbt_disk_table, REDO_BLOCK_SIZE);
CHECK_OFFSET(struct redo_cbt_disk_table, record, 64);
CHECK_SIZE(struct redo_cbt_disk_mark, 16);
CHECK_SIZE(struct redo_cbt_disk_journal, REDO_BLOCK_SIZE);

static const char * const break_text[REDO_CBT_BREAK_NR] = {
	[REDO_CBT_BREAK_NONE]	 = "none",
	[REDO_CBT_BREAK_IO]	 = "the store cannot be read or written",
	[REDO_CBT_BREAK_DAMAGE]	 = "the store is damaged",
	[REDO_CBT_BREAK_LINK]	 = "chain and store do not belong together",
	[REDO_CBT_BREAK_SPACE]	 = "no space in the store",
	[REDO_CBT_BREAK_REBUILD] = "a bitmap could not be rebuilt",
	[REDO_CBT_BREAK_USER]	 = "it was asked for",
	[REDO_CBT_BREAK_MEMORY]	 = "out of memory",
};

const char *redo_cbt_break_str(u32 reason)
{
	return reason < REDO_CBT_BREAK_NR ? break_text[reason] : "unknown";
}

static const char * const kind_text[REDO_CBT_KIND_NR] = {
	[REDO_CBT_ENABLE]	= "enable",
	[REDO_CBT_MARK]		= "mark",
	[REDO_CBT_SNAPSHOT]	= "snapshot",
	[REDO_CBT_REVERT]	= "revert",
	[REDO_CBT_GROW]		= "grow",
};

const char *redo_cbt_kind_str(u32 kind)
{
	return kind && kind < REDO_CBT_KIND_NR ? kind_text[kind] : "unknown";
}

/* No comma: items of a list are separated by it. */
static bool label_ok(const char *label, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (label[i] <= ' ' || label[i] > '~' || label[i] == ',')
			return false;
	return len < REDO_CBT_LABEL_SIZE;
}

bool redo_cbt_label_valid(const char *label)
{
	size_t len = strnlen(label, REDO_CBT_LABEL_SIZE);

	return len && label_ok(label, len);
}

static bool is_nil(const u8 *uuid)
{
	static const u8 nil[REDO_UUID_SIZE];

	return !memcmp(uuid, nil, REDO_UUID_SIZE);
}

static bool is_zero(const void *p, size_t len)
{
	const u8 *b = p;

	return !b[0] && !memcmp(b, b + 1, len - 1);
}

/* Numbers that only rise: from 1 on, and so that there is always a next one. */
static bool number_ok(u64 n)
{
	return n && n <= REDO_NUMBER_MAX;
}

/* Store header ------------------------------------------------------------ */

void redo_cbt_pack_header(void *block, const u8 *uuid, u32 block_sectors, u64 create_time)
{
	struct redo_cbt_disk_header *dh = block;
	struct redo_header h = {
		.magic = REDO_MAGIC_CBT_HEADER,
		.blocknr = REDO_CBT_HEADER_BLOCK,
		.count = block_sectors,
	};

	memset(block, 0, REDO_BLOCK_SIZE);
	memcpy(h.uuid, uuid, REDO_UUID_SIZE);
	redo_pack_header(&dh->header, &h);
	dh->version = cpu_to_le32(REDO_CBT_FORMAT_VERSION);
	dh->create_time = cpu_to_le64(create_time);
	redo_seal_block(block, REDO_BLOCK_SIZE);
}

enum redo_bad redo_cbt_unpack_header(const void *block, u8 *uuid, u32 *block_sectors)
{
	const struct redo_cbt_disk_header *dh = block;
	struct redo_header h;
	enum redo_bad bad;

	bad = redo_check_block(block, REDO_MAGIC_CBT_HEADER, NULL, REDO_CBT_HEADER_BLOCK, &h);
	if (bad)
		return bad;
	if (le32_to_cpu(dh->version) != REDO_CBT_FORMAT_VERSION)
		return REDO_BAD_VERSION;
	if (!redo_cbt_block_sectors_ok(h.count) || is_nil(h.uuid))
		return REDO_BAD_FIELD;
	memcpy(uuid, h.uuid, REDO_UUID_SIZE);
	*block_sectors = h.count;
	return REDO_OK;
}

/* Superblock -------------------------------------------------------------- */

u64 redo_cbt_super_blocknr(u8 slot)
{
	return slot ? REDO_CBT_SUPER_BLOCK_B : REDO_CBT_SUPER_BLOCK_A;
}

void redo_cbt_pack_super(void *block, const struct redo_cbt_super *sb)
{
	struct redo_cbt_disk_super *ds = block;
	struct redo_header h = {
		.magic = REDO_MAGIC_CBT_SUPER,
		.blocknr = redo_cbt_super_blocknr(sb->slot),
		.generation = sb->generation,
		.incarnation = sb->incarnation,
	};

	memset(block, 0, REDO_BLOCK_SIZE);
	memcpy(h.uuid, sb->uuid, REDO_UUID_SIZE);
	redo_pack_header(&ds->header, &h);
	ds->version = cpu_to_le32(REDO_CBT_FORMAT_VERSION);
	ds->flags = cpu_to_le32(sb->flags);
	ds->compat = cpu_to_le64(sb->compat);
	ds->compat_ro = cpu_to_le64(sb->compat_ro);
	ds->incompat = cpu_to_le64(sb->incompat);
	ds->virtual_sectors = cpu_to_le64(sb->virtual_sectors);
	ds->block_sectors = cpu_to_le32(sb->block_sectors);
	ds->break_reason = cpu_to_le32(sb->break_reason);
	ds->epoch = cpu_to_le64(sb->epoch);
	ds->first_epoch = cpu_to_le64(sb->first_epoch);
	ds->base_epoch = cpu_to_le64(sb->base_epoch);
	memcpy(ds->link_uuid, sb->link_uuid, REDO_UUID_SIZE);
	ds->link_generation = cpu_to_le64(sb->link_generation);
	memcpy(ds->alt_uuid, sb->alt_uuid, REDO_UUID_SIZE);
	ds->table_root = redo_pack_ptr(&sb->table_root);
	ds->journal_start = cpu_to_le64(sb->journal_start);
	ds->journal_blocks = cpu_to_le32(sb->journal_blocks);
	ds->replay_seq = cpu_to_le64(sb->replay_seq);
	ds->incarnation_seq = cpu_to_le64(sb->incarnation_seq);
	ds->used_blocks = cpu_to_le64(sb->used_blocks);
	ds->create_time = cpu_to_le64(sb->create_time);
	ds->records = cpu_to_le64(sb->records);
	redo_seal_block(block, REDO_CBT_SUPER_SIZE);
}

static enum redo_bad unpack_super_fields(const struct redo_cbt_disk_super *ds,
					 struct redo_cbt_super *sb)
{
	sb->flags = le32_to_cpu(ds->flags);
	sb->compat = le64_to_cpu(ds->compat);
	sb->compat_ro = le64_to_cpu(ds->compat_ro);
	sb->incompat = le64_to_cpu(ds->incompat);
	sb->virtual_sectors = le64_to_cpu(ds->virtual_sectors);
	sb->block_sectors = le32_to_cpu(ds->block_sectors);
	sb->break_reason = le32_to_cpu(ds->break_reason);
	sb->epoch = le64_to_cpu(ds->epoch);
	sb->first_epoch = le64_to_cpu(ds->first_epoch);
	sb->base_epoch = le64_to_cpu(ds->base_epoch);
	memcpy(sb->link_uuid, ds->link_uuid, REDO_UUID_SIZE);
	sb->link_generation = le64_to_cpu(ds->link_generation);
	memcpy(sb->alt_uuid, ds->alt_uuid, REDO_UUID_SIZE);
	sb->journal_start = le64_to_cpu(ds->journal_start);
	sb->journal_blocks = le32_to_cpu(ds->journal_blocks);
	sb->replay_seq = le64_to_cpu(ds->replay_seq);
	sb->incarnation_seq = le64_to_cpu(ds->incarnation_seq);
	sb->used_blocks = le64_to_cpu(ds->used_blocks);
	sb->create_time = le64_to_cpu(ds->create_time);
	sb->records = le64_to_cpu(ds->records);
	return redo_unpack_ptr(ds->table_root, &sb->table_root);
}

static bool super_geometry_ok(const struct redo_cbt_super *sb)
{
	if (!redo_cbt_block_sectors_ok(sb->block_sectors))
		return false;
	if (!sb->virtual_sectors || sb->virtual_sectors > REDO_ADDR_MASK ||
	    redo_cbt_nr_bits(sb->virtual_sectors, sb->block_sectors) > REDO_CBT_BITS_MAX)
		return false;
	return sb->journal_start == REDO_CBT_JOURNAL_START &&
	       sb->journal_blocks == REDO_CBT_JOURNAL_BLOCKS;
}

static bool super_table_ok(const struct redo_cbt_super *sb)
{
	if (sb->records > REDO_CBT_RECORDS_MAX || !sb->epoch != !sb->records)
		return false;
	if (!sb->epoch)
		return sb->table_root.kind == REDO_PTR_HOLE && sb->first_epoch == 1 &&
		       !sb->base_epoch;
	return sb->table_root.kind == REDO_PTR_BLOCK &&
	       (sb->table_root.blocknr == REDO_CBT_TABLE_DIR ||
		sb->table_root.blocknr == REDO_CBT_TABLE_DIR + 1) &&
	       number_ok(sb->epoch) && sb->first_epoch && sb->first_epoch <= sb->epoch &&
	       sb->base_epoch <= sb->epoch;
}

static bool super_numbers_ok(const struct redo_cbt_super *sb)
{
	if (!number_ok(sb->generation) || !number_ok(sb->replay_seq) ||
	    !number_ok(sb->incarnation_seq) || !sb->incarnation)
		return false;
	/* A ring holds no more. */
	if (sb->incarnation_seq > sb->replay_seq &&
	    sb->incarnation_seq - sb->replay_seq > REDO_CBT_JOURNAL_BLOCKS)
		return false;
	if (!(sb->flags & REDO_CBT_BROKEN) != !sb->break_reason)
		return false;
	return (sb->flags & REDO_CBT_ALT) || is_nil(sb->alt_uuid);
}

enum redo_bad redo_cbt_unpack_super(const void *block, u8 slot, struct redo_cbt_super *sb)
{
	const struct redo_cbt_disk_super *ds = block;
	struct redo_header h;
	enum redo_bad bad;

	bad = redo_check_len(block, REDO_CBT_SUPER_SIZE, REDO_MAGIC_CBT_SUPER, NULL,
			     redo_cbt_super_blocknr(slot), &h);
	if (bad)
		return bad;
	if (le32_to_cpu(ds->version) != REDO_CBT_FORMAT_VERSION)
		return REDO_BAD_VERSION;
	memset(sb, 0, sizeof(*sb));
	memcpy(sb->uuid, h.uuid, REDO_UUID_SIZE);
	sb->slot = slot;
	sb->generation = h.generation;
	sb->incarnation = h.incarnation;
	bad = unpack_super_fields(ds, sb);
	if (bad)
		return bad;
	if (sb->incompat & ~REDO_CBT_INCOMPAT_SUPP)
		return REDO_BAD_INCOMPAT;
	return !is_nil(sb->uuid) && super_geometry_ok(sb) && super_table_ok(sb) &&
	       super_numbers_ok(sb) ? REDO_OK : REDO_BAD_FIELD;
}

int redo_cbt_choose_super(const struct redo_cbt_super sb[2], const enum redo_bad bad[2])
{
	if (bad[0] && bad[1])
		return -1;
	if (redo_slot_refused(bad[0]) || redo_slot_refused(bad[1]))
		return -1;
	if (bad[0])
		return 1;
	if (bad[1])
		return 0;
	if (memcmp(sb[0].uuid, sb[1].uuid, REDO_UUID_SIZE))
		return -1;
	return sb[1].generation > sb[0].generation;
}

/* Nodes ------------------------------------------------------------------- */

void redo_cbt_seal_node(void *block, u32 magic, const u8 *uuid, u64 blocknr, u64 generation,
			u16 level, u64 place)
{
	struct redo_header h = {
		.magic = magic,
		.blocknr = blocknr,
		.generation = generation,
		.place = place,
		.level = level,
	};

	memcpy(h.uuid, uuid, REDO_UUID_SIZE);
	redo_pack_header(block, &h);
	redo_seal_block(block, REDO_BLOCK_SIZE);
}

enum redo_bad redo_cbt_check_node(const void *block, u32 magic, const u8 *uuid,
				  const struct redo_ptr *ptr, u16 level, u64 place)
{
	struct redo_header h;
	enum redo_bad bad;

	bad = redo_check_block(block, magic, uuid, ptr->blocknr, &h);
	if (bad)
		return bad;
	if (h.level != level || h.place != place)
		return REDO_BAD_PLACE;
	if ((h.generation & REDO_GEN_TAG_MASK) != ptr->gen_tag)
		return REDO_BAD_GENERATION;
	return REDO_OK;
}

/* Epoch table ------------------------------------------------------------- */

void redo_cbt_pack_record(struct redo_cbt_disk_record *dr, const struct redo_cbt_record *r)
{
	size_t len = strnlen(r->label, REDO_CBT_LABEL_SIZE - 1);

	memset(dr, 0, sizeof(*dr));
	dr->number = cpu_to_le64(r->number);
	dr->first = cpu_to_le64(r->first);
	dr->soft = cpu_to_le64(r->soft);
	dr->back_to = cpu_to_le64(r->back_to);
	dr->begin_time = cpu_to_le64(r->begin_time);
	dr->kind = cpu_to_le32(r->kind);
	dr->flags = cpu_to_le32(r->flags);
	dr->root = redo_pack_ptr(&r->root);
	dr->blocks_set = cpu_to_le64(r->blocks_set);
	memcpy(dr->delta_uuid, r->delta_uuid, REDO_UUID_SIZE);
	memcpy(dr->label, r->label, len);
}

static bool record_ok(const struct redo_cbt_record *r)
{
	if (!number_ok(r->number) || !r->first || r->first > r->number)
		return false;
	if (r->soft < r->first || r->soft > r->number || r->back_to > r->number)
		return false;
	if (!(r->flags & REDO_CBT_REC_JOINED) != (r->soft == r->first))
		return false;
	if (!(r->flags & REDO_CBT_REC_IMPLIED) != is_nil(r->delta_uuid))
		return false;
	/* What is not settled is what a delta implies, and has not been joined. */
	if ((r->flags & (REDO_CBT_REC_UNSETTLED | REDO_CBT_REC_IMPLIED)) &&
	    r->first != r->number)
		return false;
	if ((r->flags & REDO_CBT_REC_UNSETTLED) && !(r->flags & REDO_CBT_REC_IMPLIED))
		return false;
	return r->kind >= REDO_CBT_ENABLE && r->kind < REDO_CBT_KIND_NR;
}

enum redo_bad redo_cbt_unpack_record(const struct redo_cbt_disk_record *dr,
				     struct redo_cbt_record *r)
{
	enum redo_bad bad;
	size_t len;

	if (!dr->number)
		return is_zero(dr, sizeof(*dr)) ? REDO_BAD_BLANK : REDO_BAD_FIELD;
	r->number = le64_to_cpu(dr->number);
	r->first = le64_to_cpu(dr->first);
	r->soft = le64_to_cpu(dr->soft);
	r->back_to = le64_to_cpu(dr->back_to);
	r->begin_time = le64_to_cpu(dr->begin_time);
	r->kind = le32_to_cpu(dr->kind);
	r->flags = le32_to_cpu(dr->flags);
	r->blocks_set = le64_to_cpu(dr->blocks_set);
	memcpy(r->delta_uuid, dr->delta_uuid, REDO_UUID_SIZE);
	memcpy(r->label, dr->label, REDO_CBT_LABEL_SIZE);
	bad = redo_unpack_ptr(dr->root, &r->root);
	if (bad)
		return bad;
	len = strnlen(r->label, REDO_CBT_LABEL_SIZE);
	if (len == REDO_CBT_LABEL_SIZE || !label_ok(r->label, len))
		return REDO_BAD_FIELD;
	return record_ok(r) ? REDO_OK : REDO_BAD_FIELD;
}

/* Journal ----------------------------------------------------------------- */

void redo_cbt_pack_mark(struct redo_cbt_disk_mark *dm, const struct redo_cbt_mark *m)
{
	dm->first = cpu_to_le64(m->first);
	dm->count = cpu_to_le64(m->count);
}

enum redo_bad redo_cbt_unpack_mark(const struct redo_cbt_disk_mark *dm, struct redo_cbt_mark *m)
{
	m->first = le64_to_cpu(dm->first);
	m->count = le64_to_cpu(dm->count);
	return m->first < REDO_CBT_BITS_MAX && m->count &&
	       m->count <= REDO_CBT_BITS_MAX - m->first ? REDO_OK : REDO_BAD_FIELD;
}

void redo_cbt_seal_journal(void *block, const u8 *uuid, u64 blocknr,
			   const struct redo_cbt_journal_header *jh)
{
	struct redo_disk_header *dh = block;
	struct redo_header h = {
		.magic = REDO_MAGIC_CBT_JOURNAL,
		.blocknr = blocknr,
		.generation = jh->seq,
		.place = jh->epoch,
		.count = jh->count,
		.incarnation = jh->incarnation,
	};
	u32 used = offsetof(struct redo_cbt_disk_journal, mark) +
		   jh->count * sizeof(struct redo_cbt_disk_mark);

	memcpy(h.uuid, uuid, REDO_UUID_SIZE);
	redo_pack_header(dh, &h);
	dh->csum = cpu_to_le32(redo_crc32c_padded(block, offsetof(struct redo_disk_header, uuid),
						  used));
}

enum redo_bad redo_cbt_check_journal(const void *block, const u8 *uuid, u64 blocknr,
				     struct redo_cbt_journal_header *jh)
{
	struct redo_header h;
	enum redo_bad bad;

	bad = redo_check_block(block, REDO_MAGIC_CBT_JOURNAL, uuid, blocknr, &h);
	if (bad)
		return bad;
	if (!h.count || h.count > REDO_CBT_MARKS_PER_BLOCK || !number_ok(h.place) ||
	    !number_ok(h.generation))
		return REDO_BAD_FIELD;
	jh->seq = h.generation;
	jh->epoch = h.place;
	jh->count = h.count;
	jh->incarnation = h.incarnation;
	return REDO_OK;
}

/* Geometry ---------------------------------------------------------------- */

bool redo_cbt_block_sectors_ok(u32 s)
{
	return s >= REDO_CBT_BLOCK_SECTORS_MIN && s <= REDO_CBT_BLOCK_SECTORS_MAX &&
	       !(s & (s - 1));
}

u64 redo_cbt_nr_bits(u64 virtual_sectors, u32 block_sectors)
{
	return DIV_ROUND_UP(virtual_sectors, block_sectors);
}

u64 redo_cbt_nr_pages(u64 nr_bits)
{
	return DIV_ROUND_UP(nr_bits, REDO_CBT_PAGE_BITS);
}

u64 redo_cbt_full_blocks(u64 virtual_sectors, u32 block_sectors)
{
	u64 pages = redo_cbt_nr_pages(redo_cbt_nr_bits(virtual_sectors, block_sectors));

	return pages + DIV_ROUND_UP(pages, REDO_FANOUT) + 1;
}

u64 redo_cbt_min_blocks(u64 virtual_sectors, u32 block_sectors)
{
	return REDO_CBT_DATA_START + 4 * redo_cbt_full_blocks(virtual_sectors, block_sectors);
}
