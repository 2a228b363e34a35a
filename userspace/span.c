/* SPDX-License-Identifier: MIT */
#include "span.h"

#include <time.h>

#include "msg.h"
#include "top_words.h"

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void note(struct span *s, int err)
{
	if (err)
		s->err = err;
}

static void flush(struct sink *sink, const struct model *m, const struct agent_stats *stats,
		  uint64_t now, bool last)
{
	struct span *s = (struct span *)sink;

	(void)last;
	s->stats = *stats;
	s->partly |= stats->files_partly;
	s->lasted = now - s->began;
	note(s, s->ops->look(s->context, m, now));
	s->done |= now >= s->until;
}

/* What is watched partly is gone then, and may be at the end. */
static void pausing(struct sink *sink, const struct model *m, uint64_t now)
{
	struct span *s = (struct span *)sink;

	note(s, s->ops->look(s->context, m, now));
}

static void ended(struct sink *sink, const struct record *record)
{
	struct span *s = (struct span *)sink;

	note(s, s->ops->ended(s->context, record, record->ended ? record->ended : now_ns()));
}

static bool is_done(const struct sink *sink)
{
	return ((const struct span *)sink)->done;
}

static void stay(struct sink *sink)
{
	(void)sink;
}

static const struct sink_ops sink_ops = { .name = "span",
					  .flush = flush,
					  .pausing = pausing,
					  .ended = ended,
					  .done = is_done,
					  .free = stay };

enum exit_status span_watch(struct span *s, const struct span_ops *ops, void *context,
			    const struct agent_settings *settings, char *why)
{
	struct agent_options options = agent_settings_options(settings);
	struct sink *sink = &s->sink;
	struct agent *agent = NULL;
	enum exit_status status;

	*s = (struct span){ .sink.ops = &sink_ops, .ops = ops, .context = context };
	options.interval_ns = SPAN_LOOKS_NS;
	status = agent_new(&agent, &options, why);
	if (agent) {
		s->began = now_ns();
		s->until = s->began + settings->interval_ns;
		status = agent_run(agent, &sink, 1, why);
	}
	agent_free(agent);
	agent_settings_release();
	return status;
}

void span_warn(const struct span *s)
{
	char lost[256];

	top_words_lost(&s->stats, lost, sizeof(lost));
	if (*lost)
		msg_warn("%s", lost);
}

json_t *span_lost(const struct span *s)
{
	json_t *object = json_object();

	for (size_t i = 0; object && s->stats.lost[i].reason; i++)
		if (s->stats.lost[i].count)
			json_object_set_new(object, s->stats.lost[i].reason,
					    json_integer((json_int_t)s->stats.lost[i].count));
	return object;
}
