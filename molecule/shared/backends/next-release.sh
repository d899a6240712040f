#!/bin/sh
# What a new release is to its processes: another directory behind `current`.
set -eu
cd /srv/mastodon
[ -d releases/next ] || cp -a "releases/$(basename "$(readlink current)")" releases/next
ln -sfn releases/next current
