import { MatrixError } from '#core/matrix-error.ts'
import { UnavailableError } from '#core/unavailable-error.ts'
import type { StorageKind } from '#store/types/storage-use.ts'

/** This program can't work with the database as it is; the message says why, and what to do. Nothing was changed in it. */
export class UnfitDatabaseError extends Error {
  override name = 'UnfitDatabaseError'
}

/** The database was written by a newer program. */
export class DatabaseTooNewError extends UnfitDatabaseError {
  override name = 'DatabaseTooNewError'
  constructor(found: number, known: number) {
    super(
      `The database has schema version ${found}, this program knows versions up to ${known}. ` +
        'Start the newer program, or restore the backup made before the upgrade.',
    )
  }
}

/**
 * Text that a database can't hold: PostgreSQL has no U+0000 in text, and neither database has lone surrogates.
 * Both refuse it, so that they behave alike. Free text is stored as JSON, whose escapes can hold anything; for
 * identifiers and other keys this is the client's mistake (400 M_INVALID_PARAM).
 */
export class UnstorableTextError extends Error {
  override name = 'UnstorableTextError'
  constructor() {
    super('Text with U+0000 or a lone surrogate')
  }
}

/** A user may not store more of this kind. Nothing of the write that went too far is kept. */
export class StorageFullError extends MatrixError {
  constructor(kind: StorageKind, max?: number) {
    super(
      'M_TOO_LARGE',
      `The account may have no more ${WHAT[kind]}${max === undefined ? '' : `: the limit is ${max}`}`,
    )
    this.name = 'StorageFullError'
  }
}

const WHAT: Readonly<Record<StorageKind, string>> = {
  account_data: 'bytes of account data, tags and push rules',
  key_backup: 'bytes of backed-up keys',
  encryption_keys: 'bytes of encryption keys and signatures',
  devices: 'devices; log some of them out',
  filters: 'bytes of filters',
  profile: 'bytes of profile fields, deleted ones included',
  receipts: 'read receipts',
  aliases: 'room aliases',
  to_device: 'bytes of messages that wait for its devices',
  queued_to_device: "bytes of messages that wait for other servers' devices",
}

/** The store was closed, or is about to be. */
export class StoreClosedError extends UnavailableError {
  override name = 'StoreClosedError'
  constructor() {
    super('closed')
  }
}

/** The connection broke while a commit was under way: the write may or may not have happened. */
export class CommitOutcomeUnknownError extends UnavailableError {
  override name = 'CommitOutcomeUnknownError'
  constructor(cause: unknown) {
    super('unreachable', { cause })
  }
}

/** Another process serves what this one was to serve. */
export class AlreadyServedError extends Error {
  override name = 'AlreadyServedError'
  /** @param what such as "the data folder /var/lib/hearth" */
  constructor(what: string) {
    super(
      `Another Hearth is running on ${what}. Only one may at a time: stop that one first, or give this one its own.`,
    )
  }
}
