/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every file of the test programs needs. */
#ifndef TEST_UTIL_H
#define TEST_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define SECTOR_SIZE 512
#define SECTOR_SHIFT 9
#define MIB (1024 * 1024ULL)

#define __printf(a, b) __attribute__((format(printf, a, b)))

static inline u64 min_u64(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 max_u64(u64 a, u64 b)
{
	return a > b ? a : b;
}

static inline double max_double(double a, double b)
{
	return a > b ? a : b;
}

static inline u64 round_down_to(u64 v, u64 step)
{
	return v / step * step;
}

static inline u64 round_up_to(u64 v, u64 step)
{
	return (v + step - 1) / step * step;
}

/*
 * Called by die() after its own message, before the program ends: says where in
 * the test this was and how to run it again.
 */
extern void (*die_context)(void);

/* Ends the program with status 1; devices are removed by atexit handlers. */
__printf(1, 2) __attribute__((noreturn)) void die(const char *fmt, ...);
/* The same, with the text of errno. */
__printf(1, 2) __attribute__((noreturn)) void die_errno(const char *fmt, ...);

extern bool verbose;
/* Only with --verbose. */
__printf(1, 2) void say(const char *fmt, ...);

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
/* Aligned for O_DIRECT. */
void *xmalloc_io(size_t size);
__printf(1, 2) char *xasprintf(const char *fmt, ...);

double seconds_now(void);

/* 8M, 32M+3s: bytes with a suffix, sectors with 's', sums. Result in sectors. */
u64 parse_size(const char *text);
u64 parse_number(const char *text);
/* "prog a b c" */
char *join_args(int argc, char **argv);

#endif /* TEST_UTIL_H */
