/* SPDX-License-Identifier: MIT */
/* module.c - the module pushback._pushback; multi-phase, so that each interpreter has its own */
#include "pushback_python.h"

const char *const method_names[METHODS] = { "submit", "poll", "close", "terminate", "join" };

static int module_exec(PyObject *module)
{
	struct state *state = PyModule_GetState(module);
	PyObject *step_type;
	unsigned int i;

	for (i = 0; i < METHODS; i++) {
		state->names[i] = PyUnicode_InternFromString(method_names[i]);
		if (!state->names[i])
			return -1;
	}
	state->core_type = PyType_FromSpec(&core_spec);
	state->observed_type = PyType_FromSpec(&observed_spec);
	if (!state->core_type || !state->observed_type)
		return -1;
	step_type = PyType_FromSpec(&step_spec);
	if (!step_type)
		return -1;
	if (PyModule_AddObject(module, "Step", step_type)) { /* takes the reference if it can */
		Py_DECREF(step_type);
		return -1;
	}
	return 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
	const struct state *state = PyModule_GetState(module);

	Py_VISIT(state->core_type);
	Py_VISIT(state->observed_type);
	Py_VISIT(state->refusing);
	Py_VISIT(state->other);
	return 0;
}

/* The names and types stay: what is observed may be called until the module itself goes. */
static int module_clear(PyObject *module)
{
	struct state *state = PyModule_GetState(module);

	Py_CLEAR(state->refusing);
	Py_CLEAR(state->other);
	return 0;
}

static void module_free(void *module)
{
	struct state *state = PyModule_GetState(module);
	unsigned int i;

	module_clear(module);
	Py_CLEAR(state->core_type);
	Py_CLEAR(state->observed_type);
	for (i = 0; i < METHODS; i++)
		Py_CLEAR(state->names[i]);
}

static PyMethodDef module_methods[] = {
	{ "observe", METHOD(observe), METH_VARARGS | METH_KEYWORDS,
	  PyDoc_STR("observe(strategy, name, *, ready=None)\n--\n\n"
		    "The strategy, reporting as the step of that name.") },
	{ NULL, NULL, 0, NULL },
};

static PyModuleDef_Slot module_slots[] = {
	{ Py_mod_exec, FUNCTION(module_exec) },
	{ 0, NULL },
};

static struct PyModuleDef module_def = {
	PyModuleDef_HEAD_INIT,       .m_name = "pushback._pushback", .m_size = sizeof(struct state),
	.m_methods = module_methods, .m_slots = module_slots,        .m_traverse = module_traverse,
	.m_clear = module_clear,     .m_free = module_free,
};

PyMODINIT_FUNC PyInit__pushback(void);

PyMODINIT_FUNC PyInit__pushback(void)
{
	return PyModuleDef_Init(&module_def);
}
