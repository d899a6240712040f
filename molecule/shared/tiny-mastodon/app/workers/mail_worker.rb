# SPDX-License-Identifier: GPL-3.0-or-later
class MailWorker < ApplicationWorker
  sidekiq_options queue: "mailers"
end
