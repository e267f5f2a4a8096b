// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "util.h"

void (*die_context)(void);
bool verbose;

static void __attribute__((noreturn)) vdie(int err, const char *fmt, va_list ap)
{
	static int dying;

	fflush(stdout);
	fprintf(stderr, "FAILED: ");
	vfprintf(stderr, fmt, ap);
	if (err)
		fprintf(stderr, ": %s", strerror(err));
	fprintf(stderr, "\n");
	if (die_context && !__atomic_exchange_n(&dying, 1, __ATOMIC_SEQ_CST))
		die_context();
	fflush(stderr);
	exit(1);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vdie(0, fmt, ap);
}

void die_errno(const char *fmt, ...)
{
	va_list ap;
	int err = errno;

	va_start(ap, fmt);
	vdie(err, fmt, ap);
}

void say(const char *fmt, ...)
{
	va_list ap;

	if (!verbose)
		return;
	printf("%9.3f ", seconds_now());
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
}

void *xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		die("no memory for %zu bytes", size);
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		die("no memory for %zu times %zu bytes", n, size);
	return p;
}

void *xrealloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		die("no memory for %zu bytes", size);
	return p;
}

void *xmalloc_io(size_t size)
{
	void *p;

	if (posix_memalign(&p, 4096, size))
		die("no memory for %zu bytes", size);
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		die("no memory for a string");
	va_end(ap);
	return text;
}

double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

u64 parse_number(const char *text)
{
	char *end;
	u64 v;

	errno = 0;
	v = strtoull(text, &end, 0);
	if (errno || end == text || *end)
		die("not a number: %s", text);
	return v;
}

u64 parse_size(const char *text)
{
	const char *p = text;
	u64 sectors = 0;

	for (;;) {
		char *end;
		u64 v = strtoull(p, &end, 0);

		if (end == p)
			die("not a size: %s", text);
		switch (*end) {
		case 's':
			end++;
			break;
		case 'K':
			v = v * 1024 / SECTOR_SIZE;
			end++;
			break;
		case 'M':
			v = v * MIB / SECTOR_SIZE;
			end++;
			break;
		default:
			v /= SECTOR_SIZE;
		}
		sectors += v;
		if (!*end)
			return sectors;
		if (*end != '+')
			die("not a size: %s", text);
		p = end + 1;
	}
}

char *join_args(int argc, char **argv)
{
	char *line = xasprintf("%s", argv[0]);
	int i;

	for (i = 1; i < argc; i++) {
		char *longer = xasprintf("%s %s", line, argv[i]);

		free(line);
		line = longer;
	}
	return line;
}
