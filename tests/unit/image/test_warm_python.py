# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that the warm Python runs is run as it was sent, and by nothing that another one has brought."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

IMAGE = Path(__file__).parents[3] / "molecule" / "shared" / "image"
SECONDS = 60
WHOSE_CHILD = "import os; print(os.getppid())"

# As Ansible's wrapper: the zip is written beside nothing else, put first, and its module is run.
WRAPPER = """
import base64, os, sys, tempfile
zip_data='{archive}'
file = os.path.join(tempfile.mkdtemp(), "payload.zip")
with open(file, "wb") as new:
    new.write(base64.b64decode(zip_data))
sys.path.insert(0, file)
from ansible.modules import asked
asked.main()
"""
PACKAGES = ("ansible", "ansible/module_utils", "ansible/modules")


def module(
    basic: str, asked: str = "from ansible.module_utils import basic\ndef main(): print(basic.SAID, basic.BORN)"
) -> str:
    """Return what Ansible would send for a module, with a ``basic`` of that word, that tells which process imported it."""
    files = {f"{package}/__init__.py": "" for package in PACKAGES}
    files["ansible/module_utils/basic.py"] = f"import os\nSAID, BORN = {basic!r}, os.getpid()\n"
    files["ansible/modules/asked.py"] = asked
    with io.BytesIO() as written:
        with zipfile.ZipFile(written, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return WRAPPER.format(archive=base64.b64encode(written.getvalue()).decode())


@dataclass
class Warm:
    """A server of its own, in a directory of its own."""

    place: Path
    server: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.server = subprocess.Popen(
            [sys.executable, IMAGE / "warm_python.py", self.place / "socket", self.place / "warm.zip"]
        )
        deadline = time.monotonic() + SECONDS
        while int(self.run(WHOSE_CHILD).stdout) != self.server.pid:
            assert time.monotonic() < deadline, "it never listens"

    def begin(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Begin a program that comes out of standard input, or the words as a command line."""
        return subprocess.Popen(
            [sys.executable, "-IS", IMAGE / "warm-python", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.place,
            env={**os.environ, "WARM_PYTHON": str(self.place / "socket"), **environment},
        )

    def run(self, program: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        with self.begin(*words, **environment) as begun:
            said, wrong = begun.communicate(program, timeout=SECONDS)
        return subprocess.CompletedProcess(begun.args, begun.returncode, said, wrong)

    def told(self, program: str) -> list[str]:
        """Return the words that a module says."""
        done = self.run(program)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def kept(self, program: str) -> list[str]:
        """Return what a module says as soon as its Ansible is the server's."""
        deadline = time.monotonic() + SECONDS
        while int((said := self.told(program))[1]) != self.server.pid:
            assert time.monotonic() < deadline, "nothing is ever kept"
        return said


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[Warm]:
    found = Warm(tmp_path)
    yield found
    found.server.kill()
    found.server.wait()


def test_a_module_uses_what_is_kept_of_the_very_same_ansible(warm: Warm) -> None:
    said, born = warm.kept(module("one"))
    assert said == "one"
    # A module that was not seen before, with the same Ansible: its own part comes out of its own zip.
    other = module("one", "from ansible.module_utils import basic\ndef main(): print('other', basic.BORN)")
    assert warm.told(other) == ["other", born]


def test_a_module_that_comes_with_another_ansible_gets_its_own(warm: Warm) -> None:
    one, two = module("one"), module("two")
    warm.kept(one)
    said, born = warm.told(two)
    assert (said, int(born) == warm.server.pid) == ("two", False)
    assert warm.told(one)[0] == "one"


def test_a_program_has_its_callers_surroundings_and_status(warm: Warm) -> None:
    said = warm.run(
        "import os, sys\nprint(os.getcwd(), os.environ['ASKED'], sys.argv, __name__)\nsys.exit(7)", ASKED="yes"
    )
    assert (said.returncode, said.stdout) == (7, f"{warm.place} yes [''] __main__\n")
    assert warm.run("import os; os.kill(os.getpid(), 9)").returncode == -9
    broken = warm.run("1 / 0")
    assert (broken.returncode, "ZeroDivisionError" in broken.stderr) == (1, True)
    said = warm.run("import sys; sys.exit('no')")
    assert (said.returncode, said.stderr) == (1, "no\n")


def test_a_file_and_its_arguments_are_run(warm: Warm) -> None:
    program = warm.place / "program.py"
    program.write_text("import sys\nprint(sys.argv[1:], sys.stdin.read())\n")
    assert warm.run("in", str(program), "a", "b").stdout == "['a', 'b'] in\n"


def test_programs_run_side_by_side(warm: Warm) -> None:
    fifo = warm.place / "fifo"
    os.mkfifo(fifo)
    with warm.begin() as waits:
        assert waits.stdin
        assert waits.stdout
        waits.stdin.write(f"print(open({str(fifo)!r}).read())")
        waits.stdin.close()
        assert warm.run(f"open({str(fifo)!r}, 'w').write('it waited')").returncode == 0
        assert waits.stdout.read() == "it waited\n"


def test_without_a_server_python_runs_it(warm: Warm) -> None:
    warm.server.kill()
    warm.server.wait()
    assert int(warm.run(WHOSE_CHILD).stdout) == os.getpid()
    assert warm.run("", "-c", "print(2)").stdout == "2\n"
