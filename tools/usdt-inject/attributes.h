/* SPDX-License-Identifier: MIT */
/*
 * attributes.h - owner, mode and extended attributes (capabilities, access lists, labels)
 */
#ifndef ATTRIBUTES_H
#define ATTRIBUTES_H

#include <sys/stat.h>

#include "why.h"

/* All or nothing: a replacement with other rights than the original is none. */
int attributes_copy(int from, const struct stat *stat, int to, struct why *why);

#endif /* ATTRIBUTES_H */
