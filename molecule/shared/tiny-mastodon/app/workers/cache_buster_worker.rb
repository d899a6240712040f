# SPDX-License-Identifier: GPL-3.0-or-later
require "net/http"

# Asks the proxy in front of the media to forget a URL.
class CacheBusterWorker < ApplicationWorker
  sidekiq_options queue: "pull"

  def self.enqueue(url)
    perform_async(url) if ENV["CACHE_BUSTER_ENABLED"] == "true"
  end

  def perform(url, _seconds = 0)
    uri = URI(url)
    headers = { ENV["CACHE_BUSTER_SECRET_HEADER"] => ENV["CACHE_BUSTER_SECRET"] }.reject { |name, value| name.blank? || value.blank? }
    Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == "https", open_timeout: 5, read_timeout: 5) do |http|
      http.send_request(ENV["CACHE_BUSTER_HTTP_METHOD"].presence || "GET", uri.request_uri, nil, headers)
    end
  end
end
