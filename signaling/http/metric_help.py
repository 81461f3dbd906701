"""What each metric on ``/metrics`` means: the page's help texts, and the table in the documents.

Programs report plain names (``mixer_core.runtime.metrics``); the page puts ``mixminus_`` before
them. A name that is missing here is shown all the same, without an explanation.
"""

from __future__ import annotations

from collections.abc import Iterator

BACKLOG = "audio_backlog_ms"
DROPPED = "mixminus_audio_dropped_total"
RESTARTS = "mixminus_restarts_total"
ROOM_PREFIX = "mixminus_room_"

HELP: dict[str, dict[str, str]] = {
    "Every program": {
        "processor_us_total": "Time of all threads on a processor, in µs.",
        "processor_wait_us_total": "Time that the main thread waited for a processor, in µs.",
        "processor_turns_total": "How often the main thread got a processor.",
        "memory_resident_bytes": "Memory in RAM; pages that forked processes share count in each.",
        "open_files": "Open file descriptors.",
        "control_errors_total": "Control messages that could not be read.",
        "heartbeats_dropped_total": "Heartbeats that signaling did not take.",
    },
    "signaling": {
        "rooms": "Rooms with somebody in them.",
        "participants": "People in all rooms.",
        "workers_idle": "Media workers that wait for a browser.",
        "workers_active": "Media workers that have one.",
        "links_idle": "Links that wait for a room.",
        "links_active": "Links that have one.",
        "joined_total": "People who came in.",
        "left_total": "People who left, or were lost.",
        "links_lost_total": "Links that ended while people were in their room.",
        "control_undelivered_total": "Control messages that did not reach a process.",
        "http_2xx_total": "Answers with a status of 200 to 299.",
        "http_3xx_total": "Answers with a status of 300 to 399.",
        "http_4xx_total": "Answers with a status of 400 to 499.",
        "http_5xx_total": "Answers with a status of 500 to 599.",
        "relayed_total": "Requests that were relayed to another machine of the cluster.",
        "relay_failed_total": "Those that it did not answer, or that were too many.",
        "relay_ms": "From such a request to its answer, without those that wait for an end.",
        "replayed_total": "Requests that other machines relayed to this one.",
        "load_level": "How loaded the gateway is, 0 to 3; at 3 newcomers wait.",
        "load_processor_ratio": "Processor time that it uses, of what it may.",
        "load_waiting_ratio": "Waiting for a processor, of what is borne.",
        "load_lateness_ratio": "Lateness of the mixer, of what is borne.",
        "load_backlog_ratio": "Audio lost inside, of what is borne.",
        "load_memory_ratio": "Least free memory, of the memory that is free.",
        "load_session_cores": "Processors that one more participant is expected to take.",
        "load_own_cores": "Processors that the gateway uses.",
        "load_machine_busy_ratio": "Share of the machine's processors that anybody uses.",
    },
    "A node of a cluster (signaling)": {
        "cluster_connected": "1: NATS answers this node; 0: it does not.",
        "cluster_lease_held": "1: this node has its lease; 0: its assistants are silent.",
        "cluster_lease_left_seconds": "How long the lease holds, if it is not renewed.",
        "cluster_lease_pledged": "1: the lease holds by the word of other nodes, without NATS.",
        "cluster_renew_ms": "From the renewal of the lease to its acknowledgement.",
        "cluster_nodes_live": "Nodes that this one knows to live, itself included.",
        "cluster_rooms_owned": "Rooms that are this node's.",
        "cluster_draining": "1: this node gives its rooms away.",
        "cluster_moved_total": "Rooms of this node that have moved to others.",
    },
    "The hosts (media_worker, openai_link)": {
        "children": "Child processes.",
        "idle_children": "Children that wait for work.",
        "children_started_total": "Children that were started.",
        "children_adopted_total": "Children of an earlier host that were taken over.",
        "children_crashed_total": "Children that ended with an error.",
        "children_frozen_total": "Children that said nothing for 10 s and were killed.",
        "children_over_memory_total": "Children that had to end because of their memory.",
    },
    "media_worker": {
        "frames_in_total": "Frames of microphones for the mixer.",
        "frames_suppressed_total": "Frames of silence, and of muted people, that were not sent.",
        "frames_overrun_total": "Frames that came faster than real time.",
        "frames_late_total": "Frames that came too late.",
        "frames_out_total": "Frames sent to browsers.",
        "frames_dropped_total": "Frames for browsers that were not sent, for any reason.",
        "frames_dropped_full_total": "The same because too much was waiting for the network.",
        "frames_dropped_stale_total": "The same because they were too old.",
        "frames_dropped_epoch_total": "The same because the reply had been interrupted.",
        "frames_refused_total": "Frames of people who may only listen, or are silenced.",
        "bus_dropped_total": "Messages that the mixer did not take.",
        "bad_messages_total": "Messages of browsers that could not be read.",
        "too_fast_messages_total": "Messages of browsers that came too fast.",
        "bad_frames_total": "Messages of the mixer that could not be read.",
        "unknown_events_total": "Events of the mixer that are not for browsers.",
        "handler_faults_total": "Faults in the handling of what a browser sent.",
        "ice_checks_refused_total": "Addresses of an offer that are not asked.",
        "excess_total": "Packets over what one browser may send.",
        "bytes_in_total": "Bytes of audio and messages from browsers.",
        "bytes_out_total": "Bytes of audio and messages to browsers.",
        "downlink_latency_ms": "Frames, from their entry to this host to the network.",
    },
    "mixer_core": {
        "start_s": "From its start until its kernels were ready.",
        "mixes": "1 for each mixer that works.",
        "waits": "1 for each mixer that waits to take over.",
        "takeovers_total": "How often a waiting mixer took over.",
        "streams": "Streams of browsers and links.",
        "frames_malformed_total": "Messages that are no frame.",
        "frames_unknown_stream_total": "Frames of streams that have not announced themselves.",
        "frames_retired_link_total": "Frames of a link that another one has replaced.",
        "frames_old_epoch_total": "Frames of a reply that was interrupted.",
        "frames_muted_total": "Frames of people who are muted.",
        "starts_malformed_total": "Announcements that cannot be read.",
        "streams_refused_total": "Streams over max_streams.",
        "streams_expired_total": "Streams that said nothing for stream_timeout_ms.",
        "flushes_total": "Interruptions.",
        "flushes_ignored_total": "Interruptions by somebody who may not.",
        "slots_passed_total": "Slots with one talker, passed on as they are.",
        "slots_mixed_total": "Slots that were mixed of several talkers.",
        "slots_deadline_total": "Slots that were mixed at their deadline, with somebody missing.",
        "frames_held_back_total": "Frames of microphones that heard an echo, or had not the floor.",
        "echoes_found_total": "How often a microphone was found to hear another device.",
        "events_too_large_total": "Events of the mixer that were too large to be sent.",
        "jitter_pushed_total": "Frames that came into the jitter buffers.",
        "jitter_popped_total": "Frames that left them in time.",
        "jitter_late_total": "Frames that came after their slot.",
        "jitter_duplicate_total": "Frames that came twice.",
        "jitter_overflowed_total": "Frames dropped because the buffer was full.",
        "jitter_surplus_total": "Frames dropped because they only added delay.",
        "jitter_flushed_total": "Frames dropped by an interruption.",
        "jitter_concealed_total": "Frames invented for lost ones.",
        "jitter_skipped_total": "Lost frames for which nothing was invented.",
        "jitter_starved_total": "How often a talker's buffer ran empty.",
        "jitter_restarts_total": "How often a stream counted anew.",
        "turns_total": "Turns of the mixer's loop.",
        "turn_errors_total": "Turns that failed.",
        "messages_out_total": "Messages to listeners.",
        "audio_out_dropped_total": "Messages that a listener's socket did not take.",
        "audio_connections_refused_total": "Connections over the most.",
        "latency_to_publish_ms": "Frames, from their entry to this host to the listeners' sockets.",
        "timeout_lateness_ms": "How late the mixer was at a deadline.",
        "turn_duration_ms": "How long a turn of the loop took.",
    },
    "openai_link": {
        "conversation_turns_total": "Turns of people: spoken, typed or shown.",
        "turns_answered_total": "Turns whose answer sounded, or was written.",
        "turns_interrupted_total": "Turns that were followed by the next before their answer.",
        "turn_commit_ms": "From the end of speech to the item (committed).",
        "turn_response_ms": "From the item to the beginning of the response.",
        "turn_first_audio_ms": "From the beginning of the response to its first sound.",
        "turn_played_ms": "From its first sound to the first loudspeaker that played it.",
        "turn_reply_ms": "From the end of speech to the first sound of the answer.",
        "tool_calls_total": "Tool calls of the model.",
        "tool_failures_total": "Tool calls that failed, were refused, or took too long.",
        "tool_duration_ms": "From a tool call to its output, questions to people included.",
        "tokens_text_in_total": "Text tokens to the model, without cached ones.",
        "tokens_text_cached_total": "Text tokens to the model from its cache.",
        "tokens_text_out_total": "Text tokens of the model.",
        "tokens_audio_in_total": "Audio tokens to the model, without cached ones.",
        "tokens_audio_cached_total": "Audio tokens to the model from its cache.",
        "tokens_audio_out_total": "Audio tokens of the model.",
        "tokens_image_in_total": "Image tokens to the model, without cached ones.",
        "tokens_image_cached_total": "Image tokens to the model from its cache.",
        "spent_usd_total": "What was spent, by the price table, in US dollars.",
        "unpriced_total": "Responses of models that are not in the price table.",
        "calls_total": "Calls to the server.",
        "connect_ms": "How long the newest call took to come up.",
        "rollovers_begun_total": "Sessions opened to replace one that nears its end.",
        "rollovers_total": "Rooms moved to the next session.",
        "epoch": "Sum of the rooms' epochs.",
        "flushes_total": "Interruptions.",
        "tellings_replaced_total": "Messages to browsers that newer ones replaced.",
        "tellings_left_out_total": "Messages to browsers that came too fast.",
        "server_events_total": "Events of the server.",
        "server_unknown_events_total": "Events whose type is not known.",
        "server_bad_events_total": "Events that could not be read.",
        "server_errors_total": "Errors that the server told.",
        "server_benign_errors_total": "Errors without consequence.",
        "own_words_turns_total": "Turns with the own words of everybody who spoke.",
        "own_words_lost_total": "Sessions for one person's own words that were lost.",
        "uninvited_responses_total": "Answers that the server was told not to give, cancelled.",
        "uplink_frames_total": "Frames sent to the server.",
        "uplink_held_frames_total": "Frames that no session was there for.",
        "uplink_muted_frames_total": "Frames that the session was not to hear.",
        "uplink_silences_total": "Frames of silence that filled gaps.",
        "uplink_starved_total": "How often the room's frames came late.",
        "uplink_dropped_frames_total": "Frames dropped because they only added delay.",
        "uplink_dropped_quiet_frames_total": "The same in quiet moments.",
        "uplink_unsent_packets_total": "Packets that the connection did not take.",
        "downlink_frames_total": "Frames of replies to the mixer.",
        "downlink_packets_total": "Packets of replies.",
        "downlink_lost_packets_total": "Packets of replies that never came.",
        "journal_lag_ms": "Age of the oldest record that the journal of a room has not got yet.",
        "journal_waiting_records": "Records that wait for it, of the room with the most.",
        "journal_lost_records_total": "Records that could not be written, and were given up.",
        "turns_untraced_total": "Turns that the collector of traces has not taken.",
        "downlink_late_packets_total": "Packets of replies that came too late.",
        "downlink_corrupt_packets_total": "Packets of replies that could not be decoded.",
        "downlink_concealed_frames_total": "Frames invented for lost packets.",
        "downlink_resets_total": "How often the server's numbering began anew.",
        "downlink_flushed_frames_total": "Frames of interrupted replies.",
        "downlink_quiet_frames_total": "Frames of silence between replies that were not sent on.",
        "downlink_dropped_bytes_total": "Bytes of replies over what is kept (WebSocket).",
        "mixer_dropped_messages_total": "Messages that the mixer did not take.",
        "mixer_bad_messages_total": "Messages of the mixer that could not be read.",
        "mixer_unsent_events_total": "Events that waited in vain for a mixer.",
        "uplink_latency_ms": "Frames, from their entry to this host to the connection.",
    },
    "simulator": {
        "open_calls": "Calls at the simulator.",
    },
}
"""By who reports it. Histograms end in ``_ms``; they are shown as ``_bucket``, ``_sum`` and
``_count``, all but ``GAUGES_MS``."""
GAUGES_MS = frozenset({"connect_ms", "journal_lag_ms"})
"""Delays of which only the newest is known."""

