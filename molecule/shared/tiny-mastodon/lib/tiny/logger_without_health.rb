# SPDX-License-Identifier: GPL-3.0-or-later
module Tiny
  class LoggerWithoutHealth < Rails::Rack::Logger
    def call(env)
      env["PATH_INFO"] == "/health" ? Rails.logger.silence { @app.call(env) } : super
    end
  end
end
