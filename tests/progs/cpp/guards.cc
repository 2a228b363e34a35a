/* SPDX-License-Identifier: MIT */
/*
 * guards - pushback.hpp held to what it says: outcomes however a scope is left, ends, alignment
 *
 * Raises the semaphore itself, so that it is watched, though no site is armed: all that is checked is
 * in the struct. Prints "ok" or the line that is wrong.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include "pushback.hpp"

static_assert(!std::is_copy_constructible<pushback::step>::value, "its address is read");
static_assert(!std::is_move_constructible<pushback::step>::value, "its address is read");
static_assert(!std::is_copy_assignable<pushback::step>::value, "its address is read");
static_assert(!std::is_move_constructible<pushback::submit_guard>::value, "tells once");
static_assert(!std::is_convertible<const char *, pushback::step>::value, "made on purpose");
static_assert(std::is_nothrow_destructible<pushback::forward_guard>::value, "");

#define CHECK(condition)                                                         \
	do {                                                                     \
		if (!(condition)) {                                              \
			std::printf("line %d: not: %s\n", __LINE__, #condition); \
			std::exit(1);                                            \
		}                                                                \
	} while (0)

namespace
{

pushback::step fixed("fixed");

/* The four totals, to compare in one go. */
bool counts(pushback::step &step, uint64_t accepted, uint64_t rejected, uint64_t forwarded,
	    uint64_t refused)
{
	const ::pushback_step *s = step.native_handle();

	return s->accepted == accepted && s->rejected == rejected && s->forwarded == forwarded &&
	       s->refused == refused;
}

uint32_t is_open(pushback::step &step, unsigned int direction)
{
	return step.native_handle()->state & PUSHBACK_OPEN << direction;
}

bool was_called(pushback::step &step)
{
	return pushback_here.called == reinterpret_cast<uintptr_t>(step.native_handle());
}

uint64_t inside(pushback::step &step)
{
	return step.native_handle()->inside & 3;
}

bool submit(pushback::step &step, pushback::outcome how)
{
	pushback::submit_guard guard(step);

	CHECK(inside(step) == 1);
	return guard.report(how);
}

void test_submit()
{
	pushback::step step("step");

	CHECK(submit(step, pushback::accepted));
	CHECK(counts(step, 1, 0, 0, 0) && inside(step) == 0);
	CHECK(!submit(step, pushback::rejected));
	CHECK(counts(step, 1, 1, 0, 0) && is_open(step, PUSHBACK_SEND));
	CHECK(!submit(step, pushback::propagated) && !submit(step, pushback::invalid));
	CHECK(counts(step, 1, 1, 0, 0) && is_open(step, PUSHBACK_SEND));
	{
		pushback::submit_guard untold(step);
	}
	CHECK(counts(step, 1, 1, 0, 0) && inside(step) == 0);
	submit(step, pushback::accepted);
	CHECK(counts(step, 2, 1, 0, 0) && !is_open(step, PUSHBACK_SEND));
}

void test_forward()
{
	pushback::step step("step"), next("next");

	submit(next, pushback::rejected);
	CHECK(was_called(next));
	CHECK(!pushback::forward_guard(step).report(pushback::rejected));
	CHECK(!pushback_here.called);
	CHECK(counts(step, 0, 0, 0, 1) && is_open(step, PUSHBACK_RECEIVE));
	CHECK(!pushback::forward_guard(step).report(pushback::propagated));
	submit(next, pushback::invalid);
	{
		pushback::forward_guard untold(step);
	}
	CHECK(counts(step, 0, 0, 0, 2) && is_open(step, PUSHBACK_RECEIVE) && !pushback_here.called);
	CHECK(pushback::forward_guard(step).report(pushback::accepted));
	CHECK(counts(step, 0, 0, 1, 2) && !is_open(step, PUSHBACK_RECEIVE));
}

