# SPDX-License-Identifier: GPL-3.0-or-later
# What a judge needs to say that no status was lost or doubled.
module Audit
  def self.to_h = { statuses:, encryption: }

  def self.statuses
    runs = JobRun.where.not(uuid: Tiny::Scheduler::TICK).group(:uuid, :queue).count
    Status.order(:id).pluck(:id, :uuid, :duplicate_posts).map do |id, uuid, duplicate_posts|
      { id: id.to_s, uuid:, duplicate_posts:, fan_out_runs: runs.fetch([uuid, "default"], 0), delivery_runs: runs.fetch([uuid, "push"], 0) }
    end
  end

  def self.encryption
    unreadable = User.find_each.count do |user|
      user.otp_secret.nil?
    rescue ActiveRecord::Encryption::Errors::Base
      true
    end
    { rows: User.count, unreadable: }
  end
end
