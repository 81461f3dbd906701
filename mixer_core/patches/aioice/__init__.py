"""aioice, which opens the sockets of a peer connection and checks that its peer is alive.

``gathering`` changes what it offers and checks, ``sockets`` which ports it opens and whom it asks,
``checks`` where its connectivity checks may go; ``datagrams`` sits between its sockets and it, and
``moves`` follows a peer whose address changes. ``names`` has it start without dnspython.
"""

WRITTEN_FOR = "0.13"
NAMES = {
    "ice": {
        "get_host_addresses": "replaced: which of this host's addresses are offered",
        "CONSENT_INTERVAL": "set: how often the peer is asked whether it is alive",
        "CONSENT_FAILURES": "set: how many unanswered questions end the connection",
        "server_reflexive_candidate": "asks a STUN server for the outer address of a socket",
        "relayed_candidate": "takes an address at a TURN server",
        "candidate_foundation": "the same for candidates of one type and base",
        "candidate_priority": "prefers own addresses to outer ones, and those to relays",
    },
    "mdns": {
        "MDnsProtocol": "an annotation",
        "is_mdns_hostname": "asked of every address of a peer",
        "create_mdns_protocol": "begins to ask the local network",
    },
    "Connection": {
        "get_component_candidates": "replaced: opens the sockets and asks the servers",
        "_protocols": "its sockets, to listen to them",
        "_nominated": "the pair of addresses to send from and to",
        "_check_list": "the pairs of addresses that were tried: where the peer may send from",
        "_remote_candidates": "the peer's addresses, those from which checks came included",
        "_early_checks_done": "checks are answered by checks",
        "_closing": "nothing new is checked any more",
        "check_state": "sets how far the check of a pair has come",
        "check_incoming": "wrapped: the peer has sent a valid check",
        "_queue": "datagrams that wait for aiortc's task; None ends the connection",
        "data_received": "takes a datagram that is not STUN",
    },
    "StunProtocol": {
        "datagram_received": "replaced: every datagram comes here first",
        "receiver": "the connection of this socket",
        "local_candidate": "its component, which goes along with a datagram",
        "transport": "sends a datagram at once; the gate replaces it",
        "request": "replaced: a check, from its first datagram to the answer",
        "send_stun": "replaced: sends the datagrams of checks and answers",
    },
    "CandidatePair": {
        "protocol": "the socket to send from",
        "remote_addr": "the address to send to",
        "remote_candidate": "its candidate",
        "task": "the check under way",
        "state": "how far its check has come",
    },
}
"""Owner → private or undocumented name → what it is for."""
