"""How far the head pose of crates/vision/src/pose.rs (computed here the same way, from YuNet's five landmarks) lies from two
references: a pose network (HopeNet-like, three times 66 bins) and OpenCV's solvePnP over 68 landmarks.

    npm pack faceplugin-face-recognition-js@0.0.1      # its model/ folder has fr_pose.onnx and fr_landmark.onnx
    pip install numpy opencv-python-headless onnxruntime
    python pose.py --models package/model --yunet models/yunet/yunet.onnx --images DIR [--every N]

Prints mean absolute differences and biases in degrees, one JSON line a reference and range of yaw. Measures nothing of
the product at run time: its formula and its FACE are repeated below and must be changed together with pose.rs.
"""

import argparse
import glob
import json
import os

import cv2
import numpy as np
import onnxruntime as ort

# As MODEL in crates/vision/src/pose.rs.
FACE = np.array(
    [[-17.62, -20.14, 0.0], [17.62, -20.14, 0.0], [0.0, 2.0, -16.0], [-14.59, 20.55, -2.8], [14.59, 20.55, -2.8]]
)

# Eleven of the 68 landmarks whose places on an average head are well known (mm; x right, y down, z into the scene).
HEAD_INDEX = [30, 8, 36, 45, 48, 54, 39, 42, 27, 31, 35]
HEAD = np.array(
    [[0, 0, 0], [0, 63.6, 12.5], [-43.3, -32.7, 26], [43.3, -32.7, 26], [-28.9, 28.9, 24.1], [28.9, 28.9, 24.1],
     [-17.0, -32.7, 24.0], [17.0, -32.7, 24.0], [0, -36.0, 10.5], [-13.5, 5.5, 16.5], [13.5, 5.5, 16.5]], float)


def angles(rotation):
    """Yaw, pitch, roll: nose to the picture's right, up, clockwise, in degrees."""
    forward = rotation @ np.array([0.0, 0.0, -1.0])
    yaw = np.degrees(np.arctan2(forward[0], -forward[2]))
    pitch = np.degrees(np.arcsin(np.clip(-forward[1], -1, 1)))
    roll = np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))
    return np.array([yaw, pitch, roll])


def menshen(points, face=FACE):
    design = face - face.mean(axis=0)
    rows = (np.linalg.pinv(design) @ (points - points.mean(axis=0))).T
    u, _, v = np.linalg.svd(rows, full_matrices=False)
    x, y = u @ v
    return angles(np.stack([x, y, np.cross(x, y)]))


class Network:
    """fr_pose.onnx, cropped as its own package does it: the box and a quarter more on every side."""

    def __init__(self, path):
        self.session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def __call__(self, picture, box):
        x, y, w, h = box
        crop = cut(picture, x - w / 4, y - h / 4, x + w + w / 4, y + h + h / 4, 224)
        rgb = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB).astype(np.float32) / 255
        rgb = (rgb - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        found = self.session.run(None, {self.input: rgb.transpose(2, 0, 1)[None].astype(np.float32)})
        out = []
        for logits in found[:3]:
            bins = np.exp(logits[0] - logits[0].max())
            out.append((bins / bins.sum()) @ np.arange(66) * 3 - 99)
        # Its yaw grows to the picture's left.
        return np.array([-out[0], out[1], out[2]])


class Landmarks68:
    def __init__(self, path):
        self.session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def __call__(self, picture, box):
        x, y, w, h = box
        side, (cx, cy) = max(w, h), (x + w / 2, y + h / 2)
        left, top = cx - side / 2, cy - side / 2
        crop = cut(picture, left, top, left + side, top + side, 64)
        grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32) / 256
        found = self.session.run(None, {self.input: grey[None, None]})[0].reshape(68, 2)
        return found * side + [left, top]


def cut(picture, x1, y1, x2, y2, side):
    scale = np.array([[side / (x2 - x1), 0, -x1 * side / (x2 - x1)], [0, side / (y2 - y1), -y1 * side / (y2 - y1)]])
    return cv2.warpAffine(picture, scale, (side, side), borderMode=cv2.BORDER_REPLICATE)


def solve_pnp(points, size):
    height, width = size
    focal = float(max(width, height)) * 2
    camera = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    ok, turn, shift = cv2.solvePnP(HEAD, points[HEAD_INDEX].astype(float), camera, None, flags=cv2.SOLVEPNP_EPNP)
    ok, turn, _ = cv2.solvePnP(HEAD, points[HEAD_INDEX].astype(float), camera, None, turn, shift, True)
    return angles(cv2.Rodrigues(turn)[0])


def faces(pictures, detector):
    for name, picture in pictures:
        height, width = picture.shape[:2]
        detector.setInputSize((width, height))
        found = detector.detect(picture)[1]
        if found is None:
            continue
        # The largest; YuNet names the person's right eye first, which is left in the picture.
        face = max(found, key=lambda f: f[2] * f[3])
        yield name, picture, face[:4], face[4:14].reshape(5, 2)


def tell(reference, found, expected):
    error = found - expected
    sums = np.abs(found).sum(1) - np.abs(expected).sum(1)
    yaw = np.abs(expected[:, 0])
    for low, high in [(0, 180), (0, 15), (15, 30), (30, 45), (45, 180)]:
        part = (yaw >= low) & (yaw < high)
        if part.sum() < 5:
            continue
        line = {"reference": reference, "yaw_range": [low, high], "faces": int(part.sum())}
        for axis, name in enumerate(["yaw", "pitch", "roll"]):
            line[name] = {
                "mean_abs": round(float(np.abs(error[part, axis]).mean()), 2),
                "bias": round(float(error[part, axis].mean()), 2),
            }
        line["sum"] = {"mean_abs": round(float(np.abs(sums[part]).mean()), 2), "bias": round(float(sums[part].mean()), 2)}
        print(json.dumps(line))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", required=True)
    parser.add_argument("--yunet", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--save")
    asked = parser.parse_args()
    detector = cv2.FaceDetectorYN.create(asked.yunet, "", (320, 320), 0.7, 0.3, 5000)
    network = Network(os.path.join(asked.models, "fr_pose.onnx"))
    points68 = Landmarks68(os.path.join(asked.models, "fr_landmark.onnx"))
    names = sorted(glob.glob(os.path.join(asked.images, "**", "*.jpg"), recursive=True))[:: asked.every]
    pictures = ((name, cv2.imread(name)) for name in names)
    own, by_network, by_pnp, kept = [], [], [], []
    for name, picture, box, points in faces(pictures, detector):
        own.append(menshen(points))
        by_network.append(network(picture, box))
        by_pnp.append(solve_pnp(points68(picture, box), picture.shape[:2]))
        kept.append(points)
    own, by_network, by_pnp = map(np.array, (own, by_network, by_pnp))
    if asked.save:
        np.savez(asked.save, own=own, network=by_network, pnp=by_pnp, points=np.array(kept))
    tell("network", own, by_network)
    tell("solvePnP", own, by_pnp)
    tell("network against solvePnP", by_network, by_pnp)


if __name__ == "__main__":
    main()
