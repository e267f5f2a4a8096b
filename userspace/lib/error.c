// SPDX-License-Identifier: LGPL-2.1-or-later
/* The last error's text, and small helpers for texts. */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "redo-int.h"

static __thread char last_error[2048];

int redo_err(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(last_error, sizeof(last_error), fmt, ap);
	va_end(ap);
	return -err;
}

const char *redo_last_error(void)
{
	return last_error;
}

#ifndef REDO_VERSION
#define REDO_VERSION "0.1.0"
#endif

const char *redo_version(void)
{
	return REDO_VERSION;
}

void redo_copy(char *to, const char *from, size_t size)
{
	size_t len = strnlen(from, size - 1);

	memmove(to, from, len);
	to[len] = '\0';
}

void redo_copy_clean(char *to, const char *from, size_t size)
{
	redo_copy(to, from, size);
	for (; *to; to++)
		if (iscntrl((unsigned char)*to))
			*to = '?';
}

const char *redo_state_str(u32 state)
{
	switch (state) {
	case REDO_STATE_NEW:
		return "new";
	case REDO_STATE_ACTIVE:
		return "active";
	case REDO_STATE_SEALED:
		return "sealed";
	case REDO_STATE_RETIRED:
		return "retired";
	}
	return "unknown";
}

void redo_uuid_str(const u8 *u, char str[REDO_UUID_STR_SIZE])
{
	snprintf(str, REDO_UUID_STR_SIZE,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7],
		 u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

bool redo_uuid_nil(const u8 *uuid)
{
	static const u8 nil[REDO_UUID_SIZE];

	return !memcmp(uuid, nil, REDO_UUID_SIZE);
}

bool redo_uuid_eq(const u8 *a, const u8 *b)
{
	return !memcmp(a, b, REDO_UUID_SIZE);
}

void redo_random(void *buf, size_t len)
{
	u8 *p = buf;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno != EINTR)
			abort();	/* Linux 3.17 and later always have it */
		if (n > 0) {
			p += n;
			len -= n;
		}
	}
}
