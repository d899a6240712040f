# SPDX-License-Identifier: GPL-3.0-or-later
ENV["BUNDLE_GEMFILE"] ||= File.expand_path("../Gemfile", __dir__)
# The only environment that there is, but a unit that forgets it would run Mastodon in development: so no default here.
abort "RAILS_ENV must be production (it is #{ENV["RAILS_ENV"].inspect})" unless ENV["RAILS_ENV"] == "production"

require "bundler/setup"
require "bootsnap/setup"
