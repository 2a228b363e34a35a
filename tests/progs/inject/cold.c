/* SPDX-License-Identifier: MIT */
/* As user.c, its refusals on a path that the compiler is told is seldom taken. */
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline, cold)) void complain(int message);
__attribute__((noinline)) int work(int message);

void complain(int message)
{
	__asm__ volatile("" : : "r"(message));
}

int work(int message)
{
	if (message % 3 == 0) {
		complain(message);
		return -11;
	}
	return message & 1;
}

int main(int argc, char **argv)
{
	int messages = argc > 1 ? atoi(argv[1]) : 0, refused = 0;

	for (int i = 0; i < messages; i++)
		refused += work(i) == -11;
	printf("%d refused\n", refused);
}
