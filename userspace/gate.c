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

/* A step of a process, or with an empty name and `consumer` what hangs together in it. */
struct key {
	struct pb_process_key process;
	uint64_t consumer; /* its oldest instance */
	char name[PUSHBACK_NAME_SIZE];
};

struct sum {
	struct key key;
	char process[16];
	uint64_t ns[GATE_KINDS];
	uint64_t watched_ns;
	bool partly;
	UT_hash_handle hh;
};

struct gate {
	struct limit *limits;
	size_t count;
	struct sum *sums;
	struct gate_result result;
};

struct gate *gate_new(void)
{
	return calloc(1, sizeof(struct gate));
}

void gate_free(struct gate *g)
{
	struct sum *sum, *next;

	if (!g)
		return;
	for (size_t i = 0; i < g->count; i++)
		free(g->limits[i].glob);
	free(g->limits);
	HASH_ITER (hh, g->sums, sum, next) {
		HASH_DEL(g->sums, sum);
		free(sum);
	}
	free(g);
}

/* ---- Limits ---- */

static int add(struct gate *g, const struct limit *limit)
{
	struct limit *limits = realloc(g->limits, (g->count + 1) * sizeof(*limits));

	if (!limits || !limit->glob)
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
static struct sum *sum_of(struct gate *g, const struct key *key, const char *process)
{
	struct sum *sum;

	HASH_FIND(hh, g->sums, key, sizeof(*key), sum);
	if (sum)
		return sum;
	sum = calloc(1, sizeof(*sum));
	if (!sum)
		return NULL;
	sum->key = *key;
	copy_text(sum->process, sizeof(sum->process), process);
	HASH_ADD(hh, g->sums, key, sizeof(sum->key), sum);
	if (sum->hh.tbl)
		return sum;
	free(sum);
	return NULL;
}

static uint64_t since(uint64_t begun, uint64_t now)
{
	return begun && begun < now ? now - begun : 0;
}

int gate_step(struct gate *g, const struct record *record, uint64_t now)
{
	struct key key = { .process = record->key.process };
	struct sum *sum;

	copy_text(key.name, sizeof(key.name), record->name);
	sum = sum_of(g, &key, record->process);
	if (!sum)
		return -ENOMEM;
	sum->ns[GATE_SELF] += record->counter[COUNTER_SEND_SELF_TIME];
	sum->ns[GATE_REFUSING] += record->counter[COUNTER_SEND_TIME];
	sum->ns[GATE_BLOCKED] += record->counter[COUNTER_RECEIVE_TIME];
	sum->watched_ns += since(record->begun, now);
	sum->partly |= record->partly;
	return 0;
}

int gate_consumer(struct gate *g, const struct consumer_view *consumer, uint64_t now)
{
	struct key key = { .process = consumer->process };
	uint64_t watched = 0;
	struct sum *sum;

	key.consumer = UINT64_MAX;
	for (size_t i = 0; i < consumer->step_count; i++) {
		const struct record *record = consumer->steps[i]->record;

		if (record->key.instance < key.consumer)
			key.consumer = record->key.instance;
		if (since(record->begun, now) > watched)
			watched = since(record->begun, now);
	}
	sum = sum_of(g, &key, consumer->name);
	if (!sum)
		return -ENOMEM;
	for (size_t i = 0; i < consumer->step_count; i++)
		sum->partly |= consumer->steps[i]->record->partly;
	sum->ns[GATE_FULL] = consumer->full_ns;
	sum->watched_ns = watched;
	return 0;
}

/* ---- The judgement ---- */

static bool is_meant(const struct limit *limit, const struct sum *sum)
{
	bool full = limit->kind == GATE_FULL;

	return full == (sum->key.consumer != 0) && sum->watched_ns &&
	       !fnmatch(limit->glob, full ? sum->process : sum->key.name, 0);
}

static void take_worst(struct gate_result *result, const struct sum *sum)
{
	double share = (double)sum->ns[result->kind] / (double)sum->watched_ns;

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
	for (sum = g->sums; sum; sum = sum->hh.next)
		if (is_meant(l, sum))
			take_worst(&g->result, sum);
	g->result.broken = g->result.share > l->most;
	return &g->result;
}
