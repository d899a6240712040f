# SPDX-License-Identifier: GPL-3.0-or-later
module Tiny
  # Where uploads live, by Mastodon's rule: the bucket if S3_ENABLED is exactly "true", else the local disk, with the same keys on both.
  class MediaStorage
    CACHE_CONTROL = "public, max-age=315576000, immutable"

    def initialize(env, root)
      @env = env
      @disk = env.fetch("PAPERCLIP_ROOT_PATH", root.join("public/system").to_s).sub(":rails_root", root.to_s)
      @s3 = env["S3_ENABLED"] == "true"
    end

    def url(key)
      return "https://#{Rails.configuration.x.web_domain}#{@env.fetch("PAPERCLIP_ROOT_URL", "/system")}/#{key}" unless @s3

      host = alias_host || "#{hostname}/#{@env["S3_BUCKET"]}"
      "#{@env.fetch("S3_PROTOCOL", "https")}://#{host}/#{key}"
    end

    def csp_hosts
      own = alias_host || @env["S3_HOSTNAME"].presence
      [*(own && "https://#{own}"), *@env["EXTRA_MEDIA_HOSTS"].to_s.split(/[\s,]+/)]
    end

    def write(key, body, content_type)
      return write_to_disk(key, body) unless @s3

      object(key).put(body:, content_type:, cache_control: CACHE_CONTROL, acl: permission, storage_class: @env["S3_STORAGE_CLASS"])
    end

    def delete(keys)
      return FileUtils.rm_f(keys.map { |key| path(key) }) unless @s3

      # Like Mastodon's batches, and like them silent about keys that are not there.
      keys.each_slice(1000) { |slice| bucket.delete_objects(delete: { objects: slice.map { |key| { key: } }, quiet: true }) }
    end

    # False if there was nothing to change: a bucket without ACLs, or media that is not (or not yet) here.
    def set_visibility(key, hidden:)
      if @s3
        return false unless permission

        object(key).acl.put(acl: hidden ? "private" : permission)
      else
        File.chmod((hidden ? 0o600 : 0o666) & ~File.umask, path(key))
      end
      true
    rescue Errno::ENOENT
      false
    rescue StandardError => e
      raise unless e.class.name.end_with?("NoSuchKey")

      Rails.logger.warn("Tried to change the ACL of a key that does not exist: #{key}")
      false
    end

    private

    def permission = @env.fetch("S3_PERMISSION", "public-read").presence
    def hostname = @env["S3_HOSTNAME"].presence || "s3-#{region}.amazonaws.com"
    def region = @env["S3_REGION"].presence || "us-east-1"
    def alias_host = @env["S3_ALIAS_HOST"].presence || @env["S3_CLOUDFRONT_HOST"].presence
    def path(key) = File.join(@disk, key)
    def object(key) = bucket.object(key)

    def write_to_disk(key, body)
      FileUtils.mkdir_p(File.dirname(path(key)))
      staged = "#{path(key)}.#{SecureRandom.hex(4)}"
      File.open(staged, "wb") { |file| IO.copy_stream(body, file) }
      File.chmod(0o666 & ~File.umask, staged)
      File.rename(staged, path(key))
    end

    def bucket
      @bucket ||= begin
        require "aws-sdk-s3"
        Aws::S3::Bucket.new(@env["S3_BUCKET"], client: Aws::S3::Client.new(**client_options))
      end
    end

    def client_options
      endpoint = @env["S3_ENDPOINT"].presence
      {
        region:,
        access_key_id: @env["AWS_ACCESS_KEY_ID"],
        secret_access_key: @env["AWS_SECRET_ACCESS_KEY"],
        http_open_timeout: Integer(@env.fetch("S3_OPEN_TIMEOUT", 5)),
        http_read_timeout: Integer(@env.fetch("S3_READ_TIMEOUT", 5)),
        http_idle_timeout: 5,
        retry_limit: Integer(@env.fetch("S3_RETRY_LIMIT", 0)),
        **(endpoint ? { endpoint:, force_path_style: @env["S3_OVERRIDE_PATH_STYLE"] != "true" } : {}),
      }
    end
  end
end
