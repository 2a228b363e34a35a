/* SPDX-License-Identifier: MIT */
#include "openmetrics_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statsd_line.h"

#define LOOPBACK  "127.0.0.1"
#define HOST_SIZE 64
#define PORT_MOST 65535

static int refuse(char *why, size_t why_size, const char *text, const char *reason)
{
	char quoted[100];

	snprintf(why, why_size, "bad address '%s' for --openmetrics: %s",
		 statsd_quote(quoted, sizeof(quoted), text), reason);
	return -EINVAL;
}

static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits && !text[digits] && digits <= 5 && strtol(text, NULL, 10) <= PORT_MOST;
}

/* Splits "host:port", "[host]:port" or "port"; what is wrong, or NULL. */
static const char *split(const char *text, char host[HOST_SIZE], const char **port)
{
	bool brackets = *text == '[';
	const char *colon = strrchr(text, ':');
	const char *end = brackets ? text + strcspn(text, "]") : colon;
	const char *begin = brackets ? text + 1 : text;

	*port = colon ? colon + 1 : text;
	if (!colon) {
		strcpy(host, LOOPBACK);
		return is_port(text) ? NULL : "write a port, 9000, or an address, 127.0.0.1:9000";
	}
	if (brackets && (!*end || end + 1 != colon))
		return "an IPv6 address stands in brackets, with a port behind it; write "
		       "[::1]:9000";
	if (!brackets && strchr(text, ':') != colon)
		return "an IPv6 address stands in brackets; write [::1]:9000";
	if (begin == end)
		return "the address is missing; write 9000 for this host only, 0.0.0.0:9000 for "
		       "all";
	if (end - begin >= HOST_SIZE)
		return "that is no address; write 127.0.0.1:9000 or [::1]:9000";
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	if (!brackets && !strcmp(host, "localhost"))
		strcpy(host, LOOPBACK);
	return NULL;
}

/* Odd forms (127.1, 010.0.0.1) are taken by getaddrinfo(), and are not what was meant. */
static bool is_ipv4(const char *host)
{
	unsigned char address[4];

	return inet_pton(AF_INET, host, address) == 1;
}

int openmetrics_address_parse(struct openmetrics_address *out, const char *text, char *why,
			      size_t why_size)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_family = *text == '[' ? AF_INET6 : AF_INET,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *found = NULL;
	char host[HOST_SIZE] = "";
	const char *port, *reason = split(text, host, &port);

	if (!reason && !is_port(port))
		reason = "the port is a number from 1 to 65535, or 0 for any that is free";
	if (!reason && ((hints.ai_family == AF_INET && !is_ipv4(host)) ||
			getaddrinfo(host, port, &hints, &found)))
		reason = "that is no address (names are not looked up); write 127.0.0.1:9000 or "
			 "[::1]:9000";
	if (reason)
		return refuse(why, why_size, text, reason);
	memset(out, 0, sizeof(*out));
	memcpy(&out->socket, found->ai_addr, found->ai_addrlen);
	out->size = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

void openmetrics_address_text(char out[OPENMETRICS_ADDRESS_SIZE],
			      const struct sockaddr_storage *socket, socklen_t size)
{
	bool brackets = socket->ss_family == AF_INET6;
	char host[HOST_SIZE] = "?", port[8] = "?";

	getnameinfo((const struct sockaddr *)socket, size, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(out, OPENMETRICS_ADDRESS_SIZE, "%s%s%s:%s", brackets ? "[" : "", host,
		 brackets ? "]" : "", port);
}
