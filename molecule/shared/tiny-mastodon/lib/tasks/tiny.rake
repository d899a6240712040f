# SPDX-License-Identifier: GPL-3.0-or-later
namespace :tiny do
  desc "Print the token that writes and /api/v1/admin need"
  task token: :environment do
    puts Tiny.api_token
  end

  desc "Print every status with the number of times its jobs ran (JSON)"
  task audit: :environment do
    puts JSON.generate(Audit.to_h)
  end

  desc "Fail unless the encrypted rows can be read with this environment's ACTIVE_RECORD_ENCRYPTION_* keys"
  task check_encryption: :environment do
    result = Audit.encryption
    puts JSON.generate(result)
    abort "The encryption keys are not those that the rows were written with" if result[:unreadable].positive?
  end
end
