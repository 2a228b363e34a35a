/* SPDX-License-Identifier: MIT */
/* elfnote_text.h - what a file's notes are, in words: for tables and for JSON */
#ifndef ELFNOTE_TEXT_H
#define ELFNOTE_TEXT_H

#include <jansson.h>
#include <stddef.h>

#include "elfnote.h"

#define ELFNOTE_TEXT_SIZE 128 /* holds any of these */

/* Each returns `out`, cut to `size`. "-" where there is nothing to say. */

/* Hex digits, the first `digits` of them. */
const char *elfnote_text_build_id(const struct elfnote *note, size_t digits, char *out,
				  size_t size);
/* "all": each of the four probes at one place. Else what there is, "submit*2,end". */
const char *elfnote_text_probes(const struct elfnote *note, char *out, size_t size);
/* "2 dead,1 unknown" */
const char *elfnote_text_skipped(const struct elfnote *note, char *out, size_t size);

/* The same; NULL when out of memory. */
json_t *elfnote_json_build_id(const struct elfnote *note); /* or null */
json_t *elfnote_json_probes(const struct elfnote *note);   /* {"submit_return":1,...} */
json_t *elfnote_json_skipped(const struct elfnote *note);  /* {"dead":0,...} */

#endif /* ELFNOTE_TEXT_H */
