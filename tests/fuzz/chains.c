// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finding chains among deltas whose superblocks say anything: cycles, two children,
 * missing parents, duplicates. Input: eight bytes for each delta.
 */
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

#define NODES_MAX 40

static void fill(struct redo_node *n, const u8 *b)
{
	u8 uuid = 1 + b[0] % 16, parent = b[1] % 17;

	/* Few values, so that they meet; only what redo_unpack_super() lets through. */
	if (parent == uuid)
		parent = 0;
	memset(n->sb.uuid, uuid, REDO_UUID_SIZE);
	memset(n->sb.parent_uuid, parent, REDO_UUID_SIZE);
	memset(n->sb.tree_uuid, 1 + b[2] % 3, REDO_UUID_SIZE);
	n->sb.depth = parent ? 1 + b[3] % 7 : 0;
	n->sb.state = 1 + b[4] % 4;
	n->sb.chain_seq = b[5] % 8;
	n->sb.grain_sectors = 8;
	n->sb.virtual_sectors = 8192;
	n->sb.content_generation = b[6] % 4;
	n->sb.parent_content = (b[6] >> 4) % 4;
	n->rdev = b[7] % 8;
	snprintf(n->label.chain_name, sizeof(n->label.chain_name), "c%u", b[7] / 8 % 4);
	snprintf(n->label.snap_name, sizeof(n->label.snap_name), "s%u", b[7] / 32);
	snprintf(n->path, sizeof(n->path), "/dev/%u", b[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redo_node *line[NODES_MAX];
	struct redo_set set = { 0 };
	u32 i, n = size / 8 < NODES_MAX ? size / 8 : NODES_MAX;
	int r;

	if (!n)
		return 0;
	set.node = calloc(n, sizeof(*set.node));
	set.nr_nodes = n;
	for (i = 0; i < n; i++)
		fill(&set.node[i], data + 8 * i);
	if (!redo_discover(&set)) {
		for (i = 0; i < set.nr_chains; i++) {
			redo_chain_state(&set.chain[i]);
			redo_find_point(&set, &set.chain[i], "s1");
			if (!set.chain[i].present)
				continue;
			r = redo_line_of(&set, set.chain[i].present, line, NODES_MAX);
			must(r <= (int)n);
			if (r > 0)
				must(line[r - 1] == set.chain[i].present);
		}
		for (i = 0; i < n; i++)
			redo_line_of(&set, &set.node[i], line, NODES_MAX);
	}
	redo_set_free(&set);
	return 0;
}
