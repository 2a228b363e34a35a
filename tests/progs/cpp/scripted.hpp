/* SPDX-License-Identifier: MIT */
/*
 * scripted.hpp - executes probe calls as told, through pushback.hpp: scripted.h's work in C++
 *
 * Included by the driver's C++ half and by the library.
 */
#ifndef SCRIPTED_HPP
#define SCRIPTED_HPP

#define SCRIPTED_ELSEWHERE
#include <cstring>

#include "../scripted.h"
#include "pushback.hpp"

namespace
{

/* As they come with zeroes: not made by a constructor, and so with no destructor at exit. */
alignas(pushback::step) unsigned char places[SCRIPTED_PLACES][sizeof(pushback::step)];

inline pushback::step &at(unsigned int place)
{
	return *reinterpret_cast<pushback::step *>(places[place]);
}

void init(unsigned int place, const char *name)
{
	::new (places[place]) pushback::step(name);
}

void forget(unsigned int place)
{
	std::memset(places[place], 0xee, sizeof(places[place]));
}

void spin(int us)
{
	uint64_t end = scripted_now() + static_cast<uint64_t>(us) * 1000;

	while (scripted_now() < end)
		;
}

/* Outcomes that the enum does not have are for the calls beneath. */
bool is_outcome(int value)
{
	return value >= pushback::accepted && value <= pushback::invalid;
}

void submit(pushback::step &step, int value)
{
	if (is_outcome(value))
		step.submit_return(static_cast<pushback::outcome>(value));
	else
		pushback_submit_return(step.native_handle(), value);
}

void forward(pushback::step &step, int value)
{
	if (is_outcome(value))
		pushback::forward_guard(step).report(static_cast<pushback::outcome>(value));
	else
		pushback_forward_return(step.native_handle(), value);
}

void make(const scripted_call &call)
{
	pushback::step &step = at(call.place);

	switch (call.op) {
	case SCRIPTED_SUBMIT:
		submit(step, call.value);
		break;
	case SCRIPTED_FORWARD:
		forward(step, call.value);
		break;
	case SCRIPTED_POLL:
		step.poll_return(call.value != 0);
		break;
	case SCRIPTED_END:
		step.end();
		break;
	case SCRIPTED_SUBMIT_ENTER:
		step.submit_enter();
		break;
	case SCRIPTED_POLL_ENTER:
		step.poll_enter();
		break;
	case SCRIPTED_SPIN:
		spin(call.value);
		break;
	default:
		step.depth(static_cast<uint64_t>(call.value), 100);
		break;
	}
}

void run(scripted_job *job)
{
	uint64_t calls = job->times * job->length;

	job->fires = 0;
	job->traced = calls <= SCRIPTED_TRACED ? calls : 0;
	job->before = scripted_now();
	for (uint64_t n = 0; n < calls; n++) {
		const scripted_call &call = job->call[n % job->length];
		const volatile uint64_t &fired = at(call.place).native_handle()->fired;
		const uint64_t before = fired, now = job->traced ? scripted_now() : 0;

		make(call);
		const bool fires = call.op != SCRIPTED_END && fired && fired != before;
		if (n == 0)
			job->second = scripted_now();
		if (job->traced)
			job->trace[n] = now << 1 | fires;
		if (!fires)
			continue;
		if (job->fires++ == 0)
			job->first_fire = n;
		job->last_fire = n;
	}
	job->after = scripted_now();
}

} /* namespace */

/* For driver.c's `name`, which these places do not serve, there is no array of structs. */
#define SCRIPTED_CPP                                            \
	{                                                       \
		nullptr, &pushback_semaphore, run, init, forget \
	}

#endif /* SCRIPTED_HPP */
