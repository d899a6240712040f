# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input is refused in words, on the controller, before the first host changes."""
