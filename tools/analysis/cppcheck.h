/* SPDX-License-Identifier: MIT */
/*
 * cppcheck.h - macros of libraries that cppcheck, which reads no system header, has to know
 */
#include "/usr/include/uthash.h"

#define SEC(name)
#define LIBBPF_OPTS(type, name, ...) struct type name = { .sz = sizeof(struct type), __VA_ARGS__ }
#define json_object_foreach(object, key, value)                                     \
	for (key = json_object_iter_key(json_object_iter(object));                  \
	     key && (value = json_object_iter_value(json_object_key_to_iter(key))); \
	     key = json_object_iter_key(                                            \
		     json_object_iter_next(object, json_object_key_to_iter(key))))
