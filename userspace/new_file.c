/* SPDX-License-Identifier: MIT */
#include "new_file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>

#include "beside.h"
#include "write_all.h"

struct new_file {
	FILE *stream;
	struct beside beside;
	int err; /* of the first write that failed, which the stream would forget */
};

static void fail(struct new_file *f, int err)
{
	if (!f->err)
		f->err = err;
}

static ssize_t put(void *context, const char *bytes, size_t size)
{
	struct new_file *f = context;

	if (!f->err)
		fail(f, write_all(f->beside.fd, bytes, size));
	return f->err ? 0 : (ssize_t)size;
}

int new_file_open(struct new_file **out, const char *path)
{
	static const cookie_io_functions_t functions = { .write = put };
	struct new_file *f = calloc(1, sizeof(*f));
	int err = f ? beside_open(&f->beside, path) : -ENOMEM;

	if (!err) {
		f->stream = fopencookie(f, "w", functions);
		if (f->stream) {
			*out = f;
			return 0;
		}
		err = -ENOMEM;
		beside_drop(&f->beside);
	}
	free(f);
	return err;
}

FILE *new_file_stream(const struct new_file *f)
{
	return f->stream;
}

int new_file_flush(struct new_file *f)
{
	if (fflush(f->stream) || ferror(f->stream))
		fail(f, -EIO);
	return f->err;
}

int new_file_keep(struct new_file *f)
{
	int err = new_file_flush(f);

	fclose(f->stream);
	if (err)
		beside_drop(&f->beside);
	else
		err = beside_keep(&f->beside);
	free(f);
	return err;
}

void new_file_drop(struct new_file *f)
{
	if (!f)
		return;
	fclose(f->stream);
	beside_drop(&f->beside);
	free(f);
}
