# SPDX-License-Identifier: GPL-3.0-or-later
"""The only code of fleet that touches files, programs, sockets and systemd."""
