/* SPDX-License-Identifier: MIT */
/*
 * fiber.c - calls that do not keep to their thread's stack
 *
 *	fiber swap N	fiber_submit() changes stacks inside, and thread_submit() is called meanwhile
 *	fiber exec N	fiber_submit() replaces the image, N times; then thread_submit() is called
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define STEP __attribute__((noipa))

static ucontext_t in_main, in_fiber;
static volatile int work;

STEP int thread_submit(int *step)
{
	work += *step;
	return 0;
}

STEP int fiber_submit(int *step, int count, char **again)
{
	work += *step;
	if (again)
		execv("/proc/self/exe", again);
	else
		swapcontext(&in_fiber, &in_main);
	return count & 1;
}

static void fiber(void)
{
	static int step;

	for (int i = 0;; i++)
		fiber_submit(&step, i, NULL);
}

int main(int argc, char **argv)
{
	static char stack[65536], count[16];
	static int step;
	int n = argc > 2 ? atoi(argv[2]) : 0;

	if (argc > 1 && !strcmp(argv[1], "exec") && n > 0) {
		snprintf(count, sizeof(count), "%d", n - 1);
		argv[2] = count;
		fiber_submit(&step, 0, argv);
	}
	getcontext(&in_fiber);
	in_fiber.uc_stack.ss_sp = stack;
	in_fiber.uc_stack.ss_size = sizeof(stack);
	makecontext(&in_fiber, fiber, 0);
	for (int i = 0; i < (n ? n : 100); i++) {
		if (n)
			swapcontext(&in_main, &in_fiber);
		thread_submit(&step);
	}
	return 0;
}
