// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "inject.h"

static struct injection how;
static struct dmdev *fault_dev;

/* --- requests --- */

static void io_message(const char *text)
{
	char *answer = dmdev_message(fault_dev, text);

	if (!answer)
		die("redo-fault refuses \"%s\"", text);
	free(answer);
}

static void io_arm(u64 n)
{
	char *text = xasprintf("arm %llu %s %s %s", (unsigned long long)n, how.kinds,
			       how.scope, how.when);

	io_message(text);
	free(text);
}

static void io_look(struct injected *f)
{
	unsigned long long counted, failed, sector, sectors;
	char *text = dmdev_status(fault_dev);

	if (sscanf(text, "%llu %llu %15s %c %llu %llu %x", &counted, &failed, f->devno,
		   &f->kind, &sector, &sectors, &f->magic) != 7)
		die("redo-fault's status: %s", text);
	f->counted = counted;
	f->failed = failed;
	f->sector = sector;
	f->sectors = sectors;
	free(text);
}

/* --- allocations --- */

/*
 * With "interval" i and "times" 1 the allocation fails that makes the kernel's own
 * count a multiple of i. The count never goes back, cannot be read and goes on only
 * while armed; it is kept in a file for the next program in the same guest. Hence
 * what has been armed must be met, see inject_pending().
 */
#define COUNT_FILE	"/run/redo-fault-%s"

static u64 alloc_count;
static bool alloc_armed;

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | (strncmp(path, "/run/", 5) ? 0 : O_CREAT | O_TRUNC) |
			O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die_errno("%s", path);
	close(fd);
}

static void set(const char *name, const char *fmt, u64 value)
{
	char *path = xasprintf("/sys/kernel/debug/%s/%s",
			       strcmp(how.what, "slab") ? "fail_page_alloc" : "failslab", name);
	char *text = xasprintf(fmt, (unsigned long long)value);

	write_text(path, text);
	free(path);
	free(text);
}

static u64 get_times(void)
{
	char *path = xasprintf("/sys/kernel/debug/%s/times",
			       strcmp(how.what, "slab") ? "fail_page_alloc" : "failslab");
	FILE *f = fopen(path, "r");
	long long times;

	if (!f || fscanf(f, "%lld", &times) != 1)
		die_errno("%s", path);
	fclose(f);
	free(path);
	return times;
}

/* Where the module's code is. */
static void module_range(u64 *from, u64 *to)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[256], module[64], type;
	unsigned long long at;

	*from = ~0ULL;
	*to = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %c %*s [%63[^]]]", &at, &type, module) != 3 ||
		    strcmp(module, "dm_redo") || (type != 't' && type != 'T'))
			continue;
		*from = min_u64(*from, at);
		*to = max_u64(*to, at + 1);
	}
	if (f)
		fclose(f);
	if (!*to)
		die("no symbols of dm_redo in /proc/kallsyms");
	*to = round_up_to(*to, 4096);	/* the last function's end is not known */
}

static void alloc_init(void)
{
	char path[64];
	u64 from, to;
	FILE *f;

	snprintf(path, sizeof(path), COUNT_FILE, how.what);
	f = fopen(path, "r");
	if (f) {
		unsigned long long count;

		if (fscanf(f, "%llu", &count) != 1)
			die("%s", path);
		alloc_count = count;
		fclose(f);
	}
	module_range(&from, &to);
	/* See klog_problems() in tests/lib/klog.sh */
	write_text("/dev/kmsg", "redo-test: allocations fail on purpose");
	set("times", "%llu", 0);
	set("probability", "%llu", 100);
	set("verbose", "%llu", 0);
	set("ignore-gfp-wait", "%llu", 0);
	if (strcmp(how.what, "slab")) {
		set("ignore-gfp-highmem", "%llu", 0);
		set("min-order", "%llu", 0);
	}
	set("require-start", "0x%llx", from);
	set("require-end", "0x%llx", to);
}

static void alloc_arm(u64 n)
{
	if (!n)
		return;
	alloc_count += n;
	set("interval", "%llu", alloc_count);
	set("times", "%llu", 1);
	alloc_armed = true;
}

static void alloc_look(struct injected *f)
{
	char path[64], *text;

	memset(f, 0, sizeof(*f));
	if (!alloc_armed || get_times())
		return;
	f->failed = 1;
	snprintf(path, sizeof(path), COUNT_FILE, how.what);
	text = xasprintf("%llu", (unsigned long long)alloc_count);
	write_text(path, text);
	free(text);
}

/* --- either --- */

static bool for_requests(void)
{
	return !strcmp(how.what, "requests");
}

void inject_init(const struct injection *i, struct dmdev *any)
{
	how = *i;
	fault_dev = any;
	if (!for_requests())
		alloc_init();
}

void inject_arm(u64 n)
{
	if (for_requests())
		io_arm(n);
	else
		alloc_arm(n);
}

void inject_look(struct injected *found)
{
	if (for_requests())
		io_look(found);
	else
		alloc_look(found);
}

void inject_disarm(struct injected *found)
{
	inject_look(found);
	if (for_requests())
		io_message("disarm");
	else if (found->failed)
		alloc_armed = false;
}

bool inject_pending(void)
{
	return alloc_armed;
}
