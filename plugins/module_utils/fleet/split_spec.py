# SPDX-License-Identifier: GPL-3.0-or-later
"""What dns_split and dns_split_info take: the declaration is the same, so that what is verified is what was moved."""

from __future__ import annotations

from typing import Any

SIDE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "cname": {"type": "str", "default": ""},
    "elsewhere": {"type": "bool", "default": False},
}
HTTP: dict[str, Any] = {
    "url": {"type": "str", "required": True},
    "method": {"type": "str", "default": "GET"},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "contains": {"type": "str"},
    "headers": {"type": "dict", "default": {}},
    "answers": {"type": "dict", "default": {}},
    "ca_file": {"type": "str"},
}
CANARY: dict[str, Any] = {
    "url": {"type": "str", "required": True},
    "access_key": {"type": "str", "required": True, "no_log": True},
    "secret_key": {"type": "str", "required": True, "no_log": True},
    "region": {"type": "str", "default": "us-east-1"},
    "ca_file": {"type": "str"},
}
PROBE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "role": {"type": "str", "required": True, "choices": ["read", "write"]},
    "http": {"type": "dict", "options": HTTP},
    "canary": {"type": "dict", "options": CANARY},
    "tcp": {"type": "int"},
}
DECLARATION: dict[str, Any] = {
    "id": {"type": "str", "required": True},
    "owner": {"type": "str", "default": "upstairs"},
    "zone": {"type": "str", "required": True},
    "read": {"type": "dict", "required": True, "options": SIDE},
    "write": {"type": "dict", "options": SIDE},
    "ttl": {"type": "int", "default": 300},
    "transit_ttl": {"type": "int", "default": 60},
    "provider": {"type": "str", "default": "rfc2136"},
    "provider_options": {"type": "dict", "default": {}},
    "credentials": {"type": "dict", "default": {}, "no_log": True},
    "probes": {"type": "list", "elements": "dict", "default": [], "options": PROBE},
    "server_addresses": {"type": "dict", "default": {}},
    "server_port": {"type": "int", "default": 53},
    "hosts": {"type": "dict", "default": {}},
    "out": {"type": "list", "elements": "str", "default": []},
    "families": {"type": "list", "elements": "int", "choices": [4, 6], "default": [4, 6]},
    "rounds": {"type": "int", "default": 3},
    "timeout": {"type": "float", "default": 5},
    "adopt": {"type": "bool", "default": False},
}
LIMITS: dict[str, Any] = {
    "converge_within": {"type": "float", "default": 300},
    "bake": {"type": "float", "default": 300},
    "bake_interval": {"type": "float", "default": 10},
    "failures": {"type": "int", "default": 3},
    "only": {"type": "list", "elements": "str", "default": []},
}
