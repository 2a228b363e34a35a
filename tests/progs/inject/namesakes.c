/* SPDX-License-Identifier: MIT */
/* Calls the two of namesake.c. */
#include <stdio.h>
#include <stdlib.h>

void complain(int message);
int first(int message);
int second(int message);

void complain(int message)
{
	__asm__ volatile("" : : "r"(message));
}

int main(int argc, char **argv)
{
	int messages = argc > 1 ? atoi(argv[1]) : 0, refused = 0;

	for (int i = 0; i < messages; i++)
		refused += first(i) + second(i);
	printf("%d refused\n", refused);
}
