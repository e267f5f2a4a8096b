// SPDX-License-Identifier: LGPL-2.1-or-later
/* The two superblock slots of a delta. */
#include <stdlib.h>
#include "redo-int.h"

static bool refused(const struct redo_supers *s)
{
	return redo_slot_refused(s->bad[0]) || redo_slot_refused(s->bad[1]);
}

int redo_read_supers(const struct redo_io *io, struct redo_supers *s)
{
	u8 block[REDO_BLOCK_SIZE];
	u8 slot;

	memset(s, 0, sizeof(*s));
	for (slot = 0; slot < 2; slot++) {
		int r = redo_io_block(io, redo_super_blocknr(slot), block);

		if (r == -ENXIO)
			memset(block, 0, sizeof(block));	/* too small: blank */
		else
			s->err[slot] = r;
		s->bad[slot] = s->err[slot] ? REDO_BAD_CSUM :
			       redo_unpack_super(block, slot, &s->sb[slot]);
	}
	s->cur = redo_choose_super(s->sb, s->bad);
	if (s->cur >= 0 || refused(s))
		return 0;
	return s->err[0] ? s->err[0] : s->err[1];
}

const char *redo_slot_str(const struct redo_supers *s, int slot)
{
	return s->err[slot] ? strerror(-s->err[slot]) : redo_bad_str(s->bad[slot]);
}

int redo_no_super(const struct redo_supers *s, const char *path)
{
	int i = redo_slot_refused(s->bad[0]) ? 0 : 1;

	if (redo_slots_of_two(s->sb, s->bad))
		return redo_err(EUCLEAN, "%s: the superblock slots belong to different deltas; wipe the one that is not wanted",
				path);
	if (refused(s))
		return redo_err(EUCLEAN, "%s: superblock slot %c: %s; it may be the one in force",
				path, 'A' + i, redo_bad_str(s->bad[i]));
	return redo_err(EUCLEAN, "%s: no valid superblock (slot A: %s, slot B: %s)", path,
			redo_slot_str(s, 0), redo_slot_str(s, 1));
}

/* A magic of ours at any of the three places: a damaged delta, not something else. */
static bool not_ours(const struct redo_io *io, const struct redo_supers *s)
{
	u8 block[REDO_BLOCK_SIZE];
	struct redo_header h;

	for (int i = 0; i < 2; i++)
		if (s->bad[i] != REDO_BAD_BLANK && s->bad[i] != REDO_BAD_MAGIC)
			return false;
	if (redo_io_block(io, 0, block))
		return true;
	redo_unpack_header((const struct redo_disk_header *)block, &h);
	return h.magic != REDO_MAGIC_UNIT;
}

int redo_read_super(const struct redo_io *io, const char *path, struct redo_super *sb)
{
	struct redo_supers s;
	int r = redo_read_supers(io, &s);

	if (r)
		return redo_err(-r, "%s: cannot read the superblock: %s", path, strerror(-r));
	if (s.cur < 0 && not_ours(io, &s))
		return redo_err(ENODATA, "%s: not a delta", path);
	if (s.cur < 0)
		return redo_no_super(&s, path);
	*sb = s.sb[s.cur];
	return 0;
}

int redo_write_super(struct redo_file *f, struct redo_super *sb)
{
	struct redo_super next = *sb;
	u8 block[REDO_BLOCK_SIZE];
	int r;

	next.slot = !sb->slot;
	next.generation = sb->generation + 1;
	redo_pack_super(block, &next);
	r = redo_file_write(f, redo_super_blocknr(next.slot) * REDO_BLOCK_SIZE, block,
			    sizeof(block));
	if (!r)
		r = redo_file_sync(f);
	if (!r)
		*sb = next;
	return r;
}
