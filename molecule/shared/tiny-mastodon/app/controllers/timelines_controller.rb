# SPDX-License-Identifier: GPL-3.0-or-later
class TimelinesController < ApplicationController
  def show
    ApplicationRecord.reading do |source|
      @statuses = Status.timeline(limit: 20)
      response.set_header("X-Read-From", source)
    end
  end
end
