/* SPDX-License-Identifier: MIT */
/*
 * observe.c - observe(): a strategy that reports what it does
 *
 * What it returns is two objects. The core has the step and the strategy, and its methods do the
 * reporting; the outer one is what the framework holds: it has the core's methods bound and ready, and
 * hands all other attributes through. Two, because a bound method refers to its object: with one there
 * would be a cycle, and a step would end only when the garbage collector comes by.
 */
#include <stdbool.h>

#include "pushback_python.h"

struct core {
	PyObject_HEAD struct pushback_step
		*step; /* owned; neither moves nor goes before the core */
	PyObject *strategy;
	PyObject *ready;  /* or NULL */
	PyObject *module; /* keeps the state */
	struct state *state;
	bool closed;
};

struct observed {
	PyObject_HEAD PyObject *core;
	PyObject *methods[METHODS]; /* the core's, bound */
	PyObject *weak;
};

/*
 * ---- Who is inside, per thread ----
 *
 * The observed calls under way on this thread, the innermost last: the one that a refusal of the next
 * step belongs to. Not a list through the C stack: greenlets replace pieces of that under our feet. With
 * them, a call may not find here what it left; then it is not told, and nothing is touched that could be
 * gone, since each entry holds a reference. Calls nested deeper than this are not told to their caller.
 */
#define NESTED 64

static __thread struct {
	unsigned int depth;
	struct core *inside[NESTED];
	bool refused[NESTED]; /* the next step has refused something in this call */
} calls;

/* Returns where it stands, for leave(). */
static unsigned int enter(struct core *core)
{
	unsigned int at = calls.depth++;
	PyObject *left;

	if (at >= NESTED)
		return at;
	left = (PyObject *)calls.inside[at];
	Py_INCREF((PyObject *)core);
	calls.inside[at] = core;
	calls.refused[at] = false;
	Py_XDECREF(left);
	return at;
}

/* Returns whether the next step has refused something meanwhile. */
static bool leave(struct core *core, unsigned int at)
{
	calls.depth = at;
	if (at >= NESTED || calls.inside[at] != core)
		return false;
	calls.inside[at] = NULL;
	Py_DECREF((PyObject *)core);
	return calls.refused[at];
}

/* Whose call the one at `at` is, or NULL. */
static struct core *caller(unsigned int at)
{
	return at > 0 && at <= NESTED ? calls.inside[at - 1] : NULL;
}

/* ---- What an exception says ---- */

/* Is one of the class's bases, or itself, named so? No framework is imported to find out. */
static bool is_named(PyObject *class, const char *name)
{
	PyObject *mro = PyObject_GetAttrString(class, "__mro__");
	Py_ssize_t i, count = mro && PyTuple_Check(mro) ? PyTuple_Size(mro) : 0;
	bool found = false;

	PyErr_Clear();
	for (i = 0; i < count && !found; i++) {
		PyObject *base = PyObject_GetAttrString(PyTuple_GetItem(mro, i), "__name__");

		/* A metaclass may do as it likes. */
		PyErr_Clear();
		found = base && PyUnicode_Check(base) &&
			PyUnicode_CompareWithASCIIString(base, name) == 0;
		Py_XDECREF(base);
	}
	Py_XDECREF(mro);
	return found;
}

static void remember(PyObject **where, PyObject *class)
{
	PyObject *before = *where;

	Py_INCREF(class);
	*where = class;
	Py_XDECREF(before);
}

/*
 * The outcome of a submit that the present exception leaves. An InvalidMessage, as anything but a
 * refusal, says nothing about backpressure.
 */
static enum pushback_outcome outcome_of_exception(struct state *state, bool propagated)
{
	const enum pushback_outcome refusal = propagated ? PUSHBACK_PROPAGATED : PUSHBACK_REJECTED;
	PyObject *class = PyErr_Occurred();
	PyObject *type, *value, *traceback;
	bool refuses;

	if (class == state->refusing)
		return refusal;
	if (!class || class == state->other)
		return PUSHBACK_INVALID;
	PyErr_Fetch(&type, &value, &traceback);
	refuses = is_named(type, "MessageRejected");
	remember(refuses ? &state->refusing : &state->other, type);
	PyErr_Restore(type, value, traceback);
	return refuses ? refusal : PUSHBACK_INVALID;
}

/* ---- The core ---- */

