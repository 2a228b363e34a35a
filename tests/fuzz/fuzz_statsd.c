/* SPDX-License-Identifier: MIT */
/*
 * Names as hostile consumers write them, as statsd lines and events on a real socket: each datagram keeps
 * its size and each line of it parses by a strict reader, with as many tags as were given.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz_input.h"
#include "statsd_event.h"
#include "statsd_line.h"
#include "statsd_packet.h"

#define LINES_MOST 24

/* What is to arrive. */
static size_t lines_sent, events_sent, tags_sent;

/* ---- A strict reader ---- */

static bool is_value(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_./:-", c));
}

/* "key:value", the key a name. */
static void read_tag(const char *tag)
{
	const char *colon = strchr(tag, ':');

	MUST(colon && colon > tag && colon[1]);
	MUST(islower((unsigned char)*tag));
	for (const char *c = tag; c < colon; c++)
		MUST(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
	for (const char *c = colon + 1; *c; c++)
		MUST(is_value(*c));
}

static void read_tags(char *tags)
{
	size_t count = 0;
	char *at, *tag;

	for (at = tags; (tag = strsep(&at, ","));) {
		read_tag(tag);
		count++;
	}
	MUST(count == tags_sent);
}

static void read_number(const char *text)
{
	char *end;

	MUST(isdigit((unsigned char)*text));
	MUST(strspn(text, "0123456789.") == strlen(text));
	strtod(text, &end);
	MUST(!*end);
}

/* name:value|type[|@rate][|#tags] */
static void read_line(char *line)
{
	char *name = strsep(&line, ":"), *value = strsep(&line, "|"), *type = strsep(&line, "|");

	MUST(value && type && *name);
	for (const char *c = name; *c; c++)
		MUST(isalnum((unsigned char)*c) || *c == '_' || *c == '.');
	read_number(value);
	MUST(!strcmp(type, "c") || !strcmp(type, "g") || !strcmp(type, "d"));
	if (line && *line == '@') {
		char *rate = strsep(&line, "|") + 1;

		read_number(rate);
		MUST(strtod(rate, NULL) > 0 && strtod(rate, NULL) < 1);
	}
	MUST(!tags_sent == !line);
	if (line) {
		MUST(*line == '#');
		read_tags(line + 1);
	}
	MUST(lines_sent--);
}

static const char *counted(const char *at, size_t size)
{
	MUST(strnlen(at, size) == size);
	for (size_t i = 0; i < size; i++)
		MUST((unsigned char)at[i] >= ' ' && (unsigned char)at[i] < 0x7f && at[i] != '|');
	return at + size;
}

/* _e{TITLE,TEXT}:title|text|k:...|#tags */
static void read_event(char *event)
{
	size_t title, text;
	const char *at;
	char *tags;
	int n = 0;

	MUST(sscanf(event, "_e{%zu,%zu}:%n", &title, &text, &n) == 2 && n);
	at = counted(event + n, title);
	MUST(*at == '|');
	at = counted(at + 1, text);
	MUST(*at == '|');
	tags = strstr(at, "|#");
	MUST(!tags_sent == !tags);
	for (const char *c = at; c < (tags ? tags : at + strlen(at)); c++)
		MUST(isprint((unsigned char)*c) && *c != '#');
	if (tags)
		read_tags(tags + 2);
	MUST(events_sent--);
}

static void receive(int server, size_t payload)
{
	char data[65536];
	ssize_t n;

	while ((n = recv(server, data, sizeof(data) - 1, MSG_DONTWAIT)) >= 0) {
		char *at = data, *line;

		MUST(n > 0 && (size_t)n <= payload && !memchr(data, 0, (size_t)n));
		data[n] = '\0';
		if (data[n - 1] == '\n')
			data[n - 1] = '\0';
		while ((line = strsep(&at, "\n"))) {
			if (line[0] == '_' && line[1] == 'e')
				read_event(line);
			else
				read_line(line);
		}
	}
}

/* ---- What is sent ---- */

static struct statsd_socket *connect_to(int *server)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct statsd_address address;
	char path[64], url[80], why[256], byte;
	struct statsd_socket *s;

	snprintf(path, sizeof(path), "/tmp/pushback-fuzz-%d.sock", (int)getpid());
	snprintf(url, sizeof(url), "unixgram://%s", path);
	memcpy(at.sun_path, path, strlen(path) + 1);
	*server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unlink(path);
	MUST(!bind(*server, (struct sockaddr *)&at, sizeof(at)));
	MUST(!statsd_address_parse(&address, url, why, sizeof(why)));
	s = statsd_socket_new(&address);
	MUST(s);
	statsd_socket_tick(s, 1);
	/* Once it is connected nobody needs the name: a run that breaks leaves nothing. */
	MUST(statsd_socket_send(s, "a", 1) == STATSD_SENT);
	MUST(recv(*server, &byte, 1, 0) == 1);
	unlink(path);
	return s;
}

