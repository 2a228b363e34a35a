# SPDX-License-Identifier: MIT
"""Reads the .note.stapsdt notes of an ELF file, and says which are live. Shares no code with pushback."""
import struct
from collections import namedtuple

Note = namedtuple("Note", "probe pc semaphore arguments dead")
PF_X, PF_W = 1, 2
PT_LOAD, PT_GNU_RELRO = 1, 0x6474E552
NOPS = {62: b"\x90", 183: b"\x1f\x20\x03\xd5"}
PAGES = {62: 4096, 183: 65536}  # the largest there are


class Elf:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        assert self.data[:6] == b"\x7fELF\x02\x01", "not a little-endian ELF64 file"
        self.machine = self.unpack("<H", 18)[0]
        phoff, shoff = self.unpack("<QQ", 32)
        phsize, phcount, shsize, shcount, names = self.unpack("<HHHHH", 54)
        # type, flags, offset, vaddr, paddr, filesz, memsz, align
        self.segments = [self.unpack("<IIQQQQQQ", phoff + i * phsize) for i in range(phcount)]
        # name, type, flags, addr, offset, size, ...
        sections = [self.unpack("<IIQQQQIIQQ", shoff + i * shsize) for i in range(shcount)]
        strings = sections[names][4]
        self.sections = [(self.string(strings + s[0]), s) for s in sections]

    def unpack(self, form, at):
        return struct.unpack_from(form, self.data, at)

    def string(self, at):
        return self.data[at:self.data.index(b"\0", at)].decode()

    def segment(self, address, flags):
        for kind, has, offset, start, _, size, _, _ in self.segments:
            if kind == PT_LOAD and has & flags == flags and start <= address < start + size:
                return offset + address - start
        return None

    def read_only_later(self, address):
        return any(kind == PT_GNU_RELRO and start <= address < start + size
                   for kind, _, _, start, _, _, size, _ in self.segments)

    def writable_mappings(self, at):
        """How many mappings that are writable at first have this byte of the file: pages are whole."""
        page = PAGES[self.machine]
        return sum(kind == PT_LOAD and flags & PF_W and offset // page <= at // page
                   <= (offset + size - 1) // page
                   for kind, flags, offset, _, _, size, _, _ in self.segments if size)

    def death(self, pc, semaphore):
        """Why this note is none of a live site; None if it is."""
        at = self.segment(pc, PF_X)
        if at is None:
            return "site in no executable segment"
        nop = NOPS[self.machine]
        if self.data[at:at + len(nop)] != nop:
            return "site is no nop"
        if self.segment(semaphore, PF_W) is None or self.read_only_later(semaphore):
            return "semaphore in no writable part of the file"
        if self.writable_mappings(self.segment(semaphore, PF_W)) != 1:
            return "semaphore in a page that is mapped twice: the kernel may raise the other one"
        if self.unpack("<H", self.segment(semaphore, PF_W))[0] != 0:
            return "semaphore is not 0 in the file"
        return None

    def notes(self, provider="pushback"):
        base = [s[3] for name, s in self.sections if name == ".stapsdt.base"]
        for name, section in self.sections:
            if name != ".note.stapsdt":
                continue
            at, end = section[4], section[4] + section[5]
            while at < end:
                owner, size, kind = self.unpack("<III", at)
                body = at + 12 + (owner + 3 & ~3)
                at = body + (size + 3 & ~3)
                assert kind == 3 and at <= end
                pc, linked, semaphore = self.unpack("<QQQ", body)
                texts = self.data[body + 24:body + size].split(b"\0")
                if texts[0].decode() != provider:
                    continue
                # Moved after linking (prelink): everything by as much as the base was.
                moved = base[0] - linked if base and linked else 0
                yield Note(texts[1].decode(), pc + moved, semaphore + moved, texts[2].decode(),
                           self.death(pc + moved, semaphore + moved))
