# SPDX-License-Identifier: MIT
"""observe() and Step: what is wrapped reports what it does, ends in time, and is taken for the
strategy.
"""

import ctypes
import gc
import os
import re
import sys
import threading
import weakref

import pytest

import contract
from driver import ACCEPTED, INVALID, PROPAGATED, REJECTED
from program import ROOT
from python_package import (  # noqa: F401
    counts,
    inside,
    is_open,
    needs_headers,
    struct,
    the_package,
    the_semaphore,
    watched,
)

pytestmark = needs_headers


class MessageRejected(Exception):
    pass


class InvalidMessage(Exception):
    pass


class Refused(MessageRejected):
    """A framework's own kind of it."""


class Strategy:
    """`says` is what its submit raises; else it hands on, if there is a next one."""

    def __init__(self, next_step=None):
        self.next_step = next_step
        self.says = None
        self.log = []

    def submit(self, message):
        self.log.append(("submit", message))
        if self.says:
            raise self.says
        return self.next_step.submit(message) if self.next_step else message

    def poll(self):
        self.log.append(("poll",))
        if self.next_step:
            self.next_step.poll()

    def close(self):
        self.log.append(("close",))

    def terminate(self):
        self.log.append(("terminate",))

    def join(self, timeout=None):
        self.log.append(("join", timeout))
        if self.next_step:
            self.next_step.close()
            self.next_step.join(timeout=timeout)


def attempt(step, message=None):
    try:
        return step.submit(message)
    except (MessageRejected, InvalidMessage, ArithmeticError) as e:
        return e


def test_outcomes(watched):
    strategy = Strategy()
    step = watched.observe(strategy, "step")
    assert step.submit("m") == "m" and counts(step) == (1, 0, 0, 0)
    for says, rejected in ((MessageRejected(), 1), (Refused(), 2), (InvalidMessage(), 2)):
        strategy.says = says
        assert attempt(step) is says
        assert counts(step) == (1, rejected, 0, 0) and is_open(step)
    strategy.says = ZeroDivisionError()
    assert attempt(step) is strategy.says
    strategy.says = Refused()
    attempt(step)
    assert counts(step) == (1, 3, 0, 0)
    strategy.says = None
    attempt(step)
    assert counts(step) == (2, 3, 0, 0) and not is_open(step)


def test_classes_are_told_by_name_alone(watched):
    """Nothing is imported, and odd classes harm nobody."""

    class Meta(type):
        @property
        def __name__(cls):
            raise RuntimeError("no name")

    class Odd(Exception, metaclass=Meta):
        pass

    class NotNamedSo(Exception):
        def __str__(self):
            return "MessageRejected"

    strategy = Strategy()
    step = watched.observe(strategy, "step")
    for odd in (Odd(), NotNamedSo()):
        strategy.says = odd
        with pytest.raises(type(odd)) as raised:
            step.submit(1)
        assert raised.value is odd and counts(step) == (0, 0, 0, 0)


def test_a_chain(watched):
    """Each knows what became of its message; a refusal that passes through is no step's own."""
    last, middle, first = Strategy(), None, None
    third = watched.observe(last, "third")
    middle = Strategy(third)
    second = watched.observe(middle, "second")
    first = watched.observe(Strategy(second), "first")
    chain = first, second, third
    attempt(first)
    assert [counts(s) for s in chain] == [(1, 0, 1, 0), (1, 0, 1, 0), (1, 0, 0, 0)]
    last.says = MessageRejected()
    attempt(first)
    assert [counts(s) for s in chain] == [(1, 0, 1, 1), (1, 0, 1, 1), (1, 1, 0, 0)]
    assert [is_open(s, 1) for s in chain] == [True, True, False]
    middle.says = MessageRejected()
    attempt(first)
    assert [counts(s) for s in chain] == [(1, 0, 1, 2), (1, 1, 1, 1), (1, 1, 0, 0)]
    last.says = middle.says = None
    attempt(first)
    assert [counts(s) for s in chain] == [(2, 0, 2, 2), (2, 1, 2, 1), (2, 1, 0, 0)]
    assert not any(is_open(s, d) for s in chain for d in (0, 1))


