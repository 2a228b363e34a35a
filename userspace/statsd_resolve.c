/* SPDX-License-Identifier: MIT */
#include "statsd_resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREAD_STACK (512ul << 10)

enum { RUNNING, DONE, DROPPED };

/* Owned by whoever comes second: the thread when it is done, the caller when it lets go. */
struct resolve {
	atomic_int state;
	struct resolved result;
	char host[256];
	char port[6];
};

static void look_up(struct resolved *out, const char *host, const char *port, int flags)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = flags | AI_NUMERICSERV,
	};
	struct addrinfo *list;

	out->count = 0;
	if (getaddrinfo(host, port, &hints, &list))
		return;
	for (struct addrinfo *a = list; a && out->count < RESOLVED_MAX; a = a->ai_next) {
		if (a->ai_addrlen > sizeof(out->at[0].storage))
			continue;
		memcpy(&out->at[out->count].storage, a->ai_addr, a->ai_addrlen);
		out->at[out->count++].size = a->ai_addrlen;
	}
	freeaddrinfo(list);
}

int resolve_numeric(struct resolved *out, const char *host, const char *port)
{
	look_up(out, host, port, AI_NUMERICHOST);
	return out->count ? 0 : -ENOENT;
}

static void *run(void *argument)
{
	struct resolve *request = argument;

	look_up(&request->result, request->host, request->port, 0);
	if (atomic_exchange(&request->state, DONE) == DROPPED)
		free(request);
	return NULL;
}

/* Signals stay with the agent's thread, which waits for them. */
static int start_thread(struct resolve *request)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int err = pthread_attr_init(&attributes);

	if (err)
		return -err;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, THREAD_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, &attributes, run, request);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -err;
}

struct resolve *resolve_start(const char *host, const char *port)
{
	struct resolve *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	atomic_init(&request->state, RUNNING);
	snprintf(request->host, sizeof(request->host), "%s", host);
	snprintf(request->port, sizeof(request->port), "%s", port);
	if (start_thread(request)) {
		free(request);
		return NULL;
	}
	return request;
}

int resolve_result(struct resolve *request, struct resolved *out)
{
	if (atomic_load(&request->state) != DONE)
		return -EAGAIN;
	if (!request->result.count)
		return -ENOENT;
	*out = request->result;
	return 0;
}

void resolve_drop(struct resolve *request)
{
	if (request && atomic_exchange(&request->state, DROPPED) == DONE)
		free(request);
}
