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

# Debian's Puma 6.6.0 on Ruby 3.3 hangs in one of fifteen stops: the signal handler's write and the server's close of the same pipe
# wait for each other until Puma kills the worker after 30 seconds. From another thread they do not.
require "puma/server"
Puma::Server.prepend(Module.new do
  def stop(sync = false)
    stopping = Thread.new { super }
    stopping.join if sync
  end
end)

# Each second Puma tells systemd how its workers are, and systemd tells everybody on its bus: a third of what a quiet machine with an
# emulated processor does. What is as it was need not be said again.
require "puma/sd_notify"
Puma::SdNotify.singleton_class.prepend(Module.new do
  def status(text, ...)
    return if text == @told

    @told = text
    super
  end
end)