def test_a_refusal_that_was_swallowed_is_not_propagated_later(watched):
    class Carrying(Strategy):
        carried = None

        def submit(self, message):
            if self.carried:
                raise MessageRejected
            self.poll(message)

        def poll(self, message=None):
            self.carried = message or self.carried
            try:
                self.next_step.submit(self.carried)
                self.carried = None
            except MessageRejected:
                pass

    last = Strategy()
    sink = watched.observe(last, "sink")
    step = watched.observe(Carrying(sink), "carrying", ready=lambda s: s.carried is None)
    last.says = MessageRejected()
    attempt(step, 1)
    assert counts(step) == (1, 0, 0, 1)
    attempt(step, 2)
    assert counts(step) == (1, 1, 0, 1) and is_open(step, 0)
    step.poll()
    assert counts(step) == (1, 1, 0, 2) and is_open(step, 0)
    last.says = None
    step.poll()
    assert counts(step) == (1, 1, 1, 2) and not is_open(step, 0) and not is_open(step, 1)


def test_another_thread_is_nobodys_next_step(watched):
    sink = watched.observe(Strategy(), "sink")

    class Elsewhere(Strategy):
        def submit(self, message):
            thread = threading.Thread(target=sink.submit, args=(message,))
            thread.start()
            thread.join()

    step = watched.observe(Elsewhere(), "elsewhere")
    step.submit(1)
    assert counts(sink) == (1, 0, 0, 0) and counts(step) == (1, 0, 0, 0)


def test_a_recursion_deeper_than_is_kept(watched):
    """Of 200 steps in a chain, the deepest are not told to their callers."""
    steps = [watched.observe(Strategy(), "0")]
    for i in range(1, 200):
        steps.append(watched.observe(Strategy(steps[-1]), str(i)))
    steps.reverse()
    assert steps[0].submit("m") == "m"
    assert [counts(s)[0] for s in steps] == [1] * 200
    assert [counts(s)[2] for s in steps] == [1] * 64 + [0] * 136
    steps[0].submit("m")
    assert [counts(s)[2] for s in steps] == [2] * 64 + [0] * 136


def test_marks(watched):
    seen = []

    class Looking(Strategy):
        def submit(self, message):
            seen.append(inside(step))

        def poll(self):
            seen.append(inside(step))

        def join(self, timeout=None):
            seen.append(inside(step))

    step = watched.observe(Looking(), "looking")
    for call in (lambda: step.submit(1), step.poll, step.join):
        call()
        assert inside(step) == 0
    assert seen == [1, 2, 2]


def test_ready_is_asked_only_while_somebody_watches(pushback, watched):
    asked = []
    strategy = Strategy()
    step = watched.observe(strategy, "step", ready=asked.append)
    strategy.says = MessageRejected()
    attempt(step)
    step.poll()
    assert asked == [strategy] and is_open(step)


def test_ready_is_not_asked_while_nobody_does(pushback, semaphore):
    asked = []
    step = pushback.observe(Strategy(), "step", ready=asked.append)
    before = semaphore.value
    step.poll()
    # Somebody may watch all of this host.
    assert not asked or before or semaphore.value


def test_a_ready_that_raises_is_no_fault_of_polls(watched, capsys, monkeypatch):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    strategy = Strategy()
    step = watched.observe(strategy, "step", ready=lambda _: 1 / 0)
    strategy.says = MessageRejected()
    attempt(step)
    assert step.poll() is None and is_open(step)
    assert [u.exc_type for u in unraisable] == [ZeroDivisionError]


# ---- It ends ----


def test_closed_and_joined_it_ends(watched):
    """As arroyo does at a rebalance: close, join; each strategy does so to its next one."""
    sink = watched.observe(Strategy(), "sink")
    first = watched.observe(Strategy(sink), "first")
    attempt(first)
    first.terminate()
    first.close()
    assert struct(first.__pushback__, "instance") and counts(first)[0] == 1
    first.join(3.0)
    assert sink.log[-2:] == [("close",), ("join", 3.0)]
    assert [struct(s.__pushback__, "instance") for s in (first, sink)] == [0, 0]


