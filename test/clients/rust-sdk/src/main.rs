//! What a client of matrix-rust-sdk does that was told of somebody's typing, and then scrolls back.
//!
//! Arguments: the server's address, the room, and the name and password of two of its members. The first one looks,
//! the second one types. Prints a line for each way of reading: what was read, and the ids, newest first.

use anyhow::{Context, Result};
use matrix_sdk::{
    Client, Room, RoomMemberships,
    config::SyncSettings,
    room::MessagesOptions,
    ruma::{OwnedEventId, RoomId, events::room::message::RoomMessageEventContent},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, room_id, reader, reader_password, writer, writer_password] = arguments.as_slice() else {
        anyhow::bail!("usage: SERVER ROOM READER PASSWORD WRITER PASSWORD");
    };
    let room_id = RoomId::parse(room_id)?;
    let reading = signed_in(server, reader, reader_password).await?;
    let writing = signed_in(server, writer, writer_password).await?;
    let room = reading.get_room(&room_id).context("the reader isn't in the room")?;
    let writers_room = writing.get_room(&room_id).context("the writer isn't in the room")?;

    writers_room.typing_notice(true).await?;
    reading.sync_once(SyncSettings::default()).await?;
    let token = room.last_prev_batch().context("the sync gave no prev_batch")?;
    writers_room.send(RoomMessageEventContent::text_plain("after the notice")).await?;

    print("messages", &pages_from(&room, token).await?);
    print("event cache", &scrolled_back(&room).await?);
    let members = room.members(RoomMemberships::JOIN).await?;
    println!("members: {}", members.iter().map(|member| member.user_id().as_str()).collect::<Vec<_>>().join(" "));
    Ok(())
}

/// A client that has synced once.
async fn signed_in(server: &str, user: &str, password: &str) -> Result<Client> {
    let client = Client::builder().homeserver_url(server).build().await?;
    client.matrix_auth().login_username(user, password).send().await?;
    client.event_cache().subscribe()?;
    client.sync_once(SyncSettings::default()).await?;
    Ok(client)
}

/// Everything before the token, by `/messages`.
async fn pages_from(room: &Room, token: String) -> Result<Vec<OwnedEventId>> {
    let mut ids = Vec::new();
    let mut from = Some(token);
    while let Some(place) = from {
        let page = room.messages(MessagesOptions::backward().from(place.as_str())).await?;
        ids.extend(page.chunk.iter().filter_map(|event| event.event_id()));
        from = page.end;
    }
    Ok(ids)
}

/// Everything that the client shows after scrolling to the room's beginning.
async fn scrolled_back(room: &Room) -> Result<Vec<OwnedEventId>> {
    let (cache, _tasks) = room.event_cache().await?;
    let pagination = cache.pagination();
    while !pagination.run_backwards_once(20).await?.reached_start {}
    let mut ids: Vec<_> = cache.events().await?.iter().filter_map(|event| event.event_id()).collect();
    ids.reverse();
    Ok(ids)
}

fn print(what: &str, ids: &[OwnedEventId]) {
    println!("{what}: {}", ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(" "));
}