static PyObject *call_strategy(const struct core *core, enum method which, PyObject *args,
			       PyObject *kwargs)
{
	Py_ssize_t count = PyTuple_Size(args);
	PyObject *name = core->state->names[which];
	PyObject *method, *result;

	if (!core->strategy) {
		PyErr_SetString(PyExc_ReferenceError, "the observed strategy is gone");
		return NULL;
	}
	if (!kwargs && count == 0)
		return PyObject_CallMethodObjArgs(core->strategy, name, NULL);
	if (!kwargs && count == 1)
		return PyObject_CallMethodObjArgs(core->strategy, name, PyTuple_GetItem(args, 0),
						  NULL);
	method = PyObject_GetAttr(core->strategy, name);
	if (!method)
		return NULL;
	result = PyObject_Call(method, args, kwargs);
	Py_DECREF(method);
	return result;
}

/* The step that offered the message learns what became of it. */
static void tell_caller(struct core *giver, unsigned int at, enum pushback_outcome outcome)
{
	if (!giver || caller(at) != giver)
		return;
	pushback_forward_return(giver->step, outcome);
	if (outcome == PUSHBACK_REJECTED || outcome == PUSHBACK_PROPAGATED)
		calls.refused[at - 1] = true;
}

static PyObject *core_submit(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct core *core = (struct core *)self;
	unsigned int at = enter(core);
	struct core *giver = caller(at);
	enum pushback_outcome outcome = PUSHBACK_ACCEPTED;
	PyObject *result;
	bool refused;

	pushback_submit_enter(core->step);
	result = call_strategy(core, SUBMIT, args, kwargs);
	refused = leave(core, at);
	if (!result)
		outcome = outcome_of_exception(core->state, refused);
	pushback_submit_return(core->step, outcome);
	tell_caller(giver, at, outcome);
	return result;
}

/* Could it accept a message now? Only who watches wants to know. */
static bool is_ready(const struct core *core)
{
	PyObject *answer;
	int ready;

	if (!core->ready || !core->strategy || !pushback_watched())
		return false;
	answer = PyObject_CallFunctionObjArgs(core->ready, core->strategy, NULL);
	ready = answer ? PyObject_IsTrue(answer) : -1;
	Py_XDECREF(answer);
	if (ready < 0)
		PyErr_WriteUnraisable(core->ready); /* no fault of the strategy's */
	return ready > 0;
}

/* The strategy's method, in which it may hand on. */
static PyObject *call_inside(struct core *core, enum method which, PyObject *args, PyObject *kwargs)
{
	unsigned int at = enter(core);
	PyObject *result = call_strategy(core, which, args, kwargs);

	leave(core, at);
	return result;
}

static PyObject *core_poll(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct core *core = (struct core *)self;
	PyObject *result;

	pushback_poll_enter(core->step);
	result = call_inside(core, POLL, args, kwargs);
	/* "Not ready" says nothing; it takes the mark away. */
	pushback_poll_return(core->step, result && is_ready(core));
	return result;
}

static PyObject *core_close(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct core *core = (struct core *)self;
	PyObject *result = call_inside(core, CLOSE, args, kwargs);

	core->closed |= result != NULL;
	return result;
}

static PyObject *core_terminate(PyObject *self, PyObject *args, PyObject *kwargs)
{
	return call_inside((struct core *)self, TERMINATE, args, kwargs);
}

/* Joined after it was closed, the framework has done with it, whoever still holds it. */
static PyObject *core_join(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct core *core = (struct core *)self;
	PyObject *result;

	pushback_poll_enter(core->step);
	result = call_inside(core, JOIN, args, kwargs);
	pushback_poll_return(core->step, 0);
	if (result && core->closed)
		pushback_step_end(core->step);
	return result;
}

static PyMethodDef core_methods[METHODS] = {
	[SUBMIT] = { "submit", METHOD(core_submit), METH_VARARGS | METH_KEYWORDS, NULL },
	[POLL] = { "poll", METHOD(core_poll), METH_VARARGS | METH_KEYWORDS, NULL },
	[CLOSE] = { "close", METHOD(core_close), METH_VARARGS | METH_KEYWORDS, NULL },
	[TERMINATE] = { "terminate", METHOD(core_terminate), METH_VARARGS | METH_KEYWORDS, NULL },
	[JOIN] = { "join", METHOD(core_join), METH_VARARGS | METH_KEYWORDS, NULL },
};

