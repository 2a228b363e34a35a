/* SPDX-License-Identifier: MIT */
/* driver_cpp is driver.c with this: its own steps are C++ ones. */
#include "scripted.hpp"

extern "C" {
extern const struct scripted scripted_here;
}
const struct scripted scripted_here = SCRIPTED_CPP;
