/* SPDX-License-Identifier: MIT */
#include "gate.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(msg) abort()
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "opts.h"

const char *const gate_names[GATE_KINDS] = {
	[GATE_SELF] = "self",
	[GATE_REFUSING] = "refusing",
	[GATE_BLOCKED] = "blocked",
	[GATE_FULL] = "full",
};

struct limit {
	enum gate_kind kind;
	char *glob;
	double most;
};

/*
 * An instance, or what hangs together by its oldest one. Who is watched in parts counts anew in each, from
 * another beginning.
 */
struct key {
	struct pb_process_key process;
	uint64_t instance;
	uint64_t begun;
	uint64_t consumer; /* it is one */
};

struct part {
	struct key key;
	char process[16], name[PUSHBACK_NAME_SIZE];
	uint64_t ns[GATE_KINDS];
	uint64_t watched_ns;
	bool partly;
	UT_hash_handle hh;
};

/* A step of a process, or a consumer: all of its parts. */
struct sum_key {
	struct pb_process_key process;
	uint64_t consumer; /* its oldest instance; 0: a step */
	char name[PUSHBACK_NAME_SIZE];
};

struct sum {
	struct sum_key key;
	const char *process;
	uint64_t ns;
	uint64_t first; /* of its parts' beginnings */
	uint64_t watched_ns;
	bool partly;
	UT_hash_handle hh;
};

struct gate {
	struct limit *limits;
	size_t count;
	struct part *parts;
	struct sum *sums; /* of those of the last judgement */
	struct gate_result result;
};

struct gate *gate_new(void)
{
	return calloc(1, sizeof(struct gate));
}

static void forget_sums(struct gate *g)
{
	struct sum *sum, *next;

	HASH_ITER (hh, g->sums, sum, next) {
		HASH_DEL(g->sums, sum);
		free(sum);
	}
}

void gate_free(struct gate *g)
{
	struct part *part, *next;

	if (!g)
		return;
	forget_sums(g);
	for (size_t i = 0; i < g->count; i++)
		free(g->limits[i].glob);
	free(g->limits);
	HASH_ITER (hh, g->parts, part, next) {
		HASH_DEL(g->parts, part);
		free(part);
	}
	free(g);
}

/* ---- Limits ---- */

static int add(struct gate *g, const struct limit *limit)
{
	struct limit *limits;

	if (!limit->glob)
		return -ENOMEM;
	limits = realloc(g->limits, (g->count + 1) * sizeof(*limits));
	if (!limits)
		return -ENOMEM;
	g->limits = limits;
	g->limits[g->count++] = *limit;
	return 0;
}

int gate_limit(struct gate *g, enum gate_kind kind, const char *text, char *why, size_t why_size)
{
	const char *equals = strrchr(text, '='), *share = equals ? equals + 1 : text;
	struct limit limit = { .kind = kind };
	int err;

	if ((!equals && kind != GATE_FULL) || equals == text || opts_percent(share, &limit.most)) {
		snprintf(why, why_size, "--max-%s '%s': give it as %s, a part of the time",
			 gate_names[kind], text,
			 kind == GATE_FULL ? "20% or CONSUMER=20%" : "STEP=20%");
		return -EINVAL;
	}
	if (limit.most >= 1) {
		snprintf(why, why_size, "--max-%s '%s' can never be broken: give less than 100%%",
			 gate_names[kind], text);
		return -EINVAL;
	}
	limit.glob = equals ? strndup(text, (size_t)(equals - text)) : strdup("*");
	err = add(g, &limit);
	if (err)
		free(limit.glob);
	return err;
}

/* ---- What was seen ---- */

static void copy_text(char *to, size_t size, const char *from)
{
	size_t length = strnlen(from, size - 1);

	memcpy(to, from, length);
	to[length] = '\0';
}

/* NULL when out of memory. */
static struct part *part_of(struct gate *g, const struct key *key, const char *process)
{
	struct part *part;

	HASH_FIND(hh, g->parts, key, sizeof(*key), part);
	if (part)
		return part;
	part = calloc(1, sizeof(*part));
	if (!part)
		return NULL;
	part->key = *key;
	copy_text(part->process, sizeof(part->process), process);
	HASH_ADD(hh, g->parts, key, sizeof(part->key), part);
	if (part->hh.tbl)
		return part;
	free(part);
	return NULL;
}

static uint64_t since(uint64_t begun, uint64_t now)
{
	return begun && begun < now ? now - begun : 0;
}

