/* SPDX-License-Identifier: MIT */
/*
 * throws.cc - two steps, of which the first ends by a jump to the second; that throws, if it is to
 *
 *	throws [CALLS] [never]
 *
 * Without a number it runs until its stdin ends. Says how many it has caught, accepted and refused.
 */
#include <poll.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

class Step
{
public:
	virtual int submit(int message) = 0;
};

class Sink final : public Step
{
public:
	explicit Sink(bool never) : never_(never)
	{
	}
	int submit(int message) override
	{
		if (message % 7 == 3 && !never_)
			throw std::runtime_error("3");
		return message % 3 ? 0 : -11;
	}

private:
	bool never_;
};

class Pass final : public Step
{
public:
	explicit Pass(Step *next) : next_(next)
	{
	}
	int submit(int message) override
	{
		calls_++;
		return next_->submit(message);
	}

private:
	Step *next_;
	unsigned long calls_ = 0;
};

int main(int argc, char **argv)
{
	bool never = argc > 1 && !std::strcmp(argv[argc - 1], "never");
	long most = argc > 1 ? std::strtol(argv[1], nullptr, 0) : 0;
	struct pollfd in = { 0, POLLIN, 0 };
	unsigned long caught = 0, accepted = 0, refused = 0;
	Sink sink(never);
	Step *volatile second = &sink;
	Pass pass(second);
	Step *volatile first = &pass;

	std::puts("ready");
	std::fflush(stdout);
	for (long i = 0; most ? i < most : !poll(&in, 1, 1); i++) {
		try {
			if (first->submit(static_cast<int>(i % 1000)))
				refused++;
			else
				accepted++;
		} catch (const std::runtime_error &) {
			caught++;
		}
	}
	std::printf("%lu %lu %lu\n", caught, accepted, refused);
	return 0;
}
