/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For modules under test in User-Mode Linux: every error is in the log, however many
 * there are in a few seconds, since cases look for each.
 */
#include <linux/printk.h>

#undef pr_err_ratelimited
#define pr_err_ratelimited pr_err
#undef pr_warn_ratelimited
#define pr_warn_ratelimited pr_warn
