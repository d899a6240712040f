# SPDX-License-Identifier: GPL-3.0-or-later
class DeliveryWorker < ApplicationWorker
  sidekiq_options queue: "push"
end
