// node -r this file: a process in which every float tensor holds doubles. Must run before any engine is loaded.
const { types } = require('node:util')

globalThis.Float32Array = Float64Array
// The engine tells typed arrays apart by this, not by instanceof.
types.isFloat32Array = types.isFloat64Array
