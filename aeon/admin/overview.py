"""What the stream says: the system, its busiest and its stuck actors, the tree."""

from __future__ import annotations

from typing import Final

from actors.runtime import ActorStatus, KindBranch, Survey
from aeon.admin.actors import STUCK_SECONDS, row
from aeon.admin.figures import describe_system, tree_of
from aeon.admin.models import Overview
from aeon.services import Services

ROWS: Final = 10


async def describe_all(services: Services) -> Overview:
    """Work it out. Lets others run; two walks over all actors."""
    tree = await services.system.tree(busiest=ROWS)
    working = await services.system.survey(Survey(state="busy", sort="current", limit=ROWS))
    every = [
        one for branch in tree.branches if isinstance(branch, KindBranch) for one in branch.busiest
    ]
    every.sort(key=_busyness, reverse=True)
    return Overview(
        system=await describe_system(services),
        busiest=[row(one) for one in every[:ROWS]],
        stuck=[row(one) for one in working.actors if one.current_seconds > STUCK_SECONDS],
        tree=tree_of(services, tree).root,
    )


def _busyness(status: ActorStatus) -> float:
    return (status.busy_seconds + status.current_seconds) / (status.age_seconds + 10.0)
