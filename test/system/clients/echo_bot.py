"""A bot on matrix-nio that joins where it is invited and repeats what others say: echo_bot.py URL USER PASSWORD."""

import asyncio
import sys

from nio import AsyncClient, AsyncClientConfig, InviteMemberEvent, LoginResponse, RoomMessageText, SyncResponse


async def main(url: str, user: str, password: str) -> None:
    client = AsyncClient(url, user, config=AsyncClientConfig(encryption_enabled=False))
    login = await client.login(password, device_name="echo bot")
    if not isinstance(login, LoginResponse):
        sys.exit(f"login failed: {login}")

    async def on_invite(room, event: InviteMemberEvent) -> None:
        if event.state_key == client.user_id and event.membership == "invite":
            print("join", await client.join(room.room_id), flush=True)

    async def on_message(room, event: RoomMessageText) -> None:
        if event.sender != client.user_id and not event.body.startswith("*"):
            content = {"msgtype": "m.text", "body": f"echo: {event.body}"}
            await client.room_send(room.room_id, "m.room.message", content)

    async def on_sync(response: SyncResponse) -> None:
        if not on_sync.told:
            on_sync.told = True
            print("ready", flush=True)

    on_sync.told = False
    client.add_event_callback(on_invite, InviteMemberEvent)
    client.add_event_callback(on_message, RoomMessageText)
    client.add_response_callback(on_sync, SyncResponse)
    await client.sync_forever(timeout=30000, full_state=True)


asyncio.run(main(*sys.argv[1:]))
