# SPDX-License-Identifier: GPL-3.0-or-later
class PullWorker < ApplicationWorker
  sidekiq_options queue: "pull"
end
