# SPDX-License-Identifier: GPL-3.0-or-later
class Api::V1::TimelinesController < Api::BaseController
  def show
    ApplicationRecord.reading do |source|
      statuses = Status.timeline(limit: Integer(params.fetch(:limit, 20)), max_id: params[:max_id].presence&.to_i)
      response.set_header("X-Read-From", source)
      render json: statuses.map(&:to_api)
    end
  end
end
