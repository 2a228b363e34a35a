/* SPDX-License-Identifier: MIT */
/* Of which gcc -O2 makes copies: for one value of an argument, and without the beginning. */
#include <stdio.h>
#include <stdlib.h>

int whole(int count, int step);
int also(int count);
int split(int *list, int count);
int caller(int *list, int count);

__attribute__((noinline)) static int work(int count, int step)
{
	int sum = 0;

	for (int i = 0; i < count; i++)
		sum += i % (step + 3) + printf("%s", "");
	return sum;
}

int also(int count)
{
	return work(count, 7) + work(count + 1, 7);
}

/* Calls with a NULL end before the loop: that is inlined, the rest called. */
int split(int *list, int count)
{
	int sum = 0;

	if (!list)
		return 0;
	for (int i = 0; i < count; i++)
		sum += list[i] % (i + 3) + printf("%s", "") + list[(i * 7) % count];
	for (int i = 0; i < count; i++)
		sum ^= list[i] * printf("%s", "");
	return sum;
}

int caller(int *list, int count)
{
	return split(list, count) + split(list + 1, count - 1) + split(NULL, 1);
}

int main(int argc, char **argv)
{
	int list[64] = { argc };

	printf("%d\n", also(atoi(argv[1])) + caller(list, 64) + split(argc > 5 ? NULL : list, 3));
}
