/* SPDX-License-Identifier: MIT */
/* step.c - Step: a step that is told about call by call */
#include <stdlib.h>
#include <string.h>

#include "pushback_python.h"

struct step {
	PyObject_HEAD struct pushback_step *step; /* owned */
};

struct pushback_step *new_step(const char *name)
{
	struct pushback_step *step = aligned_alloc(64, sizeof(*step));

	if (step)
		pushback_step_init(step, name);
	else
		PyErr_NoMemory();
	return step;
}

void free_step(struct pushback_step *step)
{
	if (step)
		pushback_step_end(step);
	free(step);
}

static struct pushback_step *step_of(PyObject *self)
{
	return ((struct step *)self)->step;
}

static PyObject *step_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "name", NULL };
	struct step *step;
	const char *name;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s:Step", names, &name))
		return NULL;
	step = PyObject_New(struct step, type);
	if (!step)
		return NULL;
	step->step = new_step(name);
	if (!step->step)
		Py_CLEAR(step);
	return (PyObject *)step;
}

static void step_dealloc(PyObject *self)
{
	PyObject *type = (PyObject *)Py_TYPE(self);

	free_step(step_of(self));
	PyObject_Free(self);
	Py_DECREF(type);
}

/* Returns -1 with an exception set, or else an outcome: numbers that are none count as INVALID. */
static int outcome_of(PyObject *number)
{
	PyObject *index = PyNumber_Index(number);
	long value;

	if (!index)
		return -1;
	value = PyLong_AsLong(index);
	Py_DECREF(index);
	if (value == -1 && PyErr_Occurred())
		return -1;
	return value < 0 || value > PUSHBACK_INVALID ? PUSHBACK_INVALID : (int)value;
}

static PyObject *step_submit_return(PyObject *self, PyObject *number)
{
	int outcome = outcome_of(number);

	if (outcome < 0)
		return NULL;
	pushback_submit_return(step_of(self), outcome);
	Py_RETURN_NONE;
}

static PyObject *step_forward_return(PyObject *self, PyObject *number)
{
	int outcome = outcome_of(number);

	if (outcome < 0)
		return NULL;
	pushback_forward_return(step_of(self), outcome);
	Py_RETURN_NONE;
}

static PyObject *step_poll_return(PyObject *self, PyObject *value)
{
	int ready = PyObject_IsTrue(value);

	if (ready < 0)
		return NULL;
	pushback_poll_return(step_of(self), ready);
	Py_RETURN_NONE;
}

static PyObject *step_submit_enter(PyObject *self, PyObject *none)
{
	(void)none;
	pushback_submit_enter(step_of(self));
	Py_RETURN_NONE;
}

static PyObject *step_poll_enter(PyObject *self, PyObject *none)
{
	(void)none;
	pushback_poll_enter(step_of(self));
	Py_RETURN_NONE;
}

static PyObject *step_depth(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "n", "capacity", NULL };
	Py_ssize_t n, capacity = 0;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n|n:depth", names, &n, &capacity))
		return NULL;
	if (n < 0 || capacity < 0) {
		PyErr_SetString(PyExc_ValueError, "a queue's depth is not negative");
		return NULL;
	}
	pushback_depth(step_of(self), (uint64_t)n, (uint64_t)capacity);
	Py_RETURN_NONE;
}

static PyObject *step_end(PyObject *self, PyObject *none)
{
	(void)none;
	pushback_step_end(step_of(self));
	Py_RETURN_NONE;
}

static PyObject *step_name(PyObject *self, void *closure)
{
	const char *name = step_of(self)->name;

	(void)closure;
	return PyUnicode_DecodeUTF8(name, (Py_ssize_t)strlen(name), "replace");
}

static PyObject *step_address(PyObject *self, void *closure)
{
	(void)closure;
	return PyLong_FromVoidPtr(step_of(self));
}

static PyObject *step_repr(PyObject *self)
{
	return PyUnicode_FromFormat("<pushback.Step '%s'>", step_of(self)->name);
}

static PyMethodDef step_methods[] = {
	{ "submit_return", step_submit_return, METH_O,
	  PyDoc_STR("submit_return($self, outcome, /)\n--\n\nThis step's submit returns.") },
	{ "forward_return", step_forward_return, METH_O,
	  PyDoc_STR("forward_return($self, outcome, /)\n--\n\n"
		    "The next step's submit, called by this one, returned.") },
	{ "poll_return", step_poll_return, METH_O,
	  PyDoc_STR("poll_return($self, ready, /)\n--\n\n"
		    "This step's poll returns; ready: it could accept a message now.") },
	{ "submit_enter", step_submit_enter, METH_NOARGS,
	  PyDoc_STR("submit_enter($self, /)\n--\n\nThis thread enters the step's submit.") },
	{ "poll_enter", step_poll_enter, METH_NOARGS,
	  PyDoc_STR("poll_enter($self, /)\n--\n\nThis thread enters the step's poll.") },
	{ "depth", METHOD(step_depth), METH_VARARGS | METH_KEYWORDS,
	  PyDoc_STR("depth($self, /, n, capacity=0)\n--\n\nIts queue holds n messages.") },
	{ "end", step_end, METH_NOARGS,
	  PyDoc_STR("end($self, /)\n--\n\nThe step is gone: what is open is abandoned.") },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef step_getset[] = {
	{ "name", step_name, NULL, PyDoc_STR("As observers see it."), NULL },
	{ "address", step_address, NULL, PyDoc_STR("Where its struct lies: the probes' arg0."),
	  NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

PyDoc_STRVAR(step_doc,
	     "Step(name)\n--\n\n"
	     "One node of a consumer's chain, told about call by call. Ends when it goes.");

static PyType_Slot step_slots[] = {
	{ Py_tp_doc, FUNCTION(step_doc) },
	{ Py_tp_new, FUNCTION(step_new) },
	{ Py_tp_repr, FUNCTION(step_repr) },
	{ Py_tp_methods, step_methods },
	{ Py_tp_getset, step_getset },
	{ Py_tp_dealloc, FUNCTION(step_dealloc) },
	{ 0, NULL },
};

PyType_Spec step_spec = {
	.name = "pushback.Step",
	.basicsize = sizeof(struct step),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = step_slots,
};
