/* SPDX-License-Identifier: MIT */
/* spinner.h - what the spinner says about itself, in a file that it maps */
#ifndef SPINNER_H
#define SPINNER_H

#include <stdint.h>

/* Written just before the probe is called, so a spinner that is stopped may be one ahead of it. */
struct spinner_truth {
	uint64_t pid;
	uint64_t semaphore; /* its address */
	uint64_t rejected;  /* calls so far */
	uint64_t accepted;
	uint64_t episodes; /* that an acceptance has closed */
	uint64_t
		open_before; /* clock around the rejection that opened the present episode; 0 none */
	uint64_t open_after;
	uint64_t checksum; /* of its output: it must not depend on who watches */
};

#endif /* SPINNER_H */