def test_joined_alone_it_lives(watched):
    step = watched.observe(Strategy(), "step")
    attempt(step)
    step.join()
    assert struct(step.__pushback__, "instance")


def test_it_goes_with_its_last_reference(pushback):
    """At once, without the garbage collector; and with it, in cycles."""
    gc.disable()
    try:
        strategy = Strategy()
        step = pushback.observe(strategy, "step")
        submit = step.submit
        gone, strategy_gone = weakref.ref(step), weakref.ref(strategy)
        del step, strategy
        assert gone() is None and submit(1) == 1
        del submit
        assert strategy_gone() is None
        strategy = Strategy()
        strategy.wrapper = pushback.observe(strategy, "cycle", ready=strategy.poll)
        strategy_gone = weakref.ref(strategy)
        del strategy
        assert strategy_gone()
        gc.collect()
        assert strategy_gone() is None
    finally:
        gc.enable()


def test_nothing_leaks(watched):
    """Neither references nor memory."""
    strategy, error, message = Strategy(), MessageRejected(), object()
    sink = watched.observe(strategy, "sink")
    step = watched.observe(Strategy(sink), "step", ready=bool)

    def work():
        for strategy.says in (None, error, InvalidMessage(), ZeroDivisionError()):
            attempt(step, message)
        attempt(sink, message)
        strategy.says = type("MessageRejected", (MessageRejected,), {})()  # each time another class
        attempt(sink, message)
        step.submit(message=message) if strategy.says is None else None
        step.poll()
        getattr(step, "log"), getattr(step, "missing", None), repr(step)
        watched.observe(strategy, "other").poll()
        watched.Step("one").submit_return(1)
        for wrong in (
            lambda: watched.observe(1, "x"),
            lambda: watched.observe(strategy),
            lambda: watched.Step(),
        ):
            with pytest.raises((TypeError, AttributeError)):
                wrong()
        strategy.log.clear()
        step.log.clear()
        error.__traceback__ = None

    objects = (strategy, error, message, MessageRejected, sink, step, None)
    for _ in range(50):
        work()
    gc.collect()
    before = [sys.getrefcount(o) for o in objects[:-1]], len(gc.get_objects()), resident()
    for _ in range(3000):
        work()
    gc.collect()
    assert [sys.getrefcount(o) for o in objects[:-1]] == before[0]
    assert len(gc.get_objects()) <= before[1] + 1000
    assert resident() < before[2] + 1000  # 6,000 steps of 512 bytes are 3,000 KiB


