# SPDX-License-Identifier: GPL-3.0-or-later
# The otp_secret is stored encrypted; restore drills read it back.
User.find_or_create_by!(email: "admin@#{ENV.fetch("LOCAL_DOMAIN")}") { |user| user.otp_secret = "JBSWY3DPEHPK3PXP" }
