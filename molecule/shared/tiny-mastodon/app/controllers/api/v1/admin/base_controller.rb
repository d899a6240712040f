# SPDX-License-Identifier: GPL-3.0-or-later
class Api::V1::Admin::BaseController < Api::BaseController
  before_action :require_token!
end
