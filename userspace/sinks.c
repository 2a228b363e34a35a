/* SPDX-License-Identifier: MIT */
#include "sinks.h"

void sinks_drained(struct sink *const *sinks, size_t count, const struct model *m, uint64_t now)
{
	for (size_t i = 0; i < count; i++)
		if (sinks[i]->ops->drained)
			sinks[i]->ops->drained(sinks[i], m, now);
}

size_t sinks_gather(struct sinks_wakers *w, struct sink *const *sinks, size_t count,
		    struct pollfd *fds)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		if (sinks[i]->ops->fds)
			used += sinks[i]->ops->fds(sinks[i], &fds[used]);
		w->end[i] = used;
	}
	return used;
}

void sinks_poll_woken(const struct sinks_wakers *w, struct sink *const *sinks, size_t count,
		      const struct pollfd *fds, uint64_t now)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		bool woken = false;

		for (; at < w->end[i]; at++)
			woken |= fds[at].revents != 0;
		if (woken && sinks[i]->ops->poll)
			sinks[i]->ops->poll(sinks[i], now);
	}
}

void sinks_poll(struct sink *const *sinks, size_t count, uint64_t now)
{
	for (size_t i = 0; i < count; i++)
		if (sinks[i]->ops->poll)
			sinks[i]->ops->poll(sinks[i], now);
}
