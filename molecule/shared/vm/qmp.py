# SPDX-License-Identifier: GPL-3.0-or-later
"""Say one thing to the QEMU of this container, and print its answer.

usage: qmp.py COMMAND [ARGUMENTS AS JSON]
"""

import json
import socket
import sys

with socket.socket(socket.AF_UNIX) as channel:
    # To write down the whole memory takes a while.
    channel.settimeout(300)
    channel.connect("/vm/qmp")
    with channel.makefile("rw") as stream:
        stream.readline()
        for command, arguments in (("qmp_capabilities", "{}"), (sys.argv[1], sys.argv[2] if sys.argv[2:] else "{}")):
            stream.write(json.dumps({"execute": command, "arguments": json.loads(arguments)}) + "\n")
            stream.flush()
            while True:
                answer = json.loads(stream.readline())
                # Events are told to whoever is there.
                if "event" not in answer:
                    break
print(json.dumps(answer))
# What a person types at QEMU's own prompt says an error in words.
sys.exit("error" in answer or "Error" in str(answer.get("return")))
