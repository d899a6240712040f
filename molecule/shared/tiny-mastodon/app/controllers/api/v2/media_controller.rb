# SPDX-License-Identifier: GPL-3.0-or-later
class Api::V2::MediaController < Api::BaseController
  before_action :require_token!

  def create
    render json: MediaAttachment.upload!(params.require(:file)).to_api
  end
end
