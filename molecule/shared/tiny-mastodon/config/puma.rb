# SPDX-License-Identifier: GPL-3.0-or-later
persistent_timeout Integer(ENV.fetch("PERSISTENT_TIMEOUT", 20))

max_threads = Integer(ENV.fetch("MAX_THREADS", 5))
threads Integer(ENV.fetch("MIN_THREADS", max_threads)), max_threads

if ENV["SOCKET"]
  bind "unix://#{ENV["SOCKET"]}"
else
  bind "tcp://#{ENV.fetch("BIND", "127.0.0.1")}:#{ENV.fetch("PORT", 3000)}"
end

workers Integer(ENV.fetch("WEB_CONCURRENCY", 2))
# Mastodon does: so SIGUSR1 is not a phased restart, and SIGUSR2 makes requests wait while Rails boots.
preload_app!
plugin :tmp_restart
set_remote_address(proxy_protocol: :v1) if ENV["PROXY_PROTO_V1"] == "true"
