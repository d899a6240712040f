# SPDX-License-Identifier: GPL-3.0-or-later
class Api::V1::StatusesController < Api::BaseController
  before_action :require_token!, except: :show

  def show
    status = Status.find(params[:id])
    runs = JobRun.where(uuid: status.uuid).group(:queue).count
    render json: status.to_api.merge(fan_out_runs: runs.fetch("default", 0), runs:, duplicate_posts: status.duplicate_posts)
  end

  def create
    once_per_idempotency_key do
      status = Status.new(text: params[:status].to_s, uuid: params[:uuid] || SecureRandom.uuid, created_from: request.remote_ip)
      status.media_attachments = MediaAttachment.where(status_id: nil).find(Array(params[:media_ids]))
      status.save!
      DistributionWorker.perform_async(status.uuid, Float(params.fetch(:job_seconds, 0)))
      status
    end
  rescue ActiveRecord::RecordNotUnique
    # Somebody on the way sent the same post again without saying so: count it.
    Status.where(uuid: params[:uuid]).update_all("duplicate_posts = duplicate_posts + 1")
    render_error("A status with this uuid exists", 409)
  end

  def destroy
    status = Status.find(params[:id])
    status.destroy!
    Tiny.redis { |redis| redis.publish("timeline:public", JSON.generate(event: "delete", payload: status.id.to_s)) }
    render json: status.to_api
  end

  private

  def once_per_idempotency_key
    key = request.headers["Idempotency-Key"].presence
    return render json: yield.to_api unless key

    Tiny.redis do |redis|
      lock = "idempotency:lock:status:#{key}"
      return render_error("This post is being made, try again", 503) unless redis.set(lock, 1, nx: true, ex: 10)

      begin
        made = redis.get("idempotency:status:#{key}")
        status = made ? Status.find(made) : yield
        redis.set("idempotency:status:#{key}", status.id, ex: 3600)
        render json: status.to_api
      ensure
        redis.del(lock)
      end
    end
  end
end
