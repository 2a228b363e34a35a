/* SPDX-License-Identifier: MIT */
/*
 * sink_driver - feeds a real model with given records and flushes it through the real statsd sink
 *
 * usage: sink_driver ADDRESS PREFIX FORMAT TYPE [TAG...]
 *	FORMAT is dogstatsd, statsd or summary; TYPE is d, h or ms
 *
 * Reads commands from stdin, one a line, and answers each with a line: "ok ..." or "error ...".
 *
 *	step I NAME PROCESS TAGS  instance I (0 to 9999) begins; texts as hex digits, "-" for none
 *	add I COUNTER N		  counts or ns; COUNTER as in metrics.c
 *	sample I send|receive NS N  N closed episodes of NS each, their time counted as well
 *	open I send|receive NS	  an episode is open since NS before now; 0 none
 *	dead I			  the next drain is its last
 *	drain			  a second passes, the model sees all records
 *	wait SECONDS		  time passes
 *	lost REASON N		  the agent's own losses, cumulative
 *	stats STEPS PROCESSES NS  the agent's gauges
 *	flush | last | poll	  the sink's calls; answered with the real ms that it took
 *	sndbuf BYTES		  shrinks the send buffers of all of our sockets
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "../../userspace/sink_statsd.h"

#define STEPS_MAX 10000
#define SECOND_NS UINT64_C(1000000000)

struct instance {
	bool used;
	struct record record;
	char tags[512];
};

static struct instance instances[STEPS_MAX];
static struct agent_stats stats;
static char reasons[32][64];
static uint64_t now = 1000 * SECOND_NS;

static void die(const char *text)
{
	printf("error %s\n", text);
	exit(1);
}

/* "-" is empty, otherwise pairs of hex digits. */
static void decode(char *out, size_t size, const char *hex)
{
	size_t length = 0;
	unsigned int byte;

	for (; *hex != '-' && length + 1 < size && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		out[length++] = (char)byte;
	out[length] = '\0';
}

static struct instance *instance_of(unsigned int index)
{
	if (index >= STEPS_MAX || !instances[index].used)
		die("no such instance");
	return &instances[index];
}

static void begin_step(const char *arguments)
{
	static uint64_t instance_number;
	char name[600], process[600], tags[1100];
	unsigned int index;

	if (sscanf(arguments, "%u %599s %599s %1099s", &index, name, process, tags) != 4 ||
	    index >= STEPS_MAX)
		die("step");

	struct instance *i = &instances[index];

	*i = (struct instance){ .used = true };
	i->record.key.process.tgid = index / 20 + 1;
	i->record.key.instance = ++instance_number;
	decode(i->record.name, sizeof(i->record.name), name);
	decode(i->record.process, sizeof(i->record.process), process);
	decode(i->tags, sizeof(i->tags), tags);
}

static void add(const char *arguments)
{
	char name[64];
	unsigned int index;
	uint64_t amount;

	if (sscanf(arguments, "%u %63s %" SCNu64, &index, name, &amount) != 3)
		die("add");
	for (unsigned int c = 0; c < COUNTERS; c++) {
		if (strcmp(counter_names[c].name, name))
			continue;
		instance_of(index)->record.counter[c] += amount;
		return;
	}
	die("no such counter");
}

static unsigned int direction_of(const char *text)
{
	return !strcmp(text, "receive") ? PUSHBACK_RECEIVE : PUSHBACK_SEND;
}

static void sample(const char *arguments)
{
	char direction[16];
	unsigned int index;
	uint64_t ns, count;

	if (sscanf(arguments, "%u %15s %" SCNu64 " %" SCNu64, &index, direction, &ns, &count) != 4)
		die("sample");

	unsigned int d = direction_of(direction);
	struct record *r = &instance_of(index)->record;

	if (hist_add(&r->samples[d], ns, count))
		die("memory");
	r->counter[d ? COUNTER_RECEIVE_EPISODES : COUNTER_SEND_EPISODES] += count;
	r->counter[d ? COUNTER_RECEIVE_TIME : COUNTER_SEND_TIME] += ns * count;
}

static void open_episode(const char *arguments)
{
	char direction[16];
	unsigned int index;
	uint64_t ns;

	if (sscanf(arguments, "%u %15s %" SCNu64, &index, direction, &ns) != 3)
		die("open");
	instance_of(index)->record.since[direction_of(direction)] = ns ? now - ns : 0;
}

static void end_step(const char *arguments)
{
	instance_of((unsigned int)atoi(arguments))->record.dead = true;
}

static void drain(struct model *m)
{
	now += SECOND_NS;
	model_begin(m, now);
	for (unsigned int i = 0; i < STEPS_MAX; i++) {
		struct record *r = &instances[i].record;

		if (!instances[i].used)
			continue;
		if (model_record(m, r, instances[i].tags))
			die("memory");
		hist_clear(&r->samples[PUSHBACK_SEND]);
		hist_clear(&r->samples[PUSHBACK_RECEIVE]);
		instances[i].used = !r->dead;
		if (r->dead) {
			hist_free(&r->samples[PUSHBACK_SEND]);
			hist_free(&r->samples[PUSHBACK_RECEIVE]);
		}
	}
	model_end(m);
}

static void lose(const char *arguments)
{
	char reason[64];
	uint64_t count;

	if (sscanf(arguments, "%63s %" SCNu64, reason, &count) != 2)
		die("lost");
	for (unsigned int i = 0; i < 31; i++) {
		if (stats.lost[i].reason && strcmp(stats.lost[i].reason, reason))
			continue;
		snprintf(reasons[i], sizeof(reasons[i]), "%s", reason);
		stats.lost[i].reason = reasons[i];
		stats.lost[i].count = count;
		return;
	}
}

static void shrink_buffers(const char *arguments)
{
	int size = atoi(arguments);

	for (int fd = 3; fd < 64; fd++)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static double real_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void call_sink(struct sink *sink, struct model *m, const char *command)
{
	double begin = real_ms();

	if (!strcmp(command, "poll"))
		sink->ops->poll(sink, now);
	else
		sink->ops->flush(sink, m, &stats, now, !strcmp(command, "last"));
	printf("ok %.3f\n", real_ms() - begin);
	if (strcmp(command, "poll"))
		model_next_interval(m);
}

static void obey(struct sink *sink, struct model *m, const char *command, const char *arguments)
{
	static const struct {
		const char *name;
		void (*run)(const char *arguments);
	} commands[] = {
		{ "step", begin_step },       { "add", add },       { "sample", sample },
		{ "open", open_episode },     { "dead", end_step }, { "lost", lose },
		{ "sndbuf", shrink_buffers },
	};

	if (!strcmp(command, "flush") || !strcmp(command, "last") || !strcmp(command, "poll")) {
		call_sink(sink, m, command);
		return;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, command))
			continue;
		commands[i].run(arguments);
		printf("ok\n");
		return;
	}
	if (!strcmp(command, "drain"))
		drain(m);
	else if (!strcmp(command, "wait"))
		now += strtoull(arguments, NULL, 10) * SECOND_NS;
	else if (strcmp(command, "stats") ||
		 sscanf(arguments, "%" SCNu64 " %" SCNu64 " %" SCNu64, &stats.steps,
			&stats.processes, &stats.drain_ns) != 3)
		die("no such command");
	printf("ok\n");
}

