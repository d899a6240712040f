# SPDX-License-Identifier: GPL-3.0-or-later
class SchedulerWorker < ApplicationWorker
  sidekiq_options queue: "scheduler", retry: false

  def perform(uuid, seconds = 0)
    super
    JobRun.ticks.where(created_at: ...1.day.ago).delete_all
  end
end
