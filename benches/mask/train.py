"""Trains and tests the mask check of crates/vision/src/occlusion, whose features (`grid_features`) are repeated here: both must
be changed together.

    pip install -r requirements.txt
    python train.py --images LFW --models models [--write crates/vision/src/occlusion/mask.toml] [--more DIR]

`LFW` has one folder a person. Half of the people are learned from, the other half tell how good it is: what is printed is
of the very weights that are written. Masks are made up (masks.py); real ones are not in it. `--more` is a folder of
larger pictures without masks, for a look at other cameras; nothing is learned from them.
"""

import argparse
import base64
import glob
import os

import cv2
import masks
import numpy as np

SIDE, CELL, TOP, HIDDEN = 112, 8, 3, 8
FALSE_ALARMS = 0.002  # of unmasked faces of people not learned from, at probability 0.5
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def features(crops):
    """n aligned RGB faces of 112 × 112 → n × 462."""
    return halves(grid(crops))


def halves(planes):
    """Left and right alike."""
    planes = (planes + planes[:, :, ::-1]) / 2
    return np.clip(planes[:, TOP:, : SIDE // CELL // 2].reshape(len(planes), -1), -6, 6)


def grid(crops):
    """What is measured of every square: n × 14 × 14 × 6. In parts, for memory's sake."""
    return np.concatenate([squares(crops[at : at + 1000]) for at in range(0, len(crops), 1000)])


def squares(crops):
    rgb = crops.astype(np.float32) / 255
    n, cells = len(rgb), SIDE // CELL
    pool = lambda plane, how: how(plane.reshape(n, cells, CELL, cells, CELL), axis=(2, 4))
    luma = rgb @ LUMA
    smooth = luma
    for axis in (1, 2):
        pad = np.pad(smooth, [(0, 0)] + [(1, 1) if axis == a else (0, 0) for a in (1, 2)], mode="edge")
        take = lambda i: np.take(pad, range(i, i + SIDE), axis=axis)
        smooth = (take(0) + 2 * take(1) + take(2)) / 4
    gx, gy = np.zeros_like(smooth), np.zeros_like(smooth)
    gx[:, :, 1:-1] = np.abs(smooth[:, :, 2:] - smooth[:, :, :-2])
    gy[:, 1:-1] = np.abs(smooth[:, 2:] - smooth[:, :-2])
    light = pool(luma, np.mean)
    face = light[:, 3:12, 2:12]
    mean, spread = face.mean((1, 2))[:, None, None], face.std((1, 2))[:, None, None] + 0.03
    planes = [
        (light - mean) / spread,
        pool(rgb[..., 2] - luma, np.mean) / spread,
        pool(rgb[..., 0] - luma, np.mean) / spread,
        4 * pool(gx, np.mean) / spread,
        4 * pool(gy, np.mean) / spread,
        (light - pool(smooth, np.min)) / spread,
    ]
    return np.stack(planes, -1)


class Faces:
    def __init__(self, models):
        self.detector = cv2.FaceDetectorYN.create(f"{models}/yunet/yunet.onnx", "", (320, 320), 0.6, 0.3)
        self.aligner = cv2.FaceRecognizerSF.create(f"{models}/sface/sface.onnx", "")

    def find(self, picture):
        """The face nearest to the middle."""
        h, w = picture.shape[:2]
        self.detector.setInputSize((w, h))
        _, found = self.detector.detect(picture)
        if found is None:
            return None
        return min(found, key=lambda f: abs(f[0] + f[2] / 2 - w / 2) + abs(f[1] + f[3] / 2 - h / 2))

    def crop(self, picture, face):
        return np.ascontiguousarray(self.aligner.alignCrop(picture, face)[:, :, ::-1])


def collect(faces, files, seed):
    """Every face as it is and with a mask: crops, kind of mask (-1: none), person."""
    rng = np.random.default_rng(seed)
    crops, kinds, people, missed = [], [], [], 0
    for file in files:
        picture = cv2.imread(file)
        face = faces.find(picture)
        if face is None:
            continue
        person = os.path.basename(os.path.dirname(file))
        crops.append(faces.crop(picture, face))
        kinds.append(-1)
        people.append(person)
        kind = int(rng.integers(len(masks.KINDS)))
        masked = masks.put_on(picture, face[4:14], rng, masks.KINDS[kind])
        face = faces.find(masked)
        if face is None:
            missed += 1
            continue
        crops.append(faces.crop(masked, face))
        kinds.append(kind)
        people.append(person)
    print(f"{len(crops)} faces, {missed} masked ones not found")
    return np.array(crops), np.array(kinds), np.array(people)


def vary(crop, rng):
    """The same face by another camera, in another light, aligned a little differently."""
    angle, scale = rng.uniform(-5, 5), rng.uniform(0.95, 1.05)
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), angle, scale)
    turn[:, 2] += rng.uniform(-2, 2, 2)
    out = cv2.warpAffine(crop, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    if rng.random() < 0.5:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.3, 1.6))
    elif rng.random() < 0.5:
        out = out + rng.uniform(0.3, 1.5) * (out - cv2.GaussianBlur(out, (0, 0), 1.0))
    out = 255 * np.clip(out / 255, 0, 1) ** rng.uniform(0.6, 1.6)
    out = out * rng.uniform(0.85, 1.15, 3) + rng.normal(0, rng.uniform(0, 6), out.shape)
    return np.clip(out, 0, 255).astype(np.uint8)


