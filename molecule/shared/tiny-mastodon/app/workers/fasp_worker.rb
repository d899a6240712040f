# SPDX-License-Identifier: GPL-3.0-or-later
class FaspWorker < ApplicationWorker
  sidekiq_options queue: "fasp"
end
