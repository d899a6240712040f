#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell Ansible which lab it is, as values: as templates, they would be computed anew hundreds of times for each task of each host.

An inventory script: it is asked with ``--list``, and answers for all hosts at once. molecule/shared/inventory links to it.
"""

import json
import os
import sys
from pathlib import Path

# Where the configuration is that Ansible uses, because a test's inventory is a copy elsewhere.
ROOT = Path(os.environ.get("ANSIBLE_CONFIG") or "ansible.cfg").resolve().parent
sys.path.insert(0, str(ROOT))

from bin.site import Site  # noqa: E402 - it is found by the line above

lab = Site.of_environment()
told = {"lab_name": lab.name, "lab_net": lab.net, "lab_root": str(ROOT), "lab_state": str(lab.state)}
print(json.dumps({"all": {"vars": told}, "_meta": {"hostvars": {}}}))
