/* SPDX-License-Identifier: MIT */
/*
 * What a process may make of its own files in /proc: its name, its arguments and its environment are these
 * bytes, really, and are then read by pid.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "discover.h"
#include "fuzz_input.h"

#define ROOM 4096 /* of each, at least; what it is filled with at first */
#define MARK "PUSHBACK_FUZZ_ROOM="

/* Where the kernel has what this process was started with. */
struct area {
	char *at;
	size_t size;
};
static struct area arguments, environment;
static uint64_t started;

/* Starts anew with enough room: libFuzzer takes no notice of the last argument. */
static void start_with_room(int argc, char **argv)
{
	char **wide = calloc((size_t)argc + 3, sizeof(*wide)), variable[sizeof(MARK) + ROOM],
	     room[ROOM];

	MUST(wide);
	memset(room, 'x', sizeof(room) - 1);
	room[sizeof(room) - 1] = '\0';
	snprintf(variable, sizeof(variable), MARK "%s", room);
	MUST(!putenv(variable));
	memcpy(wide, argv, (size_t)argc * sizeof(*wide));
	wide[argc] = "-ignore_remaining_args=1";
	wide[argc + 1] = room;
	execv("/proc/self/exe", wide);
	MUST(!"exec");
}

/* Strings that lie one behind the other; what points to them points to copies from then on. */
static struct area take_over(char **strings)
{
	struct area area = { strings[0], 0 };

	for (; *strings; strings++) {
		area.size = (size_t)(*strings - area.at) + strlen(*strings) + 1;
		*strings = strdup(*strings);
		MUST(*strings);
	}
	return area;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (!getenv("PUSHBACK_FUZZ_ROOM"))
		start_with_room(*argc, *argv);
	arguments = take_over(*argv);
	environment = take_over(environ);
	MUST(arguments.size > ROOM && environment.size > ROOM);
	started = discover_start_time(getpid());
	MUST(started);
	return 0;
}

static void fill(const struct area *area, const struct input *in)
{
	memset(area->at, 0, area->size);
	memcpy(area->at, in->data, in->size);
}

/* What is found of NAME in these strings; NULL: it is not there. */
static const char *find(const char *data, size_t size, const char *name, bool next)
{
	size_t length = strlen(name), at = next ? strnlen(data, size) + 1 : 0;

	for (; at < size; at += strnlen(data + at, size - at) + 1) {
		size_t rest = strnlen(data + at, size - at);

		if (rest > length && !memcmp(data + at, name, length) && data[at + length] == '=')
			return data + at + length + 1;
		if (next && rest == length && !memcmp(data + at, name, length))
			return at + rest + 1 < size ? data + at + rest + 1 : NULL;
	}
	return NULL;
}

static void check(int err, const char *value, size_t value_size, const char *expected)
{
	size_t length;

	MUST(err == (expected ? 0 : -ENOENT));
	if (!expected)
		return;
	/* All strings are followed by a NUL: the input is shorter than the room. */
	length = strlen(expected) < value_size ? strlen(expected) : value_size - 1;
	MUST(strlen(value) == length && !memcmp(value, expected, length));
}

static void read_strings(const struct input *in, size_t most)
{
	char value[64];

	most = 1 + most % sizeof(value);
	fill(&environment, in);
	check(discover_environment(getpid(), "A", value, most), value, most,
	      find(environment.at, environment.size, "A", false));
	fill(&arguments, in);
	check(discover_argument(getpid(), "-g", value, most), value, most,
	      find(arguments.at, arguments.size, "-g", true));
}

static void read_name(struct input *in)
{
	char name[16], value[16];

	input_bytes(in, name, sizeof(name));
	name[15] = '\0';
	MUST(!prctl(PR_SET_NAME, name));
	MUST(!discover_name(getpid(), value, sizeof(value)));
	MUST(!strcmp(value, name));
	/* These stand behind it in their file. */
	MUST(discover_start_time(getpid()) == started);
	MUST(discover_is_running(getpid(), started) && !discover_is_running(getpid(), started + 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t most = input_byte(&in);

	read_name(&in);
	if (in.size && in.size < ROOM)
		read_strings(&in, most);
	return 0;
}
