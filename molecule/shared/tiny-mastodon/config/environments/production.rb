# SPDX-License-Identifier: GPL-3.0-or-later
require "active_support/core_ext/integer/time"

Rails.application.configure do
  config.enable_reloading = false
  config.eager_load = true
  config.consider_all_requests_local = false
  config.active_record.dump_schema_after_migration = false
  config.active_support.report_deprecations = false
  config.public_file_server.enabled = ENV["RAILS_SERVE_STATIC_FILES"].present?
  config.action_controller.asset_host = ENV["CDN_HOST"] if ENV["CDN_HOST"].present?

  config.force_ssl = true
  config.ssl_options = { redirect: { exclude: ->(request) { request.path.start_with?("/health") } } }

  if ENV["TRUSTED_PROXY_IP"].present?
    # Replaces the private ranges that Rails trusts by itself, as it does in Mastodon.
    config.action_dispatch.trusted_proxies = ENV["TRUSTED_PROXY_IP"].split(/[\s,]+/).map { |range| IPAddr.new(range) }
  end

  config.log_level = ENV.fetch("RAILS_LOG_LEVEL", "info")
  config.log_tags = [:request_id]
  config.logger = ActiveSupport::TaggedLogging.new(ActiveSupport::Logger.new($stdout))
  config.filter_parameters += %i[token secret password]
  config.middleware.swap Rails::Rack::Logger, Tiny::LoggerWithoutHealth, config.log_tags

  config.cache_store = :redis_cache_store, {
    **config.x.redis.cache,
    namespace: "cache", expires_in: 10.minutes, connect_timeout: 5,
    pool: { size: Integer(ENV["MAX_THREADS"] || 5), timeout: 5 },
  }

  %i[primary_key deterministic_key key_derivation_salt].each do |name|
    config.active_record.encryption[name] = ENV["ACTIVE_RECORD_ENCRYPTION_#{name.upcase}"]
  end
end
