/* SPDX-License-Identifier: MIT */
/*
 * http_server.h - answers GET and HEAD of one path, beside a loop that has other things to do
 *
 * For a scraper, in a program that must not wait for one: a single thread, nothing blocks, and what a
 * client can take is bounded, whatever it does or leaves undone:
 *
 *	16 connections; where one more comes, the one that has taken longest to ask is dropped, or if all
 *	are being answered the one that has read nothing for longest, more than a second
 *	8 KiB and 5 s to ask, 15 s to read the answer
 *	an answer is made in pieces, while it is read: some 200 KiB of memory a connection at most
 *	20 ms a turn, and a quarter of a core in all, beyond half a second of CPU time at once
 *
 * HTTP/1.0 and 1.1, one request a connection. Own code, because of the packaged libraries one has no
 * bound for connections (libevent), and one cannot be linked statically (libmicrohttpd: its archive
 * needs gnutls, and that one p11-kit, which has none).
 * Not thread-safe.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdint.h>
#include <sys/socket.h>

#include "buffer.h"
#include "http_request.h"

struct http_server;

/* How far an answer has come: the handler's, which finds it zeroed at the beginning. */
struct http_cursor {
	bool variant;
	bool begun;
	unsigned int part;
	uint64_t after;
};

struct http_handler {
	/* An answer begins: its Content-Type. What is to be remembered goes into the cursor. */
	const char *(*begin)(void *context, const struct http_request *request,
			     struct http_cursor *cursor);
	/* Adds a piece of it, some 32 KiB. False: it was the last one. */
	bool (*more)(void *context, struct http_cursor *cursor, struct buffer *out);
	void *context;
};

enum http_answer {
	HTTP_ANSWER_200,
	HTTP_ANSWER_400,
	HTTP_ANSWER_404,
	HTTP_ANSWER_405,
	HTTP_ANSWER_431,
	HTTP_ANSWER_505,
	HTTP_ANSWERS,
};

enum http_drop {
	HTTP_DROP_SLOW_REQUEST, /* it did not ask in time */
	HTTP_DROP_SLOW_READER,  /* it did not read its answer in time, or others came meanwhile */
	HTTP_DROP_CROWDED,      /* others came, and it had not asked yet */
	HTTP_DROP_BROKEN,       /* it went before it had its answer, or memory ran out */
	HTTP_DROPS,
};

/* Only grow. */
struct http_stats {
	uint64_t answers[HTTP_ANSWERS]; /* begun */
	uint64_t drops[HTTP_DROPS];
};

extern const char *const http_answer_codes[HTTP_ANSWERS];
extern const char *const http_drop_reasons[HTTP_DROPS];

/*
 * Listens at an address. `path` and `handler` outlive it. NULL and -errno in `*err` where it cannot:
 * -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, ...
 */
struct http_server *http_server_new(const struct sockaddr_storage *address, socklen_t size,
				    const char *path, const struct http_handler *handler, int *err);
void http_server_free(struct http_server *s);

/* Where it listens, the port that was free included. 0 or -errno. */
int http_server_address(const struct http_server *s, struct sockaddr_storage *out, socklen_t *size);
/*
 * What to wait for to become readable before http_server_run() is called before its time; -1: for
 * nothing, as it has had its share of time.
 */
int http_server_fd(const struct http_server *s);
/* Goes on with everything. To be called when the fd is readable, and about every 100 ms. */
void http_server_run(struct http_server *s);
const struct http_stats *http_server_stats(const struct http_server *s);

#endif /* HTTP_SERVER_H */
