// SPDX-License-Identifier: LGPL-2.1-or-later
/* All calls of libdevmapper that change or ask for devices. */
#include <fcntl.h>
#include <libdevmapper.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "redo-int.h"

static char dm_text[1024];	/* libdevmapper's last complaint; its log function has no context */

__attribute__((format(printf, 5, 6)))
static void keep_log(int level, const char *file __unused, int line __unused,
		     int err_or_class __unused, const char *fmt, ...)
{
	va_list ap;

	if ((level & 7) > 4)	/* _LOG_WARN */
		return;
	va_start(ap, fmt);
	vsnprintf(dm_text, sizeof(dm_text), fmt, ap);
	va_end(ap);
}

static struct dm_task *task(int type, const char *name)
{
	struct dm_task *t;

	dm_log_with_errno_init(keep_log);
	dm_text[0] = '\0';
	t = dm_task_create(type);
	if (!t) {
		redo_err(ENOMEM, "device-mapper: out of memory");
		return NULL;
	}
	if (name && !dm_task_set_name(t, name)) {
		redo_err(EINVAL, "%s: not a device-mapper name", name);
		dm_task_destroy(t);
		return NULL;
	}
	return t;
}

/*
 * The target says in the kernel's log which device it refuses and why; an errno
 * cannot. What it said since kmsg_mark() belongs into our own message.
 */
static int kmsg = -2;

static void kmsg_mark(void)
{
	if (kmsg == -2)
		kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
}

