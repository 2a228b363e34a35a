/* SPDX-License-Identifier: MIT */
/* Container ids and pod uids out of cgroup paths, as the runtimes write them */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cgroup_path.h"

#define A      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define B      "b123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHORT  "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD    "0a1b2c3d-1111-2222-3333-444455556666"
#define POD_   "0a1b2c3d_1111_2222_3333_444455556666"
#define STATIC "0a1b2c3d111122223333444455556666"

struct example {
	const char *text;
	const char *container; /* NULL: none */
	const char *pod;
};

static const struct example examples[] = {
	{ "", NULL, NULL },
	{ "0::/\n", NULL, NULL },
	{ "0::/user.slice/user-1000.slice/session-3.scope\n", NULL, NULL },
	/* docker: cgroupfs, systemd, version 1 */
	{ "0::/docker/" A "\n", A, NULL },
	{ "0::/system.slice/docker-" A ".scope\n", A, NULL },
	{ "0::/system.slice/docker-" A ".scope/init.scope\n", A, NULL },
	{ "12:pids:/docker/" A "\n1:name=systemd:/docker/" A "\n0::/system.slice/x.service\n", A,
	  NULL },
	/* in docker in docker: the inner one */
	{ "0::/docker/" A "/docker/" B "\n", B, NULL },
	/* podman, and its monitor, which is not in the container */
	{ "0::/machine.slice/libpod-" A ".scope/container\n", A, NULL },
	{ "0::/machine.slice/libpod-conmon-" A ".scope\n", NULL, NULL },
	{ "0::/machine.slice/crio-conmon-" A ".scope\n", NULL, NULL },
	{ "0::/machine.slice/machine-libpod_pod_" A ".slice/libpod-" B ".scope\n", B, NULL },
	/* kubelet with the cgroupfs driver, and with systemd's */
	{ "11:memory:/kubepods/burstable/pod" POD "/" A "\n", A, POD },
	{ "0::/kubepods/pod" POD "/" A "\n", A, POD },
	{ "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_
	  ".slice/cri-containerd-" A ".scope\n",
	  A, POD },
	{ "0::/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" A ".scope\n", A, POD },
	{ "0::/system.slice/containerd.service/kubepods-besteffort-pod" POD_
	  ".slice:cri-containerd:" A "\n",
	  A, POD },
	/* a static pod */
	{ "0::/kubepods/burstable/pod" STATIC "/" A "\n", A, STATIC },
	{ "0::/kubepods.slice/kubepods-burstable-pod" STATIC ".slice/cri-containerd-" A ".scope\n",
	  A, STATIC },
	/* kind, minikube: a kubelet in a container */
	{ "0::/docker/" A "/kubelet/kubepods/pod" POD "/" B "\n", B, POD },
	/* without a last newline; relative to a namespace */
	{ "0::/../docker/" A, A, NULL },
	/* what only looks like it */
	{ "0::/docker/" SHORT "\n", NULL, NULL },
	{ "0::/docker/" A "0\n", NULL, NULL },
	{ "0::/docker/x" A "\n", NULL, NULL },
	{ "0::/docker/" A ".service\n", NULL, NULL },
	{ "0::/docker/" SHORT "G\n", NULL, NULL },
	{ A "\n", NULL, NULL },
	{ "0:" A "\n", NULL, NULL },
	{ "0::/kubepods/xpod" POD "\n", NULL, NULL },
	{ "0::/kubepods/pod" POD "0\n", NULL, NULL },
	{ "0::/kubepods/pod" STATIC "0\n", NULL, NULL },
	{ "0::/kubepods/pod0a1b2c3d-1111-2222-3333-44445555666\n", NULL, NULL },
	{ "0::/kubepods/pod0a1b2c3d-1111-2222-3333_44445555666x\n", NULL, NULL },
	{ "0::/pod\n::::\n:\n\n////\n", NULL, NULL },
};

/* In memory of exactly this size, so that a sanitizer sees a step too far. */
static char *exact(const char *text, size_t size)
{
	char *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, text, size);
	return copy;
}

static void expect(int err, const char *value, const char *want)
{
	assert_int_equal(err, want ? 0 : -ENOENT);
	if (want)
		assert_string_equal(value, want);
}

static void test_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		const struct example *example = &examples[i];
		size_t size = strlen(example->text);
		char *text = exact(example->text, size), value[65];

		print_message("%s", example->text);
		expect(cgroup_container_id(text, size, value, sizeof(value)), value,
		       example->container);
		expect(cgroup_pod_uid(text, size, value, 37), value, example->pod);
		free(text);
	}
}

static void test_too_small(void **state)
{
	const char text[] = "0::/kubepods/pod" POD "/" A "\n";
	char value[64];

	(void)state;
	assert_int_equal(cgroup_container_id(text, strlen(text), value, 64), -ERANGE);
	assert_int_equal(cgroup_pod_uid(text, strlen(text), value, 36), -ERANGE);
	assert_int_equal(cgroup_pod_uid(text, strlen(text), value, 0), -ERANGE);
}

/* Cut anywhere, it is read to its end and no further. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		for (size_t size = 0; size <= strlen(examples[i].text); size++) {
			char *text = exact(examples[i].text, size), value[65];
			int err = cgroup_container_id(text, size, value, sizeof(value));

			assert_true(err == -ENOENT || (err == 0 && strlen(value) == 64));
			err = cgroup_pod_uid(text, size, value, sizeof(value));
			assert_true(err == -ENOENT ||
				    (err == 0 && (strlen(value) == 36 || strlen(value) == 32)));
			free(text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_too_small),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
