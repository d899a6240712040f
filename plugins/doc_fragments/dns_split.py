# SPDX-License-Identifier: GPL-3.0-or-later
"""What dns_split and dns_split_info both take, explained once: plugins/module_utils/fleet/split_spec.py, DECLARATION."""

from __future__ import annotations


class ModuleDocFragment:
    """The declaration of a split."""

    DOCUMENTATION = r"""
options:
  id:
    description: The name of the split. Its record in etcd is C(dns_split/<id>).
    type: str
    required: true
  owner:
    description: Who owns the names, as the marker in the zone says it.
    type: str
    default: upstairs
  zone:
    description: The zone of both names.
    type: str
    required: true
  read:
    description: The name that is read from, and where it shall lead.
    type: dict
    required: true
    suboptions: &side
      name:
        description: V(@), a name below the zone, or a whole name with a final dot. An international name as V(xn--...).
        type: str
        required: true
      addresses:
        description: Addresses of IPv4 and IPv6. All of them are probed, so that an address of IPv6 where nobody answers is refused.
        type: list
        elements: str
        default: []
      cname:
        description: A name to lead to instead. With a dot inside it needs a final dot.
        type: str
        default: ""
      elsewhere:
        description: The name is in nobody's zone of ours, such as that of a bucket at a cloud. It is not touched, and only kept apart from
          the other name. Give neither addresses nor a cname.
        type: bool
        default: false
  write:
    description: The name that is written to, and where it shall lead. Only one of the two names may move at once. Without it there is only
      the read name, as for the instance's own name, which edges leave and rejoin.
    type: dict
    suboptions: *side
  ttl:
    description: Seconds for every day.
    type: int
    default: 300
  transit_ttl:
    description: Seconds while a name moves. This is how long a way back takes.
    type: int
    default: 60
  provider:
    description:
      - Who has the zone. V(rfc2136) is a name server of one's own, V(hcloud) Hetzner's Cloud, V(route53) Amazon's.
      - The libraries of V(hcloud) and V(route53) are in the virtualenv of the controller, so use O(on_controller) for them.
      - Only a provider that changes addresses and a CNAME into each other at once is asked to do so. V(hcloud) is not one of them,
        and changes A and AAAA of a name one after the other.
    type: str
    default: rfc2136
  provider_options:
    description:
      - What the provider needs to know. For all C(timeout), seconds for one answer.
      - For V(rfc2136) C(server) (the address of the primary), C(port), C(key_file) (a file on the host with a TSIG key as
        C(ALGORITHM:NAME:BASE64)), C(delegated) (V(false) for a zone that no parent delegates) and C(parents) (addresses of servers
        of the parent zone; without any they are looked up).
      - For V(route53) C(zone_id), if the account has more than one public zone of the name.
      - For V(hcloud) and V(route53) C(endpoint_url), C(within) (seconds in which a question is asked again that was sent away or not
        answered) and C(settle_within) (seconds in which the provider itself must call a write done).
    type: dict
    default: {}
  credentials:
    description:
      - The provider's secrets, from Ansible Vault, and nothing else. Never shown.
      - For V(rfc2136) C(key), a TSIG key with HMAC-SHA-256 or longer, instead of C(key_file).
      - For V(hcloud) C(token), which may read and write; without it E(HCLOUD_TOKEN) counts.
      - For V(route53) C(access_key), C(secret_key) and C(session_token) of somebody who may C(route53:ListHostedZonesByName),
        C(GetHostedZone), C(ListResourceRecordSets), C(ChangeResourceRecordSets) and C(GetChange); without them E(AWS_ACCESS_KEY_ID),
        E(AWS_SECRET_ACCESS_KEY), E(AWS_SESSION_TOKEN) or a profile.
    type: dict
    default: {}
  probes:
    description: What proves a target, at each of its addresses, before the cut and after it. A name that moves needs at least one.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The promise as a sentence.
        type: str
        required: true
      role:
        description: Whose target it proves.
        type: str
        choices: [read, write]
        required: true
      http:
        description: A request to the name at the new address. TLS asks for the name (SNI) and verifies the certificate.
        type: dict
        suboptions:
          url:
            description: What to ask. Its host must be the name, or a name below it.
            type: str
            required: true
          method:
            description: The method. V(PUT) with a status of 403 or 405 proves that nobody can write through the read name.
            type: str
            default: GET
          status:
            description: The statuses that are good. 206 for a request with a C(Range) header.
            type: list
            elements: int
            default: [200]
          contains:
            description: A text that the body must contain.
            type: str
          headers:
            description: Headers to send, such as C(Range) or C(Origin). No message repeats another one's value, but Ansible shows and
              logs all of them as arguments of the task, so put no secret here.
            type: dict
            default: {}
          answers:
            description: Headers of the answer, each with a regular expression that it must match, such as C(Access-Control-Allow-Origin).
            type: dict
            default: {}
          ca_file:
            description: Certificates to trust instead of the system's; a path on the host.
            type: str
      canary:
        description: An object that is written, read and removed with the signature of an object store.
        type: dict
        suboptions:
          url:
            description: A bucket, or a folder in it, at the write name.
            type: str
            required: true
          access_key:
            description: Who writes. Never shown.
            type: str
            required: true
          secret_key:
            description: The secret. Never shown.
            type: str
            required: true
          region:
            description: The region that the signature names.
            type: str
            default: us-east-1
          ca_file:
            description: Certificates to trust instead of the system's; a path on the host.
            type: str
      tcp:
        description: A port that must take a connection. For what speaks no HTTP.
        type: int
  server_addresses:
    description: Addresses of authoritative servers that the host's resolver does not know, or knows differently, by the names in
      the NS records.
    type: dict
    default: {}
  server_port:
    description: The port at which authoritative servers are asked.
    type: int
    default: 53
  hosts:
    description: Who answers at which addresses, by name, of those that can be taken out of the names for a while.
    type: dict
    default: {}
  out:
    description: Which of O(hosts) are out now. What is declared for a name is then wanted without their addresses. A name that would
      lead nowhere is refused.
    type: list
    elements: str
    default: []
  families:
    description: The families of addresses at which servers are asked. Without IPv6 on the host say V([4]); a server with no other
      address then fails.
    type: list
    elements: int
    choices: [4, 6]
    default: [4, 6]
  rounds:
    description: How often in a row each server must give the right answer.
    type: int
    default: 3
  timeout:
    description: Seconds for each question.
    type: float
    default: 5
  adopt:
    description: Take over names that have records and no owner, wherever they lead. For the first move of names that nothing else keeps,
      not for every day.
    type: bool
    default: false
"""
