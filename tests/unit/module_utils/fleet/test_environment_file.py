# SPDX-License-Identifier: GPL-3.0-or-later
"""One file, read alike by whoever reads it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugins.module_utils.fleet.environment_file import parse, quote, render
from plugins.module_utils.fleet.environment_kinds import ANYTHING, WrongValueError, judge


def _accepted(value: str) -> bool:
    try:
        judge(ANYTHING, value)
    except WrongValueError:
        return False
    return True


# Mostly what means something to somebody: chance alone would seldom put a backslash before a quote.
VALUES = st.text(
    alphabet=st.one_of(st.sampled_from("'\"\\$`#{}()=! nrA1"), st.characters(exclude_categories=["Cs"])), max_size=12
).filter(_accepted)
ENVIRONMENTS = st.dictionaries(
    st.from_regex(r"[A-Z][A-Z0-9_]{0,6}", fullmatch=True).map(lambda name: f"T_{name}"), VALUES, max_size=6
)

DUMP = "import json, os; print(json.dumps({n: v for n, v in os.environ.items() if n.startswith('T_')}))"


def dotenv(text: str) -> dict[str, str]:
    """Read as Ruby's dotenv 3 does: its line, its unescaping, its substitution of variables (none is set). It runs no command."""
    line = re.compile(
        r"^[ \t]*(?:export\s+)?(?P<name>[\w.]+)(?:\s*=\s*?|:\s+?)(?P<value>\s*'(?:\\'|[^'])*'|\s*\"(?:\\\"|[^\"])*\"|[^#\n]+)?\s*(?:#.*)?$",
        re.MULTILINE | re.ASCII,
    )
    values = {}
    for found in line.finditer(text):
        value = (found["value"] or "").strip()
        quoted = re.fullmatch(r"(['\"])(.*)\1", value, re.DOTALL)
        value, mark = (quoted[2], quoted[1]) if quoted else (value, "")
        if mark == '"':
            value = value.replace("\\n", "\\\\n").replace("\\r", "\\\\r")
        if mark != "'":
            value = re.sub(r"\\([^$])", r"\1", value)
            value = re.sub(r"(\\)?\$(?!\()\{?([A-Za-z0-9_]+)?\}?", _variable, value)
            assert "$(" not in value
        values[found["name"]] = value
    return values


def _variable(found: re.Match[str]) -> str:
    if found[1]:
        return found[0][1:]
    return "" if found[2] else found[0]


def by_shell(path: Path) -> dict[str, str]:
    argv = ["sh", "-ec", 'set -a; . "$1"; exec "$2" -c "$3"', "sh", str(path), sys.executable, DUMP]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    )
    values: dict[str, str] = json.loads(done.stdout)
    return values


@given(ENVIRONMENTS)
def test_what_is_written_is_read_back(values: dict[str, str]) -> None:
    assert parse(render(values, "a header\nof 'two' lines")) == values


@given(ENVIRONMENTS)
def test_dotenv_reads_the_same(values: dict[str, str]) -> None:
    assert dotenv(render(values)) == values


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=ENVIRONMENTS)
def test_a_shell_reads_the_same(values: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "environment"
    path.write_text(render(values), encoding="utf-8")
    assert by_shell(path) == values


def test_the_order_of_the_inventory_changes_no_byte() -> None:
    assert render({"B": "2", "A": "1"}) == render({"A": "1", "B": "2"}) == "A='1'\nB='2'\n"


def test_a_backslash_at_the_end_hides_no_quote() -> None:
    assert quote("C:\\") == '"C:\\\\"'
    assert dotenv(render({"T_A": "x\\", "T_B": " # 'y'"})) == {"T_A": "x\\", "T_B": " # 'y'"}


def test_a_file_of_somebody_else_is_refused_by_its_line() -> None:
    with pytest.raises(ValueError, match="line 2"):
        parse("A='1'\nB=$(date)\n")
