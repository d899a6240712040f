# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role base writes: who gets in, and what answers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleUndefinedVariable

from tests.templates.conftest import Render, Roles

KEY = "ssh-ed25519 AAAA ada@laptop"
PEOPLE: dict[str, Any] = {
    "base_administrators": [
        {"name": "ada", "keys": [KEY, f"{KEY}2"]},
        {"name": "grace", "keys": [KEY], "sudo": False},
        {"name": "kris", "state": "absent"},
    ]
}
NFTABLES = "etc/nftables.conf.j2"


def accepted(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if " counter accept comment " in line]


def test_without_rules_only_ssh_is_open(render: Render) -> None:
    assert accepted(render("base", NFTABLES)) == ['tcp dport { 22 } counter accept comment "SSH"']


def test_input_that_no_rule_opens_is_dropped(render: Render) -> None:
    assert "type filter hook input priority filter; policy drop;" in render("base", NFTABLES)


def test_the_table_is_replaced_in_one_transaction_and_no_other_is_touched(render: Render) -> None:
    text = render("base", NFTABLES)
    assert "\ntable inet upstairs\ndelete table inet upstairs\ntable inet upstairs {\n" in text
    assert "flush ruleset" not in text


def test_sessions_that_run_are_accepted_before_anything_is_dropped(render: Render) -> None:
    lines = render("base", NFTABLES).splitlines()
    first = next(line.strip() for line in lines if line.strip().startswith(("ct ", "iif", "tcp", "ip ", "icmp")))
    assert first == "ct state vmap { established : accept, related : accept, invalid : drop }"


def test_rules_of_all_groups_are_merged(render: Render) -> None:
    web = [{"name": "web", "protocol": "tcp", "ports": [443], "from": ["anywhere"]}]
    data = [{"name": "data", "protocol": "tcp", "ports": [5432, "6000-6010"], "from": ["10.0.0.0/8"]}]
    text = render("base", NFTABLES, base_firewall_rules_edge=web, base_firewall_rules_postgres=data)
    assert accepted(text)[1:] == [
        'tcp dport { 443 } counter accept comment "web"',
        'ip saddr { 10.0.0.0/8 } tcp dport { 5432, 6000-6010 } counter accept comment "data"',
    ]


def test_ipv4_and_ipv6_sources_get_a_line_each(render: Render) -> None:
    text = render("base", NFTABLES, base_ssh_from=["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"])
    assert accepted(text) == [
        'ip saddr { 192.0.2.0/24, 198.51.100.7 } tcp dport { 22 } counter accept comment "SSH"',
        'ip6 saddr { 2001:db8::/32 } tcp dport { 22 } counter accept comment "SSH"',
    ]


def test_a_rule_for_ipv6_alone_opens_nothing_on_ipv4(render: Render) -> None:
    rules = [{"name": "six", "protocol": "udp", "ports": [53], "from": ["2001:db8::/32"]}]
    assert accepted(render("base", NFTABLES, base_firewall_rules_x=rules))[1:] == [
        'ip6 saddr { 2001:db8::/32 } udp dport { 53 } counter accept comment "six"'
    ]


@pytest.mark.parametrize(
    "line",
    [
        "AuthenticationMethods publickey",
        "PasswordAuthentication no",
        "PermitRootLogin no",
        "AllowGroups administrators",
    ],
)
def test_ssh_takes_keys_of_administrators_only(render: Render, line: str) -> None:
    assert f"\n{line}\n" in render("base", "etc/ssh/sshd_config.d/00-upstairs.conf.j2")


def test_ssh_reads_keys_that_only_root_writes(render: Render) -> None:
    text = render("base", "etc/ssh/sshd_config.d/00-upstairs.conf.j2")
    assert "\nAuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n" in text


def test_sudo_is_for_those_who_have_it(render: Render) -> None:
    text = render("base", "etc/sudoers.d/administrators.j2", **PEOPLE)
    assert [line for line in text.splitlines() if not line.startswith("#")] == ["ada ALL=(ALL:ALL) NOPASSWD: ALL"]


def test_each_administrator_has_a_file_of_keys_and_whoever_is_absent_has_none(roles: Roles) -> None:
    files = {file["path"]: file for file in roles.value("base", "__base_files_access", **PEOPLE)}
    assert "template" in files["/etc/ssh/authorized_keys.d/ada"]
    assert files["/etc/ssh/authorized_keys.d/kris"] == {"path": "/etc/ssh/authorized_keys.d/kris", "absent": True}


def test_a_file_of_keys_holds_exactly_the_keys_that_are_given(render: Render) -> None:
    text = render("base", "etc/ssh/authorized_keys.d/administrator.j2", administrator=PEOPLE["base_administrators"][0])
    assert text == f"# MANAGED\n{KEY}\n{KEY}2\n"


def test_the_journal_is_kept_by_days_in_daily_files(render: Render) -> None:
    text = render("base", "etc/systemd/journald.conf.d/90-upstairs.conf.j2", base_journal_days=90)
    assert "\nMaxRetentionSec=90day\n" in text
    assert "\nMaxFileSec=1day\n" in text
    assert "\nStorage=persistent\n" in text


def test_upgrades_are_security_only_and_never_reboot(render: Render) -> None:
    text = render("base", "etc/apt/apt.conf.d/90-upstairs.j2", base_upgrades_withheld=["postgresql-"])
    origins = [line for line in text.splitlines() if "origin=" in line]
    assert len(origins) == 1
    assert "Debian-Security" in origins[0]
    assert '  "postgresql-";\n' in text
    assert 'Unattended-Upgrade::Automatic-Reboot "false";' in text


def test_a_host_with_a_clock_of_its_own_sets_it(roles: Roles) -> None:
    assert roles.value("base", "__base_files_clock") == [
        {
            "path": "/etc/systemd/system/chrony.service.d/upstairs.conf",
            "notify": "Restart the clock",
            "absent": True,
        }
    ]


def test_the_harness_is_strict(render: Render) -> None:
    with pytest.raises(AnsibleUndefinedVariable, match="administrator"):
        render("base", "etc/ssh/authorized_keys.d/administrator.j2")
