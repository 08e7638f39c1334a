export const HELP = `Hearth, a Matrix homeserver

  hearth start                  run the server in the foreground
  hearth config check           say whether the settings are right, and the database fits them
  hearth config example         print every setting, explained
  hearth user add NAME          make an account; prints a password unless one is given
      --password P, or --password-stdin to read it from standard input
      --admin                   the account may administer the server
  hearth room make-admin ROOM USER
                                give a user in a room the power that another user of this server holds there
  hearth federation check NAME  say whether another server can be reached, and if not, why
      --json                    the same for programs
  hearth version
  hearth help

  --config FILE                 the settings (YAML); without it: localhost, port 8008, ./data
`
