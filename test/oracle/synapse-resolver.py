"""Resolves states with the resolver of an installed Synapse.

Reads one problem a line from standard input, as JSON: `room_version`, `room_id`, `events` (id to event), `rejected`
(ids) and `states` (lists of [type, state key, event id]). Writes for each a line with the resolved state in the same
form, or `{"error": ...}`.
"""

import asyncio
import json
import logging
import sys

# Before synapse.state, whose modules import each other.
import synapse.event_auth  # noqa: F401
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.events import make_event_from_dict
from synapse.state import v1, v2
from synapse.storage.databases.main.event_federation import StateDifference


class FakeClock:
    async def sleep(self, duration):
        return None


class Store:
    """Serves the resolver from one problem's events. Walks whole chains: slow, and plain to read."""

    def __init__(self, events):
        self.events = events
        self.chains = {}

    async def get_events(self, event_ids, allow_rejected=False):
        found = {event_id: self.events[event_id] for event_id in event_ids if event_id in self.events}
        return {key: event for key, event in found.items() if allow_rejected or event.rejected_reason is None}

    def chain(self, event_id):
        """The event and all that authorises it."""
        known = self.chains.get(event_id)
        if known is None:
            known = {event_id}
            for auth_id in self.events[event_id].auth_event_ids():
                known |= self.chain(auth_id)
            self.chains[event_id] = known
        return known

    async def get_auth_chain_difference(self, room_id, state_sets, conflicted_state, additional):
        chains = [set().union(*(self.chain(event_id) for event_id in state)) for state in state_sets]
        difference = set().union(*chains) - set.intersection(*chains)
        subgraph = None
        if conflicted_state is not None:
            subgraph = {
                event_id
                for end in conflicted_state
                for event_id in self.chain(end)
                if not self.chain(event_id).isdisjoint(conflicted_state)
            }
        return StateDifference(auth_difference=difference, conflicted_subgraph=subgraph)


def load_events(problem, version):
    events = {}
    for event_id, event_json in problem["events"].items():
        rejected = "rejected" if event_id in problem["rejected"] else None
        event = make_event_from_dict(event_json, version, rejected_reason=rejected)
        if event.event_id != event_id:
            raise ValueError(f"the id of {event_id} is {event.event_id}")
        events[event_id] = event
    return events


async def resolve(problem):
    version = KNOWN_ROOM_VERSIONS[problem["room_version"]]
    store = Store(load_events(problem, version))
    states = [{(kind, key): event_id for kind, key, event_id in state} for state in problem["states"]]
    if problem["room_version"] == "1":
        # The first algorithm knows nothing of rejected events: it takes what the states hold.
        return await v1.resolve_events_with_store(
            problem["room_id"], version, states, None, lambda ids: store.get_events(ids, allow_rejected=True)
        )
    return await v2.resolve_events_with_store(FakeClock(), problem["room_id"], version, states, None, store)


def main():
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        try:
            resolved = asyncio.run(resolve(json.loads(line)))
            answer = {"state": [[kind, key, event_id] for (kind, key), event_id in resolved.items()]}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
