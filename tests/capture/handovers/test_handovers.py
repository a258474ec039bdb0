"""The order between threads that a program made by handing work over is found again, and nothing else is."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import inspect
import pickle
import queue
import random
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_known_before
from pathlib import Path

import onnxruntime
import pytest
import torch  # noqa: F401 - without it there is no window

import ortprobe
from ortprobe.bundle import Handover, Lost, Settings, Thread, read_bundle
from ortprobe.capture.recorder import current_recorder
from ortprobe.capture.tracing import Capture

Edge = tuple[str, int, int]
"""What the take was, the thread that gave, the thread that took."""


@pytest.fixture
def capture(tmp_path: Path, model: Path) -> Iterator[Capture]:
    """A capture whose window is open: torch's profiler is attached from the making of a session on."""
    with ortprobe.trace(tmp_path) as capture:
        capture.session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        yield capture


def handovers(capture: Capture) -> list[Handover]:
    records = read_bundle(capture.folder).records
    assert not [record for record in records if isinstance(record, Lost)]
    return sorted((record for record in records if isinstance(record, Handover)), key=lambda record: record.at_ns)


def edges(capture: Capture) -> Counter[Edge]:
    """Each take with each give of its token before it."""
    gives: dict[int, list[Handover]] = {}
    found: Counter[Edge] = Counter()
    for record in handovers(capture):
        if record.gives:
            gives.setdefault(record.token, []).append(record)
        else:
            found.update((record.what, give.thread, record.thread) for give in gives.get(record.token, ()))
    return found


def here() -> int:
    return threading.get_native_id()


