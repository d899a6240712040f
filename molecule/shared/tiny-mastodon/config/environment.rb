# SPDX-License-Identifier: GPL-3.0-or-later
require_relative "application"

# Here and not in application.rb: building the assets needs no secrets, everything that initializes the application does.
Tiny::RequiredEnvironment.check!(ENV)
Rails.application.initialize!
