/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "clock.h"
#include "control.h"
#include "source.h"

#define MAX_WAIT_NS (NSEC_PER_SEC / 10)

struct source_memory {
	struct source source;
	uint64_t rate;
	uint64_t begin;
	uint64_t sent;
};

/* False if the next message is not due within the longest wait. */
static bool wait_for_turn(const struct source_memory *memory)
{
	uint64_t whole = memory->sent / memory->rate * NSEC_PER_SEC;
	uint64_t part = memory->sent % memory->rate * NSEC_PER_SEC / memory->rate;
	uint64_t due = memory->begin + whole + part;
	uint64_t now = clock_now();

	if (now >= due)
		return true;
	control_wait(due - now > MAX_WAIT_NS ? now + MAX_WAIT_NS : due);
	return clock_now() >= due;
}

static bool memory_poll(struct source *source, struct message *message)
{
	struct source_memory *memory = (struct source_memory *)source;

	if (memory->rate && !wait_for_turn(memory))
		return false;
	message_format(message->text, memory->sent++);
	return true;
}

static void memory_close(struct source *source)
{
	free(source);
}

struct source *source_memory_open(uint64_t rate)
{
	static const struct source_ops ops = { .poll = memory_poll, .close = memory_close };
	struct source_memory *memory = calloc(1, sizeof(*memory));

	if (!memory)
		return NULL;
	memory->source.ops = &ops;
	memory->rate = rate;
	memory->begin = clock_now();
	return &memory->source;
}
