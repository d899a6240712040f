# SPDX-License-Identifier: GPL-3.0-or-later
# Pushes a numbered job every 20 ms, as the web does, with the application's own way to Redis, until the file STOP is there.
# Then it says which numbers were acknowledged and are not in the queue, and how long nothing was acknowledged.
require "json"
require "active_support"
require "active_support/core_ext/object/blank"
require "sidekiq"
require "/opt/tiny/lib/tiny/redis_configuration"

stop, report = ARGV
configuration = Tiny::RedisConfiguration.new(ENV)
Sidekiq.configure_client { |config| config.redis = configuration.sidekiq }
Sidekiq.logger.level = Logger::WARN
Sidekiq.redis { |redis| redis.call("DEL", "queue:default") }

acknowledged = {}
errors = Hash.new(0)
longest = 0.0
last = Process.clock_gettime(Process::CLOCK_MONOTONIC)
number = 0
until File.exist?(stop)
  number += 1
  begin
    Sidekiq::Client.push("class" => "Nothing", "queue" => "default", "args" => [number])
    now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    acknowledged[number] = Time.now.to_f
    longest = [longest, now - last].max
    last = now
  rescue StandardError => error
    errors["#{error.class}: #{error.message}"[0, 120]] += 1
  end
  sleep 0.02
end

there = Sidekiq.redis { |redis| redis.call("LRANGE", "queue:default", "0", "-1") }.map { |job| JSON.parse(job)["args"][0] }
missing = acknowledged.keys - there
File.write(report, JSON.generate(
  acknowledged: acknowledged.size, errors: errors, longest: longest.round(2), missing: missing.map { |id| acknowledged[id] },
  doubled: there.size - there.uniq.size,
))
