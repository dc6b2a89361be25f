"""Commands besides `serve`, as people and scripts call them."""
import os
import subprocess

import pytest
from server import BINARY, ROOT


@pytest.mark.parametrize("command", [
    ["inspect", ROOT / "model-repo/churn"],
    ["bench", ROOT / "model-repo/churn", "--seconds", "0.01"],
    ["check", ROOT / "model-repo"],
])
def test_a_reader_that_has_had_enough_is_no_failure_to_tell_of(command):
    """As `girandole inspect MODEL | head` does it: the pipe is closed before all is written."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run([BINARY, *command], stdout=writer, stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_what_cannot_be_written_fails():
    with open("/dev/full", "w") as full:
        ended = subprocess.run([BINARY, "inspect", ROOT / "model-repo/churn"], stdout=full, stderr=subprocess.PIPE,
                               timeout=60)
    assert ended.returncode == 1 and b"No space left" in ended.stderr


def test_a_dimension_that_there_is_not_is_refused():
    ended = subprocess.run([BINARY, "bench", ROOT / "model-repo/churn", "--dim", "sequence=3"], capture_output=True,
                           timeout=60)
    assert ended.returncode == 1 and b"no free dimension of the inputs is called 'sequence'" in ended.stderr