static int core_traverse(PyObject *self, visitproc visit, void *arg)
{
	struct core *core = (struct core *)self;

	Py_VISIT(Py_TYPE(self));
	Py_VISIT(core->strategy);
	Py_VISIT(core->ready);
	Py_VISIT(core->module);
	return 0;
}

/* Not the module: what still calls finds the state. */
static int core_clear(PyObject *self)
{
	struct core *core = (struct core *)self;

	Py_CLEAR(core->strategy);
	Py_CLEAR(core->ready);
	return 0;
}

static void core_dealloc(PyObject *self)
{
	struct core *core = (struct core *)self;
	PyObject *type = (PyObject *)Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	free_step(core->step);
	core_clear(self);
	Py_XDECREF(core->module);
	PyObject_GC_Del(self);
	Py_DECREF(type);
}

/* Neither type is made but by observe(): object's own would leave it empty. */
static PyObject *no_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	(void)type;
	(void)args;
	(void)kwargs;
	PyErr_SetString(PyExc_TypeError, "use pushback.observe()");
	return NULL;
}

static PyType_Slot core_slots[] = {
	{ Py_tp_new, FUNCTION(no_new) },
	{ Py_tp_traverse, FUNCTION(core_traverse) },
	{ Py_tp_clear, FUNCTION(core_clear) },
	{ Py_tp_dealloc, FUNCTION(core_dealloc) },
	{ 0, NULL },
};

PyType_Spec core_spec = {
	.name = "pushback._pushback.Core",
	.basicsize = sizeof(struct core),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.slots = core_slots,
};

/* ---- What the framework holds ---- */

static PyObject *strategy_of(PyObject *self)
{
	const struct core *core = (struct core *)((struct observed *)self)->core;

	if (core && core->strategy)
		return core->strategy;
	PyErr_SetString(PyExc_ReferenceError, "the observed strategy is gone");
	return NULL;
}

static PyObject *observed_getattro(PyObject *self, PyObject *name)
{
	const struct observed *observed = (struct observed *)self;
	const struct core *core = (struct core *)observed->core;
	PyObject *found, *strategy;
	unsigned int i;

	for (i = 0; core && i < METHODS; i++) {
		if (name == core->state->names[i]) {
			Py_INCREF(observed->methods[i]);
			return observed->methods[i];
		}
	}
	for (i = 0; core && i < METHODS; i++) {
		/* Not interned, from getattr(x, "sub" + "mit") or so. */
		if (!PyUnicode_CompareWithASCIIString(name, method_names[i])) {
			Py_INCREF(observed->methods[i]);
			return observed->methods[i];
		}
	}
	found = PyObject_GenericGetAttr(self, name);
	if (found || !PyErr_ExceptionMatches(PyExc_AttributeError))
		return found;
	PyErr_Clear();
	strategy = strategy_of(self);
	return strategy ? PyObject_GetAttr(strategy, name) : NULL;
}

static int observed_setattro(PyObject *self, PyObject *name, PyObject *value)
{
	PyObject *strategy = strategy_of(self);

	return strategy ? PyObject_SetAttr(strategy, name, value) : -1;
}

static PyObject *observed_repr(PyObject *self)
{
	const struct core *core = (struct core *)((struct observed *)self)->core;
	PyObject *strategy = strategy_of(self);

	if (!strategy)
		return NULL;
	return PyUnicode_FromFormat("<pushback.observe(%R, '%s')>", strategy, core->step->name);
}

/* isinstance() looks here, too. */
static PyObject *observed_class(PyObject *self, void *closure)
{
	PyObject *strategy = strategy_of(self);

	(void)closure;
	return strategy ? PyObject_GetAttrString(strategy, "__class__") : NULL;
}

static PyObject *observed_wrapped(PyObject *self, void *closure)
{
	PyObject *strategy = strategy_of(self);

	(void)closure;
	Py_XINCREF(strategy);
	return strategy;
}

static PyObject *observed_address(PyObject *self, void *closure)
{
	const struct core *core = (struct core *)((struct observed *)self)->core;

	(void)closure;
	return PyLong_FromVoidPtr(core->step);
}

