import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { ERRORS } from '../errors.ts'
import { type CommonOptions, type Context, type CreateNode, homeOf } from './context.ts'
import type { Output } from './output.ts'
import type { Io } from './terminal.ts'

export interface ProgramInit {
  io: Io
  out: Output
  createNode: CreateNode
  /** Exit code of the command that ran, when it is not 0. */
  onExitCode(code: number): void
}

/** All commands and options. What a command needs is loaded when it runs, so that `shoal --help` needs nothing. */
export function makeProgram({ io, out, createNode, onExitCode }: ProgramInit): Command {
  const program = new Command('shoal')
  const contextOf = (command: Command): Context => {
    const options = command.optsWithGlobals<CommonOptions>()
    out.json = options.json === true
    return { io, out, options, home: homeOf(options.home, io.env), createNode }
  }

  program
    .description(
      'Share files with the machines around you, search all of them by name, fetch from all holders at once.'
    )
    .option('--home <dir>', 'home directory (default: $SHOAL_HOME, $XDG_DATA_HOME/shoal or ~/.local/share/shoal)')
    .option('--json', 'print records for programs: one JSON object a line')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText('after', epilogue())
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: text => io.stdout.write(text),
      writeErr: text => io.stderr.write(text),
      // said where every other error is said
      outputError: () => {},
      getOutHelpWidth: () => io.stdout.columns,
      getErrHelpWidth: () => io.stderr.columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false
    })
    .configureHelp({ showGlobalOptions: true })

  networking(program.command('up'))
    .argument('[paths...]', 'files and folders to share')
    .description('run a peer until Ctrl-C')
    .option('--hidden', 'share hidden files and well-known secrets too')
    .addOption(
      new Option('--role <role>', 'super: search and place for weaker peers; peer: never (default: auto)').choices([
        'auto',
        'peer',
        'super'
      ])
    )
    .option('--offer <size>', 'room for copies of what other peers put, as in 50G (default: none)')
    .option(
      '--lost-after <time>',
      'how long hosts of copies may be away before others take over (default: 10m)',
      duration
    )
    .option('--domain <name>', 'what this peer fails together with, such as a rack (default: this machine)')
    .action(async (paths: string[], options, command: Command) => {
      await (await import('./commands/up.ts')).up(contextOf(command), paths, options)
    })
  program
    .command('share')
    .argument('<paths...>', 'files and folders')
    .description('share files and folders, also while no peer runs')
    .option('--hidden', 'share hidden files and well-known secrets too')
    .action(async (paths: string[], options, command: Command) => {
      await (await import('./commands/share.ts')).share(contextOf(command), paths, options)
    })
  program
    .command('shares')
    .description('list what is shared: exactly what strangers can see')
    .option('--files', 'list every file')
    .option('--magnets', 'print the magnet link of each share')
    .action(async (options, command: Command) => {
      await (await import('./commands/shares.ts')).shares(contextOf(command), options)
    })
  program
    .command('torrent')
    .argument('<share>', 'share by path, name or infohash')
    .argument('[file]', 'file to make (default: its name and .torrent)')
    .description('write the standard .torrent of a share')
    .action(async (share: string, file: string | undefined, _options, command: Command) => {
      await (await import('./commands/torrent.ts')).torrent(contextOf(command), share, file)
    })
  program
    .command('unshare')
    .argument('<paths...>', 'shares by path or name')
    .description('stop sharing; the files stay where they are')
    .action(async (paths: string[], _options, command: Command) => {
      await (await import('./commands/unshare.ts')).unshare(contextOf(command), paths)
    })
  networking(program.command('search'))
    .argument('<words...>', 'query, see below')
    .description('find files on all peers by name, type and size')
    .addOption(
      new Option('--sort <order>', 'list all at the end, in this order').choices(['best', 'holders', 'size', 'name'])
    )
    .option('--limit <number>', 'most results: the best of all', integer(1))
    .option('--timeout <seconds>', 'longest time to wait', seconds)
    .addOption(
      new Option('--strategy <name>', 'how peers are asked (default: what fits)').choices([
        'auto',
        'flood',
        'ring',
        'walk'
      ])
    )
    .option('--budget <messages>', 'query messages that it may cost (default: 2000)', integer(1))
    .option('--ttl <hops>', 'how far a flood may travel', integer(0))
    .option('--explain', 'say how results were found and what was spent on what')
    .option('--no-prove', 'believe what peers say they have, do not ask for proof')
    .allowUnknownOption()
    .addHelpText('after', QUERY_HELP)
    .action(async (words: string[], options, command: Command) => {
      refuseOptions(words, program)
      await (await import('./commands/search.ts')).search(contextOf(command), words, options)
    })
  networking(program.command('watch'))
    .argument('[words...]', 'query as for search; without one all watches are listed')
    .description('save a search that a running peer runs again and again, and fetch what it finds')
    .option('--get', 'fetch what it finds, also what is there already')
    .option('--no-get', 'fetch no more')
    .option('--every <time>', 'time between two runs, as in 90s, 5m, 2h, 1d (default: 5m)', duration)
    // no short one: -old is a word to leave out
    .option('--out <dir>', 'folder to put files into (default: the working directory)')
    .option('--most <size>', 'most that it fetches in all, as in 50G (default: 10G)')
    .option('--follow', 'go on and print what all watches find')
    .option('--files', 'list the newest files of each')
    .allowUnknownOption()
    .addHelpText('after', QUERY_HELP)
    .action(async (words: string[], options, command: Command) => {
      refuseOptions(words, program)
      await (await import('./commands/watch.ts')).watch(contextOf(command), words, options)
    })
  program
    .command('unwatch')
    .argument('<numbers...>', 'watches by number', (value: string, before: number[] | undefined) => [
      ...(before ?? []),
      integer(1)(value)
    ])
    .description('forget watches; what they fetched stays')
    .action(async (numbers: number[], _options, command: Command) => {
      await (await import('./commands/unwatch.ts')).unwatch(contextOf(command), numbers)
    })
  networking(program.command('get'))
    .argument('<targets...>', 'result number, file id, infohash, magnet link or .torrent file')
    .description('fetch files from all their holders at once; an interrupted transfer goes on when asked again')
    .option('-o, --out <dir>', 'folder to put them into (default: the working directory)')
    .option('--file <path>', 'only this file of a collection (repeatable)', collect)
    .action(async (targets: string[], options, command: Command) => {
      onExitCode(await (await import('./commands/get.ts')).get(contextOf(command), targets, options))
    })
  networking(program.command('ls'))
    .argument('<target>', 'result number, file id, infohash, magnet link or .torrent file')
    .description('list what a target contains, without fetching it')
    .action(async (target: string, _options, command: Command) => {
      await (await import('./commands/ls.ts')).ls(contextOf(command), target)
    })
  program
    .command('forget')
    .argument('<transfers...>', 'transfers by name or id, as `shoal status` lists them')
    .description('drop transfers that are not finished; one that runs is stopped')
    .option('--delete', 'delete their unfinished files too')
    .action(async (transfers: string[], options, command: Command) => {
      onExitCode(await (await import('./commands/forget.ts')).forget(contextOf(command), transfers, options))
    })
  networking(program.command('put'))
    .argument('<paths...>', 'files and folders')
    .description('share files and folders, and have other peers keep copies of them')
    .option('--copies <number>', 'copies of each, 1 to 16 (default: 3); again to change it', integer(1))
    .option('--hidden', 'with hidden files and well-known secrets too')
    .action(async (paths: string[], options, command: Command) => {
      onExitCode(await (await import('./commands/put.ts')).put(contextOf(command), paths, options))
    })
  networking(program.command('copies'))
    .description('tell where the copies of what was put elsewhere are, and how they are')
    .option('--recover', 'first ask for what was put by this peer, in case the home directory is a new one')
    .action(async (options, command: Command) => {
      await (await import('./commands/copies.ts')).copies(contextOf(command), options)
    })
  networking(program.command('drop'))
    .argument('<names...>', 'what was put elsewhere, by name or infohash')
    .description('let others delete their copies; what is shared here stays')
    .action(async (names: string[], _options, command: Command) => {
      onExitCode(await (await import('./commands/drop.ts')).drop(contextOf(command), names))
    })
  networking(program.command('peers'))
    .description('list the peers that are connected')
    .action(async (_options, command: Command) => {
      await (await import('./commands/peers.ts')).peers(contextOf(command))
    })
  networking(program.command('status'))
    .description('tell how the peer is, and what is wrong')
    .action(async (_options, command: Command) => {
      await (await import('./commands/status.ts')).status(contextOf(command))
    })
  networking(program.command('ring'))
    .description('tell where the peer stands on the ring of all peers, and what it keeps there')
    .action(async (_options, command: Command) => {
      await (await import('./commands/ring.ts')).ring(contextOf(command))
    })
  const dir = program
    .command('dir')
    .description('the global directory: signed entries that lie on the ring')
    .addHelpText('after', KEY_HELP)
  networking(dir.command('get'))
    .argument('<key>', 'key, file id or text, see below')
    .description('list what anybody has published under a key')
    .option('--careful', 'ask by several routes, in case some peers hide something')
    .addHelpText('after', KEY_HELP)
    .action(async (key: string, options, command: Command) => {
      await (await import('./commands/dir.ts')).dirGet(contextOf(command), key, options)
    })
  networking(dir.command('put'))
    .argument('<file>', 'file of at most 16 KiB, or - for what is typed or piped in')
    .description('publish a value under its SHA-256, and print that')
    .action(async (file: string, _options, command: Command) => {
      await (await import('./commands/dir.ts')).dirPut(contextOf(command), file)
    })
  networking(dir.command('append'))
    .argument('<key>', 'key, file id or text, see below')
    .argument('<texts...>', 'texts to add')
    .description('add texts to what this peer says under a key')
    .addHelpText('after', KEY_HELP)
    .action(async (key: string, texts: string[], _options, command: Command) => {
      await (await import('./commands/dir.ts')).dirAppend(contextOf(command), key, texts)
    })
  networking(dir.command('remove'))
    .argument('<key>', 'key, file id or text, see below')
    .argument('[texts...]', 'only these texts of what was added')
    .description('take back what this peer says under a key')
    .addHelpText('after', KEY_HELP)
    .action(async (key: string, texts: string[], _options, command: Command) => {
      await (await import('./commands/dir.ts')).dirRemove(contextOf(command), key, texts)
    })
  const group = program.command('group').description('private groups: only peers with the same key can connect')
  group
    .command('new')
    .argument('[file]', 'file to make (default: shoal-group.key)')
    .description('make the key of a new group')
    .action(async (file: string | undefined, _options, command: Command) => {
      await (await import('./commands/group-new.ts')).groupNew(contextOf(command), file)
    })
  program
    .command('lab')
    .argument('[experiment]', 'name of an experiment, path of your own, or "all"; none lists them')
    .description('run experiments with the protocols in a simulated network')
    .option('--peers <number>', 'simulated peers', integer(2))
    .option('--seeds <number>', 'independent runs', integer(1))
    .option('--seed <number>', 'the first seed (default: 1)', integer(0))
    .option('--set <name=value>', 'change a setting of the experiment (repeatable)', collect)
    .option('--jobs <number>', 'runs at once (default: one for each core)', integer(1))
    .option('--out <dir>', 'folder for the CSV and HTML files (default: lab-results)')
    .action(async (experiment: string | undefined, options, command: Command) => {
      await (await import('./commands/lab.ts')).lab(contextOf(command), experiment, options)
    })
  program
    .command('version')
    .description('print the version')
    .action(async (_options, command: Command) => {
      ;(await import('./commands/version.ts')).version(contextOf(command).out)
    })
  return program
}

