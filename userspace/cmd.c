/* SPDX-License-Identifier: MIT */
#include "cmd.h"

#include <errno.h>
#include <stddef.h>

#include "msg.h"

#define WHY_SIZE 4608 /* a path, and what is wrong with it */

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
	return status;
}
