# SPDX-License-Identifier: GPL-3.0-or-later
Rails.application.config.content_security_policy do |policy|
  site = "https://#{Rails.configuration.x.web_domain}"
  media = [site, Rails.configuration.action_controller.asset_host, *Rails.configuration.x.media.csp_hosts].compact_blank

  policy.default_src :none
  policy.base_uri :none
  policy.frame_ancestors :none
  policy.form_action :none
  policy.style_src(*media.first(1), *Rails.configuration.action_controller.asset_host)
  policy.img_src(:data, :blob, *media)
  policy.media_src(:data, *media)
  policy.connect_src :self, Tiny.streaming_url
end
