/** What @filature/tensor exports beside ops and classes. A new export is either here or has entries in the matrix. */
export const notOps: readonly string[] = [
  // gradients and scopes
  ...['differentiate', 'valueAndGrads', 'valueAndGradsOf', 'gradientWanted', 'checkpointed', 'frozen', 'tidy', 'keep'],
  ...[
    'dispose',
    'liveMemory',
    'checkIds',
    'training',
    'inference',
    'isTraining',
    'nextDraw',
    'currentScope',
    'enterScope',
  ],
  // looking inside
  ...['capture', 'observe', 'activationGrads', 'matcher'],
  // modules
  ...[
    'init',
    'freeze',
    'moduleAt',
    'replaceModule',
    'modulesOf',
    'parametersOf',
    'parameterCount',
    'stateOf',
    'tiesOf',
  ],
  ...['isModule', 'isParameter', 'isBuffer', 'applyLora'],
  // dialects
  ...['rename', 'prefix', 'transposed', 'permutedRows', 'joined', 'ignored'],
  // initial values and random numbers
  ...['constant', 'zerosInit', 'onesInit', 'normal', 'uniform', 'truncatedNormal', 'xavierUniform', 'torchUniform'],
  ...['withZeroRow', 'hash64', 'philox', 'philoxWords'],
  // backends and kernels
  ...[
    'cpu',
    'useBackend',
    'activeBackend',
    'selfTest',
    'hasKernel',
    'runFused',
    'runUpdate',
    'sharesData',
    'requireMemory',
    'adopt',
  ],
  // numbers on the host, shapes, names
  ...['toBf16', 'fromBf16', 'sizeOf', 'sameShape', 'activationNamed', 'configFrom'],
  // rows written in place: tested with the key-value cache, in attention
  ...['appendRows', 'appendsInPlace'],
  // `linear` by a parameter's store: tested with the stores, in tensor and checkpoint
  'linearBy',
]