const KEY_HELP = [
  '',
  'A key has 64 hex digits, as file ids and infohashes have. Any other text stands for its SHA-256:',
  '`shoal dir get sea` asks for what `printf %s sea | sha256sum` prints.'
].join('\n')

const QUERY_HELP = [
  '',
  'A query is made of terms; a file must match all of them. Case and accents do not matter.',
  '  sea                 the word stands in the name or in the path',
  '  sea*                a word that begins so',
  '  \'"blue sea"\'        the words side by side',
  '  -shallow -"on air"  not these',
  '  type:video          of a type (video, audio, image, document, archive, program) or',
  '  type:pdf,epub         with one of these ends',
  '  size:1G.. size:..500M size:100M..2G',
  '                      at least, at most, between; units K M G T, or Ki Mi Gi Ti for powers of 1,024',
  'Put what has quotes, * or > in it between single quotes, or the shell takes it for itself.'
].join('\n')

/** `-word` is a part of a query, `--word` is an option that was mistyped, unless it stands behind `--`. */
function refuseOptions(words: readonly string[], program: Command): void {
  const { rawArgs } = program as Command & { rawArgs: readonly string[] }
  const end = rawArgs.indexOf('--')
  const option = words.find(word => /^--./.test(word) && (end < 0 || rawArgs.indexOf(word) < end))
  if (option !== undefined) throw new CommanderError(1, 'commander.unknownOption', `error: unknown option '${option}'`)
}

