#!/bin/sh
# A second version of the tiny app with a migration of each kind, as tag v2, and the remains of a build of it that was cut off.
set -eu
work=$(mktemp -d)
export GIT_AUTHOR_DATE=2026-01-02T00:00:00Z GIT_COMMITTER_DATE=2026-01-02T00:00:00Z
git clone -q file:///srv/app.git "$work"
cd "$work"
migration() {
  printf 'class %s < ActiveRecord::Migration[7.2]\n  def change = add_column(:statuses, :%s, :string)\nend\n' "$2" "$3" > "$1"
}
migration db/migrate/20260601000001_early.rb Early early
migration db/post_migrate/20260601000002_late.rb Late late
git add .
git -c user.name=Upstairs -c user.email=lab@upstairs.test commit -q -m 'Next'
git -c user.name=Upstairs -c user.email=lab@upstairs.test tag -a -m 'Next' v2
git clone -q --bare . /srv/next.git
remains=/srv/mastodon/releases/v2-$(git rev-parse HEAD | cut -c1-10)
mkdir "$remains"
touch "$remains/remains"
chown -R mastodon: "$remains"