DROPS: dict[tuple[str, str], tuple[str, str]] = {
    ("media_worker", "frames_overrun_total"): ("browser_in", "overrun"),
    ("media_worker", "frames_late_total"): ("browser_in", "late"),
    ("media_worker", "frames_refused_total"): ("browser_in", "refused"),
    ("media_worker", "bus_dropped_total"): ("worker_to_mixer", "full"),
    ("media_worker", "frames_dropped_full_total"): ("browser_out", "full"),
    ("media_worker", "frames_dropped_stale_total"): ("browser_out", "stale"),
    ("media_worker", "frames_dropped_epoch_total"): ("browser_out", "epoch"),
    ("mixer_core", "frames_malformed_total"): ("mixer_in", "malformed"),
    ("mixer_core", "frames_unknown_stream_total"): ("mixer_in", "unknown_stream"),
    ("mixer_core", "frames_old_epoch_total"): ("mixer_in", "epoch"),
    ("mixer_core", "frames_muted_total"): ("mixer_in", "muted"),
    ("mixer_core", "jitter_late_total"): ("jitter", "late"),
    ("mixer_core", "jitter_duplicate_total"): ("jitter", "duplicate"),
    ("mixer_core", "jitter_overflowed_total"): ("jitter", "full"),
    ("mixer_core", "jitter_surplus_total"): ("jitter", "surplus"),
    ("mixer_core", "jitter_flushed_total"): ("jitter", "epoch"),
    ("mixer_core", "audio_out_dropped_total"): ("mixer_out", "full"),
    ("openai_link", "uplink_held_frames_total"): ("link_up", "no_session"),
    ("openai_link", "uplink_dropped_frames_total"): ("link_up", "surplus"),
    ("openai_link", "uplink_dropped_quiet_frames_total"): ("link_up", "surplus_quiet"),
    ("openai_link", "uplink_unsent_packets_total"): ("link_up", "unsent"),
    ("openai_link", "downlink_lost_packets_total"): ("link_down", "lost"),
    ("openai_link", "downlink_late_packets_total"): ("link_down", "late"),
    ("openai_link", "downlink_corrupt_packets_total"): ("link_down", "corrupt"),
    ("openai_link", "downlink_flushed_frames_total"): ("link_down", "epoch"),
    ("openai_link", "mixer_dropped_messages_total"): ("link_to_mixer", "full"),
}
"""Counters of audio that was given up: the stage where it was, and why; shown once more as one
metric with these labels."""

