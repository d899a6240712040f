# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a release of the application beside the running one, migrate for it, switch to it, and clear up after it."""

from __future__ import annotations

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.fleet import app_releases as releases
from ..module_utils.fleet.ports.app_host import AppHost, CommandError

DOCUMENTATION = r"""
---
module: app_release
short_description: Build, prepare, switch to and finish a release of the application
version_added: "1.0"
author: Upstairs (@upstairs)
description:
  - A release is a directory C(ROOT/releases/VERSION-COMMIT), built in place as the user. A record in C(ROOT/records) says how
    far it has come; a directory without a record is the rest of a build that was cut off, and is built anew.
  - V(built) takes the version from the repository and builds it. Nothing of the running release is touched, and the build sees no secret.
  - V(prepared) runs the migrations that the running code can live with. An empty database gets all migrations and the seeds.
  - V(current) asks the database whether that has happened, wherever it was done, and turns the link C(ROOT/current).
    It restarts nothing.
  - V(finished) runs the remaining migrations and the seeds if O(migrates), and removes old releases.
    Every process must run the release by then.
options:
  state:
    description: How far to go.
    type: str
    choices: [built, prepared, current, finished]
    required: true
  root:
    description: Where the application lives.
    type: path
    required: true
  user:
    description: Who builds and migrates.
    type: str
    required: true
  repository:
    description: A git repository. Used by O(state=built).
    type: str
  version:
    description: A tag, a whole commit, or a branch if O(follow_branch). Used by O(state=built).
    type: str
  release:
    description: The release to go on with, as O(state=built) named it. O(state=finished) takes the current one if it is empty.
    type: str
    default: ""
  follow_branch:
    description: Whether O(version) may be a branch.
    type: bool
    default: false
  build:
    description: Commands that build a release, in order, in its directory.
    type: list
    elements: list
    default: []
  build_environment:
    description: What these commands see besides PATH, HOME, LANG, RAILS_ENV and NODE_ENV.
    type: dict
    default: {}
  bundle_config:
    description: Bundler's settings of the release, for the build and for every process later.
    type: dict
    default: {}
  shared:
    description: Paths of a release that are links into C(ROOT/shared).
    type: list
    elements: str
    default: []
  path:
    description: PATH of all commands.
    type: str
    default: /usr/local/bin:/usr/bin:/bin
  migration_environment:
    description:
      - What migrations see instead of the values in C(ROOT/shared/.env.production), such as a way to the database without a pooler.
    type: dict
    default: {}
  migrate:
    description: The command that migrates.
    type: list
    elements: str
    default: [bundle, exec, rails, db:migrate]
  seed:
    description: The command that fills in what every installation has; it may run again and again.
    type: list
    elements: str
    default: [bundle, exec, rails, db:seed]
  pending:
    description: The command that fails while migrations are missing.
    type: list
    elements: str
    default: [bundle, exec, rails, db:abort_if_pending_migrations]
  migrates:
    description: Whether this host runs the remaining migrations.
    type: bool
    default: false
  keep:
    description: Releases to go back to.
    type: int
    default: 2
  within:
    description: Seconds that one command may take.
    type: int
    default: 3600
attributes:
  check_mode:
    description: Says what it would do. On a host without git or the user it cannot know the commit yet.
    support: full
  diff_mode:
    description: Shows the plan.
    support: full
"""

EXAMPLES = r"""
- name: release | Build the release beside the running one
  app_release:
    state: built
    root: /srv/mastodon
    user: mastodon
    repository: https://github.com/mastodon/mastodon.git
    version: v4.7.4
    build: [[bundle, install], [bundle, exec, rails, assets:precompile]]
"""

RETURN = r"""
release:
  description: The release's name; empty if it cannot be known yet.
  returned: always
  type: str
plan:
  description: What was done, or would be.
  returned: always
  type: list
  elements: str
is_current:
  description: Whether the release is the current one.
  returned: always
  type: bool
is_prepared:
  description: Whether this host has migrated for the release.
  returned: always
  type: bool
is_finished:
  description: Whether nothing is left for V(finished) to do.
  returned: always
  type: bool
"""

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["built", "prepared", "current", "finished"], "required": True},
    "root": {"type": "path", "required": True},
    "user": {"type": "str", "required": True},
    "repository": {"type": "str"},
    "version": {"type": "str"},
    "release": {"type": "str", "default": ""},
    "follow_branch": {"type": "bool", "default": False},
    "build": {"type": "list", "elements": "list", "default": []},
    "build_environment": {"type": "dict", "default": {}},
    "bundle_config": {"type": "dict", "default": {}},
    "shared": {"type": "list", "elements": "str", "default": []},
    "path": {"type": "str", "default": "/usr/local/bin:/usr/bin:/bin"},
    "migration_environment": {"type": "dict", "default": {}},
    "migrate": {"type": "list", "elements": "str", "default": ["bundle", "exec", "rails", "db:migrate"]},
    "seed": {"type": "list", "elements": "str", "default": ["bundle", "exec", "rails", "db:seed"]},
    "pending": {
        "type": "list",
        "elements": "str",
        "default": ["bundle", "exec", "rails", "db:abort_if_pending_migrations"],
    },
    "migrates": {"type": "bool", "default": False},
    "keep": {"type": "int", "default": 2},
    "within": {"type": "int", "default": 3600},
}
# Mastodon asks only whether it is set: the value false would skip them too.
WITHOUT_POST = {"SKIP_POST_DEPLOYMENT_MIGRATIONS": "true"}


