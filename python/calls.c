/* The functions of everywatt.h that a job calls in every step, for CPython without ctypes between: the same functions
 * of the same libeverywatt, half of the time. The package does without where this is not built or cannot be loaded
 * (another interpreter): everywatt/_library.py. The limited API of Python 3.9: one file for all versions since.
 *
 * Numbers too large for a parameter wrap around, as with ctypes. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x03090000
#include <Python.h>
#include <dlfcn.h>

#include "everywatt.h"

static struct {
  everywatt_span (*phase_begin)(everywatt_name);
  void (*phase_end)(everywatt_span);
  everywatt_span (*wait_begin)(everywatt_name);
  void (*wait_end)(everywatt_span);
  void (*step)(int64_t);
  void (*count)(everywatt_unit, uint64_t);
} call;

static int is_number(PyObject* object, unsigned long long* number) {
  *number = PyLong_AsUnsignedLongLongMask(object);
  return *number != (unsigned long long)-1 || !PyErr_Occurred();
}

static PyObject* begun(everywatt_span (*begin)(everywatt_name), PyObject* name) {
  unsigned long long number;
  return is_number(name, &number) ? PyLong_FromUnsignedLongLong(begin((everywatt_name)number)) : NULL;
}

static PyObject* ended(void (*end)(everywatt_span), PyObject* span) {
  unsigned long long number;
  if (!is_number(span, &number)) return NULL;
  end(number);
  Py_RETURN_NONE;
}

static PyObject* phase_begin(PyObject* module, PyObject* name) {
  (void)module;
  return begun(call.phase_begin, name);
}

static PyObject* phase_end(PyObject* module, PyObject* span) {
  (void)module;
  return ended(call.phase_end, span);
}

static PyObject* wait_begin(PyObject* module, PyObject* name) {
  (void)module;
  return begun(call.wait_begin, name);
}

static PyObject* wait_end(PyObject* module, PyObject* span) {
  (void)module;
  return ended(call.wait_end, span);
}

static PyObject* step(PyObject* module, PyObject* number) {
  (void)module;
  unsigned long long value;
  if (!is_number(number, &value)) return NULL;
  call.step((int64_t)value);
  Py_RETURN_NONE;
}

static PyObject* count_samples(PyObject* module, PyObject* amount) {
  (void)module;
  unsigned long long value;
  if (!is_number(amount, &value)) return NULL;
  call.count(EVERYWATT_SAMPLES, value);
  Py_RETURN_NONE;
}

/* everywatt/_stages.py says what these are. */
typedef struct {
  PyObject_HEAD everywatt_span span;
  void (*close)(everywatt_span);
} Stages;

static void close_stage(Stages* self) {
  if (self->span) self->close(self->span);
  self->span = 0;
}

static PyObject* open_stage(Stages* self, PyObject* name, everywatt_span (*begin)(everywatt_name),
                            void (*close)(everywatt_span)) {
  unsigned long long number;
  if (!is_number(name, &number)) return NULL;
  close_stage(self);
  self->span = begin((everywatt_name)number);
  self->close = close;
  Py_RETURN_NONE;
}

static PyObject* stages_begin(Stages* self, PyObject* name) {
  return open_stage(self, name, call.phase_begin, call.phase_end);
}

static PyObject* stages_wait(Stages* self, PyObject* what) {
  return open_stage(self, what, call.wait_begin, call.wait_end);
}

static PyObject* stages_end(Stages* self, PyObject* nothing) {
  (void)nothing;
  close_stage(self);
  Py_RETURN_NONE;
}

static void stages_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

static PyMethodDef kStagesMethods[] = {
    {"begin", (PyCFunction)(void (*)(void))stages_begin, METH_O, NULL},
    {"wait", (PyCFunction)(void (*)(void))stages_wait, METH_O, NULL},
    {"end", (PyCFunction)(void (*)(void))stages_end, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot kStagesSlots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, stages_dealloc},
    {Py_tp_methods, kStagesMethods},
    {0, NULL},
};

static PyType_Spec kStages = {"everywatt_calls.Stages", sizeof(Stages), 0, Py_TPFLAGS_DEFAULT, kStagesSlots};

static int add_stages(PyObject* module) {
  PyObject* type = PyType_FromSpec(&kStages);
  if (!type) return -1;
  const int added = PyModule_AddObject(module, "Stages", type);
  if (added != 0) Py_DECREF(type);
  return added;
}

/* Of the library at that path, which is loaded already. */
static PyObject* bind(PyObject* module, PyObject* path) {
  (void)module;
  PyObject* bytes = PyUnicode_EncodeFSDefault(path);
  if (!bytes) return NULL;
  void* library = dlopen(PyBytes_AsString(bytes), RTLD_NOW);
  Py_DECREF(bytes);
  const struct {
    const char* name;
    void* place;
  } functions[] = {
      {"everywatt_phase_begin", &call.phase_begin},
      {"everywatt_phase_end", &call.phase_end},
      {"everywatt_wait_begin", &call.wait_begin},
      {"everywatt_wait_end", &call.wait_end},
      {"everywatt_step", &call.step},
      {"everywatt_count", &call.count},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; ++i) {
    void* function = library ? dlsym(library, functions[i].name) : NULL;
    if (!function) return PyErr_Format(PyExc_OSError, "%s", dlerror());
    *(void**)functions[i].place = function;
  }
  Py_RETURN_NONE;
}

static PyMethodDef kMethods[] = {
    {"bind", bind, METH_O, NULL},
    {"phase_begin", phase_begin, METH_O, NULL},
    {"phase_end", phase_end, METH_O, NULL},
    {"wait_begin", wait_begin, METH_O, NULL},
    {"wait_end", wait_end, METH_O, NULL},
    {"step", step, METH_O, NULL},
    {"count_samples", count_samples, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot kSlots[] = {{Py_mod_exec, add_stages}, {0, NULL}};

static struct PyModuleDef kModule = {
    PyModuleDef_HEAD_INIT, "everywatt_calls", NULL, 0, kMethods, kSlots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_everywatt_calls(void) { return PyModuleDef_Init(&kModule); }
