# SPDX-License-Identifier: GPL-3.0-or-later
# Pushes a numbered job every 20 ms, as the web does, with the application's own way to Redis. It says in the directory WORK when the
# first one was acknowledged, and ends with the first one that was begun when WORK/stop was there, and acknowledged. Then it reports when
# each was begun and acknowledged, which of them are not in the queue, and how long nothing was acknowledged. It has the client's usual
# patience for an answer, or PATIENCE seconds.
require "json"
require "active_support"
require "active_support/core_ext/object/blank"
require "sidekiq"
require "/opt/tiny/lib/tiny/redis_configuration"

WORK, PATIENCE = ARGV
configuration = Tiny::RedisConfiguration.new(ENV)
own = PATIENCE ? { timeout: Float(PATIENCE) } : {}
Sidekiq.configure_client { |config| config.redis = { **configuration.sidekiq, **own } }
Sidekiq.logger.level = Logger::WARN
Sidekiq.redis { |redis| redis.call("DEL", "queue:default") }

# Whole or not at all: somebody waits for the file and reads it at once.
def leave(name, text)
  File.write("#{WORK}/.#{name}", text)
  File.rename("#{WORK}/.#{name}", "#{WORK}/#{name}")
end

acknowledged = {}
errors = Hash.new(0)
longest = 0.0
last = nil
number = 0
loop do
  ending = File.exist?("#{WORK}/stop")
  number += 1
  began = Time.now.to_f
  begin
    Sidekiq::Client.push("class" => "Nothing", "queue" => "default", "args" => [number])
    now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    acknowledged[number] = [began, Time.now.to_f]
    longest = [longest, now - last].max if last
    leave("first", "") unless last
    last = now
    break if ending
  rescue StandardError => error
    errors["#{error.class}: #{error.message}"[0, 120]] += 1
  end
  sleep 0.02
end

there = Sidekiq.redis { |redis| redis.call("LRANGE", "queue:default", "0", "-1") }.map { |job| JSON.parse(job)["args"][0] }
missing = acknowledged.keys - there
leave("report.json", JSON.generate(
  acknowledged: acknowledged.values, missing: missing.map { |id| acknowledged[id] }, doubled: there.size - there.uniq.size,
  errors: errors, longest: longest.round(2),
))
