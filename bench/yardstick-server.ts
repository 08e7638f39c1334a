/**
 * The least that a durable send can cost: a bare HTTP server that parses a message, makes an event of it (two canonical
 * forms, two hashes, a signature), and answers when SQLite has it on disk, with all that waits in one commit. No
 * authorisation, no state, no log. Hearth's figures are given as shares of what this reaches on the same machine.
 *
 *   node bench/yardstick-server.ts FOLDER      prints its port
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const { privateKey } = generateKeyPairSync('ed25519')
const db = new DatabaseSync(join(process.argv[2] ?? '.', 'yardstick.db'))
db.exec(`
  PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8000;
  CREATE TABLE events (position INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, room INTEGER NOT NULL, json TEXT NOT NULL);
  CREATE TABLE edges (event INTEGER NOT NULL, prev INTEGER NOT NULL, PRIMARY KEY (event, prev)) WITHOUT ROWID;
  CREATE TABLE heads (room INTEGER PRIMARY KEY, event INTEGER NOT NULL);
  CREATE TABLE txns (device INTEGER NOT NULL, txn TEXT NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (device, txn)) WITHOUT ROWID;
`)
const insertEvent = db.prepare('INSERT INTO events (position, event_id, room, json) VALUES (?, ?, ?, ?)')
const insertEdge = db.prepare('INSERT INTO edges (event, prev) VALUES (?, ?)')
const putHead = db.prepare('INSERT INTO heads VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET event = excluded.event')
const findTxn = db.prepare('SELECT event FROM txns WHERE device = ? AND txn = ?')
const insertTxn = db.prepare('INSERT INTO txns (device, txn, event) VALUES (?, ?, ?)')

type Send = { room: number; device: number; txn: string; content: object; done: (eventId: string) => void }
const heads = new Map<number, { position: bigint; id: string }>()
let position = 0n
let waiting: Send[] = []

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function write(send: Send): string {
  findTxn.get(send.device, send.txn)
  const head = heads.get(send.room) ?? { position: 0n, id: '$start' }
  const event = {
    auth_events: ['$'.padEnd(44, 'a'), '$'.padEnd(44, 'b'), '$'.padEnd(44, 'c')],
    content: send.content,
    depth: Number(head.position) + 1,
    origin_server_ts: Date.now(),
    prev_events: [head.id],
    room_id: `!room${send.room}:localhost`,
    sender: `@user${send.device}:localhost`,
    type: 'm.room.message',
  }
  const hashed = { ...event, hashes: { sha256: hash(JSON.stringify(event)) } }
  const essential = JSON.stringify({ ...hashed, content: {} })
  const id = `$${hash(essential)}`
  const signature = sign(null, Buffer.from(essential), privateKey).toString('base64')
  const stored = JSON.stringify({ ...hashed, signatures: { localhost: { 'ed25519:1': signature } } })
  position += 1n
  insertEvent.run(position, id, send.room, stored)
  insertEdge.run(position, head.position)
  putHead.run(send.room, position)
  insertTxn.run(send.device, send.txn, position)
  heads.set(send.room, { position, id })
  return id
}

function commit(): void {
  const group = waiting
  waiting = []
  db.exec('BEGIN IMMEDIATE')
  const ids = group.map(write)
  db.exec('COMMIT')
  group.forEach((send, i) => {
    send.done(ids[i] ?? '')
  })
}

const server = createServer((incoming, outgoing) => {
  const chunks: Buffer[] = []
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
  incoming.on('end', () => {
    if (incoming.method === 'GET') return void outgoing.end('{}')
    const [, room = '0', device = '0'] = (incoming.url ?? '').split('/')
    if (waiting.length === 0) setImmediate(commit)
    waiting.push({
      room: Number(room),
      device: Number(device),
      txn: randomBytes(6).toString('hex'),
      content: JSON.parse(Buffer.concat(chunks).toString('utf8')) as object,
      done: (eventId) => outgoing.end(JSON.stringify({ event_id: eventId })),
    })
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(typeof address === 'object' ? address?.port : address)
})
