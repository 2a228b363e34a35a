/* SPDX-License-Identifier: MIT */
/*
 * crowd - many calm consumers
 *
 *	crowd PROCESSES STEPS
 *
 * Each process has a chain of STEPS steps, and ten times a second a message goes through it; the last
 * step of every tenth process refuses each message for 50 ms. Prints "ready", and ends with its
 * standard input.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <pushback.h>

#define STEPS_MAX 64

static struct pushback_step steps[STEPS_MAX];

static void pass_50_ms(void)
{
	struct timespec t = { .tv_nsec = 50000000 };

	nanosleep(&t, NULL);
}

/* From the last to the first, as calls return. */
static void offer(size_t count, enum pushback_outcome outcome)
{
	size_t i;

	for (i = count; i > 0; i--) {
		pushback_submit_return(&steps[i - 1], outcome);
		if (i > 1)
			pushback_forward_return(&steps[i - 2], outcome);
	}
}

static void consume(size_t count, int is_slow)
{
	char name[16];
	size_t i;

	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "step%zu", i);
		pushback_step_init(&steps[i], name);
	}
	for (;;) {
		if (is_slow)
			offer(count, PUSHBACK_REJECTED);
		pass_50_ms();
		offer(count, PUSHBACK_ACCEPTED);
		pass_50_ms();
	}
}

int main(int argc, char **argv)
{
	int processes = argc == 3 ? atoi(argv[1]) : 0, steps_count = argc == 3 ? atoi(argv[2]) : 0;
	pid_t parent = getpid();
	int i;

	if (processes < 1 || steps_count < 1 || steps_count > STEPS_MAX)
		return 2;
	for (i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent) /* it has ended already */
				return 0;
			consume((size_t)steps_count, i % 10 == 0);
		}
	}
	fputs("ready\n", stderr);
	while (getchar() != EOF)
		;
	return 0;
}
