/* SPDX-License-Identifier: MIT */
/*
 * put.h - numbers written as text, by hand
 *
 * printf would take longer than all the steps of the chain together.
 */
#ifndef DEMO_PUT_H
#define DEMO_PUT_H

#include <stddef.h>
#include <stdint.h>

/* In decimal, up to 20 digits at `at` and no NUL; returns what is behind them. */
static inline char *put_number(char *at, uint64_t number)
{
	char digits[20];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	while (n)
		*at++ = digits[--n];
	return at;
}

#endif /* DEMO_PUT_H */
