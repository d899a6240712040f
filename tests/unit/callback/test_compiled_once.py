# SPDX-License-Identifier: GPL-3.0-or-later
"""A template is compiled once for all processes of a run, and means what it would mean without that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest

from plugins.callback.compiled_once import Compiled, install
from tests.unit.callback.asking import ask_a_worker


class Counted(jinja2.Environment):
    """An environment that tells what it has read."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.read = list[str]()

    def _parse(self, source: str, *args: Any) -> jinja2.nodes.Template:
        self.read.append(source)
        return super()._parse(source, *args)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    undo = install(Compiled(tmp_path), Counted)
    yield tmp_path
    undo()


def test_another_process_compiles_nothing_again(kept: Path) -> None:
    environments = [Counted(), Counted()]
    said = [one.from_string("{{ a }} and {% if a %}yes{% endif %}").render(a=1) for one in environments]
    assert said == ["1 and yes"] * 2
    assert [len(one.read) for one in environments] == [1, 0]


def test_neither_does_it_an_expression(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Counted().compile_expression("a + 1")(a=1) == 2
    monkeypatch.setattr("jinja2.environment.Parser", None)
    assert Counted().compile_expression("a + 1")(a=2) == 3
    assert Counted().compile_expression("a + 1", undefined_to_none=False)(a=3) == 4


def test_an_expression_is_not_a_template_of_the_same_text(kept: Path) -> None:
    assert Counted().compile_expression("a")(a=1) == 1
    assert Counted().from_string("a").render(a=1) == "a"


@pytest.mark.parametrize(
    ("settings", "means"),
    [
        ({}, "\n1[[ a ]]"),
        ({"variable_start_string": "[[", "variable_end_string": "]]"}, "\n{{ a }}1"),
        ({"trim_blocks": True}, "1[[ a ]]"),
    ],
)
def test_with_other_settings_it_is_another_program(kept: Path, settings: dict[str, Any], means: str) -> None:
    source = "{% if a %}\n{{ a }}[[ a ]]{% endif %}"
    Counted(lstrip_blocks=True).from_string(source)
    other = Counted(**settings)
    assert other.from_string(source).render(a=1) == means
    assert other.read


def test_what_only_ansible_can_read_is_left_to_it(kept: Path) -> None:
    for _ in range(2):
        environment = Counted()
        environment.from_string("{{ 'a\\\\1' }}")
        assert environment.read
    assert not list(kept.iterdir())


def test_a_mistake_is_told_each_time_and_spoils_nothing(kept: Path) -> None:
    for _ in range(2):
        with pytest.raises(jinja2.TemplateSyntaxError):
            Counted().from_string("{{ a")
        with pytest.raises(jinja2.TemplateSyntaxError):
            Counted().compile_expression("a +")
    assert Counted().from_string("{{ a }}").render(a=1) == "1"
    assert len(list(kept.iterdir())) == 1


def test_without_a_place_all_goes_on(tmp_path: Path) -> None:
    undo = install(Compiled(tmp_path / "gone"), Counted)
    assert [Counted().from_string("{{ a }}").render(a=1) for _ in range(2)] == ["1", "1"]
    undo()


# What a worker says of the directory: its mode, and how much is in it.
FACTS = """
from pathlib import Path
from ansible import constants as C
class FilterModule:
    def filters(self):
        place = Path(C.DEFAULT_LOCAL_TMP) / "templates"
        return {"kept": lambda _: [str(place), oct(place.stat().st_mode)[-3:], len(list(place.iterdir()))]}
"""


def test_a_run_keeps_what_it_compiles_to_itself_and_no_longer_than_it_lasts(tmp_path: Path) -> None:
    place, mode, count = ask_a_worker(tmp_path, FACTS, "kept")
    assert (mode, Path(place).exists()) == ("700", False)
    assert count >= 2
