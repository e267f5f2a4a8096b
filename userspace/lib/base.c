// SPDX-License-Identifier: LGPL-2.1-or-later
/* Finding the base of a chain again. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "redo-int.h"

static u64 sectors_of(const char *path)
{
	struct redo_file f;
	u64 n;

	if (redo_file_open(&f, path, 0))
		return 0;
	n = f.io.size >> 9;
	redo_file_close(&f);
	return n;
}

/* 0: it fits. Else why not; -EUCLEAN: all but the fingerprint does. */
static int fits(const struct redo_super *sb, const char *path, char *why, size_t size)
{
	u64 want = sb->base_sectors ? sb->base_sectors : sb->virtual_sectors;
	u64 have = sectors_of(path);
	u32 head, tail;

	*why = '\0';
	if (!have) {
		snprintf(why, size, "is not there");
	} else if (have != want) {
		snprintf(why, size, "has %llu sectors instead of %llu", (unsigned long long)have,
			 (unsigned long long)want);
	} else if (!(sb->flags & REDO_SB_FINGERPRINT)) {
		return 0;
	} else if (redo_fingerprint(path, want, &head, &tail)) {
		snprintf(why, size, "cannot be read");
	} else if (head != sb->base_fp_head || tail != sb->base_fp_tail) {
		snprintf(why, size, "has changed since, or is another device (fingerprint)");
		return -EUCLEAN;
	} else {
		return 0;
	}
	return -ENODEV;
}

static int changed(const struct redo_node *first, const char *path)
{
	return redo_err(EUCLEAN, "%s: its base %s has changed since, or is another device (fingerprint); name the right one with --base, or go on with --force: what the deltas do not hold is then read as it is there now",
			first->path, path);
}

int redo_check_base(const struct redo_node *first, const char *path, bool force)
{
	char why[256];

	/* What else may be wrong with it the kernel says. */
	if (fits(&first->sb, path, why, sizeof(why)) != -EUCLEAN || force)
		return 0;
	return changed(first, path);
}

/* A chain or a view shows what lies on a base; it is none, though it may look like it. */
static bool is_ours(u64 rdev)
{
	struct redo_dm_info info;
	struct redo_table t;

	return !redo_dm_info_dev(rdev, &info) && info.exists &&
	       !redo_dm_redo_table(info.name, &t);
}

/* By size and fingerprint among all devices. Returns how many there are. */
static int search(const struct redo_set *set, const struct redo_super *sb, char *path, size_t size)
{
	DIR *d = opendir("/sys/class/block");
	struct dirent *de;
	int found = 0;

	while (d && (de = readdir(d))) {
		char dev[REDO_TEXT_MAX], sys[512], why[256];
		unsigned int ma, mi;
		FILE *f;
		bool ok;

		snprintf(sys, sizeof(sys), "/sys/class/block/%s/dev", de->d_name);
		f = de->d_name[0] == '.' ? NULL : fopen(sys, "re");
		if (!f)
			continue;
		ok = fscanf(f, "%u:%u", &ma, &mi) == 2;
		fclose(f);
		if (!ok || redo_dev_sectors(makedev(ma, mi)) != sb->base_sectors ||
		    redo_find_rdev(set, makedev(ma, mi)) || redo_dev_stalled(makedev(ma, mi)) ||
		    redo_dev_path(makedev(ma, mi), dev, sizeof(dev)))
			continue;
		if (!fits(sb, dev, why, sizeof(why)) && !is_ours(makedev(ma, mi)) && !found++)
			redo_copy(path, dev, size);
	}
	if (d)
		closedir(d);
	return found;
}

/* The same among the files of a directory. */
static int search_dir(const char *dir, const struct redo_super *sb, char *path, size_t size)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	int found = 0;

	while (d && (de = readdir(d))) {
		char file[REDO_TEXT_MAX], why[256];
		struct stat st;

		if ((size_t)snprintf(file, sizeof(file), "%s/%s", dir, de->d_name) >=
		    sizeof(file) || stat(file, &st) || !S_ISREG(st.st_mode) ||
		    (u64)st.st_size != sb->base_sectors << 9)
			continue;
		if (!fits(sb, file, why, sizeof(why)) && !found++)
			redo_copy(path, file, size);
	}
	if (d)
		closedir(d);
	return found;
}

/* A fingerprint that not every blank device has. */
static bool telling(const struct redo_super *sb)
{
	static const u8 zero[64 << 10];
	u64 bytes = sb->base_sectors << 9;
	u32 blank = redo_crc32(zero, bytes < sizeof(zero) ? bytes : sizeof(zero));

	return (sb->flags & REDO_SB_FINGERPRINT) &&
	       (sb->base_fp_head != blank || sb->base_fp_tail != blank);
}

bool redo_is_base(const struct redo_super *sb, const char *path)
{
	char why[256];

	return telling(sb) && !fits(sb, path, why, sizeof(why));
}

int redo_find_base(const struct redo_set *set, const struct redo_node *first, const char *hint,
		   const char *const *dirs, bool force, char *path, size_t size)
{
	const char *try[2] = { hint, first->label.base_path }, *seen = NULL;
	char why[2][256] = { "", "" };
	int found, i, r;

	for (i = 0; i < 2; i++) {
		if (!try[i] || !try[i][0])
			continue;
		r = fits(&first->sb, try[i], why[i], sizeof(why[i]));
		if (!r) {
			redo_copy(path, try[i], size);
			return 0;
		}
		if (r == -EUCLEAN && !seen)
			seen = try[i];
	}
	/* Size alone would be a guess, and so would be zeroes. */
	found = telling(&first->sb) ? search(set, &first->sb, path, size) : 0;
	if (!found && telling(&first->sb))
		for (; dirs && *dirs; dirs++)
			found += search_dir(*dirs, &first->sb, path, size);
	if (found == 1)
		return 0;
	if (found > 1)
		return redo_err(ENOTUNIQ, "%s: %d devices or files look like its base; name the right one with --base",
				first->path, found);
	if (seen && force) {
		redo_copy(path, seen, size);
		return 0;
	}
	if (seen)
		return changed(first, seen);
	i = why[0][0] ? 0 : 1;
	return redo_err(ENODEV, "%s: its base %s %s; name it with --base", first->path,
			try[i] && try[i][0] ? try[i] : "(path unknown)",
			why[i][0] ? why[i] : "was not found");
}
