# SPDX-License-Identifier: GPL-3.0-or-later
module Tiny
  # What sidekiq-scheduler is to Mastodon (Debian does not have it): it ticks in every process that listens on the queue `scheduler`,
  # and nothing but the fleet's configuration keeps that to one process.
  module Scheduler
    INTERVAL = 5
    TICK = "scheduler-tick"

    def self.attach(config)
      config.on(:startup) { start if config.capsules.each_value.any? { |capsule| capsule.queues.include?("scheduler") } }
      config.on(:quiet) { @thread&.kill }
    end

    def self.start
      @thread = Thread.new do
        loop do
          SchedulerWorker.perform_async(TICK)
        rescue StandardError => e
          Sidekiq.logger.error("The scheduler could not enqueue: #{e.class}")
        ensure
          sleep INTERVAL
        end
      end
    end
  end
end
