// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Making a delta's device blank: its data in the way that is asked for, and last
 * its header, so that what was interrupted is still known for what it is.
 */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include "redo-int.h"

#define HEADER_BYTES	(5ULL * REDO_BLOCK_SIZE)	/* unit header, superblocks, labels */
#define CHUNK_BYTES	(64ULL << 20)

static const struct {
	const char *name;
	unsigned long request;
	const char *lacks;
} kinds[] = {
	[REDO_WIPE_DISCARD] = { "discard", BLKDISCARD, "does not take discards" },
	[REDO_WIPE_ZEROES] = { "zeroes", BLKZEROOUT, "cannot be zeroed" },
	[REDO_WIPE_SECURE] = { "secure", BLKSECDISCARD, "does not take secure discards" },
};

int redo_wipe_parse(const char *word, enum redo_wipe *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(word, kinds[i].name)) {
			*kind = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int issue(const struct redo_file *f, enum redo_wipe kind, u64 start, u64 len)
{
	uint64_t range[2] = { start, len };

	return ioctl(f->fd, kinds[kind].request, range) ? -errno : 0;
}

/*
 * A range that is no multiple of a sector: refused for what it is where the device
 * can do it, else for what the device is. Zeroes can be written anywhere.
 */
int redo_wipe_possible(const char *path, enum redo_wipe kind)
{
	struct redo_file f;
	int r = redo_file_open(&f, path, REDO_OPEN_WRITE);

	if (r)
		return r;
	if (!f.block)
		r = redo_err(ENOTBLK, "%s: a file; only devices are wiped", path);
	else if (kind != REDO_WIPE_ZEROES && issue(&f, kind, 1, 1) == -EOPNOTSUPP)
		r = redo_err(EOPNOTSUPP, "%s: %s; wipe it with --wipe=zeroes", path,
			     kinds[kind].lacks);
	redo_file_close(&f);
	return r;
}

static int wipe_range(struct redo_file *f, enum redo_wipe kind, redo_wipe_fn fn, void *ctx)
{
	u64 size = f->io.size & ~511ULL, at = HEADER_BYTES;
	int r = 0;

	while (!r && at < size) {
		u64 len = size - at < CHUNK_BYTES ? size - at : CHUNK_BYTES;

		r = issue(f, kind, at, len);
		if (r)
			return redo_err(-r, "%s: cannot wipe it (%s) from byte %llu on: %s; its header is still there",
					f->path, kinds[kind].name, (unsigned long long)at,
					strerror(-r));
		at += len;
		if (fn)
			fn(ctx, at, size);
	}
	return redo_file_sync(f);
}

int redo_wipe_data(const char *path, enum redo_wipe kind, redo_wipe_fn fn, void *ctx)
{
	struct redo_file f;
	int r = redo_file_open(&f, path, REDO_OPEN_WRITE | REDO_OPEN_EXCL);

	if (r)
		return r;
	r = wipe_range(&f, kind, fn, ctx);
	redo_file_close(&f);
	return r;
}

int redo_wipe_header(const char *path)
{
	static const u8 zero[HEADER_BYTES];
	struct redo_file f;
	int r = redo_file_open(&f, path, REDO_OPEN_WRITE | REDO_OPEN_EXCL);

	if (r)
		return r;
	r = redo_file_write(&f, 0, zero, sizeof(zero));
	if (!r)
		r = redo_file_sync(&f);
	redo_file_close(&f);
	return r;
}
