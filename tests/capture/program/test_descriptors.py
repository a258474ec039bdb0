"""What the tracer has open is never the program's to close, and never mistaken for a file of its own."""

from __future__ import annotations

import pytest

from tests.capture.conftest import RUN, Both, Trace, run_count

CLOSING = {
    "at once": "os.closerange(3, 256)",
    "one by one": "for fd in range(3, 256):\n    try: os.close(fd)\n    except OSError: pass",
}


@pytest.mark.parametrize("how", CLOSING)
def test_files_that_take_the_numbers_of_closed_descriptors_stay_the_programs_own(both: Both, how: str) -> None:
    """Closed at the start, as daemons do: onnxruntime alone hangs at its end when its own files are closed under it."""
    text = """
own = [os.memfd_create(str(number)) for number in range(20)]
for _ in range(50):
    session.run(None, feeds)
del session
print({os.fstat(number).st_size for number in own})
"""
    pair = both(f"import os\n{CLOSING[how]}\n{RUN}{text}")
    pair.check()
    assert pair.traced.stdout == "{0}\n"
    assert run_count(pair.traced) == 55


def test_profile_being_recorded_is_not_written_into_a_file_of_the_program(trace_script: Trace, quick: None) -> None:
    text = """
os.closerange(3, 256)
own = [os.memfd_create(str(number)) for number in range(20)]
for _ in range(50):
    session.run(None, feeds)
del session
print({os.fstat(number).st_size for number in own}, flush=True)
os._exit(0)
"""
    program = trace_script(RUN + text)
    assert (program.code, program.stdout) == (0, "{0}\n")
    assert run_count(program) == 55
    assert (program.folder / "ort-0.json").stat().st_size > 0
