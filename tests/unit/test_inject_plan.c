/* SPDX-License-Identifier: MIT */
/* From specs to sites, and from sites to a file, with one made by hand */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "build.h"
#include "frames.h"
#include "inject_craft.h"
#include "note.h"
#include "plan.h"
#include "undo.h"

static struct why why;

static void open_bytes(struct image *image, uint8_t *bytes)
{
	assert_int_equal(image_open(image, bytes, CRAFT_SIZE, &why), 0);
}

static int plan_text(struct plan *plan, const struct image *image, struct spec *spec,
		     const char *text)
{
	assert_int_equal(spec_parse(spec, text, &why), 0);
	return plan_make(plan, image, spec, 1, &why);
}

static void expect_sites(const char *text, size_t count, uint64_t first, const char *remark)
{
	struct image image;
	struct spec spec;
	struct plan plan;

	open_bytes(&image, craft_file());
	if (plan_text(&plan, &image, &spec, text))
		fail_msg("%s: %s", text, why.text);
	assert_int_equal(plan.count, count);
	assert_int_equal(plan.items[0].address, first);
	assert_int_equal(plan.items[0].offset, first);
	assert_int_equal(plan.remarks_count, remark != NULL);
	if (remark)
		assert_string_equal(plan.remarks[0], remark);
	plan_free(&plan);
	spec_free(&spec);
	image_close(&image);
}

static void expect_refusal(uint8_t *bytes, const char *text, const char *reason)
{
	struct image image;
	struct spec spec;
	struct plan plan;

	open_bytes(&image, bytes);
	if (!plan_text(&plan, &image, &spec, text))
		fail_msg("%s was taken", text);
	if (!strstr(why.text, reason))
		fail_msg("%s: '%s' does not say '%s'", text, why.text, reason);
	spec_free(&spec);
	image_close(&image);
}

static void test_sites(void **state)
{
	(void)state;
	expect_sites("a:b=work@return", 2, CRAFT_WORK + 5, NULL);
	expect_sites("a:b=work@entry", 1, CRAFT_WORK, NULL);
	expect_sites("a:b=work+0x1", 1, CRAFT_WORK + 1, NULL);
	expect_sites("a:b=0x20b", 1, CRAFT_WORK + 11, NULL);
	expect_sites("a:b=file:523", 1, CRAFT_WORK + 11, NULL);
	expect_sites("a:b=0x200@return", 2, CRAFT_WORK + 5, NULL);
	/* Its nop5 is right before a return, where the red zone is dead. */
	expect_sites("a:b=work+6", 1, CRAFT_WORK + 6, NULL);
}

static void test_refusals(void **state)
{
	(void)state;
	expect_refusal(craft_file(), "a:b=work+0x7", "no instruction that begins at 0x207");
	expect_refusal(craft_file(), "a:b=work+0xc", "only 0xc bytes");
	expect_refusal(craft_file(), "a:b=0x20e", "which function 0x20e is in");
	expect_refusal(craft_file(), "a:b=0x10000", "no code at address");
	expect_refusal(craft_file(), "a:b=file:0x10000", "no code at offset");
	expect_refusal(craft_file(), "a:b=other@return", "no function 'other'");
	expect_refusal(craft_file(), "a:b=jumper@return", "no return in function 'jumper'");
	expect_refusal(craft_file(), "a:b=jumper@return", "1 tail call (to work)");
	expect_refusal(craft_file(), "old:one=work+0x1", "has probe old:one at 0x201 already");
}

static void test_a_site_with_a_semaphore(void **state)
{
	uint8_t *bytes = craft_file();

	(void)state;
	bytes[CRAFT_NOTE + 36] = 8;
	expect_refusal(bytes, "a:b=work+0x1", "semaphore");
}

static void test_a_nop5_in_the_middle(void **state)
{
	uint8_t *bytes = craft_file();

	(void)state;
	/* What follows it is a pop, then. */
	bytes[CRAFT_WORK + 11] = 0x5b;
	expect_refusal(bytes, "a:b=work+6", "five-byte nop");
}

static void test_tail_calls_are_said(void **state)
{
	uint8_t *bytes = craft_file();
	struct image image;
	struct spec spec;
	struct plan plan;

	(void)state;
	/* je jumper, instead of to the nop */
	bytes[CRAFT_WORK + 4] = CRAFT_JUMPER - (CRAFT_WORK + 5);
	open_bytes(&image, bytes);
	assert_int_equal(plan_text(&plan, &image, &spec, "a:b=work@return"), 0);
	assert_int_equal(plan.remarks_count, 1);
	assert_string_equal(plan.remarks[0],
			    "work: 2 returns; not covered: 1 tail call (to jumper)");
	plan_free(&plan);
	spec_free(&spec);
	image_close(&image);
}

static int count_frame(void *ctx, struct frame frame)
{
	size_t *count = ctx;
	static const uint64_t bounds[] = { CRAFT_WORK, CRAFT_JUMPER, CRAFT_END };

	assert_int_equal(frame.start, bounds[*count]);
	assert_int_equal(frame.end, bounds[*count + 1]);
	++*count;
	return 0;
}

