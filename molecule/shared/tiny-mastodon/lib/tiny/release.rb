# SPDX-License-Identifier: GPL-3.0-or-later
module Tiny
  VERSION = "1.0.0"

  # Which code a process runs: asked once at boot, for `current` may point elsewhere later.
  module Release
    ROOT = Pathname(__dir__).join("../..").realpath

    def self.commit
      ENV["SOURCE_COMMIT"].presence || read("REVISION") || read(".git/HEAD")
    end

    def self.read(name)
      file = ROOT.join(name)
      text = file.file? ? file.read.strip : nil
      text&.start_with?("ref: ") ? read(".git/#{text.delete_prefix("ref: ")}") : text
    end

    COMMIT = commit
    NAME = ROOT.basename.to_s
  end
end
