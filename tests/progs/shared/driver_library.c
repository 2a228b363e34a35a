/* SPDX-License-Identifier: MIT */
/* driver_library - a shared library with probes and steps of its own, opened by the driver */
#include "../scripted.h"

extern const struct scripted scripted_library;
const struct scripted scripted_library = {
	.places = scripted_places,
	.semaphore = &pushback_semaphore,
	.run = scripted_run,
	.init = scripted_init,
	.forget = scripted_forget,
};
