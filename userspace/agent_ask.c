/* SPDX-License-Identifier: MIT */
#include "agent_ask.h"

#include "msg.h"
#include "status.h"

#define SILENT_SAID_NS 60000000000ull

struct question {
	agent_ask_fn *object;
	void *context;
};

static char *answer(void *context)
{
	const struct question *q = context;

	return status_line(q->object(q->context));
}

void agent_ask_poll(struct status_socket *socket, uint64_t now, agent_ask_fn *object, void *context)
{
	struct question q = { object, context };

	status_socket_poll(socket, now, answer, &q);
}

static void say_line(const char *line, void *context)
{
	char safe[1024];

	(void)context;
	msg_info("%s", msg_safe(safe, sizeof(safe), line));
}

void agent_ask_say(json_t *object)
{
	if (object)
		status_say(object, say_line, NULL);
	json_decref(object);
}

void agent_ask_say_silent(struct silent *silent, uint64_t now)
{
	struct silent_view view;
	char line[512], safe[512];

	if (!silent_news(silent, now, SILENT_SAID_NS, &view))
		return;
	silent_words(&view, line, sizeof(line));
	msg_warn("%s: see pushback doctor --pid PID", msg_safe(safe, sizeof(safe), line));
}
