/* SPDX-License-Identifier: MIT */
/*
 * symbol_suffix.h - what compilers make of one function: its name with a dot and more behind it
 *
 *	f.cold		a part of f, seldom run and put elsewhere: jumped to, not called; it may return
 *			for f. Of clang's (f.cold.1) some are called: who jumps there, it is a part of.
 *	f.part.0	the rest of f where its beginning was put into callers: called by itself
 *	f.constprop.0	f for callers with certain arguments, f.isra.0 with other ones: calls of f too
 *	f.lto_priv.0	f, when another file has an f as well; f.llvm.123 likewise
 *
 * All but the first are functions of their own, which one who says f may mean or not. Pure.
 */
#ifndef SYMBOL_SUFFIX_H
#define SYMBOL_SUFFIX_H

#include <stddef.h>

enum symbol_kind {
	SYMBOL_PLAIN,
	SYMBOL_RENAMED,
	SYMBOL_COPY,
	SYMBOL_PART,
	SYMBOL_COLD, /* of a copy or a part as well */
};

/* `stem`, if not NULL, is how long the name is without what the compiler put behind it. */
enum symbol_kind symbol_kind(const char *name, size_t *stem);

#endif /* SYMBOL_SUFFIX_H */
