/* SPDX-License-Identifier: MIT */
/* cmd_unpin.c - `pushback unpin`: removes what `pushback run --pin` has left */
#include <errno.h>

#include "cmd.h"
#include "msg.h"
#include "pin_dir.h"

struct settings {
	const char *pin_dir;
	bool help;
};

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option options[] = {
	{ .name = "pin-dir", .value = "DIR", .kind = OPTION_TEXT, .offset = AT(pin_dir),
	  .help = "the bpf file system that it is in (/sys/fs/bpf)" },
	{ .name = "help", .kind = OPTION_FLAG, .offset = AT(help), .help = "this text" },
	{ .name = NULL },
};
/* clang-format on */

static int start(const void *settings)
{
	const struct settings *s = settings;
	char why[1024];
	int count = pin_dir_unpin(s->pin_dir, why, sizeof(why));

	if (count < 0) {
		msg_error("%s", why);
		return count == -EPERM || count == -EACCES ? EXIT_HOST : EXIT_FAILED;
	}
	if (count)
		msg_info("removed the state in %s: nobody is watched by it any more", s->pin_dir);
	else
		msg_info("no state in %s", s->pin_dir);
	return EXIT_DONE;
}

static int run(int argc, char **argv)
{
	struct settings s = { .pin_dir = PIN_DIR_DEFAULT };

	return cmd_start(&verb_unpin, argc, argv, &s, NULL, start);
}

const struct verb verb_unpin = {
	.name = "unpin",
	.summary = "remove what run --pin has left",
	.text = "Detaches the probes that 'pushback run --pin' left attached, and removes its "
		"counts:\n"
		"of all versions, also where only a part is left. An agent that uses them is to "
		"be\n"
		"stopped first.\n",
	.options = options,
	.run = run,
};
