// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is on one device: a delta, something else's signature, a base's fingerprint. */
#include <blkid/blkid.h>
#include <stdlib.h>
#include "cbt-store.h"
#include "redo-int.h"

#define FINGERPRINT_BYTES	(64U << 10)

int redo_probe_node(const char *path, struct redo_node *n)
{
	struct redo_label label;
	struct redo_file f;
	int r, err;

	memset(n, 0, sizeof(*n));
	r = redo_file_open(&f, path, 0);
	if (r)
		return r;
	redo_copy(n->path, path, sizeof(n->path));
	n->device_bytes = f.io.size;
	n->rdev = f.rdev;
	r = redo_read_super(&f.io, path, &n->sb);
	/* A bad label costs the names, not the data. */
	if (!r && !redo_read_label(&f.io, &n->sb, &label, &err) && !err) {
		redo_copy_clean(n->label.chain_name, label.chain_name, REDO_NAME_SIZE);
		redo_copy_clean(n->label.snap_name, label.snap_name, REDO_NAME_SIZE);
		redo_copy_clean(n->label.description, label.description, REDO_TEXT_SIZE);
		redo_copy_clean(n->label.base_path, label.base_path, REDO_TEXT_SIZE);
		redo_copy_clean(n->label.host, label.host, REDO_NAME_SIZE);
		redo_copy_clean(n->label.store, label.store, REDO_TEXT_SIZE);
		if (!redo_name_valid(n->label.chain_name))
			n->label.chain_name[0] = '\0';
		if (!redo_name_valid(n->label.snap_name))
			n->label.snap_name[0] = '\0';
	}
	redo_file_close(&f);
	return r;
}

int redo_probe_tracker(const char *path, struct redo_tracker_node *n)
{
	struct redo_file f;
	int r;

	memset(n, 0, sizeof(*n));
	r = redo_file_open(&f, path, 0);
	if (r)
		return r;
	redo_copy(n->path, path, sizeof(n->path));
	n->device_bytes = f.io.size;
	n->rdev = f.rdev;
	r = redo_cbt_read_super(&f.io, path, &n->sb);
	redo_file_close(&f);
	return r;
}

static int crc_at(struct redo_file *f, u64 offset, size_t len, void *buf, u32 *crc)
{
	int r = f->io.read(f->io.ctx, offset, buf, len);

	if (r)
		return redo_err(-r, "%s: cannot read it: %s", f->path, strerror(-r));
	*crc = redo_crc32(buf, len);
	return 0;
}

int redo_fingerprint(const char *path, u64 sectors, u32 *head, u32 *tail)
{
	struct redo_file f;
	u64 bytes = sectors << 9;
	size_t len = bytes < FINGERPRINT_BYTES ? bytes : FINGERPRINT_BYTES;
	void *buf = malloc(FINGERPRINT_BYTES);
	int r = buf ? redo_file_open(&f, path, 0) : redo_err(ENOMEM, "out of memory");

	if (r) {
		free(buf);
		return r;
	}
	if (bytes > f.io.size)
		r = redo_err(EINVAL, "%s: smaller than the base was", path);
	if (!r)
		r = crc_at(&f, 0, len, buf, head);
	if (!r)
		r = crc_at(&f, bytes - len, len, buf, tail);
	redo_file_close(&f);
	free(buf);
	return r;
}

static void describe(blkid_probe pr, char *what, size_t size)
{
	const char *type = NULL, *usage = NULL, *pt = NULL;

	blkid_probe_lookup_value(pr, "TYPE", &type, NULL);
	blkid_probe_lookup_value(pr, "USAGE", &usage, NULL);
	blkid_probe_lookup_value(pr, "PTTYPE", &pt, NULL);
	if (type)
		snprintf(what, size, "%s%s%s%s", type, usage ? " (" : "", usage ? usage : "",
			 usage ? ")" : "");
	else if (pt)
		snprintf(what, size, "%s partition table", pt);
	else
		snprintf(what, size, "an unknown signature");
}

int redo_signature(const char *path, char *what, size_t size)
{
	struct redo_tracker_node t;
	struct redo_node n;
	blkid_probe pr;
	int r;

	*what = '\0';
	r = redo_probe_node(path, &n);
	if (!r || r == -EUCLEAN) {
		snprintf(what, size, "a delta of dm-redo%s%s%s", r ? " (damaged)" : "",
			 n.label.chain_name[0] ? ", chain " : "", n.label.chain_name);
		return 0;
	}
	if (r != -ENODATA)
		return r;
	r = redo_probe_tracker(path, &t);
	if (!r || r == -EUCLEAN) {
		snprintf(what, size, "a tracking store of dm-redo%s", r ? " (damaged)" : "");
		return 0;
	}
	if (r != -ENODATA)
		return r;
	pr = blkid_new_probe_from_filename(path);
	if (!pr)
		return redo_err(EIO, "%s: cannot probe it for signatures", path);
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE);
	blkid_probe_enable_partitions(pr, 1);
	r = blkid_do_safeprobe(pr);
	if (r == 0)
		describe(pr, what, size);
	else if (r == -2)
		snprintf(what, size, "several signatures");
	else if (r != 1)
		r = redo_err(EIO, "%s: cannot probe it for signatures", path);
	blkid_free_probe(pr);
	return r < 0 && r != -2 ? r : 0;
}

/* The filesystem's UUID: a hint by which a base is known again. */
void redo_content_uuid(const char *path, char *uuid, size_t size)
{
	blkid_probe pr = blkid_new_probe_from_filename(path);
	const char *value = NULL;

	*uuid = '\0';
	if (!pr)
		return;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_UUID);
	if (!blkid_do_safeprobe(pr) && !blkid_probe_lookup_value(pr, "UUID", &value, NULL))
		redo_copy(uuid, value, size);
	blkid_free_probe(pr);
}
