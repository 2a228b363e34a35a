/* SPDX-License-Identifier: MIT */
/*
 * statsd_address.h - where a statsd server listens, as a user writes it
 *
 *	udp://host[:port]	name, IPv4, or IPv6 in brackets; port 8125 when left out
 *	unixgram:///path	datagrams
 *	unix:///path		a stream of payloads, each behind its length (32 bits,
 *little-endian)
 *
 * Syntax only: nothing is resolved or opened.
 */
#ifndef STATSD_ADDRESS_H
#define STATSD_ADDRESS_H

#include <netdb.h>
#include <stddef.h>
#include <sys/un.h>

#define STATSD_DEFAULT_PORT "8125"
/* What fits one Ethernet frame; what the Datadog Agent reads at once. */
#define STATSD_UDP_PAYLOAD  1432
#define STATSD_UNIX_PAYLOAD 8192
/*
 * Within a host there are no frames. This is what fits a page with the kernel's own words for it: a
 * receive buffer, which counts in such pages, holds more bytes in packets of this size than of others.
 * It is less than any known server reads at once (collectd, 4096).
 */
#define STATSD_LOOPBACK_PAYLOAD 3500

enum statsd_scheme { STATSD_UDP, STATSD_UNIXGRAM, STATSD_UNIX };

struct statsd_address {
	enum statsd_scheme scheme;
	char host[256]; /* without brackets */
	char port[6];
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	size_t payload; /* most bytes of one packet, the length prefix not counted */
};

/* 0, or -EINVAL with a one-line reason in `why` that says what would help. */
int statsd_address_parse(struct statsd_address *out, const char *text, char *why, size_t why_size);

#endif /* STATSD_ADDRESS_H */
