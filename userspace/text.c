/* SPDX-License-Identifier: MIT */
#include "text.h"

const char *text_name(const char *name)
{
	return *name ? name : "(no name)";
}
