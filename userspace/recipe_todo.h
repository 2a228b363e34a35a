/* SPDX-License-Identifier: MIT */
/* recipe_todo.h - what of a drafted recipe is still to be filled in. Library code: does not print. */
#ifndef RECIPE_TODO_H
#define RECIPE_TODO_H

typedef void recipe_todo_fn(const char *path, int line, const char *key, const char *text,
			    void *context);

/* Tells of each key whose value begins with RECIPE_TODO, and what the draft says of it. */
void recipe_todo_each(const char *path, recipe_todo_fn *fn, void *context);

#endif /* RECIPE_TODO_H */
