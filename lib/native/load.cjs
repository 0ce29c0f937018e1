// Loads the native binary: build/Release of a checkout or of `shardns build`, else the prebuild of this platform. Nothing
// in the environment chooses another one: it may be set by those who may not choose what a process runs.
const { existsSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..', '..');
const places = [
  path.join(root, 'build', 'Release', 'shardns.node'),
  path.join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'shardns.node'),
];
const binary = places.find(place => existsSync(place));
if (binary === undefined) {
  throw Object.assign(new Error(`there is neither ${places.join(' nor ')}`), { code: 'SHARDNS_NO_BINARY' });
}
module.exports = require(binary);
