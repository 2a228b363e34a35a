/* SPDX-License-Identifier: MIT */
/*
 * Texts that others write, each by its own reader; the first byte tells which: a line of /proc/PID/maps,
 * /proc/PID/cgroup, files of /proc and /sys that `doctor` reads, an HTTP request, a mangled name, a recipe's
 * value, a probe's arguments.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup_path.h"
#include "doctor_parse.h"
#include "fuzz_input.h"
#include "http_request.h"
#include "proc_maps.h"
#include "recipe_names.h"
#include "recipe_value.h"
#include "symbol_name.h"
#include "symbol_suffix.h"

static void read_maps(char *line)
{
	size_t length = strlen(line);
	struct proc_mapping m;

	if (!proc_maps_parse(line, &m))
		return;
	MUST(m.path >= line && m.path <= line + length);
	proc_maps_cut_deleted(m.path);
	proc_maps_unescape(m.path);
	MUST(m.path + strlen(m.path) <= line + length);
}

static void read_cgroup(const char *text, size_t size)
{
	char id[65], uid[37], tiny[4];
	int err = cgroup_container_id(text, size, id, sizeof(id));

	MUST(err == 0 || err == -ENOENT);
	if (!err)
		MUST(strlen(id) == 64 && strspn(id, "0123456789abcdefABCDEF") == 64);
	MUST(cgroup_container_id(text, size, tiny, sizeof(tiny)) == (err ? err : -ERANGE));
	err = cgroup_pod_uid(text, size, uid, sizeof(uid));
	MUST(err == 0 || err == -ENOENT);
	if (!err)
		MUST(strspn(uid, "0123456789abcdefABCDEF-") == strlen(uid) && strlen(uid) >= 32);
}

static void read_doctors(const char *text)
{
	enum lockdown lockdown;
	uint64_t capabilities;
	long number;
	char set;

	if (!doctor_parse_lockdown(text, &lockdown))
		MUST(lockdown <= LOCKDOWN_CONFIDENTIALITY);
	doctor_parse_number(text, &number);
	doctor_parse_capabilities(text, &capabilities);
	set = doctor_parse_config(text, "CONFIG_UPROBES");
	MUST(!set || strchr("ymn", set));
}

static void read_request(const char *text, size_t size)
{
	size_t length = http_head_length(text, size);
	struct http_request request;
	enum http_status status;

	MUST(length <= size);
	if (!length)
		return;
	/* What comes after it changes nothing. */
	MUST(http_head_length(text, length) == length);
	status = http_request_parse(&request, text, length, "/metrics");
	switch (status) {
	case HTTP_OK:
	case HTTP_BAD_REQUEST:
	case HTTP_NOT_FOUND:
	case HTTP_METHOD_NOT_ALLOWED:
	case HTTP_HEAD_TOO_LARGE:
	case HTTP_VERSION_NOT_SUPPORTED:
		return;
	}
	MUST(!"a status of its own");
}

static void read_name(const char *text)
{
	char *plain = symbol_plain(text), owner[64], method[64];
	size_t stem;

	MUST(plain);
	symbol_owner(plain, owner, sizeof(owner));
	symbol_method(plain, method, sizeof(method));
	MUST(strlen(owner) < sizeof(owner) && strlen(method) < sizeof(method));
	symbol_kind(text, &stem);
	MUST(stem <= strlen(text));
	symbol_clone(text);
	free(plain);
}

static void read_value(const char *text)
{
	struct recipe_names names;
	struct recipe_value value;
	char *rest = malloc(strlen(text) + 1);
	struct pb_rule rule = { 0 };
	struct pb_source source;
	const char *at = NULL;

	MUST(rest);
	if (recipe_value_parse(text, &value))
		recipe_value_bind(&value, text, &source);
	/* A text of the probe's own notes is hostile too. */
	if (recipe_value_parse("usdt1", &value) && !recipe_value_bind(&value, text, &source))
		MUST(source.kind && source.at < 1024);
	if (recipe_value_ranges(text, 1, &rule, &at))
		MUST(!at || (at >= text && at <= text + strlen(text)));
	MUST(rule.ranges_count <= PB_MAX_RANGES);
	recipe_names_init(&names);
	if (!recipe_names_take(&names, text, 1, rest))
		MUST(strlen(rest) <= strlen(text));
	recipe_names_free(&names);
	free(rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t kind = input_byte(&in) % 6;
	size_t left = in.size;
	char *text = input_rest(&in);

	switch (kind) {
	case 0:
		read_maps(text);
		break;
	case 1:
		read_cgroup(text, left);
		break;
	case 2:
		read_doctors(text);
		break;
	case 3:
		read_request(text, left);
		break;
	case 4:
		read_name(text);
		break;
	default:
		read_value(text);
	}
	free(text);
	return 0;
}
