# SPDX-License-Identifier: GPL-3.0-or-later
class DistributionWorker < ApplicationWorker
  FEED_LENGTH = 400

  sidekiq_options queue: "default"

  def perform(uuid, seconds = 0)
    super
    status = Status.find_by(uuid:) or return

    Tiny.redis do |redis|
      User.ids.each do |user_id|
        redis.zadd("feed:home:#{user_id}", status.id, status.id)
        redis.zremrangebyrank("feed:home:#{user_id}", 0, -FEED_LENGTH - 1)
      end
      redis.publish("timeline:public", JSON.generate(event: "update", payload: status.to_api))
    end
    DeliveryWorker.perform_async(uuid)
  end
end
