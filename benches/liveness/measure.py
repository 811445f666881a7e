"""How often the liveness networks take photos of people for living, and made-up prints and screens as well.

    pip install -r ../mask/requirements.txt onnxruntime==1.32.0
    python measure.py --models models --images LFW [--clips DIR]

Cut-outs are made here with OpenCV, as the networks' authors do; `tests/it/vision.rs` holds the product's to the same scores. Prints and
screens are drawn into the first pictures of the clips (or a grey wall): an indication, no measurement of real attacks.
"""

import argparse
import glob
import random

import cv2
import numpy as np
import onnxruntime as ort

NETWORKS = [(2.7, "minifasnet-v2"), (4.0, "minifasnet-v1se")]
SHARES = (0.5, 0.8, 1.1, 1.6)


class Eye:
    def __init__(self, models):
        self.detector = cv2.FaceDetectorYN.create(f"{models}/yunet/yunet.onnx", "", (320, 320), 0.7, 0.3)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.networks = [(s, ort.InferenceSession(f"{models}/{n}/{n}.onnx", options)) for s, n in NETWORKS]

    def score(self, picture):
        """Mean share of the living class for the largest face; None without a face."""
        h, w = picture.shape[:2]
        self.detector.setInputSize((w, h))
        _, found = self.detector.detect(picture)
        if found is None:
            return None
        box, shares = max(found, key=lambda f: f[2] * f[3])[:4], []
        for scale, network in self.networks:
            x1, y1, x2, y2 = cut(w, h, box, scale)
            small = cv2.resize(picture[y1 : y2 + 1, x1 : x2 + 1], (80, 80))
            logits = network.run(None, {"input": small.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
            power = np.exp(logits - logits.max())
            shares.append(power[1] / power.sum())
        return float(np.mean(shares))


def cut(w, h, box, scale):
    x, y, bw, bh = box
    scale = min((h - 1) / bh, (w - 1) / bw, scale)
    half_w, half_h = bw * scale / 2, bh * scale / 2
    x1, y1, x2, y2 = x + bw / 2 - half_w, y + bh / 2 - half_h, x + bw / 2 + half_w, y + bh / 2 + half_h
    if x1 < 0:
        x1, x2 = 0, x2 - x1
    if y1 < 0:
        y1, y2 = 0, y2 - y1
    if x2 > w - 1:
        x1, x2 = x1 - x2 + w - 1, w - 1
    if y2 > h - 1:
        y1, y2 = y1 - y2 + h - 1, h - 1
    return int(x1), int(y1), int(x2), int(y2)


def held_up(photo, scene, share, kind, rng):
    """The photo as a print or on a screen, `share` times as high as the scene, before it."""
    height, width = scene.shape[:2]
    side = int(height * share)
    smaller = cv2.INTER_AREA if side < photo.shape[0] else cv2.INTER_CUBIC
    sheet = cv2.resize(photo, (side, side), interpolation=smaller).astype(np.float32)
    if kind == "screen":
        grid, across = np.ones((side, side, 3), np.float32), rng.uniform(2.05, 2.9)
        for channel in range(3):
            grid[:, :, channel] *= (1 + 0.18 * np.cos(2 * np.pi * (np.arange(side) / across + channel / 3)))[None]
        grid *= (1 + 0.12 * np.cos(2 * np.pi * np.arange(side) / rng.uniform(2.05, 2.9)))[:, None, None]
        sheet = sheet * grid * 1.05
        sheet[:, :, 0] *= 1.08
        sheet = sheet + np.linspace(0, rng.uniform(0, 50), side)[None, :, None]
    else:
        sheet = sheet * 0.82 + 28
        sheet = sheet + rng.normal(0, 2, sheet.shape)
    edge, colour = int(side * 0.06), (15, 15, 15) if kind == "screen" else (235, 235, 235)
    sheet = np.clip(sheet, 0, 255).astype(np.uint8)
    sheet = cv2.copyMakeBorder(sheet, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=colour)
    n = sheet.shape[0]
    corners = np.float32([[0, 0], [n, 0], [n, n], [0, n]])
    place = [(width - n) / 2 + rng.uniform(-20, 20), (height - n) / 2]
    to = corners + place + rng.uniform(-0.04 * n, 0.04 * n, (4, 2))
    bent = cv2.getPerspectiveTransform(corners, np.float32(to))
    wall = cv2.GaussianBlur(scene, (0, 0), 6)
    out = cv2.warpPerspective(sheet, bent, (width, height), dst=wall, borderMode=cv2.BORDER_TRANSPARENT)
    out = cv2.GaussianBlur(out, (0, 0), 0.6)
    return cv2.imdecode(cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], 1)


def tell(name, scores):
    scores = np.array([score for score in scores if score is not None])
    shares = ", ".join(f"{mark}: {(scores >= mark).mean():.3f}" for mark in (0.3, 0.5, 0.7, 0.9))
    print(f"{name}, {len(scores)} looks, taken for living at {shares}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="models")
    parser.add_argument("--images", required=True, help="one folder a person")
    parser.add_argument("--clips")
    arguments = parser.parse_args()
    eye = Eye(arguments.models)
    files = sorted(glob.glob(f"{arguments.images}/*/*.jpg"))
    random.Random(1).shuffle(files)
    tell("photos", [eye.score(cv2.imread(file)) for file in files[:800]])
    scenes, living = [], []
    for clip in sorted(glob.glob(f"{arguments.clips}/*.*")) if arguments.clips else []:
        film, at = cv2.VideoCapture(clip), 0
        while True:
            there, picture = film.read()
            if not there:
                break
            if at == 0 and not clip.endswith(".gif"):
                scenes.append(picture)
            if at % 10 == 0:
                living.append(eye.score(picture))
            at += 1
    if living:
        tell("people in clips", living)
    scenes = scenes or [np.full((480, 640, 3), 150, np.uint8)]
    rng = np.random.default_rng(3)
    random.Random(2).shuffle(files)
    for kind in ("print", "screen"):
        for share in SHARES:
            shown = (held_up(cv2.imread(file), scenes[i % len(scenes)], share, kind, rng) for i, file in enumerate(files[:80]))
            tell(f"{kind}, {share} times as high as the picture", [eye.score(picture) for picture in shown])


if __name__ == "__main__":
    main()
