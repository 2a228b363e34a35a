/* SPDX-License-Identifier: MIT */
/*
 * What a user writes: options (argv, each argument up to a 0), TIME and PERCENT, addresses, tags, patterns.
 * A refusal is one line.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_input.h"
#include "labels.h"
#include "matcher.h"
#include "openmetrics_address.h"
#include "opts.h"
#include "statsd_address.h"

#define ARGUMENTS_MOST 32

struct settings {
	bool flag, help;
	const char *text, *filled;
	struct option_list list, operands;
	struct option_pids pids;
	uint64_t duration;
	int choice;
	double percent;
};

#define AT(field) offsetof(struct settings, field)

static const char *const choices[] = { "dogstatsd", "statsd", "summary", NULL };

/* One of each kind. */
/* clang-format off */
static const struct option options[] = {
	{ .name = "flag", .kind = OPTION_FLAG, .offset = AT(flag), .letter = 'f', .help = "a flag" },
	{ .name = "text", .value = "TEXT", .kind = OPTION_TEXT, .offset = AT(text), .letter = 't', .help = "a text" },
	{ .name = "filled", .value = "TEXT", .kind = OPTION_TEXT, .offset = AT(filled), .filled = true, .help = "one" },
	{ .name = "tag", .value = "K:V", .kind = OPTION_LIST, .offset = AT(list), .help = "again" },
	{ .name = "pid", .value = "N", .kind = OPTION_PIDS, .offset = AT(pids), .letter = 'p', .help = "again" },
	{ .name = "interval", .value = "TIME", .kind = OPTION_DURATION, .offset = AT(duration), .least = 100000000, .help = "so long" },
	{ .name = "format", .value = "NAME", .kind = OPTION_CHOICE, .offset = AT(choice), .choices = choices, .help = "which" },
	{ .name = "budget", .value = "PERCENT", .kind = OPTION_PERCENT, .offset = AT(percent), .help = "so much" },
	{ .name = "hidden", .kind = OPTION_FLAG, .offset = AT(flag), .hidden = true, .help = "" },
	{ .name = NULL },
};
static const struct option operands[] = {
	{ .name = "FILE", .value = "FILE", .kind = OPTION_LIST, .offset = AT(operands), .help = "files" },
	{ .name = NULL },
};
/* clang-format on */
static const struct verb verb = {
	.name = "run",
	.summary = "one line",
	.text = "A paragraph.",
	.options = options,
	.operands = operands,
};

static void parse_options(struct input *in)
{
	char *argv[ARGUMENTS_MOST + 2] = { NULL }, why[256] = "";
	struct settings s = { .duration = 1, .percent = 0.5 };
	int argc = 0, err;

	argv[argc++] = strdup("run");
	while (argc <= ARGUMENTS_MOST && !input_is_over(in))
		argv[argc++] = input_text(in);
	err = opts_parse(&verb, argc, argv, &s, why, sizeof(why));
	MUST(err == 0 || err == 1 || err == -EINVAL);
	if (err < 0) {
		MUST(*why && fuzz_is_line(why, sizeof(why)));
	} else if (!err) {
		MUST(s.choice >= 0 && s.choice < 3);
		MUST(s.duration == 1 || s.duration >= 100000000);
		MUST(s.percent > 0 && isfinite(s.percent));
		for (size_t i = 0; i < s.pids.count; i++)
			MUST(s.pids.items[i] > 0);
	}
	opts_free(&verb, &s);
	while (argc)
		free(argv[--argc]);
}

static void parse_numbers(const char *text)
{
	double share;
	uint64_t ns;
	int err = opts_percent(text, &share);

	MUST(err == -EINVAL || (!err && share > 0 && isfinite(share)));
	err = opts_duration(text, &ns);
	MUST(err == 0 || err == -EINVAL || err == -ERANGE);
}

static void parse_addresses(const char *text)
{
	struct openmetrics_address scrape;
	struct statsd_address statsd;
	char why[256], shown[OPENMETRICS_ADDRESS_SIZE];

	if (statsd_address_parse(&statsd, text, why, sizeof(why))) {
		MUST(fuzz_is_line(why, sizeof(why)));
	} else if (statsd.scheme == STATSD_UDP) {
		MUST(*statsd.host && strlen(statsd.host) < sizeof(statsd.host));
		MUST(atoi(statsd.port) > 0 && atoi(statsd.port) < 65536);
	} else {
		MUST(*statsd.path && strlen(statsd.path) < sizeof(statsd.path));
	}
	if (openmetrics_address_parse(&scrape, text, why, sizeof(why))) {
		MUST(fuzz_is_line(why, sizeof(why)));
		return;
	}
	openmetrics_address_text(shown, &scrape.socket, scrape.size);
	MUST(!openmetrics_address_parse(&scrape, shown, why, sizeof(why)));
}

static void parse_specs(struct input *in)
{
	char *first = input_text(in), *second = input_text(in), why[256];
	const char *specs[] = { first, second, NULL };
	struct labels *labels = labels_new(specs, input_byte(in) & 1, why, sizeof(why));
	struct record record = { .name = "step" };
	struct matcher *matcher;

	if (!labels)
		MUST(fuzz_is_line(why, sizeof(why)));
	labels_free(labels);
	matcher = matcher_new(&(struct matcher_options){ specs, NULL, NULL });
	MUST(matcher);
	/* No such process: only its name is looked at. */
	record.key.process.tgid = 0x7fffffff;
	input_bytes(in, record.process, sizeof(record.process) - 1);
	matcher_wants(matcher, &record);
	matcher_free(matcher);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t kind = input_byte(&in);
	char *text;

	if (kind % 4 == 0) {
		parse_options(&in);
	} else if (kind % 4 == 1) {
		parse_specs(&in);
	} else {
		text = input_text(&in);
		parse_numbers(text);
		parse_addresses(text);
		free(text);
	}
	return 0;
}
