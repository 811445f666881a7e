"""MiniFASNet weights (PyTorch, the file format before zip) to ONNX; `scripts/fetch` calls it.

Python 3.11 standard library only, and no arithmetic: weights are moved byte by byte into a graph that is written
down here, so the same weights give the same file, bit by bit, on every machine. What it becomes is pinned in
model.toml as what it comes from is.

Network: Silent-Face-Anti-Spoofing (Minivision, Apache-2.0), MiniFASNetV2 and MiniFASNetV1SE.
"""

import collections
import io
import pickle
import struct

STORAGES = ("FloatStorage", "LongStorage")
Tensor = collections.namedtuple("Tensor", "shape bytes")


class Wrong(Exception):
    """The file is not what it should be."""


class Reader(pickle.Unpickler):
    """Reads dictionaries of dense tensors and nothing else: no other name is ever looked up, let alone called."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self.rebuild
        if module == "torch" and name in STORAGES:
            return name
        raise Wrong(f"it holds a {module}.{name}, which no file of weights needs")

    def persistent_load(self, key):
        kind, storage, name, _place, count, view = key
        if kind != "storage" or view is not None:
            raise Wrong("it holds something that is no plain storage")
        return storage, name, count

    @staticmethod
    def rebuild(storage, offset, shape, stride, *_):
        dense = 1
        for length, step in zip(reversed(shape), reversed(stride)):
            if length != 1 and step != dense:
                raise Wrong("it holds a tensor that is not dense")
            dense *= length
        return storage, offset, tuple(shape), dense


def read_weights(data):
    """Name → tensor, floats only."""
    file = io.BytesIO(data)
    magic, version, machine = (Reader(file).load() for _ in range(3))
    if magic != 0x1950A86A20F9469CFC6C or version != 1001 or not machine["little_endian"]:
        raise Wrong("it is no PyTorch file of the old format")
    named = Reader(file).load()
    storages = {}
    sizes = {name: (kind, count) for (kind, name, count), *_ in named.values()}
    for name in Reader(file).load():
        kind, count = sizes[name]
        (found,) = struct.unpack("<q", file.read(8))
        if found != count:
            raise Wrong(f"storage {name} has {found} values, not {count}")
        size = 4 if kind == "FloatStorage" else 8
        storages[name] = file.read(count * size)
        if len(storages[name]) != count * size:
            raise Wrong("it is cut off")
    return {
        name.removeprefix("module."): Tensor(shape, storages[key][4 * offset : 4 * (offset + count)])
        for name, ((kind, key, _), offset, shape, count) in named.items()
        if kind == "FloatStorage"
    }


# Just enough protocol buffers to write (onnx.proto3).


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def chunk(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def attribute(name, value):
    if isinstance(value, float):
        return chunk(5, chunk(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1))
    if isinstance(value, int):
        return chunk(5, chunk(1, name) + number(3, value) + number(20, 2))
    return chunk(5, chunk(1, name) + b"".join(number(8, one) for one in value) + number(20, 7))


def port(field, name, shape):
    dims = b"".join(chunk(1, chunk(2, one) if isinstance(one, str) else number(1, one)) for one in shape)
    return chunk(field, chunk(1, name) + chunk(2, chunk(1, number(1, 1) + chunk(2, dims))))


class Graph:
    def __init__(self, weights):
        self.weights, self.used, self.nodes = weights, [], []

    def node(self, kind, inputs, out=None, **attributes):
        out = out or f"t{len(self.nodes)}"
        body = b"".join(chunk(1, one) for one in inputs) + chunk(2, out) + chunk(3, f"n{len(self.nodes)}")
        body += chunk(4, kind) + b"".join(attribute(name, value) for name, value in attributes.items())
        self.nodes.append(chunk(1, body))
        return out

    def weight(self, name, shape=None):
        tensor = self.weights[name]
        body = b"".join(number(1, one) for one in shape or tensor.shape) + number(2, 1)
        self.used.append((name, chunk(5, body + chunk(8, name) + chunk(9, tensor.bytes))))
        return name

    def conv(self, x, name, stride=1, pad=0):
        outputs, inputs, *kernel = self.weights[name + ".weight"].shape
        # Depth-wise ones, where each channel goes its own way, are the only grouped ones.
        group = outputs if inputs == 1 else 1
        weight = self.weight(name + ".weight")
        return self.node(
            "Conv", [x, weight], group=group, kernel_shape=kernel, pads=[pad] * 4, strides=[stride] * 2
        )

    def norm(self, x, name):
        parts = [self.weight(f"{name}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
        return self.node("BatchNormalization", [x, *parts], epsilon=1e-5)

    def linear_block(self, x, name, stride=1, pad=0):
        return self.norm(self.conv(x, name + ".conv", stride, pad), name + ".bn")

    def conv_block(self, x, name, stride=1, pad=0):
        x = self.linear_block(x, name, stride, pad)
        slope = name + ".prelu.weight"
        return self.node("PRelu", [x, self.weight(slope, (*self.weights[slope].shape, 1, 1))])

    def squeeze(self, x, name):
        y = self.node("GlobalAveragePool", [x])
        y = self.node("Relu", [self.norm(self.conv(y, name + ".fc1"), name + ".bn1")])
        y = self.node("Sigmoid", [self.norm(self.conv(y, name + ".fc2"), name + ".bn2")])
        return self.node("Mul", [x, y])

    def depth_wise(self, x, name, stride=1):
        y = self.conv_block(x, name + ".conv")
        y = self.conv_block(y, name + ".conv_dw", stride, 1)
        return self.linear_block(y, name + ".project")

    def residuals(self, x, name):
        at = 0
        while f"{name}.model.{at}.conv.conv.weight" in self.weights:
            block = f"{name}.model.{at}"
            y = self.depth_wise(x, block)
            if f"{block}.se_module.fc1.weight" in self.weights:
                y = self.squeeze(y, block + ".se_module")
            x = self.node("Add", [x, y])
            at += 1
        return x

    def write(self, x):
        for part in ("23", "34", "45"):
            if part == "23":
                x = self.conv_block(self.conv_block(x, "conv1", 2, 1), "conv2_dw", 1, 1)
            x = self.depth_wise(x, "conv_" + part, 2)
            x = self.residuals(x, "conv_" + part[1])
        x = self.linear_block(self.conv_block(x, "conv_6_sep"), "conv_6_dw")
        x = self.node("Flatten", [x], axis=1)
        x = self.norm(self.node("Gemm", [x, self.weight("linear.weight")], transB=1), "bn")
        return self.node("Gemm", [x, self.weight("prob.weight")], "logits", transB=1)


def to_onnx(data):
    weights = read_weights(data)
    graph = Graph(weights)
    out = graph.write("input")
    left = set(weights) - {name for name, _ in graph.used}
    if left:
        raise Wrong(f"it has weights of another network: {', '.join(sorted(left))}")
    classes = weights["prob.weight"].shape[0]
    body = b"".join(graph.nodes) + chunk(2, "minifasnet") + b"".join(part for _, part in graph.used)
    body += port(11, "input", (1, 3, 80, 80)) + port(12, out, (1, classes))
    return number(1, 8) + chunk(2, "menshen") + chunk(7, body) + chunk(8, chunk(1, "") + number(2, 13))
