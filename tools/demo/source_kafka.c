/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "source.h"

#define POLL_MS     100
#define METADATA_MS 5000
#define QUEUED_KIB  "16384" /* messages read ahead: a slow consumer need not hold them all */

struct source_kafka {
	struct source source;
	rd_kafka_t *kafka;
	rd_kafka_resp_err_t last_error;
};

/* librdkafka goes on trying by itself; the same error again says nothing new. */
static void say_error(struct source_kafka *self, const rd_kafka_message_t *read)
{
	if (read->err != self->last_error)
		fprintf(stderr, "pushback-demo: Kafka: %s\n", rd_kafka_message_errstr(read));
	self->last_error = read->err;
}

static bool kafka_poll(struct source *source, struct message *message)
{
	struct source_kafka *self = (struct source_kafka *)source;
	rd_kafka_message_t *read = rd_kafka_consumer_poll(self->kafka, POLL_MS);
	bool good;
	size_t length;

	if (!read)
		return false;
	good = !read->err;
	if (!good) {
		say_error(self, read);
	} else {
		length = read->len < MESSAGE_TEXT_SIZE ? read->len : MESSAGE_TEXT_SIZE - 1;
		if (length)
			memcpy(message->text, read->payload, length);
		message->text[length] = '\0';
	}
	rd_kafka_message_destroy(read);
	return good;
}

static void kafka_close(struct source *source)
{
	struct source_kafka *self = (struct source_kafka *)source;

	rd_kafka_consumer_close(self->kafka);
	rd_kafka_destroy(self->kafka);
	free(self);
}

static rd_kafka_conf_t *consumer_conf(const char *brokers, char *error, size_t size)
{
	const char *const settings[][2] = {
		{ "bootstrap.servers", brokers },
		{ "group.id", "pushback-demo" },
		{ "enable.auto.commit", "false" },
		{ "auto.offset.reset", "earliest" },
		{ "queued.max.messages.kbytes", QUEUED_KIB },
		{ "log_level", "2" },
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], error, size)) {
			rd_kafka_conf_destroy(conf);
			return NULL;
		}
	}
	return conf;
}

/* Takes all partitions by itself: a group's balancing would take seconds and serve nobody here. */
static rd_kafka_resp_err_t assign_all(rd_kafka_t *kafka, const char *topic)
{
	rd_kafka_topic_t *handle = rd_kafka_topic_new(kafka, topic, NULL);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t err = rd_kafka_metadata(kafka, 0, handle, &metadata, METADATA_MS);

	if (!err) {
		err = metadata->topics[0].err;
		for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
			rd_kafka_topic_partition_list_add(list, topic,
							  metadata->topics[0].partitions[i].id)
				->offset = RD_KAFKA_OFFSET_BEGINNING;
		rd_kafka_metadata_destroy(metadata);
	}
	if (!err)
		err = rd_kafka_assign(kafka, list);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_topic_destroy(handle);
	return err;
}

struct source *source_kafka_open(const char *brokers, const char *topic, char *error, size_t size)
{
	static const struct source_ops ops = { .poll = kafka_poll, .close = kafka_close };
	rd_kafka_conf_t *conf = consumer_conf(brokers, error, size);
	struct source_kafka *self;
	rd_kafka_resp_err_t err;
	rd_kafka_t *kafka;

	if (!conf)
		return NULL;
	kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, size);
	if (!kafka) {
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	rd_kafka_poll_set_consumer(kafka);
	err = assign_all(kafka, topic);
	self = err ? NULL : calloc(1, sizeof(*self));
	if (!self) {
		snprintf(error, size, "%s", err ? rd_kafka_err2str(err) : "out of memory");
		rd_kafka_destroy(kafka);
		return NULL;
	}
	self->source.ops = &ops;
	self->kafka = kafka;
	return &self->source;
}
