/* SPDX-License-Identifier: MIT */
/*
 * cmocka.h - its assertions as those who analyse the unit tests have to see them: a test that does not
 * hold goes no further
 */
#ifndef ANALYSIS_CMOCKA_H
#define ANALYSIS_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#undef fail
#undef fail_msg
#undef assert_true
#undef assert_false
#undef assert_null
#undef assert_non_null
#undef assert_int_equal
#define fail()                 abort()
#define fail_msg(...)          abort()
#define assert_true(held)      ((held) ? (void)0 : abort())
#define assert_false(held)     ((held) ? abort() : (void)0)
#define assert_null(at)        ((at) ? abort() : (void)0)
#define assert_non_null(at)    ((at) ? (void)0 : abort())
#define assert_int_equal(a, b) ((a) == (b) ? (void)0 : abort())

#endif /* ANALYSIS_CMOCKA_H */
