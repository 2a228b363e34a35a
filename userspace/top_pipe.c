/* SPDX-License-Identifier: MIT */
#include "top_pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

int top_pipe_fd(FILE *out)
{
	int fd = fileno(out), flags = fcntl(fd, F_GETFL);
	struct stat stat;

	/* Of anything else it may be said that it can be read, again and again. */
	if (flags < 0 || (flags & O_ACCMODE) != O_WRONLY || fstat(fd, &stat) ||
	    !S_ISFIFO(stat.st_mode))
		return -1;
	return fd;
}

bool top_pipe_is_closed(FILE *out)
{
	struct pollfd fd = { .fd = top_pipe_fd(out) };

	return fd.fd >= 0 && poll(&fd, 1, 0) > 0 && fd.revents & POLLERR;
}
