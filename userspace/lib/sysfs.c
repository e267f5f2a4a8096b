// SPDX-License-Identifier: LGPL-2.1-or-later
/* What sysfs and /proc know of a block device: its name, size and holders. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "redo-int.h"

u64 redo_path_rdev(const char *path)
{
	struct stat st;

	return stat(path, &st) || !S_ISBLK(st.st_mode) ? 0 : st.st_rdev;
}

/* One line of /sys/dev/block/<dev>/<file>. */
static bool read_line(u64 rdev, const char *file, char *line, size_t size)
{
	char path[128];
	bool ok;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(rdev), minor(rdev), file);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(line, (int)size, f);
	fclose(f);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

u64 redo_dev_sectors(u64 rdev)
{
	char line[32];

	return read_line(rdev, "size", line, sizeof(line)) ? strtoull(line, NULL, 10) : 0;
}

/* Is it so of a device, or of anything that it lies on? */
struct walk {
	bool (*fn)(const struct walk *w, u64 rdev);
	u64 (*also)(u64 rdev);		/* what it lies on beside its slaves; may be NULL */
	u64 want;
};

static bool any_below(const struct walk *w, u64 rdev, int depth);

static bool any_slave(const struct walk *w, u64 rdev, int depth)
{
	char path[128];
	struct dirent *de;
	bool found;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/slaves", major(rdev), minor(rdev));
	d = opendir(path);
	if (!d)
		return false;
	for (found = false; !found && (de = readdir(d));) {
		char sys[512], dev[32] = "";
		unsigned int ma, mi;
		FILE *f;

		if (de->d_name[0] == '.')
			continue;
		snprintf(sys, sizeof(sys), "/sys/class/block/%s/dev", de->d_name);
		f = fopen(sys, "re");
		if (!f)
			continue;
		if (fgets(dev, sizeof(dev), f) && sscanf(dev, "%u:%u", &ma, &mi) == 2)
			found = any_below(w, makedev(ma, mi), depth);
		fclose(f);
	}
	closedir(d);
	return found;
}

static bool any_below(const struct walk *w, u64 rdev, int depth)
{
	u64 other;

	if (w->fn(w, rdev))
		return true;
	if (!depth)
		return false;
	other = w->also ? w->also(rdev) : 0;
	return (other && any_below(w, other, depth - 1)) || any_slave(w, rdev, depth - 1);
}

#define DEPTH	8

static bool suspended(const struct walk *w __unused, u64 rdev)
{
	char line[32];

	return read_line(rdev, "dm/suspended", line, sizeof(line)) && line[0] == '1';
}

/*
 * A read from a suspended device waits until it is resumed, and so does one from
 * whatever lies on top of it.
 */
bool redo_dev_stalled(u64 rdev)
{
	const struct walk w = { .fn = suspended };

	return any_below(&w, rdev, DEPTH);
}

/* The disk of a partition; what a loop device shows, or the device of its file's filesystem. */
static u64 disk_or_file(u64 rdev)
{
	unsigned int ma, mi;
	char line[1024];
	struct stat st;

	if (read_line(rdev, "partition", line, sizeof(line)) &&
	    read_line(rdev, "../dev", line, sizeof(line)) && sscanf(line, "%u:%u", &ma, &mi) == 2)
		return makedev(ma, mi);
	if (read_line(rdev, "loop/backing_file", line, sizeof(line)) && !stat(line, &st))
		return S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	return 0;
}

static bool wanted(const struct walk *w, u64 rdev)
{
	return rdev == w->want;
}

bool redo_dev_lies_on(u64 rdev, u64 below)
{
	const struct walk w = { .fn = wanted, .also = disk_or_file, .want = below };

	return rdev && below && any_below(&w, rdev, DEPTH);
}

static bool path_is(const char *path, u64 rdev)
{
	return redo_path_rdev(path) == rdev;
}

int redo_dev_path(u64 rdev, char *path, size_t size)
{
	char name[256], link[512], sys[64];
	ssize_t n;

	if (read_line(rdev, "dm/name", name, sizeof(name))) {
		snprintf(path, size, "%s/%s", redo_dm_dir(), name);
		if (path_is(path, rdev))
			return 0;
	}
	snprintf(sys, sizeof(sys), "/sys/dev/block/%u:%u", major(rdev), minor(rdev));
	n = readlink(sys, link, sizeof(link) - 1);
	if (n > 0) {
		char *base, *p;

		link[n] = '\0';
		base = strrchr(link, '/');
		base = base ? base + 1 : link;
		for (p = base; *p; p++)
			if (*p == '!')
				*p = '/';
		snprintf(path, size, "/dev/%s", base);
		if (path_is(path, rdev))
			return 0;
	}
	/* udev and devtmpfs both make this one. */
	snprintf(path, size, "/dev/block/%u:%u", major(rdev), minor(rdev));
	if (path_is(path, rdev))
		return 0;
	return redo_err(ENOENT, "device %u:%u has no node in /dev", major(rdev), minor(rdev));
}

static bool find_mount(u64 rdev, char *who, size_t size)
{
	char *line = NULL, want[32], point[256];
	size_t cap = 0;
	bool found = false;
	FILE *f = fopen("/proc/self/mountinfo", "re");

	if (!f)
		return false;
	snprintf(want, sizeof(want), "%u:%u", major(rdev), minor(rdev));
	while (!found && getline(&line, &cap, f) > 0) {
		char dev[32];

		if (sscanf(line, "%*d %*d %31s %*s %255s", dev, point) == 2 && !strcmp(dev, want))
			found = true;
	}
	if (found)
		snprintf(who, size, "mounted on %s", point);
	free(line);
	fclose(f);
	return found;
}

static bool find_swap(u64 rdev, char *who, size_t size)
{
	char *line = NULL, path[256];
	size_t cap = 0;
	bool found = false;
	FILE *f = fopen("/proc/swaps", "re");

	if (!f)
		return false;
	while (!found && getline(&line, &cap, f) > 0)
		found = sscanf(line, "%255s", path) == 1 && path_is(path, rdev);
	if (found)
		snprintf(who, size, "used as swap space");
	free(line);
	fclose(f);
	return found;
}

static bool find_holder(u64 rdev, char *who, size_t size)
{
	char path[128];
	struct dirent *de;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", major(rdev), minor(rdev));
	d = opendir(path);
	if (!d)
		return false;
	while (!found && (de = readdir(d))) {
		char name[256], sys[512];
		FILE *f;

		if (de->d_name[0] == '.')
			continue;
		found = true;
		snprintf(who, size, "held by %s", de->d_name);
		snprintf(sys, sizeof(sys), "/sys/class/block/%s/dm/name", de->d_name);
		f = fopen(sys, "re");
		if (!f)
			continue;
		if (fscanf(f, "%255s", name) == 1)
			snprintf(who, size, "held by device-mapper device %s", name);
		fclose(f);
	}
	closedir(d);
	return found;
}

void redo_holder(u64 rdev, char *who, size_t size)
{
	*who = '\0';
	if (!find_mount(rdev, who, size) && !find_swap(rdev, who, size))
		find_holder(rdev, who, size);
}