def learn(x, y, seed, units=HIDDEN):
    """One hidden layer of ReLUs, Adam (Kingma and Ba 2015)."""
    rng = np.random.default_rng(seed)
    p = [rng.normal(0, 0.06, (x.shape[1], units)), np.zeros(units), rng.normal(0, 0.5, units), np.zeros(1)]
    first, second, step, rounds, batch = [0 * v for v in p], [0 * v for v in p], 0, 60, 128
    for done in range(rounds):
        order = rng.permutation(len(x))
        rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * done / rounds))
        for at in range(0, len(x), batch):
            take = order[at : at + batch]
            hidden = np.maximum(x[take] @ p[0] + p[1], 0)
            miss = 1 / (1 + np.exp(-(hidden @ p[2] + p[3]))) - y[take]
            back = miss[:, None] * p[2] * (hidden > 0)
            grads = [x[take].T @ back, back.sum(0), hidden.T @ miss, miss.sum(keepdims=True)]
            step += 1
            for i, grad in enumerate(grads):
                grad = grad / len(take) + (1e-3 * p[i] if i in (0, 2) else 0)
                first[i] = 0.9 * first[i] + 0.1 * grad
                second[i] = 0.999 * second[i] + 0.001 * grad**2
                p[i] -= rate * first[i] / (1 - 0.9**step) / (np.sqrt(second[i] / (1 - 0.999**step)) + 1e-8)
    return p


class Net:
    """As it is written down: the first layer in 8 bits, a scale for each hidden unit."""

    def __init__(self, p, mean, spread):
        weights = (p[0] / spread[:, None]).T
        self.bias = (p[1] - weights @ mean).astype(np.float32)
        self.scale = (np.maximum(np.abs(weights).max(1), 1e-6) / 127).astype(np.float32)  # a unit may have died
        self.weights = np.round(weights / self.scale[:, None]).astype(np.int8)
        self.out, self.out_bias = p[2].astype(np.float32), float(p[3][0])

    def __call__(self, x):
        hidden = np.maximum(x @ self.weights.T.astype(np.float32) * self.scale + self.bias, 0)
        return hidden @ self.out + self.out_bias

    def write(self, path, by="train.py"):
        row = lambda values: "[" + ", ".join(f"{v:.6g}" for v in values) + "]"
        data = base64.b64encode(self.weights.tobytes()).decode()
        lines = [data[at : at + 116] + "\\" for at in range(0, len(data), 116)]
        text = f"# Written by benches/mask/{by}: what is learned there, and how good it is. {self.weights.shape[1]} features → {len(self.bias)} → 1.\n"
        text += f"scale = {row(self.scale)}\nbias = {row(self.bias)}\nout = {row(self.out)}\n"
        text += f"out_bias = {self.out_bias:.6g}\n# {len(self.bias)} × {self.weights.shape[1]} signed bytes, base64.\n"
        text += 'weights = """\\\n' + "\n".join(lines) + '\n"""\n'
        with open(path, "w") as file:
            file.write(text)


def rates(name, score, kinds):
    plain, masked = score[kinds < 0], score[kinds >= 0]
    by_kind = ", ".join(f"{kind} {(score[kinds == i] > 0).mean():.3f}" for i, kind in enumerate(masks.KINDS) if (kinds == i).any())
    print(f"{name}: false alarms {(plain > 0).mean():.4f} of {len(plain)}, found {(masked > 0).mean():.4f} of {len(masked)} ({by_kind})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", required=True)
    parser.add_argument("--models", default="models")
    parser.add_argument("--write")
    parser.add_argument("--more")
    parser.add_argument("--keep", help="file to keep the crops in between runs")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    faces = Faces(arguments.models)
    if arguments.keep and os.path.exists(arguments.keep):
        kept = np.load(arguments.keep)
        crops, kinds, people = kept["crops"], kept["kinds"], kept["people"]
    else:
        crops, kinds, people = collect(faces, sorted(glob.glob(f"{arguments.images}/*/*.jpg")), 7)
        if arguments.keep:
            np.savez(arguments.keep, crops=crops, kinds=kinds, people=people)
    rng = np.random.default_rng(5)
    names = np.unique(people)
    rng.shuffle(names)
    held_out = np.isin(people, names[: len(names) // 2])
    varied = np.array([vary(crop, rng) for _ in range(3) for crop in crops[~held_out]])
    x = features(np.concatenate([crops[~held_out], varied]))
    k = np.tile(kinds[~held_out], 4)
    mean, spread = x.mean(0), x.std(0) + 1e-3

    def trained(chosen):
        return Net(learn((x[chosen] - mean) / spread, (k[chosen] >= 0).astype(float), 1), mean, spread)

    test, test_kinds = features(crops[held_out]), kinds[held_out]
    rough = features(np.array([vary(crop, rng) for crop in crops[held_out]]))
    net = trained(k > -2)
    # The mark is set where unmasked faces of those not learned from, as they are and varied, give the false alarms wanted.
    plain = np.concatenate([net(test)[test_kinds < 0], net(rough)[test_kinds < 0]])
    mark = np.quantile(plain, 1 - FALSE_ALARMS)
    net.out_bias -= float(mark)
    rates("people not learned from", net(test), test_kinds)
    rates("… varied", net(rough), test_kinds)
    for i, kind in enumerate(masks.KINDS):
        other = trained(k != i)
        other.out_bias -= float(np.quantile(other(test)[test_kinds < 0], 1 - FALSE_ALARMS))
        own = test_kinds == i
        print(f"{kind} never seen before: found {(other(test)[own] > 0).mean():.3f}")
    if arguments.more:
        files = sorted(glob.glob(f"{arguments.more}/*.jpg") + glob.glob(f"{arguments.more}/*.png"))
        crops, kinds, _ = collect(faces, files, 3)
        rates(arguments.more, net(features(crops)), kinds)
    if arguments.write:
        net.write(arguments.write)


if __name__ == "__main__":
    main()
