// SPDX-License-Identifier: GPL-2.0-or-later
/* Copying a whole device, for full clones. */
#include "tool.h"

#define CHUNK	(1U << 20)

static int copy_all(struct redo_file *from, struct redo_file *to, struct progress *p)
{
	u64 size = from->io.size, at;
	void *buf = malloc(CHUNK);
	int r = buf ? 0 : redo_err(ENOMEM, "out of memory");

	for (at = 0; !r && at < size; at += CHUNK) {
		size_t len = size - at < CHUNK ? size - at : CHUNK;

		r = from->io.read(from->io.ctx, at, buf, len);
		if (r)
			redo_err(-r, "%s: read error at byte %llu: %s", from->path,
				 (unsigned long long)at, strerror(-r));
		else
			r = redo_file_write(to, at, buf, len);
		progress_show(p, at + len, size);
	}
	free(buf);
	return r ? r : redo_file_sync(to);
}

int copy_device(const char *from_path, const char *to_path)
{
	struct redo_file from, to;
	struct progress p;
	int r = redo_file_open(&from, from_path, 0);

	if (r)
		return r;
	r = redo_file_open(&to, to_path, REDO_OPEN_WRITE | REDO_OPEN_EXCL);
	if (r) {
		redo_file_close(&from);
		return r;
	}
	progress_start(&p, "copying");
	if (to.io.size < from.io.size)
		r = redo_err(ENOSPC, "%s: smaller than the %llu bytes to be copied", to_path,
			     (unsigned long long)from.io.size);
	else
		r = copy_all(&from, &to, &p);
	progress_end(&p, !r);
	redo_file_close(&to);
	redo_file_close(&from);
	return r;
}
