/* SPDX-License-Identifier: MIT */
/* A switch one of whose cases is seldom taken: only the jump table leads to the function's cold part. */
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline, cold)) void complain(int message);
__attribute__((noinline)) int work(int message, int *seen);

void complain(int message)
{
	__asm__ volatile("" : : "r"(message));
}

int work(int message, int *seen)
{
	switch (message % 8u) {
	case 0:
		seen[1] ^= 4;
		return seen[0] & 7;
	case 1:
		seen[2] += 5;
		return seen[1] & 3;
	case 2:
		seen[3] -= message;
		break;
	case 3:
		complain(message);
		return -11;
	case 4:
		seen[5]++;
		return seen[3] & 9;
	case 5:
		seen[4] = 8;
		return seen[2] & 1;
	case 6:
		seen[6] = message;
		break;
	}
	return message;
}

int main(int argc, char **argv)
{
	int seen[8] = { argc }, refused = 0, messages = atoi(argv[1]);

	for (int i = 0; i < messages; i++)
		refused += work(i, seen) == -11;
	printf("%d refused\n", refused);
}