def resident():
    """KiB."""
    with open("/proc/self/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


# ---- The framework can't tell ----


def test_everything_else_goes_through(pushback):
    strategy = Strategy()
    strategy.name = "mine"
    step = pushback.observe(strategy, "step")
    assert (
        isinstance(step, Strategy) and step.__class__ is Strategy and step.__wrapped__ is strategy
    )
    assert step.name == "mine" and vars(step) is vars(strategy)
    step.name = "other"
    assert strategy.name == "other"
    del step.name
    assert not hasattr(step, "name") and not hasattr(strategy, "name")
    assert getattr(step, "".join(["sub", "mit"])) == step.submit
    assert hash(step) != hash(strategy) and step != strategy and step
    assert repr(step) == f"<pushback.observe({strategy!r}, 'step')>"
    with pytest.raises(AttributeError, match="'Strategy' object has no attribute 'nothing'"):
        step.nothing


def test_calls_go_through_as_they_are(pushback):
    class Any(Strategy):
        def submit(self, *args, **kwargs):
            return args, kwargs

        poll = close = terminate = join = submit

    step = pushback.observe(Any(), "any")
    for name in ("submit", "poll", "close", "terminate", "join"):
        method = getattr(step, name)
        for args, kwargs in (
            ((), {}),
            ((1,), {}),
            ((1, 2), {}),
            ((), {"message": 1}),
            ((1,), {"timeout": None}),
        ):
            assert method(*args, **kwargs) == (args, kwargs)


def test_a_method_that_is_replaced_is_called(pushback):
    step = pushback.observe(Strategy(), "step")
    step.submit = lambda message: message + 1
    assert step.submit(1) == 2


@pytest.mark.parametrize(
    "exception", [KeyboardInterrupt, SystemExit, MessageRejected, InvalidMessage]
)
def test_exceptions_pass_unchanged(pushback, exception):
    strategy = Strategy()
    steps = [strategy]
    for name in "abc":
        steps.append(pushback.observe(Strategy(steps[-1]), name))
    strategy.says = exception("text")
    with pytest.raises(exception) as raised:
        steps[-1].submit(1)
    assert raised.value is strategy.says and raised.value.__context__ is None
    for name in ("poll", "close", "terminate", "join"):
        setattr(strategy, name, lambda *_, **__: (_ for _ in ()).throw(exception))
        with pytest.raises(exception):
            getattr(pushback.observe(strategy, "d"), name)()


def test_what_is_no_strategy_is_refused(pushback):
    with pytest.raises(AttributeError, match="submit"):
        pushback.observe(object(), "object")
    with pytest.raises(TypeError, match="callable"):
        pushback.observe(Strategy(), "step", ready=1)
    with pytest.raises(TypeError):
        pushback.observe(Strategy(), b"bytes")
    with pytest.raises(ValueError, match="null"):
        pushback.observe(Strategy(), "a\0b")
    with pytest.raises(TypeError, match="observe"):
        type(pushback.observe(Strategy(), "step"))()


def test_steps_refuse_what_is_no_number(pushback):
    step = pushback.Step(name="step")
    for wrong in (None, "1", 1.0):
        with pytest.raises(TypeError):
            step.submit_return(wrong)
        with pytest.raises(TypeError):
            step.forward_return(wrong)
    for wrong in ((-1,), (1, -1), ("1",), ()):
        with pytest.raises((TypeError, ValueError)):
            step.depth(*wrong)
    with pytest.raises(OverflowError):
        step.submit_return(1 << 70)
    assert repr(step) == "<pushback.Step 'step'>" and step.name == "step"
    assert pushback.Step("n" * 200).name == "n" * 127
    assert pushback.Step("é" * 100).name.startswith("é" * 63)


def test_the_snippets_run(pushback):
    """Those of the README, the package's README and its manual: they are the same."""
    texts = [(ROOT / path).read_text() for path in ("README.md", "include/python/README.md")]
    snippets = [re.search(r"^```python\n(.*?)^```", text, re.M | re.S).group(1) for text in texts]
    manual = re.sub("^    ", "", pushback.__doc__, flags=re.M)
    assert snippets[0] == snippets[1] and snippets[0] in manual

    class Sink(Strategy):
        def is_full(self):
            return False

    class RunTask(Strategy):
        def __init__(self, function, next_step):
            super().__init__(next_step)

    names = {"Sink": Sink, "RunTask": RunTask, "function": None}
    exec(snippets[0], names)  # pylint: disable=exec-used
    names["task"].submit("m")
    names["task"].poll()
    assert names["sink"].log == [("submit", "m"), ("poll",)]


def test_steps_count(watched):
    step = watched.Step("step")
    for outcome in (watched.ACCEPTED, watched.Outcome.REJECTED, 1, PROPAGATED, INVALID, -1, 77):
        step.submit_return(outcome)
    for outcome in (ACCEPTED, REJECTED, watched.PROPAGATED, watched.INVALID):
        step.forward_return(outcome)
    assert counts(step) == (1, 2, 1, 2)
    step.end()
    assert counts(step) == (0, 0, 0, 0)


def test_the_layout_is_that_of_c(pushback):
    step = pushback.Step("layout")
    assert step.address % 64 == 0
    memory = ctypes.string_at(step.address, 512)
    assert struct(step.address, "magic", ctypes.c_uint32) == 0x70756C6C
    assert struct(step.address, "version", ctypes.c_uint16) == 1
    assert struct(step.address, "size", ctypes.c_uint16) == 512
    assert memory[contract.OFFSETS["name"] :] == b"layout".ljust(128, b"\0")
    assert struct(step.address, "epoch") == 2  # never called
    step.depth(3, 7)
    assert struct(step.address, "depth") == 3 | 7 << 32
