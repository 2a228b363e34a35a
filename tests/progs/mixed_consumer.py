# SPDX-License-Identifier: MIT
"""A consumer in two languages, each with probes of its own, which counts for itself what its steps do.

    PYTHONPATH=... python3 mixed_consumer.py LIBRARY

decode -> native -> batch -> sink are strategies of streams_consumer.py, but native: that is gate -> carry
-> border, in LIBRARY, which tests/rust/src/native.rs is built into; border calls Python again. A line on
stdin starts it; the next one has it rebalanced: all closed, joined and built anew. With the third it
ends, once that has seen some messages, too, and prints its truth as JSON.
"""

import ctypes
import json
import select
import sys

from pushback import observe
from streams_consumer import Batch, InvalidMessage, MessageRejected, Processor, Sink, Step, Task, Truth

SUBMIT = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_uint64)
POLL = ctypes.CFUNCTYPE(None)
INSIDE = ("gate", "carry", "border")
COUNTS = (
    "accepted",
    "send_rejections",
    "propagated",
    "forwarded",
    "receive_rejections",
    "send_episodes",
    "receive_episodes",
    "send_abandoned",
    "receive_abandoned",
)
LEAST = 300  # messages
TOLD = open(0, "rb", buffering=0)  # what is not yet read is there for select()


def load(path):
    library = ctypes.CDLL(path)
    library.native_new.restype = ctypes.c_void_p
    library.native_submit.argtypes = ctypes.c_void_p, ctypes.c_uint64
    library.native_poll.argtypes = (ctypes.c_void_p,)
    library.native_poll.restype = None
    library.native_end.argtypes = ctypes.c_void_p, ctypes.c_void_p
    library.native_end.restype = None
    return library


class Native(Step):
    """The library's chain, as a strategy. Its refusals are its own, whatever happens inside."""

    def __init__(self, library, inside, truth, next_step):
        super().__init__(truth, next_step)
        self.library, self.inside = library, inside
        self.functions = SUBMIT(self.take), POLL(self.next_step.poll)
        self.chain = library.native_new(*self.functions)

    def take(self, message):
        """What the library hands on: is it accepted?"""
        try:
            self.hand_on(message)
        except MessageRejected:
            return False
        return True

    def submit(self, message):
        outcome = self.library.native_submit(self.chain, message)
        if outcome == 1:
            self.truth.rejected()
            raise MessageRejected
        if outcome:
            raise InvalidMessage(message)
        self.truth.accepted()

    def poll(self):
        self.library.native_poll(self.chain)

    def join(self, timeout=None):
        told = ((ctypes.c_uint64 * len(COUNTS)) * len(INSIDE))()
        self.library.native_end(self.chain, told)
        self.functions = None
        for truth, counts in zip(self.inside, told):
            truth.counts.update(dict(zip(COUNTS, counts)))
            truth.count("instances")
        super().join(timeout)


class MixedProcessor(Processor):
    def __init__(self, truths, library):
        self.library = library
        super().__init__(truths)

    def build(self):
        truths, inside = self.truths, [self.truths[name] for name in INSIDE]
        sink = observe(Sink(truths["sink"]), "sink", ready=lambda sink: not sink.is_full())
        batch = observe(Batch(truths["batch"], sink), "batch")
        native = observe(Native(self.library, inside, truths["native"], batch), "native")
        self.strategy = observe(Task(truths["decode"], native), "decode")

    def run_until_told(self):
        first = self.message
        while self.message - first < LEAST or not select.select([TOLD], [], [], 0)[0]:
            self.run_once()
        TOLD.readline()


def main():
    truths = {name: Truth() for name in ("decode", "native", *INSIDE, "batch", "sink")}
    processor = MixedProcessor(truths, load(sys.argv[1]))
    print("ready", flush=True)
    TOLD.readline()
    processor.run_until_told()
    processor.rebalance()
    processor.run_until_told()
    processor.end()
    print(json.dumps({name: truth.counts for name, truth in truths.items()}), flush=True)
    TOLD.readline()


if __name__ == "__main__":
    main()
