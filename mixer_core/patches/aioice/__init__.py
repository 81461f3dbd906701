"""aioice, which opens the sockets of a peer connection and checks that its peer is alive.

``gathering`` changes what it offers and checks, ``datagrams`` sits between its sockets and it.
"""

WRITTEN_FOR = "0.13"
NAMES = {
    "ice": {
        "get_host_addresses": "replaced: which of this host's addresses are offered",
        "CONSENT_INTERVAL": "set: how often the peer is asked whether it is alive",
        "CONSENT_FAILURES": "set: how many unanswered questions end the connection",
    },
    "Connection": {
        "_protocols": "its sockets, to listen to them",
        "_nominated": "the pair of addresses to send from and to",
        "_queue": "datagrams that wait for aiortc's task; None ends the connection",
        "data_received": "takes a datagram that is not STUN",
    },
    "StunProtocol": {
        "datagram_received": "replaced: every datagram comes here first",
        "receiver": "the connection of this socket",
        "local_candidate": "its component, which goes along with a datagram",
        "transport": "sends a datagram at once; the gate replaces it",
    },
    "CandidatePair": {
        "protocol": "the socket to send from",
        "remote_addr": "the address to send to",
    },
}
"""Owner → private or undocumented name → what it is for."""
