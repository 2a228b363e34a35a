/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "message.h"
#include "put.h"

#define INVALID_EVERY 997

static char *put_text(char *at, const char *text)
{
	size_t length = strlen(text);

	memcpy(at, text, length);
	return at + length;
}

size_t message_format(char text[MESSAGE_TEXT_SIZE], uint64_t id)
{
	char *at = text;

	if (id % INVALID_EVERY == INVALID_EVERY - 1) {
		at = put_text(at, "garbled ");
		at = put_number(at, id);
	} else {
		uint64_t hundredths = id * 7919 % 4000;

		at = put_number(put_text(at, "id="), id);
		at = put_number(put_text(at, " sensor="), id % 10);
		at = put_number(put_text(at, " celsius="), hundredths / 100);
		*at++ = '.';
		*at++ = (char)('0' + hundredths / 10 % 10);
		*at++ = (char)('0' + hundredths % 10);
	}
	*at = '\0';
	return (size_t)(at - text);
}

/* Takes `label` and the number behind it off *at. */
static bool take_field(const char **at, const char *label, uint64_t *number)
{
	size_t length = strlen(label);
	const char *c = *at;

	if (strncmp(c, label, length))
		return false;
	c += length;
	if (*c < '0' || *c > '9')
		return false;
	for (*number = 0; *c >= '0' && *c <= '9'; c++)
		*number = *number * 10 + (uint64_t)(*c - '0');
	*at = c;
	return true;
}

bool message_parse(struct message *message)
{
	const char *at = message->text;
	uint64_t sensor, whole, hundredths;

	if (!take_field(&at, "id=", &message->id) || !take_field(&at, " sensor=", &sensor) ||
	    !take_field(&at, " celsius=", &whole) || !take_field(&at, ".", &hundredths) || *at)
		return false;
	message->sensor = (uint32_t)sensor;
	message->value = (double)whole + (double)hundredths / 100;
	message->readings = 1;
	return true;
}
