/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>

/* Of anything but a pipe that is written to it is not said. */
static bool has_no_reader(FILE *out)
{
	struct pollfd fd = { .fd = fileno(out) };

	return poll(&fd, 1, 0) > 0 && fd.revents & POLLERR;
}

int output_end(FILE *out)
{
	errno = 0;
	if (!fflush(out) && !ferror(out))
		return 0;
	if (errno)
		return -errno;
	return has_no_reader(out) ? -EPIPE : -EIO;
}
