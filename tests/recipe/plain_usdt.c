/* SPDX-License-Identifier: MIT */
/*
 * plain_usdt.c - a consumer with USDT probes of its own, which say what happened
 *
 *	plain SEED MESSAGES
 */
#include <stdlib.h>
#include <sys/sdt.h>

#include "plain.h"

#ifdef SEMAPHORE
unsigned short queue_submitted_semaphore __attribute__((section(".probes")));
unsigned short queue_polled_semaphore __attribute__((section(".probes")));
#endif

struct queue {
	uint32_t used;
	struct plain_truth truth;
};

/* What it says of each: the queue, how it ended as a negative number, and how full it is. */
__attribute__((noinline)) static void submit(struct queue *q)
{
	int result = q->used < 8 ? 0 : -11;

	if (!result)
		q->used++;
	plain_submitted(&q->truth, result ? PLAIN_REJECTED : PLAIN_ACCEPTED);
	DTRACE_PROBE3(queue, submitted, q, result, q->used);
}

__attribute__((noinline)) static void take(struct queue *q, uint32_t n)
{
	uint8_t ready;

	q->used = q->used > n ? q->used - n : 0;
	ready = q->used < 8;
	plain_ready(&q->truth, ready);
	DTRACE_PROBE2(queue, polled, q, ready);
}

int main(int argc, char **argv)
{
	static struct queue queues[2];
	uint64_t seed = strtoull(argc > 1 ? argv[1] : "1", NULL, 0);
	uint64_t messages = strtoull(argc > 2 ? argv[2] : "1000", NULL, 0);
	struct plain_truth sum = { 0 };

	for (uint64_t i = 0; i < messages; i++) {
		submit(&queues[plain_roll(&seed, 2)]);
		if (plain_roll(&seed, 5) == 0)
			take(&queues[plain_roll(&seed, 2)], plain_roll(&seed, 9));
	}
	for (int i = 0; i < 2; i++) {
		struct plain_truth *t = &queues[i].truth;

		plain_ended(t);
		sum.accepted += t->accepted;
		sum.rejected += t->rejected;
		sum.send_episodes += t->send_episodes;
		sum.send_abandoned += t->send_abandoned;
	}
	plain_print("queue", &sum);
	return 0;
}
