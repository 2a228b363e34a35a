/* SPDX-License-Identifier: MIT */
/* pin_holder.h - who has a file locked */
#ifndef PIN_HOLDER_H
#define PIN_HOLDER_H

#include <stddef.h>

/* "process 4711 (pushback), since Nov 28 17:03:11", of who has a flock on this open file. */
void pin_holder(int fd, char *text, size_t size);

#endif /* PIN_HOLDER_H */
