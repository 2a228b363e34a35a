/* SPDX-License-Identifier: MIT */
/* A function without probes and with several returns; it may be in a program or in a library. */
#include "work.h"

#include <string.h>

static char kept[64];

int work(int message)
{
	if (message % 3 == 0)
		return -11;
	if (message % 5 == 0) {
		memset(kept, message, sizeof(kept) - (unsigned)message % 7);
		return kept[message % 8] & 1;
	}
	return message & 1;
}

/* It ends in a call of another one, which at -O2 is a jump. */
int passed_on(int message)
{
	if (message % 2)
		return 7;
	return work(message);
}
