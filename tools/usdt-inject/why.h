/* SPDX-License-Identifier: MIT */
/*
 * why.h - the reason for a refusal: one line, what is wrong and what would help
 */
#ifndef WHY_H
#define WHY_H

struct why {
	char text[600];
};

/* -EINVAL, always: `return refuse(why, ...)`. */
__attribute__((format(printf, 2, 3))) int refuse(struct why *why, const char *format, ...);

/* -ENOMEM. */
int refuse_memory(struct why *why);

#endif /* WHY_H */
