"""A device on matrix-nio with libolm: nio_device.py URL USER PASSWORD.

Takes orders and gives notes, one JSON object a line each: {"id": 1, "do": "send", "room": …, "text": …} is answered by
{"id": 1, "event_id": …} or {"id": 1, "error": …}. What the device learns comes by itself:
{"user": …, "device": …, "token": …}, {"invited": [room, …], "members": {room: [user, …]}, "devices": {user: [device, …]}},
{"event_id": …, "text": …} and {"event_id": …, "unreadable": why}.
"""

import asyncio
import json
import sys

from nio import (
    AsyncClient,
    AsyncClientConfig,
    KeysQueryResponse,
    LoginResponse,
    MegolmEvent,
    RoomMessageText,
    RoomSendResponse,
    SyncError,
    SyncResponse,
)
from nio.exceptions import EncryptionError
from nio.store import SqliteMemoryStore

# Between two syncs alone nio asks for keys.
SYNC_MS = 5_000
FILTER = {"room": {"timeline": {"limit": 500}}}


def note(**what) -> None:
    print(json.dumps(what), flush=True)


class Device(AsyncClient):
    """Takes in nothing while it encrypts: who came in between would be left without keys by this version of nio."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.encrypting = asyncio.Lock()
        self.encrypting_task = None
        self.waiting = {}
        self.told = {}

    async def receive_response(self, response) -> None:
        takes_in = isinstance(response, (SyncResponse, KeysQueryResponse))
        if takes_in and asyncio.current_task() is not self.encrypting_task:
            async with self.encrypting:
                await super().receive_response(response)
        else:
            await super().receive_response(response)
        if takes_in:
            self.try_again()
            self.tell_what_changed()

    def try_again(self) -> None:
        for event_id, (room_id, event) in list(self.waiting.items()):
            event.room_id = room_id
            try:
                decrypted = self.decrypt_event(event)
            except EncryptionError as error:
                note(event_id=event_id, unreadable=str(error))
                continue
            del self.waiting[event_id]
            if isinstance(decrypted, RoomMessageText):
                note(event_id=event_id, text=decrypted.body)

    def tell_what_changed(self) -> None:
        members = {room_id: sorted(room.users) for room_id, room in self.rooms.items() if room.encrypted}
        devices = {
            user: sorted(device.id for device in self.device_store.active_user_devices(user))
            for user in self.device_store.users
        }
        now = {"invited": sorted(self.invited_rooms), "members": members, "devices": devices}
        if now != self.told:
            self.told = now
            note(**now)

    async def send_text(self, room_id: str, text: str) -> str:
        content = {"msgtype": "m.text", "body": text}
        async with self.encrypting:
            self.encrypting_task = asyncio.current_task()
            try:
                sent = await self.room_send(room_id, "m.room.message", content, ignore_unverified_devices=True)
                # nio would take it for shared with those, too, for whom there was no key to claim.
                if self.get_missing_sessions(room_id):
                    self.invalidate_outbound_session(room_id)
            finally:
                self.encrypting_task = None
        if not isinstance(sent, RoomSendResponse):
            raise RuntimeError(str(sent))
        return sent.event_id


async def main(url: str, user: str, password: str) -> None:
    config = AsyncClientConfig(
        store=SqliteMemoryStore, encryption_enabled=True, backoff_factor=0.05, max_timeout_retry_wait_time=0.2
    )
    client = Device(url, user, config=config)
    login = await client.login(password, device_name="nio")
    if not isinstance(login, LoginResponse):
        sys.exit(f"login failed: {login}")

    async def on_text(room, event: RoomMessageText) -> None:
        if event.decrypted:
            note(event_id=event.event_id, text=event.body)

    async def on_unreadable(room, event: MegolmEvent) -> None:
        client.waiting[event.event_id] = (room.room_id, event)

    async def on_refused(error: SyncError) -> None:
        sys.exit(f"sync: {error}")

    client.add_event_callback(on_text, RoomMessageText)
    client.add_event_callback(on_unreadable, MegolmEvent)
    client.add_response_callback(on_refused, SyncError)
    await client.sync(0, FILTER, full_state=True)
    await client.keys_upload()
    note(device=client.device_id, token=client.access_token, user=client.user_id)
    syncing = client.sync_forever(timeout=SYNC_MS, sync_filter=FILTER, first_sync_filter=FILTER)
    await asyncio.gather(take_orders(client), syncing)


async def take_orders(client: Device) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        try:
            note(id=order["id"], event_id=await client.send_text(order["room"], order["text"]))
        except Exception as error:
            note(id=order["id"], error=repr(error))
    sys.exit("nobody gives orders any more")


asyncio.run(main(*sys.argv[1:]))
