/* SPDX-License-Identifier: MIT */
/*
 * hostile - a consumer that lies to its observers
 *
 *	hostile MODE
 *
 * Prints "ready", waits for a line on stdin, lies, prints "done", waits for another line.
 *
 * episodes: claims more closed episodes than a century holds
 * instances: is another instance at each event, at one and the same place
 * places: has more steps than one process may have, each at a place of its own
 * names: for as long as there are lines, 3,000 short-lived steps for each, each of a name of its own
 * that the process has too
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <pushback.h>

#define INSTANCES 40000u
#define PLACES    6000u
#define NAMES     3000u

static void claim_episodes(void)
{
	static struct pushback_step step = PUSHBACK_STEP_INIT("liar");
	struct pushback_direction *d = &step.direction[PUSHBACK_SEND];

	pushback_submit_return(&step, PUSHBACK_REJECTED);
	pushback_submit_return(&step, PUSHBACK_ACCEPTED);
	d->closed = 1ull << 62;
	d->closed_ns = 1ull << 63;
	pushback_submit_return(&step, PUSHBACK_REJECTED);
	pushback_submit_return(&step, PUSHBACK_ACCEPTED);
}

static void change_instance(void)
{
	static struct pushback_step step = PUSHBACK_STEP_INIT("liar");
	unsigned int i;

	for (i = 0; i < INSTANCES; i++) {
		pushback_submit_return(&step, PUSHBACK_REJECTED);
		pushback_submit_return(&step, PUSHBACK_ACCEPTED);
		step.instance++;
		step.bound = 0;
	}
}

static void take_places(void)
{
	struct pushback_step *steps = aligned_alloc(64, PLACES * sizeof(*steps));
	unsigned int i;

	for (i = 0; steps && i < PLACES; i++) {
		pushback_step_init(&steps[i], "liar");
		pushback_submit_return(&steps[i], PUSHBACK_REJECTED);
	}
}

static void change_names(void)
{
	static unsigned int number;
	struct pushback_step step;
	char name[16];
	unsigned int i;

	for (i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "liar%u", number++);
		prctl(PR_SET_NAME, name);
		pushback_step_init(&step, name);
		pushback_submit_return(&step, PUSHBACK_REJECTED);
		pushback_submit_return(&step, PUSHBACK_ACCEPTED);
		pushback_step_end(&step);
	}
}

static void tell(const char *word)
{
	puts(word);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[64];

	tell("ready");
	if (argc != 2 || !fgets(line, sizeof(line), stdin))
		return 2;
	if (!strcmp(argv[1], "episodes"))
		claim_episodes();
	else if (!strcmp(argv[1], "instances"))
		change_instance();
	else if (!strcmp(argv[1], "places"))
		take_places();
	else
		do {
			change_names();
			tell("round");
		} while (fgets(line, sizeof(line), stdin));
	tell("done");
	return fgets(line, sizeof(line), stdin) ? 0 : 1;
}
