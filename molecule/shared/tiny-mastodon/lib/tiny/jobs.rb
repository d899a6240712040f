# SPDX-License-Identifier: GPL-3.0-or-later
module Tiny
  class JobOrigin
    include Sidekiq::ClientMiddleware

    # A retried job passes here again: its origin is who asked for it first.
    def call(_worker, job, _queue, _pool)
      job["enqueued_by"] ||= Tiny.identity
      yield
    end
  end

  # The proof that a job ran: one row for each run that ended well. A job that was killed leaves none, one that ran twice leaves two.
  class JobRecorder
    include Sidekiq::ServerMiddleware

    def call(_worker, job, queue)
      yield
      JobRun.create!(uuid: job["args"].first, queue:, jid: job["jid"], enqueued_by: job["enqueued_by"], run_by: Tiny.identity)
    end
  end
end
