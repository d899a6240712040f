# SPDX-License-Identifier: GPL-3.0-or-later
"""What alert_gate and alert_silence both take, explained once."""

from __future__ import annotations


class ModuleDocFragment:
    """Whom to ask."""

    DOCUMENTATION = r"""
options:
  alertmanagers:
    description: The addresses of all Alertmanagers, such as V(http://192.0.2.7:9093), as the host that the task runs on reaches them.
      Every one is asked, also where they are a cluster. An address holds no password.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds in which all must have answered.
    type: float
    default: 10
"""
