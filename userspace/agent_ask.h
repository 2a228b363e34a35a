/* SPDX-License-Identifier: MIT */
/*
 * agent_ask.h - what the agent says when it is asked, and of the silent ones unasked
 *
 * Through msg_info() and msg_warn(), or to who has connected to its socket.
 */
#ifndef AGENT_ASK_H
#define AGENT_ASK_H

#include <jansson.h>
#include <stdint.h>

#include "silent.h"
#include "status_socket.h"

/* Makes a status_object(), or NULL. */
typedef json_t *agent_ask_fn(void *context);

/* Answers who waits at the socket, which may be NULL. */
void agent_ask_poll(struct status_socket *socket, uint64_t now, agent_ask_fn *object,
		    void *context);
/* Says it on stderr; takes the reference, which may be NULL. */
void agent_ask_say(json_t *object);
/* A line with those that have been silent for a minute, each once in its life. */
void agent_ask_say_silent(struct silent *silent, uint64_t now);

#endif /* AGENT_ASK_H */