/* Tags as the sink makes them: keys of ours, and one as a user gives it. */
static void make_tags(struct input *in, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	tags_sent = input_byte(in) & 3;
	for (size_t i = 0; i < tags_sent; i++) {
		char *key = input_text(in), *value = input_text(in);
		char tag[2 * STATSD_TEXT_MAX + 2];
		int n = i ? statsd_tag(tag, sizeof(tag), key, value)
			  : statsd_own_tag(tag, sizeof(tag), "step", value);

		MUST(n > 0 && (size_t)n == strlen(tag));
		used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "," : "", tag);
		MUST(used < size);
		free(key);
		free(value);
	}
}

static void add_event(struct statsd_outbox *out, struct input *in, const char *tags)
{
	uint8_t how = input_byte(in);
	char *process = input_text(in), *step = input_text(in);
	char text[STATSD_EVENT_SIZE];
	struct stuck_news news = {
		.process = process,
		.step = step,
		.tags = tags,
		.held_up = how & 1,
		.ended = how & 2,
		.gone = how & 4,
		.ns = input_number(in),
	};
	size_t length = statsd_event(text, &news, tags);

	free(process);
	free(step);
	if (!length)
		return; /* with such tags it is too long */
	MUST(length < sizeof(text) && strlen(text) == length);
	statsd_outbox_text(out, text, length, (struct statsd_item){ NULL, 0, STATSD_EVENT });
	events_sent++;
}

static void add_line(struct statsd_outbox *out, struct input *in, const char *tags)
{
	static const char *const types[] = { "c", "g", "d" };
	uint8_t how = input_byte(in);
	char number[STATSD_NUMBER_SIZE];
	struct statsd_line line = {
		.prefix = how & 8 ? "streams.pipeline." : "",
		.name = "send_backpressure",
		.suffix = how & 16 ? ".count" : "",
		.value = number,
		.type = types[how % 3],
		.weight = how & 32 ? 1 + input_number(in) % STATSD_WEIGHT_MAX : 1,
		.tags = tags,
	};

	if (how & 64)
		statsd_ms(number, input_number(in));
	else
		statsd_number(number, input_number(in));
	statsd_outbox_line(out, &line, (struct statsd_item){ NULL, 1, STATSD_DURATION });
	lines_sent++;
}

static void check_other_texts(struct input *in)
{
	char *text = input_text(in), why[256], quoted[64], out[STATSD_GLOBAL_TAGS_SIZE];
	const char *tags[3] = { text, text, NULL };

	if (statsd_check_key(text, why, sizeof(why)))
		MUST(fuzz_is_line(why, sizeof(why)));
	if (statsd_check_prefix(text, why, sizeof(why)))
		MUST(fuzz_is_line(why, sizeof(why)));
	if (statsd_global_tags(out, tags, why, sizeof(why)))
		MUST(fuzz_is_line(why, sizeof(why)));
	else
		for (char *at = out, *tag; (tag = strsep(&at, ","));)
			read_tag(tag);
	MUST(fuzz_is_line(statsd_quote(quoted, sizeof(quoted), text), sizeof(quoted)));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct statsd_outbox out;
	static struct statsd_socket *socket;
	static int server;
	struct input in = { data, size };
	char tags[2048];
	size_t payload;

	if (!socket)
		socket = connect_to(&server);
	check_other_texts(&in);
	make_tags(&in, tags, sizeof(tags));
	payload = 1 + input_number(&in) % STATSD_UNIX_PAYLOAD;
	statsd_outbox_init(&out, socket, payload);
	lines_sent = events_sent = 0;
	for (int i = 0; i < LINES_MOST && !input_is_over(&in); i++) {
		if (input_byte(&in) & 3)
			add_line(&out, &in, tags);
		else
			add_event(&out, &in, tags);
		receive(server, payload);
	}
	statsd_outbox_close(&out);
	receive(server, payload);
	while (out.waiting) {
		MUST(statsd_outbox_drain(&out, 1000, 1000) || out.waiting);
		receive(server, payload);
	}
	/* All have arrived, or are counted as too long. */
	MUST(lines_sent + events_sent == out.stats.lines_too_long);
	statsd_outbox_free(&out);
	return 0;
}
