/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "exit_status.h"
#include "msg.h"
#include "opts_list.h"

#ifndef PUSHBACK_TOOL_VERSION
#define PUSHBACK_TOOL_VERSION "unknown"
#endif

/* As one needs them at night. */
static const struct verb *const verbs[] = { &verb_list,   &verb_top,   &verb_graph,  &verb_trace,
					    &verb_run,    &verb_check, &verb_diff,   &verb_report,
					    &verb_status, &verb_unpin, &verb_recipe, &verb_doctor };

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

static const struct verb *find(const char *name)
{
	size_t i;

	for (i = 0; i < VERBS; i++) {
		if (!strcmp(name, verbs[i]->name))
			return verbs[i];
	}
	return NULL;
}

static enum exit_status no_verb(const char *name)
{
	char safe[64];

	msg_error("'%s' is no verb: see pushback --help", msg_safe(safe, sizeof(safe), name));
	return EXIT_USAGE;
}

static bool is_help(const char *word)
{
	return !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h");
}

/* For the man pages and the completion, which are made from it: no part of the user interface. */
static enum exit_status list_tables(void)
{
	size_t i;

	for (i = 0; i < VERBS; i++)
		opts_list(verbs[i], stdout);
	return EXIT_DONE;
}

/* `topics`: what to help with, none or one. */
static enum exit_status show_help(char *const *topics)
{
	const struct verb *verb;

	if (!topics[0] || (is_help(topics[0]) && !topics[1])) {
		help(stdout);
		return EXIT_DONE;
	}
	if (topics[1]) {
		msg_error("one verb at a time: pushback help VERB");
		return EXIT_USAGE;
	}
	if (!strcmp(topics[0], "--tables"))
		return list_tables();
	verb = find(topics[0]);
	if (!verb)
		return no_verb(topics[0]);
	opts_help(verb, stdout);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	const struct verb *verb;

	/* A reader that goes is an error of writing, not our death. */
	signal(SIGPIPE, SIG_IGN);
	msg_set_verbose(false);
	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (is_help(argv[1]))
		return cmd_end(show_help(argv + 2));
	if (!strcmp(argv[1], "--version")) {
		puts("pushback " PUSHBACK_TOOL_VERSION);
		return cmd_end(EXIT_DONE);
	}
	verb = find(argv[1]);
	return verb ? verb->run(argc - 1, argv + 1) : (int)no_verb(argv[1]);
}