def resolve(params: dict[str, Any], host: AppHost, seen: releases.Host) -> releases.Resolved:
    """Return what the version means, or fail; later states go on with a release that is known by its name."""
    if params["state"] != "built":
        return releases.Resolved("", "", params["release"] or seen.current)
    references = host.references(params["repository"], params["version"])
    resolved = releases.resolve(params["version"], references, params["follow_branch"])
    if isinstance(resolved, releases.Refusal):
        raise CommandError(resolved.why)
    return resolved


def planned(params: dict[str, Any], host: AppHost, seen: releases.Host, release: str) -> tuple[str, ...]:
    """Return the plan for the state that was asked for."""
    if params["state"] == "built":
        return releases.to_build(seen, release)
    if params["state"] == "prepared":
        return releases.to_prepare(seen, release)
    if params["state"] == "current":
        return releases.to_switch(seen, release)
    return releases.to_finish(seen, release, params["migrates"], params["keep"], host.newest_first())


def build(params: dict[str, Any], host: AppHost, resolved: releases.Resolved) -> None:
    """Build in place. The record is written last, so a build that is cut off is found."""
    host.checkout(params["repository"], resolved)
    host.write_bundle_config(resolved.release, params["bundle_config"])
    for argv in params["build"]:
        host.run([str(word) for word in argv], resolved.release, params["build_environment"])
    # Only now: what builds shall not see the secrets, and Rails would read them from the release's directory.
    host.link_shared(resolved.release, params["shared"])
    host.record(resolved.release, {"version": resolved.version, "commit": resolved.commit, "built": True})


def prepare(params: dict[str, Any], host: AppHost, release: str) -> None:
    """Migrate for a release that will run beside the one before it; an empty database has no code to live with."""
    environment = host.environment(params["migration_environment"])
    said = host.run(["bundle", "exec", "rails", "db:version"], release, environment)
    empty = re.search(r"version: 0\b", said) is not None
    host.run(params["migrate"], release, environment | ({} if empty else WITHOUT_POST))
    if empty:
        host.run(params["seed"], release, environment)
    host.record(release, {"prepared": True})


def switch(params: dict[str, Any], host: AppHost, release: str) -> None:
    """Turn the link, if the database says that it is ready for the release."""
    try:
        host.run(params["pending"], release, host.environment(params["migration_environment"]) | WITHOUT_POST)
    except CommandError as error:
        raise CommandError(
            f"{release} stays out, because the database is not ready for it: the host with app_migrate runs the migrations first. {error}"
        ) from None
    host.switch(release)


def finish(params: dict[str, Any], host: AppHost, seen: releases.Host, release: str) -> None:
    """Run the rest of the migrations, then remove what nobody will go back to."""
    if params["migrates"] and not seen.mark(release).finished:
        environment = host.environment(params["migration_environment"])
        host.run(params["migrate"], release, environment)
        host.run(params["seed"], release, environment)
        host.record(release, {"finished": True})
    for old in releases.superfluous(host.newest_first(), seen.current, release, params["keep"]):
        host.remove(old)


def apply(params: dict[str, Any], host: AppHost, seen: releases.Host, resolved: releases.Resolved) -> None:
    """Do what was planned."""
    if params["state"] == "built":
        build(params, host, resolved)
    elif params["state"] == "prepared":
        prepare(params, host, resolved.release)
    elif params["state"] == "current":
        switch(params, host, resolved.release)
    else:
        finish(params, host, seen, resolved.release)


def refuse_out_of_order(params: dict[str, Any], seen: releases.Host, release: str) -> None:
    """Say what has to happen first."""
    if params["state"] in ("prepared", "current") and not seen.mark(release).built:
        raise CommandError(f"{release} is not built on this host yet")
    if params["state"] == "finished" and seen.current != release:
        raise CommandError(f"{release} is not the current release of this host yet ({seen.current or 'none'} is)")


def main() -> None:
    """Observe, plan, apply."""
    module = AnsibleModule(
        argument_spec=SPEC, supports_check_mode=True, required_if=[("state", "built", ["repository", "version"])]
    )
    params = module.params
    host = AppHost(params["root"], params["user"], params["path"], params["within"])
    if module.check_mode and (missing := host.missing()):
        plan = [f"{params['state']}: all of it, as this host has no {missing} yet"]
        module.exit_json(changed=True, plan=plan, release="", is_current=False, is_prepared=False, is_finished=False)
    try:
        seen = host.observe()
        resolved = resolve(params, host, seen)
        plan = list(planned(params, host, seen, resolved.release))
        if plan and not module.check_mode:
            refuse_out_of_order(params, seen, resolved.release)
            apply(params, host, seen, resolved)
            seen = host.observe()
    except CommandError as error:
        module.fail_json(msg=f"Release {params['version'] or params['release']}: {error}")
    left = releases.to_finish(seen, resolved.release, params["migrates"], params["keep"], host.newest_first())
    module.exit_json(
        changed=bool(plan),
        plan=plan,
        release=resolved.release,
        is_current=seen.current == resolved.release,
        is_prepared=seen.mark(resolved.release).prepared,
        is_finished=seen.current == resolved.release and not left,
        diff={"prepared": "".join(f"{step}\n" for step in plan)},
    )


if __name__ == "__main__":
    main()
