/* SPDX-License-Identifier: MIT */
/*
 * statsd_resolve.h - host names to addresses, without ever waiting for a resolver
 *
 * getaddrinfo() may block for half a minute, so each request has a short-lived thread of its own.
 * The caller looks in from time to time, or drops the request: a thread that is still inside the
 * resolver then cleans up by itself.
 */
#ifndef STATSD_RESOLVE_H
#define STATSD_RESOLVE_H

#include <sys/socket.h>

/* More addresses of one name are left out. */
#define RESOLVED_MAX 8

struct resolved_address {
	socklen_t size;
	union {
		struct sockaddr address;
		struct sockaddr_storage storage;
	};
};

struct resolved {
	unsigned int count;
	struct resolved_address at[RESOLVED_MAX];
};

struct resolve;

/* For addresses written as numbers: at once. 0, or -ENOENT when it is a name. */
int resolve_numeric(struct resolved *out, const char *host, const char *port);

/* Starts a request. NULL when there is no memory or thread for it. */
struct resolve *resolve_start(const char *host, const char *port);
/* -EAGAIN still under way; 0 with at least one address; -ENOENT no address. Not freed by it. */
int resolve_result(struct resolve *request, struct resolved *out);
/* Accepts NULL. */
void resolve_drop(struct resolve *request);

#endif /* STATSD_RESOLVE_H */
