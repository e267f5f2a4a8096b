/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_SELFTEST_H
#define TEST_SELFTEST_H

/*
 * Does the model of tracking accept right answers, and does it see each sector that is
 * missed and each block too many? Dies if not. No device is used.
 */
void self_test(void);

#endif /* TEST_SELFTEST_H */
