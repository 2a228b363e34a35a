/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>

#include "top_pipe.h"

int output_end(FILE *out)
{
	errno = 0;
	if (!fflush(out) && !ferror(out))
		return 0;
	if (errno)
		return -errno;
	return top_pipe_is_closed(out) ? -EPIPE : -EIO;
}
