/* SPDX-License-Identifier: MIT */
/* A user's code in C++, compiled with more warnings than most users have; all of pushback.hpp. */
#include "pushback.hpp"

static pushback::step fixed("fixed");

bool use(const char *name, pushback::outcome how);

bool use(const char *name, pushback::outcome how)
{
	pushback::step made(name);
	pushback::submit_guard submit(fixed);
	pushback::poll_guard poll(made);
	{
		pushback::forward_guard forward(fixed);
		forward.report(how);
	}
	made.submit_enter();
	made.submit_return(pushback::propagated);
	made.forward_return(pushback::invalid);
	made.poll_enter();
	made.poll_return(poll.ready(true));
	made.depth(1);
	made.depth(1, 2);
	made.end();
	pushback_submit_return(made.native_handle(), pushback::rejected);
	return submit.report(how);
}
