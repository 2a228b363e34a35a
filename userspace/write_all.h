/* SPDX-License-Identifier: MIT */
/* write_all.h - write(2) until all of it is written */
#ifndef WRITE_ALL_H
#define WRITE_ALL_H

#include <stddef.h>

/* 0; else the -errno of the write that failed: an unknown part is written then. Waits for as long as it takes. */
int write_all(int fd, const char *bytes, size_t size);

#endif /* WRITE_ALL_H */
