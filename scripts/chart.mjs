// Renders a Helm chart as far as ours goes: the templates of Go that it uses, and these functions. What it does not know, and
// a value that is not there, is an error: so a chart that it renders is one that Helm renders, to the same objects.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

const isObject = value => typeof value === 'object' && value !== null && !Array.isArray(value);
const isTrue = value =>
  value !== undefined &&
  value !== null &&
  value !== false &&
  value !== 0 &&
  value !== '' &&
  !(typeof value === 'object' && Object.keys(value).length === 0);

const indent = (count, text) => text.replace(/^/gm, ' '.repeat(count));
const FUNCTIONS = {
  // Keys in order, lists not indented: as Helm writes.
  toYaml: value => stringify(value, { sortMapEntries: true, indentSeq: false, lineWidth: 0 }).trimEnd(),
  indent: (count, text) => indent(count, text),
  nindent: (count, text) => `\n${indent(count, text)}`,
  quote: value => JSON.stringify(String(value)),
  default: (otherwise, value) => (isTrue(value) ? value : otherwise),
  eq: (one, ...others) => others.includes(one),
  and: (...all) => all.find(one => !isTrue(one)) ?? all.at(-1),
  or: (...all) => all.find(isTrue) ?? all.at(-1),
  not: value => !isTrue(value),
  trunc: (count, text) => text.slice(0, count),
  trimSuffix: (end, text) => (text.endsWith(end) ? text.slice(0, -end.length) : text),
  sha256sum: text => createHash('sha256').update(text).digest('hex'),
  required: (message, value) => {
    if (value === undefined || value === null || value === '') throw new Error(message);
    return value;
  },
};

/** Text and actions, in turn; a dash takes away the white space on its side. */
function split(source) {
  const parts = [];
  let at = 0;
  let trim = false;
  const text = (from, to, trimEnd) => {
    let piece = source.slice(from, to);
    if (trim) piece = piece.trimStart();
    if (trimEnd) piece = piece.trimEnd();
    if (piece !== '') parts.push({ text: piece });
  };
  for (const match of source.matchAll(/\{\{(-\s)?\s*([^]*?)\s*(\s-)?\}\}/g)) {
    text(at, match.index, match[1] !== undefined);
    trim = match[3] !== undefined;
    at = match.index + match[0].length;
    if (!match[2].startsWith('/*')) parts.push({ action: match[2] });
  }
  text(at, source.length, false);
  return parts;
}

/** A tree of text, outputs and blocks. */
function parseParts(parts, path) {
  let at = 0;
  const block = ends => {
    const nodes = [];
    for (; at < parts.length; at++) {
      const { text, action } = parts[at];
      if (text !== undefined) {
        nodes.push({ kind: 'text', text });
        continue;
      }
      const [word] = action.split(/\s/, 1);
      if (ends.includes(word)) return nodes;
      if (!['if', 'with', 'range', 'define'].includes(word)) {
        if (word === 'end' || word === 'else') throw new Error(`${path}: {{ ${action} }} without a beginning`);
        nodes.push({ kind: 'output', of: action });
        continue;
      }
      at++;
      const node = { kind: word, of: action.slice(word.length).trim(), then: block(['else', 'end']), otherwise: [] };
      if (parts[at]?.action === 'else') {
        at++;
        node.otherwise = block(['end']);
      }
      if (parts[at]?.action !== 'end') throw new Error(`${path}: {{ ${action} }} without an end`);
      nodes.push(node);
    }
    if (ends.length > 0) throw new Error(`${path}: expected {{ ${ends.join(' or ')} }}`);
    return nodes;
  };
  return block([]);
}

const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|(-?\d+)(?![\w.])|(\$?(?:\.[\w-]+)+|\$|\.)|([a-zA-Z]\w*)|([()|]))/y;

function tokens(text) {
  const found = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`cannot be read: ${text.slice(from)}`);
    const [, string, number, path, word, mark] = match;
    if (string !== undefined) found.push({ value: JSON.parse(string) });
    else if (number !== undefined) found.push({ value: Number(number) });
    else if (path !== undefined) found.push({ path });
    else if (word === 'true' || word === 'false') found.push({ value: word === 'true' });
    else if (word !== undefined) found.push({ word });
    else found.push({ mark });
  }
  return found;
}

