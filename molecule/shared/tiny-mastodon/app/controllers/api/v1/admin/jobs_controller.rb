# SPDX-License-Identifier: GPL-3.0-or-later
# Puts a job on queues of choice, for tests; its uuid is asked back with GET /api/v1/admin/jobs.
class Api::V1::Admin::JobsController < Api::V1::Admin::BaseController
  def create
    queues = Array(params[:queues].presence || Tiny::QUEUES) & Tiny::QUEUES
    uuid = params.require(:uuid)
    queues.each { |queue| ApplicationWorker.set(queue:).perform_async(uuid, Float(params.fetch(:seconds, 0))) }
    render json: { uuid:, queues: }, status: :accepted
  end

  def index
    render json: JobRun.where(uuid: params.require(:uuid)).order(:id).as_json(except: %i[id uuid])
  end
end
