# SPDX-License-Identifier: GPL-3.0-or-later
class ApplicationController < ActionController::Base
  private

  def packs
    @@packs ||= JSON.parse(Rails.public_path.join("packs/manifest.json").read)
  end

  helper_method def pack_path(name)
    "#{Rails.configuration.action_controller.asset_host}/packs/#{packs.fetch(name)}"
  end
end
