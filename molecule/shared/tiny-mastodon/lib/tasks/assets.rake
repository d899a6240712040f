# SPDX-License-Identifier: GPL-3.0-or-later
require "digest"
require "json"

namespace :assets do
  desc "Write public/packs: the style sheet under a name that changes with its content, and the manifest that says so"
  task :precompile do
    packs = Pathname(__dir__).join("../../public/packs")
    css = File.read("#{__dir__}/../../app/assets/timeline.css").sub("VERSION", Tiny::VERSION)
    name = "timeline-#{Digest::SHA256.hexdigest(css)[0, 12]}.css"
    packs.mkpath
    packs.join(name).write(css)
    packs.join("manifest.json").write(JSON.pretty_generate("timeline.css" => name))
    puts "public/packs/#{name}"
  end
end
