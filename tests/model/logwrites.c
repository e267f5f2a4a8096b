// SPDX-License-Identifier: GPL-2.0-or-later
#include <endian.h>
#include <string.h>

#include "logwrites.h"

#define LW_MAGIC	0x6a736677736872ULL
#define LW_VERSION	1

/* As drivers/md/dm-log-writes.c has them. */
struct disk_super {
	u64 magic, version, nr_entries;
	u32 sectorsize;
};

struct disk_entry {
	u64 sector, nr_sectors, flags, data_len;
};

static u64 check_super(const void *log)
{
	const struct disk_super *s = log;

	if (le64toh(s->magic) != LW_MAGIC || le64toh(s->version) != LW_VERSION)
		die("log-writes: no superblock in the log");
	if (le32toh(s->sectorsize) != SECTOR_SIZE)
		die("log-writes: sectors of %u bytes", le32toh(s->sectorsize));
	return le64toh(s->nr_entries);
}

void lw_parse(struct lw_log *l, const void *log, u64 bytes)
{
	u64 at = SECTOR_SIZE, i;

	l->nr = check_super(log);
	l->entry = xcalloc(l->nr, sizeof(*l->entry));
	for (i = 0; i < l->nr; i++) {
		struct lw_entry *e = &l->entry[i];
		const struct disk_entry *d;

		if (at + SECTOR_SIZE > bytes)
			die("log-writes: entry %llu is beyond the log's end", (unsigned long long)i);
		d = (const void *)((const u8 *)log + at);
		at += SECTOR_SIZE;
		e->sector = le64toh(d->sector);
		e->sectors = le64toh(d->nr_sectors);
		e->flags = le64toh(d->flags);
		if (e->sectors && !(e->flags & LW_DISCARD)) {
			e->data = (const u8 *)log + at;
			at += e->sectors << SECTOR_SHIFT;
		}
	}
	if (at > bytes)
		die("log-writes: the last entry is beyond the log's end");
}

void lw_free(struct lw_log *l)
{
	free(l->entry);
}

u64 lw_bytes(const struct lw_log *l, const void *log)
{
	const u8 *end = log;
	u64 i;

	end += (l->nr + 1) << SECTOR_SHIFT;
	for (i = 0; i < l->nr; i++)
		if (l->entry[i].data)
			end += l->entry[i].sectors << SECTOR_SHIFT;
	return end - (const u8 *)log;
}

const char *lw_describe(const struct lw_log *l, u64 nr)
{
	const struct lw_entry *e = &l->entry[nr];
	static char text[160];

	snprintf(text, sizeof(text), "log entry %llu of %llu:%s%s%s%s%s %llu+%llu",
		 (unsigned long long)nr, (unsigned long long)l->nr,
		 e->flags & LW_FLUSH ? " flush" : "", e->flags & LW_FUA ? " fua" : "",
		 e->flags & LW_DISCARD ? " discard" : "", e->flags & LW_MARK ? " mark" : "",
		 e->data ? " write" : "",
		 (unsigned long long)e->sector, (unsigned long long)e->sectors);
	return text;
}
