/* SPDX-License-Identifier: MIT */
/*
 * statsd_packet.h - lines into packets, packets to the socket, and what became of each line
 *
 * A counter's difference stays due until the packet that carries it was handed over, so a server's
 * outage costs nothing of it. Gauges and durations are of their moment: what could not be sent of
 * them is gone, and counted. While the receiver is busy, packets wait in a bounded queue.
 */
#ifndef STATSD_PACKET_H
#define STATSD_PACKET_H

#include "statsd_line.h"
#include "statsd_socket.h"

/* Most bytes of waiting packets, with what belongs to them. */
#define STATSD_QUEUE_MAX (16u << 20)
#define STATSD_ITEMS_MAX 512

/* A counter that is sent in differences. Zeroed is a new one. */
struct statsd_tally {
	uint64_t total; /* only grows */
	uint64_t sent;  /* of it, handed over; in the unit of the wire */
	bool told;      /* what was handed over last was not 0: one 0 is due when it is idle */
};

/* What the server knows of a gauge, as far as it was handed over. Zeroed: nothing. */
struct statsd_told {
	uint64_t value; /* 0: or nothing */
	uint64_t at;    /* by the outbox's `now` */
};

enum statsd_kind {
	STATSD_COUNTER,  /* target: struct statsd_tally; amount: the difference */
	STATSD_GAUGE,    /* target: struct statsd_told or NULL; amount: its value */
	STATSD_EVENT,    /* no target */
	STATSD_DURATION, /* no target; amount: the weight */
};

struct statsd_item {
	void *target; /* must live until the packet is sent or discarded */
	uint64_t amount;
	enum statsd_kind kind;
};

/* What became of it; only grows. */
struct statsd_sent {
	enum statsd_reason last; /* of a packet; STATSD_SENT also before the first one */
	uint64_t packets;
	uint64_t packets_dropped[STATSD_REASONS];
	/* Of those, lines that will not come again, and of the durations among them the weights. */
	uint64_t lines_dropped[STATSD_REASONS];
	uint64_t lines_too_long; /* longer than a packet; also counters, which are given up */
	uint64_t durations_dropped;
};

struct statsd_packet;

struct statsd_outbox {
	struct statsd_socket *socket;
	uint64_t now;   /* of the flush or poll, the caller's */
	size_t payload; /* most bytes of a packet, now: less after EMSGSIZE */
	size_t payload_max;
	unsigned int connection; /* that `payload` is for */
	size_t proven;           /* the largest packet that it has taken */
	struct statsd_sent stats;

	/* Waiting packets, oldest first: for the receiver, or for others that go out with them. */
	struct statsd_packet *head;
	struct statsd_packet **tail;
	size_t waiting; /* of them */
	size_t queued;  /* their bytes */

	/* The packet that grows. */
	size_t used;
	size_t items_count;
	struct statsd_item items[STATSD_ITEMS_MAX];
	char data[STATSD_UNIX_PAYLOAD];
};

void statsd_outbox_init(struct statsd_outbox *out, struct statsd_socket *socket, size_t payload);
/* Discards what waits. The socket stays the caller's. */
void statsd_outbox_free(struct statsd_outbox *out);

/* Adds a line; packets that are full go out, several at once. */
void statsd_outbox_line(struct statsd_outbox *out, const struct statsd_line *line,
			struct statsd_item item);
/* The same for one that is ready-made: an event. */
void statsd_outbox_text(struct statsd_outbox *out, const char *text, size_t length,
			struct statsd_item item);
/*
 * The same for a counter that is `due` behind (idle ones go out once as 0, then not) and for a
 * gauge, whose `value` is what `text` says in any unit. `line` is complete but for value and type.
 */
void statsd_outbox_counter(struct statsd_outbox *out, struct statsd_line line,
			   struct statsd_tally *tally, uint64_t due);
void statsd_outbox_gauge(struct statsd_outbox *out, struct statsd_line line,
			 struct statsd_told *told, uint64_t value, const char *text);
/* Sends those that are full, so that `stats` says what became of them. */
void statsd_outbox_push(struct statsd_outbox *out);
/* Sends all, the growing packet as well, or queues it. */
void statsd_outbox_close(struct statsd_outbox *out);

/*
 * Sends waiting packets while the receiver takes them, and waits for it up to `wait_ms` in all, but
 * never longer than `patience_ms` without progress. True when none is left.
 */
bool statsd_outbox_drain(struct statsd_outbox *out, int wait_ms, int patience_ms);
/* Gives up what waits. */
void statsd_outbox_discard(struct statsd_outbox *out, enum statsd_reason reason);

/* The weights of the durations that wait or are in the growing packet. */
uint64_t statsd_outbox_durations(const struct statsd_outbox *out);

#endif /* STATSD_PACKET_H */
