/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "chain.h"
#include "consumer.h"
#include "control.h"
#include "options.h"
#include "source.h"
#include "truth.h"

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "pushback-demo: %s: %s\n", what, why);
	return 1;
}

static struct source *open_kafka(const char *brokers, const char *topic)
{
	char error[256] = "";
	struct source *source = source_kafka_open(brokers, topic, error, sizeof(error));

	if (!source)
		fail(brokers, error);
	return source;
}

/* The source, with the broker behind it if it has one of its own (*broker, else 0). */
static struct source *open_source(const struct options *options, pid_t *broker)
{
	char address[BROKER_ADDRESS_SIZE];

	if (options->memory)
		return source_memory_open(options->rate);
	if (options->brokers)
		return open_kafka(options->brokers, options->topic);
	*broker = broker_spawn(options->topic, options->rate, address);
	if (*broker < 0) {
		fail("cannot start a broker", strerror(-*broker));
		*broker = 0;
		return NULL;
	}
	return open_kafka(address, options->topic);
}

static int consume(const struct options *options, struct chain *chain)
{
	struct consumer consumer = { .chain = chain, .max_messages = options->messages };
	pid_t broker = 0;
	int err;

	consumer.source = open_source(options, &broker);
	err = consumer.source ? 0 : -EIO;
	if (!err)
		err = consumer_run(&consumer);
	if (!err)
		consumer_summary(&consumer);
	if (consumer.source)
		consumer.source->ops->close(consumer.source);
	if (broker)
		broker_end(broker);
	return err ? 1 : 0;
}

/* Chain and slow step as the user wants them; nonzero if they cannot be. */
static int plan(const struct options *options, struct chain *chain)
{
	const char *wrong = chain_plan(chain, options->steps);

	if (wrong)
		return fail(options->steps, wrong);
	for (size_t i = 0; i < chain->slow.count; i++) {
		if (chain_has(chain, chain->slow.of[i].step))
			continue;
		if (options->slow_given)
			return fail(chain->slow.of[i].step, "no step has that name");
		/* Of the default only the default chain is sure to have the step. */
		chain->slow.count = 0;
	}
	return 0;
}

static int consumer_main(const struct options *options)
{
	struct chain chain = {
		.batch_size = options->batch_size,
		.concurrency = options->concurrency,
		.slow = options->slow,
	};
	int status, err;

	if (plan(options, &chain)) {
		chain_free(&chain);
		return 2;
	}
	err = options->truth ? truth_open(options->truth) : 0;
	if (err) {
		chain_free(&chain);
		return fail(options->truth, strerror(-err));
	}
	err = control_start(options->duration);
	status = err ? fail("cannot wait for signals", strerror(-err)) : consume(options, &chain);
	if (!err)
		control_finish();
	chain_free(&chain);
	err = truth_close();
	return err ? fail(options->truth, strerror(-err)) : status;
}

int main(int argc, char **argv)
{
	struct options options;
	int status = options_parse(&options, argc, argv);

	if (status >= 0)
		return status;
	if (options.role == ROLE_BROKER)
		return broker_main(options.topic, options.rate);
	/* Whoever reads stderr may go first. */
	signal(SIGPIPE, SIG_IGN);
	return consumer_main(&options);
}
