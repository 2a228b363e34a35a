/* SPDX-License-Identifier: MIT */
/*
 * debug_file.h - where a distribution keeps the debug information of a stripped file
 *
 * /usr/lib/debug/.build-id/AB/CDEF....debug, of this host; only the very same build counts.
 */
#ifndef DEBUG_FILE_H
#define DEBUG_FILE_H

#include "elfnote.h"

/* A descriptor, or -ENOENT: there is none of this build. */
int debug_file_open(const struct elfnote *note);

#endif /* DEBUG_FILE_H */
