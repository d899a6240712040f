# SPDX-License-Identifier: GPL-3.0-or-later
class User < ApplicationRecord
  encrypts :otp_secret
end
