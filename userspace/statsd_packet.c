/* SPDX-License-Identifier: MIT */
#include "statsd_packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* EMSGSIZE does not make packets smaller than this. */
#define PAYLOAD_MIN 256

struct statsd_packet {
	struct statsd_packet *next;
	size_t size;
	size_t items_count;
	char *data; /* behind the items */
	struct statsd_item items[];
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void statsd_outbox_init(struct statsd_outbox *out, struct statsd_socket *socket, size_t payload)
{
	memset(out, 0, sizeof(*out));
	out->socket = socket;
	out->payload = payload;
	out->payload_max = payload;
	out->tail = &out->head;
}

void statsd_outbox_free(struct statsd_outbox *out)
{
	statsd_outbox_discard(out, STATSD_LATE);
}

static void handed_over(const struct statsd_outbox *out, const struct statsd_item *item)
{
	struct statsd_tally *tally = item->target;
	struct statsd_told *told = item->target;

	switch (item->kind) {
	case STATSD_COUNTER:
		tally->sent += item->amount;
		tally->told = item->amount != 0;
		break;
	case STATSD_GAUGE:
		if (told)
			*told = (struct statsd_told){ item->amount, out->now };
		break;
	case STATSD_EVENT:
	case STATSD_DURATION:
		break;
	}
}

static void dropped(struct statsd_outbox *out, const struct statsd_item *item,
		    enum statsd_reason reason)
{
	if (item->kind == STATSD_COUNTER)
		return;
	out->stats.lines_dropped[reason]++;
	if (item->kind == STATSD_DURATION)
		out->stats.durations_dropped += item->amount;
}

static void settle(struct statsd_outbox *out, const struct statsd_item *items, size_t count,
		   enum statsd_reason reason)
{
	out->stats.last = reason;
	if (reason == STATSD_SENT)
		out->stats.packets++;
	else
		out->stats.packets_dropped[reason]++;
	for (size_t i = 0; i < count; i++) {
		if (reason == STATSD_SENT)
			handed_over(out, &items[i]);
		else
			dropped(out, &items[i], reason);
	}
}

/* Learns from EMSGSIZE for as long as the connection is the same. */
static void learn(struct statsd_outbox *out, size_t size, enum statsd_reason reason)
{
	unsigned int connection = statsd_socket_connections(out->socket);

	if (connection != out->connection) {
		out->connection = connection;
		out->payload = out->payload_max;
		out->proven = 0;
	}
	if (reason == STATSD_SENT && size > out->proven)
		out->proven = size;
	if (reason == STATSD_TOO_BIG && size / 2 < out->payload)
		out->payload = size / 2 > PAYLOAD_MIN ? size / 2 : PAYLOAD_MIN;
}

static struct statsd_packet *copy_packet(const struct statsd_outbox *out, size_t *bytes)
{
	size_t items = out->items_count * sizeof(out->items[0]);
	struct statsd_packet *p;

	*bytes = sizeof(*p) + items + out->used;
	p = malloc(*bytes);
	if (!p)
		return NULL;
	p->next = NULL;
	p->size = out->used;
	p->items_count = out->items_count;
	p->data = (char *)p->items + items;
	memcpy(p->items, out->items, items);
	memcpy(p->data, out->data, out->used);
	return p;
}

static size_t packet_bytes(const struct statsd_packet *p)
{
	return sizeof(*p) + p->items_count * sizeof(p->items[0]) + p->size;
}

static enum statsd_reason enqueue(struct statsd_outbox *out)
{
	size_t bytes;
	struct statsd_packet *p;

	if (out->queued > STATSD_QUEUE_MAX)
		return STATSD_LATE;
	p = copy_packet(out, &bytes);
	if (!p)
		return STATSD_NO_MEMORY;
	*out->tail = p;
	out->tail = &p->next;
	out->queued += bytes;
	out->waiting++;
	return STATSD_SENT;
}

static void pop(struct statsd_outbox *out, enum statsd_reason reason)
{
	struct statsd_packet *p = out->head;

	settle(out, p->items, p->items_count, reason);
	out->head = p->next;
	if (!out->head)
		out->tail = &out->head;
	out->queued -= packet_bytes(p);
	out->waiting--;
	free(p);
}

/* The oldest of those that wait. */
static size_t gather(const struct statsd_outbox *out, struct iovec payloads[STATSD_BATCH])
{
	size_t count = 0;

	for (struct statsd_packet *p = out->head; p && count < STATSD_BATCH; p = p->next)
		payloads[count++] = (struct iovec){ p->data, p->size };
	return count;
}

/* True when nothing waits any more. */
static bool send_waiting(struct statsd_outbox *out)
{
	while (out->head) {
		struct iovec payloads[STATSD_BATCH];
		size_t count = gather(out, payloads);
		enum statsd_reason reason;
		size_t sent = statsd_socket_send_many(out->socket, payloads, count, &reason);

		for (; sent; sent--) {
			learn(out, out->head->size, STATSD_SENT);
			pop(out, STATSD_SENT);
		}
		if (reason == STATSD_BUSY)
			return false;
		if (reason == STATSD_SENT)
			continue;
		learn(out, out->head->size, reason);
		pop(out, reason);
	}
	return true;
}

/* Without memory for a copy it goes out at once, or not at all. */
static enum statsd_reason send_growing(struct statsd_outbox *out)
{
	enum statsd_reason reason;

