/* SPDX-License-Identifier: MIT */
/*
 * slow.h - what the user asks for: durations, and which step is slow and how
 */
#ifndef DEMO_SLOW_H
#define DEMO_SLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOW_NAME_SIZE 128

enum slow_mode {
	SLOW_NOT,
	SLOW_REFUSE, /* takes a message and refuses the next until the duration has passed */
	SLOW_BLOCK,  /* does not return from submit for that long */
};

struct slow_request {
	char step[SLOW_NAME_SIZE]; /* empty: no step is slow */
	enum slow_mode mode;
	uint64_t duration; /* ns */
	bool also;         /* beside those that are slow already */
};

#define SLOW_MAX 4

/* Which steps are slow: of one name the last one counts. */
struct slow_list {
	struct slow_request of[SLOW_MAX];
	size_t count;
};

/* "1.5ms", also us, s, m, h, bare means seconds; ns. False if it is none, or above 1,000 hours. */
bool duration_parse(const char *text, uint64_t *ns);

/* "STEP:refuse|block:DURATION", "+" and that, or "none". False if it is none of them. */
bool slow_parse(const char *text, struct slow_request *request);

/* False if there are too many. */
bool slow_take(struct slow_list *list, const struct slow_request *request);
/* NULL: the step is not slow. */
const struct slow_request *slow_find(const struct slow_list *list, const char *step);

#endif /* DEMO_SLOW_H */
