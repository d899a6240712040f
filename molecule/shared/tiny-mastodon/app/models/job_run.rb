# SPDX-License-Identifier: GPL-3.0-or-later
class JobRun < ApplicationRecord
  def self.ticks = where(uuid: Tiny::Scheduler::TICK)
end
