/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the supported kernels; included into every file by the
 * build. No other file tests for a version.
 */
#ifndef REDO_COMPAT_H
#define REDO_COMPAT_H

#ifdef __KERNEL__

#include <linux/blkdev.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "dm-redo needs Linux 6.1 or later"
#endif
#ifndef CONFIG_64BIT
#error "dm-redo needs a 64-bit kernel: a map entry is one machine word"
#endif

/* 6.5: table modes have a type of their own */
#ifdef BLK_OPEN_WRITE
#define DM_MODE_WRITE	BLK_OPEN_WRITE
#else
#define DM_MODE_WRITE	FMODE_WRITE
#endif

/* 6.7: shrinkers are allocated */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#define REDO_HAVE_SHRINKER_ALLOC
#endif

/* 6.8: max_discard_sectors is derived, before it is what counts */
static inline void redo_limits_set_discard(struct queue_limits *limits, unsigned int sectors)
{
	limits->max_hw_discard_sectors = sectors;
	limits->max_discard_sectors = sectors;
}

#endif /* __KERNEL__ */
#endif /* REDO_COMPAT_H */
