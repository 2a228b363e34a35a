/* SPDX-License-Identifier: MIT */
/*
 * pushback_python.h - what the parts of the extension module have of each other
 *
 * Limited API of Python 3.9: one shared object serves that and all later ones.
 *
 * Threads: the interpreter's lock is held throughout. Nothing is declared otherwise, so a free-threaded
 * interpreter turns its lock on when this is imported.
 */
#ifndef PUSHBACK_PYTHON_H
#define PUSHBACK_PYTHON_H

#include <Python.h>
#include <structmember.h>

#include "pushback.h"

/* The slots' void * is a function's address; ISO C has no conversion for it. */
#define FUNCTION(f) (__extension__(void *)(f))
/* A method with keywords in a table of those without. */
#define METHOD(f) ((PyCFunction)(void (*)(void))(f))

/* What observe() wraps. */
enum method { SUBMIT, POLL, CLOSE, TERMINATE, JOIN, METHODS };
extern const char *const method_names[METHODS];

/* Of a module, that is of each interpreter. */
struct state {
	PyObject *names[METHODS]; /* interned */
	PyObject *core_type;
	PyObject *observed_type;
	/* The exception classes seen last: one that refuses, and one that does not. */
	PyObject *refusing;
	PyObject *other;
};

extern PyType_Spec step_spec;
extern PyType_Spec core_spec;
extern PyType_Spec observed_spec;

/* A step in memory of its own, at an address that suits it. NULL with an exception set. */
struct pushback_step *new_step(const char *name);
/* Ends it. NULL is none. */
void free_step(struct pushback_step *step);

/* observe(strategy, name, ready=None), of the module. */
PyObject *observe(PyObject *module, PyObject *args, PyObject *kwargs);

#endif /* PUSHBACK_PYTHON_H */
