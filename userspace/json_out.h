/* SPDX-License-Identifier: MIT */
/*
 * json_out.h - what a machine reads: one JSON object per line, printable ASCII only
 *
 * Built with jansson. Build an object with json_pack(), which is NULL when anything in it is, so that
 * json_line() can say that memory ran out. Names come from consumers, so they go through json_text().
 */
#ifndef JSON_OUT_H
#define JSON_OUT_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/*
 * A string of the bytes up to the first NUL, at most `max` of them. Each byte that is part of no
 * UTF-8 character becomes U+FFFD, and so does DEL. NULL when out of memory.
 */
json_t *json_text(const char *bytes, size_t max);

/*
 * Writes the object and a newline, and flushes; everything that is not printable ASCII stands there
 * as \uXXXX. Takes the caller's reference, also on failure. 0; -ENOMEM (`object` is NULL), -EPIPE,
 * -ENOSPC...
 */
int json_line(FILE *out, json_t *object);

#endif /* JSON_OUT_H */
