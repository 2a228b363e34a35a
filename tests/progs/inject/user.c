/* SPDX-License-Identifier: MIT */
/* Calls work() as often as it is told, and says how it went; with a second argument, waits for stdin. */
#include <stdio.h>
#include <stdlib.h>

#include "work.h"

int main(int argc, char **argv)
{
	int messages = argc > 1 ? atoi(argv[1]) : 0, refused = 0, passed = 0;

	for (int i = 0; i < messages; i++)
		refused += work(i) == -11;
	for (int i = 1; i < messages; i += 2)
		passed += passed_on(i) == 7;
	printf("%d refused %d accepted %d passed\n", refused, messages - refused, passed);
	fflush(stdout);
	return argc > 2 ? getchar() == EOF : 0;
}
