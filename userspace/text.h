/* SPDX-License-Identifier: MIT */
/* text.h - names that a consumer has chosen, for a screen. Pure. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

/*
 * `text` with everything that is not printable ASCII shown as '?', cut to fit: no control character
 * reaches a terminal. Returns `out`, terminated unless `size` is 0.
 */
const char *text_safe(char *out, size_t size, const char *text);

/* A step's or consumer's name on a screen, where "" would be overlooked. */
const char *text_name(const char *name);

#endif /* TEXT_H */
