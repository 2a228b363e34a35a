/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

#define DEFAULT_RATE 20000 /* of the broker's producer */

struct option_spec {
	const char *name;
	const char *value; /* what the help calls it; NULL: it takes none */
	bool (*set)(struct options *options, const char *text);
	const char *help;
};

static bool parse_count(const char *text, uint64_t min, uint64_t max, uint64_t *count)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*count = strtoull(text, &end, 10);
	return !errno && !*end && *count >= min && *count <= max;
}

static bool parse_small(const char *text, uint32_t *number)
{
	uint64_t count;

	if (!parse_count(text, 1, 1000000, &count))
		return false;
	*number = (uint32_t)count;
	return true;
}

static bool set_brokers(struct options *options, const char *text)
{
	options->brokers = text;
	return *text != '\0';
}

static bool set_topic(struct options *options, const char *text)
{
	options->topic = text;
	return *text != '\0';
}

static bool set_source(struct options *options, const char *text)
{
	options->memory = !strcmp(text, "memory");
	return options->memory || !strcmp(text, "kafka");
}

static bool set_truth(struct options *options, const char *text)
{
	options->truth = text;
	return *text != '\0';
}

static bool set_slow(struct options *options, const char *text)
{
	struct slow_request request;

	options->slow_given = true;
	return slow_parse(text, &request) && slow_take(&options->slow, &request);
}

static bool set_steps(struct options *options, const char *text)
{
	options->steps = text;
	return *text != '\0';
}

static bool set_messages(struct options *options, const char *text)
{
	return parse_count(text, 1, UINT64_MAX, &options->messages);
}

static bool set_duration(struct options *options, const char *text)
{
	return duration_parse(text, &options->duration);
}

static bool set_rate(struct options *options, const char *text)
{
	return parse_count(text, 0, 1000000000, &options->rate);
}

static bool set_batch(struct options *options, const char *text)
{
	return parse_small(text, &options->batch_size);
}

static bool set_concurrency(struct options *options, const char *text)
{
	return parse_small(text, &options->concurrency);
}

static const struct option_spec specs[] = {
	{ "brokers", "HOST:PORT", set_brokers, "read from this Kafka, not from one of its own" },
	{ "topic", "NAME", set_topic, "default pushback-demo" },
	{ "source", "kafka|memory", set_source, "memory: make the messages up, without a Kafka" },
	{ "rate", "N", set_rate, "messages a second that are produced, 0 as many as can be" },
	{ "messages", "N", set_messages, "end when so many are through" },
	{ "duration", "TIME", set_duration, "end after that" },
	{ "slow", "STEP:HOW:TIME", set_slow,
	  "HOW is refuse or block; or none. +STEP:HOW:TIME: that one too" },
	{ "steps", "NAME[=KIND],...", set_steps,
	  "of decode, filter, transform, guard, batch and sink; behind a\n"
	  "broadcast, / begins its next branch" },
	{ "batch", "N", set_batch, "messages in a batch, default 4" },
	{ "concurrency", "N", set_concurrency, "messages the sink has in flight, default 4" },
	{ "truth", "FILE", set_truth, "log there what every step answered" },
	{ "help", NULL, NULL, "this" },
};

#define SPECS (sizeof(specs) / sizeof(*specs))

/* In a column of its own, broken at its newlines. */
static void print_option(const struct option_spec *spec)
{
	const char *text = spec->help;
	char left[48];

	snprintf(left, sizeof(left), "--%s %s", spec->name, spec->value ? spec->value : "");
	for (;;) {
		size_t size = strcspn(text, "\n");

		printf("  %-26s %.*s\n", left, (int)size, text);
		if (!text[size])
			return;
		text += size + 1;
		left[0] = '\0';
	}
}

static void print_help(void)
{
	printf("A consumer that gets into backpressure, with the pushback probes in its steps.\n\n"
	       "usage: pushback-demo [consumer] [OPTION...]\n"
	       "       pushback-demo broker [--topic NAME] [--rate N]\n\n");
	for (size_t i = 0; i < SPECS; i++)
		print_option(&specs[i]);
	printf("\nTIME is a number with us, ms, s, m or h; bare means s. While it runs it takes on "
	       "stdin:\n[+]STEP:HOW:TIME, none, rebalance (new steps), pause, resume, "
	       "quit.\n\n"
	       "  pushback-demo --slow sink:refuse:1ms\n"
	       "  pushback-demo --source memory --slow transform:block:10us --duration 5s\n");
}

static void fill_long_options(struct option *longs)
{
	memset(longs, 0, (SPECS + 1) * sizeof(*longs));
	for (size_t i = 0; i < SPECS; i++) {
		longs[i].name = specs[i].name;
		longs[i].has_arg = specs[i].value ? required_argument : no_argument;
		longs[i].val = (int)i + 256;
	}
}

static int take_role(struct options *options, int argc, char **argv)
{
	if (argc < 2 || argv[1][0] == '-')
		return 0;
	if (!strcmp(argv[1], "broker"))
		options->role = ROLE_BROKER;
	else if (strcmp(argv[1], "consumer"))
		return -EINVAL;
	return 1;
}

static int wrong(const char *what, const char *value)
{
	fprintf(stderr, "pushback-demo: %s '%s'; see pushback-demo --help\n", what, value);
	return 2;
}

static int take_option(struct options *options, const struct option_spec *spec)
{
	char what[64];

	if (!spec->set) {
		print_help();
		return 0;
	}
	if (spec->set(options, optarg))
		return -1;
	snprintf(what, sizeof(what), "--%s does not take", spec->name);
	return wrong(what, optarg);
}

int options_parse(struct options *options, int argc, char **argv)
{
	struct option longs[SPECS + 1];
	int role, c;

	*options = (struct options){
		.topic = "pushback-demo",
		.steps = "decode,filter,transform,batch,sink",
		.rate = UINT64_MAX,
		.batch_size = 4,
		.concurrency = 4,
		.slow = { .of = { { "sink", SLOW_REFUSE, 1000000, false } }, .count = 1 },
	};
	role = take_role(options, argc, argv);
	if (role < 0)
		return wrong("unknown role", argv[1]);
	fill_long_options(longs);
	optind = 1 + role;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		int status;

		if (c == ':' || c == '?')
			return wrong(c == ':' ? "a value is missing after" : "unknown option",
				     argv[optind - 1]);
		status = take_option(options, &specs[c - 256]);

		if (status >= 0)
			return status;
	}
	if (optind < argc)
		return wrong("unexpected", argv[optind]);
	if (options->rate == UINT64_MAX)
		options->rate = options->memory ? 0 : DEFAULT_RATE;
	return -1;
}
