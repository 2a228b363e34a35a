/* SPDX-License-Identifier: MIT */
#include "agent_keep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "msg.h"
#include "pinned.h"

struct agent_keep {
	struct agent_keep_parts parts;
	struct keep_writer writer; /* its memory is used again */
	void *data;                /* of the former agent, until the sinks have theirs */
	struct keep_reader all;
	uint64_t stored_at; /* by the former agent */
	bool failed;        /* the last time */
};

static int refuse(const struct agent_keep *k, int err, char *why)
{
	if (err == -ENOMEM)
		snprintf(why, ATTACH_WHY_SIZE, "out of memory");
	else
		pinned_refuse(k->parts.pinned,
			      err == -EPROTO ? "is another version's" : "cannot be read", why);
	return err;
}

static int load_drain(struct agent_keep *k, struct keep_reader *r)
{
	return drain_load(k->parts.drain, r);
}

static int load_model(struct agent_keep *k, struct keep_reader *r)
{
	return model_load(k->parts.model, r);
}

static int load_labels(struct agent_keep *k, struct keep_reader *r)
{
	return labels_load(k->parts.labels, r);
}

static int load_matcher(struct agent_keep *k, struct keep_reader *r)
{
	return matcher_load(k->parts.matcher, r);
}

static int load_time(struct agent_keep *k, struct keep_reader *r)
{
	k->stored_at = keep_read(r);
	return keep_result(r);
}

static int load_parts(struct agent_keep *k)
{
	static const struct {
		const char *name;
		int (*load)(struct agent_keep *k, struct keep_reader *r);
	} parts[] = {
		{ "agent", load_time },    { "drain", load_drain },     { "model", load_model },
		{ "labels", load_labels }, { "matcher", load_matcher },
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct keep_reader section;

		err = keep_find(&k->all, parts[i].name, &section) ? parts[i].load(k, &section)
								  : -EBADMSG;
	}
	return err;
}

static int load(struct agent_keep *k, char *why)
{
	size_t size;
	int err = pinned_recall(k->parts.pinned, &k->data, &size);

	if (!err && !k->data)
		return 0;
	if (!err)
		err = keep_open(&k->all, k->data, size);
	if (!err)
		err = load_parts(k);
	if (err)
		return refuse(k, err, why);
	/* That they have ended was stored, so they may go. */
	if (drain_ended(k->parts.drain))
		drain_bury(k->parts.drain);
	return 0;
}

int agent_keep_new(struct agent_keep **out, const struct agent_keep_parts *parts, char *why)
{
	struct agent_keep *k = calloc(1, sizeof(*k));
	int err;

	if (!k) {
		snprintf(why, ATTACH_WHY_SIZE, "out of memory");
		return -ENOMEM;
	}
	k->parts = *parts;
	drain_set_keeps(parts->drain);
	err = load(k, why);
	if (err)
		agent_keep_free(k);
	else
		*out = k;
	return err;
}

void agent_keep_free(struct agent_keep *k)
{
	if (!k)
		return;
	keep_free(&k->writer);
	free(k->data);
	free(k);
}

static const char *sink_name(const struct sink *sink, char name[32])
{
	snprintf(name, 32, "sink %.20s", sink->ops->name);
	return name;
}

int agent_keep_load_sinks(struct agent_keep *k, struct sink *const *sinks, size_t count, char *why)
{
	char name[32];
	int err = 0;

	for (size_t i = 0; !err && k->data && i < count; i++) {
		struct keep_reader section;
		bool found = keep_find(&k->all, sink_name(sinks[i], name), &section);

		if (sinks[i]->ops->load)
			err = sinks[i]->ops->load(sinks[i], k->parts.model,
						  found ? &section : NULL);
	}
	free(k->data);
	k->data = NULL;
	return err ? refuse(k, err, why) : 0;
}

static void save(struct agent_keep *k, struct sink *const *sinks, size_t count, uint64_t now)
{
	struct keep_writer *w = &k->writer;
	char name[32];

	keep_clear(w);
	keep_begin(w, "agent");
	keep_number(w, now);
	keep_end(w);
	keep_begin(w, "drain");
	drain_save(k->parts.drain, w);
	keep_end(w);
	keep_begin(w, "model");
	model_save(k->parts.model, w);
	keep_end(w);
	keep_begin(w, "labels");
	labels_save(k->parts.labels, w);
	keep_end(w);
	keep_begin(w, "matcher");
	matcher_save(k->parts.matcher, w);
	keep_end(w);
	for (size_t i = 0; i < count; i++) {
		if (!sinks[i]->ops->save)
			continue;
		keep_begin(w, sink_name(sinks[i], name));
		sinks[i]->ops->save(sinks[i], w);
		keep_end(w);
	}
}

static int store(struct agent_keep *k, struct sink *const *sinks, size_t count, uint64_t now)
{
	int err;

	save(k, sinks, count, now);
	err = keep_finish(&k->writer);
	if (!err)
		err = pinned_store(k->parts.pinned, k->writer.data, k->writer.size);
	if (!err && drain_ended(k->parts.drain))
		drain_bury(k->parts.drain);
	return err;
}

void agent_keep_round(struct agent_keep *k, struct sink *const *sinks, size_t count, bool told,
		      uint64_t now)
{
	int err;

	if (!k || (!told && !drain_ended(k->parts.drain)))
		return;
	err = store(k, sinks, count, now);
	if (err && !k->failed)
		msg_warn("cannot store what was told (%s): the next agent would tell it again",
			 err == -ESTALE ? "the pins are out of reach" : strerror(-err));
	k->failed = err;
}

void agent_keep_age(const struct agent_keep *k, uint64_t now, char *text, size_t size)
{
	text[0] = '\0';
	if (k && k->stored_at && k->stored_at <= now)
		snprintf(text, size, ", going on from %.1f s ago",
			 (double)(now - k->stored_at) / 1e9);
}

void agent_keep_tell(const struct attach *attach, bool some)
{
	const struct pinned *pinned = attach_pinned(attach);
	const char *line;

	if (!pinned)
		return;
	for (size_t i = 0; (line = pinned_said(pinned, i)); i++)
		msg_info("%s", line);
	if (some && attach_unasked(attach))
		msg_info("files of the state that were not given stay watched: %zu",
			 attach_unasked(attach));
	if (pinned_has_missed(pinned))
		msg_warn("some probes were gone while no agent ran: what happened meanwhile is "
			 "missing, and episodes that were open are partial");
}