static int observed_traverse(PyObject *self, visitproc visit, void *arg)
{
	const struct observed *observed = (struct observed *)self;
	unsigned int i;

	Py_VISIT(Py_TYPE(self));
	Py_VISIT(observed->core);
	for (i = 0; i < METHODS; i++)
		Py_VISIT(observed->methods[i]);
	return 0;
}

/* A cycle through it goes through the strategy, and ends there: what it holds itself may stay. */
static void observed_dealloc(PyObject *self)
{
	struct observed *observed = (struct observed *)self;
	PyObject *type = (PyObject *)Py_TYPE(self);
	unsigned int i;

	PyObject_GC_UnTrack(self);
	if (observed->weak)
		PyObject_ClearWeakRefs(self);
	for (i = 0; i < METHODS; i++)
		Py_XDECREF(observed->methods[i]);
	Py_XDECREF(observed->core);
	PyObject_GC_Del(self);
	Py_DECREF(type);
}

static PyGetSetDef observed_getset[] = {
	{ "__class__", observed_class, NULL, NULL, NULL },
	{ "__wrapped__", observed_wrapped, NULL, NULL, NULL },
	{ "__pushback__", observed_address, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyMemberDef observed_members[] = {
	{ "__weaklistoffset__", T_PYSSIZET, offsetof(struct observed, weak), READONLY, NULL },
	{ NULL, 0, 0, 0, NULL },
};

static PyType_Slot observed_slots[] = {
	{ Py_tp_new, FUNCTION(no_new) },
	{ Py_tp_getattro, FUNCTION(observed_getattro) },
	{ Py_tp_setattro, FUNCTION(observed_setattro) },
	{ Py_tp_repr, FUNCTION(observed_repr) },
	{ Py_tp_getset, observed_getset },
	{ Py_tp_members, observed_members },
	{ Py_tp_traverse, FUNCTION(observed_traverse) },
	{ Py_tp_dealloc, FUNCTION(observed_dealloc) },
	{ 0, NULL },
};

PyType_Spec observed_spec = {
	.name = "pushback._pushback.Observed",
	.basicsize = sizeof(struct observed),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.slots = observed_slots,
};

static struct core *new_core(PyObject *module, PyObject *strategy, const char *name,
			     PyObject *ready)
{
	struct state *state = PyModule_GetState(module);
	struct core *core = PyObject_GC_New(struct core, (PyTypeObject *)state->core_type);

	if (!core)
		return NULL;
	Py_INCREF(strategy);
	Py_INCREF(module);
	Py_XINCREF(ready);
	core->strategy = strategy;
	core->module = module;
	core->ready = ready;
	core->state = state;
	core->closed = false;
	core->step = new_step(name);
	PyObject_GC_Track((PyObject *)core);
	if (!core->step)
		Py_CLEAR(core);
	return core;
}

/* Takes the reference to the core. */
static PyObject *new_observed(struct core *core)
{
	PyTypeObject *type = (PyTypeObject *)core->state->observed_type;
	struct observed *observed = PyObject_GC_New(struct observed, type);
	bool failed = false;
	unsigned int i;

	if (!observed) {
		Py_DECREF((PyObject *)core);
		return NULL;
	}
	observed->core = (PyObject *)core;
	observed->weak = NULL;
	for (i = 0; i < METHODS; i++) {
		observed->methods[i] =
			failed ? NULL : PyCFunction_NewEx(&core_methods[i], observed->core, NULL);
		failed |= !observed->methods[i];
	}
	PyObject_GC_Track((PyObject *)observed);
	if (failed)
		Py_CLEAR(observed);
	return (PyObject *)observed;
}

PyObject *observe(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "strategy", "name", "ready", NULL };
	const struct state *state = PyModule_GetState(module);
	PyObject *strategy, *ready = Py_None, *method;
	const char *name;
	struct core *core;
	unsigned int i;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Os|$O:observe", names, &strategy, &name,
					 &ready))
		return NULL;
	for (i = 0; i < METHODS; i++) {
		method = PyObject_GetAttr(strategy, state->names[i]);
		if (!method)
			return NULL;
		Py_DECREF(method);
	}
	if (ready != Py_None && !PyCallable_Check(ready)) {
		PyErr_SetString(PyExc_TypeError, "ready must be callable, or None");
		return NULL;
	}
	core = new_core(module, strategy, name, ready == Py_None ? NULL : ready);
	return core ? new_observed(core) : NULL;
}
