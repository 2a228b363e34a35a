/* SPDX-License-Identifier: MIT */
/*
 * jumps.c - steps that end by a jump to the next one: outer, head, relay, write
 *
 *	jumps SEED CALLS [lost]
 *
 * outer calls head, head jumps to relay, and relay to what it has the address of: write or, with `lost`, at
 * times one that no recipe names. At times write leaves by a longjmp, and at times it is called from where
 * head was. What returns counts what each of them did, as none of them can.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "plain.h"

#define STEP __attribute__((noinline, noclone))

struct step {
	int (*next)(struct step *, uint32_t);
	struct step *step;
	int queued;
	unsigned long calls;
	struct plain_truth truth;
};

static jmp_buf out;

STEP int write_submit(struct step *s, uint32_t message)
{
	s->calls++;
	if (message == 7)
		longjmp(out, 1);
	if (message == 13)
		return -EINVAL;
	if (s->queued >= 8)
		return -EAGAIN;
	s->queued++;
	return 0;
}

/* No recipe knows of it. */
STEP int other(struct step *s, uint32_t message)
{
	s->calls++;
	return message & 1 ? -EAGAIN : 0;
}

STEP int relay_submit(struct step *s, uint32_t message)
{
	s->calls++;
	return s->next(s->step, message);
}

STEP int head_submit(struct step *s, uint32_t message)
{
	s->calls++;
	return relay_submit(s->step, message);
}

static struct step *volatile last;
static int answered;

/* One that returns by itself, at times without having asked, or after it has asked write as well. */
STEP int outer_submit(struct step *s, uint32_t message)
{
	int err = message == 3 ? -EAGAIN : head_submit(s->step, message);

	answered = err;
	if (message == 5)
		err = write_submit(last, message);
	s->calls += err == 0;
	return err;
}

static enum plain_outcome outcome(int err, bool own)
{
	if (err == -EAGAIN)
		return own ? PLAIN_REJECTED : PLAIN_PROPAGATED;
	return err ? PLAIN_INVALID : PLAIN_ACCEPTED;
}

static void passed(struct step *s, int err)
{
	plain_forwarded(&s->truth, outcome(err, false));
	plain_submitted(&s->truth, outcome(err, false));
}

int main(int argc, char **argv)
{
	static struct step outer, head, relay, write;
	struct step *volatile first = &outer;
	uint64_t seed = strtoull(argv[1], NULL, 0), calls = strtoull(argv[2], NULL, 0);
	volatile unsigned long lost = 0;
	bool loses = argc > 3;

	last = &write;
	outer.step = &head;
	head.step = &relay;
	relay.step = &write;
	for (volatile uint64_t i = 0; i < calls; i++) {
		uint32_t message = plain_roll(&seed, 20);
		bool away = loses && plain_roll(&seed, 4) == 0;
		int err;

		relay.next = away ? other : write_submit;
		write.queued -= write.queued && plain_roll(&seed, 3) == 0;
		if (setjmp(out))
			continue;
		if (plain_roll(&seed, 5) == 0) {
			plain_submitted(&write.truth, outcome(write_submit(last, message), true));
			continue;
		}
		err = outer_submit(first, message);
		/* What went on in the other one nobody has seen. */
		if (message != 3 && !away) {
			plain_submitted(&write.truth, outcome(answered, true));
			passed(&relay, answered);
			passed(&head, answered);
			plain_forwarded(&outer.truth, outcome(answered, false));
		}
		if (message == 5) {
			plain_submitted(&write.truth, outcome(err, true));
			plain_forwarded(&outer.truth, outcome(err, true));
		}
		lost += away && message != 3 ? 2 : 0;
		plain_submitted(&outer.truth, outcome(err, message == 3 || (away && message != 5)));
	}
	plain_ended(&outer.truth);
	plain_ended(&head.truth);
	plain_ended(&relay.truth);
	plain_ended(&write.truth);
	plain_print("outer", &outer.truth);
	plain_print("head", &head.truth);
	plain_print("relay", &relay.truth);
	plain_print("write", &write.truth);
	fprintf(stderr, "%lu\n", lost);
	return 0;
}
