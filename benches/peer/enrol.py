#!/usr/bin/env python3
"""The plain way to enrol: one thread, OpenCV, the same detector and embedder, photos of a folder.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install opencv-python-headless
    menshen-sim load --peer /tmp/peer/bin/python

Nothing is downloaded, judged, sealed or stored here: it is only what the models cost. Prints one JSON object.
"""

import argparse
import json
import pathlib
import time

import cv2

parser = argparse.ArgumentParser()
parser.add_argument("--photos", type=pathlib.Path, required=True)
parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path("models"))
arguments = parser.parse_args()

cv2.setNumThreads(1)
detector = cv2.FaceDetectorYN.create(str(arguments.models / "yunet/yunet.onnx"), "", (320, 320))
embedder = cv2.FaceRecognizerSF.create(str(arguments.models / "sface/sface.onnx"), "")

photos = sorted(arguments.photos.glob("*.jpg"))
embedded = 0
began = time.perf_counter()
for path in photos:
    picture = cv2.imread(str(path))
    detector.setInputSize((picture.shape[1], picture.shape[0]))
    _, faces = detector.detect(picture)
    if faces is None:
        continue
    largest = max(faces, key=lambda face: face[2] * face[3])
    embedder.feature(embedder.alignCrop(picture, largest))
    embedded += 1
seconds = time.perf_counter() - began
print(json.dumps({
    "measure": "peer-opencv-1-thread", "opencv": cv2.__version__, "photos": len(photos), "embedded": embedded,
    "seconds": round(seconds, 2), "users_per_s": round(len(photos) / seconds, 2),
}))
