// SPDX-License-Identifier: LGPL-2.1-or-later
/* Tracking stores: superblocks, formatting, wiping. */
#include <stdlib.h>
#include <time.h>
#include <uuid.h>
#include "cbt-store.h"

int redo_cbt_read_supers(const struct redo_io *io, struct redo_cbt_supers *s)
{
	u8 block[REDO_BLOCK_SIZE];
	u8 slot;

	memset(s, 0, sizeof(*s));
	for (slot = 0; slot < 2; slot++) {
		int r = redo_io_block(io, redo_cbt_super_blocknr(slot), block);

		if (r == -ENXIO)
			memset(block, 0, sizeof(block));	/* too small: blank */
		else
			s->err[slot] = r;
		s->bad[slot] = s->err[slot] ? REDO_BAD_CSUM :
			       redo_cbt_unpack_super(block, slot, &s->sb[slot]);
	}
	s->cur = redo_cbt_choose_super(s->sb, s->bad);
	if (s->cur >= 0 || redo_slot_refused(s->bad[0]) || redo_slot_refused(s->bad[1]))
		return 0;
	return s->err[0] ? s->err[0] : s->err[1];
}

const char *redo_cbt_slot_str(const struct redo_cbt_supers *s, int slot)
{
	return s->err[slot] ? strerror(-s->err[slot]) : redo_bad_str(s->bad[slot]);
}

/* A magic of ours at none of the three places. */
static bool not_ours(const struct redo_io *io, const struct redo_cbt_supers *s)
{
	u8 block[REDO_BLOCK_SIZE];
	struct redo_header h;

	for (int i = 0; i < 2; i++)
		if (s->bad[i] != REDO_BAD_BLANK && s->bad[i] != REDO_BAD_MAGIC)
			return false;
	if (redo_io_block(io, REDO_CBT_HEADER_BLOCK, block))
		return true;
	redo_unpack_header((const struct redo_disk_header *)block, &h);
	return h.magic != REDO_MAGIC_CBT_HEADER;
}

int redo_cbt_read_super(const struct redo_io *io, const char *path, struct redo_cbt_super *sb)
{
	struct redo_cbt_supers s;
	int r = redo_cbt_read_supers(io, &s);

	if (r)
		return redo_err(-r, "%s: cannot read the superblock: %s", path, strerror(-r));
	if (s.cur < 0 && not_ours(io, &s))
		return redo_err(ENODATA, "%s: not a tracking store", path);
	if (s.cur < 0 && !s.bad[0] && !s.bad[1])
		return redo_err(EUCLEAN, "%s: its superblock slots belong to different tracking stores",
				path);
	if (s.cur < 0)
		return redo_err(EUCLEAN, "%s: a tracking store without a valid superblock (slot A: %s, slot B: %s)",
				path, redo_cbt_slot_str(&s, 0), redo_cbt_slot_str(&s, 1));
	*sb = s.sb[s.cur];
	return 0;
}

int redo_cbt_sizes(u64 virtual_sectors, u32 block_sectors, u64 *least, u64 *good)
{
	u64 full = redo_cbt_full_blocks(virtual_sectors, block_sectors);

	if (redo_cbt_nr_bits(virtual_sectors, block_sectors) > REDO_CBT_BITS_MAX)
		return redo_err(EFBIG, "a disk of %llu MiB has too many blocks of %u KiB to be tracked; take larger ones",
				(unsigned long long)virtual_sectors >> 11, block_sectors / 2);
	*least = redo_cbt_min_blocks(virtual_sectors, block_sectors) * REDO_BLOCK_SIZE;
	*good = (REDO_CBT_DATA_START + REDO_CBT_GOOD * full) * REDO_BLOCK_SIZE;
	if (*good < *least)
		*good = *least;
	return 0;
}

static int write_block(struct redo_file *f, u64 blocknr, const void *block)
{
	return redo_file_write(f, blocknr * REDO_BLOCK_SIZE, block, REDO_BLOCK_SIZE);
}

/* Superblocks, journal and table: nothing old may be taken for ours. */
static int wipe(struct redo_file *f)
{
	const size_t len = 64 << 10;
	u64 end = (u64)REDO_CBT_DATA_START * REDO_BLOCK_SIZE;
	void *zero = calloc(1, len);
	int r = 0;

	if (!zero)
		return redo_err(ENOMEM, "out of memory");
	if (end > f->io.size)
		end = f->io.size;
	for (u64 at = 0; !r && at < end; at += len)
		r = redo_file_write(f, at, zero, end - at < len ? end - at : len);
	free(zero);
	return r ? r : redo_file_sync(f);
}

static void fill_super(u32 block_sectors, u64 virtual_sectors, struct redo_cbt_super *sb)
{
	memset(sb, 0, sizeof(*sb));
	uuid_generate_random(sb->uuid);
	sb->generation = 1;
	do
		redo_random(&sb->incarnation, sizeof(sb->incarnation));
	while (!sb->incarnation);
	sb->flags = REDO_CBT_CLEAN;
	sb->virtual_sectors = virtual_sectors;
	sb->block_sectors = block_sectors;
	sb->first_epoch = 1;
	sb->journal_start = REDO_CBT_JOURNAL_START;
	sb->journal_blocks = REDO_CBT_JOURNAL_BLOCKS;
	sb->replay_seq = sb->incarnation_seq = 1;
	sb->create_time = (u64)time(NULL);
}

int redo_cbt_format_file(struct redo_file *f, u32 block_sectors, u64 virtual_sectors,
			 struct redo_cbt_super *sb)
{
	u8 block[REDO_BLOCK_SIZE];
	u64 least, good;
	int r = redo_cbt_sizes(virtual_sectors, block_sectors, &least, &good);

	if (r)
		return r;
	if (f->io.size < least)
		return redo_err(ENOSPC, "%s: %llu KiB, a tracking store for a disk of %llu MiB with blocks of %u KiB needs at least %llu KiB",
				f->path, (unsigned long long)f->io.size >> 10,
				(unsigned long long)virtual_sectors >> 11, block_sectors / 2,
				(unsigned long long)least >> 10);
	fill_super(block_sectors, virtual_sectors, sb);
	r = wipe(f);
	if (r)
		return r;
	redo_cbt_pack_header(block, sb->uuid, block_sectors, sb->create_time);
	r = write_block(f, REDO_CBT_HEADER_BLOCK, block);
	if (!r)
		r = redo_file_sync(f);
	if (r)
		return r;
	/* Last: from here on it is a store. */
	redo_cbt_pack_super(block, sb);
	r = write_block(f, REDO_CBT_SUPER_BLOCK_A, block);
	return r ? r : redo_file_sync(f);
}

int redo_cbt_wipe(const char *path)
{
	struct redo_file f;
	int r = redo_file_open(&f, path, REDO_OPEN_WRITE | REDO_OPEN_EXCL);

	if (r)
		return r;
	r = wipe(&f);
	redo_file_close(&f);
	return r;
}
