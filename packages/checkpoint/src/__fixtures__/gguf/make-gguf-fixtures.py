"""Writes blocks.gguf (one tensor of every block format, [2, 512]) and what llama.cpp's own C code decodes it to, and a
model of five tensors in three parts, split-0000N-of-00003.gguf.

Run by hand with numpy, `pip install gguf==0.19.0` and the path of llama.cpp's libggml-base.so (here that of
@node-llama-cpp/linux-x64 3.22.1): python3 make-gguf-fixtures.py libggml-base.so. The first row of a tensor is
quantised from normal numbers by llama.cpp, the second is noise under scales that are numbers.
"""
import ctypes
import json
import os
import struct
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter

here = os.path.dirname(os.path.abspath(__file__))
ggml = ctypes.CDLL(sys.argv[1])
ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [
    ctypes.c_void_p
]
COLUMNS = 512
rng = np.random.default_rng(3)
# where each block has float16 scales
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "Q8_K": [], "IQ4_NL": [0], "IQ4_XS": [0],
    "TQ1_0": [52], "TQ2_0": [64], "MXFP4": [], "NVFP4": [], "Q1_0": [0],
}


def quantised(kind, size):
    weights = np.ascontiguousarray(rng.standard_normal(COLUMNS), np.float32)
    out = np.zeros(size, np.uint8)
    if kind.name == "Q8_K":
        quantise = ggml.quantize_row_q8_K_ref
        quantise.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        quantise.restype = None
        quantise(weights.ctypes.data, out.ctypes.data, COLUMNS)
    else:
        done = ggml.ggml_quantize_chunk(int(kind), weights.ctypes.data, out.ctypes.data, 0, 1, COLUMNS, None)
        assert done == size, (kind, done, size)
    return out


def noise(kind, elements, block):
    blocks = rng.integers(0, 256, (COLUMNS // elements, block), np.uint8)
    for at in HALVES[kind.name]:
        scales = (rng.standard_normal(len(blocks)) * 10.0 ** rng.integers(-7, 4, len(blocks))).astype(np.float16)
        blocks[:, at : at + 2] = scales[:, None].view(np.uint8)
    if kind.name == "Q8_K":
        blocks[:, :4] = rng.standard_normal(len(blocks)).astype(np.float32)[:, None].view(np.uint8)
    if kind.name == "MXFP4":
        blocks[:, 0] = rng.integers(0, 250, len(blocks), np.uint8)  # exponents of a finite product
    return blocks.reshape(-1)


def decoded(kind, blocks):
    symbol = "q" + kind.name[1:] if kind.name.startswith("Q") else kind.name.lower()
    decode = getattr(ggml, "dequantize_row_" + symbol)
    decode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    decode.restype = None
    out = np.zeros(2 * COLUMNS, np.float32)
    decode(blocks.ctypes.data, out.ctypes.data, 2 * COLUMNS)
    return out


writer = GGUFWriter(os.path.join(here, "blocks.gguf"), "llama")
writer.add_uint32("llama.block_count", 1)
entries, data, at = {}, [], 0
for name in HALVES:
    kind = GGMLQuantizationType[name]
    elements, block = GGML_QUANT_SIZES[kind]
    size = COLUMNS // elements * block
    blocks = np.ascontiguousarray(np.concatenate([quantised(kind, size), noise(kind, elements, block)]))
    writer.add_tensor(name, blocks.reshape(2, size), raw_dtype=kind)
    values = decoded(kind, blocks)
    assert np.isfinite(values).all(), name
    entries[name] = {"dtype": "F32", "shape": [2, COLUMNS], "data_offsets": [at, at + values.nbytes]}
    data.append(values.tobytes())
    at += values.nbytes
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
header = json.dumps(entries).encode()
header += b" " * (-len(header) % 8)
with open(os.path.join(here, "blocks-expected.safetensors"), "wb") as file:
    file.write(struct.pack("<Q", len(header)) + header + b"".join(data))

writer = GGUFWriter(os.path.join(here, "split.gguf"), "llama", split_max_tensors=2)
writer.add_uint32("llama.block_count", 1)
for i in range(5):
    writer.add_tensor(f"t{i}", np.arange(100 * i, 100 * i + 6, dtype=np.float32).reshape(2, 3))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
