// SPDX-License-Identifier: MIT
// Functions whose names in the symbol table are not those of the source.
#include <cstdio>
#include <cstdlib>

namespace q
{

struct queue {
	int used = 0;
	__attribute__((noinline)) bool push(int message);
	__attribute__((noinline)) bool push(char const *text);
};

bool queue::push(int message)
{
	if (used + message % 2 > 20)
		return false;
	used += message % 2;
	return true;
}

bool queue::push(char const *text)
{
	return text && used++;
}

__attribute__((noinline)) bool drain(queue &from)
{
	if (from.used == 0)
		return false;
	from.used--;
	return true;
}

} // namespace q

int main(int, char **argv)
{
	q::queue queue;
	int refused = 0, drained = 0, messages = std::atoi(argv[1]);

	for (int i = 0; i < messages; i++)
		refused += !queue.push(i);
	while (q::drain(queue))
		drained++;
	queue.push(argv[1]);
	std::printf("%d refused %d drained\n", refused, drained);
}
