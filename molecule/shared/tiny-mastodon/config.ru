# SPDX-License-Identifier: GPL-3.0-or-later
require_relative "config/environment"

run Rails.application
