// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * nbdkit-redo-plugin: serves a view, and tells in base:allocation what there is to copy.
 *
 * In full: what is not allocated is a hole that reads as zeroes. With since=: what has not
 * changed is told as a hole as well, so that a copy of what is no hole is an increment. For
 * that all ranges are asked for before the first client comes: a question that fails ends
 * the server, and is never an answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "../lib/libredo.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

/* Everything is set before the first connection and only read afterwards. */
#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

struct range {
	uint64_t start, end;		/* bytes */
};

static const char *view, *chain, *since, *until;
static uint32_t rest = NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO;
static char point_id[REDO_CHANGE_ID_SIZE];
static int fd = -1;
static uint64_t size;
/* What there is to copy: in order, apart from each other. */
static struct range *ranges;
static size_t nr_ranges, cap_ranges;

/* Parameters ------------------------------------------------------------------------ */

static int set_rest(const char *value)
{
	if (!strcmp(value, "zero"))
		rest = NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO;
	else if (!strcmp(value, "hole"))
		rest = NBDKIT_EXTENT_HOLE;
	else
		return -1;
	return 0;
}

static int config(const char *key, const char *value)
{
	if (!strcmp(key, "view"))
		view = value;
	else if (!strcmp(key, "chain"))
		chain = value;
	else if (!strcmp(key, "since"))
		since = value;
	else if (!strcmp(key, "until"))
		until = value;
	else if (strcmp(key, "unchanged")) {
		nbdkit_error("unknown parameter %s", key);
		return -1;
	} else if (set_rest(value)) {
		nbdkit_error("unchanged=%s is neither zero nor hole", value);
		return -1;
	}
	return 0;
}

static int config_complete(void)
{
	char uuid[REDO_UUID_STR_SIZE];
	uint64_t n;

	if (!view) {
		nbdkit_error("view=<device of a view> is missing");
		return -1;
	}
	if (!since && (until || rest == NBDKIT_EXTENT_HOLE)) {
		nbdkit_error("until= and unchanged= go with since=");
		return -1;
	}
	if (since && !chain) {
		nbdkit_error("since= needs chain=<name>, the chain that is asked what has changed");
		return -1;
	}
	if ((since && redo_change_id_parse(since, uuid, &n)) ||
	    (until && redo_change_id_parse(until, uuid, &n))) {
		nbdkit_error("since= and until= take change ids, <uuid>/<number>");
		return -1;
	}
	return 0;
}

/* What there is to copy -------------------------------------------------------------- */

static int add_range(void *ctx, uint64_t start, uint64_t sectors)
{
	uint64_t end = (start + sectors) << 9;
	struct range *last = nr_ranges ? &ranges[nr_ranges - 1] : NULL;

	(void)ctx;
	start <<= 9;
	/* The chain may have grown since. */
	if (end > size)
		end = size;
	if (start >= end)
		return 0;
	if (last && last->end == start) {
		last->end = end;
		return 0;
	}
	if (nr_ranges == cap_ranges) {
		size_t cap = cap_ranges ? 2 * cap_ranges : 1024;
		void *p = realloc(ranges, cap * sizeof(*ranges));

		if (!p)
			return -ENOMEM;
		ranges = p;
		cap_ranges = cap;
	}
	ranges[nr_ranges++] = (struct range){ start, end };
	return 0;
}

static int failed(const char *what, int r)
{
	nbdkit_error("%s: %s", what, r == -ENOMEM ? "out of memory" : redo_last_error());
	return -1;
}

static int open_view(void)
{
	char path[4096];
	int ro = 0;

	snprintf(path, sizeof(path), "%s%s", strchr(view, '/') ? "" : "/dev/mapper/", view);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) || ioctl(fd, BLKROGET, &ro)) {
		nbdkit_error("%s: %s", path, strerror(errno));
		return -1;
	}
	if (!ro) {
		nbdkit_error("%s: is no view: it can be written to, and would change under the reader",
			     path);
		return -1;
	}
	return 0;
}

