# SPDX-License-Identifier: GPL-3.0-or-later
"""The thinking: frozen values and pure functions. Only ports/ touches the machine."""