/** Options of commands that reach other peers. */
function networking(command: Command): Command {
  return command
    .option('--peer <address>', 'multiaddr of a peer to connect to, ends in /p2p/ID (repeatable)', collect)
    .option('--interface <name>', 'network interface to use; default: all (repeatable)', collect)
    .option('--listen <address>', 'multiaddr to listen on (repeatable)', collect)
    .option('--group <file>', 'key of a private group')
    .option('--no-discovery', 'do not look for peers by multicast DNS')
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}

function integer(least: number): (value: string) => number {
  return value => {
    const number = Number(value)
    if (!/^\d+$/.test(value) || number < least || !Number.isSafeInteger(number)) {
      throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`)
    }
    return number
  }
}

function seconds(value: string): number {
  const number = Number(value)
  if (!/^\d+(\.\d+)?$/.test(value) || number <= 0) throw new InvalidArgumentError('It must be a number of seconds.')
  return number
}

/** Milliseconds. */
function duration(value: string): number {
  const [, count, unit = ''] = /^(\d{1,6})(s|m|min|h|d)$/.exec(value) ?? []
  const ms = { s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 24 * 3_600_000 }[unit]
  if (ms === undefined) throw new InvalidArgumentError('It must be a time such as 90s, 5m, 2h or 1d.')
  return Number(count) * ms
}

/** The exit codes, from the one table of errors. */
function epilogue(): string {
  const codes = new Map<number, string[]>()
  for (const [code, { exit }] of Object.entries(ERRORS)) codes.set(exit, [...(codes.get(exit) ?? []), code])
  const lines = [...codes]
    .sort(([a], [b]) => a - b)
    .map(([exit, names]) => `  ${String(exit).padStart(3)}  ${names.join(', ')}`)
  return [
    '',
    'A command uses the peer that runs for its home directory, or starts one for as long as it takes.',
    '',
    'Exit codes:',
    '    0  done',
    ...lines,
    '  130  ended at once by a second Ctrl-C',
    '',
    'SHOAL_DEBUG=1 prints where an error comes from. NO_COLOR=1 prints without colour.'
  ].join('\n')
}
