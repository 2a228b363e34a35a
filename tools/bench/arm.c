/* SPDX-License-Identifier: MIT */
/*
 * arm - attaches to places of a running `slots` again and again
 *
 *	arm cycle COUNT BINARY OFFSET...          says how long each attach and detach took, ns
 *	arm armed FILE BINARY OFFSET...           attaches while an episode is open, until its input ends
 *
 * `armed` looks into the consumer's own FILE 1,000 times a second for an episode that is open, attaches,
 * and lets go at the first hit, or when that episode is over. Then it says how many episodes there were,
 * how many it met, for how many it was there in time, and how many hits there were.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/libbpf.h>

#include "slots.h"

/* The skeleton holds the object as one string, longer than C11 promises. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "bench/hit.skel.h"
#pragma GCC diagnostic pop

#define TRACE_UPROBE_MULTI 48 /* enum bpf_attach_type, since Linux 6.6 */
#define PLACES_MAX         64
#define LOOK_NS            1000000
#define WAIT_NS            100000

/* As in hit.c. */
struct multi_link_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, multi_flags, pid, zero;
};

static uint64_t offsets[PLACES_MAX];
static struct multi_link_attr attr = { .attach_type = TRACE_UPROBE_MULTI,
				       .offsets = (uint64_t)(uintptr_t)offsets };

static void die(const char *what)
{
	fprintf(stderr, "arm: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_for(long ns)
{
	struct timespec t = { .tv_nsec = ns };

	nanosleep(&t, NULL);
}

static int attach(void)
{
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	if (fd < 0)
		die("uprobe_multi");
	return (int)fd;
}

static void cycle(long count)
{
	for (long i = 0; i < count; i++) {
		uint64_t began = now_ns(), attached, detached;
		int fd = attach();

		attached = now_ns();
		pause_for(LOOK_NS);
		detached = now_ns();
		close(fd);
		printf("%" PRIu64 " %" PRIu64 "\n", attached - began, now_ns() - detached);
	}
}

static uint64_t open_since(const struct slots *s)
{
	return __atomic_load_n(&s->open_since, __ATOMIC_ACQUIRE);
}

static void armed(const struct slots *s, const volatile uint64_t *hits)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	uint64_t began = s->episodes, met = 0, in_time = 0;

	puts("ready");
	fflush(stdout);

	while (!poll(&in, 1, 0)) {
		uint64_t since = open_since(s), before = *hits;
		int fd;

		if (!since) {
			pause_for(LOOK_NS);
			continue;
		}
		met++;
		fd = attach();
		in_time += open_since(s) == since;
		while (*hits == before && open_since(s) == since && !poll(&in, 1, 0))
			pause_for(WAIT_NS);
		close(fd);
		pause_for(LOOK_NS);
	}
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", s->episodes - began, met,
	       in_time, (uint64_t)*hits);
}

static const struct slots *map(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *s = fd < 0 ? MAP_FAILED
			 : mmap(NULL, sizeof(struct slots), PROT_READ, MAP_SHARED, fd, 0);

	if (s == MAP_FAILED)
		die(path);
	return s;
}

int main(int argc, char **argv)
{
	struct hit_bpf *s = hit_bpf__open();

	if (argc < 5 || argc - 4 > PLACES_MAX || !s) {
		fprintf(stderr, "usage: arm cycle COUNT | armed FILE, BINARY OFFSET...\n");
		return 2;
	}
	libbpf_set_print(NULL);
	bpf_program__set_expected_attach_type(s->progs.count,
					      (enum bpf_attach_type)TRACE_UPROBE_MULTI);
	bpf_program__set_autoload(s->progs.empty, false);
	if (hit_bpf__load(s))
		die("load");
	attr.prog_fd = (uint32_t)bpf_program__fd(s->progs.count);
	attr.path = (uint64_t)(uintptr_t)argv[3];
	for (int i = 4; i < argc; i++)
		offsets[attr.count++] = strtoull(argv[i], NULL, 0);
	if (!strcmp(argv[1], "cycle"))
		cycle(strtol(argv[2], NULL, 0));
	else
		armed(map(argv[2]), (const volatile uint64_t *)&s->bss->hits);
	return 0;
}
