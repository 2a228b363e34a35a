/* SPDX-License-Identifier: MIT */
/*
 * insn_walk.h - the instructions of one function, from its beginning to its end, and those of its parts
 *
 * x86-64 code can be read from any byte on, and makes sense from most. So a function is decoded from its
 * first byte, and what comes out is believed only if the last instruction ends where the function does
 * and every jump within it goes to the beginning of one: data between the code, or a jump into the middle
 * of an instruction, would show. (One over a lock prefix is an idiom.)
 *
 * What it jumps to elsewhere, or has in a jump table, is a part of it, if it is called its cold part, or
 * jumps back into it, or leads nowhere at all (it ends the process). Else it is another function: as far as can be
 * told, one that returns without having jumped back is.
 */
#ifndef INSN_WALK_H
#define INSN_WALK_H

#include "insn_decode.h"

#define INSN_PARTS_MAX 8
/*
 * Of all parts, since each instruction takes memory: of 2 MiB some 100 MB, if all are as short as can be. The
 * largest that compilers make have 0.6 MiB (LLVM's and rustc's own).
 */
#define INSN_CODE_MAX (2u << 20)
/*
 * Decoded for one function, with what turns out to be no part: in bytes, or in what else takes as long. A second
 * or so, if all instructions are as short as can be.
 */
#define INSN_WORK_MAX (4u << 20)

struct insn_code {
	const uint8_t *bytes;
	uint64_t address;
	uint64_t size;
	bool cold; /* by its name a part of who jumps to it: its returns are that one's */
};

struct insn_walk {
	struct insn_code code;
	struct insn *items;
	size_t count, room;
	struct insn_table
		*tables; /* of those that take part in one, from 1 on; the first is none's */
	size_t tables_count, tables_room;
};

/*
 * 0; -EBADMSG: what is at *wrong can't be decoded; -EILSEQ: the jump there goes into the middle of an
 * instruction; -EFBIG, -ENOMEM.
 */
int insn_walk_read(struct insn_walk *walk, struct insn_decoder *decoder,
		   const struct insn_code *code, uint64_t *wrong);
void insn_walk_free(struct insn_walk *walk);

/* Of one of its instructions. */
struct insn_table *insn_walk_table(const struct insn_walk *walk, size_t number);
bool insn_walk_has(const struct insn_walk *walk, uint64_t address);
/* The instruction that begins at `address`; NULL: none does. */
const struct insn *insn_walk_at(const struct insn_walk *walk, uint64_t address);
/* Something in the function jumps to `address`. */
bool insn_walk_is_target(const struct insn_walk *walk, uint64_t address);
/* As insn_refused(), of one of its own. */
const char *insn_walk_refused(const struct insn_walk *walk, const struct insn *at);

/* What else is in the file; each may be NULL. */
struct insn_lookup {
	/* The function that has this address in it; its bytes may be NULL until it is loaded. */
	bool (*find)(uint64_t address, struct insn_code *out, void *context);
	bool (*load)(struct insn_code *code, void *context);
	/* What the file has at this address, where no code is; NULL: a table is taken for one. */
	bool (*word)(uint64_t address, uint64_t *out, void *context);
	void *context;
	/* What may be decoded for this function and those after it; counted down. As INSN_WORK_MAX is counted. */
	uint64_t *work_left;
};

/* A function, which is the first, and its parts. */
struct insn_parts {
	struct insn_walk items[INSN_PARTS_MAX];
	size_t count;
};

/*
 * As insn_walk_read(), of the function; a part that can't be read is another function. -E2BIG: it jumps to
 * more than INSN_WORK_MAX, or than is left.
 */
int insn_parts_read(struct insn_parts *parts, struct insn_decoder *decoder,
		    const struct insn_code *code, const struct insn_lookup *lookup,
		    uint64_t *wrong);
void insn_parts_free(struct insn_parts *parts);
bool insn_parts_have(const struct insn_parts *parts, uint64_t address);

#endif /* INSN_WALK_H */
