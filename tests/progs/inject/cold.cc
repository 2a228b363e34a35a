// SPDX-License-Identifier: MIT
// Refusals on a path that the compiler is told is seldom taken, of methods that have the same name.
#include <cstdio>
#include <cstdlib>

namespace q
{

__attribute__((noinline, cold)) void complain(int message)
{
	__asm__ volatile("" : : "r"(message));
}

struct queue {
	__attribute__((noinline)) int push(int message);
};

struct stack {
	__attribute__((noinline)) int push(int message);
};

int queue::push(int message)
{
	if (message % 3 == 0) {
		complain(message);
		return -11;
	}
	return message & 1;
}

int stack::push(int message)
{
	if (message % 7 == 0) {
		complain(message + 1);
		return -12;
	}
	return message & 3;
}

} // namespace q

int main(int, char **argv)
{
	q::queue queue;
	q::stack stack;
	int refused = 0, messages = std::atoi(argv[1]);

	for (int i = 0; i < messages; i++)
		refused += (queue.push(i) == -11) + (stack.push(i) == -12);
	std::printf("%d refused\n", refused);
}
