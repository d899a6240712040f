# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB as it will read its files at the next boot: its environment block, and the menu with its default. Pure: no I/O."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SIZE = 1024
HEADER = "# GRUB Environment Block\n"
ONCE = "next_entry"
SAVED = "saved_entry"
KERNEL = re.compile(r"vmlinu[xz]-(.+?)(?:\.efi\.signed)?")
# What no start of a host that serves has: one user, another first process, the recovery menu.
ODD = re.compile(r"(single|recovery|nomodeset|init=.*|systemd\.unit=.*)")


class Unreadable(ValueError):
    """A file of the boot loader is not what it should be; the text says how."""


@dataclass
class Entry:
    """One line of the menu: a kernel, or a menu of its own."""

    title: str
    id: str = ""
    linux: str = ""
    options: tuple[str, ...] = ()
    children: list[Entry] | None = None

    @property
    def release(self) -> str:
        """The kernel that it boots; "" where it boots none that can be named."""
        found = KERNEL.fullmatch(self.linux.rpartition("/")[2])
        return found[1] if found else ""

    @property
    def ordinary(self) -> bool:
        """Whether the host serves after it."""
        return bool(self.release) and not any(ODD.fullmatch(option) for option in self.options)


@dataclass(frozen=True)
class Menu:
    """What grub.cfg says: the entries, what it boots if nothing is asked for once, and whether it reads the environment block."""

    entries: list[Entry] = field(default_factory=list)
    default: str = ""
    loads_environment: bool = False
    obeys_once: bool = False

    @property
    def obeys_saved(self) -> bool:
        """Whether it boots what the environment block names."""
        return self.loads_environment and self.default == "${saved_entry}"


@dataclass(frozen=True)
class Choice:
    """An entry, and the name by which GRUB finds it whatever is added before it."""

    name: str
    entry: Entry


def read_environment(block: bytes) -> dict[str, str]:
    """Return the variables of a grubenv."""
    text = block.decode("utf-8", errors="surrogateescape")
    if len(block) != SIZE or not text.startswith(HEADER):
        raise Unreadable(f"grubenv is no environment block of {SIZE} bytes: make it anew with grub-editenv")
    # A backslash takes away the meaning of what follows, of the end of a line too.
    lines = re.findall(r"(?:[^\n\\]|\\.)+", text[len(HEADER) :], re.DOTALL)
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {name: re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL) for name, equals, value in pairs if equals}


def write_environment(variables: Mapping[str, str]) -> bytes:
    """Return a grubenv with the variables."""
    escaped = {name: re.sub(r"([\\\n])", r"\\\1", value) for name, value in variables.items()}
    block = "".join([HEADER, *(f"{name}={value}\n" for name, value in escaped.items())]).encode(
        "utf-8", errors="surrogateescape"
    )
    if len(block) > SIZE:
        raise Unreadable(f"{len(block)} bytes are more than the {SIZE} of grubenv: take variables out of it")
    return block.ljust(SIZE, b"#")


def read_menu(text: str) -> Menu:
    """Return what a grub.cfg says; conditions are not judged: what stands in one is taken to be there."""
    top: list[Entry] = []
    lists, blocks = [top], [""]
    entry: Entry | None = None
    for line in (line.strip() for line in text.splitlines()):
        kind = line.split(maxsplit=1)[0] if line else ""
        if kind in ("menuentry", "submenu") and line.endswith("{"):
            entry = _entry(line)
            lists[-1].append(entry)
            if kind == "submenu":
                entry.children = []
                lists.append(entry.children)
            blocks.append(kind)
        elif line.endswith("{"):
            blocks.append("")
        elif line == "}" and len(blocks) > 1:
            if blocks.pop() == "submenu":
                lists.pop()
            entry = None
        elif entry is not None and re.fullmatch(r"linux(16|efi)?", kind):
            words = _words(line)
            entry.linux, entry.options = (words[1] if len(words) > 1 else ""), tuple(words[2:])
    if len(blocks) > 1:
        raise Unreadable("grub.cfg ends inside a block: it was cut off; run update-grub")
    return Menu(
        top,
        _default(text),
        loads_environment=bool(re.search(r"^\s*load_env\s*$", text, re.MULTILINE)),
        obeys_once="save_env next_entry" in text,
    )


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise Unreadable(f"grub.cfg has a line that cannot be read ({error}): {line[:80]}") from error


def _entry(line: str) -> Entry:
    words = _words(line.removesuffix("{"))
    named = [words[at + 1] for at, word in enumerate(words[:-1]) if word in ("$menuentry_id_option", "--id")]
    named += [word.partition("=")[2] for word in words if word.startswith("--id=")]
    return Entry(words[1] if len(words) > 1 else "", named[0] if named else "")


def _default(text: str) -> str:
    """Return the default that holds when nothing is asked for once: the last one set that is not that."""
    said = re.findall(r"^\s*set default=(\"[^\"]*\"|'[^']*'|\S*)\s*$", text, re.MULTILINE)
    plain = [value.strip("\"'") for value in said]
    return next((value for value in reversed(plain) if value != "${next_entry}"), "0")


def booted(menu: Menu, variables: Mapping[str, str], once: bool = True) -> Entry | None:
    """Return the entry that GRUB will boot; ``once`` asks for the very next boot, else for those after it."""
    wanted = variables.get(ONCE, "") if once and menu.loads_environment and menu.obeys_once else ""
    if not wanted:
        wanted = menu.default
        if wanted.startswith("${"):
            wanted = variables.get(wanted[2:-1], "") if menu.loads_environment else ""
    return _find(menu.entries, wanted)


def _find(entries: Sequence[Entry], wanted: str) -> Entry | None:
    """Follow a name into submenus as GRUB does: what it does not find is the first entry, not an error."""
    # A doubled sign belongs to a title.
    first, *rest = re.split(r"(?<!>)>(?!>)", wanted, maxsplit=1)
    if first.isdecimal():
        at = int(first)
    else:
        title = first.replace(">>", ">")
        at = next((at for at, one in enumerate(entries) if title and title in (one.title, one.id)), 0)
    if not entries:
        return None
    entry = entries[at if at < len(entries) else 0]
    return entry if entry.children is None else _find(entry.children, rest[0] if rest else "")


def choices(entries: Sequence[Entry], above: str = "") -> list[Choice]:
    """Return every kernel of the menu with its name, made of ids where there are ids."""
    found = []
    for entry in entries:
        name = above + (entry.id or entry.title).replace(">", ">>")
        found += [Choice(name, entry)] if entry.children is None else choices(entry.children, f"{name}>")
    return found


def choice_for(menu: Menu, release: str) -> Choice | None:
    """Return the entry by which a kernel is booted in the ordinary way, by a name that stays its own when kernels come and go."""
    fit = [one for one in choices(menu.entries) if one.entry.release == release and one.entry.ordinary]
    # The entry at the top is whichever kernel is newest: its name does not name this one.
    return next((one for one in fit if release in one.entry.id + one.entry.title), None)