/* The first line of the target's since then. */
static bool kmsg_reason(char *reason, size_t size)
{
	static const char mine[] = "device-mapper: redo: ";
	char record[2048], *text;
	ssize_t n;

	while (kmsg >= 0) {
		n = read(kmsg, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;	/* some were overwritten */
		if (n <= 0)
			return false;
		record[n] = '\0';
		record[strcspn(record, "\n")] = '\0';
		text = strstr(record, mine);
		if (!text)
			continue;
		redo_copy_clean(reason, text + strlen(mine), size);
		return true;
	}
	return false;
}

static int failed(struct dm_task *t, const char *what, const char *name)
{
	int err = dm_task_get_errno(t);
	char reason[512];

	if (kmsg_reason(reason, sizeof(reason)))
		return redo_err(err ? err : EIO, "%s: %s failed: %s", name, what, reason);
	return redo_err(err ? err : EIO, "%s: %s failed: %s (the kernel log may say why)", name,
			what, err ? strerror(err) : dm_text[0] ? dm_text : "unknown error");
}

static int run(struct dm_task *t, const char *what, const char *name)
{
	kmsg_mark();
	return dm_task_run(t) ? 0 : failed(t, what, name);
}

/* Tasks that make or remove device nodes: wait for udev. */
static int run_udev(struct dm_task *t, const char *what, const char *name, int flags)
{
	uint16_t udev_flags = 0;
	uint32_t cookie = 0;
	int r;

	if (flags & REDO_DM_LOW_PRIORITY)
		udev_flags |= DM_UDEV_LOW_PRIORITY_FLAG;
	if (!dm_task_set_cookie(t, &cookie, udev_flags))
		return redo_err(EIO, "%s: %s: no udev cookie: %s", name, what, dm_text);
	r = run(t, what, name);
	dm_udev_wait(cookie);
	dm_task_update_nodes();
	return r;
}

bool redo_dm_present(void)
{
	struct dm_task *t = task(DM_DEVICE_VERSION, NULL);
	bool ok = t && dm_task_run(t);

	if (t)
		dm_task_destroy(t);
	if (!ok)
		redo_err(ENODEV, "the kernel's device-mapper is not available (not root, or module dm-mod is not loaded)");
	return ok;
}

const char *redo_dm_dir(void)
{
	return dm_dir();
}

int redo_dm_list(char (**names)[REDO_NAME_SIZE], u32 *nr)
{
	struct dm_task *t = task(DM_DEVICE_LIST, NULL);
	struct dm_names *dn;
	unsigned int next = 0;
	int r;

	*names = NULL;
	*nr = 0;
	if (!t)
		return -ENOMEM;
	r = run(t, "list", "device-mapper");
	dn = r ? NULL : dm_task_get_names(t);
	if (!dn || !dn->dev)
		goto out;
	do {
		void *p;

		dn = (struct dm_names *)((char *)dn + next);
		p = realloc(*names, (*nr + 1) * sizeof(**names));
		if (!p) {
			r = redo_err(ENOMEM, "out of memory");
			break;
		}
		*names = p;
		redo_copy((*names)[(*nr)++], dn->name, REDO_NAME_SIZE);
		next = dn->next;
	} while (next);
out:
	dm_task_destroy(t);
	return r;
}

static int get_info(struct dm_task *t, struct redo_dm_info *info)
{
	struct dm_info di;
	const char *s;

	memset(info, 0, sizeof(*info));
	if (!dm_task_run(t)) {
		if (dm_task_get_errno(t) == ENXIO)
			return 0;	/* does not exist */
		return failed(t, "info", "device-mapper");
	}
	if (!dm_task_get_info(t, &di))
		return redo_err(EIO, "device-mapper gave no information");
	info->exists = di.exists;
	info->live_table = di.live_table;
	info->inactive_table = di.inactive_table;
	info->suspended = di.suspended;
	info->read_only = di.read_only;
	info->open_count = di.open_count;
	info->major = di.major;
	info->minor = di.minor;
	s = dm_task_get_name(t);
	redo_copy(info->name, s ? s : "", sizeof(info->name));
	s = dm_task_get_uuid(t);
	redo_copy(info->uuid, s ? s : "", sizeof(info->uuid));
	return 0;
}

int redo_dm_info(const char *name, struct redo_dm_info *info)
{
	struct dm_task *t = task(DM_DEVICE_INFO, name);
	int r;

	if (!t)
		return -ENOMEM;
	r = get_info(t, info);
	dm_task_destroy(t);
	return r;
}

int redo_dm_info_dev(u64 rdev, struct redo_dm_info *info)
{
	struct dm_task *t = task(DM_DEVICE_INFO, NULL);
	int r;

	if (!t)
		return -ENOMEM;
	if (dm_task_set_major(t, major(rdev)) && dm_task_set_minor(t, minor(rdev)))
		r = get_info(t, info);
	else
		r = -EINVAL;
	dm_task_destroy(t);
	return r;
}

/* Calls @fn for each target of the live table (or status). */
static int each_target(const char *name, int type, struct dm_task **out)
{
	struct redo_dm_info info;
	int r = redo_dm_info(name, &info);

	if (r)
		return r;
	if (!info.exists)
		return redo_err(ENXIO, "%s: no such device-mapper device", name);
	*out = task(type, name);
	if (!*out)
		return -ENOMEM;
	/* A status must not commit what is dirty, nor block on a suspended device. */
	dm_task_no_flush(*out);
	r = run(*out, type == DM_DEVICE_TABLE ? "table" : "status", name);
	if (r)
		dm_task_destroy(*out);
	return r;
}

static int first_target(const char *name, int type, char *ttype, size_t tsize, u64 *sectors,
			char **params)
{
	uint64_t start, length;
	char *target, *p;
	struct dm_task *t;
	int r = each_target(name, type, &t);

	if (r)
		return r;
	dm_get_next_target(t, NULL, &start, &length, &target, &p);
	if (!target) {
		dm_task_destroy(t);
		return redo_err(ENOENT, "%s: has no table", name);
	}
	redo_copy(ttype, target, tsize);
	if (sectors)
		*sectors = length;
	*params = strdup(p ? p : "");
	dm_task_destroy(t);
	return *params ? 0 : redo_err(ENOMEM, "out of memory");
}

int redo_dm_table(const char *name, char *type, size_t type_size, u64 *sectors, char **params)
{
	return first_target(name, DM_DEVICE_TABLE, type, type_size, sectors, params);
}

int redo_dm_status_line(const char *name, char **params)
{
	char type[32];
	int r = first_target(name, DM_DEVICE_STATUS, type, sizeof(type), NULL, params);

	if (!r && strcmp(type, REDO_TARGET_NAME)) {
		free(*params);
		*params = NULL;
		return redo_err(EINVAL, "%s: its target is %s, not %s", name, type,
				REDO_TARGET_NAME);
	}
	return r;
}

int redo_dm_redo_table(const char *name, struct redo_table *t)
{
	char type[32], *params;
	u64 sectors;
	int r = redo_dm_table(name, type, sizeof(type), &sectors, &params);

	if (r)
		return r;
	if (strcmp(type, REDO_TARGET_NAME))
		r = redo_err(EINVAL, "%s: its target is %s, not %s", name, type, REDO_TARGET_NAME);
	else
		r = redo_table_parse(params, t);
	t->sectors = sectors;
	free(params);
	return r;
}

static int load(int type, const char *name, const char *uuid, u64 sectors, const char *target,
		const char *params, int flags)
{
	struct dm_task *t = task(type, name);
	const char *what = type == DM_DEVICE_CREATE ? "create" : "table load";
	int r;

	if (!t)
		return -ENOMEM;
	if ((uuid && !dm_task_set_uuid(t, uuid)) ||
	    !dm_task_add_target(t, 0, sectors, target, params) ||
	    ((flags & REDO_DM_READONLY) && !dm_task_set_ro(t)))
		r = redo_err(EINVAL, "%s: %s: %s", name, what, dm_text);
	else if (type == DM_DEVICE_CREATE)
		r = run_udev(t, what, name, flags);
	else
		r = run(t, what, name);
	dm_task_destroy(t);
	return r;
}

int redo_dm_create(const char *name, const char *uuid, u64 sectors, const char *type,
		   const char *params, int flags)
{
	return load(DM_DEVICE_CREATE, name, uuid, sectors, type, params, flags);
}

int redo_dm_load(const char *name, u64 sectors, const char *type, const char *params, int flags)
{
	return load(DM_DEVICE_RELOAD, name, NULL, sectors, type, params, flags);
}

static int copy_targets(struct dm_task *to, const char *from)
{
	uint64_t start, length;
	char *target, *params;
	void *next = NULL;
	struct dm_task *t;
	int r = each_target(from, DM_DEVICE_TABLE, &t);

	if (r)
		return r;
	do {
		next = dm_get_next_target(t, next, &start, &length, &target, &params);
		if (!target)
			r = redo_err(ENOENT, "%s: has no table", from);
		else if (!dm_task_add_target(to, start, length, target, params))
			r = redo_err(ENOMEM, "out of memory");
	} while (!r && next);
	dm_task_destroy(t);
	return r;
}

int redo_dm_create_like(const char *name, const char *uuid, const char *from)
{
	struct dm_task *t = task(DM_DEVICE_CREATE, name);
	int r;

	if (!t)
		return -ENOMEM;
	r = copy_targets(t, from);
	if (!r && uuid && !dm_task_set_uuid(t, uuid))
		r = redo_err(EINVAL, "%s: bad uuid %s", name, uuid);
	if (!r)
		r = run_udev(t, "create", name, REDO_DM_LOW_PRIORITY);
	dm_task_destroy(t);
	return r;
}

int redo_dm_reload_like(const char *name, const char *from)
{
	struct dm_task *t = task(DM_DEVICE_RELOAD, name);
	int r;

	if (!t)
		return -ENOMEM;
	r = copy_targets(t, from);
	if (!r)
		r = run(t, "table load", name);
	dm_task_destroy(t);
	return r;
}

static int simple(int type, const char *name, const char *what, int flags)
{
	struct dm_task *t = task(type, name);
	int r = 0;

	if (!t)
		return -ENOMEM;
	if (flags & REDO_DM_NOLOCKFS)
		dm_task_skip_lockfs(t);
	if (flags & REDO_DM_NOFLUSH)
		dm_task_no_flush(t);
	if (type == DM_DEVICE_RESUME || type == DM_DEVICE_REMOVE)
		r = run_udev(t, what, name, flags);
	else
		r = run(t, what, name);
	dm_task_destroy(t);
	return r;
}

int redo_dm_clear(const char *name)
{
	return simple(DM_DEVICE_CLEAR, name, "clear", 0);
}

int redo_dm_suspend(const char *name, int flags)
{
	return simple(DM_DEVICE_SUSPEND, name, "suspend", flags);
}

int redo_dm_resume(const char *name, int flags)
{
	return simple(DM_DEVICE_RESUME, name, "resume", flags);
}

int redo_dm_resume_nowait(const char *name, u32 *cookie)
{
	struct dm_task *t = task(DM_DEVICE_RESUME, name);
	int r;

	if (!t)
		return -ENOMEM;
	if (!dm_task_set_cookie(t, cookie, 0))
		r = redo_err(EIO, "%s: resume: no udev cookie: %s", name, dm_text);
	else
		r = run(t, "resume", name);
	dm_task_destroy(t);
	return r;
}

void redo_dm_udev_wait(u32 cookie)
{
	dm_udev_wait(cookie);
	dm_task_update_nodes();
}

int redo_dm_remove(const char *name)
{
	return simple(DM_DEVICE_REMOVE, name, "remove", 0);
}

int redo_dm_message(const char *name, const char *msg, char **answer)
{
	struct dm_task *t = task(DM_DEVICE_TARGET_MSG, name);
	const char *s;
	int r;

	*answer = NULL;
	if (!t)
		return -ENOMEM;
	if (!dm_task_set_sector(t, 0) || !dm_task_set_message(t, msg))
		r = redo_err(EINVAL, "%s: message %s: %s", name, msg, dm_text);
	else
		r = run(t, "message", name);
	if (!r) {
		s = dm_task_get_message_response(t);
		*answer = strdup(s ? s : "");
		if (!*answer)
			r = redo_err(ENOMEM, "out of memory");
	}
	dm_task_destroy(t);
	return r;
}
