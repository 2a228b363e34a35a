/* SPDX-License-Identifier: MIT */
/*
 * own_note.h - which files are an observer's
 *
 * Our executable has probes of its own, for doctor to try out. Who runs it is no consumer.
 */
#ifndef OWN_NOTE_H
#define OWN_NOTE_H

#include <stdbool.h>

#include "elfnote.h"

/* Our own executable's notes, all zero when they can't be read. To be freed; NULL: no memory. */
struct elfnote *own_note_read(void);
/* Whether `note` is of the same build as `own`, which own_note_read() gave. */
bool own_note_is(const struct elfnote *own, const struct elfnote *note);

#endif /* OWN_NOTE_H */
