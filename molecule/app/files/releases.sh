#!/bin/sh
# Prints what a person would look at: the releases, which of them is current, and (where the database is) the new columns.
set -eu
cd /srv/mastodon
for release in releases/*; do
  echo "release ${release#releases/} $(ls "$release" | grep -x remains || true)"
done
echo "current $(basename "$(readlink current)")"
if [ -d /etc/postgresql ]; then
  runuser -u postgres -- psql -qAt mastodon_production -c \
    "SELECT 'column ' || column_name FROM information_schema.columns WHERE table_name = 'statuses' AND column_name IN ('early', 'late')"
fi