void test_poll()
{
	pushback::step step("step");

	submit(step, pushback::rejected);
	{
		pushback::poll_guard untold(step);
		CHECK(inside(step) == 2);
	}
	CHECK(is_open(step, PUSHBACK_SEND) && inside(step) == 0);
	CHECK(!pushback::poll_guard(step).ready(false));
	CHECK(is_open(step, PUSHBACK_SEND));
	CHECK(pushback::poll_guard(step).ready(true));
	CHECK(!is_open(step, PUSHBACK_SEND) && counts(step, 0, 1, 0, 0));
}

#ifdef __cpp_exceptions
struct refusal {
};

void leave(pushback::step &step, bool told)
{
	pushback::submit_guard submit(step);
	pushback::forward_guard forward(step);
	pushback::poll_guard poll(step);

	if (told) {
		submit.report(pushback::rejected);
		forward.report(pushback::rejected);
		poll.ready(false);
	}
	throw refusal();
}

void test_exceptions()
{
	pushback::step step("step");
	unsigned int caught = 0;

	for (bool told : { false, true }) {
		try {
			leave(step, told);
		} catch (const refusal &) {
			caught++;
		}
		CHECK(inside(step) == 0);
		CHECK(counts(step, 0, told, 0, told));
	}
	CHECK(caught == 2);
}
#else
void test_exceptions()
{
}
#endif

void test_end()
{
	alignas(64) static unsigned char room[sizeof(pushback::step)];
	pushback::step *step = ::new (room) pushback::step("one");
	::pushback_step *at = step->native_handle();

	submit(*step, pushback::rejected);
	CHECK(at->instance != 0);
	const uint64_t first = at->instance;
	step->end();
	CHECK(at->instance == 0 && at->rejected == 0 && !std::strcmp(at->name, "one"));
	submit(*step, pushback::rejected);
	CHECK(at->instance != 0 && at->instance != first);
	step->~step();
	/* The storage is there still, and is what an observer finds: not what the compiler knows. */
	const unsigned char *found = room;
	uint64_t instance;
	__asm__ volatile("" : "+r"(found));
	std::memcpy(&instance, found + offsetof(::pushback_step, instance), sizeof(instance));
	CHECK(instance == 0);
}

/* As a strategy holds it: plain new aligns it for 16. */
struct holder {
	char before = 1;
	pushback::step step{ "held" };
	char after = 2;
};

void test_alignment()
{
	holder *held[64];

	for (auto &one : held) {
		one = new holder;
		const char *at = reinterpret_cast<const char *>(one->step.native_handle());
		CHECK(reinterpret_cast<uintptr_t>(at) % 64 == 0);
		CHECK(at > &one->before && at + sizeof(::pushback_step) <= &one->after);
		CHECK(one->step.native_handle()->magic == PUSHBACK_STEP_MAGIC);
		submit(one->step, pushback::accepted);
	}
	for (auto &one : held) {
		CHECK(counts(one->step, 1, 0, 0, 0) && one->before == 1 && one->after == 2);
		delete one;
	}
}

void test_name()
{
	char name[200] = {};

	std::memset(name, 'n', sizeof(name) - 1);
	pushback::step step(name);
	CHECK(std::strlen(step.native_handle()->name) == 127);
	CHECK(step.native_handle()->state & PUSHBACK_NAME_CUT);
	step.depth(7, 9);
	CHECK(step.native_handle()->depth == (7ull | 9ull << 32));
}

void test_unwatched()
{
	pushback_semaphore = 0;
	CHECK(pushback::submit_guard(fixed).report(pushback::accepted));
	CHECK(counts(fixed, 0, 0, 0, 0) && inside(fixed) == 0);
	CHECK(fixed.native_handle()->epoch == PUSHBACK_EPOCH_MISSED);
	pushback_semaphore = 1;
}

} /* namespace */

int main()
{
	test_unwatched();
	test_submit();
	test_forward();
	test_poll();
	test_exceptions();
	test_end();
	test_alignment();
	test_name();
	std::puts("ok");
	return 0;
}
