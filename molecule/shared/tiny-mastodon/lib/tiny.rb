# SPDX-License-Identifier: GPL-3.0-or-later
require_relative "tiny/required_environment"
require_relative "tiny/redis_configuration"
require_relative "tiny/media_storage"
require_relative "tiny/logger_without_health"
require_relative "tiny/jobs"
require_relative "tiny/scheduler"
require_relative "tiny/release"

module Tiny
  QUEUES = %w[default push ingress mailers pull scheduler fasp].freeze

  class << self
    # Redis for feeds, idempotency and publishing: Mastodon's base REDIS_*.
    def redis(&block)
      @redis ||= ConnectionPool.new(size: Integer(ENV["MAX_THREADS"] || 5), timeout: 5) { Redis.new(**Rails.configuration.x.redis.base) }
      @redis.with(&block)
    end

    def identity = "#{Socket.gethostname}:#{Process.pid}"

    # Derived, so that whoever holds the secrets knows the token and no database row has to be read.
    def api_token = OpenSSL::HMAC.hexdigest("SHA256", ENV.fetch("SECRET_KEY_BASE"), "tiny-mastodon-api-token")

    def streaming_url = ENV["STREAMING_API_BASE_URL"].presence || "wss://#{Rails.configuration.x.web_domain}"
  end
end
