/* SPDX-License-Identifier: MIT */
#include "cmd.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "msg.h"
#include "output.h"
#include "reader.h"

#define WHY_SIZE 4608 /* a path, and what is wrong with it */

int cmd_end(int result)
{
	int err = result < 0 ? result : output_end(stdout);

	if (!err || err == -EPIPE)
		return result < 0 ? EXIT_DONE : result;
	if (err == -ENOMEM)
		msg_error("out of memory");
	else
		msg_error("cannot write to standard output: %s",
			  err == -EIO ? "is the disk full?" : strerror(-err));
	return EXIT_FAILED;
}

int cmd_start(const struct verb *verb, int argc, char **argv, void *settings, cmd_check *check,
	      cmd_body *body)
{
	char why[WHY_SIZE] = "out of memory", line[WHY_SIZE];
	int err = opts_parse(verb, argc, argv, settings, why, sizeof(why));
	int status = EXIT_DONE;

	if (!err && check)
		err = check(settings, why, sizeof(why));
	if (err < 0) {
		msg_error("%s", msg_safe(line, sizeof(line), why));
		status = err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	} else if (!err) {
		status = body(settings);
	}
	opts_free(verb, settings);
	reader_end();
	return cmd_end(status);
}