int gate_step(struct gate *g, const struct record *record, uint64_t now)
{
	const struct key key = { record->key.process, record->key.instance, record->begun, 0 };
	struct part *part = part_of(g, &key, record->process);

	if (!part)
		return -ENOMEM;
	copy_text(part->name, sizeof(part->name), record->name);
	part->ns[GATE_SELF] = record->counter[COUNTER_SEND_SELF_TIME];
	part->ns[GATE_REFUSING] = record->counter[COUNTER_SEND_TIME];
	part->ns[GATE_BLOCKED] = record->counter[COUNTER_RECEIVE_TIME];
	part->watched_ns = since(record->begun, now);
	part->partly = record->partly;
	return 0;
}

/* The one that has been there for longest. */
static const struct record *oldest(const struct consumer_view *consumer)
{
	const struct record *first = consumer->steps[0]->record;

	for (size_t i = 1; i < consumer->step_count; i++) {
		const struct record *record = consumer->steps[i]->record;

		if (record->key.instance < first->key.instance)
			first = record;
	}
	return first;
}

int gate_consumer(struct gate *g, const struct consumer_view *consumer, uint64_t now)
{
	struct key key = { .process = consumer->process, .consumer = 1 };
	const struct record *first;
	struct part *part;

	if (!consumer->step_count)
		return 0;
	first = oldest(consumer);
	key.instance = first->key.instance;
	key.begun = first->begun;
	part = part_of(g, &key, consumer->name);
	if (!part)
		return -ENOMEM;
	part->ns[GATE_FULL] = consumer->full_ns;
	part->watched_ns = 0;
	for (size_t i = 0; i < consumer->step_count; i++) {
		const struct record *record = consumer->steps[i]->record;
		uint64_t ns = since(record->begun, now);

		part->partly |= record->partly;
		if (ns > part->watched_ns)
			part->watched_ns = ns;
	}
	return 0;
}

/* ---- The judgement ---- */

static bool is_meant(const struct limit *limit, const struct part *part)
{
	bool full = limit->kind == GATE_FULL;

	return full == (part->key.consumer != 0) && part->watched_ns &&
	       !fnmatch(limit->glob, full ? part->process : part->name, 0);
}

/* NULL when out of memory. */
static struct sum *sum_of(struct gate *g, const struct part *part)
{
	struct sum_key key = { .process = part->key.process };
	struct sum *sum;

	if (part->key.consumer)
		key.consumer = part->key.instance;
	else
		copy_text(key.name, sizeof(key.name), part->name);
	HASH_FIND(hh, g->sums, &key, sizeof(key), sum);
	if (sum)
		return sum;
	sum = calloc(1, sizeof(*sum));
	if (!sum)
		return NULL;
	sum->key = key;
	sum->process = part->process;
	HASH_ADD(hh, g->sums, key, sizeof(sum->key), sum);
	if (sum->hh.tbl)
		return sum;
	free(sum);
	return NULL;
}

static int add_up(struct gate *g, const struct limit *limit)
{
	const struct part *part;

	forget_sums(g);
	for (part = g->parts; part; part = part->hh.next) {
		struct sum *sum;

		if (!is_meant(limit, part))
			continue;
		sum = sum_of(g, part);
		if (!sum)
			return -ENOMEM;
		sum->ns += part->ns[limit->kind];
		sum->watched_ns += part->watched_ns;
		if (!sum->first || part->key.begun < sum->first)
			sum->first = part->key.begun;
		sum->partly |= part->partly;
	}
	return 0;
}

static void take_worst(struct gate_result *result, const struct sum *sum)
{
	double share = (double)sum->ns / (double)sum->watched_ns;

	if (share > 1)
		share = 1;
	if (result->seen && share <= result->share)
		return;
	result->seen = true;
	result->share = share;
	result->partly = sum->partly;
	result->pid = (int)sum->key.process.tgid;
	result->process = sum->process;
	result->step = sum->key.consumer ? NULL : sum->key.name;
	result->first = sum->first;
	result->watched_ns = sum->watched_ns;
}

const struct gate_result *gate_judge(struct gate *g, size_t limit)
{
	const struct limit *l;
	const struct sum *sum;

	if (limit >= g->count)
		return NULL;
	l = &g->limits[limit];
	g->result = (struct gate_result){ .kind = l->kind, .glob = l->glob, .most = l->most };
	g->result.err = add_up(g, l);
	for (sum = g->sums; sum; sum = sum->hh.next)
		take_worst(&g->result, sum);
	g->result.broken = g->result.share > l->most;
	return &g->result;
}
