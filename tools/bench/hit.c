/* SPDX-License-Identifier: MIT */
/*
 * hit - the minimal tracer: counts hits of given places of a file, in all processes
 *
 *	hit [--return] [--empty] FILE OFFSET[:SEMAPHORE]...
 *
 * Offsets are in the file. --return: where the functions that begin there return. --empty: with a
 * program that does nothing. Says how many hits there were at each line on its input, and at its end.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/libbpf.h>

/* The skeleton holds the object as one string, longer than C11 promises. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "bench/hit.skel.h"
#pragma GCC diagnostic pop

#define TRACE_UPROBE_MULTI 48 /* enum bpf_attach_type, since Linux 6.6 */
#define MULTI_RETURN       1u
#define SITES_MAX          64

struct want {
	bool at_return;
	bool empty;
	const char *path;
	uint32_t count;
	uint64_t offsets[SITES_MAX];
	uint64_t semaphores[SITES_MAX];
};

/* The part of union bpf_attr that makes a uprobe_multi link; newer than Debian 12's <linux/bpf.h>. */
struct multi_link_attr {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t count;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t zero;
};

static void die(const char *what, int err)
{
	fprintf(stderr, "hit: %s: %s\n", what, strerror(err));
	exit(1);
}

static int usage(void)
{
	fprintf(stderr, "usage: hit [--return] [--empty] FILE OFFSET[:SEMAPHORE]...\n");
	return 2;
}

static int parse(struct want *want, int argc, char **argv)
{
	char *end;
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--return")) {
			want->at_return = true;
		} else if (!strcmp(argv[i], "--empty")) {
			want->empty = true;
		} else if (!want->path) {
			want->path = argv[i];
		} else if (want->count < SITES_MAX) {
			want->offsets[want->count] = strtoull(argv[i], &end, 0);
			if (*end == ':')
				want->semaphores[want->count] = strtoull(end + 1, &end, 0);
			if (*end || end == argv[i])
				return usage();
			want->count++;
		} else {
			return usage();
		}
	}
	return want->count ? 0 : usage();
}

static struct hit_bpf *load(const struct want *want, bool multi)
{
	struct hit_bpf *s = hit_bpf__open();
	struct bpf_program *program;

	if (!s)
		die("open", errno);
	program = want->empty ? s->progs.empty : s->progs.count;
	bpf_program__set_autoload(s->progs.empty, want->empty);
	bpf_program__set_autoload(s->progs.count, !want->empty);
	if (multi)
		bpf_program__set_expected_attach_type(program,
						      (enum bpf_attach_type)TRACE_UPROBE_MULTI);
	if (hit_bpf__load(s)) {
		hit_bpf__destroy(s);
		return NULL;
	}
	return s;
}

/* One link for all places. Only the end of the process takes it away. */
static bool attach_multi(const struct want *want, const struct bpf_program *program)
{
	struct multi_link_attr attr = {
		.prog_fd = (uint32_t)bpf_program__fd(program),
		.attach_type = TRACE_UPROBE_MULTI,
		.path = (uint64_t)(uintptr_t)want->path,
		.offsets = (uint64_t)(uintptr_t)want->offsets,
		.ref_ctr_offsets = (uint64_t)(uintptr_t)want->semaphores,
		.count = want->count,
		.multi_flags = want->at_return ? MULTI_RETURN : 0,
	};

	return syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr)) >= 0;
}

static void attach_each(const struct want *want, const struct bpf_program *program)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = want->at_return);
	uint32_t i;

	for (i = 0; i < want->count; i++) {
		options.ref_ctr_offset = want->semaphores[i];
		if (!bpf_program__attach_uprobe_opts(program, -1, want->path, want->offsets[i],
						     &options))
			die(want->path, errno);
	}
}

/* By uprobe_multi where the kernel has it. */
static struct hit_bpf *attach(const struct want *want)
{
	struct hit_bpf *s = load(want, true);

	if (s && attach_multi(want, want->empty ? s->progs.empty : s->progs.count)) {
		printf("hit: watching, uprobe_multi\n");
		return s;
	}
	hit_bpf__destroy(s);
	s = load(want, false);
	if (!s)
		die("load", errno);
	attach_each(want, want->empty ? s->progs.empty : s->progs.count);
	printf("hit: watching, perf uprobes\n");
	return s;
}

int main(int argc, char **argv)
{
	struct want want = { .count = 0 };
	struct hit_bpf *s;
	char line[16];

	if (parse(&want, argc, argv))
		return 2;
	libbpf_set_print(NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	s = attach(&want);
	while (fgets(line, sizeof(line), stdin))
		printf("%" PRIu64 "\n", (uint64_t)s->bss->hits);
	printf("%" PRIu64 "\n", (uint64_t)s->bss->hits);
	return 0;
}
