/* SPDX-License-Identifier: MIT */
/*
 * openmetrics_address.h - where a scrape is answered, as a user writes it
 *
 *	9000			127.0.0.1, so from this host only
 *	192.0.2.1:9000		this address; 0.0.0.0 is each of IPv4
 *	[::1]:9000		the same of IPv6; [::] is each, of IPv4 too
 *	localhost:9000		127.0.0.1
 *
 * Port 0 is any that is free. Names are not looked up: that may block.
 */
#ifndef OPENMETRICS_ADDRESS_H
#define OPENMETRICS_ADDRESS_H

#include <stddef.h>
#include <sys/socket.h>

struct openmetrics_address {
	struct sockaddr_storage socket;
	socklen_t size;
};

/* 0, or -EINVAL with a one-line reason in `why` that says what would help. */
int openmetrics_address_parse(struct openmetrics_address *out, const char *text, char *why,
			      size_t why_size);

/* "127.0.0.1:9000", "[::1]:9000" */
#define OPENMETRICS_ADDRESS_SIZE 80
void openmetrics_address_text(char out[OPENMETRICS_ADDRESS_SIZE],
			      const struct sockaddr_storage *socket, socklen_t size);

#endif /* OPENMETRICS_ADDRESS_H */