static void test_frames(void **state)
{
	struct image image;
	size_t count = 0;

	(void)state;
	open_bytes(&image, craft_file());
	assert_int_equal(frames_each(&image, count_frame, &count), 0);
	assert_int_equal(count, 2);
	image_close(&image);
}

/* Without symbols, the unwind information tells the functions. */
static void test_a_stripped_file(void **state)
{
	uint8_t *bytes = craft_file();
	Elf64_Shdr *symbols =
		(Elf64_Shdr *)(bytes + CRAFT_HEADERS + CRAFT_S_SYMTAB * sizeof(*symbols));
	struct image image;
	struct spec spec;
	struct plan plan;

	(void)state;
	symbols->sh_type = SHT_PROGBITS;
	open_bytes(&image, bytes);
	assert_int_equal(plan_text(&plan, &image, &spec, "a:b=0x200@return"), 0);
	assert_int_equal(plan.count, 2);
	plan_free(&plan);
	spec_free(&spec);
	assert_int_not_equal(plan_text(&plan, &image, &spec, "a:b=work@return"), 0);
	assert_non_null(strstr(why.text, "it is stripped"));
	spec_free(&spec);
	image_close(&image);
}

/* The one note's sizes (owner, description) past the section, and no end of its last text. */
static void test_damaged_notes(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} damage[] = { { 0, 60 }, { 3, 0xff }, { 4, 37 }, { 7, 0xff }, { 4, 31 }, { 4, 20 } };

	(void)state;
	for (size_t i = 0; i < sizeof(damage) / sizeof(*damage); i++) {
		uint8_t *bytes = craft_file();

		/* Of the section's 56 bytes 36 are left for the description, which has 33. */
		bytes[CRAFT_NOTE + damage[i].at] = damage[i].value;
		expect_refusal(bytes, "a:b=work@return", "damaged probe notes");
	}
}

/* ---- the file that comes out ---- */

static int check_note(void *ctx, const struct note *note)
{
	static const uint64_t there[] = { CRAFT_WORK + 1, CRAFT_WORK + 5, CRAFT_WORK + 11 };
	size_t *count = ctx;

	assert_int_equal(note->site, there[*count]);
	assert_int_equal(note->base, CRAFT_BASE);
	assert_int_equal(note->semaphore, 0);
	assert_string_equal(note->provider, *count ? "a" : "old");
	assert_string_equal(note->name, *count ? "b" : "one");
	assert_string_equal(note->arguments, *count ? "-4@%eax" : "");
	++*count;
	return 0;
}

static void test_old_notes_stay_and_ours_follow(void **state)
{
	struct image image, injected;
	struct spec spec;
	struct plan plan;
	size_t size, count = 0;
	uint8_t *bytes;

	(void)state;
	open_bytes(&image, craft_file());
	assert_int_equal(plan_text(&plan, &image, &spec, "a:b=work@return -4@%eax"), 0);
	bytes = build_injected(&image, &plan, &size, &why);
	assert_non_null(bytes);
	assert_int_equal(image_open(&injected, bytes, size, &why), 0);
	assert_int_equal(injected.sections_count, CRAFT_SECTIONS + 1);
	assert_int_equal(
		note_each_in(&injected, image_section(&injected, NOTE_SECTION), check_note, &count),
		0);
	assert_int_equal(count, 3);
	assert_true(undo_is_there(&injected));
	assert_int_not_equal(build_check(&injected, &why), 0);
	assert_non_null(strstr(why.text, "injected already"));
	plan_free(&plan);
	spec_free(&spec);
	image_close(&injected);
	image_close(&image);
}

static void expect_unfit(uint8_t *bytes, const char *reason)
{
	struct image image;

	open_bytes(&image, bytes);
	assert_int_not_equal(build_check(&image, &why), 0);
	assert_non_null(strstr(why.text, reason));
	image_close(&image);
}

static void test_what_nothing_can_be_added_to(void **state)
{
	uint8_t *bytes = craft_file();
	Elf64_Shdr *notes = (Elf64_Shdr *)(bytes + CRAFT_HEADERS + CRAFT_S_NOTES * sizeof(*notes));

	(void)state;
	notes->sh_flags = SHF_ALLOC;
	expect_unfit(bytes, "is loaded");
	bytes = craft_file();
	bytes[CRAFT_SIZE - 1] = 'P';
	expect_unfit(bytes, "behind its end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sites),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_a_site_with_a_semaphore),
		cmocka_unit_test(test_a_nop5_in_the_middle),
		cmocka_unit_test(test_tail_calls_are_said),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_a_stripped_file),
		cmocka_unit_test(test_damaged_notes),
		cmocka_unit_test(test_old_notes_stay_and_ours_follow),
		cmocka_unit_test(test_what_nothing_can_be_added_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
