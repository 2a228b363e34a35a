/* SPDX-License-Identifier: MIT */
/*
 * contract - the header's layout and state machine by themselves, for comparison with other languages'
 *
 * Prints size and alignment, and where each field is. Then each line of standard input is OP VALUE NOW,
 * with OP one of submit, forward, poll, abandon and miss, and is answered with what is to be told and
 * all of the struct's bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pushback_abi.h"

#define FIELD(name) printf(#name " %zu\n", offsetof(struct pushback_step, name))
#define OF_DIRECTION(name) \
	printf("direction." #name " %zu\n", offsetof(struct pushback_direction, name))
#define OF_PICK(name) printf("pick." #name " %zu\n", offsetof(struct pushback_pick, name))

static void first_line(void)
{
	FIELD(magic);
	FIELD(version);
	FIELD(size);
	FIELD(epoch);
	FIELD(accepted);
	FIELD(rejected);
	FIELD(forwarded);
	FIELD(refused);
	FIELD(state);
	FIELD(countdown);
	FIELD(inside);
}

static void the_others(void)
{
	FIELD(instance);
	FIELD(looked);
	FIELD(fired);
	FIELD(bound);
	FIELD(look_every);
	FIELD(edges);
	FIELD(returns);
	FIELD(depth);
	FIELD(self_ns);
	FIELD(self_since);
	FIELD(watch_since);
	FIELD(watch_accepted);
	FIELD(watch_rejected);
	FIELD(watch_forwarded);
	FIELD(watch_refused);
	FIELD(next);
	FIELD(direction);
	FIELD(pick);
	FIELD(nexts);
	FIELD(known);
	FIELD(at);
	FIELD(name);
}

static void inner_ones(void)
{
	OF_DIRECTION(since);
	OF_DIRECTION(last);
	OF_DIRECTION(closed);
	OF_DIRECTION(closed_ns);
	OF_DIRECTION(partial);
	OF_DIRECTION(partial_ns);
	OF_DIRECTION(abandoned);
	OF_DIRECTION(abandoned_ns);
	OF_DIRECTION(folded);
	OF_DIRECTION(folded_ns);
	OF_PICK(ns);
	OF_PICK(of);
}

static unsigned int returns(struct pushback_step *s, unsigned int direction, int outcome,
			    uint64_t now)
{
	unsigned int edge = pushback_count(s, direction, outcome);

	return edge ? pushback_turn(s, direction, edge == PUSHBACK_OPENS, now) : 0;
}

static unsigned int obey(struct pushback_step *s, const char *op, uint32_t value, uint64_t now)
{
	if (!strcmp(op, "submit"))
		return returns(s, PUSHBACK_SEND, (int)value, now);
	if (!strcmp(op, "forward"))
		return returns(s, PUSHBACK_RECEIVE, (int)value, now);
	if (!strcmp(op, "poll") && pushback_ready(s, (int)value))
		return pushback_turn(s, PUSHBACK_SEND, 0, now);
	if (!strcmp(op, "abandon"))
		pushback_abandon(s, now);
	if (!strcmp(op, "miss"))
		pushback_miss_begin(s);
	return 0;
}

int main(void)
{
	static struct pushback_step s = PUSHBACK_STEP_INIT("step");
	const unsigned char *bytes = (const unsigned char *)&s;
	uint32_t value;
	uint64_t now;
	char op[16];
	size_t i;

	printf("%zu %zu\n", sizeof(s), _Alignof(struct pushback_step));
	first_line();
	the_others();
	inner_ones();
	while (scanf("%15s %" SCNu32 " %" SCNu64, op, &value, &now) == 3) {
		printf("%u ", obey(&s, op, value, now));
		for (i = 0; i < sizeof(s); i++)
			printf("%02x", bytes[i]);
		printf("\n");
	}
	return 0;
}