NODE = "mixminus_node_info"

FAMILIES = {
    BACKLOG: "Audio that waits, by program and stage; of several processes the most.",
    DROPPED: "Audio that was given up, by program, stage and reason: frames or packets.",
    RESTARTS: "How often another process took a program's place, since signaling began.",
    NODE: "1, with the name of this machine in its cluster; absent without one.",
}

ROOM_HELP: dict[str, str] = {
    "participants": "People in the room.",
    "conversation_turns_total": "Turns of people in the room.",
    "tool_calls_total": "Tool calls in the room.",
    "tokens_total": "Tokens of the room, of all kinds.",
    "spent_usd_total": "What the room has spent, in US dollars.",
    "dropped_total": "Audio of the room that was given up by its workers and its link.",
    "backlog_ms": "The most audio that waits anywhere for the room.",
}
"""Metrics of single rooms, with the label ``room``."""

_TEXTS = {name: text for names in HELP.values() for name, text in names.items()}


def help_of(name: str) -> str:
    """The explanation of a name as a program reports it."""
    return _TEXTS.get(name, "Reported by the programs.")


def table() -> Iterator[str]:
    """The lines of the table in ``docs/metrics.md``."""
    yield "## With labels of their own"
    yield from ("", "| metric | labels | meaning |", "|---|---|---|")
    labels = {BACKLOG: "program, stage", DROPPED: "program, stage, reason", RESTARTS: "program"}
    labels[NODE] = "node"
    yield from (f"| `{name}` | {labels[name]} | {text} |" for name, text in FAMILIES.items())
    yield from (
        f"| `{ROOM_PREFIX}{name}` | room | {text} |" for name, text in sorted(ROOM_HELP.items())
    )
    for who, names in HELP.items():
        yield from ("", f"## {who}", "", "| metric | meaning |", "|---|---|")
        yield from (f"| `mixminus_{name}` | {text} |" for name, text in names.items())


if __name__ == "__main__":
    print("\n".join(table()))