class RandomProgram:
    """Threads, queues and futures in an order of chance, and what each of them handed to whom."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.made: Counter[Edge] = Counter()
        self.lock = threading.Lock()

    def note(self, what: str, giver: int, taker: int) -> None:
        with self.lock:
            self.made[what, giver, taker] += 1

    def run(self) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.random.choice((self.through_queues, self.through_futures, self.in_threads))(self.random.randint(1, 3))

    def thread(self, work: Callable[[], object]) -> threading.Thread:
        starter = here()

        def body() -> None:
            self.note("thread.run", starter, here())
            work()

        thread = threading.Thread(target=body)
        thread.start()
        return thread

    def join(self, thread: threading.Thread) -> None:
        thread.join(self.random.choice((None, 30)))
        self.note("thread.join", thread.native_id, here())

    def in_threads(self, depth: int) -> None:
        threads = [
            self.thread(lambda: self.in_threads(depth - 1) if depth else None) for _ in range(self.random.randint(1, 2))
        ]
        for thread in self.random.sample(threads, self.random.randint(0, len(threads))):
            self.join(thread)
            if self.random.random() < 0.3:
                self.join(thread)
        for thread in threads:
            while thread.is_alive():  # without a join
                time.sleep(0.0005)

    def through_queues(self, count: int) -> None:
        kinds = (queue.Queue, queue.LifoQueue, queue.PriorityQueue)
        queues = [self.random.choice(kinds)(self.random.choice((0, 1, 5))) for _ in range(count)]
        items = self.random.randint(1, 6)
        plan = [(where, number) for where in queues for number in range(items)]

        def produce(share: list[tuple[queue.Queue, int]]) -> None:
            for where, number in share:
                where.put((number, random.random(), here()))

        def consume(where: queue.Queue, number: int) -> None:
            for _ in range(number):
                self.note("queue.get", where.get(timeout=30)[2], here())

        producers = self.random.randint(1, 3)
        threads = [self.thread(lambda n=n: produce(plan[n::producers])) for n in range(producers)]
        for where in queues:
            first = self.random.randint(0, items)
            threads += [self.thread(lambda w=where, n=n: consume(w, n)) for n in (first, items - first)]
        for thread in threads:
            self.join(thread)

    def through_futures(self, count: int) -> None:
        submitter = here()

        def task(fails: bool) -> int:
            self.note("future.run", submitter, here())
            if fails:
                raise LookupError(here())
            return here()

        with ThreadPoolExecutor(count) as pool:
            futures = [pool.submit(task, self.random.random() < 0.3) for _ in range(self.random.randint(1, 5))]
            for future in self.random.sample(futures, self.random.randint(0, len(futures))):
                try:
                    self.note("future.get", future.result(), here())
                except LookupError as error:
                    self.note("future.get", error.args[0], here())
            workers = list(pool._threads)
        for worker in workers:
            self.note("thread.run", submitter, worker.native_id)
            self.note("thread.join", worker.native_id, submitter)


def test_random_programs_give_back_the_edges_they_made(capture: Capture) -> None:
    programs = [RandomProgram(seed) for seed in range(40)]
    for program in programs:
        program.run()
    made = sum((program.made for program in programs), Counter())
    assert len(made) > 200
    assert edges(capture) == made


def test_nothing_is_recorded_outside_windows(tmp_path: Path, model: Path) -> None:
    settings = Settings(warmup_runs=1_000, active_runs=1, torch_runs=1)
    with ortprobe.trace(tmp_path, settings=settings) as capture:
        capture.session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        RandomProgram(1).run()
        RandomProgram(2).run()
    assert handovers(capture) == []


def test_nothing_is_recorded_without_a_session(tmp_path: Path) -> None:
    with ortprobe.trace(tmp_path) as capture:
        recorder = current_recorder()
        recorder.schedule.before_creation()
        assert recorder.schedule.profiler_attached()
        RandomProgram(1).run()
    assert handovers(capture) == []


def in_thread(work: Callable[[], object]) -> int:
    """Its OS id, after it has done the work."""
    ids: list[int] = []
    thread = threading.Thread(target=lambda: (ids.append(here()), work()))
    thread.start()
    thread.join()
    return ids[0]


def only(found: Counter[Edge], what: str) -> Counter[Edge]:
    return Counter({edge: count for edge, count in found.items() if edge[0] == what})


@pytest.mark.parametrize("item", [None, 3, "word"])
def test_shared_objects_in_a_queue_are_told_apart(capture: Capture, item: object) -> None:
    line, stack, other = queue.Queue(), queue.LifoQueue(), queue.Queue()
    alive = threading.Event()  # keeps the threads' ids apart
    givers: list[int] = []

    def give() -> None:
        givers.append(here())
        for where in (line, stack, other):
            where.put(item)
        arrived.release()
        alive.wait()

    arrived = threading.Semaphore(0)
    threads = [threading.Thread(target=give) for _ in range(3)]
    for thread in threads:
        thread.start()
        arrived.acquire()
    takers = three_threads_in_turn(lambda: (line.get(), stack.get()))
    alive.set()
    for thread in threads:
        thread.join()
    first, second, third = givers
    a, b, c = takers
    assert only(edges(capture), "queue.get") == Counter(
        {
            ("queue.get", first, a): 1,
            ("queue.get", second, b): 2,
            ("queue.get", third, c): 1,
            ("queue.get", third, a): 1,
            ("queue.get", first, c): 1,
        }
    )


def three_threads_in_turn(work: Callable[[], object]) -> list[int]:
    """The OS ids of three threads that did the same work one after another and were alive together."""
    ids: list[int] = []
    turn, end = threading.Semaphore(0), threading.Semaphore(0)

    def body() -> None:
        ids.append(here())
        work()
        turn.release()
        end.acquire()

    threads = [threading.Thread(target=body) for _ in range(3)]
    for thread in threads:
        thread.start()
        turn.acquire()
    end.release(3)
    for thread in threads:
        thread.join()
    return ids


def test_what_was_put_before_the_window_or_vanished_is_not_mistaken(tmp_path: Path, model: Path) -> None:
    line = queue.Queue()
    with ortprobe.trace(tmp_path) as capture:
        line.put(None)
        capture.session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        giver = in_thread(lambda: line.put(None))
        line.get()
        before = len(handovers_so_far(capture, "queue.get"))
        line.get()
        in_thread(lambda: line.put(None))
        with line.mutex:
            line.queue.clear()
        last = in_thread(lambda: line.put(None))
        line.get()
    assert before == 0
    assert only(edges(capture), "queue.get") == Counter([("queue.get", giver, here()), ("queue.get", last, here())])


def test_what_vanished_in_one_window_is_not_mistaken_in_the_next(capture: Capture) -> None:
    line, schedule = queue.Queue(), current_recorder().schedule
    in_thread(lambda: line.put(None))
    with line.mutex:
        line.queue.clear()
    schedule.profiler.close()
    in_thread(lambda: line.put(None))
    schedule.before_creation()
    assert schedule.profiler_attached()
    line.get()
    giver = in_thread(lambda: line.put(None))
    schedule.profiler.close()
    schedule.before_creation()
    line.get()
    assert only(edges(capture), "queue.get") == Counter([("queue.get", giver, here())])


def handovers_so_far(capture: Capture, what: str) -> list[Handover]:
    records = read_bundle(capture.folder).records
    return [record for record in records if isinstance(record, Handover) and record.what == what]


def test_worker_that_waited_since_before_the_window_is_seen(tmp_path: Path, model: Path) -> None:
    line, event = queue.Queue(), threading.Event()
    with ortprobe.trace(tmp_path) as capture:
        workers = [threading.Thread(target=line.get), threading.Thread(target=event.wait)]
        for worker in workers:
            worker.start()
        time.sleep(0.05)
        capture.session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        line.put("work")
        event.set()
        for worker in workers:
            worker.join()
        names = {worker.native_id: worker.name for worker in workers}
    found = edges(capture)
    getter, waiter = (worker.native_id for worker in workers)
    assert found["queue.get", here(), getter] == found["event.wait", here(), waiter] == 1
    described = {r.native_id: r.name for r in read_bundle(capture.folder).records if isinstance(r, Thread)}
    assert {thread: described[thread] for thread in names} == names


def test_queue_that_is_joined_follows_what_was_done(capture: Capture) -> None:
    line = queue.Queue()

    def work() -> None:
        line.get()
        line.task_done()

    for _ in range(2):
        line.put(0)
    ids = [in_thread(work), in_thread(work)]
    line.join()
    assert only(edges(capture), "queue.join") == Counter(("queue.join", worker, here()) for worker in ids)


def test_timeouts_refusals_and_cancellations_hand_nothing_over(capture: Capture) -> None:
    line, event, go = queue.Queue(1), threading.Event(), threading.Semaphore(0)
    thread = threading.Thread(target=go.acquire)
    thread.start()
    thread.join(0.01)
    with pytest.raises(RuntimeError, match="threads can only be started once"):
        thread.start()
    assert not event.wait(0.01)
    line.put(1)
    with pytest.raises(queue.Full):
        line.put(2, timeout=0.01)
    assert line.get() == 1
    with pytest.raises(queue.Empty):
        line.get_nowait()
    with ThreadPoolExecutor(1) as pool:
        running, pending = pool.submit(go.acquire), pool.submit(print)
        with pytest.raises(TimeoutError):
            running.result(0.01)
        assert pending.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            pending.result()
        go.release()
        go.release()
    thread.join()
    counted = Counter(what for what, _, _ in edges(capture).elements())
    assert counted == {"thread.run": 2, "queue.get": 1, "future.run": 1, "thread.join": 2}
    recorded = Counter(record.what for record in handovers(capture))
    assert recorded == {
        **dict.fromkeys(("thread.start", "thread.run", "thread.end", "thread.join", "future.submit"), 2),
        **dict.fromkeys(("queue.put", "queue.get", "future.run", "future.set"), 1),
    }


def test_events_hand_over_until_they_are_cleared(capture: Capture) -> None:
    event, alive = threading.Event(), threading.Semaphore(0)
    ids: list[int] = []

    def setter() -> None:
        ids.append(here())
        event.set()
        alive.acquire()

    threads = [threading.Thread(target=setter) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert event.wait(30)
        event.clear()
    threads.append(threading.Thread(target=lambda: (ids.append(here()), event.wait(), alive.acquire())))
    threads[2].start()
    time.sleep(0.05)
    event.clear()  # of what is not set
    event.set()
    event.clear()  # before the waiting thread wakes
    alive.release(3)
    for thread in threads:
        thread.join()
    first, second, third = ids
    assert only(edges(capture), "event.wait") == Counter(
        [("event.wait", first, here()), ("event.wait", second, here()), ("event.wait", here(), third)]
    )


def test_waiting_for_futures_is_getting_them(capture: Capture) -> None:
    with ThreadPoolExecutor(1) as pool:
        futures = [pool.submit(here) for _ in range(3)]
        done, _ = wait_known_before(futures)
        assert len(done) == 3
        assert len(list(concurrent.futures.as_completed([pool.submit(time.sleep, 0.01) for _ in range(2)]))) == 2
        assert list(pool.map(lambda _: here(), range(2)))
        futures[0].add_done_callback(lambda future: future.done())
        worker = next(iter(pool._threads)).native_id
    assert only(edges(capture), "future.get") == Counter({("future.get", worker, here()): 8})


def test_event_loop_and_executor_hand_work_over(capture: Capture) -> None:
    async def program() -> int:
        return await asyncio.to_thread(here)

    worker = asyncio.run(program())
    found = edges(capture)
    assert found["future.run", here(), worker] == 1
    assert found["future.get", worker, here()] >= 1


def test_threads_of_subclasses_are_seen(capture: Capture) -> None:
    class Worker(threading.Thread):
        def run(self) -> None:
            """Nothing."""

    thread = Worker(name="mine")
    thread.start()
    thread.join()
    timer = threading.Timer(0, int)
    timer.start()
    timer.join()
    assert edges(capture) == Counter(
        (what, *pair)
        for each in (thread, timer)
        for what, pair in (
            ("thread.run", (here(), each.native_id)),
            ("thread.join", (each.native_id, here())),
        )
    )
    described = {r.native_id: r.name for r in read_bundle(capture.folder).records if isinstance(r, Thread)}
    assert described[thread.native_id] == "mine"
    assert not [each for each in threading.enumerate() if isinstance(each, threading._DummyThread)]


def test_queues_with_an_order_of_their_own_work_as_before(capture: Capture) -> None:
    class Newest(queue.Queue):
        def _get(self) -> object:
            return self.queue.pop()

    class Unique(queue.Queue):
        def _init(self, maxsize: int) -> None:
            self.queue = {}

        def _put(self, item: object) -> None:
            self.queue[item] = None

        def _get(self) -> object:
            return self.queue.popitem()[0]

    class Counting(queue.Queue):
        def put(self, item: object, *args: object) -> None:
            super().put((item, 1), *args)

    newest, unique, counting = Newest(), Unique(), Counting()
    for each in (newest, unique, counting):
        each.put("a")
        each.put("a")
    assert [newest.get(), newest.get(), unique.get(), counting.get()] == ["a", "a", "a", ("a", 1)]
    assert only(edges(capture), "queue.get") == Counter({("queue.get", here(), here()): 1})


def test_failed_future_is_freed_without_the_garbage_collector(capture: Capture) -> None:
    class Payload:
        pass

    def fail(_payload: Payload) -> None:
        raise LookupError

    payload = Payload()
    freed = weakref.ref(payload)
    gc.disable()
    try:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(fail, payload)
            with pytest.raises(LookupError):
                future.result()
            of_future = weakref.ref(future)
            del future
        del payload
        assert of_future() is None
        assert freed() is None
    finally:
        gc.enable()


def test_objects_die_as_they_would(capture: Capture) -> None:
    line, event = queue.Queue(), threading.Event()
    payload = threading.Semaphore()
    line.put(payload)
    event.set()
    references = [weakref.ref(each) for each in (line, event, payload)]
    del line, event, payload
    assert [reference() for reference in references] == [None] * 3


HOOKED = [
    (threading.Thread, ("start", "join")),
    (queue.Queue, ("put", "get", "join", "task_done")),
    (concurrent.futures.Future, ("result", "exception", "set_result", "add_done_callback")),
    (ThreadPoolExecutor, ("submit",)),
    (threading.Event, ("set", "wait", "clear")),
]


def test_signatures_pickles_and_originals_stay(tmp_path: Path) -> None:
    def seen() -> list[object]:
        return [
            (inspect.signature(getattr(owner, name)), getattr(owner, name).__doc__)
            for owner, names in HOOKED
            for name in names
        ]

    owners = [owner for owner, _ in HOOKED] + [queue.LifoQueue, queue.PriorityQueue, concurrent.futures._base]
    before, contents = seen(), [dict(vars(owner)) for owner in owners]
    with ortprobe.trace(tmp_path, torch_profiler=False):
        assert seen() == before
        assert pickle.loads(pickle.dumps(queue.Queue.put)) is queue.Queue.put
        waited = concurrent.futures.wait([])
        assert type(pickle.loads(pickle.dumps(waited))) is type(waited)
    assert [dict(vars(owner)) for owner in owners] == contents
