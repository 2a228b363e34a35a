/* SPDX-License-Identifier: MIT */
/*
 * statsd_line.h - one statsd line: what may stand in it and how numbers are written
 *
 * What a consumer wrote (step names, comm, environment) must not become a second metric, tag or
 * line, and every server must read the number that was meant. So names, keys and values are reduced
 * to characters that no known server refuses or rewrites, and numbers are formatted by integers:
 * fixed notation, whatever LC_NUMERIC says. Pure: no I/O, no sockets.
 */
#ifndef STATSD_LINE_H
#define STATSD_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest name, key or value in bytes, as Datadog has it; what is longer is cut. */
#define STATSD_TEXT_MAX 200
/* Largest weight of one line: servers that expand a sample rate into copies stay responsive. */
#define STATSD_WEIGHT_MAX 10000
/* Room for a number with its NUL. */
#define STATSD_NUMBER_SIZE 32

/*
 * Write the sane form of `from` into `out` (`size` bytes, at least 2, always terminated) and return
 * its length. They never yield an empty string: without a key or value there is "unknown".
 *   key:   [a-z][a-z0-9_]*, upper case made lower; "tag_" is put before a reserved or odd beginning
 *   value: [A-Za-z0-9_./:-]+
 */
size_t statsd_key(char *out, size_t size, const char *from);
size_t statsd_value(char *out, size_t size, const char *from);

/*
 * Writes "key:value", both made sane, to `out` and returns the length without the NUL. -ENOSPC with
 * `out` made empty where it does not fit (2 * STATSD_TEXT_MAX + 2 always does).
 */
int statsd_tag(char *out, size_t size, const char *key, const char *value);
/* The same with a key of ours, taken as it is. */
int statsd_own_tag(char *out, size_t size, const char *key, const char *value);

/*
 * Whether a user may choose this key for a tag. Reserved ones have a meaning of their own to a
 * server (host, units, le, ...) or to us (step, process, reason). -EINVAL with a one-line reason in
 * `why`.
 */
int statsd_check_key(const char *key, char *why, size_t why_size);
/* The same for a whole "key:value". */
int statsd_check_tag(const char *tag, char *why, size_t why_size);
/*
 * Writes all of `tags` (NULL-terminated "key:value"s, or NULL), made sane, as "k:v,k2:v2". The same
 * errors, also where they are too long together: they leave room in a line.
 */
#define STATSD_GLOBAL_TAGS_SIZE 801
int statsd_global_tags(char out[STATSD_GLOBAL_TAGS_SIZE], const char *const *tags, char *why,
		       size_t why_size);
/* A metric prefix: empty, or [A-Za-z][A-Za-z0-9_.]* of at most 120 characters without a last dot.
 */
int statsd_check_prefix(const char *prefix, char *why, size_t why_size);

/* `text` for a message of one line: control characters and bytes above 127 as '?', cut at the size.
 */
const char *statsd_quote(char *out, size_t size, const char *text);

/*
 * The sample rate that every server reads back as weight `n` (1 to STATSD_WEIGHT_MAX): they take
 * the whole part of 1/rate, so the rate must not be rounded up. Empty for 1: the field is left out.
 */
void statsd_rate(char out[STATSD_NUMBER_SIZE], uint64_t n);
void statsd_number(char out[STATSD_NUMBER_SIZE], uint64_t n);
/* ns as ms: to the ns below 1 ms, to the us above; no exponent, no trailing zeros. */
void statsd_ms(char out[STATSD_NUMBER_SIZE], uint64_t ns);

struct statsd_line {
	const char *prefix; /* with its last dot, or "" */
	const char *name;
	const char *suffix; /* ".count" and the like, or "" */
	const char *value;
	const char *type; /* c, g, d, h, ms */
	uint64_t weight;  /* 1 to STATSD_WEIGHT_MAX */
	const char *tags; /* "k:v,k2:v2" or "" */
};

/*
 * Writes the line without a newline, terminated, and returns its length; where that is `size` or
 * more it did not fit (as snprintf). The rate stands before the tags: other orders are misread.
 */
size_t statsd_line(char *out, size_t size, const struct statsd_line *line);

#endif /* STATSD_LINE_H */
