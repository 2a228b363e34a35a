/* SPDX-License-Identifier: MIT */
/* suggest_name.h - what the name of a function says of it: is it a step's, and in which language. Pure. */
#ifndef SUGGEST_NAME_H
#define SUGGEST_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum suggest_language { SUGGEST_C, SUGGEST_CXX, SUGGEST_RUST, SUGGEST_LANGUAGES };

enum suggest_call { SUGGEST_NONE, SUGGEST_SUBMIT, SUGGEST_POLL };

enum suggest_language suggest_language(const char *symbol);

/*
 * Whether it is a submit or a poll: C's STEP_submit, C++'s STEP::submit(...), Rust's STEP::submit and
 * <STEP as TRAIT>::submit. `plain` is its name as nm -C has it.
 */
enum suggest_call suggest_call(enum suggest_language language, const char *plain);

/* The step that it is one of: STEP. Cut to `size`. */
void suggest_step(enum suggest_language language, const char *plain, char *out, size_t size);

/* Whether it is of arroyo's trait, whose arguments and result are known. */
bool suggest_is_arroyo(const char *plain);

/*
 * A pattern that matches this name, of at most `size` bytes with its NUL: characters that mean something
 * there, or to a recipe, are a ? each, and what is too long has a * in its middle.
 */
void suggest_glob(const char *plain, char *out, size_t size);

#endif /* SUGGEST_NAME_H */
