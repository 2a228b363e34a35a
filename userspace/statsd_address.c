/* SPDX-License-Identifier: MIT */
#include "statsd_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statsd_line.h"

static int refuse(char *why, size_t why_size, const char *text, const char *reason)
{
	char quoted[100];

	snprintf(why, why_size, "bad statsd address '%s': %s",
		 statsd_quote(quoted, sizeof(quoted), text), reason);
	return -EINVAL;
}

/* A copy of `length` bytes. False when there are none or too many. */
static bool copy(char *out, size_t size, const char *from, size_t length)
{
	if (!length || length >= size)
		return false;
	memcpy(out, from, length);
	out[length] = '\0';
	return true;
}

/* Digits from 1 to 65535; zeros before them are left out. */
static bool parse_port(struct statsd_address *out, const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || text[digits])
		return false;
	text += strspn(text, "0");

	long port = strlen(text) <= 5 ? strtol(text, NULL, 10) : 0;

	return port >= 1 && port <= 65535 && copy(out->port, sizeof(out->port), text, strlen(text));
}

static bool is_ipv6(const char *host)
{
	char plain[INET6_ADDRSTRLEN];
	unsigned char address[16];

	return copy(plain, sizeof(plain), host, strcspn(host, "%")) &&
	       inet_pton(AF_INET6, plain, address) == 1;
}

static bool is_name(const char *host)
{
	return !host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789._-")];
}

/* Only digits and dots: meant as IPv4, and a resolver would take odd forms of it (127.1,
 * 010.0.0.1). */
static bool is_bad_ipv4(const char *host)
{
	unsigned char address[4];

	return !host[strspn(host, "0123456789.")] && inet_pton(AF_INET, host, address) != 1;
}

/* "host:port" or "[host]:port"; sets `*port` to what is behind the colon, or to NULL. */
static const char *split_host(struct statsd_address *out, const char *rest, const char **port)
{
	bool brackets = *rest == '[';
	const char *host = rest + brackets;
	size_t length = strcspn(host, brackets ? "]" : ":");
	const char *after = host + length + brackets;

	if (brackets && !host[length])
		return "the bracket is not closed; write udp://[::1]:8125";
	if (!brackets && strchr(host, ':') != strrchr(host, ':'))
		return "an IPv6 address stands in brackets; write udp://[::1]:8125";
	if (!copy(out->host, sizeof(out->host), host, length))
		return "the host is missing or too long; write udp://127.0.0.1:8125";
	if (brackets ? !is_ipv6(out->host) : !is_name(out->host) || is_bad_ipv4(out->host))
		return brackets ? "that is no IPv6 address; write udp://[::1]:8125"
				: "that is no host name or address; write udp://127.0.0.1:8125";
	if (*after && *after != ':')
		return "behind the address there can only be a port; write udp://[::1]:8125";
	*port = *after ? after + 1 : NULL;
	return NULL;
}

static bool is_loopback(const char *host)
{
	unsigned char v4[4];

	if (inet_pton(AF_INET, host, v4) == 1)
		return v4[0] == 127;
	return !strcmp(host, "localhost") || !strcmp(host, "::1");
}

static const char *parse_udp(struct statsd_address *out, const char *rest)
{
	const char *port = NULL;
	const char *reason = split_host(out, rest, &port);

	if (reason)
		return reason;
	out->payload = is_loopback(out->host) ? STATSD_LOOPBACK_PAYLOAD : STATSD_UDP_PAYLOAD;
	if (!parse_port(out, port ? port : STATSD_DEFAULT_PORT))
		return "the port is a number from 1 to 65535; write udp://127.0.0.1:8125";
	return NULL;
}

static const char *parse_path(struct statsd_address *out, const char *rest)
{
	out->payload = STATSD_UNIX_PAYLOAD;
	if (*rest != '/')
		return "the path must be absolute, with three slashes; write "
		       "unixgram:///run/statsd.sock";
	if (!rest[1])
		return "the path is missing; write unixgram:///run/statsd.sock";
	if (!copy(out->path, sizeof(out->path), rest, strlen(rest)))
		return "the path of a socket has at most 107 bytes; use a shorter one or a "
		       "symbolic link";
	return NULL;
}

int statsd_address_parse(struct statsd_address *out, const char *text, char *why, size_t why_size)
{
	static const struct {
		const char *prefix;
		enum statsd_scheme scheme;
		const char *(*parse)(struct statsd_address *out, const char *rest);
	} schemes[] = {
		{ "udp://", STATSD_UDP, parse_udp },
		{ "unixgram://", STATSD_UNIXGRAM, parse_path },
		{ "unix://", STATSD_UNIX, parse_path },
	};

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t length = strlen(schemes[i].prefix);

		if (strncmp(text, schemes[i].prefix, length))
			continue;
		out->scheme = schemes[i].scheme;

		const char *reason = schemes[i].parse(out, text + length);

		return reason ? refuse(why, why_size, text, reason) : 0;
	}
	return refuse(why, why_size, text,
		      "it begins with udp://host:port, unixgram:///path or unix:///path");
}
