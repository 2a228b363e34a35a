/* SPDX-License-Identifier: MIT */
/* write_soon.h - write(2) that is back within some 10 ms, whoever reads or does not */
#ifndef WRITE_SOON_H
#define WRITE_SOON_H

#include <stddef.h>
#include <sys/types.h>

/*
 * How many bytes were written, at least 1; -EAGAIN: none now; else -errno. Into a pipe PIPE_BUF bytes
 * or fewer go as a whole or not at all. O_NONBLOCK would say it with less ado, but it belongs to all
 * who have the file open, our caller's shell among them. Takes SIGALRM and ITIMER_REAL for itself,
 * from one thread.
 */
ssize_t write_soon(int fd, const void *data, size_t size);

#endif /* WRITE_SOON_H */
