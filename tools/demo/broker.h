/* SPDX-License-Identifier: MIT */
/*
 * broker.h - a Kafka of its own: librdkafka's mock cluster and a producer that fills a topic
 */
#ifndef DEMO_BROKER_H
#define DEMO_BROKER_H

#include <stdint.h>
#include <sys/types.h>

#define BROKER_ADDRESS_SIZE 256

/*
 * The role itself: prints the bootstrap servers in a line on stdout, then produces `rate` messages
 * a second (0: as many as it can) until SIGTERM or SIGINT. Returns the exit status.
 */
int broker_main(const char *name, uint64_t rate);

/*
 * Starts this program once more in that role, and waits for its address. It dies with the thread
 * that calls this. Returns its pid, or -errno.
 */
pid_t broker_spawn(const char *topic, uint64_t rate, char address[BROKER_ADDRESS_SIZE]);

/* Ends and reaps it. */
void broker_end(pid_t pid);

#endif /* DEMO_BROKER_H */
