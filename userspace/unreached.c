/* SPDX-License-Identifier: MIT */
#include "unreached.h"

#include "msg.h"

#define PATIENCE_NS 60000000000ull

static void say(const struct sink *sink, const char *why)
{
	struct sink_report report = { .count = 0 };
	char safe[sizeof(report.address)];

	sink->ops->report(sink, &report);
	msg_safe(safe, sizeof(safe), report.address);
	if (why)
		msg_warn("nothing gets to %s: %s. Counters wait, durations are lost", safe, why);
	else
		msg_info("%s is reached", safe);
}

void unreached_say(struct unreached *u, struct sink *const *sinks, size_t count, uint64_t now)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t since = u->of[i].since;
		const char *why;

		if (!sinks[i]->ops->unreached)
			continue;
		why = sinks[i]->ops->unreached(sinks[i]);
		if (!why) {
			if (u->of[i].told)
				say(sinks[i], NULL);
			u->of[i].since = 0;
			u->of[i].told = false;
			u->of[i].was_reached = true;
		} else if (!since) {
			u->of[i].since = now;
		} else if (!u->of[i].told &&
			   (!u->of[i].was_reached || now - since >= PATIENCE_NS)) {
			u->of[i].told = true;
			say(sinks[i], why);
		}
	}
}
