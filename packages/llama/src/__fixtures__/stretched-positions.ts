/** What transformers 5.18 computes (`LlamaRotaryEmbedding`) of a LLaMA configuration that stretches its positions. */
export interface StretchedCase {
  name: string
  /** hidden_size, heads, lengths and `rope_scaling`, as the configuration says them. */
  config: {
    hidden_size: number
    num_attention_heads: number
    max_position_embeddings: number
    rope_theta?: number
    rope_scaling: Record<string, unknown>
  }
  positions: number[]
  /** Of which pairs the numbers below are. */
  pairs: number[]
  frequencies: number[]
  /** By position and pair. */
  cos: number[][]
  sin: number[][]
}

// biome-ignore format: numbers
export const stretchedCases: StretchedCase[] = [
  {
    name: 'YaRN, as Yarn-Llama-2-7b-64k says it',
    config: { hidden_size: 512, num_attention_heads: 4, max_position_embeddings: 65536, rope_scaling: { factor: 16, original_max_position_embeddings: 4096, type: 'yarn', finetuned: true } },
    positions: [0, 1, 50, 4095, 60000],
    pairs: [0, 1, 16, 32, 48, 63],
    frequencies: [1, 0.865964353, 0.100000001, 0.00567307696, 6.2500003e-05, 7.21738706e-06],
    cos: [
      [1.27725887, 1.27725887, 1.27725887, 1.27725887, 1.27725887, 1.27725887],
      [0.690105975, 0.827543437, 1.27087796, 1.27723837, 1.27725887, 1.27725887],
      [1.2325114, 0.989877105, 0.362310052, 1.2262187, 1.27725267, 1.27725875],
      [-0.0842684209, -0.948295355, 0.587364554, -0.414725482, 1.235654, 1.27670109],
      [-0.368544877, -0.751740515, 1.15452898, 0.587759852, -1.0480665, 1.15935886],
    ],
    sin: [
      [0, 0, 0, 0, 0, 0],
      [1.07477629, 0.972914159, 0.127513126, 0.007245949, 7.98286856e-05, 9.21847186e-06],
      [-0.335120589, -0.807176232, -1.22479451, 0.357460499, 0.00399142737, 0.000460923591],
      [-1.27447605, 0.85564363, 1.13419271, -1.20805335, 0.32334125, 0.0377441458],
      [1.22293282, 1.0326066, -0.546308517, 1.1339879, -0.730032027, 0.535982609],
    ],
  },
  {
    name: 'YaRN, the trained length by default, bounds of its own',
    config: { hidden_size: 128, num_attention_heads: 4, max_position_embeddings: 2048, rope_theta: 500000, rope_scaling: { rope_type: 'yarn', factor: 4, beta_fast: 24, beta_slow: 2, truncate: false } },
    positions: [0, 3, 999, 8000],
    pairs: [0, 1, 4, 8, 12, 15],
    frequencies: [1, 0.440366626, 0.0299797077, 0.000353553361, 1.32957393e-05, 1.13541762e-06],
    cos: [
      [1.13862944, 1.13862944, 1.13862944, 1.13862944, 1.13862944, 1.13862944],
      [-1.12723458, 0.281366527, 1.13402736, 1.13862884, 1.13862944, 1.13862944],
      [1.13823068, 1.13256001, 0.118881084, 1.06834257, 1.13852894, 1.13862872],
      [0.0747454762, -0.404364049, 0.540059447, -1.08324993, 1.1321944, 1.13858247],
    ],
    sin: [
      [0, 0, 0, 0, 0, 0],
      [0.160683393, 1.10331762, 0.102269329, 0.0012076986, 4.54167603e-05, 3.87845967e-06],
      [-0.0301289912, 0.11740911, -1.13240635, 0.393854052, 0.0151233366, 0.00129152683],
      [1.13617349, -1.06440914, 1.0024035, 0.350779891, 0.120883122, 0.0103424173],
    ],
  },
  {
    name: 'YaRN, mscale of two kinds',
    config: { hidden_size: 128, num_attention_heads: 4, max_position_embeddings: 16384, rope_scaling: { rope_type: 'yarn', factor: 8, original_max_position_embeddings: 2048, mscale: 0.707, mscale_all_dim: 1 } },
    positions: [5, 16383],
    pairs: [0, 1, 4, 8, 12, 15],
    frequencies: [1, 0.562341332, 0.100000001, 0.00499999989, 0.000125000006, 2.22284925e-05],
    cos: [
      [0.269354522, -0.898359835, 0.833318055, 0.949264109, 0.949560702, 0.949560881],
      [-0.872485936, -0.11125458, -0.0384656973, 0.923771977, -0.436025232, 0.88728863],
    ],
    sin: [
      [-0.910556972, 0.307596266, 0.455243737, 0.0237365477, 0.000593475532, 0.000105536536],
      [0.374745578, 0.943020821, -0.94878149, 0.219798073, 0.843532979, 0.338208199],
    ],
  },
  {
    name: 'YaRN, attention factor stated',
    config: { hidden_size: 64, num_attention_heads: 4, max_position_embeddings: 4096, rope_scaling: { rope_type: 'yarn', factor: 2, original_max_position_embeddings: 2048, attention_factor: 0.5 } },
    positions: [7, 4000],
    pairs: [0, 1, 2, 4, 6, 7],
    frequencies: [1, 0.316227764, 0.100000001, 0.00749999983, 0.000500000024, 0.000158113893],
    cos: [
      [0.376951128, -0.299718738, 0.382421106, 0.49931109, 0.49999693, 0.499999702],
      [-0.364973485, -0.203865469, -0.262648165, 0.0771257281, -0.208073422, 0.403289199],
    ],
    sin: [
      [0.328493297, 0.400210798, 0.322108835, 0.0262379423, 0.00174999645, 0.00055339851],
      [-0.341751903, 0.456551075, -0.425459683, -0.494015813, 0.454648703, 0.295563579],
    ],
  },
  {
    name: 'LongRoPE, within the trained length',
    config: { hidden_size: 64, num_attention_heads: 4, max_position_embeddings: 131072, rope_scaling: { rope_type: 'longrope', short_factor: [1, 1.05, 1.1, 1.2, 1.3, 1.5, 1.8, 2], long_factor: [1, 1.5, 3, 6, 12, 20, 30, 32], original_max_position_embeddings: 4096 } },
    positions: [0, 9, 4095],
    pairs: [0, 1, 2, 4, 6, 7],
    frequencies: [1, 0.301169306, 0.0909090936, 0.0076923077, 0.000555555569, 0.000158113893],
    cos: [
      [1.19023812, 1.19023812, 1.19023812, 1.19023812, 1.19023812, 1.19023812],
      [-1.08446193, -1.08135474, 0.813586533, 1.18738687, 1.19022322, 1.19023693],
      [-0.0785271451, -0.251856476, 0.00713407155, 1.18603408, -0.770592511, 0.949344039],
    ],
    sin: [
      [0, 0, 0, 0, 0, 0],
      [0.490519136, 0.497331589, 0.868759871, 0.0823352933, 0.00595116569, 0.00169373804],
      [-1.18764484, 1.16328633, 1.19021678, 0.0999495983, 0.907112956, 0.717922449],
    ],
  },
  {
    name: 'LongRoPE, beyond the trained length',
    config: { hidden_size: 64, num_attention_heads: 4, max_position_embeddings: 131072, rope_scaling: { rope_type: 'longrope', short_factor: [1, 1.05, 1.1, 1.2, 1.3, 1.5, 1.8, 2], long_factor: [1, 1.5, 3, 6, 12, 20, 30, 32], original_max_position_embeddings: 4096 } },
    positions: [0, 9, 4096],
    pairs: [0, 1, 2, 4, 6, 7],
    frequencies: [1, 0.210818499, 0.0333333351, 0.000833333354, 3.33333337e-05, 9.88211832e-06],
    cos: [
      [1.19023812, 1.19023812, 1.19023812, 1.19023812, 1.19023812, 1.19023812],
      [-1.08446193, -0.381824106, 1.13707793, 1.19020462, 1.190238, 1.19023812],
      [0.956940234, -1.08415341, -0.149502635, -1.14656246, 1.17916155, 1.18926322],
    ],
    sin: [
      [0, 0, 0, 0, 0, 0],
      [0.490519136, 1.12733185, 0.351739436, 0.00892670266, 0.000357071462, 0.000105858664],
      [-0.707765579, 0.491200656, -1.18081152, -0.319470286, 0.162002757, 0.0481643006],
    ],
  },
  {
    name: 'LongRoPE, factor and attention factor stated',
    config: { hidden_size: 64, num_attention_heads: 4, max_position_embeddings: 8192, rope_scaling: { rope_type: 'longrope', factor: 2, attention_factor: 1.25, short_factor: [1, 1, 1, 1, 1, 1, 1, 1], long_factor: [2, 2, 2, 2, 2, 2, 2, 2], original_max_position_embeddings: 4096 } },
    positions: [3],
    pairs: [0, 1, 2, 4, 6, 7],
    frequencies: [1, 0.316227764, 0.100000001, 0.00999999978, 0.00100000005, 0.000316227786],
    cos: [
      [-1.23749065, 0.728442073, 1.19417059, 1.24943757, 1.2499944, 1.24999952],
    ],
    sin: [
      [0.176400006, 1.01581109, 0.369400263, 0.0374943726, 0.00374999456, 0.00118585408],
    ],
  },
]
