# SPDX-License-Identifier: GPL-3.0-or-later
class Api::V1::Admin::MediaController < Api::V1::Admin::BaseController
  def hide = change(hidden: true)
  def unhide = change(hidden: false)

  private

  def change(hidden:)
    media = MediaAttachment.find(params[:id])
    media.update!(hidden:)
    applied = media.storage.set_visibility(media.key, hidden:)
    CacheBusterWorker.enqueue(media.url) if hidden
    render json: media.to_api.merge(applied:)
  end
end
