/* SPDX-License-Identifier: MIT */
/*
 * beside.h - a file that takes its place once it is whole
 *
 * Until then it lies beside it, for its owner only. Others may own the folder, or the link that leads there:
 * the kernel follows links, by its rules (fs.protected_symlinks), and what it has found is what is replaced,
 * whatever is put in its way meanwhile. Not thread-safe.
 */
#ifndef BESIDE_H
#define BESIDE_H

#include <sys/types.h>

struct beside {
	int fd; /* to be written to */
	int folder;
	mode_t mode;
	char *name;      /* in the folder */
	char *temporary; /* likewise */
};

/*
 * 0 or -errno; -EISDIR: a directory is there; -EEXIST: something else that is no file. A link to a file
 * stays one. A file of our own keeps who may read and write it, all else is as any new file is: what was
 * there may have been put there to be taken over.
 */
int beside_open(struct beside *b, const char *path);
/* It is whole: 0, or -errno and nothing has changed. Frees in any case. */
int beside_keep(struct beside *b);
/* It is given up. */
void beside_drop(struct beside *b);

#endif /* BESIDE_H */
