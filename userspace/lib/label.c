// SPDX-License-Identifier: LGPL-2.1-or-later
/* Names and hints of a delta. */
#include "redo-int.h"

enum redo_bad redo_read_label(const struct redo_io *io, const struct redo_super *sb,
			      struct redo_label *label, int *err)
{
	u8 block[REDO_BLOCK_SIZE];
	enum redo_bad bad;

	memset(label, 0, sizeof(*label));
	*err = redo_io_block(io, sb->label_block, block);
	if (*err)
		return REDO_BAD_BLANK;
	bad = redo_unpack_label(block, sb->uuid, sb->label_block, label);
	if (bad)
		memset(label, 0, sizeof(*label));
	return bad;
}
