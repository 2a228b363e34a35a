/* SPDX-License-Identifier: MIT */
/*
 * symbol_demangle.h - mangled names of C++ and Rust as people write them, as far as that is little work
 *
 * A mangled name can refer to its own parts, so what it stands for, and the work to write it out, may
 * double with every few bytes of it. A hostile file's names need no more than a few milliseconds here.
 */
#ifndef SYMBOL_DEMANGLE_H
#define SYMBOL_DEMANGLE_H

/* Of what is longer, the mangled name is of more use. */
#define SYMBOL_MANGLED_MAX (16u << 10)
#define SYMBOL_PLAIN_MAX   (64u << 10)

/* To be freed. NULL: it is no mangled name, it is too long or too much work, or out of memory. */
char *symbol_demangle(const char *mangled);

#endif /* SYMBOL_DEMANGLE_H */
