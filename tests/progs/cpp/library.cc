/* SPDX-License-Identifier: MIT */
/* driver_cpp_library - a shared library with C++ steps of its own, opened by the driver */
#include "scripted.hpp"

extern "C" {
extern const struct scripted scripted_library;
}
const struct scripted scripted_library = SCRIPTED_CPP;
