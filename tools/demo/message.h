/* SPDX-License-Identifier: MIT */
/*
 * message.h - what the demo's consumer works on: a temperature reading
 *
 * On the wire a line of text, "id=17 sensor=3 celsius=21.50". About one in a thousand is not.
 */
#ifndef DEMO_MESSAGE_H
#define DEMO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_TEXT_SIZE 64

struct message {
	uint64_t id;
	uint32_t sensor;
	uint32_t readings; /* 1, more once it is a batch */
	double value;      /* Celsius, Fahrenheit after transform; the sum in a batch */
	char text[MESSAGE_TEXT_SIZE];
};

/* Writes reading number `id` into `text`; returns its length. */
size_t message_format(char text[MESSAGE_TEXT_SIZE], uint64_t id);

/* Fills the message's fields from its text; false if that is no reading. */
bool message_parse(struct message *message);

#endif /* DEMO_MESSAGE_H */
