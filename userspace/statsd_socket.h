/* SPDX-License-Identifier: MIT */
/*
 * statsd_socket.h - the way to one statsd server, which may be missing, restarting, slow or gone
 *
 * Opens, connects and reconnects by itself and never blocks: a payload is either handed over or it
 * is told why not, and nothing of it is kept. Not thread-safe.
 */
#ifndef STATSD_SOCKET_H
#define STATSD_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "statsd_address.h"

/* Why a payload was not handed over. */
enum statsd_reason {
	STATSD_SENT = 0,
	STATSD_BUSY,      /* the receiver does not keep up (EAGAIN); the one worth waiting for */
	STATSD_TOO_BIG,   /* EMSGSIZE */
	STATSD_REFUSED,   /* nobody listens (ECONNREFUSED) */
	STATSD_NO_SOCKET, /* nothing at that path (ENOENT) */
	STATSD_NOT_CONNECTED, /* the other end went away (EPIPE, ENOTCONN, ...) */
	STATSD_WRONG_TYPE,    /* a stream's path given as unixgram or the other way (EPROTOTYPE) */
	STATSD_UNRESOLVED,    /* the host name has no address (yet) */
	STATSD_UNREACHABLE,   /* no route */
	STATSD_NOT_PERMITTED, /* EACCES, EPERM */
	STATSD_PARTIAL,       /* a stream took only a part: its connection was closed */
	STATSD_LATE, /* not by the socket: the next interval came first, or too much waited */
	STATSD_NO_MEMORY,
	STATSD_OTHER,
	STATSD_REASONS,
};

/* As the tag value `reason`. */
const char *statsd_reason_name(enum statsd_reason reason);

struct statsd_socket;

/* No network yet. NULL when out of memory. */
struct statsd_socket *statsd_socket_new(const struct statsd_address *address);
void statsd_socket_free(struct statsd_socket *s);

/*
 * To be called before a batch of payloads, and about every 100 ms while there is nothing to send:
 * it collects and starts name lookups (every 30 s; 5 s after an error), and notices a path that has
 * become another socket. `now` in ns of any one clock.
 */
void statsd_socket_tick(struct statsd_socket *s, uint64_t now);

/* Hands over one payload whole, or returns why not. */
enum statsd_reason statsd_socket_send(struct statsd_socket *s, const void *payload, size_t size);

/*
 * The same for several, of which one call sends up to so many: how many of them, from the first on, were
 * handed over. `reason`: why the next one was not; STATSD_SENT: it was not tried, or there is none.
 */
#define STATSD_BATCH 32
size_t statsd_socket_send_many(struct statsd_socket *s, const struct iovec *payloads, size_t count,
			       enum statsd_reason *reason);

/* Waits up to `ms` until a busy receiver or an unfinished lookup can go on. False: not in that
 * time. */
bool statsd_socket_wait(struct statsd_socket *s, int ms);
/* A lookup is under way and there is no older address to use. */
bool statsd_socket_is_resolving(const struct statsd_socket *s);

/* Grows with every new connection. */
unsigned int statsd_socket_connections(const struct statsd_socket *s);
/* The present file descriptor, -1 for none. Stays the socket's. */
int statsd_socket_fd(const struct statsd_socket *s);

#endif /* STATSD_SOCKET_H */
