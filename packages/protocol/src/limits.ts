/**
 * Every bound on the wire and in memory, in one place. The unit is the last word of each name.
 * Operators configure the ones that `control` and `host` read from their configuration; the values
 * here are the defaults and the hard limits of the protocol.
 */
export const limits = {
  /** Guest memory a sandbox may ask for. */
  memoryMinMiB: 768,
  memoryMaxMiB: 4096,
  memoryDefaultMiB: 1280,
  vcpuCount: 2,
  diskMiB: 10_240,

  /** Labels of a sandbox (the official client's documented limits). */
  labelCountMax: 5,
  labelKeyBytesMax: 64,
  labelValueBytesMax: 128,

  /** Longest life a duration sandbox may be given at once. */
  lifetimeMaxMs: 30 * 60_000,
  /** A client socket that sent nothing for this long is dead (the client pings every 2 s). */
  clientSilenceMaxMs: 15_000,

  /** The config header of `create`, base64. */
  createHeaderBytesMax: 1_048_576,
  /** A REST request body. */
  requestBodyBytesMax: 1_048_576,
  /** One WebSocket message from a client. The official client sends whole files in one message. */
  clientMessageBytesMax: 96 * 1_048_576,
  /** Calls of one connection that run at the same time. */
  clientCallsMax: 1_024,
  /** Open byte streams of one connection, per direction. */
  clientStreamsMax: 1_024,
  /** Bytes waiting to be sent to one client before its streams are paused. */
  clientBacklogBytesMax: 1_048_576,
  /** Bytes of one incoming stream that wait for the guest before the socket is paused. */
  inputBacklogBytesMax: 1_048_576,
  /** Bytes of one incoming stream whose reader does not read before the stream is cancelled. */
  inputStuckBytesMax: 16 * 1_048_576,
  /** A whole file that `readFile` or `readTextFile` may return in one message. */
  readFileBytesMax: 64 * 1_048_576,

  /** Guest frames, see docs/design/0002-guest-protocol.md. */
  guestJsonBytesMax: 4 * 1_048_576,
  guestHelloBytesMax: 1_024,
  guestDataBytesMax: 65_536,
  guestWindowBytes: 262_144,
  guestResyncBytesMax: 1_048_576,

  /** Waits. */
  bootMs: 90_000,
  restoreMs: 30_000,
  guestCallMs: 30_000,
  /** Calls that work on files: copying or removing a large tree takes its time. */
  guestFileMs: 600_000,
  createMs: 120_000,
  disposeMs: 10_000,
  /** A machine that says nothing any more may end by itself for this long: how it does tells why. */
  lastWordsMs: 1_000,

  /** Sandboxes that a server runs at the same time, unless it is configured otherwise. */
  sandboxesMax: 64,
  /** How far a client's clock may run ahead when it asks for the longest lifetime. */
  lifetimeSkewMs: 5_000,
  /** `DELETE` answers after this long at the latest; the official client gives up after 10 s. */
  killAnswerMs: 8_000,
  /** How long an ended sandbox stays in lists, with its events. */
  stoppedKeptMs: 7 * 24 * 3_600_000,
  /** Sandboxes in one answer of a list. */
  listMax: 1_000,
  /** Events kept for each sandbox; older ones go first. */
  eventsPerSandboxMax: 1_000,
  /** The detail of one event, as JSON; longer texts in it are cut. */
  eventDetailBytesMax: 4_096,

  /** HTTP: head of a request, whole request, quiet connection, one that was refused, and connections at once. */
  requestHeadMs: 20_000,
  requestMs: 60_000,
  keepAliveMs: 75_000,
  lingerMs: 2_000,
  connectionsMax: 4_096,

  /** The server pings each client this often, so that a client that sends nothing shows it lives. */
  clientPingMs: 5_000,
  /** A client that does not answer the closing of its socket is cut off after this long. */
  clientCloseMs: 5_000,
  /** Raw bytes in one `$sandbox.stream.enqueue` of the server. */
  streamChunkBytesMax: 49_152,
  /**
   * Output of a new process waits for the client to say that it knows the process: this long after its last message, and
   * never longer than the second.
   */
  outputHoldMs: 2_000,
  outputHoldMaxMs: 30_000,
  /** Notifications and refusals waiting for one client before it is cut off for not reading. */
  clientControlBytesMax: 8 * 1_048_576,
  /** Parameters of one connection's unfinished calls before its socket is paused. */
  clientRequestBytesMax: 128 * 1_048_576,
  /** Bytes of all incoming streams of one connection before the greatest is cancelled. */
  inputTotalBytesMax: 64 * 1_048_576,
  /** A paused socket whose reader makes no progress for this long is read on. */
  inputStuckMs: 5_000,
  /** Bytes of a file read at once before it needs the connection's one lane for great files. */
  readFileFreeBytesMax: 65_536,
  /** Entries that `readDir` may return in one message. */
  directoryEntriesMax: 100_000,

  /** Files that a client may have open at the same time, and in a guest for all its clients. */
  fileHandlesMax: 1_024,
  /** Bytes that one `fileRead` gives at most. */
  handleReadBytesMax: 262_144,
  /** Directories that a walk has found and not yet entered. */
  walkPendingMax: 1_000_000,
  /** Entries that a walk may return in one message, to clients that do not stream them. */
  walkEntriesMax: 100_000,
  /** The patterns of a walk may take this long for the entries of one directory. */
  patternMs: 2_000,

  /** `skerry.v1`: bytes of one stream on the way before its receiver must have taken some. */
  streamWindowBytes: 1_048_576,
  /** `skerry.v1`: the payload of one binary message. */
  binaryChunkBytesMax: 262_144,
  /** Output of a process with `keep` that its client has not taken, for each stream; then it waits. */
  keptOutputBytesMax: 1_048_576,
  /** Processes with `keep`, of one sandbox, that have ended or whose client is away. */
  keptProcessesMax: 64,
  /** How long it is kept; the output goes nowhere after that. */
  keptOutputMs: 10 * 60_000,
  /** How long our client tries to come back to a sandbox that outlives its socket. */
  reconnectMs: 30_000,

  /** One change of what a machine reaches, and the making or removing of the gateway. */
  networkChangeMs: 5_000,
  networkSetUpMs: 20_000,
  /** Entries of `allowNet`. */
  allowRulesMax: 1_000,
  /** Egress: connections of one machine at once, what connecting and silence may take. */
  egressConnectionsMax: 1_024,
  egressConnectMs: 15_000,
  egressIdleMs: 30 * 60_000,
  /** Names: queries of one machine at once, the answer of a name server, and how long an answer counts. */
  nameQueriesMax: 64,
  nameAnswerMs: 5_000,
  nameTtlMinSeconds: 5,
  nameTtlMaxSeconds: 300,
  /** Addresses of a name that are told of, and tried. */
  nameAddressesMax: 16,
  /** Names and addresses that one machine has learnt; the oldest go first. */
  nameBindingsMax: 4_096,
  /** Secrets of a sandbox, the hosts of one, and the bytes of a name and of a value. */
  secretsMax: 64,
  secretHostsMax: 64,
  secretNameBytesMax: 128,
  secretValueBytesMax: 8_192,
  /** Values that are shorter are not looked for in answers: they would be found everywhere. */
  secretMaskBytesMin: 8,
  /** Bodies up to here may have secrets put into them; longer ones pass as they are. */
  secretBodyBytesMax: 1_048_576,
  /** How long the first bytes of a connection that a secret may go over are waited for, and a handshake. */
  egressHelloMs: 10_000,
  egressHelloBytesMax: 65_536,
  /** Head of a request or of an answer that egress reads, and the time for it. */
  egressHeadBytesMax: 65_536,
  egressHeadMs: 30_000,
  /** Certificates that egress keeps, requests at once over one HTTP/2 connection. */
  egressCertificatesMax: 1_000,
  egressStreamsMax: 100,
  /** Tokens that are good for one sandbox alone, and those of a user. */
  sandboxTokensMax: 64,
  userTokensMax: 256,
  /** Users and organizations of a server, and the letters of their names and of a token's. */
  usersMax: 10_000,
  organizationsMax: 1_000,
  accountNameMax: 64,
  /** Terminals of one sandbox; how long one waits for a viewer to come back, and what that one is shown. */
  terminalsMax: 16,
  terminalKeptMs: 10 * 60_000,
  terminalScrollbackBytesMax: 262_144,
  /** How long a viewer may take nothing. */
  terminalStallMs: 30_000,
  /** SSH: letters of a username, of a key's name and comment; bytes of a key's line; keys of a user. */
  sshUsernameMax: 128,
  sshKeyNameMax: 256,
  sshKeyBytesMax: 16_384,
  sshKeysMax: 100,
  /** Usernames that one sandbox may have been given. */
  sshGrantsMax: 64,
  /** Connections at once, the time to log in, the tries for that, channels of one, silence. */
  sshConnectionsMax: 512,
  sshLoginMs: 30_000,
  /** Connections of one address that have not logged in; of one sandbox, and of one user, that have. */
  sshPendingPerAddressMax: 32,
  sshConnectionsPerSandboxMax: 64,
  sshConnectionsPerUserMax: 256,
  /** A connection without a channel ends after this long. */
  sshIdleMs: 60 * 60_000,
  /** Failed logins of one address that are answered at once, then how late: twice as late each time, up to the most. */
  sshFailuresFree: 10,
  sshFailureDelayMs: 100,
  sshFailureDelayMaxMs: 5_000,
  /** How long they are remembered, and of how many addresses. */
  sshFailuresKeptMs: 5 * 60_000,
  sshFailuresMax: 4_096,
  /** A ticket by which the gateway opens one connection to a sandbox: how long it is good, and how many wait. */
  sshTicketMs: 30_000,
  sshTicketsMax: 1_024,
  /** The gateway tells control this often where it is, and counts as gone when it has not for so long. */
  sshAnnounceMs: 5_000,
  sshAnnouncedMs: 20_000,
  sshLoginTriesMax: 10,
  sshChannelsMax: 64,
  /** What a client may have listened on for it, and the time that it has to open a channel for each connection. */
  sshForwardsMax: 16,
  sshChannelOpenMs: 30_000,
  sshKeepAliveMs: 15_000,
  /** Variables that a session may set, and the bytes of one. */
  sshVariablesMax: 64,
  sshVariableBytesMax: 4_096,
  /** Connecting to a server inside a machine. */
  dialMs: 10_000,
  /** Sockets that listen inside a machine, for each connection of a client. */
  listenersMax: 32,
  /** A program that sets a DNS record, until the record can be seen. */
  dnsProgramMs: 10 * 60_000,
  /** Refusals of one machine that its event log is told of in a minute. */
  refusalsPerMinuteMax: 60,

  /** Ingress: names of one sandbox, requests of one at once, and its connections that wait unused. */
  ingressNamesMax: 64,
  ingressRequestsMax: 256,
  ingressIdleConnectionsMax: 8,
  /** The head of a request from outside, and of its answer. */
  ingressHeadBytesMax: 65_536,
  /** Time to connect inside the machine, for the head of an answer, and without a byte in either direction. */
  ingressConnectMs: 10_000,
  ingressAnswerMs: 120_000,
  ingressIdleMs: 15 * 60_000,
  /** A server that is asked whether it wants a body and says nothing gets it after this long. */
  ingressContinueMs: 1_000,
  /** Streams of one HTTP/2 connection, and bytes of a body on the way, of a stream and of all of them. */
  ingressStreamsMax: 128,
  ingressWindowBytes: 262_144,
  ingressSessionWindowBytes: 524_288,
  /** Requests of one sandbox that its event log is told of in a minute. */
  ingressEventsPerMinuteMax: 60,
  /** How long a private URL is valid, unless it is asked for another time. */
  privateUrlMs: 15 * 60_000,
  privateUrlMaxMs: 7 * 24 * 3_600_000,

  /** Building the disk with the editor, and starting an editor, which installs its extensions first. */
  editorBuildMs: 10 * 60_000,
  editorStartMs: 10 * 60_000,
  /** Extensions of an editor, and its settings as JSON. */
  editorExtensionsMax: 32,
  editorSettingsBytesMax: 65_536,
  /** Addresses of one name that are good for one opening and were not opened yet; the oldest go first. */
  invitationsMax: 16,

  /** What a Deno process of a REPL may answer at most, as JSON. */
  replAnswerBytesMax: 16 * 1_048_576,
  /** A new REPL must be ready after this long. */
  replStartMs: 60_000,
  /** `fetch`: redirects that are followed, the head of the answer, and the wait for it. */
  fetchRedirectsMax: 20,
  fetchHeadBytesMax: 65_536,
  fetchHeadMs: 120_000,
} as const;
