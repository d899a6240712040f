# SPDX-License-Identifier: GPL-3.0-or-later
class Api::V1::Admin::AuditsController < Api::V1::Admin::BaseController
  def show
    render json: Audit.to_h
  end
end
