/* SPDX-License-Identifier: MIT */
#include "recipe_todo.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipe.h"

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " \t;:,");
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return text;
}

/* Cuts the line in two; NULL: nothing is to be filled in. */
static char *take_todo(char *line, char **key)
{
	char *value = strchr(line, '=');

	if (!value)
		return NULL;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (strncmp(value, RECIPE_TODO, strlen(RECIPE_TODO)) != 0)
		return NULL;
	*key = trim(line);
	return strchr("#;", **key) ? NULL : trim(value + strlen(RECIPE_TODO));
}

void recipe_todo_each(const char *path, recipe_todo_fn *fn, void *context)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	for (int number = 1; file && getline(&line, &size, file) > 0; number++) {
		char *key, *text = *line == '#' || *line == ';' ? NULL : take_todo(line, &key);

		if (text)
			fn(path, number, key, text, context);
	}
	free(line);
	if (file)
		fclose(file);
}
