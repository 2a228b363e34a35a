/* SPDX-License-Identifier: MIT */
/*
 * http_request.h - the head of an HTTP/1 request, as far as a scrape needs it
 *
 * A client may send anything. Pure: no I/O, no clock, allocates nothing.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

/* Most bytes of a head, the empty line at its end included. */
#define HTTP_HEAD_MAX 8192

enum http_status {
	HTTP_OK = 200,
	HTTP_BAD_REQUEST = 400,
	HTTP_NOT_FOUND = 404,
	HTTP_METHOD_NOT_ALLOWED = 405,
	HTTP_HEAD_TOO_LARGE = 431,
	HTTP_VERSION_NOT_SUPPORTED = 505,
};

struct http_request {
	bool is_head; /* the method is HEAD: no body is to be sent */
	bool is_1_0;  /* knows no chunks */
	/*
	 * It takes application/openmetrics-text of version 1.0.0, and likes it no less than text/plain.
	 */
	bool wants_openmetrics;
};

/*
 * The length of the head that `data` begins with, 0 where its end has not come yet. A line may end
 * with a bare LF, and one empty line may stand before it.
 */
size_t http_head_length(const char *data, size_t size);

/*
 * Reads a whole head. HTTP_OK for GET or HEAD of `path` (with or without a query, or a host before
 * it), else what is to be answered.
 */
enum http_status http_request_parse(struct http_request *out, const char *head, size_t length,
				    const char *path);

#endif /* HTTP_REQUEST_H */
