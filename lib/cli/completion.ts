// `shardns completion SHELL`: a script by which a shell completes commands, verbs, options and their values. All three are made
// of the table of commands; none runs this program again.
import { COMMANDS, FILE_WORDS, FIRST_WORDS, type OptionRow, optionsOf, SHELLS, VERBS } from './command-table.js';

type Shell = (typeof SHELLS)[number];

export const isShell = (text: string): text is Shell => (SHELLS as readonly string[]).includes(text);

export function completionScript(shell: Shell): string {
  return { bash, zsh, fish }[shell]();
}

const ofOptions = (command: string): [string, OptionRow][] => Object.entries(optionsOf(command));
/** Those of a verb of `ctl`. */
const ofVerb = (verb: keyof typeof VERBS): [string, OptionRow][] => {
  const rows = optionsOf('ctl');
  return ['socket', ...VERBS[verb]].map(name => [name, rows[name]]);
};
/** A command, or `ctl` with a verb, and the options that it takes. */
const placesOf = (): [string, [string, OptionRow][]][] => [
  ...COMMANDS.filter(command => command !== 'ctl').map((one): [string, [string, OptionRow][]] => [one, ofOptions(one)]),
  ...(Object.keys(VERBS) as (keyof typeof VERBS)[]).map((verb): [string, [string, OptionRow][]] => [
    `ctl ${verb}`,
    ofVerb(verb),
  ]),
];
const names = (options: [string, OptionRow][]): string => options.map(([name]) => `--${name}`).join(' ');

function bash(): string {
  // By the option before the word, whatever the command: options of one name take the same everywhere.
  const values = new Map<string, string>();
  for (const [, options] of placesOf()) {
    for (const [name, { type, values: all, file }] of options) {
      if (type === 'boolean') continue;
      const made = all !== undefined ? `-W '${all.join(' ')}'` : file === true ? '-f' : "-W ''";
      values.set(`--${name}`, made);
    }
  }
  const cases = [...new Set(values.values())].map(made => {
    const those = [...values].filter(one => one[1] === made).map(([name]) => name);
    return `    ${those.join('|')}) reply ${made}; return ;;`;
  });
  const first = Object.entries(FIRST_WORDS).map(
    ([command, words]) => `    '${command} ') reply -W '${words.join(' ')}' ;;`,
  );
  const options = placesOf().map(([place, own]) => `    '${place}'*) options='${names(own)}' ;;`);
  return `# bash completion of shardns: source <(shardns completion bash)
_shardns() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} place='' options='' i
  reply() { COMPREPLY=($(compgen "$@" -- "$word")); }
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    reply -W '${COMMANDS.join(' ')} --help --version'
    return
  fi
  case $before in
${cases.join('\n')}
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -* ]] || place+="\${COMP_WORDS[i]} "
  done
  case $place in
${options.join('\n')}
  esac
  if [[ $word == -* ]]; then
    reply -W "$options --help"
    return
  fi
  case $place in
${first.join('\n')}
    ${FILE_WORDS.map(command => `'${command} '*`).join('|')}) reply -f ;;
    *) reply -W "$options" ;;
  esac
}
complete -F _shardns shardns
`;
}

/** Of one option, as \`_arguments\` takes it: an action that completes its value. */
function zshSpec([name, { type, multiple, value, values, file }]: [string, OptionRow]): string {
  const star = multiple === true ? '*' : '';
  if (type === 'boolean') return `'${star}--${name}'`;
  const message = (value ?? name).replace(/[:'[\]]/g, ' ').trim();
  const action = values !== undefined ? `(${values.join(' ')})` : file === true ? '_files' : '( )';
  return `'${star}--${name}[${message}]:${message}:${action}'`;
}

function zsh(): string {
  const lines = (options: [string, OptionRow][], rest: string): string =>
    [...options.map(zshSpec), rest].map(one => `      ${one}`).join(' \\\n');
  const places = COMMANDS.filter(command => command !== 'ctl').map(command => {
    const words = FIRST_WORDS[command];
    const rest =
      words !== undefined
        ? `'1: :(${words.join(' ')})'`
        : FILE_WORDS.includes(command)
          ? "'*:file:_files'"
          : "'*: :( )'";
    return `    ${command}) _arguments \\\n${lines(ofOptions(command), rest)} ;;`;
  });
  const verbs = (Object.keys(VERBS) as (keyof typeof VERBS)[]).map(
    verb => `        ${verb}) _arguments \\\n${lines(ofVerb(verb), "'*: :( )'")} ;;`,
  );
  return `#compdef shardns
# zsh completion of shardns: shardns completion zsh > a folder of $fpath, as _shardns
_shardns() {
  local command verb
  if ((CURRENT == 2)); then
    compadd -- ${COMMANDS.join(' ')} --help --version
    return
  fi
  command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${places.join('\n')}
    ctl)
      if ((CURRENT == 2)); then
        compadd -- ${Object.keys(VERBS).join(' ')}
        return
      fi
      verb=$words[2]
      shift words
      ((CURRENT--))
      case $verb in
${verbs.join('\n')}
      esac ;;
  esac
}
compdef _shardns shardns
`;
}

function fishOption(condition: string, [name, { type, values, file, value }]: [string, OptionRow]): string {
  const behind =
    type === 'boolean'
      ? ''
      : values !== undefined
        ? ` -x -a '${values.join(' ')}'`
        : file === true
          ? ' -r -F'
          : ` -x -d '${(value ?? name).replaceAll("'", '')}'`;
  return `complete -c shardns -n '${condition}' -l ${name}${behind}`;
}

function fish(): string {
  const seen = (word: string): string => `__fish_seen_subcommand_from ${word}`;
  const lines = [
    '# fish completion of shardns: shardns completion fish > ~/.config/fish/completions/shardns.fish',
    'complete -c shardns -f',
    `complete -c shardns -n '__fish_use_subcommand' -a '${COMMANDS.join(' ')}'`,
    `complete -c shardns -n '__fish_use_subcommand' -l help`,
    `complete -c shardns -n '__fish_use_subcommand' -l version`,
  ];
  for (const [command, words] of Object.entries(FIRST_WORDS)) {
    lines.push(`complete -c shardns -n '${seen(command)}; and not ${seen(words.join(' '))}' -a '${words.join(' ')}'`);
  }
  for (const command of FILE_WORDS) lines.push(`complete -c shardns -n '${seen(command)}' -F`);
  for (const [place, options] of placesOf()) {
    const [command, verb] = place.split(' ');
    const condition = verb === undefined ? seen(command) : `${seen(command)}; and ${seen(verb)}`;
    lines.push(...options.map(one => fishOption(condition, one)));
  }
  return `${lines.join('\n')}\n`;
}
