/* SPDX-License-Identifier: MIT */
/*
 * busy.c - a consumer of five steps, at a steady rate or as fast as it can
 *
 *	busy RATE SECONDS
 *
 * RATE 0: as fast as it can. One message in a thousand is refused by the last step. Says what it knows at
 * the end: messages, and how long its thread has computed.
 */
#include <stdlib.h>
#include <time.h>

#include "plain.h"

#define STEP __attribute__((noipa))

struct step {
	struct step *next;
	uint64_t count;
	struct plain_truth truth;
};

static enum plain_outcome outcome(int refused)
{
	return refused ? PLAIN_PROPAGATED : PLAIN_ACCEPTED;
}

STEP int five_submit(struct step *s)
{
	int refused = ++s->count % 1000 == 0;

	plain_submitted(&s->truth, refused ? PLAIN_REJECTED : PLAIN_ACCEPTED);
	return refused;
}

#define HANDS_ON(name, next_one)                              \
	STEP int name(struct step *s)                         \
	{                                                     \
		int refused = next_one(s->next);              \
                                                              \
		plain_forwarded(&s->truth, outcome(refused)); \
		plain_submitted(&s->truth, outcome(refused)); \
		return refused;                               \
	}
HANDS_ON(four_submit, five_submit)
HANDS_ON(three_submit, four_submit)
HANDS_ON(two_submit, three_submit)
HANDS_ON(one_submit, two_submit)

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* In turns of a millisecond, so that what is late is made up for. */
static uint64_t run(struct step *first, uint64_t rate, uint64_t until)
{
	uint64_t begin = now_ns(CLOCK_MONOTONIC), now, messages = 0;

	while ((now = now_ns(CLOCK_MONOTONIC)) < until) {
		uint64_t due = rate ? (now - begin) * rate / 1000000000u : messages + 1000;
		struct timespec pause = { 0, 1000000 };

		while (messages < due && now < until) {
			for (int i = 0; i < 10; i++, messages++)
				one_submit(first);
			now = now_ns(CLOCK_MONOTONIC);
		}
		if (rate)
			nanosleep(&pause, NULL);
	}
	return messages;
}

int main(int argc, char **argv)
{
	static struct step steps[5];
	static const char *const names[] = { "one", "two", "three", "four", "five" };
	uint64_t rate = strtoull(argc > 1 ? argv[1] : "100000", NULL, 0);
	double seconds = strtod(argc > 2 ? argv[2] : "10", NULL);
	uint64_t begin = now_ns(CLOCK_MONOTONIC), messages;

	for (int i = 0; i < 4; i++)
		steps[i].next = &steps[i + 1];
	messages = run(steps, rate, begin + (uint64_t)(seconds * 1e9));
	for (int i = 0; i < 5; i++) {
		plain_ended(&steps[i].truth);
		plain_print(names[i], &steps[i].truth);
	}
	printf("{\"messages\": %llu, \"cpu_s\": %.3f, \"seconds\": %.3f}\n",
	       (unsigned long long)messages, (double)now_ns(CLOCK_THREAD_CPUTIME_ID) / 1e9,
	       (double)(now_ns(CLOCK_MONOTONIC) - begin) / 1e9);
	return 0;
}