static struct sink *make_sink(char **argv)
{
	struct statsd_options options = {
		.address = argv[1],
		.prefix = argv[2],
		.tags = (const char *const *)argv + 5,
		.format = !strcmp(argv[3], "statsd")    ? STATSD_ETSY
			  : !strcmp(argv[3], "summary") ? STATSD_SUMMARY
							: STATSD_DOGSTATSD,
		.histogram = !strcmp(argv[4], "h")    ? STATSD_HISTOGRAM
			     : !strcmp(argv[4], "ms") ? STATSD_TIMER
						      : STATSD_DISTRIBUTION,
	};
	char why[300];
	struct sink *sink = sink_statsd_new(&options, why, sizeof(why));

	if (!sink)
		die(why);
	return sink;
}

int main(int argc, char **argv)
{
	char line[4096], command[16];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 5)
		die("usage: sink_driver ADDRESS PREFIX FORMAT TYPE [TAG...]");

	struct sink *sink = make_sink(argv);
	struct model *m = model_new();

	while (m && fgets(line, sizeof(line), stdin)) {
		int used = 0;

		if (sscanf(line, "%15s %n", command, &used) == 1)
			obey(sink, m, command, line + used);
	}
	for (unsigned int i = 0; i < STEPS_MAX; i++) {
		hist_free(&instances[i].record.samples[PUSHBACK_SEND]);
		hist_free(&instances[i].record.samples[PUSHBACK_RECEIVE]);
	}
	model_free(m);
	sink->ops->free(sink);
	return 0;
}
