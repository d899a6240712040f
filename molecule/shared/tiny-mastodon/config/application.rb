# SPDX-License-Identifier: GPL-3.0-or-later
require_relative "boot"

require "rails"
require "active_record/railtie"
require "action_controller/railtie"
require "action_view/railtie"
Bundler.require(*Rails.groups)

require_relative "../lib/tiny"

module TinyMastodon
  class Application < Rails::Application
    config.load_defaults 7.2
    config.time_zone = "UTC"

    unless ENV["SKIP_POST_DEPLOYMENT_MIGRATIONS"]
      # Before any initializer: Rails remembers the list of migration paths at its first use.
      config.paths["db/migrate"] << "db/post_migrate"
    end

    config.x.web_domain = ENV["WEB_DOMAIN"].presence || ENV["LOCAL_DOMAIN"]
    config.x.redis = Tiny::RedisConfiguration.new(ENV)
    config.x.media = Tiny::MediaStorage.new(ENV, Rails.root)
  end
end