/** Renders the templates of one chart with one set of values. */
class Renderer {
  #defined = new Map();

  constructor(root) {
    this.root = root;
  }

  define(nodes) {
    for (const { kind, of, then } of nodes) if (kind === 'define') this.#defined.set(JSON.parse(of), then);
  }

  render(nodes, dot) {
    return nodes.map(node => this.#node(node, dot)).join('');
  }

  #node({ kind, text, of, then, otherwise }, dot) {
    if (kind === 'text') return text;
    if (kind === 'define') return '';
    const value = this.#evaluate(of, dot, kind === 'output');
    if (kind === 'output') return String(value);
    if (!isTrue(value)) return this.render(otherwise, dot);
    if (kind === 'range')
      return Object.values(value)
        .map(one => this.render(then, one))
        .join('');
    return this.render(then, kind === 'with' ? value : dot);
  }

  #evaluate(text, dot, needed) {
    const list = tokens(text);
    let at = 0;
    const term = () => {
      const one = list[at++];
      if (one.path !== undefined) return this.#at(one.path, dot);
      if (one.mark === '(') {
        const value = pipeline();
        if (list[at++]?.mark !== ')') throw new Error(`expected ")": ${text}`);
        return value;
      }
      if (one.word !== undefined) return this.#call(one.word, []);
      return one.value;
    };
    const command = last => {
      const piped = last === undefined ? [] : [last.value];
      const { word } = list[at] ?? {};
      if (word === undefined) return term();
      at++;
      const values = [];
      while (at < list.length && list[at].mark !== '|' && list[at].mark !== ')') values.push(term());
      return this.#call(word, [...values, ...piped]);
    };
    const pipeline = () => {
      let value = command();
      while (list[at]?.mark === '|') {
        at++;
        value = command({ value });
      }
      return value;
    };
    const value = pipeline();
    if (at < list.length) throw new Error(`too much of it: ${text}`);
    if (needed && value === undefined) throw new Error(`has no value: {{ ${text} }}`);
    return value;
  }

  #at(path, dot) {
    const [first, ...names] = path.split('.');
    return names.filter(Boolean).reduce((value, name) => value?.[name], first === '$' ? this.root : dot);
  }

  #call(word, values) {
    if (word === 'include') {
      const [name, dot] = values;
      if (!this.#defined.has(name)) throw new Error(`there is no template "${name}"`);
      return this.render(this.#defined.get(name), dot);
    }
    if (!Object.hasOwn(FUNCTIONS, word)) throw new Error(`a function that is not known here: ${word}`);
    return FUNCTIONS[word](...values);
  }
}

/** Values over others, as Helm lays them: objects are joined, and null takes away. */
export function mergeValues(below, above) {
  const merged = { ...below };
  for (const [name, value] of Object.entries(above)) {
    if (value === null) delete merged[name];
    else merged[name] = isObject(value) && isObject(merged[name]) ? mergeValues(merged[name], value) : value;
  }
  return merged;
}

/** What a chart gives with these values: the texts of its templates by their names, those that are empty left out. */
export function renderChart(folder, { name, namespace, service = 'Helm', values = {} }) {
  const read = path => readFileSync(join(folder, path), 'utf8');
  const chart = parse(read('Chart.yaml'));
  const root = {
    Chart: { Name: chart.name, Version: chart.version, AppVersion: String(chart.appVersion) },
    Release: { Name: name, Namespace: namespace, Service: service },
    Values: mergeValues(parse(read('values.yaml')), values),
  };
  const renderer = new Renderer(root);
  const trees = readdirSync(join(folder, 'templates'))
    .sort()
    .map(file => ({ file, nodes: parseParts(split(read(join('templates', file))), file) }));
  for (const { nodes } of trees) renderer.define(nodes);
  const rendered = trees
    .filter(({ file }) => file.endsWith('.yaml'))
    .map(({ file, nodes }) => [file, `${renderer.render(nodes, root).trim()}\n`]);
  return Object.fromEntries(rendered.filter(([, text]) => text !== '\n'));
}
