/* SPDX-License-Identifier: MIT */
/*
 * statsd_sink - a statsd server that only adds up, so fast that it does not disturb
 *
 *	statsd_sink
 *
 * Says "port N" (UDP, of the loopback address). On its input: "report" says "sums" with packets, lines
 * and bytes, and for each name, of all tags: counters added up, of durations the number of samples, of
 * gauges the last value; "flushes" are the lines of one that is in each. Ends with its input.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAMES_MAX   128
#define NAME_MAX_   96
#define BUFFER_SIZE (64 << 20)

static struct sum {
	char name[NAME_MAX_];
	size_t length;
	double sum;
} sums[NAMES_MAX];

static size_t sums_count;
static unsigned long packets, lines, bytes, flushes;

static const char each_flush[] = "pushback.agent.steps:";

static struct sum *find(const char *name, size_t length)
{
	static size_t
		last; /* lines of a series follow each other: the next name is often the next */
	size_t i;

	for (i = 0; i < sums_count; i++) {
		struct sum *s = &sums[(last + 1 + i) % sums_count];

		if (s->length == length && !memcmp(s->name, name, length)) {
			last = (size_t)(s - sums);
			return s;
		}
	}
	if (sums_count == NAMES_MAX || length >= NAME_MAX_) {
		fprintf(stderr, "statsd_sink: no room for %.*s\n", (int)length, name);
		exit(1);
	}
	memcpy(sums[sums_count].name, name, length);
	sums[sums_count].length = length;
	return &sums[sums_count++];
}

/* NAME:VALUE|TYPE[|@RATE][|#TAGS]; `line` ends with a NUL. */
static void take_line(char *line)
{
	char *colon = strchr(line, ':'), *type = colon ? strchr(colon, '|') : NULL;
	struct sum *s;

	lines++;
	flushes += !strncmp(line, each_flush, sizeof(each_flush) - 1);
	if (!type) {
		fprintf(stderr, "statsd_sink: not a metric: %s\n", line);
		exit(1);
	}
	s = find(line, (size_t)(colon - line));
	if (type[1] == 'c')
		s->sum += strtod(colon + 1, NULL);
	else if (type[1] == 'd' && type[2] == '|' && type[3] == '@')
		s->sum += 1 / strtod(type + 4, NULL);
	else if (type[1] == 'g')
		s->sum = strtod(colon + 1, NULL);
	else
		s->sum += 1;
}

static void take_packet(char *packet, size_t size)
{
	char *line = packet, *end;

	packets++;
	bytes += size;
	packet[size] = '\0';
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		take_line(line);
	}
	if (*line)
		take_line(line);
}

static void report(void)
{
	size_t i;

	printf("sums packets=%lu lines=%lu bytes=%lu flushes=%lu", packets, lines, bytes, flushes);
	for (i = 0; i < sums_count; i++)
		printf(" %s=%.3f", sums[i].name, sums[i].sum);
	printf("\n");
	fflush(stdout);
}

static void serve(int fd)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
				 { .fd = STDIN_FILENO, .events = POLLIN } };
	static char packet[65536 + 1];
	char line[16];
	ssize_t n;

	while (poll(fds, 2, -1) > 0) {
		while ((n = recv(fd, packet, sizeof(packet) - 1, MSG_DONTWAIT)) >= 0)
			take_packet(packet, (size_t)n);
		if (!fds[1].revents)
			continue;
		if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
			return;
		report();
	}
}

int main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), buffer = BUFFER_SIZE;

	/* A flush comes all at once. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) ||
	    bind(fd, (struct sockaddr *)&address, size) ||
	    getsockname(fd, (struct sockaddr *)&address, &size)) {
		perror("statsd_sink");
		return 1;
	}
	printf("port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	serve(fd);
	return 0;
}