/* The point that the view shows, unless it is said. */
static int find_until(void)
{
	struct redo_status s;
	int r = redo_chain_status(view, &s);

	if (r)
		return failed(view, r);
	if (until) {
		snprintf(point_id, sizeof(point_id), "%s", until);
	} else if (s.tracking.state == REDO_TRACKING_POINT && s.tracking.change_id[0]) {
		snprintf(point_id, sizeof(point_id), "%s", s.tracking.change_id);
	} else {
		nbdkit_error("%s: the view does not know the change id of its point; say it with until=, or copy in full",
			     view);
		return -1;
	}
	return 0;
}

static int ask_changed(void)
{
	struct redo_tracker *t;
	int r = redo_tracker_open(chain, &t);

	if (r)
		return failed(chain, r);
	r = redo_tracker_query(t, since, point_id, 0, 0, add_range, NULL);
	redo_tracker_close(t);
	return r ? failed("what has changed is not known", r) : 0;
}

static int get_ready(void)
{
	int r = open_view();

	if (r)
		return r;
	if (since) {
		r = find_until();
		return r ? r : ask_changed();
	}
	r = redo_chain_allocated(view, 0, size >> 9, add_range, NULL);
	return r ? failed("what is allocated is not known", r) : 0;
}

/* Serving -------------------------------------------------------------------------------- */

static void *open_connection(int readonly)
{
	(void)readonly;
	return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t get_size(void *handle)
{
	(void)handle;
	return (int64_t)size;
}

static int yes(void *handle)
{
	(void)handle;
	return 1;
}

static int read_view(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	uint8_t *p = buf;

	(void)handle;
	(void)flags;
	while (count) {
		ssize_t n = pread(fd, p, count, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (!n)
				errno = EIO;
			nbdkit_error("%s: read error at byte %llu: %m", view,
				     (unsigned long long)offset);
			return -1;
		}
		p += n;
		offset += (uint64_t)n;
		count -= (uint32_t)n;
	}
	return 0;
}

/* The first range that ends after @offset. */
static size_t find_range(uint64_t offset)
{
	size_t lo = 0, hi = nr_ranges;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ranges[mid].end > offset)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static int extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
		   struct nbdkit_extents *list)
{
	const uint64_t end = offset + count;
	bool one = flags & NBDKIT_FLAG_REQ_ONE;
	size_t i = find_range(offset);

	(void)handle;
	while (offset < end) {
		bool inside = i < nr_ranges && ranges[i].start <= offset;
		uint64_t to = inside ? ranges[i].end : i < nr_ranges ? ranges[i].start : size;

		if (nbdkit_add_extent(list, offset, to - offset, inside ? 0 : rest))
			return -1;
		if (one)
			break;
		i += inside;
		offset = to;
	}
	return 0;
}

static void unload(void)
{
	free(ranges);
	if (fd >= 0)
		close(fd);
}

#define CONFIG_HELP \
	"view=<NAME>          (required) The device of a view (redosetup view).\n" \
	"chain=<NAME>         The live chain, which is asked what has changed.\n" \
	"since=<CHANGE ID>    Tell what has not changed since as holes.\n" \
	"until=<CHANGE ID>    The point of the view, where that does not know it.\n" \
	"unchanged=zero|hole  How that is told: as a hole of zeroes (nbdcopy), or as a\n" \
	"                     hole only (qemu-img convert -B)."

static struct nbdkit_plugin plugin = {
	.name = "redo",
	.longname = "dm-redo views with changed block tracking",
	.version = REDO_VERSION,
	.description = "serve a snapshot point, whole or what has changed in it",
	.magic_config_key = "view",
	.config_help = CONFIG_HELP,
	.config = config,
	.config_complete = config_complete,
	.get_ready = get_ready,
	.unload = unload,
	.open = open_connection,
	.get_size = get_size,
	.can_multi_conn = yes,
	.can_extents = yes,
	.pread = read_view,
	.extents = extents,
	.errno_is_preserved = 1,
};

NBDKIT_REGISTER_PLUGIN(plugin)
