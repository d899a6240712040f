# SPDX-License-Identifier: GPL-3.0-or-later
module Tiny
  module RequiredEnvironment
    ALWAYS = %w[
      LOCAL_DOMAIN SECRET_KEY_BASE
      ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT
    ].freeze
    WITH_S3 = %w[S3_BUCKET AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY].freeze

    def self.check!(env)
      wanted = ALWAYS + (env["S3_ENABLED"] == "true" ? WITH_S3 : [])
      missing = wanted.select { |name| env[name].to_s.empty? }
      abort "tiny-mastodon does not start: set #{missing.join(", ")} in the environment" if missing.any?
    end
  end
end
