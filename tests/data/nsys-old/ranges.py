"""What was recorded: ranges of several kinds, threads and processes, with the program's own clock around some.

pip install nvtx==0.2.10        # 2022.4 and 2023.4 show no ranges of newer ones
nsys profile -t nvtx,osrt -s none --cpuctxsw=none -o ranges python ranges.py
"""

import os
import subprocess
import sys
import threading
import time

import nvtx


def work() -> None:
    for run in range(3):
        before_ns = time.time_ns()
        with nvtx.annotate("run_with_iobinding", domain="ortprobe", payload=run, category="run"):
            time.sleep(0.002)
        print(run, before_ns, time.time_ns(), os.getpid(), threading.get_native_id(), flush=True)
    with nvtx.annotate("plain"):
        time.sleep(0.001)
    started = nvtx.start_range("start-end", domain="other")
    time.sleep(0.001)
    nvtx.end_range(started)


work()
other = threading.Thread(target=work)
other.start()
other.join()
if not os.fork():
    with nvtx.annotate("child", domain="two"):
        time.sleep(0.002)
    os._exit(0)
os.wait()
subprocess.run([sys.executable, "-c", "import nvtx\nwith nvtx.annotate('sub', domain='ortprobe'): pass"], check=True)
