"""A web service with a pool of threads and two sessions, under the load of eight clients.

    python tests/benchmarks/service.py MODEL.onnx OTHER.onnx REQUESTS            by itself
    ortprobe trace --duration 5 tests/benchmarks/service.py MODEL.onnx OTHER.onnx REQUESTS

Each client asks so many times, every fourth time for the first model. Free dimensions are 8. Prints the answers to
stdout, which are the same traced and not, and the requests a second and latencies to stderr.
"""

from __future__ import annotations

import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnxruntime

CLIENTS = 8
WORKERS = 4
WANTED = ("CUDAExecutionProvider", "CPUExecutionProvider")


def main() -> None:
    models, requests = sys.argv[1:3], int(sys.argv[3])
    providers = [name for name in WANTED if name in onnxruntime.get_available_providers()]
    sessions = {
        f"/{index}": onnxruntime.InferenceSession(model, providers=providers) for index, model in enumerate(models)
    }
    feeds = {path: random_feeds(session) for path, session in sessions.items()}
    pool = ThreadPoolExecutor(WORKERS)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            outputs = pool.submit(sessions[self.path].run, None, feeds[self.path]).result()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"%.1f" % float(np.abs(outputs[0]).sum()))

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answers: set[tuple[str, bytes]] = set()
    latency_ms: dict[str, list[float]] = {path: [] for path in sessions}

    def ask(number: int) -> None:
        for turn in range(requests):
            path = "/0" if (number + turn) % 4 == 0 else "/1"
            start_s = time.perf_counter()
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}") as answer:
                answers.add((path, answer.read()))
            latency_ms[path].append(1000 * (time.perf_counter() - start_s))

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    start_s = time.perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    rate = CLIENTS * requests / (time.perf_counter() - start_s)
    server.shutdown()
    pool.shutdown()
    print(sorted(answers))
    medians = ", ".join(f"{path} {np.median(times):.2f} ms" for path, times in latency_ms.items())
    print(f"{rate:.0f} requests a second; medians {medians}", file=sys.stderr)


def random_feeds(session: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    shapes = {node.name: [size if isinstance(size, int) else 8 for size in node.shape] for node in session.get_inputs()}
    return {name: generator.random(shape, dtype=np.float32) for name, shape in shapes.items()}


if __name__ == "__main__":
    main()
