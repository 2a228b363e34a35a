/* SPDX-License-Identifier: MIT */
#include "cgroup_path.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define CONTAINER_ID_LENGTH 64
#define POD_UID_LENGTH      36
#define STATIC_POD_LENGTH   32 /* a hash of the pod's manifest */

/* A piece of the text; not terminated. */
struct span {
	const char *at;
	size_t size;
};

typedef struct span (*match_fn)(struct span component);

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool ends_with(struct span span, const char *tail)
{
	size_t size = strlen(tail);

	return span.size >= size && memcmp(span.at + span.size - size, tail, size) == 0;
}

/* Cuts the next piece up to `separator` off `rest`. */
static struct span take(struct span *rest, char separator)
{
	const char *end = memchr(rest->at, separator, rest->size);
	struct span piece = { rest->at, end ? (size_t)(end - rest->at) : rest->size };
	size_t used = piece.size + (end ? 1 : 0);

	rest->at += used;
	rest->size -= used;
	return piece;
}

static struct span match_container_id(struct span component)
{
	const struct span none = { NULL, 0 };
	struct span id, prefix = component;

	if (ends_with(component, ".scope"))
		component.size -= strlen(".scope");
	if (component.size < CONTAINER_ID_LENGTH)
		return none;
	prefix.size = component.size - CONTAINER_ID_LENGTH;
	id.at = component.at + prefix.size;
	id.size = CONTAINER_ID_LENGTH;
	for (size_t i = 0; i < id.size; i++)
		if (!is_hex(id.at[i]))
			return none;
	if (prefix.size && !ends_with(prefix, "-") && !ends_with(prefix, ":"))
		return none;
	return ends_with(prefix, "conmon-") ? none : id;
}

/* How much of `text` is a pod's uid: 36, 32 or 0. */
static size_t pod_uid_length(struct span text)
{
	size_t i;

	for (i = 0; i < POD_UID_LENGTH && i < text.size; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? text.at[i] != '-' && text.at[i] != '_' : !is_hex(text.at[i]))
			break;
	}
	if (i == POD_UID_LENGTH)
		return i;
	for (i = 0; i < STATIC_POD_LENGTH && i < text.size; i++)
		if (!is_hex(text.at[i]))
			return 0;
	return i == STATIC_POD_LENGTH ? i : 0;
}

static struct span match_pod_uid(struct span component)
{
	struct span found = { NULL, 0 };

	for (size_t i = 0; i + 3 < component.size; i++) {
		struct span rest = { component.at + i + 3, component.size - i - 3 };
		size_t length;

		if (memcmp(component.at + i, "pod", 3) != 0 || (i && component.at[i - 1] != '-'))
			continue;
		length = pod_uid_length(rest);
		/* Whole: the end of the component, or of systemd's ".slice". */
		if (length && (length == rest.size || rest.at[length] == '.'))
			found = (struct span){ rest.at, length };
	}
	return found;
}

/* "hierarchy:controllers:/path": the path may hold colons itself. */
static struct span match_line(struct span line, match_fn match)
{
	struct span found = { NULL, 0 };

	take(&line, ':');
	take(&line, ':');
	while (line.size) {
		struct span one = match(take(&line, '/'));

		if (one.at)
			found = one;
	}
	return found;
}

static int find(const char *text, size_t size, match_fn match, char *value, size_t value_size)
{
	struct span rest = { text, size };

	while (rest.size) {
		struct span found = match_line(take(&rest, '\n'), match);

		if (!found.at)
			continue;
		if (found.size >= value_size)
			return -ERANGE;
		memcpy(value, found.at, found.size);
		value[found.size] = 0;
		return 0;
	}
	return -ENOENT;
}

int cgroup_container_id(const char *text, size_t size, char *value, size_t value_size)
{
	return find(text, size, match_container_id, value, value_size);
}

int cgroup_pod_uid(const char *text, size_t size, char *value, size_t value_size)
{
	int err = find(text, size, match_pod_uid, value, value_size);

	for (char *c = value; !err && *c; c++)
		if (*c == '_')
			*c = '-';
	return err;
}
