"""Writes *.pth beside this file with torch.save (torch 1.13), and what they hold to expected.json.

Run by hand: python3 make-torch-fixtures.py. The tests read what it wrote.
"""
import argparse
import collections
import json
import os

import torch

torch.manual_seed(7)
here = os.path.dirname(os.path.abspath(__file__))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)
        self.bn = torch.nn.BatchNorm1d(2)


def describe(tensor):
    values = tensor.detach().to(torch.float64) if tensor.dtype == torch.bfloat16 else tensor.detach()
    return {"shape": list(tensor.shape), "values": [v if isinstance(v, (bool, int)) else float(v) for v in values.reshape(-1).tolist()]}


def flatten(value, path, out):
    if isinstance(value, torch.Tensor):
        out[path] = describe(value)
    elif isinstance(value, dict):
        for key, child in value.items():
            flatten(child, f"{path}.{key}" if path else str(key), out)
    elif isinstance(value, (list, tuple)):
        for i, child in enumerate(value):
            flatten(child, f"{path}.{i}" if path else str(i), out)
    return out


def accepted():
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    ints = torch.arange(-5, 5)
    net = Net()
    opt = torch.optim.AdamW(net.parameters(), lr=0.01)
    net.bn(net.fc(torch.randn(4, 3))).sum().backward()
    opt.step()
    yield "views", {
        "permuted": base.permute(2, 0, 1),
        "sliced": base[:, 1:, ::2],
        "row": base[1, 2],
        "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 5),
        "diagonal": torch.arange(9, dtype=torch.float32).reshape(3, 3).diagonal(),
        "empty": torch.zeros(0, 3),
        "empty_slice": base[2:],
        "scalar": torch.tensor(2.5),
        "overlapping": torch.arange(6, dtype=torch.float32).as_strided((3, 3), (1, 1)),
        "half_t": base[0].to(torch.float16).t(),
        "bf16_slice": base.to(torch.bfloat16)[:, :, 1],
        "int_t": ints.reshape(2, 5).t(),
        "ones": base[:, :1, :1],
    }
    yield "dtypes", {
        str(d).split(".")[1]: torch.tensor([0, 1, 2, 100]).to(d)
        for d in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
    }
    yield "training", {
        "model": net.state_dict(),
        "optimizer": opt.state_dict(),
        "parameter": net.fc.weight,
        "epoch": 3,
        "name": "net",
        "raw": b"\x00\xffbytes",
        "no_bytes": b"",
        "big": 2**70,
        "negative": -(2**40),
        "size": base.size(),
        "dtype": torch.float16,
        "tags": {"a"},
        "nested": {"list": [1, [2.5, None]], (1, 2): True},
    }


def refused():
    yield "module", Net()
    yield "namespace", {"args": argparse.Namespace(lr=0.1), "w": torch.zeros(1)}
    yield "sparse", {"w": torch.eye(2).to_sparse()}
    yield "quantized", {"w": torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8)}
    yield "complex", {"w": torch.zeros(2, dtype=torch.complex64)}
    yield "device", {"w": torch.zeros(1), "device": torch.device("cpu")}
    yield "counter", {"w": torch.zeros(1), "counts": collections.Counter("aab")}


expected = {}
for name, value in accepted():
    expected[name] = flatten(value, "", {})
    torch.save(value, f"{here}/{name}.pth")
    torch.save(value, f"{here}/{name}_legacy.pth", _use_new_zipfile_serialization=False)

# A storage says on which device it was: as if all of it had been on the second GPU.
tag = torch.serialization.location_tag
torch.serialization.location_tag = lambda storage: "cuda:1"
torch.save({"w": torch.arange(4.0)}, f"{here}/cuda.pth")
torch.serialization.location_tag = tag
expected["cuda"] = {"w": describe(torch.arange(4.0))}

for name, value in refused():
    torch.save(value, f"{here}/refused_{name}.pth")
torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), f"{here}/refused_torchscript.pth")

with open(f"{here}/expected.json", "w") as f:
    json.dump(expected, f, indent=1)
