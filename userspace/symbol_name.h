/* SPDX-License-Identifier: MIT */
/* symbol_name.h - functions' names as people know them: C++'s, and Rust's of both kinds. Pure. */
#ifndef SYMBOL_NAME_H
#define SYMBOL_NAME_H

#include <stddef.h>
#include <stdint.h>

/*
 * As nm -C has it; a copy of `name` where it is not mangled, or too much work (symbol_demangle.h). To be freed; NULL
 * when out of memory.
 */
char *symbol_plain(const char *name);

/*
 * Whose method it is: "Parse" of "ingest::Parse<int>::submit(Message)" and of
 * "<ingest::Parse<T> as Step>::submit"; the function itself where it is nobody's. Cut to `size`.
 */
void symbol_owner(const char *demangled, char *out, size_t size);

/* Which of its methods: "submit" of both; "" where it is nobody's. */
void symbol_method(const char *demangled, char *out, size_t size);

/*
 * What the compiler has put behind the symbol of a function that it made of another one, with other
 * arguments, and beside it or in its stead: ".isra.0"; NULL: nothing.
 */
const char *symbol_clone(const char *name);

/* What a place without a name is called, "0x1264"; to be freed, NULL when out of memory. */
char *symbol_of_offset(uint64_t offset);

#endif /* SYMBOL_NAME_H */
