/* SPDX-License-Identifier: MIT */
/*
 * One of the matrix's builds: several translation units with probes, C or C++. Runs them unwatched,
 * then watched by an observer of its own, and says "ok" if all was told as it was. With an argument it
 * does the same in a shared library that it opens at run time, whose steps must be other instances.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "observer.h"
#include "units.h"

static struct pushback_step first = PUSHBACK_STEP_INIT("first");

static void expect(int is, const char *what)
{
	if (!is) {
		printf("not so: %s\n", what);
		exit(1);
	}
}

static void drive(void)
{
	pushback_submit_enter(&first);
	second_submit(PUSHBACK_REJECTED);
	pushback_forward_return(&first, PUSHBACK_PROPAGATED);
	pushback_submit_return(&first, PUSHBACK_REJECTED);
	pushback_poll_enter(&first);
	second_submit(PUSHBACK_ACCEPTED);
	pushback_forward_return(&first, PUSHBACK_ACCEPTED);
	pushback_poll_return(&first, 1);
	pushback_submit_return(&first, PUSHBACK_ACCEPTED);
	pushback_depth(&first, 1, 2);
}

static void unwatched(void)
{
	int i;

	for (i = 0; i < 100; i++)
		drive();
	expect(first.accepted == 0 && first.forwarded == 0, "unwatched returns are not counted");
	expect(first.epoch == PUSHBACK_EPOCH_MISSED, "unwatched returns are seen to be missed");
	expect(observer_count == 0, "nothing fires unwatched");
}

static void watched(void)
{
	const struct observer_fire *fire = observer_fires;
	uint64_t began = observer_now();
	int i;

	observer_attach();
	errno = 4711;
	drive();
	expect(errno == 4711, "errno is left alone");
	/* second: refuses, accepts. first: blocked, refuses, free, ready. */
	expect(observer_count == 6, "each edge fires");
	expect(fire[1].site == PUSHBACK_FORWARD_RETURN && fire[1].place == &first,
	       "the second fire");
	expect(fire[1].next == fire[0].place, "the next step is known over translation units");
	expect(fire[5].site == PUSHBACK_POLL_RETURN && fire[5].value == 1, "the last fire");
	expect(first.direction[PUSHBACK_SEND].partial == 1, "what was missed is partial");
	for (i = 0; i < 10000; i++)
		drive();
	expect(first.accepted == 10001 && first.rejected == 10001, "each submit is counted");
	expect(first.forwarded == 10001 && first.refused == 10001, "each forward is counted");
	expect(first.direction[PUSHBACK_SEND].closed == 10000, "each episode is counted");
	/* Of two steps: 32 cycles and one a ms, each of 16 edges at most. */
	expect(observer_count < 2 * 16 * (33 + (observer_now() - began) / 1000000),
	       "the rate bound holds");
	observer_forget();
	pushback_step_end(&first);
	expect(observer_count == 1 && fire[0].site == PUSHBACK_STEP_END, "the end fires");
	drive();
}

/* Not ended by its owner, whose memory it was; made anew in what may be the same. */
static __attribute__((noinline)) void drive_on_stack(void)
{
	struct pushback_step s;

	pushback_step_init(&s, "on the stack");
	pushback_submit_return(&s, PUSHBACK_REJECTED);
}

static void made_anew(void)
{
	static struct pushback_step third;

	pushback_step_init(&third, "third");
	pushback_submit_return(&third, PUSHBACK_REJECTED);
	observer_forget();
	pushback_step_init(&third, "third");
	expect(observer_count == 1 && observer_fires[0].site == PUSHBACK_STEP_END &&
		       observer_fires[0].no == 1,
	       "one that is made anew ends the former one");
	drive_on_stack();
	drive_on_stack();
}

/* The plugin's steps must be none of ours. */
static void plugin(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	uint64_t instance;
	plugin_run *run;
	void *symbol;

	if (!library)
		printf("%s\n", dlerror());
	expect(library != NULL, "the plugin can be opened");
	symbol = dlsym(library, "plugin_run_");
	expect(symbol != NULL, "the plugin has its function");
	memcpy(&run, &symbol, sizeof(run));
	instance = run();
	expect(instance != 0, "the plugin's probes are told");
	expect(instance != first.instance, "instances are unique over libraries");
	dlclose(library);
}

int main(int argc, char **argv)
{
	unwatched();
	watched();
	made_anew();
	if (argc > 1)
		plugin(argv[1]);
	puts("ok");
	return 0;
}
