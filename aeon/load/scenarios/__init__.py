"""What the people of a client process do, one module per scenario."""

from __future__ import annotations

from typing import Final

from aeon.load.crew import Crew
from aeon.load.options import Scenario
from aeon.load.scenarios.chat import ChatScene
from aeon.load.scenarios.rest import RestScene
from aeon.load.scenarios.scene import Scene
from aeon.load.scenarios.soak import SoakScene
from aeon.load.scenarios.storm import StormScene

_SCENES: Final[dict[Scenario, type[Scene]]] = {
    Scenario.CHAT: ChatScene,
    Scenario.FANOUT: ChatScene,
    Scenario.STORM: StormScene,
    Scenario.REST: RestScene,
    Scenario.SOAK: SoakScene,
}


def scene_for(crew: Crew) -> Scene:
    """Make the scene that the crew's plan asks for."""
    return _SCENES[crew.plan.scenario](crew)
