// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <libdevmapper.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "dmdev.h"

#define REMOVE_SECONDS	10

static struct dmdev *all_devices;
static bool quiet_now;

static void log_line(int level, const char *file, int line, int dm_errno,
		     const char *fmt, ...)
{
	va_list ap;

	(void)file, (void)line, (void)dm_errno;
	if ((level & 7) > 4 || (quiet_now && !verbose))
		return;
	va_start(ap, fmt);
	fprintf(stderr, "libdevmapper: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
}

static struct dm_task *task_new(int type, const char *name)
{
	struct dm_task *t = dm_task_create(type);

	if (!t || (name && !dm_task_set_name(t, name)))
		die("libdevmapper: no task for %s", name ? name : "targets");
	return t;
}

/* Runs and frees @t. */
static bool task_run(struct dm_task *t, struct dm_info *info)
{
	bool ok = dm_task_run(t) && (!info || dm_task_get_info(t, info));

	dm_task_destroy(t);
	return ok;
}

static bool simple(struct dmdev *d, int type)
{
	return task_run(task_new(type, d->name), NULL);
}

static void forget(struct dmdev *d)
{
	struct dmdev **p;

	for (p = &all_devices; *p; p = &(*p)->older)
		if (*p == d) {
			*p = d->older;
			break;
		}
	free(d);
}

/* Let nobody be stuck in it: queued I/O fails, the devices below are let go. */
static void replace_by_error(struct dmdev *d)
{
	struct dm_task *t;

	dmdev_load(d, d->sectors, "error", "", true);
	t = task_new(DM_DEVICE_SUSPEND, d->name);
	dm_task_no_flush(t);
	dm_task_skip_lockfs(t);
	task_run(t, NULL);
	simple(d, DM_DEVICE_RESUME);
}

static void remove_all(void)
{
	struct dmdev *d;

	quiet_now = true;
	for (d = all_devices; d; d = d->older)
		if (d->suspended)
			replace_by_error(d);
	for (d = all_devices; d; d = d->older)
		if (!simple(d, DM_DEVICE_REMOVE)) {
			replace_by_error(d);
			simple(d, DM_DEVICE_REMOVE);
		}
}

void dmdev_init(void)
{
	dm_log_with_errno_init(log_line);
	dm_udev_set_sync_support(0);
	atexit(remove_all);
}

bool dmdev_have_target(const char *type)
{
	char *command = xasprintf("modprobe -q dm-%s 2>/dev/null", type);
	struct dm_task *t = task_new(DM_DEVICE_LIST_VERSIONS, NULL);
	struct dm_versions *v, *last = NULL;
	bool found = false;

	if (system(command))
		say("no module dm-%s\n", type);
	free(command);
	if (!dm_task_run(t))
		die("libdevmapper: cannot list targets");
	for (v = dm_task_get_versions(t); v != last;
	     last = v, v = (struct dm_versions *)((char *)v + v->next))
		if (!strcmp(v->name, type))
			found = true;
	dm_task_destroy(t);
	return found;
}

struct dmdev *dmdev_create(const char *name, u64 sectors, const char *type,
			   const char *params, bool read_only, bool quiet)
{
	struct dmdev *d = xcalloc(1, sizeof(*d));
	struct dm_info info;
	struct dm_task *t;

	snprintf(d->name, sizeof(d->name), "redotest%d-%s", getpid(), name);
	d->sectors = sectors;
	say("create %s%s: 0 %llu %s %s\n", d->name, read_only ? " (ro)" : "",
	    (unsigned long long)sectors, type, params);
	t = task_new(DM_DEVICE_CREATE, d->name);
	dm_task_set_add_node(t, DM_ADD_NODE_ON_CREATE);
	if (read_only)
		dm_task_set_ro(t);
	if (!dm_task_add_target(t, 0, sectors, type, params))
		die("libdevmapper: no target");
	quiet_now = quiet;
	if (!task_run(t, &info)) {
		quiet_now = false;
		free(d);
		return NULL;
	}
	quiet_now = false;
	d->older = all_devices;
	all_devices = d;
	snprintf(d->path, sizeof(d->path), "/dev/dm-%u", info.minor);
	snprintf(d->devno, sizeof(d->devno), "%u:%u", info.major, info.minor);
	return d;
}

/* What has just been closed may be busy for a moment: the kernel closes it later. */
void dmdev_remove(struct dmdev *d)
{
	double end = seconds_now() + REMOVE_SECONDS;
	bool ok;

	say("remove %s\n", d->name);
	quiet_now = true;
	while (!(ok = simple(d, DM_DEVICE_REMOVE)) && seconds_now() < end)
		usleep(2000);
	quiet_now = false;
	if (!ok)
		die("cannot remove %s", d->name);
	forget(d);
}

bool dmdev_try_suspend(struct dmdev *d, bool noflush)
{
	struct dm_task *t = task_new(DM_DEVICE_SUSPEND, d->name);

	say("suspend %s%s\n", d->name, noflush ? " (noflush)" : "");
	if (noflush) {
		dm_task_no_flush(t);
		dm_task_skip_lockfs(t);
	}
	if (!task_run(t, NULL))
		return false;
	d->suspended = true;
	return true;
}

bool dmdev_try_resume(struct dmdev *d)
{
	bool ok;

	say("resume %s\n", d->name);
	quiet_now = true;
	ok = simple(d, DM_DEVICE_RESUME);
	quiet_now = false;
	if (ok)
		d->suspended = false;
	return ok;
}

void dmdev_suspend(struct dmdev *d, bool noflush)
{
	if (!dmdev_try_suspend(d, noflush))
		die("cannot suspend %s", d->name);
}

void dmdev_resume(struct dmdev *d)
{
	if (!dmdev_try_resume(d))
		die("cannot resume %s", d->name);
}

char *dmdev_message(struct dmdev *d, const char *text)
{
	int err;

	return dmdev_ask(d, text, &err);
}

char *dmdev_ask(struct dmdev *d, const char *text, int *err)
{
	struct dm_task *t = task_new(DM_DEVICE_TARGET_MSG, d->name);
	const char *answer;
	char *copy = NULL;

	dm_task_set_sector(t, 0);
	dm_task_set_message(t, text);
	quiet_now = true;
	if (dm_task_run(t)) {
		answer = dm_task_get_message_response(t);
		copy = xasprintf("%s", answer ? answer : "");
	}
	*err = copy ? 0 : dm_task_get_errno(t);
	quiet_now = false;
	dm_task_destroy(t);
	return copy;
}

char *dmdev_status(struct dmdev *d)
{
	struct dm_task *t = task_new(DM_DEVICE_STATUS, d->name);
	char *type, *params = NULL, *copy;
	uint64_t start, length;

	if (!dm_task_run(t))
		die("no status of %s", d->name);
	dm_get_next_target(t, NULL, &start, &length, &type, &params);
	copy = xasprintf("%s", params ? params : "");
	dm_task_destroy(t);
	return copy;
}

u32 dmdev_events(struct dmdev *d)
{
	struct dm_info info;

	if (!task_run(task_new(DM_DEVICE_INFO, d->name), &info))
		die("no info of %s", d->name);
	return info.event_nr;
}

bool dmdev_load(struct dmdev *d, u64 sectors, const char *type, const char *params,
		bool quiet)
{
	struct dm_task *t = task_new(DM_DEVICE_RELOAD, d->name);
	bool ok;

	say("load %s: 0 %llu %s %s\n", d->name, (unsigned long long)sectors, type, params);
	if (!dm_task_add_target(t, 0, sectors, type, params))
		die("libdevmapper: no target");
	quiet_now = quiet;
	ok = task_run(t, NULL);
	quiet_now = false;
	return ok;
}