	if (!send_waiting(out))
		return STATSD_NO_MEMORY;
	reason = statsd_socket_send(out->socket, out->data, out->used);
	learn(out, out->used, reason);
	return reason == STATSD_BUSY ? STATSD_NO_MEMORY : reason;
}

/*
 * The growing packet waits for others, unless it is the largest so far: the receiver may find it too big,
 * and others are made no larger then.
 */
static void finish_packet(struct statsd_outbox *out)
{
	bool is_largest = out->used > out->proven;
	enum statsd_reason reason;

	if (!out->used)
		return;
	if (out->waiting >= STATSD_BATCH)
		send_waiting(out);
	reason = enqueue(out);
	if (reason != STATSD_SENT) {
		if (reason == STATSD_NO_MEMORY)
			reason = send_growing(out);
		settle(out, out->items, out->items_count, reason);
	}
	out->used = 0;
	out->items_count = 0;
	if (is_largest)
		send_waiting(out);
}

void statsd_outbox_push(struct statsd_outbox *out)
{
	send_waiting(out);
}

void statsd_outbox_close(struct statsd_outbox *out)
{
	finish_packet(out);
	send_waiting(out);
}

/* It never will fit: even a counter is given up, or it would be tried for ever. */
static void drop_long_line(struct statsd_outbox *out, const struct statsd_item *item)
{
	out->stats.lines_too_long++;
	if (item->kind == STATSD_DURATION)
		out->stats.durations_dropped += item->amount;
	else if (item->kind == STATSD_COUNTER)
		((struct statsd_tally *)item->target)->sent += item->amount;
}

void statsd_outbox_text(struct statsd_outbox *out, const char *text, size_t length,
			struct statsd_item item)
{
	if (length > out->payload_max) {
		drop_long_line(out, &item);
		return;
	}
	if (out->items_count == STATSD_ITEMS_MAX ||
	    (out->used && out->used + 1 + length > out->payload))
		finish_packet(out);
	if (out->used)
		out->data[out->used++] = '\n';
	memcpy(out->data + out->used, text, length);
	out->used += length;
	out->items[out->items_count++] = item;
}

void statsd_outbox_line(struct statsd_outbox *out, const struct statsd_line *line,
			struct statsd_item item)
{
	char text[STATSD_UNIX_PAYLOAD + 1];
	size_t length = statsd_line(text, sizeof(text), line);

	statsd_outbox_text(out, text, length, item);
}

void statsd_outbox_counter(struct statsd_outbox *out, struct statsd_line line,
			   struct statsd_tally *tally, uint64_t due)
{
	char value[STATSD_NUMBER_SIZE];

	if (!due && !tally->told)
		return;
	statsd_number(value, due);
	line.value = value;
	line.type = "c";
	statsd_outbox_line(out, &line, (struct statsd_item){ tally, due, STATSD_COUNTER });
}

void statsd_outbox_gauge(struct statsd_outbox *out, struct statsd_line line,
			 struct statsd_told *told, uint64_t value, const char *text)
{
	line.value = text;
	line.type = "g";
	statsd_outbox_line(out, &line, (struct statsd_item){ told, value, STATSD_GAUGE });
}

bool statsd_outbox_drain(struct statsd_outbox *out, int wait_ms, int patience_ms)
{
	int64_t end = now_ms() + wait_ms;

	while (!send_waiting(out)) {
		int64_t left = end - now_ms();

		if (left <= 0)
			return false;
		if (!statsd_socket_wait(out->socket, left < patience_ms ? (int)left : patience_ms))
			return false;
	}
	return true;
}

void statsd_outbox_discard(struct statsd_outbox *out, enum statsd_reason reason)
{
	while (out->head)
		pop(out, reason);
}

static uint64_t count_durations(const struct statsd_item *items, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += items[i].kind == STATSD_DURATION ? items[i].amount : 0;
	return sum;
}

uint64_t statsd_outbox_durations(const struct statsd_outbox *out)
{
	uint64_t sum = count_durations(out->items, out->items_count);

	for (const struct statsd_packet *p = out->head; p; p = p->next)
		sum += count_durations(p->items, p->items_count);
	return sum;
}
