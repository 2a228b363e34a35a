/* SPDX-License-Identifier: MIT */
#include "hist_keep.h"

#include <errno.h>

void hist_save(const struct hist *h, struct keep_writer *w)
{
	keep_number(w, h->size);
	for (size_t i = 0; i < h->size; i++) {
		keep_number(w, h->values[i].ns);
		keep_number(w, h->values[i].count);
	}
}

int hist_load(struct hist *h, struct keep_reader *r)
{
	size_t size = keep_read_count(r);
	int err = 0;

	for (size_t i = 0; !err && i < size; i++) {
		uint64_t ns = keep_read(r), count = keep_read(r);

		/* In falling order each would move all before it. */
		if (r->failed || (h->size && ns <= h->values[h->size - 1].ns))
			return -EBADMSG;
		err = hist_add(h, ns, count);
	}
	return err ? err : keep_result(r);
}
