# SPDX-License-Identifier: GPL-3.0-or-later
class Api::BaseController < ActionController::API
  rescue_from(ActiveRecord::RecordNotFound) { render_error("Record not found", 404) }
  rescue_from(ActiveRecord::RecordInvalid, ActionController::ParameterMissing, MediaAttachment::NotMedia) { |e| render_error(e.message, 422) }

  private

  def require_token!
    given = request.authorization.to_s.delete_prefix("Bearer ")
    render_error("The access token is invalid", 401) unless ActiveSupport::SecurityUtils.secure_compare(given, Tiny.api_token)
  end

  def render_error(message, status)
    render json: { error: message }, status:
  end
end
