/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "broker.h"
#include "clock.h"
#include "message.h"

#define PARTITIONS 2
#define TICK_NS    (NSEC_PER_SEC / 200) /* messages are produced in bursts, 200 a second */

static rd_kafka_t *open_producer(void)
{
	static const char *const settings[][2] = {
		{ "test.mock.num.brokers", "1" },
		{ "linger.ms", "5" },
		{ "acks", "1" },
		{ "queue.buffering.max.messages", "100000" },
		{ "log_level", "2" },
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *kafka;
	char error[256];

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		rd_kafka_conf_set(conf, settings[i][0], settings[i][1], NULL, 0);
	kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	if (!kafka) {
		rd_kafka_conf_destroy(conf);
		fprintf(stderr, "pushback-demo: cannot start a broker: %s\n", error);
	}
	return kafka;
}

/* Waits up to `ns` for a signal that ends it. */
static bool ended(const sigset_t *signals, uint64_t ns)
{
	struct timespec ts = clock_timespec(ns);

	return sigtimedwait(signals, NULL, &ts) > 0;
}

static void produce(rd_kafka_t *kafka, rd_kafka_topic_t *topic, const sigset_t *signals,
		    uint64_t rate)
{
	const uint64_t begin = clock_now();
	uint64_t sent = 0;

	do {
		double elapsed = (double)(clock_now() - begin) / 1e9;
		uint64_t due = rate ? (uint64_t)(elapsed * (double)rate) + 1 : UINT64_MAX;

		while (sent < due) {
			char text[MESSAGE_TEXT_SIZE];
			size_t length = message_format(text, sent);

			/* A full queue is no loss: the message is formatted again at the next turn.
			 */
			if (rd_kafka_produce(topic, (int32_t)(sent % PARTITIONS),
					     RD_KAFKA_MSG_F_COPY, text, length, NULL, 0, NULL))
				break;
			sent++;
		}
		rd_kafka_poll(kafka, 0);
	} while (!ended(signals, TICK_NS));
}

int broker_main(const char *name, uint64_t rate)
{
	rd_kafka_mock_cluster_t *cluster;
	rd_kafka_topic_t *topic;
	rd_kafka_t *kafka;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	prctl(PR_SET_NAME, "pushback-broker");
	kafka = open_producer();
	if (!kafka)
		return 1;
	cluster = rd_kafka_handle_mock_cluster(kafka);
	rd_kafka_mock_topic_create(cluster, name, PARTITIONS, 1);
	topic = rd_kafka_topic_new(kafka, name, NULL);
	printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
	fflush(stdout);
	produce(kafka, topic, &signals, rate);
	rd_kafka_purge(kafka, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(kafka);
	return 0;
}
