# SPDX-License-Identifier: GPL-3.0-or-later
module Tiny
  # One Redis for each of Mastodon's three roles; a role without a host or URL of its own uses the base.
  class RedisConfiguration
    def initialize(env)
      @env = env
    end

    def base = @base ||= role("") || { host: "localhost", port: 6379, db: 0, **credentials("REDIS_") }
    def cache = @cache ||= role("CACHE_") || base
    def sidekiq = @sidekiq ||= role("SIDEKIQ_") || base

    private

    # Parts and not a URL: a password may hold any character.
    def role(prefix)
      prefix = "#{prefix}REDIS_"
      return { url: @env["#{prefix}URL"] } if @env["#{prefix}URL"].present?

      place = sentinels(prefix) || server(prefix)
      place && { db: Integer(@env["#{prefix}DB"].presence || 0), **credentials(prefix), **place }
    end

    def server(prefix)
      host = @env["#{prefix}HOST"].presence
      host && { host:, port: Integer(@env["#{prefix}PORT"].presence || 6379) }
    end

    def sentinels(prefix)
      name, list = @env.values_at("#{prefix}SENTINEL_MASTER", "#{prefix}SENTINELS")
      return if name.blank? || list.blank?

      default_port = @env["#{prefix}SENTINEL_PORT"].presence || 26_379
      {
        name:,
        sentinels: list.split(",").map { |entry| entry.strip.split(":") }.map { |host, port| { host:, port: Integer(port || default_port) } },
        sentinel_username: @env["#{prefix}SENTINEL_USERNAME"] || @env["#{prefix}USER"],
        sentinel_password: @env["#{prefix}SENTINEL_PASSWORD"] || @env["#{prefix}PASSWORD"],
      }.compact
    end

    def credentials(prefix)
      { username: @env["#{prefix}USER"].presence, password: @env["#{prefix}PASSWORD"].presence }.compact
    end
  end
end
