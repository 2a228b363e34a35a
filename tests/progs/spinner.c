/* SPDX-License-Identifier: MIT */
/*
 * spinner - a consumer of one step that rejects in a loop and knows its own truth
 *
 *	spinner TRUTH [rate=N] [cycle=N] [messages=N] [first=accept]
 *
 * rate: rejections a second, 0 (default) as many as it can. cycle: so many rejections and then an
 * acceptance, 0 (default) never. messages: ends after so many acceptances. first=accept: one
 * acceptance before all else. Prints "ready" once it runs, and its checksum at the end.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <pushback.h>

#include "spinner.h"

static struct pushback_step step = PUSHBACK_STEP_INIT("spin");

struct settings {
	const char *truth;
	uint64_t rate;
	uint64_t cycle;
	uint64_t messages;
	int first_accept;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static volatile struct spinner_truth *open_truth(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	volatile struct spinner_truth *truth;
	void *memory;

	if (fd < 0 || ftruncate(fd, sizeof(*truth)))
		return NULL;
	memory = mmap(NULL, sizeof(*truth), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return NULL;
	truth = memory;
	truth->pid = (uint64_t)getpid();
	truth->semaphore = (uint64_t)(uintptr_t)&pushback_semaphore;
	return truth;
}

static void reject(volatile struct spinner_truth *truth)
{
	int opens = !truth->open_before;

	truth->rejected++;
	if (opens)
		truth->open_before = now_ns();
	pushback_submit_return(&step, PUSHBACK_REJECTED);
	if (opens)
		truth->open_after = now_ns();
}

static void take(volatile struct spinner_truth *truth)
{
	truth->accepted++;
	truth->checksum = truth->checksum * 6364136223846793005u + truth->accepted;
	if (truth->open_before)
		truth->episodes++;
	truth->open_before = 0;
	truth->open_after = 0;
	pushback_submit_return(&step, PUSHBACK_ACCEPTED);
}

static void rest(const struct settings *s)
{
	uint64_t ns = s->rate ? 1000000000u / s->rate : 0;
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u),
			      .tv_nsec = (long)(ns % 1000000000u) };

	if (ns)
		nanosleep(&t, NULL);
}

static void spin(const struct settings *s, volatile struct spinner_truth *truth)
{
	uint64_t i;

	if (s->first_accept)
		take(truth);
	do {
		for (i = 0; !s->cycle || i < s->cycle; i++) {
			reject(truth);
			rest(s);
		}
		take(truth);
	} while (!s->messages || truth->accepted < s->messages);
}

static int parse(struct settings *s, int argc, char **argv)
{
	int i;

	*s = (struct settings){ .truth = argv[1] };
	for (i = 2; i < argc; i++) {
		if (!strncmp(argv[i], "rate=", 5))
			s->rate = strtoull(argv[i] + 5, NULL, 10);
		else if (!strncmp(argv[i], "cycle=", 6))
			s->cycle = strtoull(argv[i] + 6, NULL, 10);
		else if (!strncmp(argv[i], "messages=", 9))
			s->messages = strtoull(argv[i] + 9, NULL, 10);
		else if (!strcmp(argv[i], "first=accept"))
			s->first_accept = 1;
		else
			return -1;
	}
	return argc > 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
	volatile struct spinner_truth *truth;
	struct settings settings;

	if (parse(&settings, argc, argv)) {
		fprintf(stderr,
			"usage: spinner TRUTH [rate=N] [cycle=N] [messages=N] [first=accept]\n");
		return 2;
	}
	truth = open_truth(settings.truth);
	if (!truth) {
		perror(settings.truth);
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	spin(&settings, truth);
	printf("%llu\n", (unsigned long long)truth->checksum);
	pushback_step_end(&step);
	return 0;
}
