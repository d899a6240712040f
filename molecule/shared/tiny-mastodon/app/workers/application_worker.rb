# SPDX-License-Identifier: GPL-3.0-or-later
# A job of a queue: it can be made to last, for tests that stop a process meanwhile. Tiny::JobRecorder writes down that it ran.
class ApplicationWorker
  include Sidekiq::Job

  def perform(_uuid, seconds = 0)
    sleep seconds
  end
end
