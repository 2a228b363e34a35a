/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "exit_status.h"
#include "msg.h"

#ifndef PUSHBACK_TOOL_VERSION
#define PUSHBACK_TOOL_VERSION "unknown"
#endif

static const struct verb *const verbs[] = { &verb_run, &verb_top, &verb_list, &verb_doctor };

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void help(FILE *out)
{
	size_t i;

	fprintf(out,
		"pushback - which step of a stream consumer is pushing back, and since when\n\n"
		"usage: pushback VERB [OPTIONS]\n\n");
	for (i = 0; i < VERBS; i++)
		fprintf(out, "  %-8s %s\n", verbs[i]->name, verbs[i]->summary);
	fprintf(out, "\npushback VERB --help says more; pushback --version.\n");
}

int main(int argc, char **argv)
{
	char name[64];
	size_t i;

	msg_set_verbose(false);
	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("pushback " PUSHBACK_TOOL_VERSION);
		return EXIT_DONE;
	}
	for (i = 0; i < VERBS; i++) {
		if (!strcmp(argv[1], verbs[i]->name))
			return verbs[i]->run(argc - 1, argv + 1);
	}
	msg_error("'%s' is no verb: see pushback --help", msg_safe(name, sizeof(name), argv[1]));
	return EXIT_USAGE;
}
