# SPDX-License-Identifier: GPL-3.0-or-later
redis = Rails.configuration.x.redis.sidekiq
level = Logger.const_get(ENV.fetch("RAILS_LOG_LEVEL", "info").upcase)

Sidekiq.configure_server do |config|
  config.redis = redis
  config.logger.level = level
  config.client_middleware { |chain| chain.add Tiny::JobOrigin }
  config.server_middleware { |chain| chain.add Tiny::JobRecorder }
  Tiny::Scheduler.attach(config)

  if (name = ENV["MASTODON_SIDEKIQ_READY_FILENAME"])
    abort "MASTODON_SIDEKIQ_READY_FILENAME must be a name without a directory" unless File.basename(name) == name

    ready = Rails.root.join("tmp", name)
    config.on(:startup) { FileUtils.touch(ready) }
    config.on(:shutdown) { FileUtils.rm_f(ready) }
  end
end

Sidekiq.configure_client do |config|
  config.redis = redis
  config.logger.level = level
  config.client_middleware { |chain| chain.add Tiny::JobOrigin }
end
