/* SPDX-License-Identifier: MIT */
/*
 * top_text.h - cells of a text table: names that fit, numbers that are read at a glance
 *
 * Pure but for the locale: what counts as a character, and how many columns it takes, is
 * LC_CTYPE's matter. Where `utf8` is false that is not UTF-8, and all that is not ASCII shows as '?'.
 * So do, always, control characters, those that set the direction of text, and broken UTF-8.
 */
#ifndef TOP_TEXT_H
#define TOP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for `columns` of text: each of a character of four bytes with two accents, and the NUL. */
#define TOP_TEXT_SIZE(columns) ((size_t)(columns)*12 + 1)
/* Enough for every number below. */
#define TOP_NUMBER_SIZE 16

/*
 * `text` in exactly `columns` columns: filled up with blanks (before it if `right`), or cut, and then
 * the last column says so. `out` has TOP_TEXT_SIZE(columns).
 */
void top_text_fit(char *out, const char *text, size_t columns, bool right, bool utf8);
/*
 * At most `columns` columns of `text`, not filled up, nor marked where cut: at a blank, if it has
 * one. Returns how many bytes of `text` that took (the blank included), so that the rest can follow
 * on a next line.
 */
size_t top_text_line(char *out, const char *text, size_t columns, bool utf8);
/* `text` in at most `size` bytes with its NUL, cut to fit; nothing is written if that is 0. */
void top_text_safe(char *out, size_t size, const char *text, bool utf8);
/* How many columns `text` takes as shown. */
size_t top_text_width(const char *text, bool utf8);

/* At most 5 columns: "<1us", "999us", "1.2ms", "12ms", "1.2s", "59s", "9m59s", "59m", "9h59m", "3d". */
void top_text_time(char *out, uint64_t ns);
/* At most 5 columns: "0", "0.3", "9999", "12.3k", "123k", "1.23M"; "<0.1" is not 0. */
void top_text_count(char *out, double value);
/* At most 3 columns: "0" to "100"; "<1" is not 0. */
void top_text_percent(char *out, double share);
/* "[||  ]": `columns` in all, at least 3; full where `n` is `capacity`, which is not 0. */
void top_text_bar(char *out, size_t columns, uint32_t n, uint32_t capacity);

#endif /* TOP_TEXT_H */
