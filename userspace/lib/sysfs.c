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

/*
 * A read from a suspended device waits until it is resumed, and so does one from
 * whatever lies on top of it.
 */
static bool stalled(u64 rdev, int depth)
{
	char path[128], line[32];
	struct dirent *de;
	bool found;
	DIR *d;

	if (read_line(rdev, "dm/suspended", line, sizeof(line)) && line[0] == '1')
		return true;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/slaves", major(rdev), minor(rdev));
	d = depth ? opendir(path) : NULL;
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
			found = stalled(makedev(ma, mi), depth - 1);
		fclose(f);
	}
	closedir(d);
	return found;
}

bool redo_dev_stalled(u64 rdev)
{
	return stalled(rdev, 8);
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
