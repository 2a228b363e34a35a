/* SPDX-License-Identifier: MIT */
/*
 * new_file.h - a file that is there once it is whole
 *
 * A stream to what lies beside its place (beside.h). What fails leaves what was there before, and nothing
 * else. Not thread-safe.
 */
#ifndef NEW_FILE_H
#define NEW_FILE_H

#include <stdio.h>

struct new_file;

/*
 * 0 or -errno, as beside_open(): there may be something that is no file, which it would replace.
 */
int new_file_open(struct new_file **out, const char *path);
/* To be written to. */
FILE *new_file_stream(const struct new_file *f);
/* What has been written so far is on its way. 0 or -errno, of the first failure from then on. */
int new_file_flush(struct new_file *f);
/* It is whole. 0 or -errno; frees in any case. */
int new_file_keep(struct new_file *f);
/* It is given up. NULL is fine. */
void new_file_drop(struct new_file *f);

#endif /* NEW_FILE_H */
