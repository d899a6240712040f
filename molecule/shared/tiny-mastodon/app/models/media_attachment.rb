# SPDX-License-Identifier: GPL-3.0-or-later
class MediaAttachment < ApplicationRecord
  TYPES = {
    "image/png" => "png", "image/jpeg" => "jpg", "image/gif" => "gif", "image/webp" => "webp",
    "video/mp4" => "mp4", "video/webm" => "webm", "audio/mpeg" => "mp3",
  }.freeze

  NotMedia = Class.new(StandardError)

  belongs_to :status, optional: true

  after_destroy_commit do
    storage.delete([key])
    CacheBusterWorker.enqueue(url)
  end

  def self.upload!(file)
    # By its first bytes, not by its name: what is served is what it says it is.
    content_type = Marcel::MimeType.for(file.tempfile)
    extension = TYPES.fetch(content_type) { raise NotMedia, "Validation failed: File content type is #{content_type}" }

    # The storage inside the transaction, as in Mastodon: a slow disk or bucket holds a database connection.
    transaction do
      name = "#{SecureRandom.hex(8)}.#{extension}"
      create!(file_file_name: name, file_content_type: content_type, file_file_size: file.size).tap do |media|
        media.storage.write(media.key, file.tempfile.tap(&:rewind), content_type)
      end
    end
  end

  def key
    digits = format(id < 1_000_000_000 ? "%09d" : "%012d", id)
    "media_attachments/files/#{digits.scan(/\d{3}/).join("/")}/original/#{file_file_name}"
  end

  def url = storage.url(key)
  def storage = Rails.configuration.x.media

  def to_api
    { id: id.to_s, type: file_content_type.split("/").first, url:, preview_url: url, hidden: }
  end
end
