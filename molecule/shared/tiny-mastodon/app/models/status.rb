# SPDX-License-Identifier: GPL-3.0-or-later
class Status < ApplicationRecord
  # Its column goes in a post-deployment migration, while older code still runs.
  self.ignored_columns += %w[legacy_uri]

  has_many :media_attachments, -> { order(:id) }, dependent: :destroy, inverse_of: :status

  validates :text, length: { maximum: 500 }
  validates :text, presence: true, if: -> { media_attachments.empty? }
  validates :uuid, presence: true, length: { maximum: 100 }

  def self.timeline(limit:, max_id: nil)
    scope = max_id ? where(id: ...max_id) : all
    scope.includes(:media_attachments).order(id: :desc).limit(limit.clamp(1, 80)).to_a
  end

  def to_api
    {
      id: id.to_s, uuid:, created_at: created_at.iso8601(3), visibility: "public", created_from:,
      uri: "https://#{Rails.configuration.x.web_domain}/statuses/#{id}",
      content: ERB::Util.html_escape(text), media_attachments: media_attachments.map(&:to_api),
    }
  end
end
