/* SPDX-License-Identifier: MIT */
/* cmd_status.c - `pushback status`: how the agent is that runs here */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "json_out.h"
#include "msg.h"
#include "status.h"
#include "status_socket.h"

#define WAIT_MS 5000

struct settings {
	const char *socket;
	bool json;
	bool help;
};

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option options[] = {
	{ .name = "socket", .value = "PATH", .kind = OPTION_TEXT, .offset = AT(socket),
	  .filled = true,
	  .help = "ask the agent that was given this one\n"
		  "(all that have one in " STATUS_FOLDER ")" },
	{ .name = "json", .kind = OPTION_FLAG, .offset = AT(json),
	  .help = "an object per line and agent" },
	{ .name = "help", .kind = OPTION_FLAG, .offset = AT(help), .help = "this text" },
	{ .name = NULL },
};
/* clang-format on */

static int fail(const char *path, int err, int pid)
{
	char safe[STATUS_PATH_SIZE];

	msg_safe(safe, sizeof(safe), path);
	if (err == -EACCES || err == -EPERM)
		msg_error("%s: not allowed: run as root", safe);
	else if (err == -ENOENT || err == -ECONNREFUSED || err == -ENOTDIR)
		msg_error("%s: no agent listens there: see pushback run --socket", safe);
	else if (err == -ENAMETOOLONG)
		msg_error("%s: a socket's path has at most 107 bytes", safe);
	else if (err == -ETIMEDOUT)
		msg_error("%s: process %d does not answer within %d s: is it stopped?", safe, pid,
			  WAIT_MS / 1000);
	else if (err == -EFBIG || err == -EBADMSG || err == -EPROTOTYPE)
		msg_error("%s: that is no agent's answer: is it the socket of something else?",
			  safe);
	else
		msg_error("%s: %s", safe, strerror(-err));
	return err == -EACCES || err == -EPERM ? EXIT_HOST : EXIT_FAILED;
}

static void put_line(const char *line, void *context)
{
	char safe[1024];

	(void)context;
	puts(msg_safe(safe, sizeof(safe), line));
}

static int show(json_t *object, bool json, bool first)
{
	if (json)
		return json_line(stdout, object);
	if (!first)
		putchar('\n');
	status_say(object, put_line, NULL);
	json_decref(object);
	return 0;
}

/* 0, or -errno; *object is the caller's. `pid`: whose socket it is. */
static int ask(const char *path, json_t **object, int *pid)
{
	char *answer;
	int err = status_ask(path, WAIT_MS, &answer, pid);

	if (err)
		return err;
	*object = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
	free(answer);
	if (json_is_object(*object))
		return 0;
	json_decref(*object);
	return -EBADMSG;
}

/* An exit status, or -errno of the output. */
static int ask_one(const struct settings *s)
{
	json_t *object;
	int pid, err = ask(s->socket, &object, &pid);

	return err ? fail(s->socket, err, pid) : show(object, s->json, true);
}

static int is_agents(const struct dirent *entry)
{
	size_t size = strlen(entry->d_name);

	return !strncmp(entry->d_name, "agent", 5) && size > 5 &&
	       !strcmp(entry->d_name + size - 5, ".sock");
}

/* `asked` counts those that there are; a socket that nobody listens at was a dead agent's. */
static int ask_named(const struct settings *s, const char *name, int *asked)
{
	char path[STATUS_PATH_SIZE + 256];
	json_t *object;
	int pid, err;

	snprintf(path, sizeof(path), STATUS_FOLDER "/%s", name);
	err = ask(path, &object, &pid);
	if (err == -ECONNREFUSED || err == -ENOENT)
		return EXIT_DONE;
	(*asked)++;
	return err ? fail(path, err, pid) : show(object, s->json, *asked == 1);
}

static int ask_all(const struct settings *s)
{
	int status = EXIT_DONE, asked = 0, n;
	struct dirent **names = NULL;

	n = scandir(STATUS_FOLDER, &names, is_agents, alphasort);
	if (n < 0 && errno != ENOENT)
		return fail(STATUS_FOLDER, -errno, 0);
	for (int i = 0; i < n; i++) {
		int one = status < 0 ? status : ask_named(s, names[i]->d_name, &asked);

		status = one ? one : status;
		free(names[i]);
	}
	free(names);
	if (asked)
		return status;
	msg_error("no agent listens in " STATUS_FOLDER ": is pushback run running as root? One "
		  "that was given a --socket is asked there");
	return EXIT_FAILED;
}

static int start(const void *settings)
{
	const struct settings *s = settings;

	return s->socket ? ask_one(s) : ask_all(s);
}

static int run(int argc, char **argv)
{
	struct settings s = { 0 };

	return cmd_start(&verb_status, argc, argv, &s, NULL, start);
}

const struct verb verb_status = {
	.name = "status",
	.summary = "how the agent is: what it watches, sends, has lost and takes",
	.text = "Asks each pushback run of this host, over a socket that only root may open, what\n"
		"it watches, how its sinks are, what was lost, how full the kernel's maps are, "
		"what\n"
		"it takes, and which consumers it watches have not returned once. SIGUSR1 makes "
		"an\n"
		"agent say the same on stderr.\n"
		"\n"
		"  pushback status\n"
		"  pushback status --socket /run/pushback/agent.sock --json\n",
	.options = options,
	.run = run,
};
