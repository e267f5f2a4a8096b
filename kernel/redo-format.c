// SPDX-License-Identifier: GPL-2.0 OR LGPL-2.1-or-later
/* Packing and unpacking of the on-disk format; see redo-format.h. Pure. */
#include "redo-format.h"

/* Sizes and offsets are part of the format: asserted here, once. */
#define CHECK_SIZE(type, size) \
	static_assert(sizeof(type) == (size), #type " has the wrong size")
#define CHECK_OFFSET(type, member, offset) \
	static_assert(offsetof(type, member) == (offset), #type "." #member " is misplaced")

CHECK_SIZE(struct redo_disk_header, 64);
CHECK_OFFSET(struct redo_disk_header, csum, 4);
CHECK_OFFSET(struct redo_disk_header, uuid, 8);
CHECK_OFFSET(struct redo_disk_header, blocknr, 24);
CHECK_OFFSET(struct redo_disk_header, generation, 32);
CHECK_OFFSET(struct redo_disk_header, place, 40);
CHECK_OFFSET(struct redo_disk_header, level, 48);
CHECK_OFFSET(struct redo_disk_header, aux, 50);
CHECK_OFFSET(struct redo_disk_header, count, 52);
CHECK_OFFSET(struct redo_disk_header, incarnation, 56);
CHECK_SIZE(struct redo_disk_super, REDO_SUPER_SIZE);
CHECK_OFFSET(struct redo_disk_super, version, 64);
CHECK_OFFSET(struct redo_disk_super, flags, 68);
CHECK_OFFSET(struct redo_disk_super, compat, 72);
CHECK_OFFSET(struct redo_disk_super, compat_ro, 80);
CHECK_OFFSET(struct redo_disk_super, incompat, 88);
CHECK_OFFSET(struct redo_disk_super, parent_uuid, 96);
CHECK_OFFSET(struct redo_disk_super, tree_uuid, 112);
CHECK_OFFSET(struct redo_disk_super, parent_content, 128);
CHECK_OFFSET(struct redo_disk_super, content_generation, 136);
CHECK_OFFSET(struct redo_disk_super, virtual_sectors, 144);
CHECK_OFFSET(struct redo_disk_super, base_sectors, 152);
CHECK_OFFSET(struct redo_disk_super, base_fp_head, 160);
CHECK_OFFSET(struct redo_disk_super, base_fp_tail, 164);
CHECK_OFFSET(struct redo_disk_super, grain_sectors, 168);
CHECK_OFFSET(struct redo_disk_super, state, 172);
CHECK_OFFSET(struct redo_disk_super, depth, 176);
CHECK_OFFSET(struct redo_disk_super, label_block, 180);
CHECK_OFFSET(struct redo_disk_super, chain_seq, 184);
CHECK_OFFSET(struct redo_disk_super, create_time, 192);
CHECK_OFFSET(struct redo_disk_super, seal_time, 200);
CHECK_OFFSET(struct redo_disk_super, map_root, 208);
CHECK_OFFSET(struct redo_disk_super, alloc_root, 216);
CHECK_OFFSET(struct redo_disk_super, map_height, 224);
CHECK_OFFSET(struct redo_disk_super, alloc_height, 228);
CHECK_OFFSET(struct redo_disk_super, nr_units, 232);
CHECK_OFFSET(struct redo_disk_super, nr_leaves, 240);
CHECK_OFFSET(struct redo_disk_super, meta_used, 248);
CHECK_OFFSET(struct redo_disk_super, data_used, 256);
CHECK_OFFSET(struct redo_disk_super, journal_start, 264);
CHECK_OFFSET(struct redo_disk_super, journal_blocks, 272);
CHECK_OFFSET(struct redo_disk_super, reserved0, 276);
CHECK_OFFSET(struct redo_disk_super, replay_seq, 280);
CHECK_OFFSET(struct redo_disk_super, replay_commit, 288);
CHECK_OFFSET(struct redo_disk_super, tracker_uuid, 296);
CHECK_OFFSET(struct redo_disk_super, tracker_generation, 312);
CHECK_OFFSET(struct redo_disk_super, merge_state, 320);
CHECK_OFFSET(struct redo_disk_super, merge_uuid, 328);
CHECK_OFFSET(struct redo_disk_super, merge_pos, 344);
CHECK_OFFSET(struct redo_disk_super, tracker_epoch, 352);
CHECK_OFFSET(struct redo_disk_super, tracker_sealed, 360);
CHECK_OFFSET(struct redo_disk_super, reserved1, 368);
CHECK_SIZE(struct redo_disk_label, REDO_BLOCK_SIZE);
CHECK_OFFSET(struct redo_disk_label, chain_name, 64);
CHECK_OFFSET(struct redo_disk_label, snap_name, 192);
CHECK_OFFSET(struct redo_disk_label, description, 320);
CHECK_OFFSET(struct redo_disk_label, base_path, 832);
CHECK_OFFSET(struct redo_disk_label, host, 1344);
CHECK_OFFSET(struct redo_disk_label, store, 1472);
CHECK_SIZE(struct redo_disk_node, REDO_BLOCK_SIZE);
CHECK_OFFSET(struct redo_disk_node, word, 64);
CHECK_SIZE(struct redo_disk_unit, 520);
CHECK_OFFSET(struct redo_disk_unit, used, 4);
CHECK_OFFSET(struct redo_disk_unit, bitmap, 8);
CHECK_SIZE(struct redo_disk_alloc, REDO_BLOCK_SIZE);
CHECK_OFFSET(struct redo_disk_alloc, unit, 64);
CHECK_OFFSET(struct redo_disk_alloc, reserved, 3704);
CHECK_SIZE(struct redo_disk_record, 16);
CHECK_SIZE(struct redo_disk_journal, REDO_BLOCK_SIZE);
CHECK_OFFSET(struct redo_disk_journal, record, 64);
CHECK_SIZE(struct redo_disk_unit_header, 64);

#define CSUM_START	offsetof(struct redo_disk_header, uuid)

static const char * const bad_text[REDO_BAD_NR] = {
	[REDO_OK]		= "good",
	[REDO_BAD_BLANK]	= "blank",
	[REDO_BAD_MAGIC]	= "wrong magic",
	[REDO_BAD_CSUM]		= "wrong checksum",
	[REDO_BAD_UUID]		= "UUID of another delta",
	[REDO_BAD_BLOCKNR]	= "address of another block",
	[REDO_BAD_GENERATION]	= "wrong generation",
	[REDO_BAD_PLACE]	= "wrong place in its tree",
	[REDO_BAD_VERSION]	= "unknown format version",
	[REDO_BAD_INCOMPAT]	= "unknown incompatible feature",
	[REDO_BAD_FIELD]	= "field out of range",
};

const char *redo_bad_str(enum redo_bad bad)
{
	if ((unsigned int)bad >= REDO_BAD_NR)
		return "unknown";
	return bad_text[bad];
}

static u32 block_csum(const void *block, u32 len)
{
	return redo_crc32c((const u8 *)block + CSUM_START, len - CSUM_START);
}

/* The same of a block that is zero from byte @used on. */
static u32 padded_csum(const void *block, u32 used)
{
	return redo_crc32c_padded(block, CSUM_START, used);
}

static bool is_blank(const void *block, u32 len)
{
	const u8 *p = block;

	return !p[0] && !memcmp(p, p + 1, len - 1);
}

static bool is_power_of_2_u32(u32 n)
{
	return n && !(n & (n - 1));
}

void redo_seal_block(void *block, u32 len)
{
	struct redo_disk_header *dh = block;

	dh->csum = cpu_to_le32(block_csum(block, len));
}

void redo_pack_header(struct redo_disk_header *dh, const struct redo_header *h)
{
	dh->magic = cpu_to_le32(h->magic);
	dh->csum = 0;
	memcpy(dh->uuid, h->uuid, REDO_UUID_SIZE);
	dh->blocknr = cpu_to_le64(h->blocknr);
	dh->generation = cpu_to_le64(h->generation);
	dh->place = cpu_to_le64(h->place);
	dh->level = cpu_to_le16(h->level);
	dh->aux = cpu_to_le16(h->aux);
	dh->count = cpu_to_le32(h->count);
	dh->incarnation = cpu_to_le64(h->incarnation);
}

void redo_unpack_header(const struct redo_disk_header *dh, struct redo_header *h)
{
	h->magic = le32_to_cpu(dh->magic);
	memcpy(h->uuid, dh->uuid, REDO_UUID_SIZE);
	h->blocknr = le64_to_cpu(dh->blocknr);
	h->generation = le64_to_cpu(dh->generation);
	h->place = le64_to_cpu(dh->place);
	h->level = le16_to_cpu(dh->level);
	h->aux = le16_to_cpu(dh->aux);
	h->count = le32_to_cpu(dh->count);
	h->incarnation = le64_to_cpu(dh->incarnation);
}

enum redo_bad redo_check_len(const void *block, u32 len, u32 magic, const u8 *uuid,
			     u64 blocknr, struct redo_header *h)
{
	const struct redo_disk_header *dh = block;

	redo_unpack_header(dh, h);
	if (h->magic != magic)
		return is_blank(block, len) ? REDO_BAD_BLANK : REDO_BAD_MAGIC;
	if (le32_to_cpu(dh->csum) != block_csum(block, len))
		return REDO_BAD_CSUM;
	if (uuid && memcmp(h->uuid, uuid, REDO_UUID_SIZE))
		return REDO_BAD_UUID;
	if (h->blocknr != blocknr)
		return REDO_BAD_BLOCKNR;
	return REDO_OK;
}

enum redo_bad redo_check_block(const void *block, u32 magic, const u8 *uuid,
			       u64 blocknr, struct redo_header *h)
{
	return redo_check_len(block, REDO_BLOCK_SIZE, magic, uuid, blocknr, h);
}

/* Superblock ------------------------------------------------------------- */

u64 redo_super_blocknr(u8 slot)
{
	return slot ? REDO_SUPER_BLOCK_B : REDO_SUPER_BLOCK_A;
}

void redo_pack_super(void *block, const struct redo_super *sb)
{
	struct redo_disk_super *ds = block;
	struct redo_header h = {
		.magic = REDO_MAGIC_SUPER,
		.blocknr = redo_super_blocknr(sb->slot),
		.generation = sb->generation,
		.incarnation = sb->incarnation,
	};

	memset(block, 0, REDO_BLOCK_SIZE);
	memcpy(h.uuid, sb->uuid, REDO_UUID_SIZE);
	redo_pack_header(&ds->header, &h);
	ds->version = cpu_to_le32(REDO_FORMAT_VERSION);
	ds->flags = cpu_to_le32(sb->flags);
	ds->compat = cpu_to_le64(sb->compat);
	ds->compat_ro = cpu_to_le64(sb->compat_ro);
	ds->incompat = cpu_to_le64(sb->incompat);
	memcpy(ds->parent_uuid, sb->parent_uuid, REDO_UUID_SIZE);
	memcpy(ds->tree_uuid, sb->tree_uuid, REDO_UUID_SIZE);
	ds->parent_content = cpu_to_le64(sb->parent_content);
	ds->content_generation = cpu_to_le64(sb->content_generation);
	ds->virtual_sectors = cpu_to_le64(sb->virtual_sectors);
	ds->base_sectors = cpu_to_le64(sb->base_sectors);
	ds->base_fp_head = cpu_to_le32(sb->base_fp_head);
	ds->base_fp_tail = cpu_to_le32(sb->base_fp_tail);
	ds->grain_sectors = cpu_to_le32(sb->grain_sectors);
	ds->state = cpu_to_le32(sb->state);
	ds->depth = cpu_to_le32(sb->depth);
	ds->label_block = cpu_to_le32(sb->label_block);
	ds->chain_seq = cpu_to_le64(sb->chain_seq);
	ds->create_time = cpu_to_le64(sb->create_time);
	ds->seal_time = cpu_to_le64(sb->seal_time);
	ds->map_root = redo_pack_ptr(&sb->map_root);
	ds->alloc_root = redo_pack_ptr(&sb->alloc_root);
	ds->map_height = cpu_to_le32(sb->map_height);
	ds->alloc_height = cpu_to_le32(sb->alloc_height);
	ds->nr_units = cpu_to_le64(sb->nr_units);
	ds->nr_leaves = cpu_to_le64(sb->nr_leaves);
	ds->meta_used = cpu_to_le64(sb->meta_used);
	ds->data_used = cpu_to_le64(sb->data_used);
	ds->journal_start = cpu_to_le64(sb->journal_start);
	ds->journal_blocks = cpu_to_le32(sb->journal_blocks);
	ds->replay_seq = cpu_to_le64(sb->replay_seq);
	ds->replay_commit = cpu_to_le64(sb->replay_commit);
	memcpy(ds->tracker_uuid, sb->tracker_uuid, REDO_UUID_SIZE);
	ds->tracker_generation = cpu_to_le64(sb->tracker_generation);
	ds->merge_state = cpu_to_le64(sb->merge_state);
	memcpy(ds->merge_uuid, sb->merge_uuid, REDO_UUID_SIZE);
	ds->merge_pos = cpu_to_le64(sb->merge_pos);
	ds->tracker_epoch = cpu_to_le64(sb->tracker_epoch);
	ds->tracker_sealed = cpu_to_le64(sb->tracker_sealed);
	redo_seal_block(block, REDO_SUPER_SIZE);
}

static enum redo_bad unpack_super_fields(const struct redo_disk_super *ds, struct redo_super *sb)
{
	enum redo_bad bad;

	sb->flags = le32_to_cpu(ds->flags);
	sb->compat = le64_to_cpu(ds->compat);
	sb->compat_ro = le64_to_cpu(ds->compat_ro);
	sb->incompat = le64_to_cpu(ds->incompat);
	memcpy(sb->parent_uuid, ds->parent_uuid, REDO_UUID_SIZE);
	memcpy(sb->tree_uuid, ds->tree_uuid, REDO_UUID_SIZE);
	sb->parent_content = le64_to_cpu(ds->parent_content);
	sb->content_generation = le64_to_cpu(ds->content_generation);
	sb->virtual_sectors = le64_to_cpu(ds->virtual_sectors);
	sb->base_sectors = le64_to_cpu(ds->base_sectors);
	sb->base_fp_head = le32_to_cpu(ds->base_fp_head);
	sb->base_fp_tail = le32_to_cpu(ds->base_fp_tail);
	sb->grain_sectors = le32_to_cpu(ds->grain_sectors);
	sb->state = le32_to_cpu(ds->state);
	sb->depth = le32_to_cpu(ds->depth);
	sb->label_block = le32_to_cpu(ds->label_block);
	sb->chain_seq = le64_to_cpu(ds->chain_seq);
	sb->create_time = le64_to_cpu(ds->create_time);
	sb->seal_time = le64_to_cpu(ds->seal_time);
	bad = redo_unpack_ptr(ds->map_root, &sb->map_root);
	if (bad)
		return bad;
	bad = redo_unpack_ptr(ds->alloc_root, &sb->alloc_root);
	if (bad)
		return bad;
	sb->map_height = le32_to_cpu(ds->map_height);
	sb->alloc_height = le32_to_cpu(ds->alloc_height);
	sb->nr_units = le64_to_cpu(ds->nr_units);
	sb->nr_leaves = le64_to_cpu(ds->nr_leaves);
	sb->meta_used = le64_to_cpu(ds->meta_used);
	sb->data_used = le64_to_cpu(ds->data_used);
	sb->journal_start = le64_to_cpu(ds->journal_start);
	sb->journal_blocks = le32_to_cpu(ds->journal_blocks);
	sb->replay_seq = le64_to_cpu(ds->replay_seq);
	sb->replay_commit = le64_to_cpu(ds->replay_commit);
	memcpy(sb->tracker_uuid, ds->tracker_uuid, REDO_UUID_SIZE);
	sb->tracker_generation = le64_to_cpu(ds->tracker_generation);
	sb->merge_state = le64_to_cpu(ds->merge_state);
	memcpy(sb->merge_uuid, ds->merge_uuid, REDO_UUID_SIZE);
	sb->merge_pos = le64_to_cpu(ds->merge_pos);
	sb->tracker_epoch = le64_to_cpu(ds->tracker_epoch);
	sb->tracker_sealed = le64_to_cpu(ds->tracker_sealed);
	return REDO_OK;
}

static bool is_nil(const u8 *uuid)
{
	static const u8 nil[REDO_UUID_SIZE];

	return !memcmp(uuid, nil, REDO_UUID_SIZE);
}

static bool super_identity_ok(const struct redo_super *sb)
{
	if (is_nil(sb->uuid) || is_nil(sb->tree_uuid))
		return false;
	if (!memcmp(sb->uuid, sb->parent_uuid, REDO_UUID_SIZE))
		return false;	/* its own parent */
	if (is_nil(sb->parent_uuid) != !sb->depth)
		return false;
	if (sb->depth >= REDO_MAX_DELTAS)
		return false;
	if (sb->state < REDO_STATE_NEW || sb->state > REDO_STATE_RETIRED)
		return false;
	if (sb->state == REDO_STATE_SEALED && !sb->content_generation)
		return false;
	return sb->label_block == REDO_LABEL_BLOCK_A || sb->label_block == REDO_LABEL_BLOCK_B;
}

static bool super_merge_ok(const struct redo_super *sb)
{
	bool named = sb->merge_state != REDO_MERGE_NONE && sb->merge_state != REDO_MERGE_GONE;

	if (sb->merge_state > REDO_MERGE_BASE_ALL_TAKEN)
		return false;
	if (!(sb->incompat & REDO_INCOMPAT_MERGE) != !sb->merge_state)
		return false;
	if (sb->merge_state == REDO_MERGE_GONE && sb->state != REDO_STATE_RETIRED)
		return false;
	if (is_nil(sb->merge_uuid) == named)
		return false;
	return !sb->merge_pos || sb->merge_state == REDO_MERGE_INTO ||
	       sb->merge_state == REDO_MERGE_BASE || sb->merge_state == REDO_MERGE_BASE_ALL;
}

/* Who tracks and what he counts: both, or neither. */
static bool super_tracker_ok(const struct redo_super *sb)
{
	if (!(sb->compat_ro & REDO_COMPAT_RO_TRACKER) != is_nil(sb->tracker_uuid))
		return false;
	if (is_nil(sb->tracker_uuid))
		return !sb->tracker_generation && !sb->tracker_epoch && !sb->tracker_sealed;
	if (!sb->tracker_generation || sb->tracker_generation > REDO_NUMBER_MAX ||
	    sb->tracker_epoch > REDO_NUMBER_MAX || sb->tracker_sealed > REDO_NUMBER_MAX)
		return false;
	if (sb->tracker_sealed && sb->state != REDO_STATE_SEALED && sb->state != REDO_STATE_RETIRED)
		return false;
	return !sb->tracker_sealed || sb->tracker_epoch < sb->tracker_sealed;
}

/* A root is a metadata block of a unit that has been taken. */
static bool root_ok(const struct redo_ptr *root, u64 nr_units)
{
	if (root->kind != REDO_PTR_BLOCK)
		return true;
	return root->blocknr >= REDO_META_START && root->blocknr % REDO_UNIT_BLOCKS &&
	       root->blocknr / REDO_UNIT_BLOCKS < nr_units;
}

static bool super_geometry_ok(const struct redo_super *sb)
{
	if (!is_power_of_2_u32(sb->grain_sectors) ||
	    sb->grain_sectors < REDO_GRAIN_SECTORS_MIN ||
	    sb->grain_sectors > REDO_GRAIN_SECTORS_MAX)
		return false;
	if (!sb->virtual_sectors || sb->virtual_sectors > REDO_ADDR_MASK ||
	    sb->base_sectors > REDO_ADDR_MASK)
		return false;
	if (sb->map_height != redo_tree_height(redo_nr_leaves(sb->virtual_sectors,
							       sb->grain_sectors)))
		return false;
	if (sb->alloc_root.kind == REDO_PTR_ZERO || sb->alloc_height > 5)
		return false;
	if (!sb->nr_units || sb->nr_units > (REDO_ADDR_MASK >> (REDO_UNIT_SHIFT - REDO_BLOCK_SHIFT)))
		return false;
	if (!root_ok(&sb->map_root, sb->nr_units) || !root_ok(&sb->alloc_root, sb->nr_units))
		return false;
	return sb->journal_start == REDO_JOURNAL_START &&
	       sb->journal_blocks >= REDO_JOURNAL_BLOCKS_MIN &&
	       sb->journal_blocks <= REDO_JOURNAL_BLOCKS;
}

/* Numbers that only rise: from 1 on, and so that there is always a next one. */
static bool number_ok(u64 n)
{
	return n && n <= REDO_NUMBER_MAX;
}

static bool super_numbers_ok(const struct redo_super *sb)
{
	return number_ok(sb->generation) && number_ok(sb->chain_seq) &&
	       number_ok(sb->replay_seq) && number_ok(sb->replay_commit) && sb->incarnation;
}

enum redo_bad redo_unpack_super(const void *block, u8 slot, struct redo_super *sb)
{
	const struct redo_disk_super *ds = block;
	struct redo_header h;
	enum redo_bad bad;

	bad = redo_check_len(block, REDO_SUPER_SIZE, REDO_MAGIC_SUPER, NULL,
			     redo_super_blocknr(slot), &h);
	if (bad)
		return bad;
	if (le32_to_cpu(ds->version) != REDO_FORMAT_VERSION)
		return REDO_BAD_VERSION;
	memset(sb, 0, sizeof(*sb));
	memcpy(sb->uuid, h.uuid, REDO_UUID_SIZE);
	sb->slot = slot;
	sb->generation = h.generation;
	sb->incarnation = h.incarnation;
	bad = unpack_super_fields(ds, sb);
	if (bad)
		return bad;
	if (sb->incompat & ~REDO_INCOMPAT_SUPP)
		return REDO_BAD_INCOMPAT;
	return super_identity_ok(sb) && super_geometry_ok(sb) && super_numbers_ok(sb) &&
	       super_merge_ok(sb) && super_tracker_ok(sb) ? REDO_OK : REDO_BAD_FIELD;
}

void redo_super_set_tracker(struct redo_super *sb, const u8 *uuid, u64 generation)
{
	if (!uuid || memcmp(sb->tracker_uuid, uuid, REDO_UUID_SIZE)) {
		memset(sb->tracker_uuid, 0, REDO_UUID_SIZE);
		sb->tracker_generation = 0;
		sb->tracker_epoch = 0;
		sb->tracker_sealed = 0;
		sb->compat_ro &= ~REDO_COMPAT_RO_TRACKER;
	}
	if (!uuid || is_nil(uuid))
		return;
	memcpy(sb->tracker_uuid, uuid, REDO_UUID_SIZE);
	if (sb->tracker_generation < generation)
		sb->tracker_generation = generation;
	sb->compat_ro |= REDO_COMPAT_RO_TRACKER;
}

void redo_super_set_merge(struct redo_super *sb, enum redo_merge_state state, const u8 *uuid)
{
	sb->merge_state = state;
	sb->merge_pos = 0;
	memset(sb->merge_uuid, 0, REDO_UUID_SIZE);
	if (uuid)
		memcpy(sb->merge_uuid, uuid, REDO_UUID_SIZE);
	if (state)
		sb->incompat |= REDO_INCOMPAT_MERGE;
	else
		sb->incompat &= ~REDO_INCOMPAT_MERGE;
}

bool redo_slot_refused(enum redo_bad bad)
{
	return bad == REDO_BAD_VERSION || bad == REDO_BAD_INCOMPAT ||
	       bad == REDO_BAD_FIELD || bad == REDO_BAD_BLOCKNR;
}

bool redo_slot_torn(const struct redo_super *sb, enum redo_bad other)
{
	return other && !(other == REDO_BAD_BLANK && sb->generation <= 1);
}

bool redo_slots_of_two(const struct redo_super sb[2], const enum redo_bad bad[2])
{
	return !bad[0] && !bad[1] && memcmp(sb[0].uuid, sb[1].uuid, REDO_UUID_SIZE);
}

int redo_choose_super(const struct redo_super sb[2], const enum redo_bad bad[2])
{
	if (bad[0] && bad[1])
		return -1;
	if (redo_slot_refused(bad[0]) || redo_slot_refused(bad[1]) ||
	    redo_slots_of_two(sb, bad))
		return -1;
	if (bad[0])
		return 1;
	if (bad[1])
		return 0;
	return sb[1].generation > sb[0].generation;
}

/* Label, unit header ----------------------------------------------------- */

static void copy_name(char *to, const char *from, size_t size)
{
	size_t len = strnlen(from, size - 1);

	memset(to, 0, size);
	memcpy(to, from, len);
}

void redo_pack_label(void *block, const u8 *uuid, u64 blocknr, u64 generation,
		     const struct redo_label *label)
{
	struct redo_disk_label *dl = block;
	struct redo_header h = {
		.magic = REDO_MAGIC_LABEL,
		.blocknr = blocknr,
		.generation = generation,
	};

	memset(block, 0, REDO_BLOCK_SIZE);
	memcpy(h.uuid, uuid, REDO_UUID_SIZE);
	redo_pack_header(&dl->header, &h);
	copy_name(dl->chain_name, label->chain_name, REDO_NAME_SIZE);
	copy_name(dl->snap_name, label->snap_name, REDO_NAME_SIZE);
	copy_name(dl->description, label->description, REDO_TEXT_SIZE);
	copy_name(dl->base_path, label->base_path, REDO_TEXT_SIZE);
	copy_name(dl->host, label->host, REDO_NAME_SIZE);
	copy_name(dl->store, label->store, REDO_TEXT_SIZE);
	redo_seal_block(block, REDO_BLOCK_SIZE);
}

enum redo_bad redo_unpack_label(const void *block, const u8 *uuid, u64 blocknr,
				struct redo_label *label)
{
	const struct redo_disk_label *dl = block;
	struct redo_header h;
	enum redo_bad bad;

	bad = redo_check_block(block, REDO_MAGIC_LABEL, uuid, blocknr, &h);
	if (bad)
		return bad;
	copy_name(label->chain_name, dl->chain_name, REDO_NAME_SIZE);
	copy_name(label->snap_name, dl->snap_name, REDO_NAME_SIZE);
	copy_name(label->description, dl->description, REDO_TEXT_SIZE);
	copy_name(label->base_path, dl->base_path, REDO_TEXT_SIZE);
	copy_name(label->host, dl->host, REDO_NAME_SIZE);
	copy_name(label->store, dl->store, REDO_TEXT_SIZE);
	return REDO_OK;
}

static bool name_char_ok(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '_' || c == '.' || c == '-';
}

bool redo_name_valid(const char *name)
{
	size_t len = strnlen(name, REDO_NAME_SIZE), i;

	if (!len || len == REDO_NAME_SIZE || name[0] == '-')
		return false;
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (i = 0; i < len; i++)
		if (!name_char_ok(name[i]))
			return false;
	return true;
}

void redo_pack_unit_header(void *block, const u8 *uuid, u64 unit,
			   enum redo_unit_type type, u32 grain_sectors)
{
	struct redo_disk_unit_header *du = block;
	struct redo_header h = {
		.magic = REDO_MAGIC_UNIT,
		.blocknr = unit * REDO_UNIT_BLOCKS,
		.place = unit,
		.level = type,
		.count = grain_sectors,
	};

	memset(block, 0, REDO_BLOCK_SIZE);
	memcpy(h.uuid, uuid, REDO_UUID_SIZE);
	redo_pack_header(&du->header, &h);
	redo_seal_block(block, REDO_BLOCK_SIZE);
}

enum redo_bad redo_unpack_unit_header(const void *block, const u8 *uuid, u64 unit,
				      enum redo_unit_type *type, u32 *grain_sectors)
{
	struct redo_header h;
	enum redo_bad bad;

	bad = redo_check_block(block, REDO_MAGIC_UNIT, uuid, unit * REDO_UNIT_BLOCKS, &h);
	if (bad)
		return bad;
	if (h.place != unit)
		return REDO_BAD_PLACE;
	if (h.level != REDO_UNIT_META && h.level != REDO_UNIT_DATA)
		return REDO_BAD_FIELD;
	*type = h.level;
	*grain_sectors = h.count;
	return REDO_OK;
}

/* Trees ------------------------------------------------------------------ */

#define KIND_SHIFT	60
#define TAG_SHIFT	48

__le64 redo_pack_ptr(const struct redo_ptr *ptr)
{
	if (ptr->kind != REDO_PTR_BLOCK)
		return cpu_to_le64((u64)ptr->kind << KIND_SHIFT);
	return cpu_to_le64((u64)ptr->kind << KIND_SHIFT |
			   (u64)(ptr->gen_tag & REDO_GEN_TAG_MASK) << TAG_SHIFT |
			   (ptr->blocknr & REDO_ADDR_MASK));
}

enum redo_bad redo_unpack_ptr(__le64 word, struct redo_ptr *ptr)
{
	u64 w = le64_to_cpu(word);

	ptr->kind = w >> KIND_SHIFT;
	ptr->gen_tag = (w >> TAG_SHIFT) & REDO_GEN_TAG_MASK;
	ptr->blocknr = w & REDO_ADDR_MASK;
	if (ptr->kind > REDO_PTR_ZERO)
		return REDO_BAD_FIELD;
	if (ptr->kind == REDO_PTR_BLOCK)
		return ptr->blocknr ? REDO_OK : REDO_BAD_FIELD;
	return ptr->blocknr || ptr->gen_tag ? REDO_BAD_FIELD : REDO_OK;
}

__le64 redo_pack_grain(const struct redo_grain *g)
{
	return cpu_to_le64((u64)g->state << KIND_SHIFT | (g->phys & REDO_ADDR_MASK));
}

enum redo_bad redo_unpack_grain(__le64 word, struct redo_grain *g)
{
	u64 w = le64_to_cpu(word);

	g->state = w >> KIND_SHIFT;
	g->phys = w & REDO_ADDR_MASK;
	if (g->state > REDO_GRAIN_BASE || ((w >> TAG_SHIFT) & REDO_GEN_TAG_MASK))
		return REDO_BAD_FIELD;
	if ((g->state == REDO_GRAIN_MAPPED) != (g->phys != 0))
		return REDO_BAD_FIELD;
	return REDO_OK;
}

static u32 node_magic(enum redo_tree_id tree, u16 level)
{
	if (level)
		return REDO_MAGIC_DIR;
	return tree == REDO_TREE_MAP ? REDO_MAGIC_LEAF : REDO_MAGIC_ALLOC;
}

void redo_seal_node(void *block, const u8 *uuid, u64 blocknr, u64 generation,
		    enum redo_tree_id tree, u16 level, u64 index)
{
	struct redo_header h = {
		.magic = node_magic(tree, level),
		.blocknr = blocknr,
		.generation = generation,
		.place = index,
		.level = level,
		.aux = tree,
	};

	memcpy(h.uuid, uuid, REDO_UUID_SIZE);
	redo_pack_header(block, &h);
	redo_seal_block(block, REDO_BLOCK_SIZE);
}

enum redo_bad redo_check_node(const void *block, const u8 *uuid,
			      const struct redo_ptr *ptr, enum redo_tree_id tree,
			      u16 level, u64 index)
{
	struct redo_header h;
	enum redo_bad bad;

	bad = redo_check_block(block, node_magic(tree, level), uuid, ptr->blocknr, &h);
	if (bad)
		return bad;
	if (h.aux != tree || h.level != level || h.place != index)
		return REDO_BAD_PLACE;
	if ((h.generation & REDO_GEN_TAG_MASK) != ptr->gen_tag)
		return REDO_BAD_GENERATION;
	return REDO_OK;
}

/* Journal ---------------------------------------------------------------- */

void redo_pack_record(struct redo_disk_record *rec, const struct redo_extent *e)
{
	u64 a = (u64)e->type << KIND_SHIFT | (e->logical & REDO_ADDR_MASK);
	u64 b = e->len & REDO_ADDR_MASK;

	if (e->type == REDO_REC_MAP) {
		a |= (e->len & REDO_REC_MAP_MAX) << TAG_SHIFT;
		b = e->phys & REDO_ADDR_MASK;
	}
	rec->a = cpu_to_le64(a);
	rec->b = cpu_to_le64(b);
}

enum redo_bad redo_unpack_record(const struct redo_disk_record *rec, struct redo_extent *e)
{
	u64 a = le64_to_cpu(rec->a), b = le64_to_cpu(rec->b);
	u64 len = (a >> TAG_SHIFT) & REDO_REC_MAP_MAX;

	e->type = a >> KIND_SHIFT;
	e->logical = a & REDO_ADDR_MASK;
	e->phys = 0;
	e->len = b;
	if (e->type < REDO_REC_MAP || e->type > REDO_REC_BASE || b > REDO_ADDR_MASK)
		return REDO_BAD_FIELD;
	if (e->type == REDO_REC_MAP) {
		e->phys = b;
		e->len = len;
		if (!b)
			return REDO_BAD_FIELD;
	} else if (len) {
		return REDO_BAD_FIELD;
	}
	return e->len ? REDO_OK : REDO_BAD_FIELD;
}

void redo_seal_journal(void *block, const u8 *uuid, u64 blocknr,
		       const struct redo_journal_header *jh)
{
	struct redo_header h = {
		.magic = REDO_MAGIC_JOURNAL,
		.blocknr = blocknr,
		.generation = jh->seq,
		.place = jh->commit,
		.level = jh->index,
		.aux = jh->total,
		.count = jh->count,
		.incarnation = jh->incarnation,
	};
	struct redo_disk_header *dh = block;

	memcpy(h.uuid, uuid, REDO_UUID_SIZE);
	redo_pack_header(dh, &h);
	dh->csum = cpu_to_le32(padded_csum(block, offsetof(struct redo_disk_journal,
							   record[jh->count])));
}

enum redo_bad redo_check_journal(const void *block, const u8 *uuid, u64 blocknr,
				 struct redo_journal_header *jh)
{
	struct redo_header h;
	enum redo_bad bad;

	bad = redo_check_block(block, REDO_MAGIC_JOURNAL, uuid, blocknr, &h);
	if (bad)
		return bad;
	if (h.count > REDO_RECORDS_PER_BLOCK || !h.aux || h.level >= h.aux)
		return REDO_BAD_FIELD;
	jh->seq = h.generation;
	jh->commit = h.place;
	jh->index = h.level;
	jh->total = h.aux;
	jh->count = h.count;
	jh->incarnation = h.incarnation;
	return REDO_OK;
}

u64 redo_journal_blocknr(u64 journal_start, u32 journal_blocks, u64 seq)
{
	return journal_start + seq % journal_blocks;
}

/* Geometry --------------------------------------------------------------- */

u32 redo_grains_per_unit(u32 grain_sectors)
{
	return REDO_UNIT_SECTORS / grain_sectors;
}

u64 redo_nr_grains(u64 virtual_sectors, u32 grain_sectors)
{
	return DIV_ROUND_UP(virtual_sectors, grain_sectors);
}

u64 redo_nr_leaves(u64 virtual_sectors, u32 grain_sectors)
{
	return DIV_ROUND_UP(redo_nr_grains(virtual_sectors, grain_sectors), REDO_FANOUT);
}

u32 redo_tree_height(u64 nr_leaves)
{
	u32 height = 0;

	for (; nr_leaves > 1; height++)
		nr_leaves = DIV_ROUND_UP(nr_leaves, REDO_FANOUT);
	return height;
}

u64 redo_leaves_per_entry(u32 level)
{
	u64 n = 1;

	for (; level > 1; level--) {
		if (n > REDO_ADDR_MASK / REDO_FANOUT)
			return REDO_ADDR_MASK;
		n *= REDO_FANOUT;
	}
	return n;
}
