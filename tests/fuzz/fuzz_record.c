/* SPDX-License-Identifier: MIT */
/*
 * A consumer's struct, and what the kernel has made of it, as the agent reads them: entries of the maps
 * become records, the struct's memory is looked at (of this process itself, so by the same call), the
 * records go through the model, and an end of an episode becomes a line, an object and a slice.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drain_record.h"
#include "drain_samples.h"
#include "fuzz_input.h"
#include "model.h"
#include "peek.h"
#include "trace_chrome.h"
#include "trace_line.h"

#define BLUR_NS 10000000000ull

static void check(const struct record *r, const struct pb_step *e, uint64_t now)
{
	uint64_t most = (int64_t)(now - e->seen_ns) > 0 ? now - e->seen_ns : 0;

	for (int i = 0; i < COUNTERS; i++)
		MUST(r->counter[i] <= most + BLUR_NS);
	MUST(strnlen(r->name, sizeof(r->name)) < sizeof(r->name));
	MUST(strnlen(r->process, sizeof(r->process)) < sizeof(r->process));
}

/* Two looks at the same memory, of which the second has no news of the name. */
static void look(struct pb_step *e, struct pushback_step *memory)
{
	static struct peeker *peeker;
	struct pushback_step before = e->now;
	struct peek_step steps[2] = {
		{ .pid = getpid(), .place = (uint64_t)(uintptr_t)memory, .step = &e->now },
		{ .pid = getpid(),
		  .place = (uint64_t)(uintptr_t)memory ^ 1ull << 62,
		  .step = &before },
	};

	if (!peeker)
		peeker = peeker_new();
	MUST(peeker);
	peek_steps(peeker, steps, 2);
	MUST(steps[1].result == -EFAULT || steps[1].result == -EPERM);
	MUST(!memcmp(e->now.name, before.name, sizeof(before.name)));
	if (steps[0].result)
		MUST(!memcmp(&e->now, &before, sizeof(before)));
	else
		MUST(e->now.instance == memory->instance &&
		     (steps[0].same || e->now.magic == PUSHBACK_STEP_MAGIC));
}

static void take_samples(struct input *in, struct record *r)
{
	static struct samples samples;
	struct pb_hist hist = { { 0 } };
	unsigned int part = input_byte(in) % PB_HIST_PARTS;

	for (int i = 0; i < 8; i++)
		hist.count[input_byte(in) % PB_HIST_PART] = (uint32_t)input_number(in);
	MUST(!samples_read(&samples, part, &hist));
	MUST(!samples_hand_on(&samples, input_number(in), &r->samples[input_byte(in) & 1]));
	samples_free(&samples);
	samples = (struct samples){ 0 };
}

static void see(struct model *m)
{
	size_t count, i;
	const struct series *const *series = model_series(m, &count);
	const struct step_view *steps;

	for (i = 0; i < count; i++)
		MUST(!series[i]->step || strlen(series[i]->step) < PUSHBACK_NAME_SIZE);
	steps = model_steps(m, &count);
	for (i = 0; i < count; i++)
		for (int d = 0; d < 2; d++)
			MUST(steps[i].share[d] >= 0 && steps[i].share[d] <= 1);
	model_consumers(m, &count);
}

/* A few drains of a few steps. */
static void drain(struct input *in)
{
	uint64_t now = 1ull << 40;
	struct model *m = model_new();

	MUST(m);
	for (int round = 0; round < 4 && !input_is_over(in); round++) {
		now += 100000000 + (input_number(in) & 0xffffffff);
		model_begin(m, now);
		for (int n = input_byte(in) & 3; n >= 0; n--) {
			struct record r = { .dead = input_byte(in) & 1 };
			struct pushback_step memory;
			uint8_t how = input_byte(in);
			struct pb_step e;

			input_bytes(in, &e, sizeof(e));
			memory = e.now;
			if (how & 1)
				input_bytes(in, &memory, offsetof(struct pushback_step, direction));
			if (how & 2)
				memory.magic = PUSHBACK_STEP_MAGIC;
			look(&e, &memory);
			drain_record(&r, &e, now, how & 4);
			check(&r, &e, now);
			if (how & 8)
				take_samples(in, &r);
			r.key = (struct pb_step_key){ { 7, 1 + (how >> 6), 0 },
						      1 + (how >> 4 & 3) };
			model_record(m, &r, "a:b");
			hist_free(&r.samples[0]);
			hist_free(&r.samples[1]);
		}
		model_end(m);
		see(m);
		if (input_byte(in) & 1)
			model_next_interval(m);
	}
	model_free(m);
}

static void is_one_line(char *text, size_t size)
{
	MUST(size && text[size - 1] == '\n' && !memchr(text, '\n', size - 1));
	for (size_t i = 0; i < size - 1; i++)
		MUST((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
	free(text);
}

static void is_json(char *text, json_t *object)
{
	json_t *again = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	MUST(again && (!object || json_equal(again, object)));
	json_decref(again);
	free(text);
}

static void trace(struct input *in)
{
	struct trace_columns columns;
	struct trace_chrome *chrome;
	struct trace_episode e;
	struct pb_close close;
	json_t *object;
	char *text;
	size_t size;
	FILE *out;

	trace_columns_begin(&columns, 80, input_byte(in) & 1);
	input_bytes(in, &close, sizeof(close));
	trace_of_close(&e, &close, (int64_t)input_number(in));
	out = open_memstream(&text, &size);
	trace_line(&columns, &e, out);
	fclose(out);
	is_one_line(text, size);
	object = trace_object(&e);
	if (object)
		is_json(json_dumps(object, JSON_COMPACT), object);
	json_decref(object);
	out = open_memstream(&text, &size);
	chrome = trace_chrome_new(out);
	trace_chrome_slice(chrome, &e);
	trace_chrome_end(chrome, close.untold >> 1);
	trace_chrome_free(chrome);
	fclose(out);
	is_json(text, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	if (input_byte(&in) & 1)
		trace(&in);
	else
		drain(&in);
	return 0;
}
