# SPDX-License-Identifier: GPL-3.0-or-later
class IngressWorker < ApplicationWorker
  sidekiq_options queue: "ingress"
end
