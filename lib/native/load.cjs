// Finds the native binary: build/Release of a checkout, else the prebuild of this platform.
const path = require('node:path');

module.exports = require('node-gyp-build')(path.join(__dirname, '..', '..'));
