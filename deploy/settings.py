"""All sections of the settings file, for whoever starts the programs."""

from __future__ import annotations

from dataclasses import dataclass, field

from media_worker.settings import MediaWorkerSettings
from mixer_core.cluster.settings import ClusterSettings
from mixer_core.runtime.room_rules import Rooms
from mixer_core.runtime.settings import CommonSettings
from mixer_core.settings import MixerCoreSettings
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.settings import SimulatorSettings
from signaling.settings import SignalingSettings

GATEWAY = "gateway"
"""Its lock, in the runtime and in the state directory, is held as long as supervisord runs."""


@dataclass(frozen=True, slots=True)
class AllSettings(CommonSettings):
    """Every section, declared by the program that it is named after."""

    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    signaling: SignalingSettings = field(default_factory=SignalingSettings)
    media_worker: MediaWorkerSettings = field(default_factory=MediaWorkerSettings)
    mixer_core: MixerCoreSettings = field(default_factory=MixerCoreSettings)
    openai_link: OpenaiLinkSettings = field(default_factory=OpenaiLinkSettings)
    simulator: SimulatorSettings = field(default_factory=SimulatorSettings)
    rooms: Rooms = field(default_factory=Rooms)
