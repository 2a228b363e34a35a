/* SPDX-License-Identifier: MIT */
/*
 * slow.h - what the user asks for: durations, and which step is slow and how
 */
#ifndef DEMO_SLOW_H
#define DEMO_SLOW_H

#include <stdbool.h>
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
};

/* "1.5ms", also us, s, m, h, bare means seconds; ns. False if it is none, or above 1,000 hours. */
bool duration_parse(const char *text, uint64_t *ns);

/* "STEP:refuse|block:DURATION" or "none". False if it is neither. */
bool slow_parse(const char *text, struct slow_request *request);

#endif /* DEMO_SLOW_H */
