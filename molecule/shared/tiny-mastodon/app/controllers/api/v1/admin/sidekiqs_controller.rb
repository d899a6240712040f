# SPDX-License-Identifier: GPL-3.0-or-later
require "sidekiq/api"

class Api::V1::Admin::SidekiqsController < Api::V1::Admin::BaseController
  PROCESS = %w[identity hostname pid queues concurrency busy started_at].freeze

  def show
    processes = Sidekiq::ProcessSet.new.map { |process| { **PROCESS.index_with { |name| process[name] }, quiet: process.stopping? } }
    stats = Sidekiq::Stats.new
    render json: {
      processes:,
      missing_queues: Tiny::QUEUES - processes.flat_map { |process| process.fetch("queues") },
      queues: Sidekiq::Queue.all.to_h { |queue| [queue.name, { size: queue.size, latency: queue.latency.round(3) }] },
      **%i[processed failed enqueued scheduled_size retry_size dead_size].index_with { |name| stats.public_send(name) },
      busy: stats.workers_size,
      scheduler: {
        ticks_last_minute: JobRun.ticks.where(created_at: 1.minute.ago..).group(:enqueued_by).count,
        last_tick_at: JobRun.ticks.maximum(:created_at),
      },
    }
  end
end
